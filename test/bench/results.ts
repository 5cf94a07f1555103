/**
 * The file that a run writes and that report and plot read.
 *
 * Rule: a number that could not be taken is null in the file and not a number in the program.
 *
 * @module
 */

import { readFileSync, writeFileSync } from 'node:fs';
import type { Series } from './rounds.ts';

/** Everything that one run found. */
export interface Results {
  /** Machine, kernel and versions. */
  readonly machine: Readonly<Record<string, string>>;
  /** Peers: found, or why not. */
  readonly peers: readonly { readonly name: string; readonly version: string | null; readonly note: string }[];
  /** The options of the run. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly minutes: number;
  /** What went wrong. */
  readonly warnings: readonly string[];
  readonly series: readonly Series[];
}

/** Writes; an older file is replaced. */
export function writeResults(file: string, results: Results): void {
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}

/**
 * Reads.
 *
 * @throws Error when there is no such file or it is not JSON
 */
export function readResults(file: string): Results {
  const results = JSON.parse(readFileSync(file, 'utf8')) as Results;
  const series = results.series.map((one) => ({
    ...one,
    values: Object.fromEntries(
      Object.entries(one.values).map(([name, turns]) => [name, turns.map((turn: number | null) => turn ?? Number.NaN)]),
    ),
  }));
  return { ...results, series };
}
