/**
 * Faults of hooks with packets: which kind each is, what was declared for it, and when a hook is taken out.
 *
 * ```
 *   reason ─> kind ─> its counter ─> breaker of the hook
 *               └──> verdict that was declared for that kind
 * ```
 * Part of the hook chain. Rule: nothing here is on the way of a packet with which no hook is at fault.
 *
 * @module
 */

import type { BreakerRule, HookFaultPolicy, Outcome } from '../config/faults.ts';
import { DROP, FORWARD } from '../firewall/constants.ts';
import { columnOf, HOOK_COUNTERS } from '../telemetry/counters.ts';
import { type BreakerState, Breakers, CLOSED, HALF_OPEN, OPEN } from './breaker.ts';
import type { ChainEntries } from './chain-entries.ts';
import type { CallHook } from './compile-calls.ts';
import { ACCEPT, type Verdict } from './contract.ts';
import { NOT_HELD } from './fault-text.ts';

const SEEN = columnOf(HOOK_COUNTERS, 'seen');
const FAULTS = columnOf(HOOK_COUNTERS, 'faults');
const THREW = columnOf(HOOK_COUNTERS, 'threw');
const NO_VERDICT = columnOf(HOOK_COUNTERS, 'noVerdict');
const MISUSED = columnOf(HOOK_COUNTERS, 'misused');
const TOO_LATE = columnOf(HOOK_COUNTERS, 'tooLate');
const TRIPS = columnOf(HOOK_COUNTERS, 'breakerTrips');
const IS_OPEN = columnOf(HOOK_COUNTERS, 'breakerOpen');
const IS_HALF_OPEN = columnOf(HOOK_COUNTERS, 'breakerHalfOpen');

/** What a call that took too long ends with. One object, so that it costs none. */
const LATE: Error = new Error('took longer than its budget');

/** What decides about a packet with which a hook is at fault, where nothing else is said. */
export function everyFault(outcome: Outcome): HookFaultPolicy {
  return {
    hookThrows: outcome,
    noVerdict: outcome,
    misuse: outcome,
    overTime: outcome,
    breakerOpen: outcome,
    heldTooLong: 'hook',
    budgetMicroseconds: 0,
    breaker: NO_BREAKER,
  };
}

/** No hook is taken out. */
export const NO_BREAKER: BreakerRule = { faults: 0, windowSeconds: 10, retrySeconds: 30, trialPackets: 100 };

/** What a breaker did, for people: the place of the hook, and the sentence about it. */
export type OnBreaker = (hook: number, state: BreakerState, sentence: string) => void;

/** What {@link HookFaults} is made of. */
export interface HookFaultOptions {
  readonly policy: HookFaultPolicy;
  /** Rows of the hooks. */
  readonly counters: Float64Array;
  readonly width: number;
  readonly entries: ChainEntries;
  readonly onBreaker: OnBreaker;
}

/** Those of one chain. */
export class HookFaults {
  /** Null where no hook is ever taken out. */
  readonly breakers: Breakers | null;
  /** A packet that meets an open breaker is dropped. */
  readonly dropsWhenOpen: boolean;
  readonly #policy: HookFaultPolicy;
  readonly #counters: Float64Array;
  readonly #width: number;
  readonly #entries: ChainEntries;
  readonly #onBreaker: OnBreaker;

  constructor({ policy, counters, width, entries, onBreaker }: HookFaultOptions) {
    this.#policy = policy;
    this.#counters = counters;
    this.#width = width;
    this.#entries = entries;
    this.#onBreaker = onBreaker;
    this.dropsWhenOpen = policy.breakerOpen === 'drop';
    const hooks = counters.length / width;
    this.breakers =
      policy.breaker.faults === 0
        ? null
        : new Breakers(policy.breaker, hooks, {
            changed: (hook, state) => this.#changed(hook, state),
            seen: (hook) => counters[hook * width + SEEN] as number,
          });
  }

  /** The calls of a chain, each with a look at the clock before and behind it where there is a budget. */
  timed(call: CallHook): CallHook {
    const budgetMs = this.#policy.budgetMicroseconds / 1000;
    if (budgetMs === 0) return call;
    return (index, packet, context, isFresh) => {
      const startMs = performance.now();
      const verdict = call(index, packet, context, isFresh);
      if (performance.now() - startMs > budgetMs && (verdict === FORWARD || verdict === ACCEPT)) throw LATE;
      return verdict;
    };
  }

  /** What is said of a fault: a call that took too long says so by what it threw. */
  reasonOf(reason: string, error: unknown): string {
    if (error !== LATE) return reason;
    return `took longer than its budget of ${this.#policy.budgetMicroseconds} µs`;
  }

  /** What is said to have been thrown. */
  errorOf(error: unknown): unknown {
    return error === LATE ? undefined : error;
  }

  /**
   * A hook was at fault with a packet.
   *
   * @param nowMs - by the packet
   * @returns what was declared for that
   */
  count(hook: number, reason: string, error: unknown, nowMs: number): Verdict {
    const row = hook * this.#width;
    const policy = this.#policy;
    add(this.#counters, row + FAULTS);
    this.breakers?.fault(hook, nowMs);
    if (error === LATE) {
      add(this.#counters, row + TOO_LATE);
      return verdictOf(policy.overTime);
    }
    if (reason === 'threw') {
      add(this.#counters, row + THREW);
      return verdictOf(policy.hookThrows);
    }
    if (reason === NOT_HELD || reason.startsWith('returned ')) {
      add(this.#counters, row + NO_VERDICT);
      return verdictOf(policy.noVerdict);
    }
    add(this.#counters, row + MISUSED);
    return verdictOf(policy.misuse);
  }

  /** It was at fault beside packets. */
  countBeside(hook: number, nowMs: number): void {
    if (hook < 0) return;
    add(this.#counters, hook * this.#width + FAULTS);
    this.breakers?.fault(hook, nowMs);
  }

  #changed(hook: number, state: BreakerState): void {
    const row = hook * this.#width;
    this.#counters[row + IS_OPEN] = state === OPEN ? 1 : 0;
    this.#counters[row + IS_HALF_OPEN] = state === HALF_OPEN ? 1 : 0;
    if (state === OPEN) add(this.#counters, row + TRIPS);
    this.#entries.trip(hook, state === OPEN);
    this.#onBreaker(hook, state, this.#sentenceOf(state));
  }

  #sentenceOf(state: BreakerState): string {
    const { breaker } = this.#policy;
    const becomes = this.dropsWhenOpen ? 'the packets that would meet it are dropped' : 'packets go on without it';
    const again =
      breaker.retrySeconds === 0 ? 'until its breaker is closed by command' : `for ${breaker.retrySeconds} s`;
    if (state === OPEN) return `breaker open: it was at fault too often, and ${becomes} ${again}`;
    if (state === CLOSED) return 'breaker closed: it gets packets again';
    return `breaker half open: it is tried with ${breaker.trialPackets} packets, and the first fault takes it out again`;
  }
}

function verdictOf(outcome: Outcome): Verdict {
  return outcome === 'drop' ? DROP : FORWARD;
}

function add(counters: Float64Array, index: number): void {
  counters[index] = (counters[index] as number) + 1;
}
