/**
 * Timers of one hook, on the clock of the packets.
 *
 * ```
 *   live:     between two batches of packets, when the time has passed
 *   replay:   before the first packet of the file that is not earlier
 *   standing: not at all, while the packets are another lane's or nobody's; what was due meanwhile is called when they go on
 * ```
 * A repeating timer has a place among those of its interval that run, the lowest that is free: by interval and place it is known again in the lane
 * that takes the place of this one.
 *
 * Rules: what a timer throws, or rejects, is a fault of its hook and of nobody else. After teardown none runs. A hook has a bounded number of them.
 *
 * @module
 */

import type { Scheduled } from '../ddk/host.ts';
import { asOwner } from '../hook/async-owner.ts';
import type { HookClock } from './hook-clock.ts';

const NANOSECONDS_PER_MILLISECOND = 1_000_000;
/** More than one for each packet that waits is a leak. */
export const MOST_TIMERS = 10_000;
/** The shortest interval: a timer of no time would leave no time for packets. */
export const LEAST_INTERVAL_MS = 1;
/** Interval and place of a timer that is called once. */
const ONCE = 0;

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

/** Where a repeating timer stands: plain data. */
export interface TimerPhase {
  /** Milliseconds from one call to the next. */
  readonly everyMs: number;
  /** Its place among the timers of that interval, from 0. */
  readonly place: number;
  /** Milliseconds to the next call; negative where it is late. */
  readonly leftMs: number;
}

/** One timer that waits. */
interface Timer {
  /** Milliseconds from one call to the next; {@link ONCE} where there is none. */
  readonly everyMs: number;
  readonly place: number;
  /** Its time has come. */
  readonly fire: () => void;
  scheduled: Scheduled;
  /** Of one that repeats: when it is called next. */
  dueNs: bigint;
  /** Its time came while timers stood. */
  isLate: boolean;
}

/** Timers of one hook. */
export class HookTimers {
  readonly #options: TimerOptions;
  readonly #waiting = new Map<number, Timer>();
  readonly #places = new Places();
  #last = 0;
  #once = 0;
  #isStopped = false;
  #isStanding = false;
  /** Of the lane before, while this one takes its place: phases that nobody has yet. */
  #phases: TimerPhase[] | null = null;

  constructor(options: TimerOptions) {
    this.#options = options;
  }

  /** Timers that wait to be called once. */
  get once(): number {
    return this.#once;
  }

