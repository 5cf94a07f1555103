/**
 * Builds a prefix table from a list of prefixes.
 *
 * ```
 *   prefixes ─ sorted, laid flat ─> rows ─ indexed ─> nodes ─ put together ─> one piece of memory      a family each
 *      └─ whole IPv6 addresses ─ hashed ─> buckets ───────────────┘
 * ```
 * Floor 1. Not for the process that has packets: half a million prefixes take a few hundred milliseconds.
 *
 * @see table-format.ts
 * @module
 */

import { ADDRESS_WORDS, BUCKET_PLACES, type BucketSection, IN_USE, LINE_WORDS } from './bucket-format.ts';
import { type Buckets, fillBuckets } from './fill-buckets.ts';
import { flatten, ROW_WORDS, type Rows } from './flatten.ts';
import { PrefixList } from './prefix-list.ts';
import { indexRows, type RowIndex } from './row-index.ts';
import {
  DICTIONARY_AT,
  DICTIONARY_WORDS,
  HEADER_WORDS,
  IPV4_AT,
  IPV6_AT,
  MAGIC,
  MOST_PREFIXES,
  MOST_VALUE,
  MOST_WORDS_IN_DICTIONARY,
  type Section,
  VERSION,
  WHOLE_WORDS,
  writeBuckets,
  writeSection,
} from './table-format.ts';

/** A prefix with its value. */
export interface PrefixEntry {
  /** The network address, 4 or 16 octets in network order; bits after the prefix are zero. */
  readonly bytes: Uint8Array;
  /** 0 to 32 or 128. */
  readonly prefixLength: number;
  /** 0 to 2^30 - 1; 0 is what an address without any prefix has, too: it cuts a hole into a wider prefix. */
  readonly value: number;
}

/** Takes prefixes and makes a table of them. */
export class PrefixTableBuilder {
  readonly #ipv4 = new PrefixList(1);
  readonly #ipv6 = new PrefixList(4);

  /** How many were added. */
  get size(): number {
    return this.#ipv4.size + this.#ipv6.size;
  }

