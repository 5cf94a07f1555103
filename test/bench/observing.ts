/**
 * What it costs that firehook can be looked into, whole: processor time a packet of lane, supervisor and writer of events, at a fixed rate.
 *
 * ```
 *   node --import tsx test/bench/observing.ts [--rate 50000] [--rounds 15] [--seconds 4] [--driver afpacket] [--json FILE]      as root, after a build
 *   everything off ─ off again ─ metrics ─ events ─ everything on: a daemon each, which stay up and take turns
 * ```
 * Everything on: `GET /metrics` each second, events of types drop and flow of which one in a hundred is written to a file, the time of hooks. One packet in a
 * hundred is dropped, and in each half second 1,024 flows end. Everything off: nothing asks, there is no `events`, and the daemon is a copy of this one without the
 * line of hook-chain that counts down to a measured packet. Rule: a ratio is taken within a round, and what is reported is the median of the ratios; `off again`
 * says how much of that is noise.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { StatusReport } from '../../src/control/reports.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { pingsAgain, stockHook } from '../support/live.ts';
import { bridgeLab, type Lab } from '../support/netns.ts';
import { describeMachine } from './machine.ts';
import { median } from './measure.ts';
import { copyWithoutTimes } from './observing/without-times.ts';
import { compilePrograms } from './programs.ts';
import { askDaemon } from './soak/ask-daemon.ts';
import { type ProcessNumbers, processesOf, type Role } from './soak/numbers-of.ts';
import { trivialHooks } from './trivial-hooks.ts';

const CLIENT = '10.77.0.1';
const SERVER = '10.77.0.2';
const NOBODY = '02:00:00:00:00:99';
const DROPPED_PORT = 23;
const DROPPED_SHARE = 0.01;
const FIRST_PORT = 1024;
const PORTS = 60_000;
/** Of a turn, each with flows of its own. */
const FLOODS_A_SECOND = 2;
const SCRAPE_MS = 1000;
const MORE_HOOKS = 4;
const ROLES = ['lane', 'supervisor', 'writer'] as const satisfies readonly Role[];

/** What of it is on. */
interface Kind {
  readonly name: string;
  readonly isScraped: boolean;
  readonly hasEvents: boolean;
  readonly isTimed: boolean;
}

const KINDS: readonly Kind[] = [
  { name: 'off', isScraped: false, hasEvents: false, isTimed: false },
  { name: 'off again', isScraped: false, hasEvents: false, isTimed: false },
  { name: 'metrics', isScraped: true, hasEvents: false, isTimed: false },
  { name: 'events', isScraped: false, hasEvents: true, isTimed: false },
  { name: 'time of hooks', isScraped: false, hasEvents: false, isTimed: true },
  { name: 'all', isScraped: true, hasEvents: true, isTimed: true },
];

/** A daemon and its turns: microseconds of processor time a packet, of each kind of process. */
interface Contender extends Kind {
  readonly lab: Lab<'client' | 'fw' | 'server'>;
  readonly daemon: Daemon;
  /** Another one in the middle of a turn is no turn. */
  lanes: readonly number[];
  readonly turns: Readonly<Record<(typeof ROLES)[number], number>>[];
}

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '50000' },
    rounds: { type: 'string', default: '15' },
    seconds: { type: 'string', default: '4' },
    driver: { type: 'string', default: 'afpacket' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
});
const rate = Number(values.rate);
const seconds = Number(values.seconds);
const programs = compilePrograms(['flood']);
const variant = copyWithoutTimes();
const contenders: Contender[] = [];
let port = 0;
try {
  const wanted = values.only?.split(',');
  for (const kind of KINDS) if (wanted?.includes(kind.name) !== false) contenders.push(await start(kind));
  for (const contender of contenders) await turn(contender);
  for (const { turns } of contenders) turns.length = 0;
  for (let round = 0; round < Number(values.rounds); round++) {
    for (let place = 0; place < contenders.length; place++) {
      const contender = contenders[(place + round) % contenders.length];
      if (contender !== undefined) await turn(contender);
    }
  }
  report();
} finally {
  for (const { lab } of contenders) await lab.remove();
  programs.remove();
  variant.remove();
}

