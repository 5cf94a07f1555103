/**
 * TCP as seen from between its ends: which segments belong to a connection, and what state they leave it in.
 *
 * ```
 *   words of a flow        end       maxEnd          window             ack
 *     0-3  of direction 0  sent up   may be sent up  largest that it    largest that it
 *     4-7  of direction 1  to        to              has announced      has sent
 *     8, 9 first sequence number of each direction        10 marks        11 window scales
 *     12-14 the last SYN that may start over: first, end, window          15 acknowledgement of a challenge
 *
 *   a segment of direction d, with o the other one, is inside when
 *     sequence <= maxEnd[d]                         not beyond what o has room for, or a probe at the edge
 *     end      >= end[d] - window[o]                not older than what o can still want
 *     ack      <= end[o]                            not of data that was never sent
 *     ack      >= ack[d] - max(window[d], 66000)    not older than a late one can be (RFC 5961 5.2)
 *
 *   state         SYN ─> new ─> both SYNs acknowledged ─> established ─ FIN ─> closing ─ both FINs acknowledged ─> closed
 *                                                                          any ─ RST ─> closed
 * ```
 * Floor 1. Nothing is allocated and nothing thrown. Checksums are not looked at: who can tell calls only for segments
 * whose checksum is right.
 *
 * Rules:
 * - FIN, SYN, RST and ACK come as SYN, SYN ACK, RST, RST ACK, ACK, FIN ACK. The other combinations are invalid; PSH, URG,
 *   ECE and CWR decide nothing.
 * - A reset counts when its sequence number is one that the receiver can expect next: between what the receiver has
 *   acknowledged and what the sender has sent, which are the same on an idle connection (RFC 5961 3.2). One that answers
 *   a SYN counts when it acknowledges it (RFC 9293 3.10.7.3).
 * - The handshake is complete when the end that opened has acknowledged the other SYN. Half-open flows stay `new`, so
 *   that a flood of SYNs that a server answers does not look like connections.
 * - A SYN on a live connection changes nothing: its receiver challenges it (RFC 5961 4.2). It is remembered, and when
 *   the other end answers with SYN ACK, the old connection was dead and a new flow starts. A SYN starts a new flow at once
 *   where the old one is closed, where both ends have sent FIN, or where nobody has answered a flow that was picked up.
 * - A connection whose start was not seen can be picked up from a segment with ACK alone. Its window scales are unknown,
 *   so the largest is assumed, and an acknowledgement may lie anywhere in the window that its sender has announced.
 * - Selective acknowledgements need no reading: the cumulative number of such a segment lies in the bounds above.
 *
 * @see RFC 9293 sections 3.3.2, 3.6 and 3.10; RFC 7323 section 2; RFC 5961; Guido van Rooij, "Real stateful TCP packet
 *   filtering in IP Filter" (2001), for bounds that hold in the middle; RFC 5927 section 4.1 for quoted segments
 * @module
 */

import { ACK, FIN, RST, SYN } from '../wire/tcp.ts';
import { INVALID_ACK, INVALID_FLAGS, INVALID_RESET, INVALID_SEQUENCE, INVALID_STATE } from './flow-counters.ts';
import { TCP_WORDS } from './flow-records.ts';
import type { TcpSegment } from './tcp-segment.ts';
import {
  MAX_SCALE,
  SEGMENT_ACK,
  SEGMENT_END,
  SEGMENT_FLAGS,
  SEGMENT_SCALE,
  SEGMENT_SEQUENCE,
  SEGMENT_WINDOW,
} from './tcp-segment.ts';
import type { FlowState } from './timeouts.ts';
import { STATE_CLOSED, STATE_CLOSING, STATE_ESTABLISHED, STATE_NEW } from './timeouts.ts';

