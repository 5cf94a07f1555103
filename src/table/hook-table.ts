/**
 * A table of a hook: numbers by key, each for a while, in memory that other processes may write to at the same time.
 *
 * ```
 *   key ─> hash ─> bucket ─> the way whose tag is the hash, and whose key is the key ─> whole? in time? ─> value
 *   set ─> that way, or one that is free, or the one that ends first
 * ```
 * Floor 1. There is no lock, and nothing that somebody who is killed could keep: words are written one after the other, each of them whole, and
 * an entry counts when its sums fit all the others. So a reader finds what one writer has written, or nothing:
 *
 * - Of two who write the same way at once, one entry stays, or none: the mixture fits no sum. The sums have 44 bits; the first 32 of them tell
 *   any two entries apart that differ in one word alone.
 * - Who is killed in the middle leaves an entry that is none. The way is used again: by the same key at once, by another when its time is over.
 * - The key is compared word by word. No entry is taken for that of another key because their hashes are equal.
 *
 * A lock that a killed process held would have to be taken over, and its owner may only have been stopped: when he goes on, he writes into what is
 * another's now. Sums find that as well, and then they are enough without the lock.
 *
 * Rules: nothing is allocated. **Whatever the memory holds**, also what somebody else has written there to do harm, every call ends after at most
 * {@link WAYS} ways with a number from 0 to 2^30 - 1. A time that is further away than any entry could have been given is no time.
 *
 * @see R. Hyatt and T. Mann, "A lockless transposition table implementation for parallel search": entries that carry their own sum
 * @module
 */

import type { TableClock } from './table-clock.ts';
import { type AddressPart, type KeyPart, TableKey } from './table-key.ts';
import {
  CHECK,
  HIGH_MASK,
  HIGH_SHIFT,
  KEY,
  layoutOf,
  META,
  SHAPE_MASK,
  SUM_MASK,
  type TableSize,
  TOLD_MASK,
  UNTIL,
  VALUE,
  WAYS,
} from './table-layout.ts';

/** How a table is made. */
export interface TableOptions extends TableSize {
  /** How long an entry lives, and the longest that one can: milliseconds. */
  readonly ttlMs: number;
}

/** A key that {@link HookTable.key} or {@link HookTable.network} has loaded: it stands for what was loaded last. */
export interface LoadedKey {
  /** Told from an address by it. */
  readonly length: 0;
}

/** Largest value. */
export const MOST_VALUE = 0x3fff_ffff;
/** Longest life of an entry: a year. */
export const MOST_TTL_MS = 31_536_000_000;
/**
 * Timestamps of two lanes are so much apart at most: of packets that one of them still has to read. What ends later than a new entry would and
 * this was written before somebody set the clock back.
 */
const LATE_MS = 10_000;
const TWO_32 = 4_294_967_296;
const NONE = -1;
/** Odd numbers of 32 bits without a pattern: those of MurmurHash3. */
const FACTOR_A = 0x85eb_ca6b;
const FACTOR_B = 0xc2b2_ae35;

/** A table of numbers. */
export class HookTable {
  /** Entries in time that were given up for others, by this process. */
  evicted = 0;
  readonly #memory: Int32Array;
  readonly #buckets: number;
  readonly #ways: number;
  readonly #keyOctets: number;
  readonly #entryWords: number;
  readonly #entriesAt: number;
  readonly #ttlMs: number;
  readonly #clock: TableClock;
  /** What {@link HookTable.key} loads, and what an address is loaded into. */
  readonly #composed: TableKey;
  readonly #single: TableKey;
  /** The key at hand: one of the two. */
  #key: TableKey;
  readonly #loaded: LoadedKey = Object.freeze({ length: 0 });
  /** The two sums of an entry. In an array: 32 bits that are returned may be boxed. */
  readonly #sums = new Int32Array(2);
  /** Double: when the entry ends that was looked at last. */
  readonly #until = new Float64Array(1);

  /**
   * @param memory - {@link layoutOf} says how much, zeros at first; borrowed as long as the table is used
   * @param seeds - two words that nobody outside may know; the same for all who share the memory
   */
  constructor(memory: ArrayBuffer, offset: number, options: TableOptions, seeds: Int32Array, clock: TableClock) {
    const { buckets, ways, entryWords, entriesAt, octets } = layoutOf(options);
    this.#memory = new Int32Array(memory, offset, octets >>> 2);
    this.#buckets = buckets;
    this.#ways = ways;
    this.#keyOctets = options.keyOctets;
    this.#entryWords = entryWords;
    this.#entriesAt = entriesAt;
    this.#ttlMs = options.ttlMs;
    this.#clock = clock;
    this.#composed = new TableKey(seeds);
    this.#single = new TableKey(seeds);
    this.#key = this.#single;
  }

