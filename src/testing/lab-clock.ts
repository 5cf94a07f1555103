/**
 * The clock of a lab: that of its packets, which goes on when a test says so.
 *
 * Rule: what waits on it is called when its moment has come, in order, and never within a packet. Real time means nothing here.
 *
 * @module
 */

import type { Scheduled } from '../ddk/host.ts';
import { FileClock, type HookClock } from '../lane/hook-clock.ts';

const NANOSECONDS = 1_000_000_000n;
const NANOSECONDS_PER_MS = 1e6;
/** The clock of a file passes a longer gap in one step. */
const LONGEST_STEP = 3600n * NANOSECONDS;

/** A clock that stands still between two steps. */
export class LabClock implements HookClock {
  readonly #clock = new FileClock();
  #isMoving = false;
  #ms = 0;

  /**
   * @param startMs - milliseconds since 1970
   * @throws RangeError for less than one: a clock at 0 waits for its first packet
   */
  constructor(startMs: number) {
    if (!(startMs >= 1)) throw new RangeError(`startMs: ${startMs} is not valid; expected 1 or more`);
    this.advance(nanosecondsOf(startMs));
  }

  /** {@inheritDoc HookClock.now} */
  now(): bigint {
    return this.#clock.now();
  }

  /** {@inheritDoc HookClock.schedule} */
  schedule(delay: bigint, callback: () => void): Scheduled {
    return this.#clock.schedule(delay, callback);
  }

  /** Milliseconds since 1970. Makes nothing while time stands still. */
  get ms(): number {
    return this.#isMoving ? msOf(this.#clock.now()) : this.#ms;
  }

  /** The same in parts, as frames have it. */
  get frameTime(): { readonly seconds: number; readonly nanoseconds: number } {
    const now = this.#clock.now();
    return { seconds: Number(now / NANOSECONDS), nanoseconds: Number(now % NANOSECONDS) };
  }

  /** Goes on by so many nanoseconds. What a callback throws comes through. */
  advance(by: bigint): void {
    const end = this.#clock.now() + by;
    this.#isMoving = true;
    try {
      for (let at = this.#clock.now(); at < end; at = this.#clock.now()) {
        // The first step of all says what time it is.
        const to = at !== 0n && end - at > LONGEST_STEP ? at + LONGEST_STEP : end;
        this.#clock.advance(Number(to / NANOSECONDS), Number(to % NANOSECONDS));
      }
    } finally {
      this.#isMoving = false;
      this.#ms = msOf(this.#clock.now());
    }
  }
}

/** Not divided as a number: nanoseconds since 1970 are more than a double holds exactly. */
function msOf(nanoseconds: bigint): number {
  const whole = nanoseconds / BigInt(NANOSECONDS_PER_MS);
  return Number(whole) + Number(nanoseconds % BigInt(NANOSECONDS_PER_MS)) / NANOSECONDS_PER_MS;
}

/** Milliseconds as whole nanoseconds. */
export function nanosecondsOf(ms: number): bigint {
  if (!Number.isFinite(ms) || ms < 0)
    throw new RangeError(`${ms} is no time that can pass; expected milliseconds, 0 or more`);
  const whole = Math.floor(ms);
  return BigInt(whole) * BigInt(NANOSECONDS_PER_MS) + BigInt(Math.round((ms - whole) * NANOSECONDS_PER_MS));
}
