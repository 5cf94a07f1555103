/**
 * Takes segments to the streams that they belong to: where their octets lie, whether they contradict what is there, and
 * what of them is new.
 *
 * ```
 *   stream     |############|.....|####|..........|        # there   . missing   | bound
 *   in order   ####|######                                 what is there is compared, what is new is written
 *   gap                         ###|####|##                compared where a piece is, written before and behind it
 *              0            length     reach      most
 * ```
 * Floor 1. Cost: O(octets + pieces), no allocation; nothing is thrown. The fields say what the last segment did.
 *
 * Rules:
 * - First everything is looked at, then memory is taken, then it is written: a segment is taken whole or not at all.
 * - What is there is never written again. So `first` keeps the first octets by itself.
 *
 * @module
 */

import { ACK, FIN, RST, SYN, URG } from '../wire/tcp.ts';
import type { StreamResult } from './stream-counters.ts';
import {
  COUNT_CONTRADICTIONS,
  COUNT_MISSED,
  COUNT_OCTETS,
  COUNT_URGENT,
  STREAM_DISAGREES,
  STREAM_ENDED,
  STREAM_FULL,
  STREAM_GREW,
  STREAM_MISSED,
  STREAM_NO_ROOM,
  STREAM_NO_START,
  STREAM_SAME,
  STREAM_TOO_FAR,
  STREAM_WAITS,
} from './stream-counters.ts';
import type { StreamOctets } from './stream-octets.ts';
import type { StreamPieces } from './stream-pieces.ts';
import {
  ACKED,
  DISAGREED,
  END_AT,
  FINISHED,
  HAS_FIN,
  KEEPS_FIRST,
  LENGTH,
  MARKS,
  MISSED,
  MOST,
  PIECES,
  RESET,
  START,
  STARTED,
  STREAM_WORDS,
  URGENT,
} from './stream-records.ts';
import type { StreamStore } from './stream-store.ts';

/**
 * Where nothing is looked at any more: no window is that large (RFC 7323 section 2.3), and places twice as far would look
 * like old ones.
 */
const FAR = 1 << 30;

/** Reads segments into streams. */
export class StreamReader {
  /** Place of the first octet of the last segment in its stream, -2^30 to 2^30; 0 where the start is not known. */
  at = 0;
  /** Octets that the last segment put in order, those that had waited included. */
  grew = 0;
  /** Of those, octets behind the last segment: they had waited for the gap that it closed. */
  released = 0;
  /** 1 when the last segment contradicts what was there, also where the first octets are kept. */
  isContradiction: 0 | 1 = 0;
  readonly #words: Int32Array;
  readonly #octets: StreamOctets;
  readonly #pieces: StreamPieces;
  readonly #store: StreamStore;
  /** Octets that may lie between what is in order and the end of a piece. */
  readonly #ahead: number;

  constructor(words: Int32Array, octets: StreamOctets, pieces: StreamPieces, store: StreamStore, ahead: number) {
    this.#words = words;
    this.#octets = octets;
    this.#pieces = pieces;
    this.#store = store;
    this.#ahead = ahead;
  }

  /** Forgets the last segment. */
  clear(): void {
    this.at = 0;
    this.grew = 0;
    this.released = 0;
    this.isContradiction = 0;
  }

