/**
 * How many ICMP errors may go to whom: a budget for each address, each prefix and each way, apart for "packet too big".
 *
 * ```
 *   source of the packet ─keyed hash─┬─> bucket of the address (/32, /128) ─┐
 *                                    └─> bucket of the prefix  (/24, /64)  ─┼─> bucket of the way ─> an answer
 * ```
 * Every bucket holds one second's worth. An answer needs room in all three. The second half of a bucket is for those who
 * have used less than half of their own budget: a sender that asks for more than its share cannot take it from one that
 * does not.
 *
 * Rules:
 * - A bucket belongs to a value of the hash and to nobody by name, so there is nothing to replace: no flood of sources can
 *   push another one out, or get itself a fresh budget. Two senders that share a bucket share its budget, until the key
 *   of the hash is drawn anew, once a minute; nobody outside knows it.
 * - Ways and kinds share nothing: what comes in by one port takes nothing from those behind the other, and refusals take
 *   nothing from "packet too big", without which connections hang (RFC 2923 2.1).
 * - The caller brings the time, so that replay runs on the file's clock. A clock that jumps back gives nothing. No
 *   allocation after the constructor.
 *
 * @see RFC 4443 2.4 f, RFC 1812 4.3.2.8; docs/decisions.md has the choice and what was measured
 * @module
 */

import { randomFillSync } from 'node:crypto';

import { SOURCE_OFFSET as IPV4_SOURCE } from '../wire/ipv4.ts';
import { SOURCE_OFFSET as IPV6_SOURCE } from '../wire/ipv6.ts';

/** ICMP errors in a second. 0 sends none. */
export interface AnswerRates {
  /** To all together, for each way of a lane. */
  readonly ratePerSecond: number;
  /** To an IPv4 /24 or an IPv6 /64. */
  readonly perPrefix: number;
  /** To one address. */
  readonly perAddress: number;
}

/** What the configuration says about ICMP errors. */
export interface IcmpSettings extends AnswerRates {
  /** Code of the type 3 message for `ICMP_ON_DROP` over IPv4. */
  readonly code: number;
  readonly tooBig: AnswerRates;
}

/** What {@link AnswerBudgets.take} says. */
export const GRANTED = 0;
/** The address or its prefix has had its share. */
export const OVER_PREFIX = 1;
/** All together have had theirs. */
export const OVER_TOTAL = 2;

/** Buckets of a way and kind, for addresses and for prefixes: a power of two. */
const BUCKETS = 32_768;
const KINDS = 2;
/** A bucket is full again after so long. */
const HOLDS_MS = 1000;
const HALF_MS = HOLDS_MS / 2;
/** A second's worth, added up from parts, may come out a little above a second. */
const ROUNDING_MS = 0.001;
const NEW_KEY_MS = 60_000;

/** The hash has a row of 256 random words for each octet of an address: IPv4 first, then IPv6. */
const IPV6_ROW = 4;
const ROWS = IPV6_ROW + 16;
const IPV4_PREFIX_OCTETS = 3;
const IPV6_PREFIX_OCTETS = 8;

/** A key that nobody outside can know, for live traffic. */
export function secretWords(words: Int32Array): void {
  randomFillSync(words);
}

/** The same key each time, so that a replay counts the same each time (xorshift32, Marsaglia 2003). */
export function fixedWords(words: Int32Array): void {
  let state = 0x66697265;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
}

/** The budgets of a lane. */
export class AnswerBudgets {
  readonly #fill: (words: Int32Array) => void;
  readonly #key = new Int32Array(ROWS * 256);
  /** What an answer costs, in milliseconds of the bucket of the way, the prefix, the address; a row for each kind. */
  readonly #costs: Float64Array;
  /** Until when the answers that went are paid for, on the clock below. */
  readonly #ways: Float64Array;
  readonly #prefixes: Float64Array;
  readonly #addresses: Float64Array;
  /** An own clock that never goes back, what the caller's said last, when the key was drawn: doubles in fields are boxed. */
  readonly #times = Float64Array.of(0, Number.NaN, 0);

