/**
 * The memory of the tables of hooks that all lanes have: made once a run, before the first lane, and kept until the last one is gone.
 *
 * ```
 *   check lane ─ tables that the hooks ask for ─> memory, sealed against another size ─ its descriptor ─> each lane, also a later one
 * ```
 * Rule: the supervisor never reads it. What stands there is the hooks' business, and a lane that means harm harms the tables of hooks, which share
 * its process anyway.
 *
 * @module
 */

import { randomBytes } from 'node:crypto';
import { closeSync, readSync, writeSync } from 'node:fs';
import { FirehookError } from '../errors.ts';
import type { SharedTables, TableDemand } from '../lane/messages.ts';
import { loadNative } from '../native/load-native.ts';
import { placesOf } from '../table/table-layout.ts';

/** The memory, and what is in it. */
export class SharedTableMemory {
  readonly tables: SharedTables;
  readonly fd: number;

  private constructor(tables: SharedTables, fd: number) {
    this.tables = tables;
    this.fd = fd;
  }

  /**
   * Makes it. A lane is not believed: what it asks for is bounded here as well.
   *
   * @param before - of the generation before: its keys are hashed alike, so that a table can be copied
   * @returns null where no hook asks for any
   * @throws {@link FirehookError} FIREHOOK_HOOK_SETUP where it would be too much, or is not to be had
   */
  static make(tables: readonly TableDemand[], before: SharedTableMemory | null = null): SharedTableMemory | null {
    if (tables.length === 0) return null;
    try {
      const { octets } = placesOf(tables);
      const random = randomBytes(8);
      const seeds = before?.tables.seeds ?? ([random.readInt32LE(0), random.readInt32LE(4)] as const);
      return new SharedTableMemory({ octets, seeds, tables }, loadNative().createMemory('firehook-shared', octets));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FirehookError('FIREHOOK_HOOK_SETUP', `no memory for the tables of hooks: ${reason}`, { cause });
    }
  }

  /** The memory of another process. The descriptor is its own from now on. */
  static adopt(tables: SharedTables, fd: number): SharedTableMemory {
    return new SharedTableMemory(tables, fd);
  }

  /**
   * Copies each table that is the same in another memory: of the same hook, name and size. No lane may use either meanwhile.
   *
   * @returns the tables here that were there and are of another size: they are empty
   */
  copyFrom(before: SharedTableMemory): TableDemand[] {
    const [places, former] = [placesOf(this.tables.tables), placesOf(before.tables.tables)];
    const missing: TableDemand[] = [];
    for (const [index, table] of this.tables.tables.entries()) {
      const other = before.tables.tables.findIndex(({ hook, name }) => hook === table.hook && name === table.name);
      const same = before.tables.tables[other];
      if (same === undefined) continue;
      if (same.most !== table.most || same.keyOctets !== table.keyOctets) {
        missing.push(table);
        continue;
      }
      const from = former.places[other] as number;
      const end = former.places[other + 1] ?? former.octets;
      copyOctets(before.fd, from, this.fd, places.places[index] as number, end - from);
    }
    return missing;
  }

  /** Closes the descriptor. Lanes keep what they have mapped. */
  close(): void {
    closeSync(this.fd);
  }
}

const PART = Buffer.allocUnsafe(0x10_0000);

function copyOctets(source: number, from: number, target: number, to: number, octets: number): void {
  for (let done = 0; done < octets; ) {
    const read = readSync(source, PART, 0, Math.min(PART.length, octets - done), from + done);
    if (read === 0) return;
    writeSync(target, PART, 0, read, to + done);
    done += read;
  }
}
