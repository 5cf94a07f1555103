/**
 * The flows that are there: made, found, kept in order of use, ended.
 *
 * ```
 *   insert ─> free record? ─ no ─> evict one ─ none may leave ─> -1
 *   order of eviction:  1 expired   2 closed   3 new, longest without a packet
 *                       4 established or closing, longest without a packet, but not used for `evictIdleMs`
 * ```
 * Floor 1. All memory is taken at the start; nothing is allocated for a flow or a packet. A flow is known by its index,
 * 0 to `most - 1`, and by its generation, which tells it from an earlier flow with the same index.
 *
 * Rules:
 * - As long as there is a flow that nobody has answered, a new one never costs an established flow its place; and a
 *   flow in use never loses it. A flood fills the table with its own flows and gets no further.
 * - The end of a flow is reported while its record can still be read, at once, once. The callback may read and may not
 *   call the table.
 *
 * @module
 */

import { randomFillSync } from 'node:crypto';
import { CALLER, FlowClock, NOW } from './flow-clock.ts';
import type { EndReason } from './flow-counters.ts';
import {
  COUNT_ENDED,
  COUNT_EVICTED_CLOSED,
  COUNT_EVICTED_NEW,
  COUNT_EVICTED_UNUSED,
  COUNT_MADE,
  COUNT_REFUSED,
  COUNTERS,
  ENDED_CLOSED,
  ENDED_EVICTED,
  ENDED_EXPIRED,
  ENDED_REMOVED,
} from './flow-counters.ts';
import { FlowIndex, slotsFor } from './flow-index.ts';
import type { FlowKey } from './flow-key.ts';
import { KEY_LOWER_REST, KEY_PROTOCOL, KEY_WORDS } from './flow-key.ts';
import { FlowLists } from './flow-lists.ts';
import {
  ANSWERED,
  BEGUN,
  CLASS_MASK,
  FIRST_MS,
  FlowRecords,
  GENERATION,
  HASH,
  IN_USE,
  KIND_SHIFT,
  LAST_MS,
  MOST_FLOWS,
  NEWER,
  OLDER,
  PACKETS,
  RECORD_DOUBLES,
  RECORD_OCTETS,
  RECORD_WORDS,
  SETTLED_DROPS,
  SETTLED_FORWARDS,
  STATE_MASK,
  STATUS,
  SWAPPED,
  USED_MS,
} from './flow-records.ts';
import type { FlowState, FlowTimeouts } from './timeouts.ts';
import {
  CLASSES,
  KIND_ICMP,
  KIND_OTHER,
  KIND_TCP,
  KIND_UDP,
  STATE_CLOSED,
  STATE_CLOSING,
  STATE_ESTABLISHED,
  STATE_NEW,
  timeoutsByClass,
} from './timeouts.ts';

/** Kind of numbers in a column: 8 octets a flow, or 4. */
export type ColumnType = 'float64' | 'int32';

/** A column: the number of flow `index` is at `index`. */
export type Column = Float64Array | Int32Array;

/** How a store is made. */
export interface StoreOptions {
  /** Most flows at a time, 1 to 2^24. */
  readonly most: number;
  readonly timeouts: FlowTimeouts;
  /** Flows with both ends known leave a full table when they were not used for so long, in milliseconds. */
  readonly evictIdleMs: number;
  /** Columns by name; 0 in a new flow. */
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** Called when a flow ends; the record is still there. */
  readonly onEnd: (index: number, reason: EndReason) => void;
}

const NONE = -1;
/** Classes in the order of the rule: what stage 3 and stage 4 of an eviction choose from. */
const NEW_CLASSES = Int32Array.of(
  ...[KIND_TCP, KIND_UDP, KIND_ICMP, KIND_OTHER].map((kind) => (kind << KIND_SHIFT) | STATE_NEW),
);
const ANSWERED_CLASSES = Int32Array.of(
  (KIND_TCP << KIND_SHIFT) | STATE_CLOSING,
  ...[KIND_TCP, KIND_UDP, KIND_ICMP, KIND_OTHER].map((kind) => (kind << KIND_SHIFT) | STATE_ESTABLISHED),
);

/** Octets that a store takes, all of them at the start. */
export function storeOctetsFor(most: number, columns: Readonly<Record<string, ColumnType>>): number {
  let perFlow = RECORD_OCTETS;
  for (const type of Object.values(columns)) perFlow += type === 'int32' ? 4 : 8;
  return most * perFlow + slotsFor(most) * 4;
}

