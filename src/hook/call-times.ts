/**
 * Measures how long hooks take: of one packet in 256 the call of one hook, each in its turn.
 *
 * ```
 *   each packet: left - 1 ── not 0 ──> nothing else
 *                   └ 0 ─> the hook whose turn it is: clock, hook, clock ─> one more in a bucket ─> next in 1 to 512 packets
 * ```
 * The distance to the next one is drawn: a fixed one would meet always the same of what comes in turn, one direction of a
 * connection for example. One hook and not all of them, so that a packet costs the same however many hooks there are. A hook that is
 * not called with the packet is not measured. A time has one look at the clock in it, 20 to 40 ns.
 *
 * Rule: a packet that is not measured costs one number counted down. No number with a fraction is kept in a field: it would be boxed.
 *
 * @see G. Marsaglia, Xorshift RNGs, Journal of Statistical Software 8 (2003), 14
 * @module
 */

import { performance } from 'node:perf_hooks';
import { SAMPLED_EVERY, TIME_BUCKETS, TIME_SUM, TIME_WIDTH } from '../telemetry/hook-times.ts';

const NANOSECONDS_OF_MS = 1e6;
const BOUNDS = Float64Array.from(TIME_BUCKETS, ({ nanoseconds }) => nanoseconds);
const BEYOND = BOUNDS.length;
/** A mask; half of it is how far away the next one is on average. */
const MOST_AWAY = 2 * SAMPLED_EVERY - 1;
/** Of the generator: any but 0. */
const SEED = 0x2545f491;

/** The times of the hooks of a chain. */
export class CallTimes {
  /** One row of `TIME_WIDTH` numbers a hook, in running order. */
  readonly numbers: Float64Array;
  /** Packets to the next one that is measured. To be counted down by the chain, which calls {@link CallTimes.next} at 0. */
  left = SAMPLED_EVERY;
  /** Of the generator. An array, because a field boxes what is no small integer. */
  readonly #random = Int32Array.of(SEED);
  #turn = -1;
  readonly #begun = new Float64Array(1);

  /** @param hooks - how many there are */
  constructor(hooks: number) {
    this.numbers = new Float64Array(hooks * TIME_WIDTH);
  }

  /**
   * Draws, by xorshift, which packet is measured next: 256 packets away on average.
   *
   * @param calls - how many hooks this packet may meet
   * @returns the place of the one whose turn it is
   */
  next(calls: number): number {
    let random = this.#random[0] as number;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.#random[0] = random;
    this.left = 1 + ((random >>> 8) & MOST_AWAY);
    this.#turn = this.#turn + 1 < calls ? this.#turn + 1 : 0;
    return this.#turn;
  }

  /** A hook is about to be called. */
  begin(): void {
    this.#begun[0] = performance.now();
  }

  /** It has returned, or thrown. */
  end(hook: number): void {
    const nanoseconds = (performance.now() - (this.#begun[0] as number)) * NANOSECONDS_OF_MS;
    const row = hook * TIME_WIDTH;
    let bucket = 0;
    while (bucket < BEYOND && nanoseconds > (BOUNDS[bucket] as number)) bucket += 1;
    const { numbers } = this;
    numbers[row + bucket] = (numbers[row + bucket] as number) + 1;
    numbers[row + TIME_SUM] = (numbers[row + TIME_SUM] as number) + nanoseconds;
  }
}
