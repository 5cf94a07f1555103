/**
 * Time as the supervisor's loop sees it: handed in, so that a test can turn the clock itself.
 *
 * @module
 */

/** A monotonic clock with timers, in milliseconds. */
export interface Clock {
  now(): number;
  /** Calls back once after so long. */
  setTimer(callback: () => void, ms: number): Timer;
}

/** A timer that has not fired yet. */
export interface Timer {
  /** Idempotent. */
  cancel(): void;
}

/** The clock of this machine. Its timers keep the process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(callback, ms) {
    const timer = setTimeout(callback, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};
