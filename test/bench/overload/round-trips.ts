/**
 * The words of `ping -D` as round trips over time, a median for each tenth of a second.
 *
 * Rule: a ping belongs to the moment it was sent; one that has no answer is in no median, and is counted.
 *
 * @see ping(8)
 * @module
 */

import { median } from '../measure.ts';

/** A tenth of a second. */
export interface Tenth {
  /** When it begins, in milliseconds since 1970. */
  readonly atMs: number;
  /** Of the pings that were answered, in microseconds; not a number without any. */
  readonly medianUs: number;
  readonly answered: number;
}

const TENTH_MS = 100;
const BASELINE_SHARE = 0.95;
/** So many tenths in a row have to be as before: one alone may be luck. */
const IN_A_ROW = 3;

/** Tenths from the first ping to the last, those without an answer included. */
export function tenthsOf(output: string): Tenth[] {
  const times = Array.from(output.matchAll(/^\[(\d+\.\d+)\].* time=([\d.]+) ms/gm), ([, at, ms]) => ({
    sentMs: Number(at) * 1000 - Number(ms),
    us: Number(ms) * 1000,
  }));
  const byTenth = new Map<number, number[]>();
  for (const { sentMs, us } of times) {
    const tenth = Math.floor(sentMs / TENTH_MS);
    byTenth.set(tenth, [...(byTenth.get(tenth) ?? []), us]);
  }
  const tenths = [...byTenth.keys()];
  const first = Math.min(...tenths);
  const count = tenths.length === 0 ? 0 : Math.max(...tenths) - first + 1;
  return Array.from({ length: count }, (_, index) => {
    const own = byTenth.get(first + index) ?? [];
    return { atMs: (first + index) * TENTH_MS, medianUs: median(own), answered: own.length };
  });
}

/** Those that lie wholly between two moments. */
export function within(tenths: readonly Tenth[], fromMs: number, untilMs: number): Tenth[] {
  return tenths.filter(({ atMs }) => atMs >= fromMs && atMs + TENTH_MS <= untilMs);
}

/** What 95 of 100 tenths stay within, in microseconds: slower than that is not as before. */
export function usualUs(tenths: readonly Tenth[]): number {
  const medians = tenths.map(({ medianUs }) => medianUs).filter(Number.isFinite);
  const sorted = medians.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * BASELINE_SHARE))] ?? Number.NaN;
}

/**
 * Milliseconds from a moment to the first of three tenths in a row that are as fast as before; not a number where they never are.
 *
 * @param usual - of {@link usualUs}
 */
export function backAfterMs(tenths: readonly Tenth[], fromMs: number, usual: number): number {
  const after = tenths.filter(({ atMs }) => atMs + TENTH_MS > fromMs);
  const isUsual = ({ medianUs }: Tenth): boolean => medianUs <= usual;
  const first = after.find((_, index) => {
    const row = after.slice(index, index + IN_A_ROW);
    return row.length === IN_A_ROW && row.every(isUsual);
  });
  return first === undefined ? Number.NaN : Math.max(0, first.atMs - fromMs);
}
