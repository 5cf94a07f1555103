/**
 * The live suites of the addon: each runs with the addon in use, and with one that the sanitizers watch.
 *
 * @module
 */

import { fileURLToPath } from 'node:url';

/** A suite, and the fewest promises that a run to its end has. */
export interface Suite {
  readonly title: string;
  readonly file: string;
  readonly promises: number;
}

function suite(name: string, title: string, promises: number): Suite {
  return { title, file: fileURLToPath(new URL(`./${name}.live.ts`, import.meta.url)), promises };
}

export const SUITES: readonly Suite[] = [
  suite('addon', 'the addon refuses what it cannot do, whatever it is given', 13),
  suite('fence', 'a ring with a fence sends nothing that the kernel may have sent on', 11),
  suite('netlink', 'a netlink socket gives every answer of a request and every message of its groups', 11),
  suite('system', 'memory, locks and writes keep their promises, whoever stands at the other end', 14),
  suite('handover', 'memory that nobody can change reaches a process that runs already', 8),
  suite('lease', 'the lease is held, and the fence open, only while the kernel certainly withholds what arrives', 16),
];
