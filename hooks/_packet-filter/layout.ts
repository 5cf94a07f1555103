/**
 * Where each rule has its bit: rules that ask for like things stand together.
 *
 * ```
 *   chunk          0                         1                         2
 *   positions      0 ........... 1,023       1,024 ....... 2,047       2,048 ...
 *   rules          told apart by source      by source                 by destination and port
 *   word           32 positions: rules that are neighbours in these fields, in the order of the file
 * ```
 * A vector has a bit for each rule, and the vectors of a packet's fields are put together with "and". If rules with a source and
 * rules with a destination took turns, the vector of a source would have bits nearly everywhere, for rules that do not ask for a
 * source, and so would that of a destination; nearly every word would be looked at for nothing. Standing together, each kind is looked
 * through by the fields that say something (EffiCuts, Vamanan and others, SIGCOMM 2010, separates rules for like reasons), and what
 * matches one field stands in few words.
 *
 * Rule: within a word positions are in the order of the file; words of a chunk, and chunks, are in the order of their first rules.
 * So the first bit of a word is its first match, and a word that begins behind what was found ends the search in the chunk.
 *
 * @module
 */

import type { Axis, AxisSet } from './axis.ts';
import { DESTINATION, type RuleSets, SOURCE, SOURCE_PORT, UPPER } from './fields.ts';
import { CHUNK_WORDS } from './node-store.ts';

/** Rules of a word, and of a chunk. */
const WORD_RULES = 32;
const CHUNK_RULES = WORD_RULES * CHUNK_WORDS;
/** Fewer rules than this have no group of their own: a chunk that is looked at costs more than they do. */
const FEWEST = 128;
/** Fields that rules are grouped and put in order by. */
const GROUPING = [SOURCE, DESTINATION, SOURCE_PORT, UPPER] as const;
/** Stands where there is no rule, and is larger than the number of any. */
export const NO_RULE = 0x3fff_ffff;

/** Positions of rules. */
export interface Layout {
  /** Number of the rule at each position; {@link NO_RULE} where there is none. */
  readonly order: Int32Array;
  /** Position of each rule, by its place in the list. */
  readonly positions: Int32Array;
  /** Fields that a rule of the chunk asks for: bit n for field n. */
  readonly chunkFields: Uint8Array;
}

/** Rules by their places in the list. */
type Places = readonly number[];
type Axes = readonly (Axis | null)[];

/**
 * Gives every rule a position. Cost: O(n log n).
 *
 * @param rules - in the order of the file; each asks for one field at least
 * @param numbers - of the same rules: rising
 * @param axes - by field
 */
export function layOut(rules: readonly RuleSets[], numbers: readonly number[], axes: Axes): Layout {
  const chunks = grouped(rules, axes)
    .flatMap((group) => pieces(clustered(group, rules, axes), CHUNK_RULES))
    .map((chunk) => pieces(chunk, WORD_RULES).map((word) => word.toSorted((a, b) => a - b)))
    .map((words) => words.sort(([a = 0], [b = 0]) => a - b))
    .sort(([[a = 0] = []], [[b = 0] = []]) => a - b);
  const order = new Int32Array(chunks.length * CHUNK_RULES).fill(NO_RULE);
  const positions = new Int32Array(rules.length);
  const chunkFields = new Uint8Array(chunks.length);
  for (const [chunk, words] of chunks.entries()) {
    for (const [word, own] of words.entries()) {
      let position = chunk * CHUNK_RULES + word * WORD_RULES;
      for (const rule of own) {
        order[position] = numbers[rule] as number;
        positions[rule] = position++;
        chunkFields[chunk] = (chunkFields[chunk] as number) | fieldsOf(rules[rule] as RuleSets);
      }
    }
  }
  return { order, positions, chunkFields };
}

/** Groups of rules by the fields that tell them apart. */
function grouped(rules: readonly RuleSets[], axes: Axes): Places[] {
  const byFields = new Map<number, number[]>();
  for (const [index, sets] of rules.entries()) {
    let key = 0;
    for (const field of GROUPING) if (setOf(field, sets, axes)?.isSelective === true) key |= 1 << field;
    const group = byFields.get(key);
    if (group === undefined) byFields.set(key, [index]);
    else group.push(index);
  }
  const all = [...byFields.values()];
  const few = all.filter(({ length }) => length < FEWEST).flat();
  const groups = all.filter(({ length }) => length >= FEWEST);
  return few.length === 0 ? groups : [...groups, few];
}

/** The rules of a group in the order of their values, in the field first that tells most of them apart. */
function clustered(group: Places, rules: readonly RuleSets[], axes: Axes): number[] {
  const columns = GROUPING.map((field) => {
    const sets = group.map((rule) => setOf(field, rules[rule] as RuleSets, axes));
    return {
      distinct: new Set(sets).size,
      starts: Int32Array.from(sets, (set) => set?.ranges[0] ?? -1),
      ends: Int32Array.from(sets, (set) => set?.ranges[1] ?? -1),
    };
  }).sort((a, b) => b.distinct - a.distinct);
  const places = Array.from(group.keys());
  places.sort((a, b) => {
    for (const { starts, ends } of columns) {
      const difference = (starts[a] as number) - (starts[b] as number) || (ends[a] as number) - (ends[b] as number);
      if (difference !== 0) return difference;
    }
    return a - b;
  });
  return places.map((place) => group[place] as number);
}

function setOf(field: number, sets: RuleSets, axes: Axes): AxisSet | undefined {
  const set = sets[field] ?? null;
  return set === null ? undefined : axes[field]?.sets.get(set);
}

function pieces(list: readonly number[], length: number): number[][] {
  return Array.from({ length: Math.ceil(list.length / length) }, (_, index) =>
    list.slice(index * length, (index + 1) * length),
  );
}

function fieldsOf(sets: RuleSets): number {
  return sets.reduce((fields, set, field) => (set === null ? fields : fields | (1 << field)), 0);
}
