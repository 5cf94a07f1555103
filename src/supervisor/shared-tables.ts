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
import { closeSync } from 'node:fs';
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
   * @returns null where no hook asks for any
   * @throws {@link FirehookError} FIREHOOK_HOOK_SETUP where it would be too much, or is not to be had
   */
  static make(tables: readonly TableDemand[]): SharedTableMemory | null {
    if (tables.length === 0) return null;
    try {
      const { octets } = placesOf(tables);
      const random = randomBytes(8);
      const seeds = [random.readInt32LE(0), random.readInt32LE(4)] as const;
      return new SharedTableMemory({ octets, seeds, tables }, loadNative().createMemory('firehook-shared', octets));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FirehookError('FIREHOOK_HOOK_SETUP', `no memory for the tables of hooks: ${reason}`, { cause });
    }
  }

  /** Closes the descriptor. Lanes keep what they have mapped. */
  close(): void {
    closeSync(this.fd);
  }
}
