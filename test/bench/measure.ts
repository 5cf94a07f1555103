/**
 * How the benches measure: counters and times that the kernel keeps anyway, read from /proc, and the words of ping and iperf3.
 *
 * Rule: what is measured is not disturbed. Nothing is started while it runs, no packet is copied to be counted, and a
 * rate is taken between two looks at a counter in the middle of a flood, away from its start and its end.
 *
 * @see proc(5)
 * @module
 */

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../support/netns.ts';
import type { Contender } from './contenders.ts';
import type { Programs } from './programs.ts';

/** Octets of the frame check sequence, which counts on the wire and not in a buffer. */
const FRAME_CHECK = 4;
/** Until the flood runs evenly. */
const SETTLE_MS = 300;
/** Nothing has arrived for this long: nothing is on its way any more. */
const STILL_MS = 100;
const NO_END = 4_000_000_000;
const PING_EVERY_MS = 2;
/** What the load is beyond the pings, in milliseconds. */
const LOAD_MARGIN_MS = 1500;

/** What a flood showed: thousands delivered a second, and CPU time of what forwards, in microseconds per packet. */
export interface FloodResult {
  readonly kpps: number;
  readonly cpuUs: number;
}

/** What a steady stream showed. */
export interface SteadyResult {
  readonly sent: number;
  readonly delivered: number;
  readonly cpuUs: number;
}

/** Round-trip times in microseconds. */
export interface RoundTrips {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/**
 * Floods a contender with more than it can take.
 *
 * @param size - octets on the wire
 */
export async function measureFlood(
  contender: Contender,
  programs: Programs,
  seconds: number,
  size: number,
): Promise<FloodResult> {
  const flood = contender.source.spawn(programs.flood, floodArguments(contender, NO_END, 0, size));
  await sleep(SETTLE_MS);
  const before = look(contender);
  await sleep(seconds * 1000);
  const after = look(contender);
  await flood.stop();
  await drained(contender);
  const delivered = after.delivered - before.delivered;
  return {
    kpps: delivered / (after.atMs - before.atMs),
    cpuUs: cpuUs(contender, after.cpuNs - before.cpuNs, delivered),
  };
}

/** Sends 64-byte frames at a rate, and waits until everything has arrived or is lost. */
export async function measureSteady(
  contender: Contender,
  programs: Programs,
  perSecond: number,
  seconds: number,
): Promise<SteadyResult> {
  const sent = Math.round(perSecond * seconds);
  const before = look(contender);
  await contender.source.output(programs.flood, floodArguments(contender, sent, perSecond, 64));
  await drained(contender);
  const after = look(contender);
  const delivered = after.delivered - before.delivered;
  return { sent, delivered, cpuUs: cpuUs(contender, after.cpuNs - before.cpuNs, delivered) };
}

/**
 * Gbit/s of TCP that arrived.
 *
 * @param isReverse - from the target to the source
 */
export async function measureTcp(
  contender: Contender,
  flows: number,
  seconds: number,
  isReverse: boolean,
): Promise<number> {
  const reverse = isReverse ? ['-R'] : [];
  // iperf3 takes whole seconds, and 0 for no end.
  const time = String(Math.max(1, Math.round(seconds)));
  const args = ['-c', contender.addresses[1], '-P', String(flows), '-t', time, '--json', ...reverse];
  const report = JSON.parse(await contender.source.output('iperf3', args)) as {
    readonly end: { readonly sum_received: { readonly bits_per_second: number } };
  };
  return report.end.sum_received.bits_per_second / 1e9;
}

/** Pings one after the other, every two milliseconds, while `load` 64-byte frames a second go the same way; 0 for none. */
export async function measureRoundTrips(
  contender: Contender,
  programs: Programs,
  seconds: number,
  load: number,
): Promise<RoundTrips> {
  const count = Math.round((seconds * 1000) / PING_EVERY_MS);
  const frames = Math.round(((seconds * 1000 + LOAD_MARGIN_MS) * load) / 1000);
  const flood = load === 0 ? null : contender.source.spawn(programs.flood, floodArguments(contender, frames, load, 64));
  if (flood !== null) await sleep(SETTLE_MS);
  const args = ['-c', String(count), '-i', String(PING_EVERY_MS / 1000), '-W', '1', contender.addresses[1]];
  const { stdout } = await contender.source.run('ping', args, { timeoutMs: seconds * 3000 + LOAD_MARGIN_MS });
  await flood?.stop();
  await drained(contender);
  const times = Array.from(stdout.matchAll(/time=([\d.]+) ms/g), ([, ms]) => Number(ms) * 1000).sort((a, b) => a - b);
  const at = (part: number): number => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}

/** CPU time that a contender without traffic takes, in per cent of a core; not a number for what is not there. */
export async function measureIdle(
  contender: Contender,
  seconds: number,
): Promise<{ lane: number; supervisor: number }> {
  const own = contender.supervisor === null ? [] : [contender.supervisor];
  const [lanes, supervisor, at] = [cpuTimeNs(contender.pids), cpuTimeNs(own), performance.now()];
  await sleep(seconds * 1000);
  const ns = (performance.now() - at) * 1e6;
  return {
    lane: contender.pids.length === 0 ? Number.NaN : ((cpuTimeNs(contender.pids) - lanes) / ns) * 100,
    supervisor: own.length === 0 ? Number.NaN : ((cpuTimeNs(own) - supervisor) / ns) * 100,
  };
}

/** The middle one; the mean of the two middle ones. What is not a number does not count. */
export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => Number.isFinite(value)).toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function floodArguments(contender: Contender, count: number, perSecond: number, size: number): string[] {
  // On a wire, 1,500 stands for the longest frame: 1,514 octets with its header.
  const octets = size === 1500 ? 1514 : size - FRAME_CHECK;
  return ['eth0', String(count), String(octets), String(perSecond), contender.mac, ...contender.addresses];
}

/** Not a number where the kernel forwards: nobody is charged for it. */
function cpuUs(contender: Contender, ns: number, packets: number): number {
  return contender.pids.length === 0 ? Number.NaN : ns / 1000 / packets;
}

function look(contender: Contender): { atMs: number; delivered: number; cpuNs: number } {
  return { atMs: performance.now(), delivered: received(contender), cpuNs: cpuTimeNs(contender.pids) };
}

/** Packets that have come through: in a bridge out of it, on a host up to its UDP. */
function received({ attach, probe }: Contender): number {
  if (attach === 'bridge') {
    return Number(/eth0:\s*\d+\s+(\d+)/.exec(readFileSync(`/proc/${probe}/net/dev`, 'utf8'))?.[1]);
  }
  // Nobody listens at the port: they count as NoPorts.
  return Number(/^Udp: \d+ (\d+)/m.exec(readFileSync(`/proc/${probe}/net/snmp`, 'utf8'))?.[1]);
}

/** User and system time of all threads. The scheduler's clock: `stat` counts in ticks of 10 ms. */
function cpuTimeNs(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      total += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
    }
  }
  return total;
}

/** Waits until nothing arrives any more. */
async function drained(contender: Contender): Promise<void> {
  let last = -1;
  await waitFor(
    () => {
      const now = received(contender);
      const isStill = now === last;
      last = now;
      return isStill;
    },
    { what: 'the end of the stream', intervalMs: STILL_MS, timeoutMs: 30_000 },
  );
}
