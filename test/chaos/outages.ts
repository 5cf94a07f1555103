/**
 * How long a stream was away: made of the numbers that were sent and those that arrived.
 *
 * ```
 *   sent      1 2 3 4 5 6 7 8 9 ...        outage: from the time 3 was sent until the time 7 was sent
 *   arrived   1 2 . . 5 . 7 8 9 ...        (5 arrived, but the stream was not back for good before 7)
 * ```
 * Rule: times are those of sending, so that a receiver that ran late lengthens nothing, and a sender that was not run makes
 * no outage. Two holes with less than {@link GOOD_MS} of unbroken traffic between them are one outage.
 *
 * @module
 */

import type { Flow } from '../support/traffic.ts';

/** A stream is back for good when it has arrived without a hole for this long. */
export const GOOD_MS = 200;

/** A time without traffic, in milliseconds of CLOCK_MONOTONIC. */
export interface Outage {
  /** When the first lost datagram was sent. */
  readonly fromMs: number;
  /** When the first datagram was sent that arrived for good. */
  readonly untilMs: number;
}

/** What is asked of a flow here. */
export type Sent = Pick<Flow, 'hasArrived' | 'sentAtMs'>;

/** The outages of a flow among the datagrams sent from `fromMs` until `untilMs`. One that has not ended lasts until then. */
export function findOutages(flow: Sent, fromMs: number, untilMs: number): Outage[] {
  const outages: Outage[] = [];
  for (let number = firstSince(flow.sentAtMs, fromMs); number < flow.sentAtMs.length; number++) {
    const atMs = flow.sentAtMs[number] ?? 0;
    if (atMs >= untilMs) break;
    if (flow.hasArrived(number)) continue;
    const next = flow.sentAtMs[number + 1] ?? untilMs;
    const last = outages.at(-1);
    const isSame = last !== undefined && atMs - last.untilMs < GOOD_MS;
    if (isSame) outages.pop();
    outages.push({ fromMs: isSame ? last.fromMs : atMs, untilMs: Math.min(next, untilMs) });
  }
  return outages;
}

/** The longest time that any of the flows was away in that time, in milliseconds. */
export function longestOutageMs(flows: readonly Sent[], fromMs: number, untilMs: number): number {
  const outages = flows.flatMap((flow) => findOutages(flow, fromMs, untilMs));
  return Math.max(0, ...outages.map((outage) => outage.untilMs - outage.fromMs));
}

/** How many datagrams sent in that time have not arrived. */
export function countLost(flow: Sent, fromMs: number, untilMs: number): number {
  let lost = 0;
  for (let number = firstSince(flow.sentAtMs, fromMs); number < flow.sentAtMs.length; number++) {
    if ((flow.sentAtMs[number] ?? 0) >= untilMs) break;
    if (!flow.hasArrived(number)) lost += 1;
  }
  return lost;
}

/** Index of the first time that is not before `fromMs`; times grow. */
function firstSince(timesMs: readonly number[], fromMs: number): number {
  let low = 0;
  let high = timesMs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((timesMs[middle] ?? 0) < fromMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
