/**
 * The memory of the flows: one record of 192 octets each, in one block, three cache lines of 64 octets.
 *
 * ```
 *   octet 0    | key 11 words | status | older | newer | used (a double)                  |   look-up, timeout list
 *         64   | packets 2, octets 2, first, last: doubles | hash | generation | settled 2 words | books
 *         128  | 16 words of TCP, see tcp-tracker.ts                                      |
 * ```
 * Floor 1. Words and doubles are two views of the same block, so a flow lies within one or two pages. The system gives
 * memory when it is written to first: a table that never fills never takes all of it.
 *
 * A look-up reads the first line and no other.
 *
 * Rule: who writes an offset of this file writes the kind of number that stands beside it; times are doubles, since
 * milliseconds since 1970 do not fit a word.
 *
 * @module
 */

import { CALLER } from './flow-clock.ts';
import type { FlowState } from './timeouts.ts';

/** Octets of a record. */
export const RECORD_OCTETS = 192;
/** Words of a record; the first word of flow `index` is `index * RECORD_WORDS`. */
export const RECORD_WORDS = RECORD_OCTETS / 4;
/** Doubles of a record. */
export const RECORD_DOUBLES = RECORD_OCTETS / 8;

/** Word: hash of the key. */
export const HASH = 28;
/** Word: state, kind and marks, see the masks below. */
export const STATUS = 11;
/** Word: the flow before in the list of its class, -1 for none; of a free record, the next free one. */
export const OLDER = 12;
/** Word: the flow behind, -1 for none. */
export const NEWER = 13;
/** Word: goes up by one when the flow ends. */
export const GENERATION = 29;
/** Word: bit `decider` is set where that decider lets the packets of the flow go on. */
export const SETTLED_FORWARDS = 30;
/** Word: bit `decider` is set where that decider drops them. */
export const SETTLED_DROPS = 31;
/** First word of TCP. */
export const TCP_WORDS = 32;

/** Status bits 0-3: the class, kind and state. */
export const CLASS_MASK = 0xf;
/** The kind within the class. */
export const KIND_SHIFT = 2;
/** Status bits 0-1: the state. */
export const STATE_MASK = 0x3;
/** Status bit: the flow's first datagram came from the higher end. */
export const SWAPPED = 1 << 4;
/** Status bit: a packet came from the end that did not open the flow. */
export const ANSWERED = 1 << 5;
/** Status bit: the record holds a flow. */
export const IN_USE = 1 << 6;
/** Status bit: the caller has let a packet of the flow go on. */
export const BEGUN = 1 << 7;

/** Double: packets of direction 0; those of direction 1 follow. */
export const PACKETS = 8;
/** Double: octets of direction 0; those of direction 1 follow. */
export const OCTETS = 10;
/** Double: time of the first packet, on the caller's clock. */
export const FIRST_MS = 12;
/** Double: time of the last packet, on the caller's clock. */
export const LAST_MS = 13;
/** Double: when the timeout began to count, on the table's own clock. */
export const USED_MS = 7;

/** Most flows a table can be made for. */
export const MOST_FLOWS = 1 << 24;

/** Deciders whose verdicts are remembered: a bit each. */
export const MOST_DECIDERS = 32;

/** No verdict is settled. */
export const UNSETTLED = -1;
/** Packets of the flow go on. */
export const SETTLED_FORWARD = 0;
/** Packets of the flow are dropped. */
export const SETTLED_DROP = 1;

/** Verdict that holds for the packets of a flow until it ends. */
export type SettledVerdict = typeof UNSETTLED | typeof SETTLED_FORWARD | typeof SETTLED_DROP;

/** The records of a table. The index of a flow is 0 to `most - 1`; what is said of another means nothing. */
export class FlowRecords {
  /** Flows that fit. */
  readonly most: number;
  /** @internal */
  readonly words: Int32Array;
  /** @internal */
  readonly doubles: Float64Array;

  constructor(most: number) {
    const block = new ArrayBuffer(most * RECORD_OCTETS);
    this.most = most;
    this.words = new Int32Array(block);
    this.doubles = new Float64Array(block);
  }

  /** True when the index holds a flow. */
  isInUse(index: number): boolean {
    if (!(index >= 0 && index < this.most)) return false;
    return ((this.words[index * RECORD_WORDS + STATUS] as number) & IN_USE) !== 0;
  }

  /** Number that tells the flow at an index from earlier ones; below 2^30. */
  generationOf(index: number): number {
    return this.words[index * RECORD_WORDS + GENERATION] as number;
  }

  /** True when the flow that had this generation is still there. */
  isCurrent(index: number, generation: number): boolean {
    return this.isInUse(index) && this.generationOf(index) === generation;
  }

