/**
 * Whose asynchronous work it is that runs, or failed: timers, promises, sockets, files.
 *
 * ```
 *   hook runs ─ makes a timer, a promise ─> marked with its owner ─ runs later, makes another ─> marked alike ─ throws ─> its owner
 * ```
 * Rule: the mark is put on where the work is made, and the text of a stack is asked only where there is none: an error of Node itself, such as a refused
 * connection, has no line of the hook in it. A hook that makes no asynchronous work costs nothing here.
 *
 * @see the Node.js documentation of async_hooks
 * @module
 */

import { createHook, executionAsyncResource } from 'node:async_hooks';
import type { Pool } from '../firewall/pool.ts';
import { type Activity, noteRunning, restoreRunning } from './running-hook.ts';

const OWNER = Symbol('owner');
/** Deeper than callbacks nest in a sound program: what lies deeper is not noted. */
const MOST_NESTED = 64;
/** Nobody's. */
const NONE = -1;

/** Whose module is evaluated, set up or torn down; while a packet is handled, the pool knows it. */
let loading = NONE;

interface Marked {
  [OWNER]?: number;
}

/**
 * From now on what a hook starts is marked with the owner that the pool names while it runs. Once a process. From the first mark on it
 * is noted also whose timer or promise runs: before that there is none, and a callback of the runtime costs nothing more.
 */
export function followOwners(pool: Pool): void {
  const noted: number[] = [];
  const note = createHook({
    before() {
      if (noted.length >= MOST_NESTED) return;
      noted.push(noteRunning((executionAsyncResource() as Marked)[OWNER], 'a timer or a promise'));
    },
    after() {
      const before = noted.pop();
      if (before !== undefined) restoreRunning(before);
    },
  });
  let isNoting = false;
  createHook({
    init(_asyncId, _type, _trigger, resource) {
      const running = pool.owner === NONE ? loading : pool.owner;
      const owner = running === NONE ? (executionAsyncResource() as Marked)[OWNER] : running;
      if (owner === undefined) return;
      (resource as Marked)[OWNER] = owner;
      if (isNoting) return;
      isNoting = true;
      note.enable();
    },
  }).enable();
}

/** Runs a part of a hook that belongs to no packet: what it starts is this owner's. */
export function asOwner<T>(owner: number, activity: Activity, action: () => T): T {
  const before = noteRunning(owner, activity);
  loading = owner;
  try {
    return action();
  } finally {
    loading = NONE;
    restoreRunning(before);
  }
}

/**
 * Who owns what failed; undefined where it is no hook's.
 *
 * @param paths - of the hooks, in the order of the configuration
 * @param promise - that nobody awaited; without it what runs now is meant, as in a listener of `uncaughtException`
 */
export function ownerOfFailure(
  error: unknown,
  paths: readonly string[],
  promise?: Promise<unknown>,
): number | undefined {
  const owner = ((promise ?? executionAsyncResource()) as Marked)[OWNER];
  if (owner !== undefined) return owner;
  // What has no mark, such as the callback of a FinalizationRegistry, may still have a line of the hook in its stack.
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const named = paths.findIndex((path) => stack.includes(path));
  return named === -1 ? undefined : named;
}
