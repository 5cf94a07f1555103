/**
 * A token bucket: limits how many probe frames a lane takes for the supervisor's in a second.
 *
 * Rule: the caller brings the time, so that it can be any clock. A clock that jumps back gives no tokens.
 *
 * @module
 */

/** Holds at most one second's worth of tokens. */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #lastMs = Number.NaN;

  /** @param perSecond - tokens a second, and the most it holds; 0 gives none ever */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  /**
   * Takes one token.
   *
   * @param nowMs - milliseconds on any clock
   * @returns false when there is none
   */
  take(nowMs: number): boolean {
    const elapsedMs = nowMs - this.#lastMs;
    if (elapsedMs > 0) this.#tokens = Math.min(this.#perSecond, this.#tokens + (elapsedMs * this.#perSecond) / 1000);
    this.#lastMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
