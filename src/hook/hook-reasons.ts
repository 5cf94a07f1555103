/**
 * The reasons that the hooks of a chain declare in `setup`, and how a verdict carries one.
 *
 * ```
 *   setup: reason(text) ─> a place in `counts`
 *   verdict with a reason, a small integer:   (place + 1) << 4 | verdict        0 to 6 alone: a verdict without one
 *   onPacket: return telnet.drop ─> take(owner, value): the reason is counted, and the plain verdict goes on
 * ```
 * Rule: a hook can return any number, so the place is looked up and has to be its own. What is none stays as it was returned, and is no
 * verdict for whoever looks at it next. Nothing is allocated for a packet, and a hook that gives no reasons never comes here.
 *
 * @module
 */

import { DROP, FORWARD, ICMP_ON_DROP } from '../firewall/constants.ts';
import {
  MAX_REASON,
  MOST_REASONS,
  MOST_REASONS_OF_HOOK,
  REASON_TEXT,
  type ReasonCount,
  type ReasonDefinition,
} from '../telemetry/reasons.ts';
import { ACCEPT, type FinalVerdict, HELD, REPLY, RESET, type Reason, type ReasonedVerdict } from './contract.ts';

/** Stands where there is no reason. */
export const NO_REASON = -1;

const VERDICT_BITS = 4;
const VERDICT_MASK = (1 << VERDICT_BITS) - 1;
/** Largest number that is a verdict. */
const LAST_VERDICT = HELD;
const MOST_VALUE = (MOST_REASONS << VERDICT_BITS) | VERDICT_MASK;

/** A verdict for the reason at this place. */
function reasoned(place: number, verdict: number): ReasonedVerdict {
  return (((place + 1) << VERDICT_BITS) | verdict) as ReasonedVerdict;
}

/** Takes the reason from what the hook at this place of its chain returned. */
export type TakeReason = (hook: number, answer: unknown) => unknown;

/** What a hook gets of a reason. */
export class ReasonView implements Reason {
  readonly text: string;
  readonly forward: ReasonedVerdict;
  readonly drop: ReasonedVerdict;
  readonly reject: ReasonedVerdict;
  readonly accept: ReasonedVerdict;
  readonly reset: ReasonedVerdict;
  readonly reply: ReasonedVerdict;
  readonly #place: number;

  constructor(place: number, text: string) {
    this.#place = place;
    this.text = text;
    this.forward = reasoned(place, FORWARD);
    this.drop = reasoned(place, DROP);
    this.reject = reasoned(place, ICMP_ON_DROP);
    this.accept = reasoned(place, ACCEPT);
    this.reset = reasoned(place, RESET);
    this.reply = reasoned(place, REPLY);
    Object.freeze(this);
  }

  /** {@inheritDoc Reason.with} */
  with(verdict: FinalVerdict): ReasonedVerdict {
    const value: unknown = verdict;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < FORWARD || value > REPLY)
      throw new RangeError('a reason goes with FORWARD, DROP, ICMP_ON_DROP, ACCEPT, RESET or REPLY');
    return reasoned(this.#place, value);
  }
}
Object.freeze(ReasonView.prototype);

/** The reasons of all hooks of a lane. */
export class HookReasons {
  /** One double a reason, in the order of their declaration; there is room for all that can be. */
  readonly counts: Float64Array = new Float64Array(MOST_REASONS);
  readonly #texts: string[] = [];
  readonly #owners: number[] = [];
  readonly #closed = new Set<number>();
  #last = NO_REASON;

  /** How many there are. */
  get count(): number {
    return this.#texts.length;
  }

