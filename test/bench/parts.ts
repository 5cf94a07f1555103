/**
 * The parts of the bench: what each measures, and of whom.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type Attach,
  afpacketBehindDetours,
  afpacketForward,
  bareHost,
  type Contender,
  type DriverName,
  firehook,
  kernelBridge,
  pcapForward,
} from './contenders.ts';
import { addedRoundTrip, furtherHook } from './derive.ts';
import type { Journal } from './journal.ts';
import { measureFlood, measureIdle, measureRoundTrips, measureSteady, measureTcp } from './measure.ts';
import type { Peer } from './peers.ts';
import type { Programs } from './programs.ts';
import { type Series, takeRounds } from './rounds.ts';

/** What all parts are given. */
export interface BenchOptions {
  readonly programs: Programs;
  /** Those that are here. */
  readonly peers: readonly Peer[];
  readonly journal: Journal;
  readonly rounds: number;
  /** Rounds of the part `hooks`, which has a table of its own for every driver and attach. */
  readonly hookRounds: number;
  /** Of one turn. */
  readonly seconds: number;
  readonly drivers: readonly DriverName[];
  /** 64-byte frames a second of the part `cpu`. */
  readonly rate: number;
  /** Of the part `pause`. */
  readonly pauseSeconds: number;
}

/** Names of the parts that compare, in the order they run. */
export const PARTS = ['frames', 'cpu', 'tcp', 'rtt', 'pause', 'idle', 'hooks', 'heap', 'lanes', 'steal'] as const;

/** One of them. */
export type Part = (typeof PARTS)[number];

const SIZES = [64, 512, 1500] as const;
const HOOK_COUNTS = [0, 1, 5, 20] as const;
const LANE_COUNTS = [1, 2] as const;
/** Beside the lanes, the sender and the receiver need a CPU each; with fewer, pinning takes one away from somebody. */
const CPUS_OF_OTHERS = 2;
const LOAD = 50_000;
/** A steady stream goes on for so many turns: what counts is the steady state, and it is the number that moves least. */
const STEADY_TURNS = 2;
const HEAP_S = 5;
const WARM_UP_S = 1;
const REFERENCES = ['C afpacket', 'C pcap', 'kernel bridge', 'kernel fwd', 'daqtest afpacket', 'no firewall'];
/** Who has the long part `pause`: firehook and what its default target is measured against. */
const PAUSED = /^(firehook |C afpacket|no firewall)/;
const HEAP_PROBE = fileURLToPath(new URL('./heap-probe.ts', import.meta.url));
const US = 'us';

/** Runs parts of one attach; what was measured is handed to `tell` as soon as it is there. */
export async function runParts(
  attach: Attach,
  parts: readonly Part[],
  options: BenchOptions,
  tell: (series: Series) => void,
): Promise<void> {
  const compared = parts.filter((part) => part in COMPARISONS);
  if (compared.length > 0) {
    await among(
      () => everybody(attach, options),
      options,
      async (contenders) => {
        for (const part of compared) {
          for (const series of (await COMPARISONS[part]?.(contenders, options)) ?? []) tell(series);
        }
      },
    );
  }
  if (parts.includes('hooks')) for (const driver of options.drivers) await compareHooks(attach, driver, options, tell);
  if (parts.includes('heap')) for (const driver of options.drivers) tell(await measureHeap(attach, driver, options));
  if (parts.includes('lanes') && options.drivers.includes('afpacket')) await compareLanes(attach, options, tell);
  if (parts.includes('steal') && attach === 'bridge') await compareSteal(options, tell);
}

type Comparison = (contenders: readonly Contender[], options: BenchOptions) => Promise<Series[]>;

