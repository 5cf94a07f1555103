/**
 * Look-up of the longest prefix of an address, in a table that others may have built and that many processes share.
 *
 * ```
 *   address ─> node ─> slot ─ few rows ─> the last one whose key is not above the address ─> value
 *                ▲       │
 *                └─ node ┘   seldom more than two
 * ```
 * Whole IPv6 addresses are looked up before, by a hash (whole-addresses.ts).
 *
 * Floor 1. Rule: nothing is allocated, and whatever the memory holds, a look-up ends after a bounded number of steps with a number
 * from 0 to 2^30 - 1. The memory of a table can be exchanged between two look-ups; who holds the table sees the new one.
 *
 * @see table-format.ts
 * @module
 */

import type { BucketSection } from './bucket-format.ts';
import {
  COUNT_BITS,
  COUNT_MASK,
  FIRST_BIT_MASK,
  FIRST_BIT_SHIFT,
  FIRST_ROW,
  GOES_ON,
  type Header,
  KEY_SHIFT,
  MOST_DEPTH,
  MOST_VALUE,
  PLACE_MASK,
  ROW_COUNT,
  readHeader,
  type Section,
  SIGN,
  SKIP_MASK,
  SKIP_SHIFT,
  SKIPPED,
  SLOTS_AT,
  STRIDE_MASK,
} from './table-format.ts';
import { WholeAddresses } from './whole-addresses.ts';

/** What a look-up needs of an address; `Address` of a packet is one. */
export interface AddressWords {
  /** 4 or 16. */
  readonly length: 4 | 16;
  /** 32-bit word number `index`, with a sign. */
  signedWord(index: number): number;
}

/** Steps of a search among all rows there may be. */
const MOST_STEPS = 32;
/** What a table is before it has any memory: one row, which has the lowest key and the value 0. */
const NO_ROWS: Section = {
  prefixes: 0,
  rows: 1,
  keysAt: 0,
  wholeKeysAt: 0,
  valuesAt: 1,
  nodesAt: 0,
  nodeWords: 0,
  wholeKeyWords: 0,
};
const NO_BUCKETS: BucketSection = { addresses: 0, buckets: 0, tagsAt: 0, addressesAt: 0, valuesAt: 0, hashKey: [] };
const NOTHING: Header = {
  words: 2,
  dictionaryAt: 0,
  dictionaryWords: 0,
  ipv4: NO_ROWS,
  ipv6: NO_ROWS,
  buckets: NO_BUCKETS,
};

let exchange: (table: PrefixTable, memory: ArrayBuffer) => void;

/** A set of prefixes, each with a value. */
export class PrefixTable {
  #memory = new ArrayBuffer(NOTHING.words * 4);
  #size = 0;
  #ipv4: Family = new Family(this.#memory, NOTHING, NO_ROWS);
  #ipv6: Family = this.#ipv4;
  #whole: WholeAddresses = wholeOf(this.#memory, NOTHING);

  static {
    exchange = (table, memory) => {
      table.#take(memory);
    };
  }

  /**
   * @param memory - as `buildPrefixTable` makes it; borrowed as long as the table is used. Without it the table is empty
   * @throws Error when its header is not that of a table, or names what is not within it
   */
  constructor(memory?: ArrayBuffer) {
    if (memory !== undefined) this.#take(memory);
  }

  /** Prefixes, equal ones counted once. */
  get size(): number {
    return this.#size;
  }

  /**
   * The value of the longest prefix that `address` is in, 0 without one. Never allocates.
   *
   * Cost: two places of memory for IPv4, three for IPv6, one more where a key has more than 23 bits that no node has looked at, and a
   * comparison for each power of two of the rows of a slot (32 at most), for any number of prefixes. Where the table has whole IPv6 addresses, two
   * for one that is among them, and one before all this for any other of IPv6.
   */
  lookup(address: AddressWords): number {
    if (address.length === 4) return this.#ipv4.find(address, address.signedWord(0), 0);
    const w0 = address.signedWord(0);
    const w1 = address.signedWord(1);
    if (this.#whole.hasAny) {
      const value = this.#whole.find(w0, w1, address.signedWord(2), address.signedWord(3));
      if (value >= 0) return value;
    }
    return this.#ipv6.find(address, w0, w1);
  }

  #take(memory: ArrayBuffer): void {
    const header = readHeader(new Int32Array(memory, 0, memory.byteLength >>> 2), memory.byteLength);
    if (typeof header === 'string') throw new Error(header);
    const ipv4 = new Family(memory, header, header.ipv4);
    const ipv6 = new Family(memory, header, header.ipv6);
    const whole = wholeOf(memory, header);
    this.#memory = memory;
    this.#size = header.ipv4.prefixes + header.ipv6.prefixes + header.buckets.addresses;
    this.#whole = whole;
    this.#ipv4 = ipv4;
    this.#ipv6 = ipv6;
  }
}

// Hooks are handed tables: none of them changes what the others find.
Object.freeze(PrefixTable.prototype);

/**
 * Puts other memory into a table, at once and for everyone who holds it.
 *
 * @param memory - borrowed from now on; the former is no longer used
 * @throws Error when it is no table; nothing has changed then
 */
export function exchangeTable(table: PrefixTable, memory: ArrayBuffer): void {
  exchange(table, memory);
}

function wholeOf(memory: ArrayBuffer, { words, dictionaryAt, dictionaryWords, buckets }: Header): WholeAddresses {
  return new WholeAddresses(new Int32Array(memory, 0, words), buckets, dictionaryWords === 0 ? 0 : dictionaryAt);
}

