/**
 * What is counted about the streams of a hook, by name: its own counts, and those of its stream table.
 *
 * Rule: one table of names; whoever shows the numbers goes through it.
 *
 * @module
 */

import {
  CLOSED_EVICTED,
  CLOSED_EXPIRED,
  COUNT_CLOSED,
  COUNT_CONTRADICTIONS,
  COUNT_MISSED,
  COUNT_OCTETS,
  COUNT_OPENED,
  COUNT_RESULT,
  COUNT_UNOPENED,
  STREAM_NO_ROOM,
  STREAM_TOO_FAR,
  STREAM_WAITS,
} from '../../stream/stream-counters.ts';
import type { StreamTable } from '../../stream/stream-table.ts';
import type { StreamNumbers } from './stream-contract.ts';

/** Place: connections that the hook let go on. */
export const PASSED = 0;
/** Place: connections that were cut, for whatever reason. */
export const CUTS = 1;
/** Place: connections whose octets could not be read. */
export const UNREAD = 2;
/** Place: connections whose start is not known. */
export const UNSEEN_STARTS = 3;
/** Place: segments that were dropped because they cannot be read now or at all; their senders send them again. */
export const HELD_OFF = 4;
/** Place: segments with a wrong checksum. */
export const WRONG_CHECKSUMS = 5;
/** Places in all. */
export const OWN_COUNTS = 6;

/** The numbers at this moment. Makes an object. */
export function streamNumbers(own: Float64Array, table: StreamTable): StreamNumbers {
  const mine = (place: number): number => own[place] as number;
  const ofTable = (place: number): number => table.counters[place] as number;
  return {
    open: table.size,
    octetsHeld: table.octetsHeld,
    opened: ofTable(COUNT_OPENED),
    octets: ofTable(COUNT_OCTETS),
    passed: mine(PASSED),
    cut: mine(CUTS),
    unread: mine(UNREAD),
    unseen: mine(UNSEEN_STARTS),
    droppedSegments: mine(HELD_OFF),
    wrongChecksums: mine(WRONG_CHECKSUMS),
    waited: ofTable(COUNT_RESULT + STREAM_WAITS),
    tooFar: ofTable(COUNT_RESULT + STREAM_TOO_FAR),
    noRoom: ofTable(COUNT_RESULT + STREAM_NO_ROOM),
    unopened: ofTable(COUNT_UNOPENED),
    contradictions: ofTable(COUNT_CONTRADICTIONS),
    missed: ofTable(COUNT_MISSED),
    expired: ofTable(COUNT_CLOSED + CLOSED_EXPIRED),
    evicted: ofTable(COUNT_CLOSED + CLOSED_EVICTED),
  };
}