/** The segment is valid and the flow goes on from it; positive answers of the tracker are reasons of invalidity. */
export const CHANGED = 0;
/** The segment is valid and changes nothing. */
export const IGNORED = -1;
/** A SYN that starts a new flow in place of this one. */
export const RESTART = -2;
/** The answer to the SYN that is remembered: a new flow starts with that SYN. */
export const RESTART_REMEMBERED = -3;

const SIDE = 4;
const END = TCP_WORDS;
const MAX_END = TCP_WORDS + 1;
const WINDOW = TCP_WORDS + 2;
const ACKED_TO = TCP_WORDS + 3;
const START = TCP_WORDS + 8;
const MARKS = TCP_WORDS + 10;
const SCALES = TCP_WORDS + 11;
const SYN_START = TCP_WORDS + 12;
const SYN_END = TCP_WORDS + 13;
const SYN_WINDOW = TCP_WORDS + 14;
const CHALLENGE = TCP_WORDS + 15;
const WORDS = 16;

/** Marks of direction 0; those of direction 1 are eight bits higher. */
const KNOWN = 1;
const SYN_SEEN = 2;
const SYN_ACKED = 4;
const FIN_SEEN = 8;
const FIN_ACKED = 16;
const HAS_ACK = 32;
const OFFERS_SCALE = 64;
const SIDE_BITS = 8;
/** Marks of the connection. */
const IS_RESET = 1 << 16;
const PICKED_UP = 1 << 17;
const REMEMBERS_SYN = 1 << 18;
const REMEMBERED_SIDE = 1 << 19;
const CHALLENGED = 1 << 20;

const BOTH_ACKED = SYN_ACKED | (SYN_ACKED << SIDE_BITS);
const BOTH_FIN = FIN_SEEN | (FIN_SEEN << SIDE_BITS);
const BOTH_FIN_ACKED = FIN_ACKED | (FIN_ACKED << SIDE_BITS);
const BOTH_SYN = SYN_SEEN | (SYN_SEEN << SIDE_BITS);
const BOTH_OFFER = OFFERS_SCALE | (OFFERS_SCALE << SIDE_BITS);
/** No late acknowledgement is older, whatever the window: the largest window without a scale, and a little. */
const LEAST_ACK_WINDOW = 66_000;
/** Largest window there is, which is assumed where nothing is known. */
const WIDEST = 0xffff << MAX_SCALE;

/** Judges segments against the words of their flows. */
export class TcpTracker {
  readonly #words: Int32Array;
  readonly #segment: Int32Array;

  /**
   * @param words - words of the flows' records
   * @param segment - the segment in hand
   */
  constructor(words: Int32Array, segment: TcpSegment) {
    this.#words = words;
    this.#segment = segment.words;
  }

  /** True when a segment without a flow can start one. */
  canOpen(isLoose: boolean): boolean {
    const flags = this.#segment[SEGMENT_FLAGS];
    return flags === SYN || (flags === ACK && isLoose);
  }