  /** State of a flow. */
  stateOf(index: number): FlowState {
    return ((this.words[index * RECORD_WORDS + STATUS] as number) & STATE_MASK) as FlowState;
  }

  /** Kind of protocol of a flow. */
  kindOf(index: number): number {
    return ((this.words[index * RECORD_WORDS + STATUS] as number) & CLASS_MASK) >> KIND_SHIFT;
  }

  /** True when a valid packet came from the end that did not open the flow. */
  isAnswered(index: number): boolean {
    return ((this.words[index * RECORD_WORDS + STATUS] as number) & ANSWERED) !== 0;
  }

  /** True when {@link FlowRecords.begin} was called for the flow. */
  isBegun(index: number): boolean {
    return ((this.words[index * RECORD_WORDS + STATUS] as number) & BEGUN) !== 0;
  }

  /** Notes that a packet of the flow has gone on. */
  begin(index: number): void {
    const at = index * RECORD_WORDS + STATUS;
    this.words[at] = (this.words[at] as number) | BEGUN;
  }

  /** 1 when the flow's first packet came from the higher end. @internal */
  openerOf(index: number): 0 | 1 {
    return ((this.words[index * RECORD_WORDS + STATUS] as number) & SWAPPED) !== 0 ? 1 : 0;
  }

  /**
   * Remembers what a decider does with the packets of a flow; {@link UNSETTLED} takes it back. It holds until the flow ends, and a
   * new flow between the same ends starts without. Invalid packets are not part of what was decided.
   *
   * @param decider - 0 to {@link MOST_DECIDERS} - 1; of another one nothing is remembered
   */
  settle(index: number, decider: number, verdict: SettledVerdict): void {
    if (!isDecider(decider)) return;
    const bit = 1 << decider;
    const forwards = index * RECORD_WORDS + SETTLED_FORWARDS;
    const drops = index * RECORD_WORDS + SETTLED_DROPS;
    const { words } = this;
    words[forwards] =
      verdict === SETTLED_FORWARD ? (words[forwards] as number) | bit : (words[forwards] as number) & ~bit;
    words[drops] = verdict === SETTLED_DROP ? (words[drops] as number) | bit : (words[drops] as number) & ~bit;
  }

  /** The settled verdict of a decider about a flow. */
  settledOf(index: number, decider: number): SettledVerdict {
    if (!isDecider(decider)) return UNSETTLED;
    const bit = 1 << decider;
    if ((this.forwardsOf(index) & bit) !== 0) return SETTLED_FORWARD;
    return (this.dropsOf(index) & bit) === 0 ? UNSETTLED : SETTLED_DROP;
  }

  /** The deciders that let the packets of a flow go on: a bit each. */
  forwardsOf(index: number): number {
    return this.words[index * RECORD_WORDS + SETTLED_FORWARDS] as number;
  }

  /** The deciders that drop the packets of a flow: a bit each. */
  dropsOf(index: number): number {
    return this.words[index * RECORD_WORDS + SETTLED_DROPS] as number;
  }

  /** Packets of a direction. */
  packetsOf(index: number, direction: 0 | 1): number {
    return this.doubles[index * RECORD_DOUBLES + PACKETS + direction] as number;
  }

  /** Octets of a direction, as the caller counted them. */
  octetsOf(index: number, direction: 0 | 1): number {
    return this.doubles[index * RECORD_DOUBLES + OCTETS + direction] as number;
  }

  /** Time of the first packet, in milliseconds on the caller's clock. */
  firstMsOf(index: number): number {
    return this.doubles[index * RECORD_DOUBLES + FIRST_MS] as number;
  }

  /** Time of the last packet, in milliseconds on the caller's clock. */
  lastMsOf(index: number): number {
    return this.doubles[index * RECORD_DOUBLES + LAST_MS] as number;
  }

  /** Counts a packet of a flow. @internal */
  count(index: number, direction: number, octets: number, nowMs: Float64Array): void {
    const { doubles } = this;
    const books = index * RECORD_DOUBLES;
    doubles[books + PACKETS + direction] = (doubles[books + PACKETS + direction] as number) + 1;
    doubles[books + OCTETS + direction] = (doubles[books + OCTETS + direction] as number) + octets;
    doubles[books + LAST_MS] = nowMs[CALLER] as number;
  }

  /** Notes that the end that did not open the flow has spoken. @internal */
  answer(index: number): void {
    const at = index * RECORD_WORDS + STATUS;
    this.words[at] = (this.words[at] as number) | ANSWERED;
  }
}

function isDecider(decider: number): boolean {
  return Number.isInteger(decider) && decider >= 0 && decider < MOST_DECIDERS;
}
