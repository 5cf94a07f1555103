/**
 * The one processor that a driver runs on: its interrupt request level, and the spin locks that are held.
 *
 * ```
 *   PASSIVE_LEVEL ── DriverEntry, DriverUnload, requests, work items
 *   DISPATCH_LEVEL ─ callbacks, DPCs, code under a spin lock
 * ```
 * Rules: no two routines of a driver run at once, so a lock is never waited for, only checked. Every routine ends at the
 * level it was called at and with the locks it was called with; what it left wrong is said and put right, or the next
 * routine would be blamed for it. `checksLevels` false leaves out the checks of levels, not those of locks.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/managing-hardware-priorities
 *
 * @module
 */

import { bugCheck, bugCheckText } from './bug-check.ts';
import { DISPATCH_LEVEL, type KSPIN_LOCK, PASSIVE_LEVEL } from './dispatcher-objects.ts';
import type { KIRQL } from './types.ts';

const NAMES = ['PASSIVE_LEVEL', 'APC_LEVEL', 'DISPATCH_LEVEL'] as const;

/** Name of a level, for messages. */
export function levelName(level: KIRQL): string {
  return NAMES[level] ?? `level ${String(level)}`;
}

/** Level and locks of one driver. */
export class Processor {
  /** Level now. */
  level: KIRQL = PASSIVE_LEVEL;
  /** Locks that are held, in the order they were taken. */
  readonly held: KSPIN_LOCK[] = [];
  readonly checksLevels: boolean;

  /** @param checksLevels - false: any function may be called at any level */
  constructor(checksLevels: boolean) {
    this.checksLevels = checksLevels;
  }

  /** @throws FirehookError IRQL_NOT_LESS_OR_EQUAL above `most`, the published maximum of `call` */
  requireAtMost(call: string, most: KIRQL): void {
    if (!this.checksLevels || this.level <= most) return;
    throw bugCheck(
      'IRQL_NOT_LESS_OR_EQUAL',
      call,
      `called at ${levelName(this.level)}; at most ${levelName(most)} is allowed`,
    );
  }

  /** @throws FirehookError IRQL_NOT_GREATER_OR_EQUAL below `least`, the published minimum of `call` */
  requireAtLeast(call: string, least: KIRQL): void {
    if (!this.checksLevels || this.level >= least) return;
    throw bugCheck(
      'IRQL_NOT_GREATER_OR_EQUAL',
      call,
      `called at ${levelName(this.level)}; at least ${levelName(least)} is needed`,
    );
  }

  /**
   * Runs a routine of the driver at a level, and comes back to the level of now.
   *
   * @param what - name of the routine, for the error
   * @throws what the routine throws; FirehookError IRQL_UNEXPECTED_VALUE when it returned with a lock held or at another level
   */
  run<T>(what: string, level: KIRQL, routine: () => T): T {
    const before = this.level;
    const locks = this.held.length;
    this.level = level;
    let threw = true;
    try {
      const result = routine();
      threw = false;
      return result;
    } finally {
      const problem = this.#problemAtReturn(locks, level);
      this.#restore(locks, before);
      // An error of the routine itself comes first: it is the reason for what was left.
      // biome-ignore lint/correctness/noUnsafeFinally: only where nothing else is on its way out.
      if (!threw && problem !== '') throw bugCheck('IRQL_UNEXPECTED_VALUE', what, problem);
    }
  }

  /** Before a callback. Never throws, allocates nothing. */
  enter(): void {
    this.level = DISPATCH_LEVEL;
  }

  /** After a callback, however it ended. Never throws. @returns what it left wrong, '' for nothing */
  leave(): string {
    if (this.level === DISPATCH_LEVEL && this.held.length === 0) {
      this.level = PASSIVE_LEVEL;
      return '';
    }
    const problem = this.#problemAtReturn(0, DISPATCH_LEVEL);
    this.#restore(0, PASSIVE_LEVEL);
    return problem === '' ? '' : bugCheckText('IRQL_UNEXPECTED_VALUE', 'the callback', problem);
  }

  #problemAtReturn(locks: number, level: KIRQL): string {
    const problems: string[] = [];
    const left = this.held.length - locks;
    if (left > 0) {
      const takers = this.held.slice(locks).map((lock) => lock.taker);
      problems.push(`returned with ${left === 1 ? 'a spin lock' : `${left} spin locks`} held (${takers.join(', ')})`);
    }
    if (this.checksLevels && this.level !== level) {
      problems.push(`returned at ${levelName(this.level)}, was called at ${levelName(level)}`);
    }
    return problems.join('; ');
  }

  #restore(locks: number, level: KIRQL): void {
    for (const lock of this.held.splice(locks)) lock.taker = '';
    this.level = level;
  }
}
