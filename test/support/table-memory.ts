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

/** Octets of the tables mapped here that this process has read or written, by whole groups of pages as the kernel maps them. */
export function touched(): number {
  let octets = 0;
  let isTable = false;
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) isTable = line.includes(NAME);
    else if (isTable && line.startsWith('Rss:')) octets += 1024 * Number(/[0-9]+/.exec(line)?.[0]);
  }
  return octets;
}
