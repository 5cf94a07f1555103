/**
 * Timers of one hook, on the clock of the packets.
 *
 * ```
 *   live:    between two batches of packets, when the time has passed
 *   replay:  before the first packet of the file that is not earlier
 * ```
 * Rules: what a timer throws, or rejects, is a fault of its hook and of nobody else. After teardown none runs. A hook has a bounded number of them.
 *
 * @module
 */

import type { Scheduled } from '../ddk/host.ts';
import { asOwner } from '../hook/async-owner.ts';
import type { HookClock } from './hook-clock.ts';

const NANOSECONDS_PER_MILLISECOND = 1_000_000;
/** More than one for each packet that waits is a leak. */
const MOST_TIMERS = 10_000;
/** The shortest interval: a timer of no time would leave no time for packets. */
const LEAST_INTERVAL_MS = 1;

/** What {@link HookTimers} is made of. */
export interface TimerOptions {
  readonly clock: HookClock;
  /** The hook's number in the books of the pool. */
  readonly owner: number;
  /** Called before each timer. @defaultValue nothing */
  readonly onTimer?: () => void;
  /** Told of each timer that failed. */
  readonly onFault: (error: unknown) => void;
}

/** Timers of one hook. */
export class HookTimers {
  readonly #options: TimerOptions;
  readonly #waiting = new Map<number, Scheduled>();
  #last = 0;
  #isStopped = false;

  constructor(options: TimerOptions) {
    this.#options = options;
  }

  /** Calls `run` once, `ms` milliseconds from now. @returns a number for {@link HookTimers.cancel} */
  after(ms: number, run: () => void | Promise<void>): number {
    const id = this.#take(ms, 0);
    this.#schedule(id, ms, () => {
      this.#waiting.delete(id);
      this.#call(run);
    });
    return id;
  }

  /** Calls `run` every `ms` milliseconds, the first time `ms` from now. @returns a number for {@link HookTimers.cancel} */
  every(ms: number, run: () => void | Promise<void>): number {
    const id = this.#take(ms, LEAST_INTERVAL_MS);
    const again = (): void => {
      this.#schedule(id, ms, () => {
        this.#call(run);
        if (this.#waiting.has(id)) again();
      });
    };
    again();
    return id;
  }

  /** The timer does not run any more; one that is over is no error. */
  cancel(id: number): void {
    this.#waiting.get(id)?.cancel();
    this.#waiting.delete(id);
  }

  /** None runs from now on. */
  stop(): void {
    this.#isStopped = true;
    for (const scheduled of this.#waiting.values()) scheduled.cancel();
    this.#waiting.clear();
  }

  #take(ms: number, least: number): number {
    if (!(ms >= least && Number.isFinite(ms))) throw new RangeError(`a timer cannot take ${ms} ms`);
    if (this.#waiting.size >= MOST_TIMERS) throw new RangeError(`a hook has ${MOST_TIMERS} timers at most`);
    this.#last += 1;
    return this.#last;
  }

  #schedule(id: number, ms: number, callback: () => void): void {
    if (this.#isStopped) return;
    const delay = BigInt(Math.round(ms * NANOSECONDS_PER_MILLISECOND));
    this.#waiting.set(id, this.#options.clock.schedule(delay, callback));
  }

  #call(run: () => void | Promise<void>): void {
    const { owner, onFault, onTimer } = this.#options;
    onTimer?.();
    try {
      const result: unknown = asOwner(owner, 'a timer or a promise', run);
      if (result instanceof Promise) result.catch(onFault);
    } catch (error) {
      onFault(error);
    }
  }
}
