/**
 * Goes along one field from its least value to its largest, and puts away, for each interval, which rules match there.
 *
 * ```
 *   interval   0          1                    2 ...
 *   event                 rule 0 begins        rule 1 begins
 *   vector     ...0000    ...0001              ...0011          ─> a record in the node store, equal ones once
 * ```
 * Rule: an interval costs what changes at its start, and a look at the chunks that have rules; not all rules.
 *
 * @module
 */

import type { Axis, AxisSet } from './axis.ts';
import type { RuleSets } from './fields.ts';
import type { Layout } from './layout.ts';
import { CHUNK_WORDS, type NodeStore } from './node-store.ts';

/** Chunks whose bits are in one number of a record. */
export const SUMMARY_CHUNKS = 32;

/**
 * Makes the records of a field.
 *
 * @returns place of the record of each interval
 * @throws {@link TooLarge} when the store is full
 */
export function sweep(
  field: number,
  axis: Axis,
  rules: readonly RuleSets[],
  layout: Layout,
  nodes: NodeStore,
): Int32Array {
  const vector = new Vector(field, rules, layout, nodes);
  const { length } = axis.starts;
  const events: (AxisSet[] | undefined)[] = Array.from({ length });
  for (const set of axis.sets.values()) {
    // A set that begins and one that ends are the same to a vector: its bits turn over.
    for (const interval of set.ranges) {
      if (interval === length) continue;
      const own = events[interval];
      if (own === undefined) events[interval] = [set];
      else own.push(set);
    }
  }
  const records = new Int32Array(length);
  for (let interval = 0; interval < length; interval++) {
    const turned = events[interval];
    if (turned === undefined && interval > 0) {
      records[interval] = records[interval - 1] as number;
      continue;
    }
    for (const set of turned ?? []) vector.turn(set);
    records[interval] = vector.put();
  }
  return records;
}

/** A bit for each rule, at its position, while the sweep goes on. */
class Vector {
  readonly #nodes: NodeStore;
  readonly #positions: Int32Array;
  readonly #words: Int32Array;
  /** Words and bits that a set turns over, in pairs. */
  readonly #masks = new Map<AxisSet, Int32Array>();
  /** Of each chunk: which words are not 0, and where they were put. */
  readonly #bits: Int32Array;
  readonly #places: Int32Array;
  /** 1 where the words have changed since they were put. */
  readonly #isChanged: Uint8Array;
  readonly #pairs: Int32Array;
  readonly #record: Int32Array;

  constructor(field: number, rules: readonly RuleSets[], { positions, chunkFields }: Layout, nodes: NodeStore) {
    const chunks = chunkFields.length;
    this.#nodes = nodes;
    this.#positions = positions;
    this.#words = new Int32Array(chunks * CHUNK_WORDS);
    this.#bits = new Int32Array(chunks);
    this.#places = new Int32Array(chunks);
    this.#isChanged = new Uint8Array(chunks);
    this.#pairs = new Int32Array(2 * SUMMARY_CHUNKS);
    this.#record = new Int32Array(2 * Math.ceil(chunks / SUMMARY_CHUNKS));
    for (const [rule, sets] of rules.entries()) {
      const position = positions[rule] as number;
      // In a chunk that does not ask for the field at all, nobody looks.
      const isAsked = (((chunkFields[position >>> 10] as number) >>> field) & 1) === 1;
      if (sets[field] === null && isAsked) this.#turn(position >>> 5, 1 << (position & 31));
    }
  }

  turn(set: AxisSet): void {
    let masks = this.#masks.get(set);
    if (masks === undefined) {
      masks = this.#masksOf(set);
      this.#masks.set(set, masks);
    }
    for (let index = 0; index < masks.length; index += 2)
      this.#turn(masks[index] as number, masks[index + 1] as number);
  }

  /** Puts the record of the vector away as it is now. */
  put(): number {
    const record = this.#record;
    const pairs = this.#pairs;
    for (let summary = 0; 2 * summary < record.length; summary++) {
      let bits = 0;
      let used = 0;
      const end = Math.min(this.#bits.length, (summary + 1) * SUMMARY_CHUNKS);
      for (let chunk = summary * SUMMARY_CHUNKS; chunk < end; chunk++) {
        if (this.#isChanged[chunk] === 1) this.#putChunk(chunk);
        if (this.#bits[chunk] === 0) continue;
        bits |= 1 << chunk;
        pairs[used++] = this.#bits[chunk] as number;
        pairs[used++] = this.#places[chunk] as number;
      }
      record[2 * summary] = bits;
      record[2 * summary + 1] = this.#nodes.put(pairs, used);
    }
    return this.#nodes.put(record, record.length);
  }

  #turn(word: number, bits: number): void {
    this.#words[word] = (this.#words[word] as number) ^ bits;
    this.#isChanged[word >>> 5] = 1;
  }

  #putChunk(chunk: number): void {
    const from = chunk * CHUNK_WORDS;
    let bits = 0;
    for (let word = 0; word < CHUNK_WORDS; word++) if (this.#words[from + word] !== 0) bits |= 1 << word;
    this.#bits[chunk] = bits;
    this.#places[chunk] = bits === 0 ? 0 : this.#nodes.putWords(this.#words, from);
    this.#isChanged[chunk] = 0;
  }

  #masksOf({ rules }: AxisSet): Int32Array {
    const [first = 0] = rules;
    const only = this.#positions[first] as number;
    if (rules.length === 1) return Int32Array.of(only >>> 5, 1 << (only & 31));
    const masks = new Map<number, number>();
    for (const rule of rules) {
      const position = this.#positions[rule] as number;
      masks.set(position >>> 5, (masks.get(position >>> 5) ?? 0) | (1 << (position & 31)));
    }
    return Int32Array.from([...masks].flat());
  }
}
