/**
 * The format of the whole IPv6 addresses in a prefix table (/128, than which no prefix is longer): a hash table of buckets.
 *
 * ```
 *   address ─ keyed hash ─> bucket ─ a tag is equal ─> whole address in the same place, equal ─> value
 *                             │ └─ none is ─> not there
 *                             └─ something that belongs here went beyond ─> next bucket ─> ...       16 buckets at most
 *
 *   tags        a word a place, 4 places a bucket: | 22 bits of the hash | in use | one went beyond | place of the value in the dictionary |
 *                                                    "one went beyond" in place n: a hash that is n mod 4 found no room in this bucket
 *   addresses   4 words a place: on a line of the cache that one bucket has for itself
 *   values      a word a place, the value itself; not there with a dictionary
 * ```
 * What takes the time of a look-up is memory that no cache holds, and half a million whole addresses are 8 MiB that cannot be made fewer.
 * So tags, which are 3.2 MiB, say nearly always what is not there: an address that is not in the list touches one line of them, one that is
 * in it one more. Three of five places are in use.
 *
 * Floor 1. Rule: a look-up reads {@link MOST_BUCKETS} at most, whatever the memory holds and whatever addresses a sender makes up. The
 * key of the hash is drawn when a table is built, so that who gets addresses into a list cannot choose their buckets either; what finds no
 * room within the bound is left to the rows (fill-buckets.ts).
 *
 * @see table-format.ts
 * @module
 */

/** Places of a bucket. */
export const BUCKET_PLACES = 4;
/** Words of an address. */
export const ADDRESS_WORDS = 4;
/** Words of the addresses of a bucket: a line of the cache. */
export const LINE_WORDS: number = BUCKET_PLACES * ADDRESS_WORDS;
/** Buckets that a look-up reads. */
export const MOST_BUCKETS = 16;
/** Words of the key of the hash. */
export const HASH_KEY_WORDS = 4;

/** Parts of a tag; its lowest octet is the place of the value in the dictionary. */
export const IN_USE = 0x200;
export const WENT_BEYOND = 0x100;
const HASH_SHIFT = 10;
/** Of a tag, what has to be equal. */
export const TAG_MASK: number = (-1 << HASH_SHIFT) | IN_USE;

const FACTOR_A: number = 0x9e37_79b1 | 0;
const FACTOR_B: number = 0x85eb_ca6b | 0;
/** Of a hash as a fraction of one. */
const UNIT: number = 2 ** -32;

/** Where the whole addresses are. */
export interface BucketSection {
  /** Addresses in the buckets. */
  readonly addresses: number;
  /** 0 for none. */
  readonly buckets: number;
  readonly tagsAt: number;
  /** A multiple of {@link LINE_WORDS}. */
  readonly addressesAt: number;
  readonly valuesAt: number;
  /** {@link HASH_KEY_WORDS}. */
  readonly hashKey: readonly number[];
}

/** The hash of an address, with a sign. */
export function hashAddress(
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  k0: number,
  k1: number,
  k2: number,
  k3: number,
): number {
  // Two chains that the processor follows at once.
  let a = Math.imul(w0 ^ k0, FACTOR_A);
  let b = Math.imul(w2 ^ k2, FACTOR_B);
  a = Math.imul(a ^ (a >>> 16) ^ w1 ^ k1, FACTOR_B);
  b = Math.imul(b ^ (b >>> 16) ^ w3 ^ k3, FACTOR_A);
  const both = Math.imul(a ^ (a >>> 15) ^ b ^ (b >>> 13), FACTOR_A);
  return both ^ (both >>> 15);
}

/** The bucket that a hash starts at: by its high bits, for any number of buckets. */
export function firstBucket(hash: number, buckets: number): number {
  return ((hash >>> 0) * UNIT * buckets) | 0;
}

/** The tag of a hash. */
export function tagOf(hash: number): number {
  return (hash << HASH_SHIFT) | IN_USE;
}

/** The place of a bucket that says whether such a hash went beyond it. */
export function beyondPlace(hash: number): number {
  return hash & (BUCKET_PLACES - 1);
}
