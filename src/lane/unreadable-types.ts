/**
 * How many unreadable frames there were, by EtherType: a table of fixed size that no sender can make grow.
 *
 * Rule: plain doubles, so that nothing is allocated for a frame and the table can be copied into the progress file as it is.
 *
 * @module
 */

import { NO_ETHERTYPE } from '../wire/frame-kind.ts';

/** Rows of the table: as many types of their own, and the last row for all others. */
export const UNREADABLE_TYPES = 17;
/** Numbers in the table: type and count of each row. */
export const UNREADABLE_WIDTH = UNREADABLE_TYPES * 2;
/** Stands in the last row for the types that found no row of their own. */
export const OTHER_TYPES = -1;

/** The line for the log when the first frame of a type, or of {@link OTHER_TYPES}, has come. */
export function unreadableLine(etherType: number, policy: 'drop' | 'forward'): string {
  const end = policy === 'drop' ? 'dropped' : 'forwarded past the hooks';
  if (etherType === OTHER_TYPES)
    return `More than ${UNREADABLE_TYPES - 1} EtherTypes that firehook does not read are ${end} (policy.unreadable).`;
  const what =
    etherType === NO_ETHERTYPE
      ? 'IEEE 802.2 (LLC), or of no EtherType at all,'
      : `EtherType 0x${etherType.toString(16).padStart(4, '0')}`;
  return `Frames of ${what} are ${end}: firehook does not read what is in them, IP perhaps (policy.unreadable).`;
}

/** The table of one lane. */
export class UnreadableTypes {
  /**
   * Type and count, row after row. A row whose count is 0 is free. The type is an EtherType, `NO_ETHERTYPE` (0: LLC), or,
   * in the last row, {@link OTHER_TYPES}.
   */
  readonly numbers: Float64Array = new Float64Array(UNREADABLE_WIDTH);

  constructor() {
    this.numbers[UNREADABLE_WIDTH - 2] = OTHER_TYPES;
  }

  /**
   * Counts a frame. Cost: O(rows), no allocation.
   *
   * @returns the row when the frame is the first of it; -1 otherwise
   */
  count(etherType: number): number {
    const { numbers } = this;
    const last = UNREADABLE_WIDTH - 2;
    let at = 0;
    while (at < last && numbers[at + 1] !== 0 && numbers[at] !== etherType) at += 2;
    const isFirst = numbers[at + 1] === 0;
    if (isFirst && at < last) numbers[at] = etherType;
    numbers[at + 1] = (numbers[at + 1] as number) + 1;
    return isFirst ? at / 2 : -1;
  }
}
