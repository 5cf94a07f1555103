/**
 * A lane with twice the packets that it can carry: whether the books close, memory stays bounded, the lease is held, and how soon the round trip is back.
 *
 * ```
 *   node --import tsx test/bench/overload.ts [--seconds 60] [--drivers afpacket,pcap] [--microseconds 20] [--ring MIB] [--json FILE]   as root, after a build
 *   what it carries (C): the rate of which 1 % is not read ─> 10 s of C/2 ─> 2 C for --seconds ─> 15 s of C/2
 * ```
 * The hook of the lane is busy for `--microseconds` with each datagram, so that one sender is more than enough. Exit code 1 where the books are open or
 * memory grew without bound. Rule: in namespaces of its own, which are gone at the end.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { DriverName } from './contenders.ts';
import { describeMachine } from './machine.ts';
import { median } from './measure.ts';
import { type Books, between, FloodedBridge, isClosed } from './overload/flooded-bridge.ts';
import { backAfterMs, type Tenth, tenthsOf, usualUs, within } from './overload/round-trips.ts';
import { compilePrograms } from './programs.ts';

const QUIET_S = 10;
const AFTER_S = 15;
const LOOK_EVERY_MS = 250;
const STEPS = 8;
const STEP_S = 2;
const LEAST_RATE = 1000;
const MOST_RATE = 300_000;
const CARRIED = 0.99;
/** A sender that takes so many times as long cannot send as fast. */
const LATE = 1.2;
/** More than that is not bounded. */
const MOST_GROWTH_MIB = 64;

/** What was seen every quarter of a second. */
interface Looked {
  readonly atMs: number;
  readonly supervisorMiB: number;
  readonly lanesMiB: number;
  readonly lease: string;
  readonly lapses: number;
}

/** What came of a driver. */
interface Outcome {
  readonly driver: DriverName;
  readonly carries: number;
  readonly flooded: Books;
  readonly whole: Books;
  readonly looks: readonly Looked[];
  readonly tenths: readonly Tenth[];
  readonly numbers: Readonly<Record<string, number>>;
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    drivers: { type: 'string', default: 'afpacket,pcap' },
    microseconds: { type: 'string', default: '20' },
    ring: { type: 'string' },
    json: { type: 'string' },
  },
});
const seconds = Number(values.seconds);
const outcomes: Outcome[] = [];
const programs = compilePrograms(['flood']);
try {
  for (const driver of values.drivers.split(',') as DriverName[]) {
    const bridge = await FloodedBridge.start({
      driver,
      microseconds: Number(values.microseconds),
      flood: programs.flood,
      ring: values.ring === undefined || driver === 'pcap' ? undefined : Number(values.ring),
    });
    try {
      outcomes.push(await overload(driver, bridge));
    } finally {
      await bridge.remove();
    }
  }
} finally {
  programs.remove();
}
if (values.json !== undefined) {
  writeFileSync(values.json, JSON.stringify({ machine: describeMachine([]), settings: values, outcomes }));
}
for (const outcome of outcomes) show(outcome);
process.exitCode = outcomes.every(isWell) ? 0 : 1;

async function overload(driver: DriverName, bridge: FloodedBridge): Promise<Outcome> {
  const carries = await findCapacity(bridge);
  const start = await bridge.booksAtRest();
  const looks: Looked[] = [];
  const looking = setInterval(() => void look(bridge, looks), LOOK_EVERY_MS);
  const ping = bridge.startPing();
  const half = bridge.startFlood(carries / 2);
  await sleep(QUIET_S * 1000);
  const before = await bridge.books();
  const floodMs = Date.now();
  const rate = carries * 1.5;
  const flood = bridge.startFlood(rate, Math.round(rate * seconds));
  await flood.exited;
  const endMs = Date.now();
  const flooded = between(before, await bridge.books());
  await sleep(AFTER_S * 1000);
  clearInterval(looking);
  ping.kill('SIGINT');
  await ping.exited;
  await half.stop();
  const whole = between(start, await bridge.booksAtRest());
  const tenths = tenthsOf(ping.stdout);
  const numbers = numbersOf(tenths, looks, floodMs, endMs);
  return { driver, carries, flooded, whole, looks, tenths, numbers };
}

