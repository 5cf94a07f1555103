/**
 * The parts of the bench: what each measures, and of whom.
 *
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type Attach,
  afpacketBehindDetours,
  afpacketForward,
  bareHost,
  type Contender,
  type DriverName,
  daqtest,
  firehook,
  kernelBridge,
  netfilterQueue,
  pcapForward,
  scapyBridge,
} from './contenders.ts';
import { measureFlood, measureIdle, measureRoundTrips, measureSteady, measureTcp } from './measure.ts';
import { findPeers, type Programs } from './programs.ts';
import { type Series, takeRounds } from './rounds.ts';

/** What all parts are given. */
export interface BenchOptions {
  readonly programs: Programs;
  readonly rounds: number;
  /** Of one turn. */
  readonly seconds: number;
  readonly drivers: readonly DriverName[];
  /** 64-byte frames a second of the part `cpu`. */
  readonly rate: number;
  /** Of the part `pause`. */
  readonly pauseSeconds: number;
}

/** Names of the parts that compare, in the order they run. */
export const PARTS = ['frames', 'cpu', 'tcp', 'rtt', 'pause', 'idle', 'hooks', 'heap', 'steal'] as const;

/** One of them. */
export type Part = (typeof PARTS)[number];

const SIZES = [64, 512, 1500] as const;
const HOOK_COUNTS = [0, 1, 5, 20] as const;
const LOAD = 50_000;
const HEAP_S = 6;
const WARM_UP_S = 1;
const REFERENCES = ['C afpacket', 'C pcap', 'kernel bridge', 'kernel fwd', 'daqtest afpacket', 'no firewall'];
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
  if (parts.includes('steal') && attach === 'bridge') await compareSteal(options, tell);
}

type Comparison = (contenders: readonly Contender[], options: BenchOptions) => Promise<Series[]>;

const COMPARISONS: Partial<Record<Part, Comparison>> = {
  async frames(contenders, { programs, rounds, seconds }) {
    const found: Series[] = [];
    for (const size of SIZES) {
      const [kpps, cpu] = [`${size}-byte frames`, `${size}-byte frames, CPU a packet`];
      const units = { [kpps]: 'kpps', [cpu]: US };
      const series = await takeRounds(contenders, REFERENCES, rounds, units, async (contender) => {
        const result = await measureFlood(contender, programs, seconds, size);
        return { [kpps]: result.kpps, [cpu]: result.cpuUs };
      });
      found.push(...series);
    }
    return found;
  },

  cpu: (contenders, options) => steady(contenders, options),

  async tcp(contenders, { rounds, seconds }) {
    const [one, eight, back] = ['TCP, one flow', 'TCP, eight flows', 'TCP, one flow back'];
    const units = { [one]: 'Gbit/s', [eight]: 'Gbit/s', [back]: 'Gbit/s' };
    return takeRounds(contenders, REFERENCES, rounds, units, async (contender) => ({
      [one]: await measureTcp(contender, 1, seconds, false),
      [eight]: await measureTcp(contender, 8, seconds, false),
      [back]: await measureTcp(contender, 1, seconds, true),
    }));
  },

  async rtt(contenders, { programs, rounds, seconds }) {
    const names = (when: string): string[] => ['p50', 'p99', 'p99.9'].map((part) => `round trip ${when}, ${part}`);
    const [idle, loaded] = [names('idle'), names(`under ${LOAD / 1000} kpps`)];
    const units = Object.fromEntries([...idle, ...loaded].map((name) => [name, US]));
    return takeRounds(contenders, REFERENCES, rounds, units, async (contender) => {
      const quiet = await measureRoundTrips(contender, programs, seconds, 0);
      const busy = await measureRoundTrips(contender, programs, seconds, LOAD);
      const numbers = [quiet.p50, quiet.p99, quiet.p999, busy.p50, busy.p99, busy.p999];
      return Object.fromEntries(Object.keys(units).map((name, i) => [name, numbers[i] ?? Number.NaN]));
    });
  },

  pause(contenders, { programs, pauseSeconds }) {
    const name = `longest round trip, ${pauseSeconds} s under ${LOAD / 1000} kpps`;
    return takeRounds(contenders, REFERENCES, 1, { [name]: US }, async (contender) => ({
      [name]: (await measureRoundTrips(contender, programs, pauseSeconds, LOAD)).max,
    }));
  },

  idle(contenders, { rounds, seconds }) {
    const units = { 'CPU when idle': '%', 'CPU when idle, supervisor': '%' };
    return takeRounds(contenders, [], rounds, units, async (contender) => {
      const { lane, supervisor } = await measureIdle(contender, seconds);
      return { 'CPU when idle': lane, 'CPU when idle, supervisor': supervisor };
    });
  },
};

function steady(
  contenders: readonly Contender[],
  { programs, rounds, seconds, rate }: BenchOptions,
): Promise<Series[]> {
  const [cpu, lost] = [`CPU a packet at ${rate / 1000} kpps`, `lost at ${rate / 1000} kpps`];
  return takeRounds(contenders, REFERENCES, rounds, { [cpu]: US, [lost]: '%' }, async (contender) => {
    const result = await measureSteady(contender, programs, rate, seconds);
    return { [cpu]: result.cpuUs, [lost]: ((result.sent - result.delivered) / result.sent) * 100 };
  });
}

/** Firehook with each driver, and everybody it is measured against. */
async function everybody(attach: Attach, { programs, drivers }: BenchOptions): Promise<Contender[]> {
  const starts: (() => Promise<Contender>)[] = drivers.map((driver) => () => firehook(attach, { driver, hooks: 1 }));
  if (attach === 'host') starts.push(bareHost);
  else {
    starts.push(
      () => afpacketForward(programs),
      () => pcapForward(programs),
      kernelBridge,
    );
    for (const { name, isFound } of findPeers()) if (isFound) starts.push(PEERS[name]);
  }
  return startAll(starts);
}

const PEERS = { daqtest, 'python NetfilterQueue': netfilterQueue, scapy: scapyBridge };

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
      const { programs, rounds, seconds } = options;
      const names = contenders.map(({ name }) => name).slice(1, 2);
      const units = { '64-byte frames, by hooks': 'kpps' };
      const floods = await takeRounds(contenders, names, rounds, units, async (contender) => ({
        '64-byte frames, by hooks': (await measureFlood(contender, programs, seconds, 64)).kpps,
      }));
      const costs = await steady(contenders, options);
      for (const series of floods) tell(series);
      for (const series of costs) tell({ ...series, metric: `${series.metric}, by hooks`, references: names });
    },
  );
}

/** Octets of heap that a packet takes, as a hook in the running lane sees it. */
async function measureHeap(attach: Attach, driver: DriverName, { programs }: BenchOptions): Promise<Series> {
  const probed = await firehook(attach, { driver, hooks: 1, moreHooks: [HEAP_PROBE] });
  try {
    await measureFlood(probed, programs, HEAP_S, 64);
    await probed.daemon?.stop();
    const octets = Number(/heap octets a packet: (-?[\d.]+)/.exec(probed.daemon?.log ?? '')?.[1]);
    return {
      metric: `heap a packet, ${driver}`,
      unit: 'octets',
      attach,
      values: { [probed.name]: [octets] },
      references: [],
    };
  } finally {
    await probed.remove();
  }
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