  /**
   * @param ways - how many ways the lane has
   * @param fill - fills with random words
   */
  constructor(ways: number, rates: AnswerRates & { readonly tooBig: AnswerRates }, fill: (words: Int32Array) => void) {
    this.#fill = fill;
    this.#costs = Float64Array.from([rates, rates.tooBig].flatMap(costsOf));
    this.#ways = new Float64Array(ways * KINDS);
    this.#prefixes = new Float64Array(ways * KINDS * BUCKETS);
    this.#addresses = new Float64Array(ways * KINDS * BUCKETS);
    fill(this.#key);
  }

  /**
   * Takes what one answer costs, from the address first, the way last, as far as they have it. Cost: O(octets of an address).
   *
   * @param bytes - the datagram to be answered, its IP header at octet 0
   * @param version - 4 or 6
   * @param nowMs - milliseconds on any clock
   * @returns {@link GRANTED}, {@link OVER_PREFIX} or {@link OVER_TOTAL}
   */
  take(way: number, isTooBig: boolean, bytes: Uint8Array, version: number, nowMs: number): number {
    const now = this.#advance(nowMs);
    const kind = isTooBig ? 1 : 0;
    const budget = way * KINDS + kind;
    const from = version === 4 ? IPV4_SOURCE : IPV6_SOURCE;
    const row = version === 4 ? 0 : IPV6_ROW;
    const prefixEnd = version === 4 ? IPV4_PREFIX_OCTETS : IPV6_PREFIX_OCTETS;
    const prefixHash = this.#hash(bytes, from, row, 0, prefixEnd);
    const addressHash = prefixHash ^ this.#hash(bytes, from, row, prefixEnd, version === 4 ? 4 : 16);
    const prefix = budget * BUCKETS + (prefixHash & (BUCKETS - 1));
    const address = budget * BUCKETS + (addressHash & (BUCKETS - 1));

    const costs = kind * 3;
    const wayCost = this.#costs[costs] as number;
    const prefixCost = this.#costs[costs + 1] as number;
    const addressCost = this.#costs[costs + 2] as number;
    const wayOwes = Math.max(0, (this.#ways[budget] as number) - now);
    const prefixOwes = Math.max(0, (this.#prefixes[prefix] as number) - now);
    const addressOwes = Math.max(0, (this.#addresses[address] as number) - now);
    const isModest = addressOwes <= HALF_MS;
    if (!hasRoom(addressOwes, addressCost, true)) return OVER_PREFIX;
    // Who asks has used its share, answered or not: else those whom the way holds back would stay modest for ever.
    this.#addresses[address] = now + addressOwes + addressCost;
    if (!hasRoom(prefixOwes, prefixCost, isModest)) return OVER_PREFIX;
    this.#prefixes[prefix] = now + prefixOwes + prefixCost;
    if (!hasRoom(wayOwes, wayCost, isModest && prefixOwes <= HALF_MS)) return OVER_TOTAL;
    this.#ways[budget] = now + wayOwes + wayCost;
    return GRANTED;
  }

  /** Tabulation hashing: whoever does not know the words can choose no two addresses that meet. */
  #hash(bytes: Uint8Array, from: number, row: number, start: number, end: number): number {
    let hash = 0;
    for (let i = start; i < end; i++) hash ^= this.#key[((row + i) << 8) | (bytes[from + i] as number)] as number;
    return hash;
  }

  #advance(nowMs: number): number {
    const times = this.#times;
    const elapsedMs = nowMs - (times[1] as number);
    times[1] = nowMs;
    if (elapsedMs > 0) times[0] = (times[0] as number) + elapsedMs;
    const now = times[0] as number;
    if (now - (times[2] as number) >= NEW_KEY_MS) {
      times[2] = now;
      this.#fill(this.#key);
    }
    return now;
  }
}

function costsOf({ ratePerSecond, perPrefix, perAddress }: AnswerRates): number[] {
  return [ratePerSecond, perPrefix, perAddress].map((rate) => HOLDS_MS / rate);
}

/** Whether a bucket that owes so much can pay; the second half of it is for the modest. A full one pays for any rate but 0. */
function hasRoom(owesMs: number, costMs: number, isModest: boolean): boolean {
  if (owesMs === 0) return costMs <= HOLDS_MS;
  return owesMs + costMs <= (isModest ? HOLDS_MS : HALF_MS) + ROUNDING_MS;
}
