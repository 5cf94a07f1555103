/**
 * The format of a prefix table: signed 32-bit words in one piece of memory, by position and without a pointer.
 *
 * ```
 *   word   0  magic   1  version   2  words of the whole   3  first word of the dictionary   4  its words, 0 without one
 *          8  IPv4: prefixes, rows, then the first word of each part: keys, whole keys, values, nodes; words of the nodes, of a whole key
 *         16  IPv6: the same
 *         24  whole IPv6 addresses: how many, buckets, first word of tags, addresses, values; key of the hash (4 words)      bucket-format.ts
 *         40  the parts, in any order
 *
 *   rows       ascending; from its key on an address has the value of the row, up to the key of the next row
 *   keys         a word a row: | 23 bits of the key, from the first one on that no node has looked at | the key goes on | place in dictionary |
 *   whole keys   the key, as many words as there is something in; not there where no key goes on
 *   values       a word a row, the value itself; not there with a dictionary
 *
 *   node       | kind | first row | rows | skipped bits | slot 0 | slot 1 | ... |      2^stride slots
 *   kind         stride | first bit << 8 | number of bits skipped before it << 16;     stride 0: the rows are searched
 *   slot         first row << 8 | rows;   below zero: ~ first word of a node
 * ```
 * Prefixes are laid flat: sorted, nested ones cut out of the wider ones, they are rows of "from this address on it is that
 * value". The first row has the lowest key there is, so each address has a row: the last one whose key is not above it.
 *
 * A node takes `stride` bits of an address, from `first bit` on, for the number of a slot; a slot is the few rows with
 * these bits, or another node. Bits that all rows of a node share are skipped: an address with others is before or behind them all.
 *
 * What takes the time of a look-up is memory that no cache holds. Hence key and value in one word: half a million prefixes
 * of IPv4 take about 4 MiB, of which one look-up touches two places.
 *
 * IPv6 prefixes of 128 bits are not among the rows: none is longer, so they are looked up first, by a hash (bucket-format.ts).
 *
 * Floor 1. Rule: memory may hold anything. {@link readHeader} looks at the header when a table is opened, in constant
 * time; a look-up is bounded in its steps and reads through typed arrays, which have nothing behind their end.
 * `findFault` (find-fault.ts) looks at each word, once, before a table is handed to lanes.
 *
 * Words are in the order of the machine: a table does not leave it.
 *
 * @see Nilsson and Karlsson, IP-Address Lookup Using LC-Tries (IEEE JSAC 17, 1999): strides by the number of rows, skipped bits
 * @module
 */

import { BUCKET_PLACES, type BucketSection, HASH_KEY_WORDS, LINE_WORDS } from './bucket-format.ts';

/** "FHPT", the first octet lowest. */
export const MAGIC = 0x5450_4846;
/** Of this format. */
export const VERSION = 2;

/** Words before the first part. */
export const HEADER_WORDS = 40;
export const HEADER_OCTETS: number = HEADER_WORDS * 4;
/** Places in the header. */
export const WHOLE_WORDS = 2;
export const DICTIONARY_AT = 3;
export const DICTIONARY_WORDS = 4;
/** Where the eight words of a family are in the header. */
export const IPV4_AT = 8;
export const IPV6_AT = 16;
/** Where the nine words of the whole addresses are. */
export const BUCKETS_AT = 24;

/** Words of a node before its slots. */
export const SLOTS_AT = 4;
/** Places within a node. */
export const KIND = 0;
export const FIRST_ROW = 1;
export const ROW_COUNT = 2;
export const SKIPPED = 3;
/** Parts of a kind. */
export const STRIDE_MASK = 0x1f;
export const FIRST_BIT_SHIFT = 8;
export const FIRST_BIT_MASK = 0x7f;
export const SKIP_SHIFT = 16;
export const SKIP_MASK = 0x1f;
/** Parts of a slot. */
export const COUNT_BITS = 8;
export const COUNT_MASK = 0xff;

/** Nodes on the way to a row. */
export const MOST_DEPTH = 8;
/** Bits that one node takes. */
export const MOST_STRIDE = 20;
/** Bits that one node skips. */
export const MOST_SKIPPED = 30;
/** Rows in a slot; one with more becomes a node. */
export const MOST_IN_SLOT = 32;
/** Parts of a key: as a signed number without its last octet it is compared. */
export const GOES_ON = 0x100;
export const KEY_SHIFT = 8;
/** Bits of an address in a key. */
export const KEY_BITS = 23;
/** Place of the value in the dictionary. */
export const PLACE_MASK = 0xff;
/** Values in a dictionary. */
export const MOST_WORDS_IN_DICTIONARY = 256;

/** Prefixes of one table, both families together: the rows of as many are counted by 23 bits of a slot. */
export const MOST_PREFIXES = 4_000_000;
/** Octets of one table: more than {@link MOST_PREFIXES} of IPv6 take at their worst. */
export const MOST_OCTETS: number = 512 * 1024 * 1024;

/** Largest value: no engine makes an object of such a number. */
export const MOST_VALUE = 0x3fff_ffff;

/** Turns unsigned words into signed ones of the same order. */
export const SIGN = -0x8000_0000;

/** Where the rows and nodes of a family are. */
export interface Section {
  readonly prefixes: number;
  readonly rows: number;
  readonly keysAt: number;
  readonly wholeKeysAt: number;
  readonly valuesAt: number;
  readonly nodesAt: number;
  /** 0 for few rows. */
  readonly nodeWords: number;
  /** Words of a whole key, at most 4; 0 where there are none. */
  readonly wholeKeyWords: number;
}

