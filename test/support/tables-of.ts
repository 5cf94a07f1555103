/**
 * The tables of a hook that runs without a lane.
 *
 * @module
 */

import type { DefinedHook, HookRuntime } from '../../src/hook/contract.ts';
import { LiveClock } from '../../src/lane/hook-clock.ts';
import { HookTables } from '../../src/lane/hook-tables.ts';
import type { PacketAtHand } from '../../src/table/table-clock.ts';

/**
 * Makes the tables that a hook declares.
 *
 * @param options - as its schema gives them back
 * @param packets - what says the time
 */
export function tablesOf(hook: DefinedHook, options: unknown, packets: PacketAtHand): Pick<HookRuntime, 'table'> {
  const tables = new HookTables({ shared: null, isCheck: false, clock: new LiveClock() });
  tables.clock.packets = packets;
  const { tables: rules = {} } = hook;
  tables.declare(hook.name, typeof rules === 'function' ? rules(options) : rules);
  return { table: (name) => tables.find(hook.name, name) };
}
