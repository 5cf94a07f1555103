/**
 * One field of a packet, cut into intervals wherever any rule's set of values begins or ends: within an interval nothing changes.
 *
 * ```
 *   rule 0      ·····|████████████████|·········
 *   rule 1      ·········|█████|················
 *   intervals   0    1    2     3      4           five, numbered from 0
 * ```
 * Rule: there are at most two more intervals than there are ends of ranges; the first starts with the least value of the field.
 *
 * @module
 */

import type { RuleSets } from './fields.ts';
import type { Value, ValueSet } from './value-set.ts';

/** A set of more rules than this does not tell them apart. */
const MANY_RULES = 128;
/** Nor does a set that covers more than this part of the intervals. */
const WIDE = 8;

/** A set of values, as intervals, and the rules that ask for it. */
export interface AxisSet {
  /** Numbers of intervals in pairs: the first one of a range, and the first one behind it. */
  readonly ranges: Int32Array;
  /** Rules that have this set, by their place in the list of rules. */
  readonly rules: number[];
  /** Few rules have it, and few packets are in it: whoever matches it is nearly found. */
  readonly isSelective: boolean;
}

/** A field, cut. */
export interface Axis {
  /** The first value of each interval. */
  readonly starts: readonly Value[];
  readonly sets: ReadonlyMap<ValueSet, AxisSet>;
}

/** Cuts a field. Null when no rule asks for it. Cost: O(n log n), n the ends of ranges. */
export function axisOf(field: number, rules: readonly RuleSets[], size: Value): Axis | null {
  const rulesOf = new Map<ValueSet, number[]>();
  for (const [index, sets] of rules.entries()) {
    const set = sets[field] ?? null;
    if (set === null) continue;
    const own = rulesOf.get(set);
    if (own === undefined) rulesOf.set(set, [index]);
    else own.push(index);
  }
  if (rulesOf.size === 0) return null;
  const starts = cutsOf(rulesOf.keys(), size);
  const sets = new Map<ValueSet, AxisSet>();
  for (const [set, own] of rulesOf) {
    const ranges = new Int32Array(2 * set.starts.length);
    let width = 0;
    for (const [index, start] of set.starts.entries()) {
      const from = placeOf(start, starts);
      const to = placeOf(set.ends[index] as Value, starts);
      ranges[2 * index] = from;
      ranges[2 * index + 1] = to;
      width += to - from;
    }
    sets.set(set, { ranges, rules: own, isSelective: own.length <= MANY_RULES && width * WIDE <= starts.length });
  }
  return { starts, sets };
}

/** Where intervals start: every value once that starts a range, or is the first one behind it, and the least one. */
function cutsOf(sets: Iterable<ValueSet>, size: Value): Value[] {
  const cuts: Value[] = [typeof size === 'bigint' ? 0n : 0];
  for (const { starts, ends } of sets) {
    for (const start of starts) cuts.push(start);
    for (const end of ends) if (end < size) cuts.push(end);
  }
  cuts.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return cuts.filter((cut, index) => index === 0 || cut !== cuts[index - 1]);
}

/** Number of the interval that starts with a value; how many there are for the value behind the last one. */
function placeOf(value: Value, starts: readonly Value[]): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] as Value) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
