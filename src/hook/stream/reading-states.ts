/**
 * Where a hook is with each flow: one octet a flow, the state in the low bits and the direction that is read above.
 *
 * ```
 *   UNKNOWN ─ first packet ─> IGNORED: other ports, another protocol
 *                          ├> UNSEEN ─ octets ─> onUnseen
 *                          └> WATCHED ─ first octets ─> READING ─ verdict ─> JUDGED ─ the receiver has acknowledged it ─> IGNORED
 *                                                        ├─ DROP, RESET, a contradiction ─> CUT
 *                                                        └─ its room was taken, idle ─> LOST ─ octets ─> onUnread
 * ```
 * Rule: a reading takes memory in READING and JUDGED, and in no other state: connections that send nothing cost an octet each.
 *
 * @module
 */

/** No packet of the flow was looked at yet. */
export const UNKNOWN = 0;
/** The hook has nothing to do with it, or nothing more. */
export const IGNORED = 1;
/** Its start is not known, and no octets have come. */
export const UNSEEN = 2;
/** Its start is known, and no octets have come. */
export const WATCHED = 3;
/** It is being read. */
export const READING = 4;
/** The hook has let it go on; what it read is compared with what comes again until the receiver has acknowledged it. */
export const JUDGED = 5;
/** The reading ended before its time. */
export const LOST = 6;
/** Nothing of it goes on. */
export const CUT = 7;

/** The bits of the state. */
export const STATE_MASK = 7;
/** Above them: the direction that is read. */
export const DIRECTION_SHIFT = 3;

/** States of all flows of a table. */
export class ReadingStates {
  readonly #octets: Uint8Array;

  /** @param flows - indexes that there are */
  constructor(flows: number) {
    this.#octets = new Uint8Array(flows);
  }

  /** The state of a flow. */
  of(index: number): number {
    return (this.#octets[index] as number) & STATE_MASK;
  }

  /** The direction that is read: 0 as the first packet of the flow went, 1 back. */
  directionOf(index: number): number {
    return (this.#octets[index] as number) >> DIRECTION_SHIFT;
  }

  /** Sets the state and leaves the direction. */
  set(index: number, state: number): void {
    this.#octets[index] = ((this.#octets[index] as number) & ~STATE_MASK) | state;
  }

  /** Sets both. */
  begin(index: number, state: number, direction: number): void {
    this.#octets[index] = state | (direction << DIRECTION_SHIFT);
  }

  /** The index belongs to no flow any more. */
  forget(index: number): void {
    this.#octets[index] = UNKNOWN;
  }
}
