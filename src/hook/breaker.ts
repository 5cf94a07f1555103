/**
 * The circuit breakers of a chain: a hook that is at fault too often is taken out, and tried again later.
 *
 * ```
 *   closed ── N faults within the window ──> open ── its time is over, or a command ──> half open ── so many packets without a fault ──> closed
 *                                             ^                                            │
 *                                             └───────────────── a fault ──────────────────┘
 * ```
 * Rules:
 * - A hook whose breaker is closed costs nothing: faults are counted where they happen, and an open breaker is another entry in the list
 *   that the chain walks (chain-entries.ts).
 * - Times are those of the packets: with none, nothing opens and nothing is tried.
 * - Half open is one fault from open: the first packet with which the hook is at fault opens it again.
 *
 * @module
 */

import type { BreakerRule } from '../config/faults.ts';

/** Packets go to the hook. */
export const CLOSED = 0;
/** They do not. */
export const OPEN = 1;
/** They do, and the first fault opens it. */
export const HALF_OPEN = 2;

/** State of a breaker. */
export type BreakerState = typeof CLOSED | typeof OPEN | typeof HALF_OPEN;

/** What the breakers need of the chain. */
export interface BreakerSink {
  /** Called at each change, on the packet path. */
  changed(hook: number, state: BreakerState): void;
  /** Packets that the hook was called with. */
  seen(hook: number): number;
}

/** One for each hook. */
export class Breakers {
  /** Of them, those that are half open. */
  halfOpen = 0;
  readonly #rule: BreakerRule;
  readonly #sink: BreakerSink;
  readonly #state: Uint8Array;
  /** Times of the last faults, `faults` for each hook. */
  readonly #times: Float64Array;
  readonly #next: Int32Array;
  /** When it is tried again; 0 until the first packet says what time it is. */
  readonly #dueMs: Float64Array;
  readonly #seenAt: Float64Array;

  constructor(rule: BreakerRule, hooks: number, sink: BreakerSink) {
    this.#rule = rule;
    this.#sink = sink;
    this.#state = new Uint8Array(hooks);
    this.#times = new Float64Array(hooks * rule.faults).fill(Number.NEGATIVE_INFINITY);
    this.#next = new Int32Array(hooks);
    this.#dueMs = new Float64Array(hooks);
    this.#seenAt = new Float64Array(hooks);
  }

  /** Of one hook. */
  stateOf(hook: number): BreakerState {
    return this.#state[hook] as BreakerState;
  }

  /** The hook was at fault. Cost: a few stores, no allocation unless it opens. */
  fault(hook: number, nowMs: number): void {
    const state = this.#state[hook];
    if (state === OPEN) return;
    if (state === HALF_OPEN) {
      this.open(hook, nowMs);
      return;
    }
    const { faults, windowSeconds } = this.#rule;
    const at = hook * faults + (this.#next[hook] as number);
    // The slot holds the fault that was so many before this one.
    this.#times[at] = nowMs;
    const next = ((this.#next[hook] as number) + 1) % faults;
    this.#next[hook] = next;
    const oldest = this.#times[hook * faults + next] as number;
    if (nowMs - oldest <= windowSeconds * 1000) this.open(hook, nowMs);
  }

  /** Opens it. @param nowMs - 0: its time counts from the next packet on */
  open(hook: number, nowMs: number): void {
    this.#leave(hook);
    this.#dueMs[hook] = nowMs === 0 ? 0 : nowMs + this.#rule.retrySeconds * 1000;
    this.#set(hook, OPEN);
  }

  /** Closes it, whatever it is. */
  close(hook: number): void {
    this.#leave(hook);
    const { faults } = this.#rule;
    this.#times.fill(Number.NEGATIVE_INFINITY, hook * faults, (hook + 1) * faults);
    this.#set(hook, CLOSED);
  }

  /** A packet comes by while it is open: half open once its time is over. */
  meet(hook: number, nowMs: number): void {
    const { retrySeconds } = this.#rule;
    if (retrySeconds === 0) return;
    const due = this.#dueMs[hook] as number;
    if (due === 0) this.#dueMs[hook] = nowMs + retrySeconds * 1000;
    else if (nowMs >= due) {
      this.#seenAt[hook] = this.#sink.seen(hook);
      this.halfOpen += 1;
      this.#set(hook, HALF_OPEN);
    }
  }

  /** Closes those that have been tried long enough. To be called while some are half open. */
  settle(): void {
    for (let hook = 0; hook < this.#state.length; hook++) {
      if (this.#state[hook] !== HALF_OPEN) continue;
      if (this.#sink.seen(hook) - (this.#seenAt[hook] as number) >= this.#rule.trialPackets) this.close(hook);
    }
  }

  #leave(hook: number): void {
    if (this.#state[hook] === HALF_OPEN) this.halfOpen -= 1;
  }

  #set(hook: number, state: BreakerState): void {
    if (this.#state[hook] === state) return;
    this.#state[hook] = state;
    this.#sink.changed(hook, state);
  }
}
