/**
 * Numbers that follow from others: what each further hook costs, and what a firewall adds to a round trip.
 *
 * Rule: a difference is taken within a round, as ratios are; what is reported is the median of the differences.
 *
 * @module
 */

import type { Series } from './rounds.ts';

/** Between these counts of hooks the slope is taken: one call site that is still told apart, and one that is not. */
const SLOPES = [
  [1, 5],
  [5, 20],
] as const;
const NS_PER_US = 1000;
/** Nanoseconds that a packet takes at one thousand a second. */
const NS_PER_KPPS = 1e6;

/**
 * Nanoseconds a packet that each further trivial hook costs, by driver and between how many hooks.
 *
 * @param series - a measure by hooks: CPU time in us, or kpps, whose inverse is the time a packet takes
 */
export function furtherHook(series: Series): Series {
  const toNs = (value: number): number => (series.unit === 'kpps' ? NS_PER_KPPS / value : value * NS_PER_US);
  const values: Record<string, number[]> = {};
  for (const driver of driversOf(series)) {
    for (const [few, many] of SLOPES) {
      const less = series.values[nameOf(driver, few)] ?? [];
      const more = series.values[nameOf(driver, many)] ?? [];
      values[`firehook ${driver}, ${few} to ${many} hooks`] = more.map(
        (value, round) => (toNs(value) - toNs(less[round] ?? Number.NaN)) / (many - few),
      );
    }
  }
  const metric = `each further hook, from ${series.metric.replace(', by hooks', '')}`;
  return { metric, unit: 'ns', attach: series.attach, values, references: [] };
}

/**
 * What each adds to the round trip of the kernel alone.
 *
 * @returns null where the kernel alone did not take part
 */
export function addedRoundTrip(series: Series): Series | null {
  const alone = ['kernel bridge', 'kernel fwd', 'no firewall'].find((name) => series.values[name] !== undefined);
  if (alone === undefined) return null;
  const base = series.values[alone] ?? [];
  const others = Object.entries(series.values).filter(([name]) => name !== alone);
  return {
    ...series,
    metric: `added ${series.metric}`,
    values: Object.fromEntries(
      others.map(([name, turns]) => [name, turns.map((turn, round) => turn - (base[round] ?? Number.NaN))]),
    ),
    references: series.references.filter((name) => name !== alone),
  };
}

function driversOf({ values }: Series): string[] {
  const found = Object.keys(values).map((name) => /^firehook (\S+),/.exec(name)?.[1]);
  return [...new Set(found.filter((driver) => driver !== undefined))];
}

function nameOf(driver: string, hooks: number): string {
  return `firehook ${driver}, ${hooks} ${hooks === 1 ? 'hook' : 'hooks'}`;
}
