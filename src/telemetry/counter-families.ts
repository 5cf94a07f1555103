/**
 * Families of numbers for Prometheus, made of the tables of counters.
 *
 * ```
 *   table ─> row of each way, hook or table ─> one sample each ─> those of one name are a family
 * ```
 * Floor 1. Rule: nothing is listed here. A counter that is new in a table is in the text at once: under the name that its line gives
 * it, or under one that is made of its own.
 *
 * @module
 */

import type { Counter, CounterMetric } from './counters.ts';
import type { Family, FamilyKind, Labels, Sample } from './exposition.ts';

/** Before every name. */
const PREFIX = 'firehook_';

/** For names of several counters, and where the sentence of the table speaks of the line above it. */
const HELP: Readonly<Record<string, string>> = {
  packets: 'Packets by what became of them.',
  dropped_packets: 'Dropped packets by the reason.',
  lost_packets: 'Packets that were to go on and could not, by the reason.',
  made_frames: 'Frames that were sent beside the packets that went on, by what they are.',
  held_back_icmp_errors: 'ICMP errors that were due and were not sent, by the reason.',
  hook_packets: 'Packets by the verdict of the hook; one that was held is counted once more when it goes on.',
  flows_ended: 'Flows that ended, by the reason.',
  flow_invalid_packets: 'Packets that can belong to no flow, by the reason.',
  received_bytes: 'Octets of the frames that came in.',
  sent_bytes: 'Octets of the frames that the kernel took.',
  extra_segments:
    'Segments that a super-frame of a tunnel was cut into, but the first; they are among the received packets.',
  denied_icmp_errors: 'ICMP errors that rules of this machine dropped; they are among the refused ones.',
  denied_hook_packets: 'Packets of hooks that rules of this machine dropped; they are among the refused ones.',
  hook_held_too_long_packets:
    'Packets that waited until their time was over; they are among those with the verdict held.',
  hook_pool_bytes: 'Octets that the hook has allocated and neither freed nor handed over.',
  flows_picked_up: 'TCP connections whose start was not seen; they are among the flows that began.',
};

/** Numbers of one way, hook or table. */
export interface CounterRow {
  readonly labels: Labels;
  /** By the name of the counter; null where it is not counted. */
  readonly row: Readonly<Record<string, number | null>>;
}

/** The metric of a counter; null where it is in no family. */
export function metricOf({ name, metric }: Counter, scope: string): CounterMetric | null {
  if (metric !== undefined) return metric;
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replace(/_octets$/, '_bytes');
  return { name: `${scope}_${snake}`, kind: 'counter' };
}

/**
 * The families of a table.
 *
 * @param scope - what a made name begins with: `way`, `hook`, `flow`
 */
export function counterFamilies(table: readonly Counter[], scope: string, rows: readonly CounterRow[]): Family[] {
  const families = new Map<string, Family & { readonly samples: Sample[] }>();
  for (const counter of table) {
    const metric = metricOf(counter, scope);
    if (metric === null) continue;
    const { name, kind, labels = {} } = metric;
    const family = families.get(name) ?? familyOf(name, kind, HELP[name] ?? counter.help, []);
    families.set(name, family);
    for (const { labels: own, row } of rows) {
      const value = row[counter.name];
      if (typeof value === 'number') family.samples.push({ labels: { ...own, ...labels }, value });
    }
  }
  return [...families.values()];
}

/** A family of firehook. @param name - without the prefix; the unit is its last word, where that is one */
export function familyOf<Samples extends readonly Sample[]>(
  name: string,
  kind: FamilyKind,
  help: string,
  samples: Samples,
): Family & { readonly samples: Samples } {
  const unit = /_(bytes|seconds)$/.exec(name)?.[1];
  return { name: `${PREFIX}${name}`, kind, help, unit: unit === 'bytes' || unit === 'seconds' ? unit : '', samples };
}

/** A family with one sample for each of many. */
export function familyOfAll<One>(
  name: string,
  kind: FamilyKind,
  help: string,
  all: readonly One[],
  sample: (one: One) => readonly [Labels, number],
): Family {
  return familyOf(
    name,
    kind,
    help,
    all.map((one) => {
      const [labels, value] = sample(one);
      return { labels, value };
    }),
  );
}