  /**
   * Loads a key of several parts. A table has one such key at a time: **the next call changes it**.
   *
   * @returns what stands for it, the same at each call
   * @throws RangeError when it is longer than `keyOctets`
   */
  key(first: KeyPart, second?: KeyPart, third?: KeyPart, fourth?: KeyPart): LoadedKey {
    const key = this.#composed;
    key.clear();
    const isWhole =
      key.add(first) &&
      (second === undefined || key.add(second)) &&
      (third === undefined || key.add(third)) &&
      (fourth === undefined || key.add(fourth));
    if (!isWhole || 4 * key.count > this.#keyOctets) throw this.#tooLong();
    key.digest();
    return this.#loaded;
  }

  /**
   * Loads the network that an address is in as a key: its first `ipv4` or `ipv6` bits. A table has networks or addresses: a network is the same
   * key as its first address.
   *
   * @throws RangeError for bits that an address does not have
   */
  network(address: AddressPart, ipv4: number, ipv6: number): LoadedKey {
    const { length } = address;
    if (length > this.#keyOctets) throw this.#tooLong();
    const bits = length === 4 ? ipv4 : ipv6;
    if (!(bits >= 0 && bits <= 8 * length)) throw new RangeError(`an address of ${8 * length} bits has no ${bits}`);
    this.#composed.setNetwork(address, bits);
    this.#composed.digest();
    return this.#loaded;
  }

  /**
   * The value of a key, 0 where it has none. Cost: a line of the cache for the tags, and one for the entry.
   *
   * @throws TypeError for what is neither an address nor a key of this table
   */
  get(key: AddressPart | LoadedKey): number {
    this.#load(key);
    const bucket = this.#bucket();
    const way = this.#find(bucket, 0);
    if (way === NONE) return 0;
    const at = this.#entryOf(bucket, way);
    const memory = this.#memory;
    // Once each: they may be others the next time.
    const value = memory[at + VALUE] as number;
    const low = memory[at + UNTIL] as number;
    const meta = memory[at + META] as number;
    const check = memory[at + CHECK] as number;
    const sums = this.#sums;
    this.#sum(value, low, meta & TOLD_MASK);
    if (check !== sums[0] || (meta & SUM_MASK) !== ((sums[1] as number) & SUM_MASK)) return 0;
    this.#clock.read();
    return this.#isAlive(low, meta) ? value & MOST_VALUE : 0;
  }

  /**
   * Gives a key a value, for `ttlMs` from now on, 0 to take it away. Where there is no room, what is over goes, then what ends first of sixteen
   * that the hash leaves to choose from.
   *
   * @param value - a whole number from 0 to 2^30 - 1
   * @param ttlMs - at most that of the table @defaultValue that of the table
   * @throws RangeError for another value or time
   */
  set(key: AddressPart | LoadedKey, value: number, ttlMs?: number): void {
    if (!(value >= 0 && value <= MOST_VALUE && (value | 0) === value))
      throw new RangeError(`the value of a table is a whole number from 0 to ${MOST_VALUE}, and not ${value}`);
    if (ttlMs !== undefined && !(ttlMs > 0 && ttlMs <= this.#ttlMs))
      throw new RangeError(`an entry of this table lives for up to ${this.#ttlMs} ms, and not for ${ttlMs}`);
    this.#load(key);
    const bucket = this.#bucket();
    const found = this.#find(bucket, 0);
    // Two who set a key for the first time at once have each made an entry.
    if (found !== NONE) this.#erase(bucket, found + 1);
    if (value === 0) {
      this.#erase(bucket, found === NONE ? WAYS : found);
      return;
    }
    this.#clock.read();
    const way = found === NONE ? this.#makeRoom(bucket) : found;
    this.#until[0] = (this.#clock.now[0] as number) + Math.ceil(ttlMs ?? this.#ttlMs);
    this.#write(bucket, way, value);
  }

  /** Takes a key away. @throws TypeError as {@link HookTable.get} */
  delete(key: AddressPart | LoadedKey): void {
    this.#load(key);
    this.#erase(this.#bucket(), 0);
  }

  #load(key: AddressPart | LoadedKey): void {
    if (key === this.#loaded) {
      this.#key = this.#composed;
      return;
    }
    const own = this.#single;
    this.#key = own;
    const { length } = key;
    if (length !== 4 && length !== 16) throw new TypeError('this is neither an address nor a key of this table');
    if (length > this.#keyOctets) throw this.#tooLong();
    own.clear();
    own.add(key as AddressPart);
    own.digest();
  }

  /** The upper bits of the hash choose. */
  #bucket(): number {
    return ((((this.#key.hash[0] as number) >>> 0) * this.#buckets) / TWO_32) | 0;
  }

  #entryOf(bucket: number, way: number): number {
    return this.#entriesAt + (bucket * WAYS + way) * this.#entryWords;
  }

  /** The first way of the key at hand, from `first` on. */
  #find(bucket: number, first: number): number {
    const memory = this.#memory;
    const ways = this.#ways;
    const tagsAt = bucket * WAYS;
    const tag = this.#key.hash[0] as number;
    for (let way = first; way < ways; way++) {
      if (memory[tagsAt + way] === tag && this.#isKeyAt(this.#entryOf(bucket, way))) return way;
    }
    return NONE;
  }

  #isKeyAt(at: number): boolean {
    const memory = this.#memory;
    const { words, count, shape } = this.#key;
    if (((memory[at + META] as number) & SHAPE_MASK) !== shape) return false;
    for (let index = 0; index < count; index++) {
      if (memory[at + KEY + index] !== words[index]) return false;
    }
    return true;
  }

  /** Takes the key at hand out of all ways from `first` on. */
  #erase(bucket: number, first: number): void {
    const memory = this.#memory;
    for (let way = this.#find(bucket, first); way !== NONE; way = this.#find(bucket, way + 1)) {
      memory[bucket * WAYS + way] = 0;
      memory[this.#entryOf(bucket, way) + META] = 0;
    }
  }

  /** A way for another key. */
  #makeRoom(bucket: number): number {
    const memory = this.#memory;
    const ways = this.#ways;
    let best = 0;
    let bestUntil = Number.POSITIVE_INFINITY;
    for (let way = 0; way < ways; way++) {
      if (memory[bucket * WAYS + way] === 0) return way;
      const at = this.#entryOf(bucket, way);
      if (!this.#isAlive(memory[at + UNTIL] as number, memory[at + META] as number)) return way;
      const until = this.#until[0] as number;
      if (until >= bestUntil) continue;
      best = way;
      bestUntil = until;
    }
    // A number that no longer is a small one would be an object at each step.
    if (this.evicted < MOST_VALUE) this.evicted += 1;
    return best;
  }

  /** Whether the time of an entry is to come, by {@link TableClock.now}. */
  #isAlive(low: number, meta: number): boolean {
    const now = this.#clock.now[0] as number;
    const until = ((meta >>> HIGH_SHIFT) & HIGH_MASK) * TWO_32 + (low >>> 0);
    this.#until[0] = until;
    return until > now && until <= now + this.#ttlMs + LATE_MS;
  }

  /** Writes the key at hand, until {@link HookTable.#until}. */
  #write(bucket: number, way: number, value: number): void {
    const memory = this.#memory;
    const { words, count, shape, hash } = this.#key;
    const at = this.#entryOf(bucket, way);
    const until = this.#until[0] as number;
    const high = Math.floor(until / TWO_32) & HIGH_MASK;
    const low = (until - Math.floor(until / TWO_32) * TWO_32) | 0;
    const told = shape | (high << HIGH_SHIFT);
    this.#sum(value, low, told);
    const sums = this.#sums;
    // From here on it is no entry, until the last word of it is there.
    memory[at + META] = 0;
    for (let index = 0; index < count; index++) memory[at + KEY + index] = words[index] as number;
    memory[at + VALUE] = value;
    memory[at + UNTIL] = low;
    memory[at + CHECK] = sums[0] as number;
    memory[at + META] = told | ((sums[1] as number) & SUM_MASK);
    memory[bucket * WAYS + way] = hash[0] as number;
  }

  /** The sums of an entry of the key at hand. Each step can be undone: entries that differ in one word differ in the first sum. */
  #sum(value: number, low: number, told: number): void {
    const { words, count, hash } = this.#key;
    let a = hash[0] as number;
    let b = Math.imul(a, FACTOR_B);
    for (let index = -3; index < count; index++) {
      const word = index >= 0 ? (words[index] as number) : index === -3 ? value : index === -2 ? low : told;
      a = Math.imul(a ^ word, FACTOR_A);
      a ^= a >>> 15;
      b = Math.imul(b ^ a, FACTOR_B);
      b ^= b >>> 13;
    }
    this.#sums[0] = a;
    this.#sums[1] = b;
  }

  #tooLong(): RangeError {
    return new RangeError(`a key of this table has ${this.#keyOctets} octets at most; say keyOctets in the definition`);
  }
}

// Hooks are handed tables: none of them changes what the others do.
Object.freeze(HookTable.prototype);
