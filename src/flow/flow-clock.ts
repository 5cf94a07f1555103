/**
 * The time of a flow table, from a clock that may jump.
 *
 * Floor 1. The caller says the time with every call: that of a live lane, or of the packets of a file. Give a live lane a
 * clock that nobody sets.
 *
 * Rule: time does not go back. A step back of at most a second is packets out of order, and time stands still; a longer
 * one is a clock that was set, and time goes on from where it was. What is no finite number changes nothing.
 *
 * The times stand in a typed array: milliseconds since 1970 in a field of an object would be boxed for every packet.
 *
 * @module
 */

/** Double: the time of the table, in milliseconds. */
export const NOW = 0;
/** Double: the time as the caller said it. */
export const CALLER = 1;
const AHEAD = 2;
/** Steps back up to here are packets out of order. */
const OUT_OF_ORDER_MS = 1_000;

/** A clock that never goes back. */
export class FlowClock {
  /** {@link NOW} and {@link CALLER}. */
  readonly now = Float64Array.of(Number.NEGATIVE_INFINITY, 0, 0);

  /** Sets the time. Cost: no allocation, but the caller's for a number that is no small integer. */
  set(nowMs: number): void {
    const now = this.now;
    const last = now[NOW] as number;
    const next = nowMs + (now[AHEAD] as number);
    if (!Number.isFinite(next)) return;
    now[CALLER] = nowMs;
    if (next >= last) now[NOW] = next;
    else if (last - next > OUT_OF_ORDER_MS) now[AHEAD] = last - nowMs;
  }
}
