/**
 * The octets of the streams, in chunks of 2,048 out of one block of memory.
 *
 * ```
 *   octet `at` of a stream ─> table[stream][at >> 11] ─> chunk ─> block[chunk * 2048 + (at & 2047)]
 *   block | chunk 0 | chunk 1 | ... | stage, 65,536 octets |
 * ```
 * Floor 1. A chunk is taken for the part of a stream in which octets are, also behind a gap, and stays until the stream
 * leaves. All memory is taken at the start; the system hands a page out when it is first written to.
 *
 * A short run of octets is copied one by one. A longer one goes over the stage, a whole datagram at a time: copying a
 * part of another array would make a view of it for each segment, copying within one array does not.
 *
 * Rule: nobody outside reads a place that was not written for the same stream. A chunk is not cleared.
 *
 * @module
 */

import { CHUNKS, STREAM_WORDS } from './stream-records.ts';

/** Octets of a chunk, as a power of two. */
export const CHUNK_SHIFT = 11;
/** Octets of a chunk. */
export const CHUNK_OCTETS = 1 << CHUNK_SHIFT;
const CHUNK_MASK = CHUNK_OCTETS - 1;
/** A datagram fits, super-frames included. */
const STAGE_OCTETS = 65_536;
/** From here on the stage, and the runtime's comparison, take less time than a loop. */
const SHORT = 64;
/** Largest block: every place in it is a small integer. */
export const MOST_OCTETS = 1 << 30;

/** Chunks that a stream of so many octets can hold. */
export function chunksFor(octets: number): number {
  return Math.ceil(octets / CHUNK_OCTETS);
}

/** Octets that the memory of so many streams takes. */
export function memoryOctetsFor(streams: number, most: number, octets: number): number {
  const chunks = Math.floor(octets / CHUNK_OCTETS);
  return chunks * (CHUNK_OCTETS + 4) + STAGE_OCTETS + streams * chunksFor(most) * 4;
}

/** Chunks of octets, and which stream holds which. */
export class StreamOctets {
  /** The memory itself. It is not handed to hooks. */
  readonly block: Buffer;
  /** Chunks in all. */
  readonly chunks: number;
  readonly #words: Int32Array;
  /** Chunks of a stream by their place in it: number plus one, 0 for none. */
  readonly #table: Int32Array;
  readonly #perStream: number;
  /** Free chunks; the first `#free` places count. */
  readonly #stack: Int32Array;
  #free: number;

  /** @throws RangeError when the memory is not to be had */
  constructor(words: Int32Array, streams: number, most: number, octets: number) {
    const chunks = Math.floor(octets / CHUNK_OCTETS);
    this.chunks = chunks;
    this.block = Buffer.from(new ArrayBuffer(chunks * CHUNK_OCTETS + STAGE_OCTETS));
    this.#words = words;
    this.#perStream = chunksFor(most);
    this.#table = new Int32Array(streams * this.#perStream);
    // The first chunk is on top: a table that is little used uses the same few pages.
    this.#stack = Int32Array.from({ length: chunks }, (_, index) => chunks - 1 - index);
    this.#free = chunks;
  }

  /** Chunks that no stream holds. */
  get free(): number {
    return this.#free;
  }

  /** Place in the block of an octet that the stream has. */
  placeOf(stream: number, at: number): number {
    const chunk = this.#table[stream * this.#perStream + (at >> CHUNK_SHIFT)] as number;
    return ((chunk - 1) << CHUNK_SHIFT) | (at & CHUNK_MASK);
  }

  /** Chunks that a stream lacks for the octets from `from` to before `to`. Cost: O(chunks). */
  missing(stream: number, from: number, to: number): number {
    const first = stream * this.#perStream;
    let missing = 0;
    for (let chunk = from >> CHUNK_SHIFT; chunk <= (to - 1) >> CHUNK_SHIFT; chunk++) {
      if (this.#table[first + chunk] === 0) missing += 1;
    }
    return missing;
  }

  /** Gives a stream the chunks that it lacks; as many have to be free. Cost: O(chunks), no allocation. */
  provide(stream: number, from: number, to: number): void {
    const first = stream * this.#perStream;
    for (let chunk = from >> CHUNK_SHIFT; chunk <= (to - 1) >> CHUNK_SHIFT; chunk++) {
      if (this.#table[first + chunk] !== 0) continue;
      this.#free -= 1;
      this.#table[first + chunk] = (this.#stack[this.#free] as number) + 1;
      const held = stream * STREAM_WORDS + CHUNKS;
      this.#words[held] = (this.#words[held] as number) + 1;
    }
  }

  /** Takes back all chunks of a stream. Cost: O(chunks), no allocation. */
  release(stream: number): void {
    const held = stream * STREAM_WORDS + CHUNKS;
    let left = this.#words[held] as number;
    for (let at = stream * this.#perStream; left > 0; at++) {
      const chunk = this.#table[at] as number;
      if (chunk === 0) continue;
      this.#stack[this.#free] = chunk - 1;
      this.#free += 1;
      this.#table[at] = 0;
      left -= 1;
    }
    this.#words[held] = 0;
  }

  /**
   * Writes octets of a datagram to places whose chunks are there. Cost: O(octets), no allocation.
   *
   * @param offset - of the octet that belongs at `from`
   */
  write(stream: number, from: number, to: number, bytes: Uint8Array, offset: number): void {
    const { block } = this;
    const stage = this.chunks << CHUNK_SHIFT;
    const isStaged = to - from >= SHORT && bytes.length <= STAGE_OCTETS;
    if (isStaged) block.set(bytes, stage);
    for (let at = from; at < to; ) {
      const stop = Math.min(to, (at | CHUNK_MASK) + 1);
      const place = this.placeOf(stream, at);
      const source = offset + at - from;
      const count = stop - at;
      if (isStaged) block.copyWithin(place, stage + source, stage + source + count);
      else for (let octet = 0; octet < count; octet++) block[place + octet] = bytes[source + octet] as number;
      at = stop;
    }
  }

  /**
   * True when octets of a datagram are those that the stream has at these places. Cost: O(octets), no allocation.
   *
   * @param offset - of the octet that belongs at `from`
   */
  isSame(stream: number, from: number, to: number, bytes: Uint8Array, offset: number): boolean {
    for (let at = from; at < to; ) {
      const stop = Math.min(to, (at | CHUNK_MASK) + 1);
      if (!this.#isSameIn(this.placeOf(stream, at), stop - at, bytes, offset + at - from)) return false;
      at = stop;
    }
    return true;
  }

  #isSameIn(place: number, count: number, bytes: Uint8Array, source: number): boolean {
    const { block } = this;
    if (count >= SHORT) return block.compare(bytes, source, source + count, place, place + count) === 0;
    for (let octet = 0; octet < count; octet++) {
      if (block[place + octet] !== bytes[source + octet]) return false;
    }
    return true;
  }
}
