/**
 * Rounds: contenders measured one right after the other, again and again, and what is made of the numbers.
 *
 * Rule: every round another one begins: whoever comes later meets caches that the others have left. A ratio is taken
 * within a round; what is reported is the median of the ratios, never a ratio of medians.
 *
 * @module
 */

import type { Contender } from './contenders.ts';
import { median } from './measure.ts';

/** One number of every contender in every round. */
export interface Series {
  /** What was measured: `64-byte frames`. */
  readonly metric: string;
  readonly unit: string;
  readonly attach: string;
  /** By contender, round by round. */
  readonly values: Readonly<Record<string, readonly number[]>>;
  /** Contenders that others are measured against. */
  readonly references: readonly string[];
}

/** What one turn of a contender gives: a number for every metric. */
export type Turn = Readonly<Record<string, number>>;

/**
 * Measures.
 *
 * @param units - metric to unit, in the order they are reported
 */
export async function takeRounds(
  contenders: readonly Contender[],
  references: readonly string[],
  rounds: number,
  units: Readonly<Record<string, string>>,
  measure: (contender: Contender) => Promise<Turn>,
): Promise<Series[]> {
  const turns = new Map<string, Turn[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + round) % contenders.length];
      if (contender !== undefined) turns.get(contender.name)?.push(await measure(contender));
    }
  }
  return Object.entries(units).map(([metric, unit]) => ({
    metric,
    unit,
    attach: contenders[0]?.attach ?? '',
    values: Object.fromEntries([...turns].map(([name, own]) => [name, own.map((turn) => turn[metric] ?? Number.NaN)])),
    references: references.filter((name) => turns.has(name)),
  }));
}

/** Median of the ratios of two contenders, round by round. */
export function ratio(series: Series, name: string, reference: string): number {
  const theirs = series.values[reference] ?? [];
  return median((series.values[name] ?? []).map((value, round) => value / (theirs[round] ?? Number.NaN)));
}

/** A table for a terminal: a line a contender, its median and its ratios. */
export function table(series: Series): string {
  const shown = Object.entries(series.values).filter(([, values]) => Number.isFinite(median(values)));
  const lines = shown.map(([name, values]) => {
    const ratios = series.references
      .filter((reference) => reference !== name && Number.isFinite(ratio(series, name, reference)))
      .map((reference) => `${ratio(series, name, reference).toFixed(2)} x ${reference}`);
    return `  ${name.padEnd(28)} ${show(median(values)).padStart(9)} ${series.unit.padEnd(8)} ${ratios.join('   ')}`;
  });
  return [`${series.attach}: ${series.metric}`, ...lines].join('\n');
}

function show(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
