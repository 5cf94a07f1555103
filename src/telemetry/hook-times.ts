/**
 * The time that hooks take, as numbers in a histogram: what its columns are, and what is made of them.
 *
 * ```
 *   a row: calls in bucket 0 | ... | calls in bucket 11 | slower than all of them | nanoseconds of all together
 * ```
 * Floor 1. Rule: a bucket counts the calls that are not in the one before it; sums over buckets are made when they are shown, so that
 * rows of lanes add up column by column. Numbers are whole.
 *
 * @module
 */

import { MOST_COUNTED } from './counters.ts';

/** One packet in so many is measured, on average, and in it one hook. A power of two. */
export const SAMPLED_EVERY = 256;

/** Upper bounds of the buckets, in seconds as text that every reader takes for the same, and in nanoseconds. */
export const TIME_BUCKETS: readonly { readonly le: string; readonly nanoseconds: number }[] = [
  { le: '1e-06', nanoseconds: 1_000 },
  { le: '2.5e-06', nanoseconds: 2_500 },
  { le: '5e-06', nanoseconds: 5_000 },
  { le: '1e-05', nanoseconds: 10_000 },
  { le: '2.5e-05', nanoseconds: 25_000 },
  { le: '5e-05', nanoseconds: 50_000 },
  { le: '0.0001', nanoseconds: 100_000 },
  { le: '0.00025', nanoseconds: 250_000 },
  { le: '0.001', nanoseconds: 1_000_000 },
  { le: '0.005', nanoseconds: 5_000_000 },
  { le: '0.01', nanoseconds: 10_000_000 },
  { le: '0.1', nanoseconds: 100_000_000 },
];

/** Column of the sum; the one before it counts what is slower than the last bound. */
export const TIME_SUM: number = TIME_BUCKETS.length + 1;
/** Numbers of a hook. */
export const TIME_WIDTH: number = TIME_SUM + 1;

/** The numbers of a hook, `TIME_WIDTH` of them. */
export type TimeRow = readonly number[];

/** A row of a hook that was never measured. */
export const NO_TIMES: TimeRow = Array.from({ length: TIME_WIDTH }, () => 0);

/** What people read of a row, in nanoseconds; null where nothing was measured. */
export interface TimeSummary {
  /** Calls that were measured. */
  readonly calls: number;
  readonly mean: number;
  /** What half of the calls took at most: the bound of their bucket; null where it is beyond all bounds. */
  readonly p50: number | null;
  /** The same for 99 of 100. */
  readonly p99: number | null;
}

/** The sum of two rows. */
export function addTimes(a: TimeRow, b: TimeRow): TimeRow {
  return a.map((value, column) => Math.min(value + (b[column] ?? 0), MOST_COUNTED));
}

/** Calls that a row has measured. */
export function callsOf(row: TimeRow): number {
  return row.slice(0, TIME_SUM).reduce((sum, calls) => Math.min(sum + calls, MOST_COUNTED), 0);
}

/** What is told of a row. */
export function summaryOf(row: TimeRow): TimeSummary | null {
  const calls = callsOf(row);
  if (calls === 0) return null;
  return { calls, mean: (row[TIME_SUM] ?? 0) / calls, p50: boundOf(row, calls / 2), p99: boundOf(row, calls * 0.99) };
}

/** The bound of the bucket in which so many calls are reached. */
function boundOf(row: TimeRow, wanted: number): number | null {
  let reached = 0;
  for (const [column, { nanoseconds }] of TIME_BUCKETS.entries()) {
    reached += row[column] ?? 0;
    if (reached >= wanted) return nanoseconds;
  }
  return null;
}
