/**
 * The tables that the hooks of a lane have: made in memory of the lane, or in that which the supervisor gave to all lanes.
 *
 * ```
 *   check lane:  options ─> tables of each hook ─> demands ─> supervisor: memory for all of `daemon`
 *   lane:        options ─> the same? ─> its places in that memory          replay, tests, check: memory of the process
 * ```
 * Rule: what a lane asks for is what was asked for in the check; it is refused where it is not. The supervisor keeps the memory, so that a lane
 * that takes the place of another finds what was there.
 *
 * @module
 */

import { randomFillSync } from 'node:crypto';
import { closestKey } from '../config/closest-key.ts';
import { FirehookError } from '../errors.ts';
import type { Table, TableRule } from '../hook/contract.ts';
import { type MadeTable, madeTables } from '../hook/table-rules.ts';
import { HookTable } from '../table/hook-table.ts';
import { TableClock } from '../table/table-clock.ts';
import { layoutOf, placesOf } from '../table/table-layout.ts';
import type { HookClock } from './hook-clock.ts';
import type { SharedTables, TableDemand } from './messages.ts';

/** The memory that all lanes have, and what is in it. */
export interface SharedMemory {
  readonly tables: SharedTables;
  readonly memory: ArrayBuffer;
}

/** What {@link HookTables} takes. */
export interface HookTablesOptions {
  /** Null: tables of `daemon` are made in memory of this process, which is alone. */
  readonly shared: SharedMemory | null;
  /** In a check no packets come but a few. */
  readonly isCheck: boolean;
  readonly clock: HookClock;
}

const NANOSECONDS_PER_MILLISECOND = 1_000_000n;
/** Entries of a table in a check. */
const MOST_IN_CHECK = 1_024;

/** Holds the tables. */
export class HookTables {
  readonly clock: TableClock;
  readonly #options: HookTablesOptions;
  readonly #tables = new Map<string, Map<string, HookTable>>();
  readonly #demands: TableDemand[] = [];
  readonly #seeds = randomFillSync(new Int32Array(2));

  constructor(options: HookTablesOptions) {
    this.#options = options;
    this.clock = new TableClock(() => Number(options.clock.now() / NANOSECONDS_PER_MILLISECOND));
  }

  /** What the supervisor has to make memory for. */
  get demands(): readonly TableDemand[] {
    return this.#demands;
  }

  /**
   * Makes the tables of a hook.
   *
   * @throws FirehookError FIREHOOK_HOOK_SETUP where there is no memory for them, or where they are not those of the check
   */
  declare(hook: string, rules: Readonly<Record<string, TableRule>>): void {
    const made = new Map<string, HookTable>();
    this.#tables.set(hook, made);
    for (const table of madeTables(rules)) {
      const { name, most, keyOctets, scope } = table;
      if (scope === 'daemon') {
        this.#demands.push({ hook, name, most, keyOctets });
        this.#checkSum(hook);
      }
      made.set(
        name,
        scope === 'daemon' && this.#options.shared !== null ? this.#shared(hook, table) : this.#own(hook, table),
      );
    }
  }

  /** As `runtime.table` gives it. @throws RangeError when the hook declares none of that name */
  find(hook: string, name: unknown): Table {
    const tables = this.#tables.get(hook) ?? new Map<string, HookTable>();
    const table = typeof name === 'string' ? tables.get(name) : undefined;
    if (table !== undefined) return table as Table;
    const near = closestKey(String(name), [...tables.keys()]);
    const help = near === undefined ? 'say tables: { ... } in the definition' : `did you mean ${near}?`;
    throw new RangeError(`table ${JSON.stringify(name) ?? 'without a name'} is not declared; ${help}`);
  }

  #own(hook: string, table: MadeTable): HookTable {
    const { isCheck } = this.#options;
    const options = isCheck ? { ...table, most: Math.min(table.most, MOST_IN_CHECK) } : table;
    const { octets } = layoutOf(options);
    try {
      return new HookTable(new ArrayBuffer(octets), 0, options, this.#seeds, this.clock);
    } catch (cause) {
      throw refused(
        hook,
        `there is no memory for table ${table.name}, which takes ${Math.ceil(octets / 0x10_0000)} MiB`,
        cause,
      );
    }
  }

  #shared(hook: string, table: MadeTable): HookTable {
    const { tables, memory } = this.#options.shared as SharedMemory;
    const index = tables.tables.findIndex((one) => one.hook === hook && one.name === table.name);
    const given = tables.tables[index];
    if (given?.most !== table.most || given.keyOctets !== table.keyOctets)
      throw refused(hook, `table ${table.name} is not what it was when the hook was tried`);
    const place = placesOf(tables.tables).places[index] as number;
    return new HookTable(memory, place, table, Int32Array.from(tables.seeds), this.clock);
  }

  #checkSum(hook: string): void {
    try {
      placesOf(this.#demands);
    } catch (cause) {
      throw refused(hook, (cause as Error).message, cause, 'make most of its tables smaller');
    }
  }
}

function refused(hook: string, reason: string, cause?: unknown, advice?: string): FirehookError {
  return new FirehookError('FIREHOOK_HOOK_SETUP', `hook ${hook}: ${reason}`, {
    cause,
    hook,
    ...(advice === undefined ? {} : { advice }),
  });
}
