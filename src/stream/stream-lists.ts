/**
 * The streams in order of use: those that hold no octets yet, and those that do.
 *
 * ```
 *   heads[list] ─> longest without anything new <─> ... <─> newest <─ tails[list]      links: OLDER and NEWER
 * ```
 * Floor 1. Every step is O(1) and allocates nothing.
 *
 * Rule: a stream is put at the end of a list at the table's own time, which never goes back. Where the first of a list
 * has not expired, nothing behind it has.
 *
 * @module
 */

import { CHUNKS, NEWER, OLDER, STREAM_WORDS } from './stream-records.ts';

/** Streams without octets. */
export const EMPTY = 0;
/** Streams that hold memory. */
export const HOLDING = 1;
/** Lists in all. */
export const LISTS = 2;

const NONE = -1;

/** Two lists of streams. */
export class StreamLists {
  readonly #words: Int32Array;
  readonly #heads = new Int32Array(LISTS).fill(NONE);
  readonly #tails = new Int32Array(LISTS).fill(NONE);

  /** @param words - words of the records, which hold the links */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** The list in which a stream belongs by the memory that it holds. */
  listOf(stream: number): number {
    return this.#words[stream * STREAM_WORDS + CHUNKS] === 0 ? EMPTY : HOLDING;
  }

  /** The stream that has been in a list longest, -1 when there is none. */
  oldest(list: number): number {
    return this.#heads[list] as number;
  }

  /** The stream behind, -1 when there is none. */
  next(stream: number): number {
    return this.#words[stream * STREAM_WORDS + NEWER] as number;
  }

  /** Puts a stream that is in no list at the end of one. */
  append(stream: number, list: number): void {
    const words = this.#words;
    const last = this.#tails[list] as number;
    words[stream * STREAM_WORDS + OLDER] = last;
    words[stream * STREAM_WORDS + NEWER] = NONE;
    if (last === NONE) this.#heads[list] = stream;
    else words[last * STREAM_WORDS + NEWER] = stream;
    this.#tails[list] = stream;
  }

  /** Takes a stream out of the list that it is in. */
  remove(stream: number, list: number): void {
    const words = this.#words;
    const older = words[stream * STREAM_WORDS + OLDER] as number;
    const newer = words[stream * STREAM_WORDS + NEWER] as number;
    if (older === NONE) this.#heads[list] = newer;
    else words[older * STREAM_WORDS + NEWER] = newer;
    if (newer === NONE) this.#tails[list] = older;
    else words[newer * STREAM_WORDS + OLDER] = older;
  }

  /** Moves a stream from its list to the end of one, which may be the same. */
  move(stream: number, from: number, to: number): void {
    if (from === to && this.#tails[to] === stream) return;
    this.remove(stream, from);
    this.append(stream, to);
  }
}
