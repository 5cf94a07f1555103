/**
 * `GET /metrics`: the text, put together when it is asked for.
 *
 * Rule: read only, and nothing of it is on the packet path. However many ask, it is made a few times a second.
 *
 * @module
 */

import { CONTENT_TYPES, type ExpositionFormat, expose, type Family, formatFor } from '../telemetry/exposition.ts';
import { type MetricSource, metricFamilies } from './metric-families.ts';
import { NeverBack } from './never-back.ts';
import { type NamedProcess, ProcessReader } from './process-numbers.ts';

/** A text and what it is. */
export interface MetricsText {
  readonly type: string;
  readonly text: string;
}

/** How long what was gathered stands before it is gathered again. */
const FRESH_MS = 200;

/** Makes the text. */
export class MetricsReport {
  readonly #source: () => Promise<MetricSource & { readonly processes: readonly NamedProcess[] }>;
  readonly #processes = new ProcessReader();
  readonly #neverBack = new NeverBack();
  #families: Promise<readonly Family[]> | null = null;
  #gatheredMs = Number.NEGATIVE_INFINITY;

  /** @param source - asked each time */
  constructor(source: () => Promise<MetricSource & { readonly processes: readonly NamedProcess[] }>) {
    this.#source = source;
  }

  /**
   * The text in the format that is wanted.
   *
   * @param accept - the Accept header; none where nobody said
   */
  async text(accept: string | undefined): Promise<MetricsText> {
    const format: ExpositionFormat = formatFor(accept);
    return { type: CONTENT_TYPES[format], text: expose(await this.#gathered(), format) };
  }

  #gathered(): Promise<readonly Family[]> {
    const nowMs = performance.now();
    if (this.#families !== null && nowMs - this.#gatheredMs < FRESH_MS) return this.#families;
    const families = this.#gather();
    this.#families = families;
    this.#gatheredMs = nowMs;
    families.catch(() => {
      // Whoever waits hears of it; the next one asks anew.
      if (this.#families === families) this.#families = null;
    });
    return families;
  }

  async #gather(): Promise<readonly Family[]> {
    const { processes, ...source } = await this.#source();
    return this.#neverBack.hold([...metricFamilies(source), ...this.#processes.families(processes)]);
  }
}
