/**
 * The memory of the streams but for their octets: one record of 12 words each, and where the stream of a flow is.
 *
 * ```
 *   slots[flow * 2 + direction] ─> stream + 1, 0 for none
 *   words  key | generation | marks | start | length | most | end at | acknowledged | pieces | chunks | older | newer
 *   usedMs one double a stream, on the table's own clock
 * ```
 * Floor 1. Places within a stream are counted from its first octet, which is 0. They are small integers: the bound of a
 * stream is 2^24 octets and nothing beyond 2^30 is looked at.
 *
 * Rule: `slots` is the only way from a flow to its stream. A record that is free has mark 0 and no slot names it.
 *
 * @module
 */

/** Words of a record; the first word of stream `index` is `index * STREAM_WORDS`. */
export const STREAM_WORDS = 12;

/** Word: index of the flow times two, plus the direction. */
export const KEY = 0;
/** Word: generation of the flow. */
export const GENERATION = 1;
/** Word: the marks below. */
export const MARKS = 2;
/** Word: sequence number of octet 0. */
export const START = 3;
/** Word: octets in order. */
export const LENGTH = 4;
/** Word: octets that are read at most. */
export const MOST = 5;
/** Word: place of the FIN, where {@link HAS_FIN} is set. */
export const END_AT = 6;
/** Word: place up to which the other end has acknowledged, -1 before it has. */
export const ACKED = 7;
/** Word: pieces that wait behind a gap. */
export const PIECES = 8;
/** Word: chunks of memory that the stream holds. */
export const CHUNKS = 9;
/** Word: the stream before in its list, -1 for none; of a free record, the next free one. */
export const OLDER = 10;
/** Word: the stream behind in its list, -1 for none. */
export const NEWER = 11;

/** Mark: the record holds a stream. */
export const IN_USE = 1;
/** Mark: the start is known. */
export const STARTED = 2;
/** Mark: a FIN was seen; its place is known. */
export const HAS_FIN = 4;
/** Mark: everything up to the FIN is in order. */
export const FINISHED = 8;
/** Mark: the sender has reset the connection. */
export const RESET = 16;
/** Mark: two segments contradict each other. */
export const DISAGREED = 32;
/** Mark: octets were missed, or the connection has gone on far beyond what is read. */
export const MISSED = 64;
/** Mark: the first octets are kept where others come for the same place. */
export const KEEPS_FIRST = 128;
/** Mark: urgent octets came. */
export const URGENT = 256;

/** Most streams that a table can be made for. */
export const MOST_STREAMS = 1 << 20;
/** Most flows whose streams can be in a table. */
export const MOST_FLOWS = 1 << 24;

const NONE = -1;

/** Octets that the records take. */
export function recordOctetsFor(flows: number, streams: number): number {
  return flows * 8 + streams * (STREAM_WORDS * 4 + 8);
}

/** The records of a table. */
export class StreamRecords {
  /** Streams that fit. */
  readonly most: number;
  readonly words: Int32Array;
  /** When the idle timeout of each stream began to count. */
  readonly usedMs: Float64Array;
  readonly #slots: Int32Array;

  constructor(flows: number, streams: number) {
    this.most = streams;
    this.words = new Int32Array(streams * STREAM_WORDS);
    this.usedMs = new Float64Array(streams);
    this.#slots = new Int32Array(flows * 2);
  }

  /** The stream of a direction, whatever its generation; -1 for none, and for a flow that cannot have one. */
  at(key: number): number {
    // Out of range there is nothing, which becomes 0.
    return (((this.#slots[key] as number) | 0) - 1) | 0;
  }

  /** Looks for a stream. Cost: O(1), one read where there is none. @returns its index, -1 for none */
  find(flowIndex: number, generation: number, direction: number): number {
    const stream = this.at(flowIndex * 2 + direction);
    return stream >= 0 && this.words[stream * STREAM_WORDS + GENERATION] === generation ? stream : NONE;
  }

  /** True when the index holds a stream. */
  isInUse(stream: number): boolean {
    if (!(stream >= 0 && stream < this.most)) return false;
    return ((this.words[stream * STREAM_WORDS + MARKS] as number) & IN_USE) !== 0;
  }

  /** True when a direction has a place for a stream. */
  fits(flowIndex: number, direction: number): boolean {
    return (
      Number.isInteger(flowIndex) &&
      flowIndex >= 0 &&
      (direction === 0 || direction === 1) &&
      flowIndex * 2 < this.#slots.length
    );
  }

  /** Fills a free record. */
  fill(stream: number, key: number, generation: number, most: number, marks: number): void {
    const { words } = this;
    const base = stream * STREAM_WORDS;
    words.fill(0, base, base + STREAM_WORDS);
    words[base + KEY] = key;
    words[base + GENERATION] = generation;
    words[base + MOST] = most;
    words[base + ACKED] = NONE;
    words[base + MARKS] = marks | IN_USE;
    this.#slots[key] = stream + 1;
  }

  /** Makes a record a free one. */
  clear(stream: number): void {
    const base = stream * STREAM_WORDS;
    this.#slots[this.words[base + KEY] as number] = 0;
    this.words[base + MARKS] = 0;
  }
}
