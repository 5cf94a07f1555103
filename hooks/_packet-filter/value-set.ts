/**
 * Sets of the values that one field of a packet can have: sorted ranges, as a rule's condition makes them.
 *
 * ```
 *   not { 10.0.0.0/8, 10.1.0.0/16 }   ─>   starts 0, 11.0.0.0      ends 10.0.0.0, 2^32       an end is the first value behind
 * ```
 * Rule: the ranges of a set are sorted, apart from each other and not empty; sets of the same values are the same object, so that
 * rules which ask for the same are found to. Addresses are bigints, everything else is numbers.
 *
 * @module
 */

import type { Prefix } from 'firehook';
import type { NumberRange, OneOf } from './rule.ts';

/** A value of a field. */
export type Value = bigint | number;

/** Some values of a field. */
export interface ValueSet {
  readonly starts: readonly Value[];
  /** Of each range the first value that is not in it. */
  readonly ends: readonly Value[];
}

/** Makes the sets of one field, each once. */
export class ValueSets {
  readonly #known = new Map<string, ValueSet>();
  /** What was made of a list already, with and without `not`: many rules may share a large group. */
  readonly #ofLists = [new Map<object, ValueSet>(), new Map<object, ValueSet>()] as const;
  readonly #least: Value;
  readonly #end: Value;

  /** @param size - how many values the field can have, from 0 on; a bigint for addresses */
  constructor(size: Value) {
    this.#end = size;
    this.#least = typeof size === 'bigint' ? 0n : 0;
  }

  /** Addresses of one IP version. @param length - 4 or 16: prefixes of the other version do not count */
  ofPrefixes(list: OneOf<Prefix>, length: number): ValueSet {
    return this.#ofList(list, this.#end, () =>
      list.items.filter(({ bytes }) => bytes.length === length).map((prefix) => prefixRange(prefix)),
    );
  }

  /** @param limit - `not` leaves the values below it: behind it are those of packets that have no such field */
  ofNumbers(list: OneOf<NumberRange>, limit: number): ValueSet {
    return this.#ofList(list, limit, () => list.items.map(({ first, last }) => [first, last + 1]));
  }

  /** Every value whose place in the list is not 0. */
  ofMarks(marks: Uint8Array): ValueSet {
    const ranges: [number, number][] = [];
    for (let value = 0; value < marks.length; value++) {
      if (marks[value] === 0) continue;
      let end = value;
      while (end < marks.length && marks[end] !== 0) end++;
      ranges.push([value, end]);
      value = end;
    }
    return this.#intern(ranges);
  }

  /** True when every value of the field is in the set. */
  isAll({ starts, ends }: ValueSet): boolean {
    return starts.length === 1 && starts[0] === this.#least && ends[0] === this.#end;
  }

  #ofList({ items, isNot }: OneOf<unknown>, limit: Value, rangesOf: () => [Value, Value][]): ValueSet {
    const made = this.#ofLists[isNot ? 1 : 0];
    let set = made.get(items);
    if (set === undefined) {
      set = this.#intern(rangesOf());
      if (isNot) set = this.#without(set, limit);
      made.set(items, set);
    }
    return set;
  }

  #without({ starts, ends }: ValueSet, limit: Value): ValueSet {
    const ranges: [Value, Value][] = [];
    let from = this.#least;
    for (const [index, start] of starts.entries()) {
      if (start >= limit) break;
      if (from < start) ranges.push([from, start]);
      from = ends[index] as Value;
    }
    if (from < limit) ranges.push([from, limit]);
    return this.#intern(ranges);
  }

  #intern(ranges: [Value, Value][]): ValueSet {
    const set = merged(ranges);
    // To the base of 16, which is quick to write for large numbers.
    const key = set.starts.map((start, index) => `${start.toString(16)}-${set.ends[index]?.toString(16)}`).join();
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, set);
    return set;
  }
}

/** Sorts ranges, and puts together those that touch. */
function merged(ranges: [Value, Value][]): ValueSet {
  const starts: Value[] = [];
  const ends: Value[] = [];
  for (const [start, end] of ranges.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
    const last = ends.length - 1;
    if (last < 0 || start > (ends[last] as Value)) {
      starts.push(start);
      ends.push(end);
    } else if (end > (ends[last] as Value)) ends[last] = end;
  }
  return { starts, ends };
}

function prefixRange({ bytes, prefixLength }: Prefix): [bigint, bigint] {
  const start = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  return [start, start + (1n << BigInt(8 * bytes.length - prefixLength))];
}
