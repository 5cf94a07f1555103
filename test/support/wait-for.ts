/**
 * Waiting for something that the outside world does in its own time: a process to listen, a counter to move.
 *
 * Rule: a test never sleeps for a fixed time; it waits for what it needs and fails by naming it.
 *
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises';

/** How long to wait, and for what. */
export interface WaitOptions {
  /** What is waited for, as it follows "waited 5000 ms for". */
  readonly what: string;
  /** @defaultValue 10000 */
  readonly timeoutMs?: number;
  /** Pause between two looks. @defaultValue 20 */
  readonly intervalMs?: number;
}

/**
 * Calls `predicate` until it returns something other than false, null or undefined, and returns that.
 *
 * A predicate that throws is asked again: what it asks may not be there yet. Its last error becomes the cause.
 *
 * @throws Error with the text of `what` when the time is up
 */
export async function waitFor<T>(
  predicate: () => T | Promise<T>,
  options: WaitOptions,
): Promise<Exclude<T, false | null | undefined>> {
  const { what, timeoutMs = 10_000, intervalMs = 20 } = options;
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    let lastError: unknown;
    try {
      const value = await predicate();
      if (value !== false && value !== null && value !== undefined) {
        return value as Exclude<T, false | null | undefined>;
      }
    } catch (error) {
      lastError = error;
    }
    if (performance.now() >= deadlineMs) throw new Error(`waited ${timeoutMs} ms for ${what}`, { cause: lastError });
    await sleep(intervalMs);
  }
}