async function start(kind: Kind): Promise<Contender> {
  const lab = await bridgeLab();
  try {
    const files = trivialHooks(MORE_HOOKS);
    const config = {
      attach: [{ bridge: ['lan0', 'wan0'] }],
      driver: values.driver,
      hooks: [
        stockHook('drop-port', { protocol: 'udp', ports: [DROPPED_PORT] }),
        // It asks for flows.
        stockHook('packet-filter', { rules: ['pass udp state established', 'default pass'] }),
        ...Object.keys(files).map((file) => ({ module: `./${file}` })),
      ],
      flows: { timeouts: { udpNew: 1 } },
      ...(kind.hasEvents
        ? { events: { file: 'events.json', types: ['drop', 'flow'], sample: { oneIn: 100, perSecond: 0 } } }
        : {}),
    };
    const program = kind.isTimed ? {} : { program: variant.firehookd };
    const daemon = await startDaemon(lab.ns.fw, config, { files, timeoutMs: 60_000, ...program });
    await pingsAgain(lab.ns.client, SERVER);
    const { lane } = (await daemon.status()) as { readonly lane: { readonly pids: readonly number[] } };
    return { ...kind, lab, daemon, lanes: lane.pids, turns: [] };
  } catch (error) {
    await lab.remove();
    throw error;
  }
}

/** Sends for some seconds; the flows of all but the last second end within. */
async function turn(contender: Contender): Promise<void> {
  const { lab, daemon, isScraped, turns } = contender;
  const status = (await daemon.status()) as unknown as StatusReport;
  const lanes = status.lane.pids;
  if (lanes.join() !== contender.lanes.join()) {
    console.error(
      `observing: ${contender.name}: the lane was replaced: ${status.lane.lastError}\n${daemon.log.slice(-2000)}`,
    );
    contender.lanes = lanes;
  }
  const before = processesOf(daemon.pid, lanes);
  let isOver = false;
  const scraping = isScraped ? scrape(daemon.socket, () => isOver) : Promise.resolve();
  for (let part = 0; part < seconds * FLOODS_A_SECOND; part++) {
    port = (port + 1) % PORTS;
    const perSecond = rate * (1 - DROPPED_SHARE);
    const send = (count: number, per: number, to: number): Promise<unknown> => {
      const numbers = [Math.round(count), 60, Math.round(per)].map(String);
      return lab.ns.client.output(programs.flood, ['eth0', ...numbers, NOBODY, CLIENT, SERVER, String(to)]);
    };
    const dropped = rate * DROPPED_SHARE;
    await Promise.all([
      send(perSecond / FLOODS_A_SECOND, perSecond, FIRST_PORT + port),
      send(dropped / FLOODS_A_SECOND, dropped, DROPPED_PORT),
    ]);
  }
  isOver = true;
  const after = processesOf(daemon.pid, lanes);
  const spent = (role: Role): number => (cpuOf(after, role) - cpuOf(before, role)) / 1000 / (rate * seconds);
  await scraping;
  turns.push({ lane: spent('lane'), supervisor: spent('supervisor'), writer: spent('writer') });
}

async function scrape(socket: string, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await askDaemon(socket, '/metrics');
    await sleep(SCRAPE_MS);
  }
}

function cpuOf(processes: readonly ProcessNumbers[], role: Role): number {
  return processes.filter((one) => one.role === role).reduce((sum, { cpuNs }) => sum + cpuNs, 0);
}

function report(): void {
  const total = ({ turns }: Contender): number[] =>
    turns.map(({ lane, supervisor, writer }) => lane + supervisor + writer);
  const base = contenders[0] === undefined ? [] : total(contenders[0]);
  console.log(`${values.driver}, ${rate} packets a second, ${values.rounds} rounds of ${seconds} s`);
  for (const contender of contenders) {
    const own = total(contender);
    const ratios = own.map((us, round) => us / (base[round] ?? Number.NaN));
    const parts = ROLES.map((role) => `${role} ${median(contender.turns.map((one) => one[role])).toFixed(3)}`);
    const shown = [median(own).toFixed(3), median(ratios).toFixed(4)];
    console.log(`  ${contender.name.padEnd(14)} ${shown[0]} us a packet, ${shown[1]} x off   (${parts.join(', ')})`);
  }
  if (values.json === undefined) return;
  const series = contenders.map(({ name, turns }) => ({ name, turns }));
  writeFileSync(values.json, JSON.stringify({ machine: describeMachine([]), settings: values, series }));
}
