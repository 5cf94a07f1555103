/**
 * The streams that are being read: opened, found, kept in order of use, closed; and the memory that they share.
 *
 * ```
 *   open ─> free record? ─ no ─> one gives up ─ none may ─> -1
 *   who gives up its record:  1 expired   2 without octets, longest without anything new
 *                             3 with octets, longest without anything new, but at least for `evictIdleMs`
 *   who gives up its chunks:  1 expired   3 as above; never the stream that asks
 * ```
 * Floor 1. All memory is taken at the start. Cost: O(1) for a stream, O(chunks) when it leaves; no allocation.
 *
 * Rules:
 * - Only what is new counts as use: the start of the stream, octets that were not there. Who sends the same again keeps
 *   no memory by it.
 * - A stream to which octets come never gives up. The sender of a lost segment sends it again after about a second (RFC
 *   6298 section 2): a stream without anything new for two has a sender who is gone, or slow on purpose.
 * - The caller is told of each reading that it did not close itself, while the flow of it can still be named. The
 *   callback must not call the table.
 *
 * @module
 */

import { FlowClock, NOW } from '../flow/flow-clock.ts';
import type { CloseReason } from './stream-counters.ts';
import {
  CLOSED_EVICTED,
  CLOSED_EXPIRED,
  CLOSED_REPLACED,
  COUNT_CLOSED,
  COUNT_OPENED,
  COUNT_UNOPENED,
  COUNTERS,
} from './stream-counters.ts';
import { EMPTY, HOLDING, LISTS, StreamLists } from './stream-lists.ts';
import type { StreamOctets } from './stream-octets.ts';
import type { StreamRecords } from './stream-records.ts';
import { GENERATION, KEY, OLDER, STREAM_WORDS } from './stream-records.ts';

/** Called when a reading closes that the caller did not close: expired, evicted or replaced. */
export type OnClose = (flowIndex: number, generation: number, direction: 0 | 1, reason: CloseReason) => void;

/** How a store is made. */
export interface StoreOptions {
  readonly records: StreamRecords;
  readonly octets: StreamOctets;
  /** A stream without anything new expires after so long, in milliseconds. */
  readonly idleMs: number;
  /** A stream with octets gives up when nothing new came for so long, in milliseconds. */
  readonly evictIdleMs: number;
  readonly onClose: OnClose;
  /** Called with every stream that leaves, whoever closed it. */
  readonly onGone: (stream: number) => void;
}

const NONE = -1;

/** Streams in memory of a fixed size. */
export class StreamStore {
  readonly counters = new Float64Array(COUNTERS);
  readonly clock = new FlowClock();
  /** Streams that are there. */
  size = 0;
  readonly #records: StreamRecords;
  readonly #octets: StreamOctets;
  readonly #lists: StreamLists;
  readonly #idleMs: number;
  readonly #evictIdleMs: number;
  readonly #onClose: OnClose;
  readonly #onGone: (stream: number) => void;
  readonly #now: Float64Array;
  /** First of the free records that were used before, -1 for none. */
  #free = NONE;
  /** Records from here on were never used. */
  #fresh = 0;
  /** List that the next call of `expire` begins with. */
  #turn = EMPTY;

  constructor(options: StoreOptions) {
    this.#records = options.records;
    this.#octets = options.octets;
    this.#lists = new StreamLists(options.records.words);
    this.#idleMs = options.idleMs;
    this.#evictIdleMs = options.evictIdleMs;
    this.#onClose = options.onClose;
    this.#onGone = options.onGone;
    this.#now = this.clock.now;
  }

  /** Opens a stream, or finds the one that is there. @returns its index, -1 when there is no place */
  open(flowIndex: number, generation: number, direction: number, most: number, marks: number): number {
    const records = this.#records;
    if (!records.fits(flowIndex, direction)) return this.#refuse();
    const key = flowIndex * 2 + direction;
    const known = records.at(key);
    if (known >= 0) {
      const isSame = records.words[known * STREAM_WORDS + GENERATION] === generation;
      if (isSame && !this.isExpired(known)) return known;
      this.#giveUp(known, isSame ? CLOSED_EXPIRED : CLOSED_REPLACED);
    }
    const stream = this.#takeRecord();
    if (stream < 0) return this.#refuse();
    records.fill(stream, key, generation, most, marks);
    records.usedMs[stream] = this.#now[NOW] as number;
    this.#lists.append(stream, EMPTY);
    this.size += 1;
    this.counters[COUNT_OPENED] = (this.counters[COUNT_OPENED] as number) + 1;
    return stream;
  }

