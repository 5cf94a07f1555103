/**
 * The tables of prefixes of a lane: memory that the supervisor made, mapped here, and exchanged between two packets.
 *
 * ```
 *   descriptor by the socket, name and version by the channel ─> map ─> the table that hooks hold has it ─> unmap the former
 * ```
 * Rule: nobody can write to the memory any more, and only the table reads it. Nothing of it is looked at when it is exchanged: what a table
 * needs is read by look-ups, a place at a time, so that an exchange takes microseconds whatever the size of the table.
 *
 * @module
 */

import { closeSync } from 'node:fs';
import { closestKey } from '../config/closest-key.ts';
import type { NativeModule } from '../native/native.d.ts';
import { exchangeTable, PrefixTable } from '../prefix/prefix-table.ts';
import type { TableVersion } from './messages.ts';

/** What of the addon is needed, also when hooks run and it is out of reach. */
export type TableNative = Pick<NativeModule, 'receiveDescriptor' | 'mapConstant' | 'unmapConstant'>;

interface Mapped {
  readonly table: PrefixTable;
  memory: ArrayBuffer;
}

/**
 * The table of that name, as `runtime.prefixes` gives it.
 *
 * @throws Error that names the tables there are, when it is none of them
 */
export function findTable(tables: ReadonlyMap<string, PrefixTable>, name: unknown): PrefixTable {
  const table = typeof name === 'string' ? tables.get(name) : undefined;
  if (table !== undefined) return table;
  const names = [...tables.keys()];
  const near = closestKey(String(name), names);
  const help =
    near !== undefined ? `did you mean ${near}?` : names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
  throw new Error(`prefixes: the configuration has no table ${JSON.stringify(name) ?? 'without a name'}; ${help}`);
}

/** Holds the tables. */
export class LaneTables {
  readonly #native: TableNative;
  readonly #socket: number;
  readonly #mapped = new Map<string, Mapped>();

  /** @param socket - by which descriptors come; borrowed */
  constructor(native: TableNative, socket: number) {
    this.#native = native;
    this.#socket = socket;
  }

  /** By name; each stays the same object when its memory is exchanged. */
  get tables(): ReadonlyMap<string, PrefixTable> {
    return new Map(Array.from(this.#mapped, ([name, { table }]) => [name, table]));
  }

  /**
   * Takes a table for the first time, or another version of it.
   *
   * @throws Error when its descriptor has not come, or is another one's, and what the system refuses: the lane has to end then
   */
  take({ name, id, octets }: TableVersion): void {
    const [number, descriptor] = this.#native.receiveDescriptor(this.#socket) ?? [-1, -1];
    if (number !== id) {
      if (descriptor !== -1) closeSync(descriptor);
      throw new Error(`table ${name}: descriptor ${id} has not come, but ${number}`);
    }
    let memory: ArrayBuffer;
    try {
      memory = this.#native.mapConstant(descriptor, octets);
    } finally {
      closeSync(descriptor);
    }
    const mapped = this.#mapped.get(name);
    if (mapped === undefined) {
      this.#mapped.set(name, { table: new PrefixTable(memory), memory });
      return;
    }
    exchangeTable(mapped.table, memory);
    this.#native.unmapConstant(mapped.memory);
    mapped.memory = memory;
  }
}