const COMPARISONS: Partial<Record<Part, Comparison>> = {
  async frames(contenders, options) {
    const found: Series[] = [];
    for (const size of SIZES) found.push(...(await floods(contenders, options, size)));
    return found;
  },

  cpu: (contenders, options) => steady(contenders, options),

  tcp: (contenders, options) =>
    tcp(contenders, options, {
      'TCP, one flow': [1, false],
      'TCP, eight flows': [8, false],
      'TCP, one flow back': [1, true],
    }),

  async rtt(contenders, options) {
    const { programs, rounds, seconds, journal } = options;
    const names = (when: string): string[] => ['p50', 'p99', 'p99.9'].map((part) => `round trip ${when}, ${part}`);
    const all = [...names('idle'), ...names(`under ${LOAD / 1000} kpps`)];
    const units = Object.fromEntries(all.map((name) => [name, US]));
    const how = { units, rounds, references: REFERENCES, journal };
    const found = await takeRounds(contenders, how, async (contender) => {
      const quiet = await measureRoundTrips(contender, programs, seconds, 0);
      const busy = await measureRoundTrips(contender, programs, seconds, LOAD);
      const numbers = [quiet.p50, quiet.p99, quiet.p999, busy.p50, busy.p99, busy.p999];
      return Object.fromEntries(all.map((name, i) => [name, numbers[i] ?? Number.NaN]));
    });
    return [...found, ...found.map(addedRoundTrip).filter((series) => series !== null)];
  },

  pause(contenders, { programs, pauseSeconds, journal }) {
    const name = `longest round trip, ${pauseSeconds} s under ${LOAD / 1000} kpps`;
    const how = { units: { [name]: 'ms' }, rounds: 1, references: REFERENCES, journal };
    const asked = contenders.filter((contender) => PAUSED.test(contender.name));
    return takeRounds(asked, how, async (contender) => ({
      [name]: (await measureRoundTrips(contender, programs, pauseSeconds, LOAD)).max / 1000,
    }));
  },

  idle(contenders, { rounds, seconds, journal }) {
    const units = { 'CPU when idle': '%', 'CPU when idle, supervisor': '%' };
    return takeRounds(contenders, { units, rounds, references: [], journal }, async (contender) => {
      const { lane, supervisor } = await measureIdle(contender, seconds);
      return { 'CPU when idle': lane, 'CPU when idle, supervisor': supervisor };
    });
  },
};

function floods(
  contenders: readonly Contender[],
  { programs, rounds, seconds, journal }: BenchOptions,
  size: number,
): Promise<Series[]> {
  const [kpps, cpu] = [`${size}-byte frames`, `${size}-byte frames, CPU a packet`];
  const how = { units: { [kpps]: 'kpps', [cpu]: US }, rounds, references: REFERENCES, journal };
  return takeRounds(contenders, how, async (contender) => {
    const result = await measureFlood(contender, programs, seconds, size);
    return { [kpps]: result.kpps, [cpu]: result.cpuUs };
  });
}

function steady(
  contenders: readonly Contender[],
  { programs, rounds, seconds, rate, journal }: BenchOptions,
): Promise<Series[]> {
  const [cpu, lost] = [`CPU a packet at ${rate / 1000} kpps`, `lost at ${rate / 1000} kpps`];
  const how = { units: { [cpu]: US, [lost]: '%' }, rounds, references: REFERENCES, journal };
  return takeRounds(contenders, how, async (contender) => {
    const result = await measureSteady(contender, programs, rate, STEADY_TURNS * seconds);
    return { [cpu]: result.cpuUs, [lost]: ((result.sent - result.delivered) / result.sent) * 100 };
  });
}

/** @param streams - by metric: how many flows, and whether they go from the target to the source */
function tcp(
  contenders: readonly Contender[],
  { rounds, seconds, journal }: BenchOptions,
  streams: Readonly<Record<string, readonly [flows: number, isReverse: boolean]>>,
): Promise<Series[]> {
  const units = Object.fromEntries(Object.keys(streams).map((name) => [name, 'Gbit/s']));
  return takeRounds(contenders, { units, rounds, references: REFERENCES, journal }, async (contender) => {
    const turn: Record<string, number> = {};
    for (const [name, [flows, isReverse]] of Object.entries(streams)) {
      turn[name] = await measureTcp(contender, flows, seconds, isReverse);
    }
    return turn;
  });
}