  /** Starts the idle timeout of a stream anew. Cost: O(1). */
  use(stream: number): void {
    const list = this.#lists.listOf(stream);
    this.#records.usedMs[stream] = this.#now[NOW] as number;
    this.#lists.move(stream, list, list);
  }

  /** True when nothing new has come for the idle timeout. */
  isExpired(stream: number): boolean {
    return this.#unusedMs(stream) > this.#idleMs;
  }

  /** Closes an expired stream and tells the caller. */
  expireOne(stream: number): void {
    this.#giveUp(stream, CLOSED_EXPIRED);
  }

  /** Closes expired streams. Cost: O(closed), no allocation. @returns streams closed, `atMost` at the most */
  expire(nowMs: number, atMost: number): number {
    this.clock.set(nowMs);
    let closed = 0;
    for (let round = 0; round < LISTS; round++) {
      for (;;) {
        const stream = this.#lists.oldest(this.#turn);
        if (stream < 0 || !this.isExpired(stream)) break;
        if (closed >= atMost) return closed;
        this.#giveUp(stream, CLOSED_EXPIRED);
        closed += 1;
      }
      this.#turn = (this.#turn + 1) % LISTS;
    }
    return closed;
  }

  /** Gives a stream memory for octets. Others may have to give up. @returns false when there is too little */
  reserve(stream: number, from: number, to: number): boolean {
    const octets = this.#octets;
    const missing = octets.missing(stream, from, to);
    if (missing === 0) return true;
    while (octets.free < missing) {
      const other = this.#evictable(stream);
      if (other < 0) return false;
      this.#giveUp(other, this.isExpired(other) ? CLOSED_EXPIRED : CLOSED_EVICTED);
    }
    const list = this.#lists.listOf(stream);
    octets.provide(stream, from, to);
    this.#lists.move(stream, list, HOLDING);
    return true;
  }

  /** Closes a stream and frees what it holds. Cost: O(chunks). */
  close(stream: number, reason: CloseReason): void {
    this.#lists.remove(stream, this.#lists.listOf(stream));
    this.#octets.release(stream);
    this.#records.clear(stream);
    this.#records.words[stream * STREAM_WORDS + OLDER] = this.#free;
    this.#free = stream;
    this.size -= 1;
    this.counters[COUNT_CLOSED + reason] = (this.counters[COUNT_CLOSED + reason] as number) + 1;
    this.#onGone(stream);
  }

  #giveUp(stream: number, reason: CloseReason): void {
    const base = stream * STREAM_WORDS;
    const key = this.#records.words[base + KEY] as number;
    const generation = this.#records.words[base + GENERATION] as number;
    this.close(stream, reason);
    this.#onClose(key >> 1, generation, (key & 1) as 0 | 1, reason);
  }

  #refuse(): number {
    this.counters[COUNT_UNOPENED] = (this.counters[COUNT_UNOPENED] as number) + 1;
    return NONE;
  }

  #takeRecord(): number {
    if (this.#free < 0 && this.#fresh === this.#records.most && !this.#makePlace()) return NONE;
    const stream = this.#free;
    if (stream < 0) return this.#fresh++;
    this.#free = this.#records.words[stream * STREAM_WORDS + OLDER] as number;
    return stream;
  }

  /** Has a stream give up its record. @returns false when none may */
  #makePlace(): boolean {
    const stream = this.#firstToLeave();
    if (stream < 0) return false;
    this.#giveUp(stream, this.isExpired(stream) ? CLOSED_EXPIRED : CLOSED_EVICTED);
    return true;
  }

  /** The stream that gives up its record first, -1 when none may. */
  #firstToLeave(): number {
    const holding = this.#evictable(NONE);
    const empty = this.#lists.oldest(EMPTY);
    if (empty < 0) return holding;
    const isOver = holding >= 0 && this.isExpired(holding) && !this.isExpired(empty);
    return isOver ? holding : empty;
  }

  /** The stream that gives up its chunks first, -1 when none may. */
  #evictable(asking: number): number {
    let stream = this.#lists.oldest(HOLDING);
    if (stream === asking && stream >= 0) stream = this.#lists.next(stream);
    if (stream < 0) return NONE;
    return this.isExpired(stream) || this.#unusedMs(stream) >= this.#evictIdleMs ? stream : NONE;
  }

  #unusedMs(stream: number): number {
    return (this.#now[NOW] as number) - (this.#records.usedMs[stream] as number);
  }
}