  /** Reads a segment into a stream that is there. The parameters are those of `StreamTable.feed`. */
  read(
    stream: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    sequence: number,
    flags: number,
  ): StreamResult {
    const base = stream * STREAM_WORDS;
    const words = this.#words;
    const marks = words[base + MARKS] as number;
    if ((marks & DISAGREED) !== 0) return STREAM_DISAGREES;
    if ((marks & MISSED) !== 0) return this.#missed(base);
    if ((flags & RST) !== 0) return this.#reset(base);
    let first = sequence | 0;
    if ((flags & SYN) !== 0) {
      first = (first + 1) | 0;
      if (!this.#synchronise(stream, first, flags)) return STREAM_SAME;
    } else if ((marks & STARTED) === 0) return length > 0 || (flags & FIN) !== 0 ? STREAM_NO_START : STREAM_SAME;
    const at = (first - (words[base + START] as number)) | 0;
    this.at = Math.max(-FAR, Math.min(at, FAR));
    const isFin = (flags & FIN) !== 0;
    // Without octets, or all before the start: no receiver takes anything out of it.
    if (isFin ? at + length < 0 : length <= 0 || at + length <= 0) return STREAM_SAME;
    if (at >= FAR) return this.#goneOn(base);
    if ((flags & URG) !== 0) this.#noteUrgent(base);
    const isKeepAlive = length === 1 && !isFin && at + 1 === words[base + ACKED];
    return isKeepAlive ? STREAM_SAME : this.#take(stream, bytes, offset, at, length, isFin);
  }

  /** Takes note of what the other end has acknowledged. The parameters are those of `StreamTable.acknowledge`. */
  acknowledge(stream: number, acknowledgement: number): StreamResult {
    const base = stream * STREAM_WORDS;
    const words = this.#words;
    const marks = words[base + MARKS] as number;
    if ((marks & DISAGREED) !== 0) return STREAM_DISAGREES;
    if ((marks & MISSED) !== 0) return this.#missed(base);
    if ((marks & STARTED) === 0) return STREAM_SAME;
    const upTo = ((acknowledgement | 0) - (words[base + START] as number)) | 0;
    if (upTo >= FAR) return this.#goneOn(base);
    if (upTo > (words[base + ACKED] as number)) words[base + ACKED] = upTo;
    // The FIN takes a number as well.
    const there = (words[base + LENGTH] as number) + ((marks & FINISHED) !== 0 ? 1 : 0);
    const isMissed = upTo > there && words[base + LENGTH] !== words[base + MOST] && (marks & RESET) === 0;
    return isMissed ? this.#goneOn(base) : STREAM_SAME;
  }

  /** What is in order is all that is read. */
  narrow(stream: number): void {
    const base = stream * STREAM_WORDS;
    this.#words[base + MOST] = this.#words[base + LENGTH] as number;
  }

  /** True when the other end has acknowledged everything that is in order. */
  isAcknowledged(stream: number): boolean {
    const base = stream * STREAM_WORDS;
    return (this.#words[base + ACKED] as number) >= (this.#words[base + LENGTH] as number);
  }

  /** Says where the stream starts. @returns false when octets are there, counted from another start */
  startAt(stream: number, sequence: number): boolean {
    const base = stream * STREAM_WORDS;
    const words = this.#words;
    const marks = words[base + MARKS] as number;
    const start = sequence | 0;
    if ((marks & STARTED) !== 0 && words[base + START] === start) return true;
    const isTouched = words[base + LENGTH] !== 0 || words[base + PIECES] !== 0;
    if (isTouched || (marks & (HAS_FIN | DISAGREED | MISSED)) !== 0) return false;
    words[base + START] = start;
    words[base + ACKED] = -1;
    words[base + MARKS] = marks | STARTED;
    this.#store.use(stream);
    return true;
  }

  /** @returns false for a SYN that starts nothing here */
  #synchronise(stream: number, start: number, flags: number): boolean {
    const base = stream * STREAM_WORDS;
    const words = this.#words;
    const isStarted = ((words[base + MARKS] as number) & STARTED) !== 0;
    if (isStarted && words[base + START] === start) return true;
    // A server that keeps no state for a SYN can answer it twice, from two numbers. Another SYN of a client is for the
    // flow table to judge: the stream goes on, and a new flow gets a new one.
    return (!isStarted || (flags & ACK) !== 0) && this.startAt(stream, start);
  }

  /** Takes octets and the end of a stream that is started. */
  #take(stream: number, bytes: Uint8Array, offset: number, at: number, length: number, isFin: boolean): StreamResult {
    const base = stream * STREAM_WORDS;
    const words = this.#words;
    const most = words[base + MOST] as number;
    // What was cut off by the capture is missing like what was lost.
    const present = offset < 0 ? 0 : Math.max(0, Math.min(length, bytes.length - offset));
    const from = Math.max(at, 0);
    let to = Math.min(at + present, most);
    let end = at + length;
    let isEnd = isFin;
    if (this.#contradictsEnd(stream, end, isFin) || !this.#agrees(stream, from, to, bytes, offset - at)) {
      if (!this.#goesOn(base)) return STREAM_DISAGREES;
      end = Math.min(end, this.#lastPlace(base));
      to = Math.min(to, end);
      isEnd = isFin && !this.#contradictsEnd(stream, at + length, true);
    }
    const before = words[base + LENGTH] as number;
    const isNew = from < to && to > before && !this.#isWithin(stream, from, to);
    if (isNew) {
      if (from > before && !this.#mayWait(stream, from, to)) return STREAM_TOO_FAR;
      if (!this.#store.reserve(stream, from, to)) return STREAM_NO_ROOM;
      this.#write(stream, from, to, bytes, offset - at);
      this.#advance(stream, from, to);
      this.#store.use(stream);
    }
    if (isEnd) {
      words[base + END_AT] = at + length;
      words[base + MARKS] = (words[base + MARKS] as number) | HAS_FIN;
    }
    return this.#outcome(base, end, isEnd);
  }

  /** What has become of the stream by a segment that ends at `end`. */
  #outcome(base: number, end: number, isEnd: boolean): StreamResult {
    const words = this.#words;
    const marks = words[base + MARKS] as number;
    const length = words[base + LENGTH] as number;
    const isWhole = (marks & (HAS_FIN | FINISHED)) === HAS_FIN && words[base + END_AT] === length;
    if (isWhole) {
      words[base + MARKS] = marks | FINISHED;
      // A reset was the end already.
      return (marks & RESET) !== 0 ? STREAM_SAME : STREAM_ENDED;
    }
    const isBeyond = end > length || (isEnd && (marks & FINISHED) === 0);
    if (length === words[base + MOST] && (this.grew > 0 || isBeyond)) return STREAM_FULL;
    if (this.grew > 0) return STREAM_GREW;
    return isBeyond ? STREAM_WAITS : STREAM_SAME;
  }

  /** True when a segment up to `end` contradicts where the stream ends, or ends it before octets that are there. */
  #contradictsEnd(stream: number, end: number, isFin: boolean): boolean {
    const base = stream * STREAM_WORDS;
    const words = this.#words;
    const marks = words[base + MARKS] as number;
    if ((marks & RESET) !== 0 && end > (words[base + LENGTH] as number)) return true;
    if ((marks & HAS_FIN) === 0) return isFin && end < this.#pieces.reach(stream);
    return end > (words[base + END_AT] as number) || (isFin && end !== words[base + END_AT]);
  }

  /** Place behind which a stream that keeps its first octets takes none. */
  #lastPlace(base: number): number {
    const marks = this.#words[base + MARKS] as number;
    if ((marks & RESET) !== 0) return this.#words[base + LENGTH] as number;
    return (marks & HAS_FIN) !== 0 ? (this.#words[base + END_AT] as number) : FAR;
  }

  /** True when the octets from `from` to before `to` are those that are there already, where some are. */
  #agrees(stream: number, from: number, to: number, bytes: Uint8Array, shift: number): boolean {
    const words = this.#words;
    const base = stream * STREAM_WORDS;
    const inOrder = Math.min(to, words[base + LENGTH] as number);
    if (from < inOrder && !this.#octets.isSame(stream, from, inOrder, bytes, shift + from)) return false;
    const pieces = words[base + PIECES] as number;
    for (let piece = 0; piece < pieces; piece++) {
      const start = Math.max(from, this.#pieces.from(stream, piece));
      const stop = Math.min(to, this.#pieces.to(stream, piece));
      if (start < stop && !this.#octets.isSame(stream, start, stop, bytes, shift + start)) return false;
    }
    return true;
  }

  /** True when all these octets, of which some lie behind what is in order, are part of one piece. */
  #isWithin(stream: number, from: number, to: number): boolean {
    const pieces = this.#words[stream * STREAM_WORDS + PIECES] as number;
    for (let piece = 0; piece < pieces; piece++) {
      if (this.#pieces.from(stream, piece) <= from && to <= this.#pieces.to(stream, piece)) return true;
    }
    return false;
  }

  #mayWait(stream: number, from: number, to: number): boolean {
    const length = this.#words[stream * STREAM_WORDS + LENGTH] as number;
    return to - length <= this.#ahead && this.#pieces.hasRoom(stream, from, to);
  }

  /** Writes the octets that are not there yet. */
  #write(stream: number, from: number, to: number, bytes: Uint8Array, shift: number): void {
    const words = this.#words;
    const base = stream * STREAM_WORDS;
    let at = Math.max(from, words[base + LENGTH] as number);
    const pieces = words[base + PIECES] as number;
    for (let piece = 0; piece < pieces && at < to; piece++) {
      const stop = Math.min(to, this.#pieces.from(stream, piece));
      if (at < stop) this.#octets.write(stream, at, stop, bytes, shift + at);
      at = Math.max(at, this.#pieces.to(stream, piece));
    }
    if (at < to) this.#octets.write(stream, at, to, bytes, shift + at);
  }

  /** Takes over that octets are there, and counts what is in order now. */
  #advance(stream: number, from: number, to: number): void {
    const words = this.#words;
    const base = stream * STREAM_WORDS;
    const before = words[base + LENGTH] as number;
    if (from > before) {
      this.#pieces.add(stream, from, to);
      return;
    }
    const length = this.#pieces.join(stream, to);
    words[base + LENGTH] = length;
    this.grew = length - before;
    this.released = length - to;
    this.#count(COUNT_OCTETS, this.grew);
  }

  /** Takes note of a contradiction. @returns true when the stream goes on with its first octets */
  #goesOn(base: number): boolean {
    const marks = this.#words[base + MARKS] as number;
    this.isContradiction = 1;
    this.#count(COUNT_CONTRADICTIONS, 1);
    if ((marks & KEEPS_FIRST) !== 0) return true;
    this.#words[base + MARKS] = marks | DISAGREED;
    return false;
  }

  #reset(base: number): StreamResult {
    const marks = this.#words[base + MARKS] as number;
    if ((marks & (RESET | FINISHED)) !== 0) return STREAM_SAME;
    this.#words[base + MARKS] = marks | RESET;
    return STREAM_ENDED;
  }

  /** The connection has left behind what is read of it. */
  #goneOn(base: number): StreamResult {
    this.#words[base + MARKS] = (this.#words[base + MARKS] as number) | MISSED;
    const result = this.#missed(base);
    if (result === STREAM_MISSED) this.#count(COUNT_MISSED, 1);
    return result;
  }

  #missed(base: number): StreamResult {
    return this.#words[base + LENGTH] === this.#words[base + MOST] ? STREAM_FULL : STREAM_MISSED;
  }

  #noteUrgent(base: number): void {
    this.#words[base + MARKS] = (this.#words[base + MARKS] as number) | URGENT;
    this.#count(COUNT_URGENT, 1);
  }

  #count(counter: number, by: number): void {
    const { counters } = this.#store;
    counters[counter] = (counters[counter] as number) + by;
  }
}