  /** Starts a flow from the segment in hand, which is of direction 0. @param base - first word of the record */
  open(base: number): void {
    const words = this.#words;
    words.fill(0, base + TCP_WORDS, base + TCP_WORDS + WORDS);
    if (this.#segment[SEGMENT_FLAGS] === ACK) this.#pickUp(base);
    else this.#synchronise(base, 0);
  }

  /** Puts the SYN that the flow remembers in the place of the segment in hand. */
  recallSyn(base: number): void {
    const words = this.#words;
    const segment = this.#segment;
    segment[SEGMENT_SEQUENCE] = words[base + SYN_START] as number;
    segment[SEGMENT_END] = words[base + SYN_END] as number;
    segment[SEGMENT_WINDOW] = (words[base + SYN_WINDOW] as number) & 0xffff;
    segment[SEGMENT_SCALE] = (words[base + SYN_WINDOW] as number) >> 16;
    segment[SEGMENT_FLAGS] = SYN;
  }

  /** State of a flow. */
  state(base: number): FlowState {
    const marks = this.#words[base + MARKS] as number;
    if ((marks & IS_RESET) !== 0) return STATE_CLOSED;
    if ((marks & BOTH_ACKED) !== BOTH_ACKED) return STATE_NEW;
    if ((marks & BOTH_FIN_ACKED) === BOTH_FIN_ACKED) return STATE_CLOSED;
    return (marks & BOTH_FIN) !== 0 ? STATE_CLOSING : STATE_ESTABLISHED;
  }

  /** True when the SYN of a direction was seen, of a flow that began with a SYN. */
  knowsStart(base: number, direction: number): boolean {
    const marks = this.#words[base + MARKS] as number;
    return (marks & PICKED_UP) === 0 && ((marks >> (direction * SIDE_BITS)) & SYN_SEEN) !== 0;
  }

  /** Sequence number of the SYN of a direction, with a sign. Holds where {@link TcpTracker.knowsStart}. */
  startOf(base: number, direction: number): number {
    return this.#words[base + START + direction] as number;
  }

  /** Judges the segment in hand. @returns one of the codes above, or why it is invalid */
  judge(base: number, direction: number): number {
    switch (this.#segment[SEGMENT_FLAGS]) {
      case ACK:
      case FIN | ACK:
        return this.#judgeAck(base, direction);
      case SYN:
        return this.#judgeSyn(base, direction);
      case SYN | ACK:
        return this.#judgeSynAck(base, direction);
      case RST:
      case RST | ACK:
        return this.#judgeReset(base, direction);
      default:
        return INVALID_FLAGS;
    }
  }

  /** Counts the data of a later fragment: the first one could not say how long the segment is. */
  extend(base: number, direction: number, end: number): void {
    const at = base + direction * SIDE;
    const words = this.#words;
    if (isAfter(end, words[at + END] as number)) words[at + END] = end;
  }

  /** True when a segment that starts at `sequence` can be under way: an ICMP error about any other is a forgery. */
  isUnderWay(base: number, direction: number, sequence: number): boolean {
    const words = this.#words;
    const mine = base + direction * SIDE;
    if (((words[base + MARKS] as number) & (KNOWN << (direction * SIDE_BITS))) === 0) return false;
    const window = words[base + (1 - direction) * SIDE + WINDOW] as number;
    const end = words[mine + END] as number;
    return !isAfter(sequence, end) && !isAfter((end - Math.max(window, LEAST_ACK_WINDOW)) | 0, sequence);
  }

  #judgeSyn(base: number, direction: number): number {
    const words = this.#words;
    const marks = words[base + MARKS] as number;
    const own = marks >> (direction * SIDE_BITS);
    const isUnanswered = (marks & PICKED_UP) !== 0 && (marks & BOTH_ACKED) !== BOTH_ACKED;
    if (isUnanswered || (marks & BOTH_FIN) === BOTH_FIN || this.state(base) === STATE_CLOSED) return RESTART;
    if ((own & KNOWN) === 0) {
      // Both ends open at the same time (RFC 9293 3.5).
      this.#synchronise(base, direction);
      return CHANGED;
    }
    const isFirst = (own & SYN_SEEN) !== 0 && this.#segment[SEGMENT_SEQUENCE] === words[base + START + direction];
    if (isFirst) return (marks & BOTH_ACKED) === BOTH_ACKED ? IGNORED : CHANGED;
    this.#rememberSyn(base, direction);
    return IGNORED;
  }

