/**
 * Counters and gauges of hooks as families for Prometheus.
 *
 * ```
 *   runtime.counter('queries') ─> firehook_hook_queries_total{hook}
 *   runtime.gauge('open')      ─> firehook_hook_open{hook}
 * ```
 * Rule: a family has one kind and one help, and firehook's own come first. A name of a hook that is one of them is `own_` and the name; a
 * gauge whose name is a counter's, or ends as only other kinds may, ends with `_value`.
 *
 * @module
 */

import { familyOf } from '../telemetry/counter-families.ts';
import type { Family, Sample } from '../telemetry/exposition.ts';
import type { MetricValue } from '../telemetry/metrics.ts';

/** Ends of names that belong to counters, histograms, infos and what OpenMetrics reserves. */
const RESERVED_END = /_(total|bucket|count|sum|created|info)$/;

/**
 * The families of what hooks count.
 *
 * @param names - of the hooks, by their place
 * @param taken - names of families that are there, with the prefix
 */
export function ownFamilies(
  metrics: readonly MetricValue[],
  names: readonly string[],
  taken: ReadonlySet<string>,
): Family[] {
  const counters = new Set(metrics.flatMap(({ kind, name }) => (kind === 'counter' ? [baseOf(name, taken)] : [])));
  const families = new Map<string, Family & { readonly samples: Sample[] }>();
  const seen = new Set<string>();
  for (const { hook, kind, name, help, value } of metrics) {
    const label = names[hook];
    const base = baseOf(name, taken);
    const full = kind === 'gauge' && (counters.has(base) || RESERVED_END.test(name)) ? `${base}_value` : base;
    if (label === undefined || seen.has(`${full} ${label}`) || families.get(full)?.kind === otherThan(kind)) continue;
    seen.add(`${full} ${label}`);
    const sentence = help === '' ? `A ${kind} that hooks keep.` : help;
    const family = families.get(full) ?? familyOf(full, kind, sentence, []);
    families.set(full, family);
    family.samples.push({ labels: { hook: label }, value });
  }
  return [...families.values()];
}

function otherThan(kind: 'counter' | 'gauge'): 'counter' | 'gauge' {
  return kind === 'counter' ? 'gauge' : 'counter';
}

/** The name of a family without its prefix: its end is what its kind makes it. */
function baseOf(name: string, taken: ReadonlySet<string>): string {
  const base = name.replace(/(_(total|bucket|count|sum|created|info))+$/, '');
  return taken.has(`firehook_hook_${base}`) ? `hook_own_${base}` : `hook_${base}`;
}