/** What the header says. */
export interface Header {
  readonly words: number;
  readonly dictionaryAt: number;
  /** 0 without a dictionary. */
  readonly dictionaryWords: number;
  readonly ipv4: Section;
  readonly ipv6: Section;
  readonly buckets: BucketSection;
}

/**
 * Reads the header, and looks whether all that it names is within `octets`. Cost: constant.
 *
 * @param header - more is not read
 * @param octets - how long the memory is, or may be
 * @returns what is wrong with it, where something is
 */
export function readHeader(header: Int32Array, octets: number): Header | string {
  const word = (place: number): number => header[place] ?? 0;
  if (header.length < HEADER_WORDS || word(0) !== MAGIC) return 'it is no prefix table';
  if (word(1) !== VERSION) return `it is a prefix table of version ${word(1)}, not ${VERSION}`;
  const words = word(WHOLE_WORDS);
  if (words < HEADER_WORDS || words * 4 > Math.min(octets, MOST_OCTETS)) return `it cannot have ${words} words`;
  const dictionaryAt = word(DICTIONARY_AT);
  const dictionaryWords = word(DICTIONARY_WORDS);
  if (dictionaryWords > MOST_WORDS_IN_DICTIONARY || !isWithin(dictionaryAt, dictionaryWords, words))
    return 'its dictionary is not within it';
  const ipv4 = readSection(header, IPV4_AT);
  const ipv6 = readSection(header, IPV6_AT);
  if (!isSound(ipv4, words, dictionaryWords > 0)) return 'its part for IPv4 is not within it';
  if (!isSound(ipv6, words, dictionaryWords > 0)) return 'its part for IPv6 is not within it';
  const buckets = readBuckets(header);
  if (!areSound(buckets, words, dictionaryWords > 0)) return 'its part for whole addresses is not within it';
  if (ipv4.prefixes + ipv6.prefixes + buckets.addresses > MOST_PREFIXES)
    return `it has more than ${MOST_PREFIXES} prefixes`;
  return { words, dictionaryAt, dictionaryWords, ipv4, ipv6, buckets };
}

/** Puts a section into a header. */
export function writeSection(header: Int32Array, at: number, section: Section): void {
  const { prefixes, rows, keysAt, wholeKeysAt, valuesAt, nodesAt, nodeWords, wholeKeyWords } = section;
  header.set([prefixes, rows, keysAt, wholeKeysAt, valuesAt, nodesAt, nodeWords, wholeKeyWords], at);
}

/** Puts the whole addresses into a header. */
export function writeBuckets(header: Int32Array, section: BucketSection): void {
  const { addresses, buckets, tagsAt, addressesAt, valuesAt, hashKey } = section;
  header.set([addresses, buckets, tagsAt, addressesAt, valuesAt, ...hashKey], BUCKETS_AT);
}

function readBuckets(header: Int32Array): BucketSection {
  const keyAt = BUCKETS_AT + 5;
  const [addresses = 0, buckets = 0, tagsAt = 0, addressesAt = 0, valuesAt = 0] = header.subarray(BUCKETS_AT, keyAt);
  // Never to the end: the table may be behind the header.
  const hashKey = [...header.subarray(keyAt, keyAt + HASH_KEY_WORDS)];
  return { addresses, buckets, tagsAt, addressesAt, valuesAt, hashKey };
}

function areSound(section: BucketSection, words: number, hasDictionary: boolean): boolean {
  const { addresses, buckets, tagsAt, addressesAt, valuesAt } = section;
  if (buckets < 0 || addresses < 0 || addresses > buckets * BUCKET_PLACES) return false;
  return (
    isWithin(tagsAt, buckets * BUCKET_PLACES, words) &&
    isWithin(addressesAt, buckets * LINE_WORDS, words) &&
    addressesAt % LINE_WORDS === 0 &&
    isWithin(valuesAt, hasDictionary ? 0 : buckets * BUCKET_PLACES, words)
  );
}

function readSection(header: Int32Array, at: number): Section {
  const [
    prefixes = 0,
    rows = 0,
    keysAt = 0,
    wholeKeysAt = 0,
    valuesAt = 0,
    nodesAt = 0,
    nodeWords = 0,
    wholeKeyWords = 0,
  ] = header.subarray(at);
  return { prefixes, rows, keysAt, wholeKeysAt, valuesAt, nodesAt, nodeWords, wholeKeyWords };
}

function isSound(section: Section, words: number, hasDictionary: boolean): boolean {
  const { prefixes, rows, keysAt, wholeKeysAt, valuesAt, nodesAt, nodeWords, wholeKeyWords } = section;
  if (prefixes < 0 || rows < 1 || wholeKeyWords < 0 || wholeKeyWords > 4) return false;
  // Few rows need no node, and many need one.
  if (nodeWords === 0 ? rows > MOST_IN_SLOT : nodeWords < SLOTS_AT) return false;
  return (
    isWithin(keysAt, rows, words) &&
    isWithin(wholeKeysAt, rows * wholeKeyWords, words) &&
    isWithin(valuesAt, hasDictionary ? 0 : rows, words) &&
    isWithin(nodesAt, nodeWords, words)
  );
}

/** In doubles: no sum wraps. Where there is nothing it does not matter where. */
function isWithin(at: number, count: number, words: number): boolean {
  return count === 0 || (count > 0 && at >= HEADER_WORDS && at + count <= words);
}
