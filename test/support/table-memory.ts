/**
 * What this process holds of tables: descriptors of their memory, and mappings of it.
 *
 * @module
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const NAME = 'firehook-table-';

/** Mappings of tables. */
export function mapped(): number {
  const lines = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return lines.filter((line) => line.includes(NAME)).length;
}

/** Descriptors of tables. */
export function openTables(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes(NAME);
    } catch {
      // That of the folder itself, which is closed by now.
      return false;
    }
  }).length;
}
