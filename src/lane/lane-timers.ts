/**
 * The timers of all hooks of a lane, and what becomes of them when another lane takes its place.
 *
 * ```
 *   old lane:  stand ─ onLeave ─ leave: interval, place, time left; how many wait to be called once ─> retire
 *                                                                              └─ the reload fails ──> goOn
 *   new lane:  stand ─ setup has started its own ─ follow ─ adopt ─ settle: what has gone, in notes ─> goOn
 * ```
 * A timer that repeats is the same where the hook has the same name, and the timer the same interval and place among those of that interval. It is
 * then called when the old one would have been. One that is called once is a function with what it has closed over: it cannot go anywhere. Those
 * that `adopt` starts stand for as many of them.
 *
 * Rule: the reader believes nothing. Whatever was written, only timers that the hook has started itself are called, and none later than by its
 * own interval.
 *
 * @module
 */

import { type HookTimers, LEAST_INTERVAL_MS, MOST_TIMERS, type TimerPhase } from './hook-timers.ts';

/** Timers that one lane leaves to another, those of all hooks together. Others start anew. */
export const MOST_PHASES = 4_096;
/** More hooks than a configuration has. */
const MOST_HOOKS = 4_096;

/** The timers of a hook, with what belongs to them. */
export interface OwnTimers {
  /** The hook's. */
  readonly name: string;
  readonly timers: HookTimers;
  /** How many packets of the hook wait. */
  readonly waiting: () => number;
}

/** What a lane says of the timers of a hook. Plain data. */
interface HookTimerEstate {
  readonly name: string;
  /** Timers that were to be called once. */
  readonly once: number;
  readonly phases: readonly TimerPhase[];
}

/** What a lane says of its timers. Plain data. */
export interface TimerEstate {
  /** What time it was, in milliseconds, on a clock that both lanes have. */
  readonly clockMs: number;
  readonly hooks: readonly HookTimerEstate[];
}

/** The timers of a lane. */
export class LaneTimers {
  readonly #hooks: readonly OwnTimers[];

  constructor(hooks: readonly OwnTimers[]) {
    this.#hooks = hooks;
  }

  /** None is called: the packets are another lane's, or about to be. */
  stand(): void {
    for (const { timers } of this.#hooks) timers.stand();
  }

  /** The packets are this lane's. */
  goOn(): void {
    for (const { timers } of this.#hooks) timers.goOn();
  }

  /** Another lane has the packets. A hook of which some wait here has its timers as long as the lane is there: they may release them. */
  retire(): void {
    for (const { timers, waiting } of this.#hooks) {
      if (waiting() === 0) timers.drop();
      timers.goOn();
    }
  }

  /** None is called any more. */
  stop(): void {
    for (const { timers } of this.#hooks) timers.stop();
  }

  /** What is left to another lane. @param clockMs - on a clock that both have */
  leave(clockMs: number): TimerEstate {
    let room = MOST_PHASES;
    const hooks: HookTimerEstate[] = [];
    for (const { name, timers, waiting } of this.#hooks) {
      const phases = timers.phases.slice(0, room);
      room -= phases.length;
      // For each packet that waits, one timer may be there to release it: both stay.
      const once = Math.max(0, timers.once - waiting());
      if (once > 0 || phases.length > 0) hooks.push({ name, once, phases });
    }
    return { clockMs, hooks };
  }

  /**
   * Takes over what another lane has left.
   *
   * @param value - whatever was found where a {@link TimerEstate} should be
   * @param clockMs - on a clock that both lanes have
   * @param adopt - has the hooks adopt what they were handed on
   * @returns what has gone, a sentence each
   */
  follow(value: unknown, clockMs: number, adopt: () => void): string[] {
    const estates = readTimerEstate(value, clockMs);
    const before = new Map<HookTimers, number>();
    for (const { name, timers } of this.#hooks) {
      timers.follow(estates.get(name)?.phases ?? []);
      before.set(timers, timers.once);
    }
    adopt();
    const notes: string[] = [];
    for (const { name, timers } of this.#hooks) {
      const restarted = Math.max(0, timers.once - (before.get(timers) ?? 0));
      const once = Math.max(0, (estates.get(name)?.once ?? 0) - restarted);
      estates.delete(name);
      const gone = timers.settle();
      if (gone > 0) notes.push(`${name} has lost ${countOf(gone, 'repeating')}: it starts none of the same interval`);
      if (once > 0)
        notes.push(
          `${name} has lost ${countOf(once, 'one-shot')}; its onLeave and adopt can hand on what they were for`,
        );
    }
    for (const [name, { once }] of estates)
      if (once > 0) notes.push(`${name} is no longer there; lost with it: ${countOf(once, 'one-shot')}`);
    return notes;
  }
}

/**
 * What can be read of what another lane wrote: by the name of the hook.
 *
 * @returns phases whose time left is between none and their interval, at `clockMs`
 */
export function readTimerEstate(value: unknown, clockMs: number): Map<string, HookTimerEstate> {
  const estates = new Map<string, HookTimerEstate>();
  if (!isRecord(value) || !isTime(value['clockMs'])) return estates;
  const passedMs = Math.max(0, clockMs - value['clockMs']);
  let room = MOST_PHASES;
  for (const hook of listOf(value['hooks'], MOST_HOOKS)) {
    if (!isRecord(hook) || typeof hook['name'] !== 'string' || estates.has(hook['name'])) continue;
    const phases: TimerPhase[] = [];
    for (const phase of listOf(hook['phases'], room)) {
      const read = readPhase(phase, passedMs);
      if (read !== null) phases.push(read);
    }
    room -= phases.length;
    const once = isPlace(hook['once']) ? hook['once'] : 0;
    estates.set(hook['name'], { name: hook['name'], once, phases });
  }
  return estates;
}

function readPhase(value: unknown, passedMs: number): TimerPhase | null {
  if (!isRecord(value)) return null;
  const { everyMs, place, leftMs } = value;
  if (!isTime(everyMs) || everyMs < LEAST_INTERVAL_MS || !isPlace(place) || !isTime(leftMs)) return null;
  return { everyMs, place, leftMs: Math.min(Math.max(0, leftMs - passedMs), everyMs) };
}

/** A list of no more than `most`: one that says it is longer is none, however little of it is there. */
function listOf(value: unknown, most: number): readonly unknown[] {
  return Array.isArray(value) && value.length <= most ? value : [];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** Also a count of timers. */
function isPlace(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_TIMERS;
}

function countOf(timers: number, kind: string): string {
  return `${timers} ${kind} ${timers === 1 ? 'timer' : 'timers'}`;
}
