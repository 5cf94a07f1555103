/**
 * Random choices that a seed repeats.
 *
 * Rule: the order of the choices decides them, nothing else; whoever draws one more changes all that follow.
 *
 * @see Marsaglia, Xorshift RNGs, Journal of Statistical Software 8 (2003)
 * @module
 */

/** A source of choices. */
export class Random {
  #state: number;

  /** @param seed - any integer */
  constructor(seed: number) {
    // Zero is the one state that xorshift never leaves; neighbouring seeds are spread out.
    this.#state = Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) >>> 0 || 1;
  }

  /** A whole number from 0 up to, but without, `limit`. */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state % limit;
  }

  /** True once in `times` on average. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  /**
   * One of the list.
   *
   * @throws RangeError when it is empty
   */
  pick<T>(list: readonly T[]): T {
    const index = this.below(Math.max(1, list.length));
    if (index >= list.length) throw new RangeError('nothing to pick from');
    return list[index] as T;
  }

  /** The list in another order. */
  shuffle<T>(list: readonly T[]): T[] {
    const shuffled = [...list];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
    }
    return shuffled;
  }
}
