/**
 * What the kernel knows of the processes of a daemon: memory, descriptors, threads, and who they are.
 *
 * ```
 *   supervisor ─┬─ lane (one or more; two generations for a moment)
 *               ├─ writer of events
 *               └─ bundler, builder of tables: for a moment
 * ```
 * Rule: read from /proc only; a process that ends meanwhile is left out, never an error.
 *
 * @see proc(5)
 * @module
 */

import { readdirSync, readFileSync } from 'node:fs';

/** What a process of a daemon is. */
export type Role = 'supervisor' | 'lane' | 'writer' | 'other';

/** A process at one moment. Sizes are MiB. */
export interface ProcessNumbers {
  readonly pid: number;
  readonly role: Role;
  /** Memory in RAM, what it shares with others included. */
  readonly rssMiB: number;
  /** Of it, what is its own and stands in no file: heap, buffers, stacks. */
  readonly ownMiB: number;
  readonly descriptors: number;
  readonly cpuNs: number;
}

const KIB_IN_MIB = 1024;

/** The supervisor and all that it has started, in no order. */
export function processesOf(supervisor: number, lanes: readonly number[]): ProcessNumbers[] {
  return [supervisor, ...descendantsOf(supervisor)].flatMap((pid) => {
    try {
      return [numbersOf(pid, roleOf(pid, supervisor, lanes))];
    } catch {
      return [];
    }
  });
}

/** Processor time of a process, all threads, in nanoseconds of the scheduler's clock. */
export function cpuNsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce(
    (sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
    0,
  );
}

function numbersOf(pid: number, role: Role): ProcessNumbers {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const of = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? Number.NaN) / KIB_IN_MIB;
  return {
    pid,
    role,
    rssMiB: of('Rss'),
    ownMiB: of('Anonymous'),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    cpuNs: cpuNsOf(pid),
  };
}

function roleOf(pid: number, supervisor: number, lanes: readonly number[]): Role {
  if (pid === supervisor) return 'supervisor';
  if (lanes.includes(pid)) return 'lane';
  return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('event-process') ? 'writer' : 'other';
}

function descendantsOf(pid: number): number[] {
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
        .split(' ')
        .filter((text) => text.trim() !== '')
        .map(Number),
    );
    return children.flatMap((child) => [child, ...descendantsOf(child)]);
  } catch {
    return [];
  }
}