  /**
   * Adds a prefix. Of two equal ones the later one holds.
   *
   * @param bytes - borrowed during the call
   * @throws RangeError for a length or a value out of range, and for more than {@link MOST_PREFIXES}
   */
  add(bytes: Uint8Array, prefixLength: number, value: number): void {
    const bits = 8 * bytes.length;
    if (bits !== 32 && bits !== 128) throw new RangeError(`${bytes.length} octets are no address`);
    if (!isWhole(prefixLength, bits)) throw new RangeError(`${prefixLength} is no prefix length from 0 to ${bits}`);
    if (!isWhole(value, MOST_VALUE)) throw new RangeError(`${value} is no value from 0 to ${MOST_VALUE}`);
    if (this.size === MOST_PREFIXES) throw new RangeError(`there are more than ${MOST_PREFIXES} prefixes`);
    (bits === 32 ? this.#ipv4 : this.#ipv6).add(bytes, prefixLength, value);
  }

  /** The table. O(prefixes); about 8 octets a prefix for IPv4, 10 to 41 for IPv6 by their length, 34 for whole IPv6 addresses, and 8 more with more than 256 values. */
  build(): ArrayBuffer {
    const ipv4 = flatten(this.#ipv4);
    const { buckets, rest } = fillBuckets(this.#ipv6);
    const ipv6 = flatten(rest);
    const dictionary = valuesOf([ipv4, ipv6], buckets);
    const layout = new Layout(dictionary);
    const first = layout.place(ipv4);
    const second = layout.place(ipv6);
    const whole = layout.placeBuckets(buckets);
    const words = new Int32Array(layout.end);
    words.set([MAGIC, VERSION]);
    words[WHOLE_WORDS] = words.length;
    words[DICTIONARY_AT] = HEADER_WORDS;
    words[DICTIONARY_WORDS] = dictionary?.size ?? 0;
    if (dictionary !== null) words.set([...dictionary.keys()], HEADER_WORDS);
    writeSection(words, IPV4_AT, first.section);
    writeSection(words, IPV6_AT, second.section);
    writeWhole(words, buckets, whole, dictionary);
    for (const [rows, part] of [
      [ipv4, first],
      [ipv6, second],
    ] as const)
      writePart(words, rows, part, dictionary);
    return words.buffer;
  }
}

/**
 * Builds a table of all `entries`, in one call.
 *
 * @throws RangeError as {@link PrefixTableBuilder.add}
 */
export function buildPrefixTable(entries: Iterable<PrefixEntry>): ArrayBuffer {
  const builder = new PrefixTableBuilder();
  for (const { bytes, prefixLength, value } of entries) builder.add(bytes, prefixLength, value);
  return builder.build();
}

function isWhole(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}

/** Each value with its place in a dictionary; null where they are too many for one. */
type Dictionary = ReadonlyMap<number, number>;

function valuesOf(families: readonly Rows[], { tags, values }: Buckets): Dictionary | null {
  const places = new Map<number, number>();
  /** False where there is no place for it. */
  const take = (value: number): boolean => {
    if (places.has(value)) return true;
    if (places.size === MOST_WORDS_IN_DICTIONARY) return false;
    places.set(value, places.size);
    return true;
  };
  for (const { words, count } of families)
    for (let at = ROW_WORDS - 1; at < count * ROW_WORDS; at += ROW_WORDS) if (!take(words[at] ?? 0)) return null;
  for (const [place, tag] of tags.entries()) if ((tag & IN_USE) !== 0 && !take(values[place] ?? 0)) return null;
  return places;
}

interface Part {
  readonly section: Section;
  readonly index: RowIndex;
}

/** Says where each part will be. */
class Layout {
  end: number;
  readonly #dictionary: Dictionary | null;

  constructor(dictionary: Dictionary | null) {
    this.#dictionary = dictionary;
    this.end = HEADER_WORDS + (dictionary?.size ?? 0);
  }

  place(rows: Rows): Part {
    const nodesAt = this.end;
    const index = indexRows(rows, nodesAt);
    this.#take(index.nodes.length);
    const wholeKeyWords = index.needsWholeKeys ? rows.keyWords : 0;
    const section: Section = {
      prefixes: rows.prefixes,
      rows: rows.count,
      nodesAt,
      nodeWords: index.nodes.length,
      keysAt: this.#take(rows.count),
      valuesAt: this.#take(this.#dictionary === null ? rows.count : 0),
      wholeKeysAt: this.#take(rows.count * wholeKeyWords),
      wholeKeyWords,
    };
    return { section, index };
  }

  placeBuckets({ addresses, buckets, hashKey }: Buckets): BucketSection {
    const places = buckets * BUCKET_PLACES;
    const tagsAt = this.#takeLines(places);
    const addressesAt = this.#takeLines(places * ADDRESS_WORDS);
    const valuesAt = this.#take(this.#dictionary === null ? places : 0);
    return { addresses, buckets, tagsAt, addressesAt, valuesAt, hashKey };
  }

  /** From the start of a line of the cache on; the start of the table is one. */
  #takeLines(words: number): number {
    this.end = Math.ceil(this.end / LINE_WORDS) * LINE_WORDS;
    return this.#take(words);
  }

  #take(words: number): number {
    const at = this.end;
    this.end += words;
    return at;
  }
}

function writePart(words: Int32Array, rows: Rows, { section, index }: Part, dictionary: Dictionary | null): void {
  const { nodesAt, keysAt, valuesAt, wholeKeysAt, wholeKeyWords } = section;
  words.set(index.nodes, nodesAt);
  words.set(index.keys, keysAt);
  for (let row = 0; row < rows.count; row++) {
    const from = row * ROW_WORDS;
    const value = rows.words[from + ROW_WORDS - 1] ?? 0;
    if (dictionary === null) words[valuesAt + row] = value;
    else words[keysAt + row] = (index.keys[row] ?? 0) | (dictionary.get(value) ?? 0);
    for (let word = 0; word < wholeKeyWords; word++)
      words[wholeKeysAt + row * wholeKeyWords + word] = rows.words[from + word] ?? 0;
  }
}

function writeWhole(words: Int32Array, buckets: Buckets, section: BucketSection, dictionary: Dictionary | null): void {
  const { tags, wholes, values } = buckets;
  const { tagsAt, addressesAt, valuesAt } = section;
  writeBuckets(words, section);
  words.set(tags, tagsAt);
  words.set(wholes, addressesAt);
  if (dictionary === null) words.set(values, valuesAt);
  else
    for (const [place, tag] of tags.entries()) words[tagsAt + place] = tag | (dictionary.get(values[place] ?? 0) ?? 0);
}
