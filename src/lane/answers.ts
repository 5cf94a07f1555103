/**
 * Whether a packet is answered with an ICMP error, and what becomes of those that are due.
 *
 * ```
 *   may it be answered at all? ─ yes: due ─> way back known? ─> budgets ─┬─> sent     (egress sends and counts it)
 *                                             │ no: held back            ├─> held back, by the reason
 *                                             └─────────────             └─> refused by the kernel, by its own rules or else
 * ```
 * Rule: an ICMP error that is due is booked in exactly one place. What the machine's own rules eat has a counter of its own,
 * and the first of it is told.
 *
 * @module
 */

import { constants } from 'node:os';

import { DEST_LOCAL } from '../firewall/constants.ts';
import { AnswerBudgets, fixedWords, GRANTED, type IcmpSettings, OVER_TOTAL, secretWords } from './answer-budget.ts';
import { mayAnswer } from './icmp-error.ts';
import {
  ICMP_DENIED,
  ICMP_DUE,
  ICMP_ONE_WAY,
  ICMP_OVER_PREFIX,
  ICMP_OVER_TOTAL,
  ICMP_REFUSED,
  ICMP_SUPPRESSED,
  ICMP_WOULD_BE,
  INJECT_DENIED,
  INJECT_REFUSED,
  LEDGER_WIDTH,
} from './ledger.ts';
import type { LocalTable } from './local-table.ts';
import type { PacketInHand } from './packet-in-hand.ts';

/** What a datagram is: the lowest two bits of its tag; above them the row that it is booked on. */
export const INJECTION = 0;
/** See {@link INJECTION}. */
export const ICMP_ERROR = 1;
/** See {@link INJECTION}. */
export const REPLY_DATAGRAM = 2;
/** See {@link INJECTION}. */
export const RESET_DATAGRAM = 3;
/** Kinds of datagrams: what a row is multiplied with in a tag. */
export const KINDS = 4;

const { EPERM } = constants.errno;

/** What {@link Answers} is made of. */
export interface AnswerOptions {
  /** One row a way. */
  readonly ledger: Float64Array;
  readonly icmp: IcmpSettings;
  readonly locals: LocalTable;
  /** Milliseconds on a clock that never jumps back. */
  readonly now: () => number;
  /** Told the first time that the machine's own rules drop an ICMP error, or what a hook made. */
  readonly onDenied: (what: 'ICMP error' | 'hook') => void;
}

/** Decides and books. */
export class Answers {
  readonly #ledger: Float64Array;
  readonly #budgets: AnswerBudgets;
  readonly #locals: LocalTable;
  readonly #now: () => number;
  readonly #onDenied: AnswerOptions['onDenied'];
  #isIcmpDenied = false;
  #isInjectDenied = false;

  /** @param isLive - false for a replay, which counts the same each time */
  constructor({ ledger, icmp, locals, now, onDenied }: AnswerOptions, isLive: boolean) {
    this.#ledger = ledger;
    this.#budgets = new AnswerBudgets(ledger.length / LEDGER_WIDTH, icmp, isLive ? secretWords : fixedWords);
    this.#locals = locals;
    this.#now = now;
    this.#onDenied = onDenied;
  }

  /**
   * True when an ICMP error may go out now, which is then paid for; otherwise booked, where one was due.
   *
   * @param bytes - the datagram as it came, at octet 0
   * @param isOneWay - nobody knows the way back
   * @param isTooBig - it is longer than the way out
   */
  mayGo(packet: PacketInHand, bytes: Uint8Array, isOneWay: boolean, isTooBig: boolean): boolean {
    const { way, base, layout } = packet;
    if (!mayAnswer(bytes, layout, packet.isUnicastLink)) return false;
    if (this.#locals.forbidsAnswer(bytes, layout.version, way.unicastType === DEST_LOCAL)) return false;
    this.#add(base + ICMP_DUE, 1);
    if (isOneWay) return this.#holdBack(base, ICMP_ONE_WAY);
    const answer = this.#budgets.take(base / LEDGER_WIDTH, isTooBig, bytes, layout.version, this.#now());
    if (answer !== GRANTED) return this.#holdBack(base, answer === OVER_TOTAL ? ICMP_OVER_TOTAL : ICMP_OVER_PREFIX);
    if (way.reject !== 'count') return true;
    this.#add(base + ICMP_WOULD_BE, 1);
    return false;
  }

  /**
   * Books a datagram that was refused. EPERM is what the kernel says when a rule of the machine drops it in OUTPUT or
   * POSTROUTING, or a filter of its control group: nothing else that can befall an open raw socket has that end.
   *
   * @param kind - {@link ICMP_ERROR} or {@link INJECTION}
   * @param errno - 0 where the kernel was not asked
   */
  bookRefused(base: number, kind: number, errno: number): void {
    const isIcmp = kind === ICMP_ERROR;
    this.#add(base + (isIcmp ? ICMP_REFUSED : INJECT_REFUSED), 1);
    if (errno !== EPERM) return;
    this.#add(base + (isIcmp ? ICMP_DENIED : INJECT_DENIED), 1);
    if (isIcmp ? this.#isIcmpDenied : this.#isInjectDenied) return;
    if (isIcmp) this.#isIcmpDenied = true;
    else this.#isInjectDenied = true;
    this.#onDenied(isIcmp ? 'ICMP error' : 'hook');
  }

  #holdBack(base: number, reason: number): false {
    this.#add(base + ICMP_SUPPRESSED, 1);
    this.#add(base + reason, 1);
    return false;
  }

  #add(index: number, amount: number): void {
    this.#ledger[index] = (this.#ledger[index] as number) + amount;
  }
}
