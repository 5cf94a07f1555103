/**
 * A token bucket: limits how many ICMP errors a lane sends in a second (RFC 1812 4.3.2.8, RFC 4443 2.4 f).
 *
 * Rule: the caller brings the time, so that replay runs on the file's clock. A clock that jumps back gives no tokens.
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
