/**
 * Has the lanes watched for what they take, five times a second, and says at once when they take nothing.
 *
 * ```
 *   every 200 ms:  what lanes say ─> counters of nftables ─> what lanes say ─> DrainWatch ─> changed: the lease follows
 *                                                                                       └─> forged: the lane is killed
 * ```
 * Rule: it never waits for the kernel. While an answer is due nothing is looked at, and what was found last stands; that the lanes'
 * words of progress move is watched by the thread of the lease meanwhile.
 *
 * @module
 */

import type { Plumbing } from '../plumbing/contract.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Clock, Timer } from './clock.ts';
import { DrainWatch, takenBy } from './drain-watch.ts';
import type { LanePlan, LaneRecord } from './lane-set.ts';

/** What {@link DrainGuard} takes. */
export interface DrainGuardOptions<Plan extends LanePlan> {
  readonly clock: Clock;
  readonly log: Logger;
  readonly plumbing: Pick<Plumbing, 'counters'>;
  /** Lanes that frames can come to. */
  lanes(): readonly LaneRecord<Plan>[];
  /** Every port that has tables. */
  ports(): readonly number[];
  /** True while the kernel counts all that lanes take: what sees frames before the chains may keep some from them. */
  isCounted(): boolean;
  /** Lanes have begun to take nothing, or take again. */
  changed(): void;
  /** The numbers of a lane cannot be true. */
  forged(lane: LaneRecord<Plan>): void;
}

const LOOK_MS = 200;

/** Watches the lanes of a daemon. */
export class DrainGuard<Plan extends LanePlan = LanePlan> {
  readonly #options: DrainGuardOptions<Plan>;
  readonly #watch = new DrainWatch();
  /** Counters of a port that is gone still belong to the sum. */
  readonly #ports = new Set<number>();
  #timer: Timer | null = null;
  #isEnded = false;
  #isPaused = false;
  #waitedMs = 0;
  #isUndrained = false;

  constructor(options: DrainGuardOptions<Plan>) {
    this.#options = options;
  }

  /** True while frames wait that no lane takes. */
  get isUndrained(): boolean {
    return this.#isUndrained;
  }

  /** For how long, in milliseconds. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** Looks from now on. */
  start(): void {
    const { clock } = this.#options;
    if (this.#isEnded) return;
    this.#timer = clock.setTimer(() => {
      void this.#look().finally(() => this.start());
    }, LOOK_MS);
  }

  /** Looks on, or takes no look for now: packets change hands. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
  }

  /** Looks no more. */
  stop(): void {
    this.#isEnded = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    if (this.#isPaused) return;
    const { clock, log, plumbing, lanes, ports, isCounted, changed, forged } = this.#options;
    try {
      for (const port of ports()) this.#ports.add(port);
      const read = (record: LaneRecord<Plan>): ReturnType<typeof takenBy> | null => {
        const progress = record.handle.read();
        return progress === null ? null : takenBy(progress, record.plan.ways);
      };
      const first = lanes().map((lane) => ({ lane, before: read(lane) }));
      const counters = await plumbing.counters([...this.#ports]);
      if (this.#isEnded || this.#isPaused) return;
      const offered = [...counters.values()].reduce((sum, port) => sum + port.offered, 0);
      const seen = first.map(({ lane, before }) => ({ lane, before, after: read(lane) }));
      const { waitedMs, isUndrained, forger } = this.#watch.look(clock.now(), offered, seen);
      this.#waitedMs = waitedMs;
      const liar = seen.find(({ lane }) => lane === forger)?.lane;
      if (liar !== undefined && isCounted()) forged(liar);
      if (isUndrained === this.#isUndrained) return;
      this.#isUndrained = isUndrained;
      changed();
    } catch (error) {
      // Tables are being replaced, or the kernel is out of memory: the next look is soon.
      log.debug({ err: error }, 'The counters of the ports cannot be read.');
    }
  }
}