/** The most of which 99 of 100 are read by the end of two seconds, in packets a second. */
async function findCapacity(bridge: FloodedBridge): Promise<number> {
  let [low, high] = [LEAST_RATE, MOST_RATE];
  for (let step = 0; step < STEPS; step += 1) {
    const rate = Math.sqrt(low * high);
    const before = await bridge.booksAtRest();
    const startedMs = performance.now();
    await bridge.startFlood(rate, Math.round(rate * STEP_S)).exited;
    const isSent = performance.now() - startedMs < STEP_S * LATE * 1000;
    const { sent, received } = between(before, await bridge.books());
    if (received >= sent * CARRIED && isSent) low = rate;
    else high = rate;
  }
  return Math.round(low);
}

async function look(bridge: FloodedBridge, looks: Looked[]): Promise<void> {
  try {
    const { lane, lease, leaseHistory } = await bridge.status();
    const { supervisor, lanes } = bridge.memory(lane.pids);
    looks.push({ atMs: Date.now(), supervisorMiB: supervisor, lanesMiB: lanes, lease, lapses: leaseHistory.lapses });
  } catch {
    looks.push({
      atMs: Date.now(),
      supervisorMiB: Number.NaN,
      lanesMiB: Number.NaN,
      lease: 'no answer',
      lapses: Number.NaN,
    });
  }
}

function numbersOf(
  tenths: readonly Tenth[],
  looks: readonly Looked[],
  floodMs: number,
  endMs: number,
): Record<string, number> {
  const before = within(tenths, 0, floodMs);
  const during = within(tenths, floodMs, endMs);
  const usual = usualUs(before);
  const most = (of: readonly number[]): number => Math.max(...of.filter(Number.isFinite));
  const at = (from: number, until: number): readonly Looked[] =>
    looks.filter(({ atMs }) => atMs >= from && atMs < until);
  const medianUs = (of: readonly Tenth[]): number => median(of.map((tenth) => tenth.medianUs));
  return {
    floodSeconds: (endMs - floodMs) / 1000,
    'round trip before, us': medianUs(before),
    'round trip before, 95 of 100 tenths, us': usual,
    'round trip during, us': medianUs(during),
    'longest tenth during, us': most(during.map((tenth) => tenth.medianUs)),
    'round trip after, us': medianUs(within(tenths, endMs + 1000, Number.POSITIVE_INFINITY)),
    'back after, ms': backAfterMs(tenths, endMs, usual),
    'lane before, MiB': median(at(0, floodMs).map(({ lanesMiB }) => lanesMiB)),
    'lane most, MiB': most(at(floodMs, endMs).map(({ lanesMiB }) => lanesMiB)),
    'lane after, MiB': median(at(endMs, Number.POSITIVE_INFINITY).map(({ lanesMiB }) => lanesMiB)),
    'supervisor before, MiB': median(at(0, floodMs).map(({ supervisorMiB }) => supervisorMiB)),
    'supervisor most, MiB': most(at(floodMs, endMs).map(({ supervisorMiB }) => supervisorMiB)),
    'supervisor after, MiB': median(at(endMs, Number.POSITIVE_INFINITY).map(({ supervisorMiB }) => supervisorMiB)),
    lapses: most(looks.map(({ lapses }) => lapses)),
    'looks without the lease': looks.filter(({ lease }) => lease !== 'held').length,
    looks: looks.length,
  };
}

function show({ driver, carries, flooded, whole, numbers }: Outcome): void {
  console.log(`${driver}: carries ${carries} a second`);
  console.log(`  in the flood: ${JSON.stringify(flooded)}`);
  console.log(`  in all, at rest: ${JSON.stringify(whole)}`);
  for (const [name, value] of Object.entries(numbers)) console.log(`  ${name}: ${Math.round(value * 10) / 10}`);
}

function isWell({ whole, numbers }: Outcome): boolean {
  const grown = (name: string): number => (numbers[`${name} most, MiB`] ?? 0) - (numbers[`${name} before, MiB`] ?? 0);
  const isBounded = grown('lane') <= MOST_GROWTH_MIB && grown('supervisor') <= MOST_GROWTH_MIB;
  return isClosed(whole) && isBounded;
}
