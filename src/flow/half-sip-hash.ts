/**
 * HalfSipHash-1-3 over 32-bit words: the hash that decides where a flow stands in the table.
 *
 * ```
 *   key (2 words, random, secret) + words of the flow's key ─> 32 bits
 * ```
 * Floor 1. Rule: who does not know the key cannot choose inputs that collide, so nobody outside can make the look-up of
 * others slow (hash flooding). The function is a keyed one by design, the one that Linux uses for its hash tables on
 * 32-bit machines; 32-bit words are what JavaScript calculates fast. Nothing is allocated.
 *
 * @see Aumasson and Bernstein, "SipHash: a fast short-input PRF"; the reference implementation has HalfSipHash
 * @module
 */

/** Constants of the initial state. */
const V2 = 0x6c79_6765;
const V3 = 0x7465_6462;
/** Mixed in before the last rounds. */
const FINAL = 0xff;
const FINAL_ROUNDS = 3;
/** Octets behind the words. */
const REST_OCTETS = 3;

/**
 * Hashes `count` words and three octets behind them. Cost: O(count), 14 operations a word; no allocation.
 *
 * @param count - 62 at most
 * @param rest - the three octets, 24 bits
 * @returns 32 bits, signed
 */
export function halfSipHash(words: Int32Array, count: number, rest: number, key0: number, key1: number): number {
  let v0 = key0;
  let v1 = key1;
  let v2 = V2 ^ key0;
  let v3 = V3 ^ key1;
  for (let index = 0, end = count + 1 + FINAL_ROUNDS; index < end; index++) {
    let word = 0;
    if (index < count) word = words[index] as number;
    // The last block has the length in octets at its top.
    else if (index === count) word = (((count << 2) + REST_OCTETS) << 24) | rest;
    else if (index === count + 1) v2 ^= FINAL;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return v1 ^ v3;
}
