/**
 * Wakes a lane for the packets that wait: when the next of them is due, or as soon as nothing of the lane's runs.
 *
 * Rule: one timer of the clock at a time, for the earliest moment; however many packets wait.
 *
 * @module
 */

import type { Scheduled } from '../ddk/host.ts';
import type { HookClock } from './hook-clock.ts';

const NANOSECONDS_PER_MS = 1e6;
/** The clock counts whole nanoseconds and the lane parts of a millisecond: time has to pass between two looks. */
const LEAST_NS = 1000;

/** One lane's. */
export class HoldTimer {
  readonly #clock: HookClock;
  readonly #wake: () => void;
  readonly #onTime: () => void;
  readonly #onTurn: () => void;
  #timer: Scheduled | null = null;
  /** When it is going to ring, on the clock of the lane. */
  readonly #atMs = new Float64Array([Number.POSITIVE_INFINITY]);
  #isSoon = false;

  /** @param wake - called between two packets */
  constructor(clock: HookClock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
    this.#onTime = () => {
      this.#timer = null;
      this.#atMs[0] = Number.POSITIVE_INFINITY;
      this.#wake();
    };
    this.#onTurn = () => {
      this.#isSoon = false;
      this.#wake();
    };
  }

  /** Wakes at that time, or earlier; infinity for never. @param nowMs - what time it is on the same clock */
  wakeAt(ms: number, nowMs: number): void {
    if (ms >= (this.#atMs[0] as number)) return;
    this.#timer?.cancel();
    this.#atMs[0] = ms;
    const delay = Math.max(LEAST_NS, Math.ceil((ms - nowMs) * NANOSECONDS_PER_MS));
    this.#timer = this.#clock.schedule(BigInt(delay), this.#onTime);
  }

  /** Wakes when what runs now has returned. */
  soon(): void {
    if (this.#isSoon) return;
    this.#isSoon = true;
    queueMicrotask(this.#onTurn);
  }

  /** Wakes no more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