  /** Declares a reason. @throws Error when the hook may not; see {@link HookReasons.close} */
  declare(owner: number, text: unknown): Reason {
    const shown = JSON.stringify(text)?.slice(0, MAX_REASON + 2) ?? 'without a text';
    if (this.#closed.has(owner)) throw new Error(`reason ${shown}: reasons are declared in setup`);
    if (typeof text !== 'string' || !REASON_TEXT.test(text))
      throw new Error(
        `reason ${shown}: expected 1 to ${MAX_REASON} printable characters of ASCII without a space at either end`,
      );
    const own = this.#texts.filter((_, place) => this.#owners[place] === owner);
    if (own.includes(text)) throw new Error(`reason ${shown}: is declared already`);
    if (own.length >= MOST_REASONS_OF_HOOK)
      throw new Error(`reason ${shown}: a hook has at most ${MOST_REASONS_OF_HOOK} reasons`);
    if (this.#texts.length >= MOST_REASONS)
      throw new Error(`reason ${shown}: all hooks together have at most ${MOST_REASONS} reasons`);
    this.#texts.push(text);
    this.#owners.push(owner);
    return new ReasonView(this.#texts.length - 1, text);
  }

  /** The hook was set up, and declares no more. */
  close(owner: number): void {
    this.#closed.add(owner);
  }

  /** The hook has declared some. */
  isOf(owner: number): boolean {
    return this.#owners.includes(owner);
  }

  /**
   * What a hook returned, without its reason, which is counted. Anything but a verdict with a reason of this hook comes back as it is.
   *
   * Runs no code of whoever made the value. Cost: a few comparisons, no allocation.
   */
  take(owner: number, value: unknown): unknown {
    const place = this.#placeIn(owner, value);
    this.#last = NO_REASON;
    if (place === NO_REASON) return value;
    const verdict = (value as number) & VERDICT_MASK;
    this.#add(place);
    // A packet that goes on is not decided yet.
    if (verdict !== FORWARD) this.#last = place;
    return verdict;
  }

  /** The same, and nothing is counted. */
  plain(owner: number, value: unknown): unknown {
    return this.#placeIn(owner, value) === NO_REASON ? value : (value as number) & VERDICT_MASK;
  }

  /** Counts the reason of a verdict that was not returned, but given to a packet which waited. */
  note(owner: number, value: unknown): void {
    const place = this.#placeIn(owner, value);
    if (place !== NO_REASON) this.#add(place);
  }

  /** The place of the reason with which this hook has decided, where it was the last that did; else {@link NO_REASON}. */
  lastOf(owner: number): number {
    return this.#owners[this.#last] === owner ? this.#last : NO_REASON;
  }

  /** No call has decided: what is decided next is so without one. */
  forget(): void {
    this.#last = NO_REASON;
  }

  /** Whose reason it is at a place: the hook's place in the configuration. */
  ownerOf(place: number): number {
    return this.#owners[place] ?? NO_REASON;
  }

  /** The text of a place; null for {@link NO_REASON}. */
  textOf(place: number): string | null {
    return this.#texts[place] ?? null;
  }

  /**
   * What they are, in the order of {@link HookReasons.counts}.
   *
   * @param owners - of the hooks in running order
   */
  definitions(owners: readonly number[]): ReasonDefinition[] {
    return this.#texts.map((text, place) => ({ hook: owners.indexOf(this.#owners[place] as number), text }));
  }

  /** The same with their counts. */
  read(owners: readonly number[]): ReasonCount[] {
    return this.definitions(owners).map((reason, place) => ({ ...reason, count: this.counts[place] as number }));
  }

  /** The place of the reason that a value carries, where it is one of this hook; else {@link NO_REASON}. */
  #placeIn(owner: number, value: unknown): number {
    // A fraction would lose itself in a shift.
    if (typeof value !== 'number' || !(value > LAST_VERDICT && value <= MOST_VALUE) || !Number.isInteger(value))
      return NO_REASON;
    const place = (value >> VERDICT_BITS) - 1;
    return (value & VERDICT_MASK) <= REPLY && this.#owners[place] === owner ? place : NO_REASON;
  }

  #add(place: number): void {
    this.counts[place] = (this.counts[place] as number) + 1;
  }
}
