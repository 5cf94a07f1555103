/**
 * Timed apply: a generation that is in force for a while, until somebody confirms it; else the one before comes back.
 *
 * ```
 *   apply ─> trial ── confirm ─────────────────> written to the configuration, the former generation ends
 *              ├──── cancel, or the time is up ─> the former generation comes back, out of memory
 *              └──── the supervisor is killed ──> nothing is left of it; whoever starts another reads the configuration, which is the former one
 * ```
 * Rule: the former generation is kept whole, programs and tables, so that going back reads no file and asks nobody. Each step happens in its turn
 * among reloads: a confirmation and the end of the time never both happen. The time is that of the boot clock, which goes on while a machine sleeps.
 *
 * @see clock_gettime(2), CLOCK_BOOTTIME
 * @module
 */

import { FirehookError } from '../errors.ts';
import type { Clock, Timer } from './clock.ts';

/** Shortest and longest trial, in seconds. */
export const TRIAL_SECONDS = { least: 1, most: 3600 } as const;

/** How the last trial ended. */
export type TrialEnd = 'confirmed' | 'cancelled' | 'expired';

/** What {@link Trials} needs. `Place` is what there is to go back to, `Done` what is said of a step. */
export interface TrialsOptions<Place, Done> {
  readonly clock: Clock;
  /** Seconds of the boot clock. */
  readonly bootSeconds: () => number;
  /** Does a task when it is its turn. */
  readonly inTurn: <Result>(task: () => Promise<Result>) => Promise<Result>;
  /** Puts a file in force. Rejects where it was refused, and nothing has happened. */
  readonly enter: (file: string) => Promise<Entered<Place, Done>>;
  /** Goes back. Does not fail. @param end - why */
  readonly goBack: (place: Place, end: TrialEnd, file: string) => Promise<Done>;
  /** Makes the text permanent. @throws why not; nothing has happened then */
  readonly keep: (place: Place, text: string, file: string) => Done;
}

/** A file that has been put in force. */
export interface Entered<Place, Done> {
  readonly former: Place;
  readonly text: string;
  readonly done: Done;
}

/** A trial, from outside. */
export interface TrialView<Place> {
  readonly file: string;
  readonly secondsLeft: number;
  readonly former: Place;
}

interface Trial<Place> {
  readonly file: string;
  readonly text: string;
  readonly former: Place;
  readonly endsAt: number;
}

/** How often the boot clock is looked at: a timer stands still while a machine sleeps. */
const LOOK_MS = 250;

/** Keeps the one trial that there may be. */
export class Trials<Place, Done> {
  readonly #options: TrialsOptions<Place, Done>;
  #trial: Trial<Place> | null = null;
  #timer: Timer | null = null;
  /** File and end of the last one, on the clock that was handed in; null when there was none. */
  last: { readonly file: string; readonly end: TrialEnd; readonly atMs: number } | null = null;

  constructor(options: TrialsOptions<Place, Done>) {
    this.#options = options;
  }

  /** The trial that is on; null when there is none. */
  get view(): TrialView<Place> | null {
    if (this.#trial === null) return null;
    const { file, former, endsAt } = this.#trial;
    return { file, former, secondsLeft: Math.max(0, Math.ceil(endsAt - this.#options.bootSeconds())) };
  }

  /** @throws {@link FirehookError} FIREHOOK_TRIAL while a trial is on */
  assertNone(): void {
    if (this.#trial === null) return;
    throw new FirehookError(
      'FIREHOOK_TRIAL',
      `${this.#trial.file} is in force until it is confirmed or the time is up`,
      {
        advice: 'firehook confirm keeps it, firehook apply --cancel goes back',
      },
    );
  }

  /**
   * Puts a file in force for so many seconds, counted from when it is.
   *
   * @throws {@link FirehookError} why not
   */
  apply(file: string, seconds: number): Promise<Done> {
    return this.#options.inTurn(async () => {
      this.assertNone();
      const { former, text, done } = await this.#options.enter(file);
      this.#trial = { file, text, former, endsAt: this.#options.bootSeconds() + seconds };
      this.#look();
      return done;
    });
  }

  /** @throws {@link FirehookError} FIREHOOK_TRIAL where there is none or its time is up; what {@link TrialsOptions.keep} throws: the trial goes on */
  confirm(): Promise<Done> {
    return this.#options.inTurn(() => {
      const trial = this.#current();
      if (this.#options.bootSeconds() >= trial.endsAt) throw none('the time is up');
      const done = this.#options.keep(trial.former, trial.text, trial.file);
      this.#end('confirmed');
      return Promise.resolve(done);
    });
  }

  /** @throws {@link FirehookError} FIREHOOK_TRIAL where there is none */
  cancel(): Promise<Done> {
    return this.#options.inTurn(() => this.#return('cancelled'));
  }

  /** Ends the time; the generation in force stays. @returns what is no longer needed */
  stop(): Place | null {
    const former = this.#trial?.former ?? null;
    this.#timer?.cancel();
    this.#trial = null;
    return former;
  }

  #look(): void {
    const trial = this.#trial;
    if (trial === null) return;
    if (this.#options.bootSeconds() < trial.endsAt) {
      this.#timer = this.#options.clock.setTimer(() => this.#look(), LOOK_MS);
      return;
    }
    // Confirmed or cancelled before it is its turn: then there is nothing to do.
    void this.#options.inTurn(async () => {
      if (this.#trial === trial) await this.#return('expired');
    });
  }

  async #return(end: TrialEnd): Promise<Done> {
    const { former, file } = this.#current();
    const done = await this.#options.goBack(former, end, file);
    this.#end(end);
    return done;
  }

  #current(): Trial<Place> {
    if (this.#trial === null) throw none('no configuration is in force for a while only');
    return this.#trial;
  }

  #end(end: TrialEnd): void {
    const file = this.#trial?.file ?? '';
    this.#timer?.cancel();
    this.#trial = null;
    this.last = { file, end, atMs: this.#options.clock.now() };
  }
}

function none(reason: string): FirehookError {
  return new FirehookError('FIREHOOK_TRIAL', reason);
}
