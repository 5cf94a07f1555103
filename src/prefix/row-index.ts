/**
 * The nodes of a table: which few rows an address can belong to, by its bits.
 *
 * A node takes so many bits that a slot has a handful of rows, which lie side by side in one or two lines of a cache. Where
 * rows crowd, the crowd gets a node of its own, which starts at the first bit that tells its rows apart.
 *
 * Floor 1. Rule: nodes lie in the order in which they are first named, so that one pass over them sees whether each slot
 * leads where it should. A node has 64 Ki slots at most, or fewer than it has rows, and at most eight lie behind one another: the memory is
 * O(rows) whatever they are.
 *
 * @see table-format.ts
 * @module
 */

import { ROW_WORDS, type Rows } from './flatten.ts';
import { bitsAt, wordAtBit } from './key-bits.ts';
import {
  COUNT_BITS,
  FIRST_BIT_SHIFT,
  FIRST_ROW,
  GOES_ON,
  KEY_BITS,
  KIND,
  MOST_DEPTH,
  MOST_IN_SLOT,
  MOST_SKIPPED,
  MOST_STRIDE,
  ROW_COUNT,
  SIGN,
  SKIP_SHIFT,
  SKIPPED,
  SLOTS_AT,
} from './table-format.ts';

/** Rows that a slot is to have, as a power of two. */
const LOAD_BITS = 2;
/** So many bits a node takes also where most of its slots stay empty: more levels would cost more than the memory. */
const SPARSE_STRIDE = 16;
/** Of so many slots one at least has to be in use, or the node is sparse. */
const SPARSE = 8;

/** Nodes over some rows, and what of their keys is left to compare. */
export interface RowIndex {
  /** None for few rows. */
  readonly nodes: Int32Array;
  /** A word for each row, in signed order; the last octet is zero. */
  readonly keys: Int32Array;
  /** True when there are keys of which a word does not say all. */
  readonly needsWholeKeys: boolean;
}

/** A node that was named and is still to be written. */
interface Node {
  readonly first: number;
  readonly count: number;
  readonly depth: number;
  readonly firstBit: number;
  readonly skip: number;
  /** 0: the rows are searched. */
  readonly stride: number;
}

/**
 * Makes the nodes over some rows.
 *
 * @param at - word of the table that the first node will be at
 */
export function indexRows(rows: Rows, at: number): RowIndex {
  const maker = new NodeMaker(rows, at);
  return { nodes: maker.nodes, keys: maker.keys, needsWholeKeys: maker.needsWholeKeys };
}

class NodeMaker {
  readonly keys: Int32Array;
  needsWholeKeys = false;
  readonly #rows: Rows;
  readonly #nodes = new Words();
  readonly #queue: Node[] = [];
  #end: number;

  constructor(rows: Rows, at: number) {
    this.#rows = rows;
    this.#end = at;
    this.keys = new Int32Array(rows.count);
    if (rows.count > MOST_IN_SLOT) this.#name(0, rows.count, 0, 0);
    else this.#writeKeys(0, rows.count, 0);
    for (const node of this.#queue) this.#write(node);
  }

  get nodes(): Int32Array {
    return this.#nodes.taken();
  }

  /** Names a node; the bits before `bit` have led to its rows. @returns the word of the table that it will be at */
  #name(first: number, count: number, bit: number, depth: number): number {
    const rows = this.#rows;
    const skip = Math.min(sharedBits(rows, first, first + count - 1) - bit, MOST_SKIPPED);
    const firstBit = bit + skip;
    let stride = Math.min(MOST_STRIDE, 128 - firstBit, 31 - Math.clz32(count) - LOAD_BITS);
    if (stride > SPARSE_STRIDE && slotsInUse(rows, first, count, firstBit + stride) * SPARSE < 1 << stride)
      stride = SPARSE_STRIDE;
    const node: Node = { first, count, depth, firstBit, skip, stride: depth === MOST_DEPTH - 1 ? 0 : stride };
    const place = this.#end;
    this.#queue.push(node);
    this.#end += wordsOf(node);
    return place;
  }

