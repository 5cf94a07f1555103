/**
 * The flows of one table written into memory, and read from there into another one: what a lane leaves to the lane that takes its place.
 *
 * ```
 *   memory:   record of flow 0 | its columns, 8 octets each | record of flow 1 | ...          flows of a class in order of use
 * ```
 * What a decider has settled is kept where the same decider is there again, and a column where there is one of its name and type. Everything
 * else of the flow stays: who began it goes on.
 *
 * Floor 1. Rule: memory may hold anything. What is no flow is left out, and no number in it leads the reader anywhere.
 *
 * @module
 */

import { RECORD_OCTETS, RECORD_WORDS, SETTLED_DROPS, SETTLED_FORWARDS } from './flow-records.ts';
import type { Column, ColumnType } from './flow-store.ts';
import type { FlowTable } from './flow-table.ts';

/** What is said of the flows beside their octets. Plain data. */
export interface FlowEstate {
  readonly flows: number;
  /** Columns in the order of their numbers. */
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
  /** Name of each decider, by its bit. */
  readonly deciders: readonly string[];
  /** What time it was when they were written, on a clock that both tables have. */
  readonly clockMs: number;
  /** The same moment on the table's own clock. */
  readonly tableMs: number;
}

/** Columns of an estate: more are refused. */
const MOST_COLUMNS = 1_024;

/** Octets of one flow. */
export function estateOctets(columns: number): number {
  return RECORD_OCTETS + 8 * columns;
}

/**
 * Writes the flows of a table. O(flows).
 *
 * @param columns - of the table, by name
 * @returns how many were written: all, unless the memory is too small
 */
export function writeFlows(table: FlowTable, columns: readonly Column[], memory: Uint8Array): number {
  const octets = estateOctets(columns.length);
  const most = Math.floor(memory.byteLength / octets);
  const words = new Int32Array(memory.buffer, memory.byteOffset, (most * octets) / 4);
  const doubles = new Float64Array(memory.buffer, memory.byteOffset, (most * octets) / 8);
  const { words: records } = table.records;
  let flows = 0;
  table.walk((index) => {
    if (flows === most) return false;
    const at = (flows * octets) / 4;
    words.set(records.subarray(index * RECORD_WORDS, (index + 1) * RECORD_WORDS), at);
    for (let column = 0; column < columns.length; column++)
      doubles[at / 2 + RECORD_OCTETS / 8 + column] = (columns[column] as Column)[index] as number;
    flows += 1;
    return true;
  });
  return flows;
}

/**
 * Reads flows into a table, whose time has been told. O(flows).
 *
 * @param memory - a copy, which nobody else changes any more
 * @param columnOf - the column of that name here; null without one
 * @param deciderOf - the bit that a decider of that name has here; -1 without one
 * @returns flows that were taken over
 */
export function readFlows(
  table: FlowTable,
  estate: FlowEstate,
  memory: Uint8Array,
  clockMs: number,
  tableMs: number,
  columnOf: (name: string, type: ColumnType) => Column | null,
  deciderOf: (name: string) => number,
): number {
  const { columns, deciders } = estate;
  const shiftMs = tableMs - estate.tableMs - (clockMs - estate.clockMs);
  if (!Number.isFinite(shiftMs) || columns.length > MOST_COLUMNS) return 0;
  const octets = estateOctets(columns.length);
  const flows = Math.min(estate.flows, Math.floor(memory.byteLength / octets));
  const words = new Int32Array(memory.buffer, memory.byteOffset, (flows * octets) / 4);
  const doubles = new Float64Array(memory.buffer, memory.byteOffset, (flows * octets) / 8);
  const targets = columns.map(({ name, type }) => columnOf(name, type));
  const bits = Int32Array.from(deciders.slice(0, 32), deciderOf);
  const records = table.records.words;
  let taken = 0;
  for (let flow = 0; flow < flows; flow++) {
    const at = (flow * octets) / 4;
    const index = table.restore(words, at, shiftMs);
    if (index < 0) continue;
    taken += 1;
    const base = index * RECORD_WORDS;
    records[base + SETTLED_FORWARDS] = moved(records[base + SETTLED_FORWARDS] as number, bits);
    records[base + SETTLED_DROPS] = moved(records[base + SETTLED_DROPS] as number, bits);
    for (let column = 0; column < targets.length; column++) {
      const target = targets[column];
      if (target != null) target[index] = doubles[at / 2 + RECORD_OCTETS / 8 + column] as number;
    }
  }
  return taken;
}

/** Each bit at its new place. */
function moved(before: number, bits: Int32Array): number {
  let after = 0;
  for (let bit = 0; bit < bits.length; bit++)
    if ((before & (1 << bit)) !== 0 && (bits[bit] as number) >= 0) after |= 1 << (bits[bit] as number);
  return after;
}
