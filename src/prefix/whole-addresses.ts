/**
 * Look-up of whole IPv6 addresses in a prefix table.
 *
 * Floor 1. Rule: as of prefix-table.ts: nothing is allocated, the steps are bounded, and what comes out is a number from 0 to 2^30 - 1, or -1.
 *
 * @see bucket-format.ts
 * @module
 */

import {
  ADDRESS_WORDS,
  BUCKET_PLACES,
  type BucketSection,
  beyondPlace,
  firstBucket,
  hashAddress,
  MOST_BUCKETS,
  TAG_MASK,
  tagOf,
  WENT_BEYOND,
} from './bucket-format.ts';
import { MOST_VALUE, PLACE_MASK } from './table-format.ts';

/** The buckets of a table. */
export class WholeAddresses {
  /** False without any address. */
  readonly hasAny: boolean;
  readonly #words: Int32Array;
  readonly #buckets: number;
  readonly #tagsAt: number;
  readonly #addressesAt: number;
  readonly #valuesAt: number;
  /** 0 without one. */
  readonly #dictionaryAt: number;
  readonly #k0: number;
  readonly #k1: number;
  readonly #k2: number;
  readonly #k3: number;

  /**
   * @param words - those of the table
   * @param dictionaryAt - 0 without a dictionary
   */
  constructor(words: Int32Array, section: BucketSection, dictionaryAt: number) {
    this.#words = words;
    this.#buckets = section.buckets;
    this.#tagsAt = section.tagsAt;
    this.#addressesAt = section.addressesAt;
    this.#valuesAt = section.valuesAt;
    this.#dictionaryAt = dictionaryAt;
    this.hasAny = section.buckets > 0;
    const [k0 = 0, k1 = 0, k2 = 0, k3 = 0] = section.hashKey;
    this.#k0 = k0;
    this.#k1 = k1;
    this.#k2 = k2;
    this.#k3 = k3;
  }

  /** The value of an address, -1 where it is not there. Cost: a line of memory, two for an address that is there. */
  find(w0: number, w1: number, w2: number, w3: number): number {
    const place = this.placeOf(w0, w1, w2, w3);
    if (place < 0) return place;
    const words = this.#words;
    const at =
      this.#dictionaryAt === 0
        ? this.#valuesAt + place
        : this.#dictionaryAt + ((words[this.#tagsAt + place] ?? 0) & PLACE_MASK);
    return (words[at] ?? 0) & MOST_VALUE;
  }

  /** The place of an address, -1 where it is not there. */
  placeOf(w0: number, w1: number, w2: number, w3: number): number {
    const words = this.#words;
    const buckets = this.#buckets;
    const hash = hashAddress(w0, w1, w2, w3, this.#k0, this.#k1, this.#k2, this.#k3);
    const tag = tagOf(hash);
    const beyond = beyondPlace(hash);
    let bucket = firstBucket(hash, buckets);
    for (let step = 0; step < MOST_BUCKETS; step++) {
      const first = bucket * BUCKET_PLACES;
      const tagsAt = this.#tagsAt + first;
      for (let place = 0; place < BUCKET_PLACES; place++) {
        if (((words[tagsAt + place] ?? 0) & TAG_MASK) !== tag) continue;
        const at = this.#addressesAt + (first + place) * ADDRESS_WORDS;
        const difference =
          ((words[at] ?? 0) ^ w0) |
          ((words[at + 1] ?? 0) ^ w1) |
          ((words[at + 2] ?? 0) ^ w2) |
          ((words[at + 3] ?? 0) ^ w3);
        if (difference === 0) return first + place;
      }
      if (((words[tagsAt + beyond] ?? 0) & WENT_BEYOND) === 0) return -1;
      bucket = bucket + 1 === buckets ? 0 : bucket + 1;
    }
    return -1;
  }
}
