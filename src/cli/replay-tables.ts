/**
 * The tables of prefixes of a replay: built before its first packet, and never again.
 *
 * Rule: started by root, the lists are read with the rights of the user that hooks run as.
 *
 * @module
 */

import { closeSync } from 'node:fs';
import type { Settings } from '../config/schema.ts';
import type { LaneUser, TableMemory } from '../lane/messages.ts';
import { PrefixTable } from '../prefix/prefix-table.ts';
import { buildTable } from '../supervisor/build-table.ts';
import { shareTable } from '../supervisor/prefix-tables.ts';
import { printable } from '../telemetry/printable.ts';

/** Tables by name. */
export type ReplayTables = ReadonlyMap<string, { readonly table: PrefixTable; readonly memory: ArrayBuffer }>;

/**
 * Builds the tables of a configuration.
 *
 * @throws FirehookError why the first of them that cannot be built is refused
 */
export async function buildTables({ tables, lane }: Settings, user: LaneUser | null): Promise<ReplayTables> {
  const built = new Map<string, { table: PrefixTable; memory: ArrayBuffer }>();
  for (const [name, config] of Object.entries(tables)) {
    const { memory, unused } = await buildTable(config, { user, isRequired: lane.confine === 'required' });
    if (unused.length > 0) warn(`table ${name}: no line of ${config.file} has ${unused.join(', ')}`);
    const table = new PrefixTable(memory);
    if (table.size === 0) warn(`table ${name}: ${config.file} has no prefixes`);
    built.set(name, { table, memory });
  }
  return built;
}

/** Lends them to other processes, until the task is done. */
export async function lendTables<Result>(
  tables: ReplayTables,
  task: (memories: readonly TableMemory[]) => Promise<Result>,
): Promise<Result> {
  const memories: TableMemory[] = [];
  try {
    for (const [name, { memory }] of tables) memories.push(shareTable(name, memory, 1, memories.length + 1));
    return await task(memories);
  } finally {
    for (const { fd } of memories) closeSync(fd);
  }
}

function warn(sentence: string): void {
  process.stderr.write(`firehook: warning: ${printable(sentence)}\n`);
}
