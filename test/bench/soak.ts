/**
 * A soak: daemons under mixed traffic for as long as is wanted, and whether their memory stays flat.
 *
 * ```
 *   node --import tsx test/bench/soak.ts [--minutes 60] [--rate 10000] [--cells "steady afpacket,restless afpacket,steady pcap,restless pcap"]
 *                                        [--every 5] [--disturb-every 30] [--json FILE]              as root, after a build
 *   node --import tsx test/bench/soak.ts --judge FILE                                                what is made of a run, again
 * ```
 * All cells run at the same time and share the rate, in packets a second. Each `--every` seconds they are looked at. Exit code 0 when memory is flat,
 * nothing is left over and the ledger closes, by the rules of soak-verdict.ts; 1 when not; 2 for a wrong option. Rule: in network namespaces of its own,
 * which are gone at the end.
 *
 * @module
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { assertAddsUp } from '../support/live.ts';
import { describeMachine } from './machine.ts';
import { compilePrograms } from './programs.ts';
import { DISTURBANCES, untilWell } from './soak/disturb.ts';
import { SoakCell } from './soak/soak-cell.ts';
import { type Look, lookAt } from './soak/soak-look.ts';
import { showRecords } from './soak/soak-report.ts';
import { type CellRecord, complaintsOf } from './soak/soak-verdict.ts';

const ALL_CELLS = 'steady afpacket,restless afpacket,steady pcap,restless pcap';
const MS_IN_MINUTE = 60_000;
/** Octets of the log that are shown where something went wrong. */
const LOG_TAIL = 3000;
const SAVE_EVERY_MS = MS_IN_MINUTE;
/** A steady cell meets a hook at fault so often. */
const FAULT_EVERY_MS = 2 * MS_IN_MINUTE;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '10000' },
    cells: { type: 'string', default: ALL_CELLS },
    every: { type: 'string', default: '5' },
    'disturb-every': { type: 'string', default: '30' },
    json: { type: 'string' },
    judge: { type: 'string' },
  },
});

/** What grows while the soak runs. */
interface Growing {
  readonly cell: SoakCell;
  readonly looks: Look[];
  readonly surprises: string[];
  openAtEnd: string[];
  end: object;
}

const records = values.judge === undefined ? await run() : readRecords(values.judge);
const complaints = records.flatMap(complaintsOf);
console.log(showRecords(records, complaints));
process.exitCode = complaints.length === 0 ? 0 : 1;

async function run(): Promise<CellRecord[]> {
  const minutes = numberOf('minutes', values.minutes);
  const names = values.cells.split(',');
  const wanted = names.map((name) => specOf(name.trim()));
  if (process.getuid?.() !== 0) refuse('it makes network namespaces: run it as root');
  const programs = compilePrograms(['flood']);
  const growing: Growing[] = [];
  try {
    const rate = numberOf('rate', values.rate) / wanted.length;
    for (const spec of wanted) {
      const cell = await SoakCell.start({ ...spec, rate, programs });
      growing.push({ cell, looks: [], surprises: [], openAtEnd: [], end: {} });
    }
    const startedMs = performance.now();
    const endMs = startedMs + minutes * MS_IN_MINUTE;
    const saver = setInterval(() => save(growing), SAVE_EVERY_MS);
    await Promise.all(growing.flatMap((one) => [watch(one, startedMs, endMs), disturb(one, endMs)]));
    clearInterval(saver);
    for (const one of growing) await finish(one);
    save(growing);
    return growing.map(recordOf);
  } finally {
    for (const { cell } of growing) await cell.remove();
    programs.remove();
  }
}

/** Looks at a cell until the end. */
async function watch({ cell, looks, surprises }: Growing, startedMs: number, endMs: number): Promise<void> {
  const everyMs = numberOf('every', values.every) * 1000;
  let restarts = 0;
  for (let turn = 0; performance.now() < endMs; turn += 1) {
    const look = await lookAt(cell, Math.round((performance.now() - startedMs) / 100) / 10);
    looks.push(look);
    if (cell.temper === 'steady' && look.told !== null && look.told.restarts > restarts) {
      restarts = look.told.restarts;
      surprises.push(`at ${look.atS} s a lane was replaced: ${look.told.lastError}`);
      console.error(`soak: ${cell.name}: ${surprises.at(-1)}\n${cell.daemon.log.slice(-LOG_TAIL)}`);
    }
    await sleep(Math.max(0, startedMs + (turn + 1) * everyMs - performance.now()));
  }
}

/** Disturbs a cell until the end, one thing after the other. */
async function disturb({ cell, surprises }: Growing, endMs: number): Promise<void> {
  const isSteady = cell.temper === 'steady';
  const names = isSteady ? ['fault'] : Object.keys(DISTURBANCES);
  const everyMs = isSteady ? FAULT_EVERY_MS : numberOf('disturb-every', values['disturb-every']) * 1000;
  for (let turn = 0; ; turn += 1) {
    const restMs = Math.min(everyMs, endMs - performance.now());
    if (restMs > 0) await sleep(restMs);
    if (performance.now() >= endMs) return;
    const name = names[turn % names.length] ?? '';
    try {
      await DISTURBANCES[name]?.(cell);
      await untilWell(cell);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      surprises.push(`${name}: ${why}`);
      console.error(`soak: ${cell.name}: ${name}: ${why}\n${cell.daemon.log.slice(-LOG_TAIL)}`);
    }
  }
}

/** Ends the traffic, and waits for the ledger. */
async function finish(one: Growing): Promise<void> {
  one.end = await one.cell.endTraffic();
  await assertAddsUp(one.cell.daemon).catch((error: unknown) => {
    one.openAtEnd.push(error instanceof Error ? error.message : String(error));
  });
  const code = await one.cell.daemon.stop();
  if (code !== 0) one.surprises.push(`the daemon ended with ${code}`);
}

function recordOf({ cell, looks, surprises, openAtEnd, end }: Growing): CellRecord & { readonly end: object } {
  const { name, temper, scrapes, missedScrapes } = cell;
  return { name, temper, looks, surprises, openAtEnd, end: { ...end, scrapes, missedScrapes } };
}

/** After each minute, so that a run that is broken off has not been for nothing. */
function save(growing: readonly Growing[]): void {
  const { json, ...settings } = values;
  if (json === undefined) return;
  const text = JSON.stringify({ machine: describeMachine([]), settings, cells: growing.map(recordOf) });
  writeFileSync(`${json}.new`, text);
  renameSync(`${json}.new`, json);
}

function readRecords(file: string): CellRecord[] {
  return (JSON.parse(readFileSync(file, 'utf8')) as { cells: CellRecord[] }).cells;
}

function specOf(name: string): { readonly temper: 'steady' | 'restless'; readonly driver: 'afpacket' | 'pcap' } {
  const [temper, driver] = name.split(' ');
  if ((temper !== 'steady' && temper !== 'restless') || (driver !== 'afpacket' && driver !== 'pcap'))
    refuse(`--cells ${name}: not one of ${ALL_CELLS}`);
  return { temper, driver };
}

function numberOf(option: string, given: string): number {
  const number = Number(given);
  return number > 0 ? number : refuse(`--${option} ${given}: not a number above 0`);
}

function refuse(why: string): never {
  process.stderr.write(`soak: ${why}\n`);
  process.exit(2);
}
