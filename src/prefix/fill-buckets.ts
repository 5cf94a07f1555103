/**
 * Puts the whole IPv6 addresses of a list into buckets.
 *
 * Floor 1. For whoever builds a table. Rule: of two equal addresses the later one holds, as among rows; an address that finds no room in the
 * buckets that a look-up reads is left to the rows, so that each list can be built, whoever wrote it.
 *
 * @see bucket-format.ts
 * @module
 */

import { randomFillSync } from 'node:crypto';
import {
  ADDRESS_WORDS,
  BUCKET_PLACES,
  beyondPlace,
  firstBucket,
  HASH_KEY_WORDS,
  hashAddress,
  IN_USE,
  MOST_BUCKETS,
  tagOf,
  WENT_BEYOND,
} from './bucket-format.ts';
import { PrefixList } from './prefix-list.ts';

/**
 * Addresses for which a bucket is there. With 3.2 the memory is three quarters as much, but so many buckets are full that a look-up of an address
 * that is not there takes twice as long.
 */
const LOAD = 2.4;
const WHOLE = 128;

/** Addresses in buckets. */
export interface Buckets {
  readonly addresses: number;
  readonly buckets: number;
  readonly hashKey: readonly number[];
  /** A word a place, without the place of the value in the dictionary. */
  readonly tags: Int32Array;
  /** {@link ADDRESS_WORDS} a place. */
  readonly wholes: Int32Array;
  /** A word a place. */
  readonly values: Int32Array;
}

/**
 * Takes the whole addresses out of a list of IPv6 prefixes. O(size).
 *
 * @param hashKey - key of the hash, for tests. Default: drawn by chance
 * @returns them, and the prefixes that are not among them
 */
export function fillBuckets(list: PrefixList, hashKey?: Int32Array): { buckets: Buckets; rest: PrefixList } {
  let count = 0;
  for (let index = 0; index < list.size; index++) if (list.lengthOf(index) === WHOLE) count += 1;
  const filler = new BucketFiller(count, hashKey ?? drawKey(count));
  if (count === 0) return { buckets: filler.taken(), rest: list };
  const rest = new PrefixList(ADDRESS_WORDS);
  const { words } = list;
  for (let index = 0; index < list.size; index++) {
    const length = list.lengthOf(index);
    const value = list.valueOf(index);
    if (length !== WHOLE || !filler.put(words, ADDRESS_WORDS * index, value))
      rest.addWords(words, ADDRESS_WORDS * index, length, value);
  }
  return { buckets: filler.taken(), rest };
}

/** Without addresses always the same one: then equal lists make equal tables. */
function drawKey(addresses: number): Int32Array {
  const key = new Int32Array(HASH_KEY_WORDS);
  return addresses === 0 ? key : randomFillSync(key);
}

class BucketFiller {
  readonly #buckets: number;
  readonly #hashKey: Int32Array;
  readonly #tags: Int32Array;
  readonly #wholes: Int32Array;
  readonly #values: Int32Array;
  #addresses = 0;

  constructor(most: number, hashKey: Int32Array) {
    this.#buckets = Math.ceil(most / LOAD);
    this.#hashKey = hashKey;
    const places = this.#buckets * BUCKET_PLACES;
    this.#tags = new Int32Array(places);
    this.#wholes = new Int32Array(places * ADDRESS_WORDS);
    this.#values = new Int32Array(places);
  }

  taken(): Buckets {
    return {
      addresses: this.#addresses,
      buckets: this.#buckets,
      hashKey: [...this.#hashKey],
      tags: this.#tags,
      wholes: this.#wholes,
      values: this.#values,
    };
  }

  /** False when there is no room for it; nothing is changed then. */
  put(from: Int32Array, at: number, value: number): boolean {
    const hash = this.#hashOf(from, at);
    const first = firstBucket(hash, this.#buckets);
    for (let step = 0; step < Math.min(MOST_BUCKETS, this.#buckets); step++) {
      const bucket = ((first + step) % this.#buckets) * BUCKET_PLACES;
      for (let place = bucket; place < bucket + BUCKET_PLACES; place++) {
        const isFree = ((this.#tags[place] ?? 0) & IN_USE) === 0;
        if (!isFree && !this.#isAt(place, from, at)) continue;
        if (isFree) this.#take(place, from, at, hash, step);
        this.#values[place] = value;
        return true;
      }
    }
    return false;
  }

  /** Writes an address into a free place, and into the buckets before that it went beyond them. */
  #take(place: number, from: Int32Array, at: number, hash: number, steps: number): void {
    this.#addresses += 1;
    this.#tags[place] = tagOf(hash) | ((this.#tags[place] ?? 0) & WENT_BEYOND);
    this.#wholes.set(from.subarray(at, at + ADDRESS_WORDS), place * ADDRESS_WORDS);
    for (let step = 0; step < steps; step++) {
      const bucket = (firstBucket(hash, this.#buckets) + step) % this.#buckets;
      const mark = bucket * BUCKET_PLACES + beyondPlace(hash);
      this.#tags[mark] = (this.#tags[mark] ?? 0) | WENT_BEYOND;
    }
  }

  #isAt(place: number, from: Int32Array, at: number): boolean {
    for (let word = 0; word < ADDRESS_WORDS; word++)
      if (this.#wholes[place * ADDRESS_WORDS + word] !== from[at + word]) return false;
    return true;
  }

  #hashOf(from: Int32Array, at: number): number {
    const [k0 = 0, k1 = 0, k2 = 0, k3 = 0] = this.#hashKey;
    return hashAddress(from[at] ?? 0, from[at + 1] ?? 0, from[at + 2] ?? 0, from[at + 3] ?? 0, k0, k1, k2, k3);
  }
}
