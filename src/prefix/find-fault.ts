/**
 * Looks at each word of a prefix table that somebody else has built, before lanes get it.
 *
 * Floor 1. Rule: what has no fault here leads each address to a row that is there, in as many steps as a table of that size takes.
 * Whether the rows say what the list said is the builder's word: it could as well have read another list.
 *
 * @see table-format.ts
 * @module
 */

import { ADDRESS_WORDS, BUCKET_PLACES, type BucketSection, IN_USE } from './bucket-format.ts';
import {
  COUNT_BITS,
  COUNT_MASK,
  FIRST_BIT_MASK,
  FIRST_BIT_SHIFT,
  FIRST_ROW,
  HEADER_WORDS,
  KEY_SHIFT,
  KIND,
  MOST_DEPTH,
  MOST_STRIDE,
  MOST_VALUE,
  PLACE_MASK,
  ROW_COUNT,
  readHeader,
  type Section,
  SIGN,
  SKIP_MASK,
  SKIP_SHIFT,
  SLOTS_AT,
  STRIDE_MASK,
} from './table-format.ts';
import { WholeAddresses } from './whole-addresses.ts';

/**
 * What is wrong with a table; null when nothing is. Cost: O(octets), some milliseconds for half a million prefixes.
 *
 * @param memory - nobody may write to it meanwhile, or afterwards
 */
export function findFault(memory: ArrayBuffer): string | null {
  const words = new Int32Array(memory, 0, memory.byteLength >>> 2);
  const header = readHeader(words.subarray(0, HEADER_WORDS), memory.byteLength);
  if (typeof header === 'string') return header;
  const { dictionaryAt, dictionaryWords, ipv4, ipv6 } = header;
  const dictionary = words.subarray(dictionaryAt, dictionaryAt + dictionaryWords);
  if (!dictionary.every(isValue)) return 'a word of its dictionary is no value';
  return (
    familyFault(words, ipv4, dictionary) ??
    familyFault(words, ipv6, dictionary) ??
    bucketFault(words, header.buckets, dictionary)
  );
}

function familyFault(words: Int32Array, section: Section, dictionary: Int32Array): string | null {
  const { rows, nodesAt, nodeWords } = section;
  if (!areValues(words, section, dictionary)) return 'a row has no value';
  const order = new RowOrder(words, section);
  if (nodeWords === 0) return order.isAscending(0, rows) ? null : 'its rows are out of order';
  if (words[nodesAt + FIRST_ROW] !== 0 || words[nodesAt + ROW_COUNT] !== rows) return 'its first node lacks rows';
  return new NodeWalk(words, section, order).fault();
}

/** Each address has a value and is where a look-up finds it, which is so once only. */
function bucketFault(words: Int32Array, section: BucketSection, dictionary: Int32Array): string | null {
  const { addresses, buckets, tagsAt, addressesAt, valuesAt } = section;
  const whole = new WholeAddresses(words, section, 0);
  let found = 0;
  for (let place = 0; place < buckets * BUCKET_PLACES; place++) {
    const tag = words[tagsAt + place] ?? 0;
    if ((tag & IN_USE) === 0) continue;
    const isSound =
      dictionary.length === 0 ? isValue(words[valuesAt + place] ?? -1) : (tag & PLACE_MASK) < dictionary.length;
    if (!isSound) return 'a whole address has no value';
    const at = addressesAt + place * ADDRESS_WORDS;
    if (whole.placeOf(words[at] ?? 0, words[at + 1] ?? 0, words[at + 2] ?? 0, words[at + 3] ?? 0) !== place)
      return 'a whole address is not where it is looked up';
    found += 1;
  }
  return found === addresses ? null : 'it has other whole addresses than it says';
}

function areValues(words: Int32Array, { rows, keysAt, valuesAt }: Section, dictionary: Int32Array): boolean {
  if (dictionary.length === 0) return words.subarray(valuesAt, valuesAt + rows).every(isValue);
  return words.subarray(keysAt, keysAt + rows).every((key) => (key & PLACE_MASK) < dictionary.length);
}

function isValue(value: number): boolean {
  return value >= 0 && value <= MOST_VALUE;
}

