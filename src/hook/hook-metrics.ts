/**
 * The counters and gauges that the hooks of a chain declare in `setup`, and their numbers.
 *
 * ```
 *   setup: counter(name) ─> a place in `values` ─ add(n) on the packet path: one double, no allocation ─┐
 *          gauge(name, read) ─> a place in `values` ─ read() between two packets ───────────────────────┴─> snapshot of the lane
 * ```
 * Rule: a number has its place from `setup` on, so that whoever reads the snapshot knows it by the order of declaration. What a hook declares
 * beyond the bounds, twice, or too late is its error.
 *
 * @module
 */

import { MOST_COUNTED } from '../telemetry/counters.ts';
import {
  MAX_HELP,
  METRIC_HELP,
  METRIC_NAME,
  type MetricDefinition,
  type MetricKind,
  type MetricValue,
  MOST_METRICS,
  MOST_OF_HOOK,
} from '../telemetry/metrics.ts';
import { asOwner } from './async-owner.ts';
import type { Counter } from './contract.ts';

/** A counter of a hook. */
export class CounterView implements Counter {
  readonly #values: Float64Array;
  readonly #place: number;

  constructor(values: Float64Array, place: number) {
    this.#values = values;
    this.#place = place;
    Object.freeze(this);
  }

  /** {@inheritDoc Counter.add} */
  add(value = 1): void {
    if (typeof value !== 'number' || !(value >= 0))
      throw new RangeError('a counter only grows: add takes a number that is not negative');
    const sum = (this.#values[this.#place] as number) + value;
    this.#values[this.#place] = Math.min(sum, MOST_COUNTED);
  }
}
Object.freeze(CounterView.prototype);

interface Declared {
  readonly owner: number;
  readonly kind: MetricKind;
  readonly name: string;
  readonly help: string;
  /** Of a gauge that is still read. */
  read: (() => number) | null;
}

/** The metrics of all hooks of a lane. */
export class HookMetrics {
  /** One double a metric, in the order of their declaration; there is room for all that can be. */
  readonly values: Float64Array = new Float64Array(MOST_METRICS);
  readonly #declared: Declared[] = [];
  readonly #closed = new Set<number>();

  /** How many there are. */
  get count(): number {
    return this.#declared.length;
  }

  /** Declares a counter. @throws Error when the hook may not; see {@link HookMetrics.close} */
  counter(owner: number, name: unknown, help: unknown): Counter {
    return new CounterView(this.values, this.#declare(owner, 'counter', name, help, null));
  }

  /** Declares a gauge. @throws Error as above */
  gauge(owner: number, name: unknown, read: unknown, help: unknown): void {
    if (typeof read !== 'function')
      throw new TypeError(`gauge ${shown(name)}: the second argument has to be a function`);
    this.#declare(owner, 'gauge', name, help, read as () => number);
  }

  /** The hook was set up, and declares no more. */
  close(owner: number): void {
    this.#closed.add(owner);
  }

  /**
   * Asks each gauge for its number. Not within a packet. One that throws or returns no finite number is a fault of its hook, keeps its last
   * number and is asked no more.
   */
  readGauges(onFault: (owner: number, error: unknown) => void): void {
    for (const [place, metric] of this.#declared.entries()) {
      const { owner, name, read } = metric;
      if (read === null) continue;
      try {
        const value: unknown = asOwner(owner, 'a gauge', read);
        if (typeof value !== 'number' || !Number.isFinite(value))
          throw new TypeError(`gauge ${name} returned no finite number, and is asked no more`);
        this.values[place] = value;
      } catch (error) {
        metric.read = null;
        onFault(owner, error);
      }
    }
  }

  /** No gauge is asked from now on: what it would look at is gone. */
  endGauges(): void {
    for (const metric of this.#declared) metric.read = null;
  }

  /**
   * What they are, in the order of {@link HookMetrics.values}.
   *
   * @param owners - of the hooks in running order
   */
  definitions(owners: readonly number[]): MetricDefinition[] {
    return this.#declared.map(({ owner, kind, name, help }) => ({ hook: owners.indexOf(owner), kind, name, help }));
  }

  /** The same with their numbers. */
  read(owners: readonly number[]): MetricValue[] {
    return this.definitions(owners).map((metric, place) => ({ ...metric, value: this.values[place] as number }));
  }

  #declare(owner: number, kind: MetricKind, name: unknown, help: unknown, read: Declared['read']): number {
    const what = `${kind} ${shown(name)}`;
    if (this.#closed.has(owner)) throw new Error(`${what}: counters and gauges are declared in setup`);
    if (typeof name !== 'string' || !METRIC_NAME.test(name))
      throw new Error(`${what}: expected 1 to 48 small letters, digits and underscores, a letter first`);
    if (name.endsWith('_total')) throw new Error(`${what}: leave out _total, which is added where it belongs`);
    const text = help === undefined ? '' : help;
    if (typeof text !== 'string' || !METRIC_HELP.test(text))
      throw new Error(`${what}: its help has to be at most ${MAX_HELP} printable characters of ASCII`);
    const own = this.#declared.filter((metric) => metric.owner === owner);
    if (own.some((metric) => metric.name === name)) throw new Error(`${what}: is declared already`);
    if (own.length >= MOST_OF_HOOK) throw new Error(`${what}: a hook has at most ${MOST_OF_HOOK} counters and gauges`);
    if (this.#declared.length >= MOST_METRICS)
      throw new Error(`${what}: all hooks together have at most ${MOST_METRICS} counters and gauges`);
    this.#declared.push({ owner, kind, name, help: text, read });
    return this.#declared.length - 1;
  }
}

function shown(name: unknown): string {
  return JSON.stringify(name)?.slice(0, MAX_HELP) ?? 'without a name';
}