/** Two words that nobody outside knows. */
export function randomSeed(): Int32Array {
  return randomFillSync(new Int32Array(2));
}

/** Flows in memory of a fixed size. */
export class FlowStore {
  /** Most flows at a time. */
  readonly most: number;
  /** What happened, by the places of flow-counters.ts. */
  readonly counters = new Float64Array(COUNTERS);
  /** What is known of each flow. */
  readonly records: FlowRecords;
  /** Flows that are there. */
  size = 0;
  /** The time, as the caller says it. */
  readonly clock = new FlowClock();
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #now: Float64Array;
  readonly #index: FlowIndex;
  readonly #lists: FlowLists;
  readonly #timeouts: Float64Array;
  readonly #evictIdleMs: number;
  readonly #onEnd: (index: number, reason: EndReason) => void;
  readonly #columns = new Map<string, Column>();
  readonly #floats: Float64Array[] = [];
  readonly #integers: Int32Array[] = [];
  /** First of the free records, `most` for none. */
  #free = 0;
  /** Class that the next {@link FlowStore.expire} begins with. */
  #turn = 0;

  /** @throws RangeError when `most` is out of range, or the memory is not to be had */
  constructor(options: StoreOptions) {
    const { most, columns } = options;
    if (!Number.isInteger(most) || most < 1 || most > MOST_FLOWS) {
      throw new RangeError(`most: ${most} flows: expected a whole number from 1 to ${MOST_FLOWS}`);
    }
    this.most = most;
    this.records = new FlowRecords(most);
    this.#words = this.records.words;
    this.#doubles = this.records.doubles;
    this.#now = this.clock.now;
    this.#index = new FlowIndex(most, this.#words);
    this.#lists = new FlowLists(this.#words);
    this.#timeouts = timeoutsByClass(options.timeouts);
    this.#evictIdleMs = options.evictIdleMs;
    this.#onEnd = options.onEnd;
    for (const [name, type] of Object.entries(columns)) {
      const column = type === 'int32' ? new Int32Array(most) : new Float64Array(most);
      this.#columns.set(name, column);
      if (column instanceof Int32Array) this.#integers.push(column);
      else this.#floats.push(column);
    }
  }

  /** The column of that name. @throws RangeError when none was declared under it */
  column(name: string): Column {
    const column = this.#columns.get(name);
    if (column === undefined) throw new RangeError(`column ${name}: not declared`);
    return column;
  }

