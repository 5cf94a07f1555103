/**
 * A table that several processes have.
 *
 * @module
 */

import { HookTable } from '../../../src/table/hook-table.ts';
import { TableClock } from '../../../src/table/table-clock.ts';
import type { AddressPart } from '../../../src/table/table-key.ts';
import { layoutOf } from '../../../src/table/table-layout.ts';
import { SEEDS, words } from './table-rig.ts';

/** Keys that are used: more than there is room for, so that they take each other's place. */
export const KEYS = 48;
const OPTIONS = { most: 32, ttlMs: 60_000, keyOctets: 16 };

/** Octets of its memory. */
export const SHARED_OCTETS: number = layoutOf(OPTIONS).octets;

const addresses = Array.from({ length: KEYS }, (_, index) =>
  index % 2 === 0 ? words(0x0a00_0000 + index) : words(0xfd00_0000, -index, index << 20, index),
);

/** An address for each number. */
export function keyOf(index: number): AddressPart {
  return addresses[index] as AddressPart;
}

/** The table in this memory, by the time of the day. */
export function openShared(memory: ArrayBuffer): HookTable {
  return new HookTable(memory, 0, OPTIONS, SEEDS, new TableClock(() => Date.now()));
}