/** Whether rows ascend. */
class RowOrder {
  readonly #words: Int32Array;
  readonly #section: Section;

  constructor(words: Int32Array, section: Section) {
    this.#words = words;
    this.#section = section;
  }

  /** True when the keys of these rows, which share a node or a slot, ascend. */
  isAscending(first: number, count: number): boolean {
    const { keysAt } = this.#section;
    for (let row = first + 1; row < first + count; row++) {
      const key = (this.#words[keysAt + row] ?? 0) >> KEY_SHIFT;
      const before = (this.#words[keysAt + row - 1] ?? 0) >> KEY_SHIFT;
      if (before > key || (before === key && !this.#isWholeAscending(row))) return false;
    }
    return true;
  }

  #isWholeAscending(row: number): boolean {
    const { wholeKeysAt, wholeKeyWords } = this.#section;
    const at = wholeKeysAt + row * wholeKeyWords;
    for (let word = at; word < at + wholeKeyWords; word++) {
      const part = this.#words[word] ?? 0;
      const before = this.#words[word - wholeKeyWords] ?? 0;
      if (part !== before) return (before ^ SIGN) < (part ^ SIGN);
    }
    return false;
  }
}

/** One pass over the nodes, in the order in which they are named. */
class NodeWalk {
  readonly #words: Int32Array;
  readonly #end: number;
  readonly #order: RowOrder;
  #node: number;
  /** Where the next node that is named has to be. */
  #next: number;

  constructor(words: Int32Array, { nodesAt, nodeWords }: Section, order: RowOrder) {
    this.#words = words;
    this.#end = nodesAt + nodeWords;
    this.#order = order;
    this.#node = nodesAt;
    this.#next = nodesAt + this.#wordsOf(nodesAt);
  }

  fault(): string | null {
    for (let level = 0; this.#node < this.#end; level++) {
      if (level === MOST_DEPTH) return 'its nodes lie too deep';
      // What is named so far, and not yet looked at, is the next level.
      for (const levelEnd = this.#next; this.#node < levelEnd; this.#node += this.#wordsOf(this.#node)) {
        if (levelEnd > this.#end) return 'its nodes go on behind their end';
        const fault = this.#nodeFault(this.#node);
        if (fault !== null) return fault;
      }
    }
    return this.#node === this.#next ? null : 'a node is missing';
  }

  #nodeFault(node: number): string | null {
    const kind = this.#at(node + KIND);
    const stride = kind & STRIDE_MASK;
    const bit = (kind >>> FIRST_BIT_SHIFT) & FIRST_BIT_MASK;
    if (stride > MOST_STRIDE || ((kind >>> SKIP_SHIFT) & SKIP_MASK) > bit)
      return 'a node takes bits that there are not';
    let row = this.#at(node + FIRST_ROW);
    const count = this.#at(node + ROW_COUNT);
    if (row < 0 || count < 1) return 'a node has no rows';
    const end = row + count;
    if (stride === 0) return this.#order.isAscending(row, count) ? null : 'the rows of a node are out of order';
    for (let slot = node + SLOTS_AT; slot < node + this.#wordsOf(node); slot++) {
      const held = this.#rowsOf(this.#at(slot), row);
      if (held < 0) return 'a slot leads elsewhere';
      row += held;
    }
    return row === end ? null : 'a node has other rows than its slots';
  }

  /** How many rows a slot has that is to begin with `row`; -1 where it does not, or where they are out of order. */
  #rowsOf(slot: number, row: number): number {
    if (slot >= 0) {
      const count = slot & COUNT_MASK;
      return slot >> COUNT_BITS === row && this.#order.isAscending(row, count) ? count : -1;
    }
    const child = ~slot;
    if (child !== this.#next || child + SLOTS_AT > this.#end) return -1;
    this.#next += this.#wordsOf(child);
    const count = this.#at(child + ROW_COUNT);
    return this.#at(child + FIRST_ROW) === row && count > 0 ? count : -1;
  }

  #wordsOf(node: number): number {
    const stride = this.#at(node + KIND) & STRIDE_MASK;
    return stride === 0 ? SLOTS_AT : SLOTS_AT + 2 ** stride;
  }

  #at(place: number): number {
    return this.#words[place] ?? 0;
  }
}
