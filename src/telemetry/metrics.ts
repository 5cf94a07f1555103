/**
 * Counters and gauges of hooks: what one may be called, how many there are, and how those of several lanes are added up.
 *
 * ```
 *   hook: runtime.counter, runtime.gauge ─> number in the snapshot of its lane ─┐
 *                                          └ name and help in `ready` ──────────┴─> values ─> sum over lanes ─> reports
 * ```
 * Floor 1. Rule: names and help come from a lane, which is not believed: both have bounds that a reader checks, and so have the numbers.
 *
 * @see the Prometheus data model and its practices for names (`prometheus.io/docs/practices/naming`)
 * @module
 */

import { MOST_COUNTED } from './counters.ts';

/** A counter only grows; a gauge is what it is at the moment. */
export type MetricKind = 'counter' | 'gauge';

/** What a number of a hook is. */
export interface MetricDefinition {
  /** Place of its hook in running order. */
  readonly hook: number;
  readonly kind: MetricKind;
  readonly name: string;
  /** For people; '' for none. */
  readonly help: string;
}

/** The same with its number. */
export interface MetricValue extends MetricDefinition {
  readonly value: number;
}

/** Most that one hook declares. */
export const MOST_OF_HOOK = 64;
/** Most that all hooks of a lane declare together. */
export const MOST_METRICS = 512;
/** Characters of a help text. */
export const MAX_HELP = 120;
/** Small letters, digits and underscores, a letter first: what Prometheus takes behind a prefix. */
export const METRIC_NAME: RegExp = /^[a-z][a-z0-9_]{0,47}$/;
/** Printable ASCII, so that it is harmless for a terminal and its length in octets is bounded. */
export const METRIC_HELP: RegExp = /^[ -~]{0,120}$/;

/** A number that a lane says of a metric, within bounds: what is none counts as 0, and no counter is below 0. */
export function boundedMetric(kind: MetricKind, value: number | undefined): number {
  if (value === undefined || Number.isNaN(value)) return 0;
  return Math.max(kind === 'counter' ? 0 : -MOST_COUNTED, Math.min(value, MOST_COUNTED));
}

/** The sum of two numbers of a kind, within the same bounds. */
export function addMetric(kind: MetricKind, a: number, b: number): number {
  return boundedMetric(kind, a + b);
}

/**
 * The metrics of two lanes as if they were one: those of one hook and name are added, gauges too.
 *
 * Where two lanes say that a name is of different kinds, the first is right. A hook has no more than {@link MOST_OF_HOOK}, whatever they say.
 */
export function addMetrics(a: readonly MetricValue[], b: readonly MetricValue[]): MetricValue[] {
  const sums = new Map(a.map((metric) => [keyOf(metric), metric]));
  const countOf = new Map<number, number>();
  for (const { hook } of a) countOf.set(hook, (countOf.get(hook) ?? 0) + 1);
  for (const metric of b) {
    const key = keyOf(metric);
    const sum = sums.get(key);
    if (sum === undefined) {
      const count = countOf.get(metric.hook) ?? 0;
      if (count >= MOST_OF_HOOK) continue;
      countOf.set(metric.hook, count + 1);
      sums.set(key, metric);
    } else if (sum.kind === metric.kind) sums.set(key, { ...sum, value: addMetric(sum.kind, sum.value, metric.value) });
  }
  return [...sums.values()];
}

function keyOf({ hook, name }: MetricDefinition): string {
  return `${hook} ${name}`;
}