  #judgeSynAck(base: number, direction: number): number {
    const words = this.#words;
    const segment = this.#segment;
    const marks = words[base + MARKS] as number;
    const other = 1 - direction;
    if (this.#answersRemembered(base, direction)) return RESTART_REMEMBERED;
    if (this.state(base) === STATE_CLOSED) return INVALID_STATE;
    if (((marks >> (other * SIDE_BITS)) & SYN_SEEN) === 0) {
      return (marks & PICKED_UP) !== 0 ? this.#judgeAck(base, direction) : INVALID_STATE;
    }
    const own = marks >> (direction * SIDE_BITS);
    const isStart = segment[SEGMENT_SEQUENCE] === words[base + START + direction];
    if ((own & KNOWN) !== 0 && isStart) return this.#judgeAck(base, direction);
    // Another start than before: a server that keeps no state for a SYN can choose one for each answer.
    if ((own & SYN_ACKED) !== 0) return INVALID_SEQUENCE;
    if (!this.#acknowledgesSyn(base, other)) return INVALID_ACK;
    this.#synchronise(base, direction);
    this.#advance(base, direction);
    return CHANGED;
  }

  #judgeReset(base: number, direction: number): number {
    const words = this.#words;
    const segment = this.#segment;
    const marks = words[base + MARKS] as number;
    const other = 1 - direction;
    const own = marks >> (direction * SIDE_BITS);
    const acknowledges = segment[SEGMENT_FLAGS] === (RST | ACK);
    // It refuses the SYN that came on a live connection, and not the connection.
    if (acknowledges && this.#answersRemembered(base, direction)) return IGNORED;
    const sequence = segment[SEGMENT_SEQUENCE] as number;
    let counts = false;
    if ((own & KNOWN) !== 0) {
      // The end that opens ends an old connection that the other one still has, and then opens again.
      if ((marks & CHALLENGED) !== 0 && sequence === words[base + CHALLENGE]) return IGNORED;
      const theirs = base + other * SIDE;
      const hasAck = ((marks >> (other * SIDE_BITS)) & HAS_ACK) !== 0;
      const least = (hasAck ? words[theirs + ACKED_TO] : words[base + START + direction]) as number;
      counts = !isAfter(least, sequence) && !isAfter(sequence, words[base + direction * SIDE + END] as number);
    }
    if (!counts && (own & SYN_ACKED) === 0) counts = acknowledges && this.#acknowledgesSyn(base, other);
    if (!counts) return INVALID_RESET;
    words[base + MARKS] = marks | IS_RESET;
    return CHANGED;
  }

  #judgeAck(base: number, direction: number): number {
    const words = this.#words;
    const segment = this.#segment;
    const marks = words[base + MARKS] as number;
    const other = 1 - direction;
    const own = marks >> (direction * SIDE_BITS);
    if (((marks >> (other * SIDE_BITS)) & KNOWN) === 0) return INVALID_STATE;
    const ack = segment[SEGMENT_ACK] as number;
    if ((own & KNOWN) === 0) {
      if (segment[SEGMENT_FLAGS] !== ACK) return INVALID_STATE;
      // The other end still has an old connection, and challenges the SYN (RFC 9293 3.5.1, figure 9).
      words[base + CHALLENGE] = ack;
      words[base + MARKS] = marks | CHALLENGED;
      return IGNORED;
    }
    const mine = base + direction * SIDE;
    const theirs = base + other * SIDE;
    if (isAfter(segment[SEGMENT_SEQUENCE] as number, words[mine + MAX_END] as number)) return INVALID_SEQUENCE;
    const oldest = ((words[mine + END] as number) - (words[theirs + WINDOW] as number)) | 0;
    if (isAfter(oldest, segment[SEGMENT_END] as number)) return INVALID_SEQUENCE;
    const isPickedUp = (marks & PICKED_UP) !== 0;
    const newest = (isPickedUp ? words[theirs + MAX_END] : words[theirs + END]) as number;
    if (isAfter(ack, newest)) return INVALID_ACK;
    if (((marks >> (other * SIDE_BITS)) & SYN_ACKED) === 0 && !isPickedUp) {
      if (!isAfter(ack, words[base + START + other] as number)) return INVALID_ACK;
    } else if ((own & HAS_ACK) !== 0) {
      const ackWindow = Math.max(words[mine + WINDOW] as number, LEAST_ACK_WINDOW);
      const late = ((words[mine + ACKED_TO] as number) - ackWindow) | 0;
      if (isAfter(late, ack)) return INVALID_ACK;
    }
    this.#advance(base, direction);
    return CHANGED;
  }

