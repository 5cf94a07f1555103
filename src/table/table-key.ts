/**
 * The key of a table: an address of the packet, the network that it is in, or up to four addresses and numbers.
 *
 * ```
 *   parts   source   port          ─> words  | a.b.c.d | port |     shape  IPv4, number
 *   hash    HalfSipHash of the words and the shape
 * ```
 * Floor 1. Rules: what a key is made of is part of it, so that an address is never the same as a number. Nothing is allocated. The hash has a key
 * that nobody outside knows, so that nobody outside can choose addresses that take each other's place.
 *
 * @module
 */

import { halfSipHash } from '../flow/half-sip-hash.ts';
import { MOST_KEY_WORDS } from './table-layout.ts';

/** What is needed of an address; `Address` of a packet is one. */
export interface AddressPart {
  /** 4 or 16. */
  readonly length: 4 | 16;
  /** 32-bit word number `index`, with a sign. */
  signedWord(index: number): number;
}

/** A part of a key: an address, or a number of 32 bits. */
export type KeyPart = AddressPart | number;

const NUMBER = 1;
const IPV4 = 2;
const IPV6 = 3;
const KIND_BITS = 2;
/** Stands for a hash of 0. */
const NOT_ZERO = 1;

/** The key at hand. One instance is loaded again and again. */
export class TableKey {
  /** Its words; the first {@link TableKey.count} of them count. */
  readonly words: Int32Array = new Int32Array(MOST_KEY_WORDS);
  /** The hash of what is loaded, once {@link TableKey.digest} has been called. 32 bits, never 0. */
  readonly hash: Int32Array = new Int32Array(1);
  count = 0;
  /** What the words are: two bits a part. */
  shape = 0;
  readonly #seeds: Int32Array;

  /** @param seeds - two words that nobody outside may know */
  constructor(seeds: Int32Array) {
    this.#seeds = Int32Array.of(seeds[0] ?? 0, seeds[1] ?? 0);
  }

  /** Begins a key. */
  clear(): void {
    this.count = 0;
    this.shape = 0;
  }

  /** Another part. @returns false where there is no room for it */
  add(part: KeyPart): boolean {
    if (typeof part === 'number') {
      if (this.count >= MOST_KEY_WORDS) return false;
      this.words[this.count] = part;
      this.count += 1;
      this.shape = (this.shape << KIND_BITS) | NUMBER;
      return true;
    }
    return this.#addAddress(part);
  }

  /** The only part: the first `bits` bits of an address. */
  setNetwork(address: AddressPart, bits: number): void {
    this.clear();
    this.#addAddress(address);
    const { words, count } = this;
    for (let index = 0; index < count; index++) {
      const kept = bits - 32 * index;
      if (kept <= 0) words[index] = 0;
      else if (kept < 32) words[index] = (words[index] as number) & (-1 << (32 - kept));
    }
  }

  /** Computes {@link TableKey.hash}. Cost: some 15 to 30 ns; no allocation. */
  digest(): void {
    const hash = halfSipHash(this.words, this.count, this.shape, this.#seeds[0] as number, this.#seeds[1] as number);
    // 0 says that there is nothing.
    this.hash[0] = hash === 0 ? NOT_ZERO : hash;
  }

  #addAddress(address: AddressPart): boolean {
    const words = address.length >>> 2;
    const { count } = this;
    if (count + words > MOST_KEY_WORDS) return false;
    for (let index = 0; index < words; index++) this.words[count + index] = address.signedWord(index);
    this.count = count + words;
    this.shape = (this.shape << KIND_BITS) | (words === 1 ? IPV4 : IPV6);
    return true;
  }
}
