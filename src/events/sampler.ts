/**
 * Which of many events of a kind are written down: one in N, and of those no more than a budget a second. What is left out is counted.
 *
 * ```
 *   takes(key, second) ─ one in N? ─ yes ─ is something of the second's budget left? ─ yes ─> true; left(key) says how many were left out before
 *                           └ no ─────────────────────────────────────────────── no ─> counted
 * ```
 * Floor 1. Rule: keys do not disturb each other: a flood of one kind takes no room of a rare one, whose first event is always written. Nothing
 * is allocated. The time is that of the packets, so that a replay writes the same each time.
 *
 * @module
 */

/** How much is written down of a kind. */
export interface SampleSettings {
  /** Of how many one; 1 for each. */
  readonly oneIn: number;
  /** Most of a kind in a second; 0 for no limit. */
  readonly perSecond: number;
}

/** Where nothing is said. */
export const DEFAULT_SAMPLE: SampleSettings = { oneIn: 1, perSecond: 100 };

/** A clock that went back so far has been set: its second counts anew. */
const MOST_BACK = 5;

/** Kinds by their number. */
export class Sampler {
  readonly #oneIn: number;
  readonly #perSecond: number;
  /** How many of the kind until one is told, itself included. */
  readonly #until: Int32Array;
  readonly #second: Int32Array;
  readonly #spent: Int32Array;
  /** Left out since one was told, but for those that `#until` knows of. */
  readonly #suppressed: Float64Array;
  /** Left out, and said. */
  readonly #said = new Float64Array(1);

  /** @param keys - how many kinds there are */
  constructor(keys: number, { oneIn, perSecond }: SampleSettings) {
    this.#oneIn = oneIn;
    this.#perSecond = perSecond;
    // The first one of a kind is told, as if so many had been left out before it, which were not.
    this.#until = new Int32Array(keys).fill(1);
    this.#suppressed = new Float64Array(keys).fill(1 - oneIn);
    this.#second = new Int32Array(keys);
    this.#spent = new Int32Array(keys);
  }

  /** Left out since it was made, all kinds together. */
  get total(): number {
    let sum = this.#said[0] as number;
    for (let key = 0; key < this.#until.length; key++)
      sum += (this.#suppressed[key] as number) + this.#oneIn - (this.#until[key] as number);
    return sum;
  }

  /**
   * Whether this one is written down. {@link Sampler.left} or {@link Sampler.keep} has to follow where it is.
   *
   * @param second - of the packet, since 1970
   */
  takes(key: number, second: number): boolean {
    const until = (this.#until[key] as number) - 1;
    if (until > 0) {
      this.#until[key] = until;
      return false;
    }
    this.#until[key] = this.#oneIn;
    if (this.#perSecond === 0) return true;
    const behind = (this.#second[key] as number) - second;
    if (behind < 0 || behind > MOST_BACK) {
      this.#second[key] = second;
      this.#spent[key] = 0;
    }
    const spent = this.#spent[key] as number;
    if (spent >= this.#perSecond) {
      this.#suppressed[key] = (this.#suppressed[key] as number) + this.#oneIn;
      return false;
    }
    this.#spent[key] = spent + 1;
    return true;
  }

  /** How many of the kind were left out before the one that is told now. */
  left(key: number): number {
    const left = (this.#suppressed[key] as number) + this.#oneIn - 1;
    this.#suppressed[key] = 0;
    this.#said[0] = (this.#said[0] as number) + left;
    return left;
  }

  /** The one that was to be told has no room: what it would have said is for the next one. */
  keep(key: number): void {
    this.#suppressed[key] = (this.#suppressed[key] as number) + this.#oneIn - 1;
  }
}
