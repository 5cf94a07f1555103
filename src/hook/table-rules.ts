/**
 * The tables that a hook declares: what they have to be, and what they are with the defaults.
 *
 * Rule: they are checked when the hook is loaded, or, where they depend on its options, before it is set up: no memory is made for what is wrong.
 *
 * @module
 */

import { MOST_TTL_MS } from '../table/hook-table.ts';
import { MOST_ENTRIES, MOST_KEY_OCTETS } from '../table/table-layout.ts';
import type { TableRule } from './contract.ts';

/** A table as it is made. */
export interface MadeTable extends Required<TableRule> {
  readonly name: string;
}

/** Characters of the longest name. */
export const MOST_TABLE_NAME = 64;
/** Tables of one hook. */
export const MOST_TABLES = 16;

const KEYS = ['most', 'ttlMs', 'scope', 'keyOctets'];
const NAME = /^[A-Za-z][A-Za-z0-9-]*$/;
/** An address of IPv6, or of IPv4. */
const DEFAULT_KEY_OCTETS = 16;

/** What is wrong with the tables of a definition; '' where nothing is. */
export function tablesProblem(tables: unknown): string {
  if (typeof tables !== 'object' || tables === null || tables instanceof Promise)
    return 'tables: is no object with a table for each name, { most, ttlMs }';
  const entries = Object.entries(tables);
  if (entries.length > MOST_TABLES) return `tables: are ${entries.length}; a hook has ${MOST_TABLES} at most`;
  for (const [name, rule] of entries) {
    if (!NAME.test(name) || name.length > MOST_TABLE_NAME)
      return `tables: ${JSON.stringify(name)} is no name; expected a letter, then letters, digits and dashes, ${MOST_TABLE_NAME} at most`;
    const problem = ruleProblem(rule);
    if (problem !== '') return `tables.${name}${problem}`;
  }
  return '';
}

/** The tables with their defaults. */
export function madeTables(tables: Readonly<Record<string, TableRule>>): readonly MadeTable[] {
  return Object.entries(tables).map(
    ([name, { most, ttlMs, scope = 'daemon', keyOctets = DEFAULT_KEY_OCTETS }]): MadeTable => ({
      name,
      most,
      ttlMs,
      scope,
      keyOctets,
    }),
  );
}

function ruleProblem(rule: unknown): string {
  if (typeof rule !== 'object' || rule === null) return ': is no object; expected { most, ttlMs }';
  const unknown = Object.keys(rule).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) return `.${unknown}: unknown key; expected ${KEYS.join(', ')}`;
  const { most, ttlMs, scope, keyOctets } = rule as Partial<Record<string, unknown>>;
  if (!isWithin(most, 1, MOST_ENTRIES) || !Number.isInteger(most))
    return `.most: ${shown(most)}; expected an integer from 1 to ${MOST_ENTRIES}`;
  if (!isWithin(ttlMs, 1, MOST_TTL_MS))
    return `.ttlMs: ${shown(ttlMs)}; expected milliseconds from 1 to ${MOST_TTL_MS}`;
  if (scope !== undefined && scope !== 'lane' && scope !== 'daemon')
    return `.scope: ${shown(scope)}; expected lane or daemon`;
  if (keyOctets !== undefined && !(isWithin(keyOctets, 4, MOST_KEY_OCTETS) && (keyOctets as number) % 4 === 0))
    return `.keyOctets: ${shown(keyOctets)}; expected a multiple of 4 up to ${MOST_KEY_OCTETS}`;
  return '';
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}

function shown(value: unknown): string {
  return value === undefined ? 'is missing' : `${JSON.stringify(value) ?? String(value)} is not valid`;
}