  #write(node: Node): void {
    const { first, count, depth, firstBit, skip, stride } = node;
    const nodes = this.#nodes;
    const at = nodes.add(wordsOf(node));
    nodes.set(at + KIND, stride | (firstBit << FIRST_BIT_SHIFT) | (skip << SKIP_SHIFT));
    nodes.set(at + FIRST_ROW, first);
    nodes.set(at + ROW_COUNT, count);
    nodes.set(at + SKIPPED, skip === 0 ? 0 : this.#bits(first, firstBit - skip, skip));
    if (stride === 0) {
      this.#writeKeys(first, count, firstBit);
      return;
    }
    const bit = firstBit + stride;
    let row = first;
    for (let slot = 0; slot < 1 << stride; slot++) {
      const from = row;
      while (row < first + count && this.#bits(row, firstBit, stride) === slot) row += 1;
      const held = row - from;
      const isFew = held <= MOST_IN_SLOT;
      if (isFew) this.#writeKeys(from, held, bit);
      nodes.set(at + SLOTS_AT + slot, isFew ? (from << COUNT_BITS) | held : ~this.#name(from, held, bit, depth + 1));
    }
  }

  #writeKeys(first: number, count: number, bit: number): void {
    const { words } = this.#rows;
    for (let row = first; row < first + count; row++) {
      const at = row * ROW_WORDS;
      const [w0, w1, w2, w3] = [words[at] ?? 0, words[at + 1] ?? 0, words[at + 2] ?? 0, words[at + 3] ?? 0];
      let goesOn = wordAtBit(w0, w1, w2, w3, bit) << KEY_BITS !== 0;
      for (let from = bit + 32; from < 128; from += 32) goesOn ||= wordAtBit(w0, w1, w2, w3, from) !== 0;
      const shown = wordAtBit(w0, w1, w2, w3, bit) & (-1 << (32 - KEY_BITS));
      this.keys[row] = (shown ^ SIGN) | (goesOn ? GOES_ON : 0);
      this.needsWholeKeys ||= goesOn;
    }
  }

  #bits(row: number, first: number, count: number): number {
    const { words } = this.#rows;
    const at = row * ROW_WORDS;
    return bitsAt(words[at] ?? 0, words[at + 1] ?? 0, words[at + 2] ?? 0, words[at + 3] ?? 0, first, count);
  }
}

function wordsOf({ stride }: Node): number {
  return SLOTS_AT + (stride === 0 ? 0 : 1 << stride);
}

/** Different values of the first `bits` bits of the keys of some rows. */
function slotsInUse(rows: Rows, first: number, count: number, bits: number): number {
  let slots = 1;
  for (let row = first + 1; row < first + count; row++) if (sharedBits(rows, row - 1, row) < bits) slots += 1;
  return slots;
}

/** Bits that two keys start with alike. */
function sharedBits({ words }: Rows, one: number, other: number): number {
  for (let word = 0; word < ROW_WORDS - 1; word++) {
    const difference = (words[one * ROW_WORDS + word] ?? 0) ^ (words[other * ROW_WORDS + word] ?? 0);
    if (difference !== 0) return word * 32 + Math.clz32(difference);
  }
  return 32 * (ROW_WORDS - 1);
}

/** Words that grow. */
class Words {
  #words = new Int32Array(1_024);
  #size = 0;

  /** @returns place of the first of so many more */
  add(count: number): number {
    const place = this.#size;
    this.#size += count;
    if (this.#size > this.#words.length) {
      const grown = new Int32Array(Math.max(this.#size, this.#words.length * 2));
      grown.set(this.#words);
      this.#words = grown;
    }
    return place;
  }

  set(place: number, value: number): void {
    this.#words[place] = value;
  }

  taken(): Int32Array {
    return this.#words.subarray(0, this.#size);
  }
}
