/**
 * What of a configuration a running daemon can change, and what takes a restart.
 *
 * Floor 1. Rule: a key that is not named here takes a restart. Nothing is changed before that is known.
 *
 * @module
 */

import type { Config } from './schema.ts';

/** Keys, and keys of sections, that lanes are told when they start: a reload starts others. */
const RELOADABLE: readonly string[] = [
  ...['hooks', 'tables', 'trustWritable', 'flows', 'pool', 'icmp', 'verifier', 'faults', 'reload'],
  ...['policy.nonIp', 'policy.unreadable', 'lane.memoryMiB', 'log.level'],
];

/**
 * The keys that differ between two configurations and take a restart, as they stand in the file: `attach`, `policy.onDown`.
 *
 * @param before - what runs
 * @param isOther - it was read by another version: what only one of them knows is no difference
 */
export function needsRestart(before: Config, after: Config, isOther = false): string[] {
  const [one, other] = [flatten(before), flatten(after)];
  const all = new Set([...one.keys(), ...other.keys()]);
  const keys = isOther ? [...all].filter((key) => one.has(key) && other.has(key)) : all;
  const changed = [...keys].filter((key) => one.get(key) !== other.get(key));
  return changed.filter((key) => !RELOADABLE.some((name) => key === name || key.startsWith(`${name}.`))).sort();
}

/** Sections to two levels; what is deeper, and lists, as JSON. */
function flatten(config: Config): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [section, value] of Object.entries(config)) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) flat.set(section, JSON.stringify(value));
    else for (const [key, inner] of Object.entries(value)) flat.set(`${section}.${key}`, JSON.stringify(inner));
  }
  return flat;
}