/** Firehook with each driver, and everybody it is measured against. */
async function everybody(attach: Attach, options: BenchOptions): Promise<Contender[]> {
  const { programs, drivers, peers, journal } = options;
  const starts: (() => Promise<Contender>)[] = drivers.map((driver) => () => firehook(attach, { driver, hooks: 1 }));
  if (attach === 'host') return startAll([...starts, bareHost]);
  starts.push(
    () => afpacketForward(programs),
    () => pcapForward(programs),
    kernelBridge,
  );
  const started = await startAll(starts);
  for (const peer of peers) {
    // A peer that a kernel does not let work is no reason to measure nobody.
    const contender = await peer.start().catch((error: unknown) => {
      journal.warn(`${peer.name} takes no part: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    });
    if (contender !== null) started.push(contender);
  }
  return started;
}

/** The numbers of firehook by how many hooks it has, against itself with one. */
async function compareHooks(
  attach: Attach,
  driver: DriverName,
  options: BenchOptions,
  tell: (series: Series) => void,
): Promise<void> {
  const starts = HOOK_COUNTS.map((hooks) => () => firehook(attach, { driver, hooks }));
  await among(
    () => startAll(starts),
    options,
    async (contenders) => {
      const references = contenders.slice(1, 2).map(({ name }) => name);
      const own = { ...options, rounds: options.hookRounds };
      const tellAll = (found: readonly Series[]): Series[] => {
        const named = found.map((series) => ({ ...series, metric: `${series.metric}, by hooks`, references }));
        for (const series of named) tell(series);
        return named;
      };
      // What the slope comes from has all rounds.
      const sloped = tellAll([...(await floods(contenders, options, 64)), ...(await steady(contenders, options))]);
      for (const series of sloped) if (series.unit !== '%') tell(furtherHook(series));
      for (const size of SIZES) if (size !== 64) tellAll(await floods(contenders, own, size));
      tellAll(await tcp(contenders, own, { 'TCP, one flow': [1, false], 'TCP, eight flows': [8, false] }));
      tellAll((await COMPARISONS.rtt?.(contenders, own)) ?? []);
    },
  );
}

/** Octets of heap that a packet takes at the fixed rate, as one more hook in the running lane sees it. */
async function measureHeap(attach: Attach, driver: DriverName, options: BenchOptions): Promise<Series> {
  const values: Record<string, number[]> = {};
  for (const hooks of HOOK_COUNTS) {
    const probed = await firehook(attach, { driver, hooks, moreHooks: [HEAP_PROBE] });
    options.journal.step(`${attach}: heap, ${probed.name}`);
    try {
      await measureSteady(probed, options.programs, options.rate, HEAP_S);
      await probed.daemon?.stop();
      values[probed.name] = [Number(/heap octets a packet: (-?[\d.]+)/.exec(probed.daemon?.log ?? '')?.[1])];
    } finally {
      await probed.remove();
    }
  }
  options.journal.clear();
  const metric = `heap a packet at ${options.rate / 1000} kpps, by hooks`;
  return { metric, unit: 'octets', attach, values, references: [] };
}

/** One lane against two, with many flows. */
async function compareLanes(attach: Attach, options: BenchOptions, tell: (series: Series) => void): Promise<void> {
  const starts = LANE_COUNTS.map(
    (lanes) => async () => pinned(await firehook(attach, { driver: 'afpacket', hooks: 1, lanes })),
  );
  await among(
    () => startAll(starts),
    options,
    async (contenders) => {
      const references = contenders.slice(0, 1).map(({ name }) => name);
      const found = [
        ...(await floods(contenders, options, 64)),
        ...(await tcp(contenders, options, { 'TCP, eight flows': [8, false] })),
      ];
      for (const series of found) tell({ ...series, metric: `${series.metric}, by lanes`, references });
    },
  );
}

/** Each lane on a CPU of its own, where the machine has so many that the others keep theirs. */
function pinned(contender: Contender): Contender {
  const { pids } = contender;
  if (os.cpus().length < Math.max(...LANE_COUNTS) + CPUS_OF_OTHERS) return contender;
  for (const [cpu, pid] of pids.entries()) spawnSync('taskset', ['-acp', String(cpu), String(pid)]);
  return { ...contender, name: `${contender.name}, pinned` };
}

/** Frames taken at the detours against frames taken at the ports, in C. */
function compareSteal(options: BenchOptions, tell: (series: Series) => void): Promise<void> {
  const starts = [() => afpacketBehindDetours(options.programs), () => afpacketForward(options.programs)];
  return among(
    () => startAll(starts),
    options,
    async (contenders) => {
      for (const part of ['frames', 'cpu', 'tcp', 'rtt'] as const) {
        for (const series of (await COMPARISONS[part]?.(contenders, options)) ?? []) {
          tell({ ...series, metric: `${series.metric}, detour or port` });
        }
      }
    },
  );
}

async function startAll(starts: readonly (() => Promise<Contender>)[]): Promise<Contender[]> {
  const started: Contender[] = [];
  try {
    for (const start of starts) started.push(await start());
  } catch (error) {
    for (const contender of started) await contender.remove();
    throw error;
  }
  return started;
}

/** Contenders that are warm while `use` runs, and gone after. */
async function among(
  start: () => Promise<Contender[]>,
  { programs }: BenchOptions,
  use: (contenders: readonly Contender[]) => Promise<void>,
): Promise<void> {
  const contenders = await start();
  try {
    for (const contender of contenders) await measureFlood(contender, programs, WARM_UP_S, 64);
    await sleep(WARM_UP_S * 1000);
    await use(contenders);
  } finally {
    for (const contender of contenders) await contender.remove();
  }
}