  /**
   * Looks for the flow of a key. One whose timeout is over is ended and not found.
   *
   * @returns its index, -1 when there is none
   */
  find(key: FlowKey, hash: number): number {
    const index = this.#index.find(hash, key.words, key.isLong);
    if (index < 0 || !this.#isExpired(index)) return index;
    this.#endExpired(index);
    return NONE;
  }

  /**
   * Makes a flow whose first packet has the key. Cost: O(columns), no allocation.
   *
   * @param kind - kind of protocol
   * @param opener - 1 when the higher end opened it
   * @returns its index, -1 when the table is full and no flow may leave
   */
  insert(key: FlowKey, hash: number, kind: number, opener: number): number {
    if (this.#free === this.most && !this.#evict()) {
      this.counters[COUNT_REFUSED] = (this.counters[COUNT_REFUSED] as number) + 1;
      return NONE;
    }
    const index = this.#takeFree();
    const words = this.#words;
    const base = index * RECORD_WORDS;
    for (let word = 0; word < KEY_WORDS; word++) {
      const isRest = word >= KEY_LOWER_REST && word < KEY_PROTOCOL;
      words[base + word] = isRest && !key.isLong ? 0 : (key.words[word] as number);
    }
    const ofClass = (kind << KIND_SHIFT) | STATE_NEW;
    words[base + HASH] = hash;
    words[base + SETTLED_FORWARDS] = 0;
    words[base + SETTLED_DROPS] = 0;
    words[base + STATUS] = ofClass | IN_USE | (opener === 0 ? 0 : SWAPPED);
    const doubles = this.#doubles;
    const books = index * RECORD_DOUBLES;
    for (let place = PACKETS; place < FIRST_MS; place++) doubles[books + place] = 0;
    doubles[books + FIRST_MS] = this.#now[CALLER] as number;
    doubles[books + USED_MS] = this.#now[NOW] as number;
    for (let column = 0; column < this.#floats.length; column++) (this.#floats[column] as Float64Array)[index] = 0;
    for (let column = 0; column < this.#integers.length; column++) (this.#integers[column] as Int32Array)[index] = 0;
    this.#index.add(index);
    this.#lists.append(index, ofClass);
    this.size += 1;
    this.counters[COUNT_MADE] = (this.counters[COUNT_MADE] as number) + 1;
    return index;
  }

  /** Starts the timeout of a flow anew, in a state. Cost: O(1). */
  use(index: number, state: FlowState): void {
    const status = this.#words[index * RECORD_WORDS + STATUS] as number;
    const from = status & CLASS_MASK;
    const to = (from & ~STATE_MASK) | state;
    this.#doubles[index * RECORD_DOUBLES + USED_MS] = this.#now[NOW] as number;
    this.#lists.move(index, from, to);
    if (from !== to) this.#words[index * RECORD_WORDS + STATUS] = (status & ~CLASS_MASK) | to;
  }

  /**
   * Ends flows whose timeout is over. Cost: O(ended), no allocation.
   *
   * @param nowMs - milliseconds on the caller's clock
   * @param atMost - flows that may end in this call
   * @returns flows that ended; less than `atMost` when no other is due
   */
  expire(nowMs: number, atMost: number): number {
    this.clock.set(nowMs);
    let ended = 0;
    for (let round = 0; round < CLASSES; round++) {
      const ofClass = this.#turn;
      for (;;) {
        const index = this.#lists.oldest(ofClass);
        if (index < 0 || !this.#isExpired(index)) break;
        if (ended >= atMost) return ended;
        this.#endExpired(index);
        ended += 1;
      }
      // The next call begins where this one had to stop: no class waits behind a busy one.
      this.#turn = (ofClass + 1) % CLASSES;
    }
    return ended;
  }

  /**
   * Calls back with each flow, those of a class in order of use, the longest unused first.
   *
   * @param visit - must not change the store; false ends it
   */
  walk(visit: (index: number) => boolean): void {
    for (let ofClass = 0; ofClass < CLASSES; ofClass++) {
      for (let index = this.#lists.oldest(ofClass); index !== NONE; ) {
        if (!visit(index)) return;
        index = this.#words[index * RECORD_WORDS + NEWER] as number;
      }
    }
  }

  /**
   * Takes over a flow of another table, as its record says. It counts as made there. Flows of a class have to come in order of use.
   *
   * @param key - its key, which no flow here has
   * @param words - its record; nothing in it is believed but numbers that can be any
   * @param at - first word of it
   * @param shiftMs - what to add to its times
   * @returns its index; -1 where there is no room, or its class is none
   */
  restore(key: FlowKey, hash: number, words: Int32Array, at: number, shiftMs: number): number {
    if (this.#free === this.most) return NONE;
    const index = this.#takeFree();
    const base = index * RECORD_WORDS;
    const own = this.#words;
    const generation = own[base + GENERATION] as number;
    for (let word = 0; word < RECORD_WORDS; word++) own[base + word] = words[at + word] as number;
    for (let word = 0; word < KEY_WORDS; word++) own[base + word] = key.words[word] as number;
    const status = own[base + STATUS] as number;
    own[base + STATUS] = (status & (CLASS_MASK | SWAPPED | ANSWERED | BEGUN)) | IN_USE;
    own[base + HASH] = hash;
    own[base + GENERATION] = generation;
    const doubles = this.#doubles;
    const books = index * RECORD_DOUBLES;
    for (let place = PACKETS; place < FIRST_MS; place++)
      doubles[books + place] = countOf(doubles[books + place] as number);
    for (const place of [FIRST_MS, LAST_MS, USED_MS]) {
      const nowMs = this.#now[place === USED_MS ? NOW : CALLER] as number;
      const ms = (doubles[books + place] as number) + shiftMs;
      doubles[books + place] = Number.isFinite(ms) ? Math.min(ms, nowMs) : nowMs;
    }
    for (let column = 0; column < this.#floats.length; column++) (this.#floats[column] as Float64Array)[index] = 0;
    for (let column = 0; column < this.#integers.length; column++) (this.#integers[column] as Int32Array)[index] = 0;
    this.#index.add(index);
    this.#lists.append(index, status & CLASS_MASK);
    this.size += 1;
    return index;
  }

  /** Ends a flow. @returns false when the index holds none */
  remove(index: number): boolean {
    if (!this.records.isInUse(index)) return false;
    this.end(index, ENDED_REMOVED);
    return true;
  }

  /** Ends a flow for a reason. @internal */
  end(index: number, reason: EndReason): void {
    const base = index * RECORD_WORDS;
    const words = this.#words;
    this.#index.remove(index);
    this.#lists.remove(index, (words[base + STATUS] as number) & CLASS_MASK);
    this.counters[COUNT_ENDED + reason] = (this.counters[COUNT_ENDED + reason] as number) + 1;
    this.size -= 1;
    try {
      this.#onEnd(index, reason);
    } finally {
      words[base + STATUS] = 0;
      words[base + GENERATION] = ((words[base + GENERATION] as number) + 1) & 0x3fff_ffff;
      // A free record names the next free one. One that was never used has 0 here, and its neighbour follows it.
      words[base + OLDER] = this.#free;
      words[base + NEWER] = 1;
      this.#free = index;
    }
  }

  /** Longest row of the index, for tests. Cost: O(most). @internal */
  longestRow(): number {
    return this.#index.longestRow();
  }

  /** True when the flow that had this generation is there and its timeout is not over; one that is over is ended. */
  isLive(index: number, generation: number): boolean {
    if (!this.records.isCurrent(index, generation)) return false;
    if (!this.#isExpired(index)) return true;
    this.#endExpired(index);
    return false;
  }

  #takeFree(): number {
    const index = this.#free;
    const base = index * RECORD_WORDS;
    const wasUsed = this.#words[base + NEWER] === 1;
    this.#free = wasUsed ? (this.#words[base + OLDER] as number) : index + 1;
    return index;
  }

  #isExpired(index: number): boolean {
    const ofClass = (this.#words[index * RECORD_WORDS + STATUS] as number) & CLASS_MASK;
    const unusedMs = (this.#now[NOW] as number) - (this.#doubles[index * RECORD_DOUBLES + USED_MS] as number);
    return unusedMs > (this.#timeouts[ofClass] as number);
  }

  #endExpired(index: number): void {
    this.end(index, this.records.stateOf(index) === STATE_CLOSED ? ENDED_CLOSED : ENDED_EXPIRED);
  }

  /** Makes room for one flow. @returns false when none may leave */
  #evict(): boolean {
    for (let ofClass = 0; ofClass < CLASSES; ofClass++) {
      const index = this.#lists.oldest(ofClass);
      if (index < 0 || !this.#isExpired(index)) continue;
      this.#endExpired(index);
      return true;
    }
    const closed = this.#lists.oldest((KIND_TCP << KIND_SHIFT) | STATE_CLOSED);
    if (closed >= 0) return this.#leave(closed, ENDED_CLOSED, COUNT_EVICTED_CLOSED);
    const unanswered = this.#longestUnused(NEW_CLASSES);
    if (unanswered >= 0) return this.#leave(unanswered, ENDED_EVICTED, COUNT_EVICTED_NEW);
    const unused = this.#longestUnused(ANSWERED_CLASSES);
    if (unused < 0) return false;
    const unusedMs = (this.#now[NOW] as number) - (this.#doubles[unused * RECORD_DOUBLES + USED_MS] as number);
    return unusedMs >= this.#evictIdleMs && this.#leave(unused, ENDED_EVICTED, COUNT_EVICTED_UNUSED);
  }

  #longestUnused(classes: Int32Array): number {
    let longest = NONE;
    for (let place = 0; place < classes.length; place++) {
      const index = this.#lists.oldest(classes[place] as number);
      if (index < 0) continue;
      const used = this.#doubles[index * RECORD_DOUBLES + USED_MS] as number;
      if (longest < 0 || used < (this.#doubles[longest * RECORD_DOUBLES + USED_MS] as number)) longest = index;
    }
    return longest;
  }

  #leave(index: number, reason: EndReason, counter: number): true {
    this.counters[counter] = (this.counters[counter] as number) + 1;
    this.end(index, reason);
    return true;
  }
}

/** A number of packets or octets; 0 for what is none. */
function countOf(number: number): number {
  return number >= 0 && number <= Number.MAX_SAFE_INTEGER ? number : 0;
}
