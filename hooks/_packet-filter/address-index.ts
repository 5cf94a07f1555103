/**
 * From an address to its interval: sixteen bits at a time, as in a multibit trie, with a search where there are several cuts.
 *
 * ```
 *   root      65,536 values, one for each leading sixteen bits
 *   value     0 or more: the answer          below 0: ~value is a node for the sixteen bits that come next
 *   node      values[node] = n > 0       n entries follow: digits[i] first digit, values[i] value from there on
 *             values[node] = -n          n digits follow; an address that has them goes on with values[node + 1], any other one
 *                                        with values[node + 2]
 * ```
 * Cost of a look-up: one read where sixteen bits decide; otherwise log2(n) steps without a branch for each of the next sixteen bits, n
 * the cuts below; 8 nodes at most for IPv6, 1 for IPv4. The second kind of node is a path without forks, as most of an IPv6 address is.
 * Memory: 256 KiB, and 12 octets for each cut in each node that it goes through. It allocates nothing.
 *
 * Rule: answers are not negative; the first entry of a node is digit 0, so that a search cannot miss.
 *
 * @module
 */

import type { Address } from 'firehook';

const DIGIT_BITS = 16;
const DIGITS = 65_536;

/** Answers for the addresses of one IP version. */
export class AddressIndex {
  readonly #root: Int32Array;
  readonly #digits: Uint16Array;
  readonly #values: Int32Array;

  /**
   * @param starts - first address of each interval, rising, from 0 on
   * @param answers - of each interval; 0 or more
   * @param length - octets of an address: 4 or 16
   */
  constructor(starts: readonly bigint[], answers: Int32Array, length: number) {
    const builder = new Builder(starts, answers);
    this.#root = builder.root(BigInt(8 * length - DIGIT_BITS));
    this.#digits = Uint16Array.from(builder.digits);
    this.#values = Int32Array.from(builder.values);
  }

  /** The answer for the interval that `address` is in. Never allocates. */
  find(address: Address): number {
    const values = this.#values;
    let value = this.#root[(address.at(0) << 8) | address.at(1)] as number;
    for (let octet = 2; value < 0; octet += 2) {
      const count = values[~value] as number;
      if (count > 0)
        value = values[this.#search(~value + 1, count, (address.at(octet) << 8) | address.at(octet + 1))] as number;
      else {
        value = values[~value + (this.#isPath(~value, -count, address, octet) ? 1 : 2)] as number;
        octet -= 2 * (count + 1);
      }
    }
    return value;
  }

  /** The last of `count` entries whose digit is not beyond `digit`. */
  #search(first: number, count: number, digit: number): number {
    const digits = this.#digits;
    let entry = first;
    for (let left = count; left > 1; ) {
      const half = left >>> 1;
      // -1 where the entry half-way is beyond the digit, 0 where it is not: no branch that could be guessed wrong.
      entry += half & ~((digit - (digits[entry + half] as number)) >> 31);
      left -= half;
    }
    return entry;
  }

  /** Whether the address has the digits of a path from `octet` on. */
  #isPath(node: number, length: number, address: Address, octet: number): boolean {
    const digits = this.#digits;
    for (let index = 0; index < length; index++) {
      const at = octet + 2 * index;
      if (digits[node + 1 + index] !== ((address.at(at) << 8) | address.at(at + 1))) return false;
    }
    return true;
  }
}

/** From `digit` on there is `value`. */
interface Entry {
  readonly digit: number;
  value: number;
}

/** Makes the nodes. */
class Builder {
  readonly digits: number[] = [];
  readonly values: number[] = [];
  readonly #starts: readonly bigint[];
  readonly #answers: Int32Array;

  constructor(starts: readonly bigint[], answers: Int32Array) {
    // Neighbours with one answer are one interval.
    const kept = starts
      .map((_, index) => index)
      .filter((index) => index === 0 || answers[index] !== answers[index - 1]);
    this.#starts = kept.map((index) => starts[index] as bigint);
    this.#answers = Int32Array.from(kept, (index) => answers[index] as number);
  }

  /** @param shift - bits behind the leading digit */
  root(shift: bigint): Int32Array {
    const root = new Int32Array(DIGITS);
    const entries = this.#entries(0n, shift, 0, this.#starts.length, 0);
    for (const [index, { digit, value }] of entries.entries()) {
      root.fill(value, digit, entries[index + 1]?.digit ?? DIGITS);
    }
    return root;
  }

  /**
   * The entries of a node, its children made first.
   *
   * @param base - first address below the node
   * @param shift - bits behind the digit that the node is about
   * @param from - first start in the node, `to` the first one behind it
   * @param before - answer for its first address, where no start is there
   */
  #entries(base: bigint, shift: bigint, from: number, to: number, before: number): Entry[] {
    const entries: Entry[] = [];
    const add = (digit: number, value: number): void => {
      const last = entries.at(-1);
      if (last?.digit === digit) last.value = value;
      else if (last?.value !== value) entries.push({ digit, value });
    };
    add(0, before);
    let current = before;
    for (let index = from; index < to; ) {
      const digit = Number(((this.#starts[index] as bigint) - base) >> shift);
      const below = base + (BigInt(digit) << shift);
      const behind = below + (1n << shift);
      let next = index;
      while (next < to && (this.#starts[next] as bigint) < behind) next++;
      const after = this.#answers[next - 1] as number;
      if (next - index === 1 && this.#starts[index] === below) add(digit, after);
      else {
        add(digit, this.#node(below, shift - BigInt(DIGIT_BITS), index, next, current));
        if (digit + 1 < DIGITS) add(digit + 1, after);
      }
      current = after;
      index = next;
    }
    return entries;
  }

  #node(base: bigint, shift: bigint, from: number, to: number, before: number): number {
    const entries = this.#entries(base, shift, from, to, before);
    const path = pathOf(entries);
    if (path !== null) return this.#path(path);
    const node = this.values.length;
    this.#push(0, entries.length);
    for (const { digit, value } of entries) this.#push(digit, value);
    return ~node;
  }

  /** Puts a path down; one that leads to another with the same way out takes its place. */
  #path({ digit, inside, outside }: Path): number {
    const child = ~inside;
    const isLonger = inside < 0 && (this.values[child] ?? 0) < 0 && this.values[child + 2] === outside;
    const more = isLonger ? -(this.values[child] as number) : 0;
    const digits = [digit, ...this.digits.slice(child + 1, child + 1 + more)];
    const target = isLonger ? (this.values[child + 1] as number) : inside;
    const node = this.values.length;
    this.#push(0, -digits.length);
    for (let index = 0; index < Math.max(2, digits.length); index++) {
      this.#push(digits[index] ?? 0, index === 0 ? target : outside);
    }
    return ~node;
  }

  #push(digit: number, value: number): void {
    this.digits.push(digit);
    this.values.push(value);
  }
}

/** A node in which one digit leads on. */
interface Path {
  readonly digit: number;
  readonly inside: number;
  readonly outside: number;
}

/** Null where more digits than one lead somewhere else than the others. */
function pathOf(entries: readonly Entry[]): Path | null {
  const [first, second, third] = entries;
  if (first === undefined || second === undefined) return null;
  const { digit, value: inside } = second;
  const isLast = third === undefined && digit === DIGITS - 1;
  if (entries.length === 2 && isLast) return { digit, inside, outside: first.value };
  // The first digit alone, and then all others.
  if (entries.length === 2 && digit === 1) return { digit: 0, inside: first.value, outside: inside };
  if (entries.length !== 3 || third?.digit !== digit + 1 || third.value !== first.value) return null;
  return { digit, inside, outside: first.value };
}
