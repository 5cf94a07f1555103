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

import type { Family } from '../telemetry/exposition.ts';

/** Remembers what was told. */
export class NeverBack {
  readonly #told = new Map<string, number>();

  /** The families with no counter and no bucket below what it was before. */
  hold(families: readonly Family[]): Family[] {
    return families.map((family) => {
      if (family.kind !== 'counter' && family.kind !== 'histogram') return family;
      const samples = family.samples.map((sample) => {
        const key = JSON.stringify([family.name, sample.suffix, sample.labels]);
        const value = Math.max(sample.value, this.#told.get(key) ?? 0);
        this.#told.set(key, value);
        return { ...sample, value };
      });
      return { ...family, samples };
    });
  }
}
