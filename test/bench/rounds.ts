/**
 * Rounds: contenders measured one right after the other, again and again, and what is made of the numbers.
 *
 * Rule: every round another one begins: whoever comes later meets caches that the others have left. A ratio is taken
 * within a round; what is reported is the median of the ratios, never a ratio of medians.
 *
 * @module
 */

import type { Contender } from './contenders.ts';
import type { Journal } from './journal.ts';
import { median } from './measure.ts';

/** Of the longest name of a contender. */
const NAME_WIDTH = 36;

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

/** How rounds are taken. */
export interface RoundOptions {
  /** Metric to unit, in the order they are reported. */
  readonly units: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly references: readonly string[];
  readonly journal: Journal;
}

/** Measures. A turn that fails is told to the journal and leaves its numbers out. */
export async function takeRounds(
  contenders: readonly Contender[],
  { units, rounds, references, journal }: RoundOptions,
  measure: (contender: Contender) => Promise<Turn>,
): Promise<Series[]> {
  const what = Object.keys(units)[0] ?? '';
  const turns = new Map<string, Turn[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + round) % contenders.length];
      if (contender === undefined) continue;
      journal.step(`${contender.attach}: ${what}, round ${round + 1} of ${rounds}, ${contender.name}`);
      const turn = await measure(contender).catch((error: unknown): Turn => {
        const reason = error instanceof Error ? error.message : String(error);
        journal.warn(`${contender.attach}, ${what}, round ${round + 1}: ${contender.name}: ${reason}`);
        return {};
      });
      turns.get(contender.name)?.push(turn);
    }
  }
  journal.clear();
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
    return `  ${name.padEnd(NAME_WIDTH)} ${show(median(values)).padStart(9)} ${series.unit.padEnd(8)} ${ratios.join('   ')}`;
  });
  return [`${series.attach}: ${series.metric}`, ...lines].join('\n');
}

/** Three digits that count. */
export function show(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}
