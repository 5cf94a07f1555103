/**
 * How the benches measure: counters and times that the kernel keeps anyway, read from /proc.
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
import type { Contender, Programs } from './contenders.ts';

/** Octets of a frame that has 64 on the wire: the frame check sequence is not counted. */
const FRAME_OCTETS = 60;
/** An address nobody has: the frame crosses the bridge, and the server's kernel drops it first thing. */
const NOBODY = '02:00:00:00:00:99';
/** Until the flood runs evenly. */
const SETTLE_MS = 300;
const NO_END = 4_000_000_000;

/** What a flood showed. */
export interface FloodResult {
  /** Delivered, thousands a second. */
  readonly kpps: number;
  /** CPU time of the forwarding process per delivered packet, in microseconds. */
  readonly cpuUs: number;
}

/** What a steady stream showed. */
export interface SteadyResult {
  readonly sent: number;
  readonly delivered: number;
  /** CPU time of the forwarding process per delivered packet, in microseconds. */
  readonly cpuUs: number;
}

/** Floods a contender with more than it can take. */
export async function measureFlood(contender: Contender, programs: Programs, seconds: number): Promise<FloodResult> {
  const flood = contender.source.spawn(programs.flood, floodArguments(NO_END, 0));
  await sleep(SETTLE_MS);
  const before = look(contender);
  await sleep(seconds * 1000);
  const after = look(contender);
  await flood.stop();
  await drained(contender);
  const delivered = after.delivered - before.delivered;
  return { kpps: delivered / (after.atMs - before.atMs), cpuUs: (after.cpuNs - before.cpuNs) / 1000 / delivered };
}

/** Sends at a rate that a contender can take, and waits until everything has arrived or is lost. */
export async function measureSteady(
  contender: Contender,
  programs: Programs,
  perSecond: number,
  seconds: number,
): Promise<SteadyResult> {
  const sent = Math.round(perSecond * seconds);
  const before = look(contender);
  await contender.source.output(programs.flood, floodArguments(sent, perSecond));
  await drained(contender);
  const after = look(contender);
  const delivered = after.delivered - before.delivered;
  return { sent, delivered, cpuUs: (after.cpuNs - before.cpuNs) / 1000 / delivered };
}

/** The middle one; the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function floodArguments(count: number, perSecond: number): string[] {
  return ['eth0', String(count), String(FRAME_OCTETS), String(perSecond), NOBODY, '10.77.0.1', '10.77.0.2'];
}

function look(contender: Contender): { atMs: number; delivered: number; cpuNs: number } {
  return {
    atMs: performance.now(),
    delivered: receivedPackets(contender.probe),
    cpuNs: contender.pid === null ? 0 : cpuTimeNs(contender.pid),
  };
}

/** Packets that eth0 of the namespace of `pid` has received. */
function receivedPackets(pid: number): number {
  const line = /eth0:\s*\d+\s+(\d+)/.exec(readFileSync(`/proc/${pid}/net/dev`, 'utf8'));
  return Number(line?.[1]);
}

/** User and system time of all threads of a process. The scheduler's clock: `stat` counts in ticks of 10 ms. */
function cpuTimeNs(pid: number): number {
  let total = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    total += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
  }
  return total;
}

/** Waits until nothing arrives any more. */
async function drained(contender: Contender): Promise<void> {
  let last = -1;
  await waitFor(
    () => {
      const now = receivedPackets(contender.probe);
      const isStill = now === last;
      last = now;
      return isStill;
    },
    { what: 'the end of the stream', intervalMs: 200, timeoutMs: 30_000 },
  );
}
