/**
 * From nested prefixes to rows: from this address on it is that value.
 *
 * ```
 *   10.0.0.0/8   1      ├──────────────────────────────┤          rows:   0.0.0.0 0   10.0.0.0 1   10.1.0.0 2   10.2.0.0 1   11.0.0.0 0
 *   10.1.0.0/16  2            ├────────┤
 * ```
 * Floor 1. Prefixes come in order, so those that are open at a place lie in one another: a stack of at most 129. Rule: of
 * two equal prefixes the later one holds; a row that says what the row before says is left out.
 *
 * @module
 */

import type { PrefixList } from './prefix-list.ts';
import { SIGN } from './table-format.ts';

/** Words of a row while rows are made: a key of four and the value. */
export const ROW_WORDS = 5;
/** Prefixes that lie in one another: lengths 0 to 128. */
const MOST_NESTED = 129;
const KEY = 4;

/** Rows of one family. */
export interface Rows {
  /** {@link ROW_WORDS} each, keys from the left; there may be more memory than rows. */
  readonly words: Int32Array;
  readonly count: number;
  /** Prefixes, equal ones counted once. */
  readonly prefixes: number;
  /** Words of a key up to the last one that is not zero everywhere; at least one. */
  readonly keyWords: number;
}

/** Lays the prefixes of a list flat. O(size), beside the sorting. */
export function flatten(list: PrefixList): Rows {
  const sweep = new Sweep(list.size);
  const key = new Int32Array(KEY);
  const { width, words } = list;
  for (const index of list.order()) {
    for (let word = 0; word < width; word++) key[word] = words[index * width + word] ?? 0;
    sweep.open(key, list.lengthOf(index), 32 * width, list.valueOf(index));
  }
  return sweep.finish();
}

class Sweep {
  /** Two rows a prefix, and the first. */
  readonly #rows: Int32Array;
  #count = 0;
  #prefixes = 0;
  /** Starts, ends (which belong to the prefix), lengths and values of the prefixes that are open, the widest first. */
  readonly #starts = new Int32Array(MOST_NESTED * KEY);
  readonly #ends = new Int32Array(MOST_NESTED * KEY);
  readonly #lengths = new Int32Array(MOST_NESTED);
  readonly #values = new Int32Array(MOST_NESTED);
  #nested = 0;
  readonly #next = new Int32Array(KEY);
  #keyBits = 0;
  #keyWords = 1;

  constructor(prefixes: number) {
    this.#rows = new Int32Array((2 * prefixes + 1) * ROW_WORDS);
    this.#row(this.#next, 0);
  }

  /** Takes the next prefix in order. */
  open(key: Int32Array, length: number, bits: number, value: number): void {
    this.#keyBits = bits;
    while (this.#nested > 0 && compare(this.#ends, (this.#nested - 1) * KEY, key, 0) < 0) this.#close();
    const top = this.#nested - 1;
    const isSame = top >= 0 && this.#lengths[top] === length && compare(this.#starts, top * KEY, key, 0) === 0;
    const place = isSame ? top : this.#nested;
    if (!isSame) {
      this.#nested += 1;
      this.#prefixes += 1;
    }
    this.#lengths[place] = length;
    this.#values[place] = value;
    for (let word = 0; word < KEY; word++) {
      this.#starts[place * KEY + word] = key[word] ?? 0;
      this.#ends[place * KEY + word] = (key[word] ?? 0) | hostBits(length - 32 * word);
    }
    this.#row(key, value);
  }

  finish(): Rows {
    while (this.#nested > 0) this.#close();
    return { words: this.#rows, count: this.#count, prefixes: this.#prefixes, keyWords: this.#keyWords };
  }

  /** Ends the innermost prefix: behind it the value of the next one out holds. */
  #close(): void {
    this.#nested -= 1;
    const at = this.#nested * KEY;
    let carry = true;
    for (let word = this.#keyBits / 32 - 1; word >= 0; word--) {
      const end = this.#ends[at + word] ?? 0;
      this.#next[word] = carry ? end + 1 : end;
      carry = carry && end === -1;
    }
    // Behind the last address there is none.
    if (!carry) this.#row(this.#next, this.#nested > 0 ? (this.#values[this.#nested - 1] ?? 0) : 0);
  }

  #row(key: Int32Array, value: number): void {
    const rows = this.#rows;
    let at = this.#count * ROW_WORDS;
    if (this.#count > 0 && compare(rows, at - ROW_WORDS, key, 0) === 0) {
      at -= ROW_WORDS;
      this.#count -= 1;
    }
    if (this.#count > 0 && rows[at - 1] === value) return;
    for (let word = 0; word < KEY; word++) {
      const part = key[word] ?? 0;
      rows[at + word] = part;
      if (part !== 0 && word >= this.#keyWords) this.#keyWords = word + 1;
    }
    rows[at + KEY] = value;
    this.#count += 1;
  }
}

/** A word with the bits set that come after the first `networkBits` of it. */
function hostBits(networkBits: number): number {
  if (networkBits <= 0) return -1;
  return networkBits >= 32 ? 0 : -1 >>> networkBits;
}

function compare(a: Int32Array, aAt: number, b: Int32Array, bAt: number): number {
  for (let word = 0; word < KEY; word++) {
    const left = (a[aAt + word] ?? 0) ^ SIGN;
    const right = (b[bAt + word] ?? 0) ^ SIGN;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