  /** Takes over what a segment with ACK that is inside says. */
  #advance(base: number, direction: number): void {
    const words = this.#words;
    const segment = this.#segment;
    const other = 1 - direction;
    const mine = base + direction * SIDE;
    const theirs = base + other * SIDE;
    let marks = words[base + MARKS] as number;
    const end = segment[SEGMENT_END] as number;
    const ack = segment[SEGMENT_ACK] as number;
    const flags = segment[SEGMENT_FLAGS] as number;
    // The window of a SYN is never scaled.
    const scale = (flags & SYN) !== 0 ? 0 : ((words[base + SCALES] as number) >> (direction * SIDE_BITS)) & 0xff;
    const window = (segment[SEGMENT_WINDOW] as number) << scale;
    if (window > (words[mine + WINDOW] as number)) words[mine + WINDOW] = window;
    if (isAfter(end, words[mine + END] as number)) {
      words[mine + END] = end;
      // The last segment may reach over the edge of the window: what is under way may then be sent once more.
      const underWay = (end - (words[theirs + ACKED_TO] as number)) | 0;
      const hasAck = ((marks >> (other * SIDE_BITS)) & HAS_ACK) !== 0;
      if (hasAck && underWay > (words[theirs + WINDOW] as number)) words[theirs + WINDOW] = underWay;
    }
    const own = direction * SIDE_BITS;
    if (((marks >> own) & HAS_ACK) === 0 || isAfter(ack, words[mine + ACKED_TO] as number)) {
      words[mine + ACKED_TO] = ack;
    }
    const edge = (ack + window) | 0;
    if (isAfter(edge, words[theirs + MAX_END] as number)) words[theirs + MAX_END] = edge;
    marks |= (HAS_ACK << own) | (SYN_ACKED << (other * SIDE_BITS));
    const hasFinished = ((marks >> (other * SIDE_BITS)) & FIN_SEEN) !== 0;
    if (hasFinished && ack === words[theirs + END]) marks |= FIN_ACKED << (other * SIDE_BITS);
    if ((flags & FIN) !== 0) marks |= FIN_SEEN << own;
    // Who would answer a SYN with a challenge has spoken: the connection lives.
    if ((marks & REMEMBERED_SIDE) !== 0 ? direction === 0 : direction === 1) marks &= ~REMEMBERS_SYN;
    words[base + MARKS] = marks;
  }

  /** Takes over the SYN in hand as the start of a direction. */
  #synchronise(base: number, direction: number): void {
    const words = this.#words;
    const segment = this.#segment;
    const mine = base + direction * SIDE;
    const theirs = base + (1 - direction) * SIDE;
    const start = segment[SEGMENT_SEQUENCE] as number;
    const scale = segment[SEGMENT_SCALE] as number;
    const own = direction * SIDE_BITS;
    words[base + START + direction] = start;
    words[mine + END] = segment[SEGMENT_END] as number;
    words[mine + MAX_END] = segment[SEGMENT_END] as number;
    words[mine + WINDOW] = Math.max(segment[SEGMENT_WINDOW] as number, 1);
    let scales = ((words[base + SCALES] as number) & ~(0xff << own)) | (Math.max(scale, 0) << own);
    let marks = (words[base + MARKS] as number) & ~(OFFERS_SCALE << own);
    marks |= (KNOWN | SYN_SEEN | (scale >= 0 ? OFFERS_SCALE : 0)) << own;
    if ((marks & BOTH_SYN) === BOTH_SYN) {
      // Windows are scaled where both have said so, or not at all (RFC 7323 2.2).
      if ((marks & BOTH_OFFER) !== BOTH_OFFER) scales = 0;
      words[mine + MAX_END] = start + 1 + (words[theirs + WINDOW] as number);
      words[theirs + MAX_END] = (words[base + START + 1 - direction] as number) + 1 + (words[mine + WINDOW] as number);
    }
    words[base + SCALES] = scales;
    words[base + MARKS] = marks;
  }

  /** Starts a flow in the middle of a connection. */
  #pickUp(base: number): void {
    const words = this.#words;
    const segment = this.#segment;
    const sequence = segment[SEGMENT_SEQUENCE] as number;
    const end = segment[SEGMENT_END] as number;
    const ack = segment[SEGMENT_ACK] as number;
    const window = Math.max((segment[SEGMENT_WINDOW] as number) << MAX_SCALE, 1);
    words[base + END] = end;
    words[base + MAX_END] = end + WIDEST;
    words[base + WINDOW] = window;
    words[base + ACKED_TO] = ack;
    words[base + SIDE + END] = ack;
    words[base + SIDE + MAX_END] = ack + window;
    words[base + SIDE + WINDOW] = WIDEST;
    words[base + START] = sequence;
    words[base + START + 1] = ack;
    words[base + SCALES] = MAX_SCALE | (MAX_SCALE << SIDE_BITS);
    words[base + MARKS] = PICKED_UP | KNOWN | HAS_ACK | ((KNOWN | SYN_ACKED) << SIDE_BITS);
  }

  #rememberSyn(base: number, direction: number): void {
    const words = this.#words;
    const segment = this.#segment;
    words[base + SYN_START] = segment[SEGMENT_SEQUENCE] as number;
    words[base + SYN_END] = segment[SEGMENT_END] as number;
    words[base + SYN_WINDOW] = ((segment[SEGMENT_SCALE] as number) << 16) | (segment[SEGMENT_WINDOW] as number);
    const marks = ((words[base + MARKS] as number) & ~REMEMBERED_SIDE) | REMEMBERS_SYN;
    words[base + MARKS] = direction === 1 ? marks | REMEMBERED_SIDE : marks;
  }

  /** True when the segment in hand acknowledges the SYN that is remembered of the other end. */
  #answersRemembered(base: number, direction: number): boolean {
    const words = this.#words;
    const marks = words[base + MARKS] as number;
    if ((marks & REMEMBERS_SYN) === 0) return false;
    const side = (marks & REMEMBERED_SIDE) !== 0 ? 1 : 0;
    const ack = this.#segment[SEGMENT_ACK] as number;
    const isBehind = isAfter(ack, words[base + SYN_START] as number);
    return side !== direction && isBehind && !isAfter(ack, words[base + SYN_END] as number);
  }

  /** True when the segment in hand acknowledges the SYN of `side`; data in it may be left out (RFC 7413). */
  #acknowledgesSyn(base: number, side: number): boolean {
    const words = this.#words;
    if ((((words[base + MARKS] as number) >> (side * SIDE_BITS)) & SYN_SEEN) === 0) return false;
    const ack = this.#segment[SEGMENT_ACK] as number;
    return (
      isAfter(ack, words[base + START + side] as number) && !isAfter(ack, words[base + side * SIDE + END] as number)
    );
  }
}

/** True when `a` lies behind `b` on the circle of sequence numbers. Signed words: others would be boxed for the call. */
function isAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

/**
 * Flags that a connection has shown: those of direction 0, eight bits higher of direction 1, and at bit 16 those of which no end is known. Of FIN, SYN,
 * RST and ACK only: the others decide nothing and are not remembered.
 *
 * @param base - first word of its record
 */
export function flagsSeen(words: Int32Array, base: number): number {
  const marks = words[base + MARKS] as number;
  const reset = (marks & IS_RESET) === 0 ? 0 : RST << 16;
  return flagsOfSide(marks) | (flagsOfSide(marks >> SIDE_BITS) << 8) | reset;
}

function flagsOfSide(marks: number): number {
  const syn = (marks & SYN_SEEN) === 0 ? 0 : SYN;
  const fin = (marks & FIN_SEEN) === 0 ? 0 : FIN;
  return syn | fin | ((marks & HAS_ACK) === 0 ? 0 : ACK);
}