/** Rows and nodes of one family. */
class Family {
  readonly #words: Int32Array;
  readonly #root: number;
  readonly #keysAt: number;
  readonly #wholeKeysAt: number;
  readonly #wholeKeyWords: number;
  readonly #valuesAt: number;
  /** 0 without one. */
  readonly #dictionaryAt: number;

  constructor(memory: ArrayBuffer, { words, dictionaryAt, dictionaryWords }: Header, section: Section) {
    this.#words = new Int32Array(memory, 0, words);
    this.#root = section.nodeWords === 0 ? section.rows : ~section.nodesAt;
    this.#keysAt = section.keysAt;
    this.#wholeKeysAt = section.wholeKeysAt;
    this.#wholeKeyWords = section.wholeKeyWords;
    this.#dictionaryAt = dictionaryWords === 0 ? 0 : dictionaryAt;
    this.#valuesAt = section.valuesAt;
  }

  /**
   * Words have a sign: no number is an object. What is behind the first two is read from the address where it is needed, which is seldom.
   *
   * @param w1 - 0 for IPv4
   */
  find(address: AddressWords, w0: number, w1: number): number {
    const words = this.#words;
    let slot = this.#root;
    let bit = 0;
    for (let depth = 0; slot < 0; depth++) {
      if (depth === MOST_DEPTH) return 0;
      const node = ~slot;
      const kind = words[node] ?? 0;
      const stride = kind & STRIDE_MASK;
      const skip = (kind >>> SKIP_SHIFT) & SKIP_MASK;
      bit = (kind >>> FIRST_BIT_SHIFT) & FIRST_BIT_MASK;
      if (skip !== 0) {
        const own = bitsFrom(address, w0, w1, bit - skip) >>> (32 - skip);
        const theirs = words[node + SKIPPED] ?? 0;
        if (own !== theirs) return this.#valueOf(this.#rowBeside(node, own < theirs));
      }
      if (stride === 0)
        return this.#search(words[node + FIRST_ROW] ?? 0, words[node + ROW_COUNT] ?? 0, bit, address, w0, w1);
      slot = words[node + SLOTS_AT + (bitsFrom(address, w0, w1, bit) >>> (32 - stride))] ?? 0;
      bit += stride;
    }
    return this.#search(slot >> COUNT_BITS, slot & COUNT_MASK, bit, address, w0, w1);
  }

  /** The row of an address that is before or behind all those of a node. */
  #rowBeside(node: number, isBefore: boolean): number {
    const first = this.#words[node + FIRST_ROW] ?? 0;
    return isBefore ? first - 1 : first + (this.#words[node + ROW_COUNT] ?? 0) - 1;
  }

  /** Value of the last of some rows that is not above the address, or of the row before them. */
  #search(first: number, count: number, bit: number, address: AddressWords, w0: number, w1: number): number {
    const words = this.#words;
    const keysAt = this.#keysAt;
    const own = ((bitsFrom(address, w0, w1, bit) ^ SIGN) | GOES_ON) >> KEY_SHIFT;
    let low = first - 1;
    let high = first + count;
    for (let step = 0; step < MOST_STEPS && high - low > 1; step++) {
      const middle = (low + high) >>> 1;
      const key = (words[keysAt + middle] ?? 0) >> KEY_SHIFT;
      // Equal only where it says that the key goes on.
      if (key > own || (key === own && this.#isAfter(middle, address, w0, w1))) high = middle;
      else low = middle;
    }
    return this.#valueOf(low);
  }

  /** True when the whole key of a row is above the address. What the key has no words for is zero. */
  #isAfter(row: number, address: AddressWords, w0: number, w1: number): boolean {
    const words = this.#words;
    const width = this.#wholeKeyWords;
    const at = this.#wholeKeysAt + row * width;
    const k0 = words[at] ?? 0;
    if (k0 !== w0 || width === 1) return (k0 ^ SIGN) > (w0 ^ SIGN);
    const k1 = words[at + 1] ?? 0;
    if (k1 !== w1 || width === 2) return (k1 ^ SIGN) > (w1 ^ SIGN);
    const k2 = words[at + 2] ?? 0;
    const w2 = address.signedWord(2);
    if (k2 !== w2 || width === 3) return (k2 ^ SIGN) > (w2 ^ SIGN);
    return ((words[at + 3] ?? 0) ^ SIGN) > (address.signedWord(3) ^ SIGN);
  }

  #valueOf(row: number): number {
    const words = this.#words;
    const dictionaryAt = this.#dictionaryAt;
    const at =
      dictionaryAt === 0 ? this.#valuesAt + row : dictionaryAt + ((words[this.#keysAt + row] ?? 0) & PLACE_MASK);
    return (words[at] ?? 0) & MOST_VALUE;
  }
}

/** The 32 bits of an address from bit `first` on, with a sign; behind its end there are zeros. */
function bitsFrom(address: AddressWords, w0: number, w1: number, first: number): number {
  if (first < 32) return (w0 << first) | ((w1 >>> 1) >>> (31 - first));
  const word = first >>> 5;
  const shift = first & 31;
  return (wordAt(address, word) << shift) | ((wordAt(address, word + 1) >>> 1) >>> (31 - shift));
}

function wordAt(address: AddressWords, index: number): number {
  return 4 * index < address.length ? address.signedWord(index) : 0;
}