  /** Where those that repeat stand, the oldest first. */
  get phases(): TimerPhase[] {
    const now = this.#options.clock.now();
    return [...this.#waiting.values()]
      .filter(({ everyMs }) => everyMs !== ONCE)
      .map(({ everyMs, place, dueNs }) => ({ everyMs, place, leftMs: millisecondsOf(dueNs - now) }));
  }

  /** Calls `run` once, `ms` milliseconds from now. @returns a number for {@link HookTimers.cancel} */
  after(ms: number, run: () => void | Promise<void>): number {
    const id = this.#take(ms, 0);
    if (this.#isStopped) return id;
    this.#once += 1;
    const fire = (): void => {
      this.#forget(id);
      this.#call(run);
    };
    this.#add(id, ONCE, ONCE, ms, fire);
    return id;
  }

  /** Calls `run` every `ms` milliseconds, the first time `ms` from now. @returns a number for {@link HookTimers.cancel} */
  every(ms: number, run: () => void | Promise<void>): number {
    const id = this.#take(ms, LEAST_INTERVAL_MS);
    if (this.#isStopped) return id;
    const fire = (): void => {
      this.#call(run);
      const timer = this.#waiting.get(id);
      if (timer !== undefined) this.#schedule(timer, ms);
    };
    const place = this.#places.take(ms);
    this.#add(id, ms, place, this.#claim(ms, place) ?? ms, fire);
    return id;
  }

  /** The timer does not run any more; one that is over is no error. */
  cancel(id: number): void {
    this.#waiting.get(id)?.scheduled.cancel();
    this.#forget(id);
  }

  /** None runs from now on. */
  stop(): void {
    this.#isStopped = true;
    this.drop();
  }

  /** Those that wait do not run any more. */
  drop(): void {
    for (const id of [...this.#waiting.keys()]) this.cancel(id);
  }

  /** None is called until {@link HookTimers.goOn}. */
  stand(): void {
    this.#isStanding = true;
  }

  /** They go on; what was due meanwhile is called, once, as soon as there is nothing else to do. */
  goOn(): void {
    this.#isStanding = false;
    for (const timer of this.#waiting.values()) if (timer.isLate) this.#schedule(timer, 0);
  }

  /**
   * A timer of the same interval and place is called when the one of the lane before would have been: one that repeats already, and one that is
   * started until {@link HookTimers.settle}.
   *
   * @param phases - of which `leftMs` is between 0 and `everyMs`
   */
  follow(phases: readonly TimerPhase[]): void {
    this.#phases = [...phases];
    for (const timer of this.#waiting.values()) {
      if (timer.everyMs === ONCE) continue;
      const leftMs = this.#claim(timer.everyMs, timer.place);
      if (leftMs !== undefined) this.#schedule(timer, leftMs);
    }
  }

  /** From here on timers start as ever. @returns phases that no timer has taken */
  settle(): number {
    const left = this.#phases?.length ?? 0;
    this.#phases = null;
    return left;
  }

  #claim(everyMs: number, place: number): number | undefined {
    const phases = this.#phases;
    if (phases === null) return undefined;
    const at = phases.findIndex((one) => one.everyMs === everyMs && one.place === place);
    return at === -1 ? undefined : phases.splice(at, 1)[0]?.leftMs;
  }

  #take(ms: number, least: number): number {
    if (!(ms >= least && Number.isFinite(ms))) throw new RangeError(`a timer cannot take ${ms} ms`);
    if (this.#waiting.size >= MOST_TIMERS) throw new RangeError(`a hook has ${MOST_TIMERS} timers at most`);
    this.#last += 1;
    return this.#last;
  }

  #add(id: number, everyMs: number, place: number, ms: number, fire: () => void): void {
    const timer = { everyMs, place, fire, scheduled: NOTHING, dueNs: 0n, isLate: false };
    this.#waiting.set(id, timer);
    this.#schedule(timer, ms);
  }

  #schedule(timer: Timer, ms: number): void {
    const { clock } = this.#options;
    const delay = BigInt(Math.round(ms * NANOSECONDS_PER_MILLISECOND));
    timer.scheduled.cancel();
    timer.isLate = false;
    if (timer.everyMs !== ONCE) timer.dueNs = clock.now() + delay;
    timer.scheduled = clock.schedule(delay, () => {
      if (this.#isStanding) timer.isLate = true;
      else timer.fire();
    });
  }

  #forget(id: number): void {
    const timer = this.#waiting.get(id);
    if (timer === undefined) return;
    this.#waiting.delete(id);
    if (timer.everyMs === ONCE) this.#once -= 1;
    else this.#places.give(timer.everyMs, timer.place);
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

/** What has not been scheduled. */
const NOTHING: Scheduled = { cancel: () => undefined };

/** Places of timers that repeat, by their interval. */
class Places {
  /** Below `from` none is free. */
  readonly #byInterval = new Map<number, { readonly taken: Set<number>; from: number }>();

  /** The lowest that is free. Cost: a look at those that are taken above one that was given back. */
  take(everyMs: number): number {
    const places = this.#byInterval.get(everyMs) ?? { taken: new Set(), from: 0 };
    let place = places.from;
    while (places.taken.has(place)) place += 1;
    places.taken.add(place);
    places.from = place + 1;
    this.#byInterval.set(everyMs, places);
    return place;
  }

  give(everyMs: number, place: number): void {
    const places = this.#byInterval.get(everyMs);
    if (places === undefined) return;
    places.taken.delete(place);
    places.from = Math.min(places.from, place);
    if (places.taken.size === 0) this.#byInterval.delete(everyMs);
  }
}

function millisecondsOf(nanoseconds: bigint): number {
  return Number(nanoseconds) / NANOSECONDS_PER_MILLISECOND;
}
