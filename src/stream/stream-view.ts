/**
 * What a hook sees of a stream: the octets that are in order, from the start of the stream, to be read at any place.
 *
 * ```
 *   0        at              length
 *   |########|###############|......|####|      behind a gap nothing is shown
 *   reading consumes nothing: the same octets are there at the next call, with more behind them
 * ```
 * Floor 1. One object for all streams: it shows the stream that was shown last, until that stream is closed or another
 * one is shown. Every method allocates nothing, but `text`, and `u32` for numbers from 2^31 on.
 *
 * Rule: it hands out numbers, copies and strings, never the memory itself. What lies outside of `length` is -1, and
 * nothing is thrown.
 *
 * @module
 */

import type { StreamOctets } from './stream-octets.ts';
import { CHUNK_OCTETS } from './stream-octets.ts';
import type { StreamRecords } from './stream-records.ts';
import { FINISHED, KEY, LENGTH, MARKS, MOST, RESET, STREAM_WORDS, URGENT } from './stream-records.ts';

const NONE = -1;
const CHUNK_MASK = CHUNK_OCTETS - 1;

/** The octets of a stream in order, read only. */
export class StreamView {
  /** Octets in order from the start of the stream. */
  length = 0;
  /** True for what the end that opened the connection sends. */
  isClient = false;
  /** True when no octets come behind `length`: the sender has finished, and all is here, or has reset the connection. */
  isEnded = false;
  /** True when the stream is read up to its bound: more octets will not be shown. */
  isFull = false;
  /** True when urgent octets came: a receiver may read them out of order or not at all (RFC 6093). */
  hasUrgent = false;
  #stream = NONE;
  readonly #records: StreamRecords;
  readonly #octets: StreamOctets;
  /** For `indexOf`: how much of the needle still fits where an octet does not. */
  readonly #fallback: Int32Array;

  /** @internal */
  constructor(records: StreamRecords, octets: StreamOctets, most: number) {
    this.#records = records;
    this.#octets = octets;
    this.#fallback = new Int32Array(most);
  }

  /** Shows a stream as it is now; nothing for -1. @internal */
  show(stream: number): this {
    const { words } = this.#records;
    const isThere = this.#records.isInUse(stream);
    const base = isThere ? stream * STREAM_WORDS : 0;
    const marks = isThere ? (words[base + MARKS] as number) : 0;
    this.#stream = isThere ? stream : NONE;
    this.length = isThere ? (words[base + LENGTH] as number) : 0;
    this.isClient = isThere && ((words[base + KEY] as number) & 1) === 0;
    this.isEnded = (marks & (FINISHED | RESET)) !== 0;
    this.isFull = isThere && this.length === words[base + MOST];
    this.hasUrgent = (marks & URGENT) !== 0;
    return this;
  }

  /** Shows nothing any more where this stream was shown. @internal */
  forget(stream: number): void {
    if (stream === this.#stream) this.show(NONE);
  }

  /** Reads an octet. @returns 0 to 255, -1 beyond the end */
  u8(at: number): number {
    if (!(at >= 0 && at < this.length)) return NONE;
    return this.#octet(at);
  }

  /** Reads two octets in network order. @returns 0 to 65,535, -1 when not both are there */
  u16(at: number): number {
    if (!(at >= 0 && at + 1 < this.length)) return NONE;
    return (this.#octet(at) << 8) | this.#octet(at + 1);
  }

  /** Reads four octets in network order. @returns 0 to 2^32 - 1, -1 when not all are there */
  u32(at: number): number {
    if (!(at >= 0 && at + 3 < this.length)) return NONE;
    const high = (this.#octet(at) << 8) | this.#octet(at + 1);
    return ((high << 16) | (this.#octet(at + 2) << 8) | this.#octet(at + 3)) >>> 0;
  }

  /**
   * Looks for octets. Cost: O(length + octets of the needle), whatever the octets are (Knuth, Morris and Pratt).
   *
   * @param from - where to begin; who reads on begins where the last search ended, less the needle
   * @returns place of the first octet, -1 when they are not there
   */
  indexOf(needle: Uint8Array, from = 0): number {
    const { length } = this;
    const start = from > 0 ? Math.trunc(from) : 0;
    if (!(needle.length <= length - start)) return NONE;
    if (needle.length === 0) return start;
    this.#prepare(needle);
    const fallback = this.#fallback;
    const { block } = this.#octets;
    let fitting = 0;
    for (let at = start; at < length; ) {
      const stop = Math.min(length, (at | CHUNK_MASK) + 1);
      // The place in the block of octet 0, were all chunks one behind the other.
      const shift = this.#octets.placeOf(this.#stream, at) - at;
      for (; at < stop; at++) {
        const octet = block[shift + at];
        while (fitting > 0 && needle[fitting] !== octet) fitting = fallback[fitting - 1] as number;
        if (needle[fitting] !== octet) continue;
        fitting += 1;
        if (fitting === needle.length) return at + 1 - fitting;
      }
    }
    return NONE;
  }

  /** True when the stream starts with these octets; false as long as they are not all there. */
  startsWith(needle: Uint8Array): boolean {
    if (needle.length > this.length) return false;
    return needle.length === 0 || this.#octets.isSame(this.#stream, 0, needle.length, needle, 0);
  }

  /**
   * Octets as text, one character an octet (latin1). Cost: O(octets), a string.
   *
   * @param from - first octet
   * @param to - place behind the last one; what is beyond the end is left out
   */
  text(from = 0, to = this.length): string {
    const end = Math.min(this.length, Math.trunc(to));
    let text = '';
    for (let at = from > 0 ? Math.trunc(from) : 0; at < end; ) {
      const stop = Math.min(end, (at | CHUNK_MASK) + 1);
      const place = this.#octets.placeOf(this.#stream, at);
      text += this.#octets.block.toString('latin1', place, place + stop - at);
      at = stop;
    }
    return text;
  }

  /**
   * Copies octets, as many as are there and fit. Cost: O(octets), no allocation.
   *
   * @param target - filled from its start
   * @param at - place in the stream of the first one
   * @returns octets copied; -1 when `at` is beyond the end
   */
  copyTo(target: Uint8Array, at = 0): number {
    if (!(at >= 0 && at <= this.length)) return NONE;
    const first = Math.trunc(at);
    const end = Math.min(this.length, first + target.length);
    const { block } = this.#octets;
    for (let from = first; from < end; ) {
      const stop = Math.min(end, (from | CHUNK_MASK) + 1);
      const shift = this.#octets.placeOf(this.#stream, from) - from;
      for (; from < stop; from++) target[from - first] = block[shift + from] as number;
    }
    return end - first;
  }

  #octet(at: number): number {
    return this.#octets.block[this.#octets.placeOf(this.#stream, at)] as number;
  }

  /** Where each start of the needle goes on when the octet behind it does not fit. */
  #prepare(needle: Uint8Array): void {
    const fallback = this.#fallback;
    fallback[0] = 0;
    let fitting = 0;
    for (let at = 1; at < needle.length; at++) {
      while (fitting > 0 && needle[fitting] !== needle[at]) fitting = fallback[fitting - 1] as number;
      if (needle[fitting] === needle[at]) fitting += 1;
      fallback[at] = fitting;
    }
  }
}
