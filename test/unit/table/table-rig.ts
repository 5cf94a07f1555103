/**
 * Tables on a desk: a clock in the hands of the test, addresses without a packet, and a model that does what a table promises.
 *
 * @module
 */

import { HookTable, type TableOptions } from '../../../src/table/hook-table.ts';
import { TableClock } from '../../../src/table/table-clock.ts';
import type { AddressPart } from '../../../src/table/table-key.ts';
import { layoutOf } from '../../../src/table/table-layout.ts';

/** What the tests of one hash have in common: no test depends on which it is. */
export const SEEDS: Int32Array = Int32Array.of(0x1234_5678, -0x1234_567);

/** Milliseconds since 1970 at the start of a test. */
export const START_MS = 1_767_225_600_000;

/** A clock that stands still until the test moves it. */
export class DeskClock {
  readonly clock: TableClock;
  readonly #time = { seconds: 0, nanoseconds: 0 };

  constructor(ms: number = START_MS) {
    this.clock = new TableClock(() => ms);
    this.clock.packets = { context: this.#time };
    this.ms = ms;
  }

  get ms(): number {
    return this.#time.seconds * 1000 + this.#time.nanoseconds / 1_000_000;
  }

  set ms(ms: number) {
    this.#time.seconds = Math.floor(ms / 1000);
    this.#time.nanoseconds = (ms % 1000) * 1_000_000;
  }
}

/** An address of these words. */
export function words(...all: readonly number[]): AddressPart {
  return { length: all.length === 1 ? 4 : 16, signedWord: (index) => (all[index] as number) | 0 };
}

/** A table in memory of its own, and the memory. */
export function ownTable(
  options: Partial<TableOptions>,
  desk: DeskClock,
  memory?: ArrayBuffer,
): { readonly table: HookTable; readonly memory: ArrayBuffer; readonly options: TableOptions } {
  const whole = { most: 64, ttlMs: 10_000, keyOctets: 16, ...options };
  const made = memory ?? new ArrayBuffer(layoutOf(whole).octets);
  return { table: new HookTable(made, 0, whole, SEEDS, desk.clock), memory: made, options: whole };
}

/** What a table with room for all keys does. */
export class TableModel {
  readonly #entries = new Map<string, { readonly value: number; readonly untilMs: number }>();

  get(key: string, nowMs: number): number {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.untilMs > nowMs ? entry.value : 0;
  }

  set(key: string, value: number, untilMs: number): void {
    if (value === 0) this.#entries.delete(key);
    else this.#entries.set(key, { value, untilMs });
  }

  /** Keys with a value. */
  alive(nowMs: number): string[] {
    return [...this.#entries].filter(([, { untilMs }]) => untilMs > nowMs).map(([key]) => key);
  }
}
