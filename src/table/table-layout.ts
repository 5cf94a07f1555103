/**
 * How a table of a hook lies in memory.
 *
 * ```
 *   | tags of bucket 0: 16 words | tags of bucket 1 | ... | entries of bucket 0 | entries of bucket 1 | ...
 *
 *   tag    0 for a way that was never used, else the hash of the key: a line of the cache says which way to look at
 *   entry  word  0        1       2             3                                   4 ...
 *              | check  | value | until, low  | shape 0-7, until, high 8-19,      | words of the key |
 *              |        |       | 32 bits     | check, 12 bits more 20-31         | 4 or 10 of them  |
 * ```
 * Floor 1. `until` is in milliseconds since 1970, 44 bits of them; `shape` says what the key is made of. The sums cover all that stands in
 * the entry and the hash of its key, so that **an entry that is not whole is no entry**: whoever was killed while he wrote, and two who wrote
 * at the same time, leave nothing that is taken for something.
 *
 * Rule: a place depends on sizes that both sides know beforehand, and on no number that stands in the memory.
 *
 * @module
 */

/** What of a table its memory depends on. */
export interface TableSize {
  /** Entries that there is room for, 1 to {@link MOST_ENTRIES}. */
  readonly most: number;
  /** Octets of the longest key, 4 to {@link MOST_KEY_OCTETS}. */
  readonly keyOctets: number;
}

/** Most entries of a table: 2^21. */
export const MOST_ENTRIES = 2_097_152;
/** Two addresses of IPv6 and two numbers. */
export const MOST_KEY_OCTETS = 40;
/** Words of the longest key. */
export const MOST_KEY_WORDS: number = MOST_KEY_OCTETS / 4;
/** Octets of all tables of a daemon together: 256 MiB. */
export const MOST_OCTETS = 0x1000_0000;

/** Ways of a bucket: the tags of one are one line of the cache. */
export const WAYS = 16;
/**
 * Entries that a bucket has on the average when the table has `most`. With 8 in 16 ways, one entry in a thousand finds no room before that,
 * as the Poisson distribution has it.
 */
const MEAN = 8;

export const CHECK = 0;
export const VALUE = 1;
export const UNTIL = 2;
export const META = 3;
export const KEY = 4;
export const SHAPE_MASK = 0xff;
export const HIGH_SHIFT = 8;
export const HIGH_MASK = 0xfff;
/** Bits of {@link META} that are part of the sums. */
export const TOLD_MASK = 0xf_ffff;
/** Bits of {@link META} that are a sum. */
export const SUM_MASK = ~TOLD_MASK;

/** Where everything is. */
export interface TableLayout {
  readonly buckets: number;
  /** Ways that are used: fewer where there are fewer entries than that. */
  readonly ways: number;
  /** Words of the longest key that has room. */
  readonly keyWords: number;
  /** Words of an entry. */
  readonly entryWords: number;
  /** Word of the first entry. */
  readonly entriesAt: number;
  /** Of the whole, a multiple of 64. */
  readonly octets: number;
}

/** The layout of a table. */
export function layoutOf({ most, keyOctets }: TableSize): TableLayout {
  const buckets = most <= WAYS ? 1 : Math.ceil(most / MEAN);
  const ways = Math.min(most, WAYS);
  const isShort = keyOctets <= 16;
  const keyWords = isShort ? 4 : MOST_KEY_WORDS;
  // Half a line of the cache, or a whole one.
  const entryWords = isShort ? 8 : 16;
  const entriesAt = buckets * WAYS;
  return { buckets, ways, keyWords, entryWords, entriesAt, octets: 4 * (entriesAt + buckets * WAYS * entryWords) };
}

/**
 * Where each of several tables starts in one piece of memory.
 *
 * @returns the octet of each, and the octets of all
 * @throws RangeError where they take more than {@link MOST_OCTETS}
 */
export function placesOf(sizes: readonly TableSize[]): { readonly places: readonly number[]; readonly octets: number } {
  let octets = 0;
  const places = sizes.map((size) => {
    const place = octets;
    octets += layoutOf(size).octets;
    return place;
  });
  if (octets <= MOST_OCTETS) return { places, octets };
  const mib = (count: number): number => Math.ceil(count / 0x10_0000);
  throw new RangeError(`the tables of all hooks take ${mib(octets)} MiB, and may take ${mib(MOST_OCTETS)} MiB`);
}
