/**
 * The pieces of a stream that wait behind a gap: which octets are there, as ranges in ascending order.
 *
 * ```
 *   octets   |########|....|###|......|#####|        # there   . missing
 *            0      length from to    from  to       the pieces of the stream: two
 * ```
 * Floor 1. Every stream has room for the same number of pieces; a segment that would need one more is refused. Cost:
 * O(pieces) each, no allocation.
 *
 * Rule: between two pieces, and between the octets in order and the first piece, at least one octet is missing.
 *
 * @module
 */

import { LENGTH, PIECES, STREAM_WORDS } from './stream-records.ts';

/** Octets that the pieces of so many streams take. */
export function pieceOctetsFor(streams: number, pieces: number): number {
  return streams * pieces * 8;
}

/** Pieces of all streams. */
export class StreamPieces {
  readonly #words: Int32Array;
  readonly #ranges: Int32Array;
  readonly #most: number;

  /** @param most - pieces that a stream can have */
  constructor(words: Int32Array, streams: number, most: number) {
    this.#words = words;
    this.#most = most;
    this.#ranges = new Int32Array(streams * most * 2);
  }

  /** First octet of a piece. */
  from(stream: number, piece: number): number {
    return this.#ranges[(stream * this.#most + piece) * 2] as number;
  }

  /** Place behind the last octet of a piece. */
  to(stream: number, piece: number): number {
    return this.#ranges[(stream * this.#most + piece) * 2 + 1] as number;
  }

  /** Place behind the last octet that is there, in order or not. */
  reach(stream: number): number {
    const base = stream * STREAM_WORDS;
    const count = this.#words[base + PIECES] as number;
    return count === 0 ? (this.#words[base + LENGTH] as number) : this.to(stream, count - 1);
  }

  /** True when there is room for octets that begin behind a gap: a piece is free, or they touch one. */
  hasRoom(stream: number, from: number, to: number): boolean {
    const count = this.#words[stream * STREAM_WORDS + PIECES] as number;
    if (count < this.#most) return true;
    const piece = this.#firstFrom(stream, from);
    return piece < count && this.from(stream, piece) <= to;
  }

  /** Adds octets for which {@link StreamPieces.hasRoom}; what they touch becomes one piece with them. */
  add(stream: number, from: number, to: number): void {
    const held = stream * STREAM_WORDS + PIECES;
    const count = this.#words[held] as number;
    const first = this.#firstFrom(stream, from);
    let behind = first;
    let start = from;
    let end = to;
    while (behind < count && this.from(stream, behind) <= to) {
      start = Math.min(start, this.from(stream, behind));
      end = Math.max(end, this.to(stream, behind));
      behind += 1;
    }
    this.#move(stream, behind, count, first + 1);
    this.#ranges[(stream * this.#most + first) * 2] = start;
    this.#ranges[(stream * this.#most + first) * 2 + 1] = end;
    this.#words[held] = count + first + 1 - behind;
  }

  /** Takes the pieces away that the octets in order have reached. @returns octets that are in order now */
  join(stream: number, length: number): number {
    const held = stream * STREAM_WORDS + PIECES;
    const count = this.#words[held] as number;
    let joined = 0;
    let end = length;
    while (joined < count && this.from(stream, joined) <= end) {
      end = Math.max(end, this.to(stream, joined));
      joined += 1;
    }
    if (joined > 0) {
      this.#move(stream, joined, count, 0);
      this.#words[held] = count - joined;
    }
    return end;
  }

  /** The first piece that does not end before `from`; the number of pieces when all do. */
  #firstFrom(stream: number, from: number): number {
    const count = this.#words[stream * STREAM_WORDS + PIECES] as number;
    let piece = 0;
    while (piece < count && this.to(stream, piece) < from) piece += 1;
    return piece;
  }

  /** Moves the pieces from `piece` to before `count` to where `target` is. */
  #move(stream: number, piece: number, count: number, target: number): void {
    if (piece >= count || piece === target) return;
    const first = stream * this.#most * 2;
    this.#ranges.copyWithin(first + target * 2, first + piece * 2, first + count * 2);
  }
}
