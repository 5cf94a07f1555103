/**
 * Prefixes of one family with their values, in columns that grow, and put in order.
 *
 * Floor 1. For whoever builds a table. Rule: no object a prefix: half a million of them are a few megabytes, and are
 * sorted without a comparison that has to be called.
 *
 * @module
 */

/** Prefixes that a fresh list has memory for. */
const FIRST_CAPACITY = 1_024;
const DIGIT_BITS = 16;
const DIGITS = 1 << DIGIT_BITS;

/** Prefixes of one family, in the order in which they were added. */
export class PrefixList {
  /** 32-bit words of an address: 1 or 4. */
  readonly width: 1 | 4;
  #size = 0;
  #words: Int32Array;
  #lengths: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  #values: Int32Array = new Int32Array(FIRST_CAPACITY);

  constructor(width: 1 | 4) {
    this.width = width;
    this.#words = new Int32Array(FIRST_CAPACITY * width);
  }

  /** How many were added. */
  get size(): number {
    return this.#size;
  }

  /** Words of the addresses, `width` each; valid until the next one is added. */
  get words(): Int32Array {
    return this.#words;
  }

  /** Length of prefix `index`, in bits. */
  lengthOf(index: number): number {
    return this.#lengths[index] ?? 0;
  }

  /** Value of prefix `index`. */
  valueOf(index: number): number {
    return this.#values[index] ?? 0;
  }

  /**
   * Adds one.
   *
   * @param bytes - the network address in network order, `width` words; bits after the prefix are zero. Borrowed
   */
  add(bytes: Uint8Array, prefixLength: number, value: number): void {
    if (this.#size === this.#lengths.length) this.#grow();
    const at = this.#size * this.width;
    for (let word = 0; word < this.width; word++) {
      const octet = word * 4;
      this.#words[at + word] =
        ((bytes[octet] ?? 0) << 24) |
        ((bytes[octet + 1] ?? 0) << 16) |
        ((bytes[octet + 2] ?? 0) << 8) |
        (bytes[octet + 3] ?? 0);
    }
    this.#lengths[this.#size] = prefixLength;
    this.#values[this.#size] = value;
    this.#size += 1;
  }

  /** Adds one whose address stands in words of another list. */
  addWords(words: Int32Array, from: number, prefixLength: number, value: number): void {
    if (this.#size === this.#lengths.length) this.#grow();
    this.#words.set(words.subarray(from, from + this.width), this.#size * this.width);
    this.#lengths[this.#size] = prefixLength;
    this.#values[this.#size] = value;
    this.#size += 1;
  }

  /**
   * Indexes of the prefixes by address, of those that start alike the widest first, equal ones as they were added. Sorts by digits of 16 bits,
   * the last first: O(size), up to nine times over the list.
   */
  order(): Uint32Array {
    const size = this.#size;
    let order = Uint32Array.from({ length: size }, (_, index) => index);
    let other = new Uint32Array(size);
    const turn = (digitOf: (index: number) => number): void => {
      if (distribute(order, other, digitOf)) [order, other] = [other, order];
    };
    turn((index) => this.#lengths[index] ?? 0);
    for (let word = this.width - 1; word >= 0; word--) {
      const { width } = this;
      turn((index) => (this.#words[index * width + word] ?? 0) & (DIGITS - 1));
      turn((index) => (this.#words[index * width + word] ?? 0) >>> DIGIT_BITS);
    }
    return order;
  }

  #grow(): void {
    const capacity = this.#lengths.length * 2;
    const words = new Int32Array(capacity * this.width);
    const lengths = new Uint8Array(capacity);
    const values = new Int32Array(capacity);
    words.set(this.#words);
    lengths.set(this.#lengths);
    values.set(this.#values);
    this.#words = words;
    this.#lengths = lengths;
    this.#values = values;
  }
}

/** Puts `from` into `to` by one digit, equal digits as they were. False, and nothing is done, where all digits are equal. */
function distribute(from: Uint32Array, to: Uint32Array, digitOf: (index: number) => number): boolean {
  const places = new Uint32Array(DIGITS);
  for (const index of from) {
    const digit = digitOf(index);
    places[digit] = (places[digit] ?? 0) + 1;
  }
  if (from.length === 0 || places[digitOf(from[0] ?? 0)] === from.length) return false;
  let sum = 0;
  for (let digit = 0; digit < DIGITS; digit++) {
    const count = places[digit] ?? 0;
    places[digit] = sum;
    sum += count;
  }
  for (const index of from) {
    const digit = digitOf(index);
    const place = places[digit] ?? 0;
    to[place] = index;
    places[digit] = place + 1;
  }
  return true;
}
