/**
 * The memory of a compiled rule file: runs of 32-bit numbers that are written once and read for ever after, equal ones only once.
 *
 * ```
 *   record   for each 32 chunks of rules: [ bits, place ]       bit n: chunk n has rules that match      place ─> pairs, one a bit
 *   pair     [ bits, place ]                                    bit n: word n of the chunk is not 0      place ─> words
 *   words    32 rules each, a bit for each that matches
 * ```
 * A place says how the words lie: from 0 on all 32 of them are there, and word n is at `place + n`; below 0 only those that are
 * not 0 are, from `~place` on (as in P. Bagwell, Ideal Hash Trees, 2001). Rule: set-up writes, a packet reads, never both.
 *
 * @module
 */

/** Most numbers of a rule file, both IP versions together: 256 MiB. */
export const MAX_NODES = 64 * 1024 * 1024;
/** Words of a chunk. */
export const CHUNK_WORDS = 32;
/** Where a chunk stands that has every bit set. */
export const ALL_ONES = 0;
/** From so many words on all 32 of them are kept: they are then found in one step. */
const DENSE = 8;
const FIRST_SIZE = 4096;

/** Told when the rules take more memory than there may be. */
export class TooLarge extends Error {}

/** Collects nodes. */
export class NodeStore {
  readonly #limit: number;
  #nodes = new Int32Array(FIRST_SIZE);
  #length = 0;
  /** A hash table with open addresses: place of a run and 1, or 0; and the hash of the run. */
  #places = new Int32Array(FIRST_SIZE);
  #hashes = new Int32Array(FIRST_SIZE);
  #runs = 0;
  readonly #scratch = new Int32Array(CHUNK_WORDS);

  /** @param limit - most numbers */
  constructor(limit: number) {
    this.#limit = limit;
    this.putWords(new Int32Array(CHUNK_WORDS).fill(-1), 0);
  }

  /**
   * Puts a run away, unless one that starts like it is there already.
   *
   * @param run - borrowed
   * @returns where it stands
   * @throws {@link TooLarge} beyond the limit
   */
  put(run: Int32Array, length: number): number {
    const hash = hashOf(run, length);
    let slot = hash & (this.#places.length - 1);
    for (; this.#places[slot] !== 0; slot = (slot + 1) & (this.#places.length - 1)) {
      const place = (this.#places[slot] as number) - 1;
      if (this.#hashes[slot] === hash && this.#isAt(place, run, length)) return place;
    }
    const place = this.#length;
    if (place + length > this.#limit) throw new TooLarge();
    this.#grow(place + length);
    for (let index = 0; index < length; index++) this.#nodes[place + index] = run[index] as number;
    this.#length = place + length;
    this.#places[slot] = place + 1;
    this.#hashes[slot] = hash;
    this.#runs += 1;
    if (2 * this.#runs > this.#places.length) this.#rehash();
    return place;
  }

  /** Puts the 32 words of a chunk away; returns their place as a pair has it. */
  putWords(words: Int32Array, from: number): number {
    const scratch = this.#scratch;
    let used = 0;
    for (let index = 0; index < CHUNK_WORDS; index++) {
      const word = words[from + index] as number;
      if (word !== 0) scratch[used++] = word;
    }
    if (used < DENSE) return ~this.put(scratch, used);
    for (let index = 0; index < CHUNK_WORDS; index++) scratch[index] = words[from + index] as number;
    return this.put(scratch, CHUNK_WORDS);
  }

  /** What was put away, cut to its length. */
  finish(): Int32Array {
    return this.#nodes.slice(0, this.#length);
  }

  #isAt(place: number, run: Int32Array, length: number): boolean {
    if (place + length > this.#length) return false;
    for (let index = 0; index < length; index++) if (this.#nodes[place + index] !== run[index]) return false;
    return true;
  }

  #rehash(): void {
    const places = this.#places;
    const hashes = this.#hashes;
    const size = 2 * places.length;
    this.#places = new Int32Array(size);
    this.#hashes = new Int32Array(size);
    for (const [index, place] of places.entries()) {
      if (place === 0) continue;
      const hash = hashes[index] as number;
      let slot = hash & (size - 1);
      while (this.#places[slot] !== 0) slot = (slot + 1) & (size - 1);
      this.#places[slot] = place;
      this.#hashes[slot] = hash;
    }
  }

  #grow(least: number): void {
    if (least <= this.#nodes.length) return;
    const larger = new Int32Array(Math.min(this.#limit, Math.max(least, 2 * this.#nodes.length)));
    larger.set(this.#nodes);
    this.#nodes = larger;
  }
}

function hashOf(run: Int32Array, length: number): number {
  let hash = length;
  for (let index = 0; index < length; index++) {
    hash = Math.imul(hash ^ (run[index] as number), 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  return hash;
}
