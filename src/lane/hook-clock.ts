/**
 * The clock that hooks measure by and wait on: that of the packets.
 *
 * ```
 *   live:    the time of the day; what waits is called between two batches of packets
 *   replay:  the time of the packet at hand; what waits is called before the first packet that is not earlier
 * ```
 * A gap of more than an hour between two packets of a file is passed in one step: a timer of a millisecond would be called
 * without end where a capture begins with a packet of 1970.
 *
 * Rule: nothing is called within a packet. At the end of a file time goes on while packets wait; what still waits then is never called.
 *
 * @module
 */

import type { Scheduled } from '../ddk/host.ts';

/** A clock. */
export interface HookClock {
  /** Nanoseconds since 1970. */
  now(): bigint;
  /** Calls back once, `delay` nanoseconds from now. */
  schedule(delay: bigint, callback: () => void): Scheduled;
  /**
   * Nanoseconds that have passed on it: unlike the difference of two times, not those before the first packet of a file.
   *
   * @defaultValue the time
   */
  elapsed?(): bigint;
}

const NANOSECONDS = 1_000_000_000n;
const MILLISECOND = 1_000_000n;
/** setTimeout(3) takes no longer delay. */
const LONGEST_MS = 2 ** 31 - 1;
/** A longer gap of a file is not lived through. */
const LONGEST_GAP = 3600n * NANOSECONDS;

/** The time of the day. */
export class LiveClock implements HookClock {
  /** {@inheritDoc HookClock.now} */
  now(): bigint {
    return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
  }

  /** {@inheritDoc HookClock.schedule} */
  schedule(delay: bigint, callback: () => void): Scheduled {
    let left = delay <= 0n ? 0 : Number((delay + MILLISECOND - 1n) / MILLISECOND);
    let timer: NodeJS.Timeout;
    const wait = (): void => {
      const part = Math.min(left, LONGEST_MS);
      left -= part;
      // A hook that waits does not keep a lane alive that is to end.
      timer = setTimeout(() => (left > 0 ? wait() : callback()), part).unref();
    };
    wait();
    return { cancel: () => clearTimeout(timer) };
  }
}

interface Waiting {
  readonly at: bigint;
  readonly order: number;
  readonly callback: () => void;
}

/** The time of a file's packets, which stands still between two of them. */
export class FileClock implements HookClock {
  #now = 0n;
  #start = 0n;
  #order = 0;
  #waiting: Waiting[] = [];

  /** {@inheritDoc HookClock.now} */
  now(): bigint {
    return this.#now;
  }

  /** {@inheritDoc HookClock.elapsed} */
  elapsed(): bigint {
    return this.#now - this.#start;
  }

  /** {@inheritDoc HookClock.schedule} */
  schedule(delay: bigint, callback: () => void): Scheduled {
    const one = { at: this.#now + (delay < 0n ? 0n : delay), order: this.#order++, callback };
    this.#waiting.push(one);
    return {
      cancel: () => {
        this.#waiting = this.#waiting.filter((other) => other !== one);
      },
    };
  }

  /**
   * A packet of this time is next: what waits for it, or for an earlier moment, is called first, in order, each at its own
   * time, or, behind a gap of more than an hour, at that of the packet. A file that goes back in time does not turn the
   * clock back.
   */
  advance(seconds: number, nanoseconds: number): void {
    const to = BigInt(seconds) * NANOSECONDS + BigInt(nanoseconds);
    // The first packet says what time it is: nothing can have waited for it.
    if (this.#now === 0n) this.#shift(to);
    if (to - this.#now > LONGEST_GAP) this.#now = to;
    for (let next = this.#next(to); next !== undefined; next = this.#next(to)) {
      this.#waiting = this.#waiting.filter((other) => other !== next);
      if (next.at > this.#now) this.#now = next.at;
      next.callback();
    }
    if (to > this.#now) this.#now = to;
  }

  /** What was scheduled while no packet had told the time counts from the first one on. */
  #shift(by: bigint): void {
    this.#now = by;
    this.#start = by;
    this.#waiting = this.#waiting.map((one) => ({ ...one, at: one.at + by }));
  }

  #next(to: bigint): Waiting | undefined {
    const due = this.#waiting.filter(({ at }) => at <= to);
    return due.sort((a, b) => (a.at === b.at ? a.order - b.order : a.at < b.at ? -1 : 1))[0];
  }
}
