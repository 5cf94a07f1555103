/**
 * What a stream table should do, in the plainest way: a Map from place to octet for each stream, and nothing clever.
 *
 * Rule: it knows a segment by its place in the stream, as a number of any size. Sequence numbers, and where they begin anew,
 * are the table's affair.
 *
 * @module
 */

import type { StreamResult } from '../../../src/stream/stream-counters.ts';
import {
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
} from '../../../src/stream/stream-counters.ts';

const CHUNK = 2_048;

/** Bounds that the table under test has. */
export interface ModelBounds {
  readonly most: number;
  readonly ahead: number;
  readonly pieces: number;
  /** Chunks of all streams. */
  readonly chunks: number;
}

/** A segment by place. A SYN lies at -1. */
export interface ModelSegment {
  readonly at: number;
  readonly data: Uint8Array;
  readonly isSyn?: boolean;
  readonly isFin?: boolean;
  readonly isReset?: boolean;
}

/** Chunks that are held, of all streams. */
export class ModelMemory {
  held = 0;
}

/** One stream. */
export class ModelStream {
  readonly octets = new Map<number, number>();
  readonly chunks = new Set<number>();
  length = 0;
  grew = 0;
  released = 0;
  isContradiction: 0 | 1 = 0;
  isEnded = false;
  readonly #bounds: ModelBounds;
  readonly #memory: ModelMemory;
  readonly #keepsFirst: boolean;
  #isStarted = false;
  #isReset = false;
  #isOver = false;
  #isMissed = false;
  #fin: number | null = null;
  #acked = -1;

  constructor(bounds: ModelBounds, memory: ModelMemory, keepsFirst: boolean) {
    this.#bounds = bounds;
    this.#memory = memory;
    this.#keepsFirst = keepsFirst;
  }

  get isSettled(): boolean {
    return this.#isOver || this.#isMissed;
  }

  close(): void {
    this.#memory.held -= this.chunks.size;
    this.chunks.clear();
  }

  text(): string {
    const octets = Buffer.alloc(this.length);
    for (let at = 0; at < this.length; at++) octets[at] = this.octets.get(at) ?? 0;
    return octets.toString('latin1');
  }

  acknowledge(upTo: number): StreamResult {
    if (this.#isOver) return STREAM_DISAGREES;
    if (this.#isMissed) return STREAM_MISSED;
    if (!this.#isStarted) return STREAM_SAME;
    this.#acked = Math.max(this.#acked, upTo);
    const isFinished = this.#fin !== null && this.isEnded && !this.#isReset;
    if (upTo <= this.length + (isFinished ? 1 : 0)) return STREAM_SAME;
    if (this.length === this.#bounds.most || this.#isReset) return STREAM_SAME;
    this.#isMissed = true;
    return STREAM_MISSED;
  }

  feed(segment: ModelSegment): StreamResult {
    this.grew = 0;
    this.released = 0;
    this.isContradiction = 0;
    if (this.#isOver) return STREAM_DISAGREES;
    if (this.#isMissed) return STREAM_MISSED;
    if (segment.isReset === true) {
      if (this.isEnded) return STREAM_SAME;
      this.#isReset = true;
      this.isEnded = true;
      return STREAM_ENDED;
    }
    const isFin = segment.isFin === true;
    const { data } = segment;
    if (segment.isSyn === true) this.#isStarted = true;
    else if (!this.#isStarted) return data.length > 0 || isFin ? STREAM_NO_START : STREAM_SAME;
    const at = segment.isSyn === true ? segment.at + 1 : segment.at;
    const end = at + data.length;
    if (!isFin && (data.length === 0 || end <= 0)) return STREAM_SAME;
    if (isFin && end < 0) return STREAM_SAME;
    if (data.length === 1 && !isFin && end === this.#acked) return STREAM_SAME;
    if (this.#contradicts(at, data, isFin)) {
      this.isContradiction = 1;
      if (!this.#keepsFirst) {
        this.#isOver = true;
        return STREAM_DISAGREES;
      }
    }
    return this.#takeIn(at, data, isFin);
  }

  #contradicts(at: number, data: Uint8Array, isFin: boolean): boolean {
    for (const [index, octet] of data.entries()) {
      const known = this.octets.get(at + index);
      if (known !== undefined && known !== octet) return true;
    }
    return this.#contradictsEnd(at + data.length, isFin);
  }

  #contradictsEnd(end: number, isFin: boolean): boolean {
    if (this.#isReset && end > this.length) return true;
    if (this.#fin !== null) return end > this.#fin || (isFin && end !== this.#fin);
    return isFin && [...this.octets.keys()].some((place) => place >= end);
  }

  #takeIn(at: number, data: Uint8Array, isFin: boolean): StreamResult {
    const { most, ahead, pieces, chunks } = this.#bounds;
    let end = at + data.length;
    const isEnd = isFin && !this.#contradictsEnd(end, true);
    if (this.#isReset) end = Math.min(end, this.length);
    else if (this.#fin !== null) end = Math.min(end, this.#fin);
    const fresh: number[] = [];
    for (let place = Math.max(0, at); place < Math.min(end, most); place++) {
      if (!this.octets.has(place)) fresh.push(place);
    }
    const before = this.length;
    if (fresh.length > 0) {
      if (at > before) {
        if (Math.min(end, most) - before > ahead) return STREAM_TOO_FAR;
        if (this.#piecesWith(fresh) > pieces) return STREAM_TOO_FAR;
      }
      const lacking = [...new Set(fresh.map((place) => Math.floor(place / CHUNK)))].filter((c) => !this.chunks.has(c));
      if (this.#memory.held + lacking.length > chunks) return STREAM_NO_ROOM;
      for (const chunk of lacking) this.chunks.add(chunk);
      this.#memory.held += lacking.length;
      for (const place of fresh) this.octets.set(place, data[place - at] as number);
      while (this.octets.has(this.length)) this.length += 1;
      this.grew = this.length - before;
      this.released = this.grew > 0 ? this.length - Math.min(end, most) : 0;
    }
    if (isEnd) this.#fin = at + data.length;
    if (this.#fin === this.length && !this.isEnded) {
      this.isEnded = true;
      return STREAM_ENDED;
    }
    const isBehind = end > this.length || (isEnd && !this.isEnded);
    if (this.length === most && (this.grew > 0 || isBehind)) return STREAM_FULL;
    if (this.grew > 0) return STREAM_GREW;
    return isBehind ? STREAM_WAITS : STREAM_SAME;
  }

  /** Pieces behind the gap, were these octets there. */
  #piecesWith(fresh: readonly number[]): number {
    const places = new Set(fresh);
    for (const place of this.octets.keys()) if (place >= this.length) places.add(place);
    let pieces = 0;
    for (const place of places) if (!places.has(place - 1)) pieces += 1;
    return pieces;
  }
}
