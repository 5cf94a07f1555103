/**
 * Keeps counters from going back: what was told once is the least that is told from then on.
 *
 * A reader of Prometheus takes a counter that goes back for one that began anew, and adds all of it once more. A lane that has just ended
 * is for a moment in no sum, a snapshot may be torn, and a lane may say what it likes.
 *
 * Rule: it remembers one number a series, and series are bounded by the configuration.
 *
 * @module
 */

import type { Family, Sample } from '../telemetry/exposition.ts';

/** Remembers what was told. */
export class NeverBack {
  readonly #told = new Map<string, number>();

  /** The families with no counter and no bucket below what it was before. */
  hold(families: readonly Family[]): Family[] {
    return families.map((family) => {
      if (family.kind !== 'counter' && family.kind !== 'histogram') return family;
      const samples = family.samples.map((sample) => {
        const key = keyOf(family.name, sample);
        const told = this.#told.get(key) ?? 0;
        if (sample.value < told) return { ...sample, value: told };
        if (sample.value > told) this.#told.set(key, sample.value);
        return sample;
      });
      return { ...family, samples };
    });
  }
}

/** All samples of a family have the same labels in the same order. No name of firehook's has a zero in it, and no label of a configuration. */
function keyOf(name: string, { suffix = '', labels }: Sample): string {
  let key = `${name}${suffix}`;
  for (const label in labels) key += `\0${label}\0${labels[label] ?? ''}`;
  return key;
}
