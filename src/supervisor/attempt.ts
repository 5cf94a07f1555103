/**
 * One thing that is tried until it succeeds: bounded in time, again after a delay that grows, one warning for each text.
 *
 * ```
 *   fails ─> warned of ─> not due for 100 ms, 200 ms ... 5 s ─> succeeds ─> said once, and the delay starts anew
 * ```
 * Rule: a failure is recorded state, never an exception that leaves the loop. A call that does not answer counts as failed;
 * what it may still do later is found by the next look at what is there.
 *
 * @module
 */

import { FirehookError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Clock, Timer } from './clock.ts';

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
/** No call takes longer, or it counts as failed. */
const TIMEOUT_MS = 10_000;

/** What an attempt needs of its surroundings. */
export interface AttemptWorld {
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of every failure: a start ends with the first. */
  failed(error: unknown): void;
}

/** Tries one thing, and remembers how that went. */
export class Attempt {
  readonly #world: AttemptWorld;
  readonly #what: string;
  #failure: string | null = null;
  #error: unknown = null;
  #delayMs = FIRST_DELAY_MS;
  #dueMs = 0;

  /** @param what - the start of the sentence that says what failed */
  constructor(world: AttemptWorld, what: string) {
    this.#world = world;
    this.#what = what;
  }

  /** Why it failed last, as a sentence; null when it succeeded, or was never tried. */
  get failure(): string | null {
    return this.#failure;
  }

  /** What was thrown last; null when it succeeded. */
  get error(): unknown {
    return this.#error;
  }

  /** When it may be tried next, on the clock; 0 where nothing stands against it. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** True when it may be tried now. */
  get isDue(): boolean {
    return this.#world.clock.now() >= this.#dueMs;
  }

  /**
   * Tries it.
   *
   * @param isProof - false: that the call went well does not show that it helped; who sees it says {@link Attempt.succeed}
   * @returns the result, or undefined when it failed
   */
  async run<Result>(
    task: () => Promise<Result> | Result,
    isProof = true,
  ): Promise<{ readonly value: Result } | undefined> {
    let timer: Timer | null = null;
    try {
      const late = new Promise<never>((_resolve, reject) => {
        timer = this.#world.clock.setTimer(() => {
          reject(new FirehookError('FIREHOOK_ATTACH_TOOL', `the kernel has not answered after ${TIMEOUT_MS / 1000} s`));
        }, TIMEOUT_MS);
      });
      // Where both could be there at once, the answer counts.
      const value = await Promise.race([(async () => task())(), late]);
      if (isProof) this.succeed();
      return { value };
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error), error);
      return undefined;
    } finally {
      (timer as Timer | null)?.cancel();
    }
  }

  /** Notes that it did not do what it was to do. */
  fail(text: string, error: unknown = new FirehookError('FIREHOOK_ATTACH_TOOL', text)): void {
    const failure = `${this.#what}: ${text}`;
    if (failure !== this.#failure) this.#world.log.warn(`${failure}. It is tried again until it succeeds.`);
    this.#failure = failure;
    this.#error = error;
    this.#dueMs = this.#world.clock.now() + this.#delayMs;
    this.#delayMs = Math.min(this.#delayMs * 2, MAX_DELAY_MS);
    this.#world.failed(error);
  }

  /** Notes that it has succeeded. */
  succeed(): void {
    if (this.#failure !== null) this.#world.log.info(`${this.#what}: succeeded.`);
    this.reset();
  }

  /** Forgets what was: the next try is a first one. */
  reset(): void {
    this.#failure = null;
    this.#error = null;
    this.#delayMs = FIRST_DELAY_MS;
    this.#dueMs = 0;
  }
}
