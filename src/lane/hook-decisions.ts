/**
 * Verdicts that take time: a hook asks somebody about an address, once, and the packets wait for the answer.
 *
 * ```
 *   of(packet, address) ─ known? ──────────────────────────> the verdict of the table
 *                       └ asked already? ─> hold             ask(address) ─┬─ answer ──> table, and every packet that waits for it
 *                       └ hold, and ask, once the packet is through ───────┘  failure, or too late ─> `hold.onTimeout`
 * ```
 * Rules: one question an address at a time. A question is over when its packets cannot wait any longer; what it answers then is remembered all the
 * same. A failure is a fault of the hook and is not remembered: the next packet asks again.
 *
 * Cost: of a known address that of the table; of an unknown one its text and a place in a list; of a new question the objects of a promise.
 *
 * @module
 */

import { DROP } from '../firewall/constants.ts';
import {
  type Decisions,
  type FinalVerdict,
  HELD,
  type PlainVerdict,
  type Table,
  type Verdict,
} from '../hook/contract.ts';
import { type HoldList, isFinalVerdict } from '../hook/hold-list.ts';
import type { HookReasons } from '../hook/hook-reasons.ts';
import type { Address, Packet } from '../hook/packet/packet-contract.ts';
import type { AddressPart } from '../table/table-key.ts';
import type { HookTimers } from './hook-timers.ts';

/** Asks about an address. */
export type Ask = (address: string, signal: AbortSignal) => FinalVerdict | Promise<FinalVerdict>;

/** What {@link HookDecisions} is made of. */
export interface DecisionOptions {
  readonly table: Table;
  readonly ask: Ask;
  /** Number of the hook in the configuration. */
  readonly owner: number;
  readonly timers: HookTimers;
  readonly holdsOf: () => HoldList | null;
  readonly reasons: HookReasons;
  /** Told of each question that failed. */
  readonly onFault: (error: unknown) => void;
}

/** The decisions of one hook. */
export class HookDecisions implements Decisions {
  readonly #options: DecisionOptions;
  readonly #questions = new Map<string, Question>();

  constructor(options: DecisionOptions) {
    this.#options = options;
  }

  /** {@inheritDoc Decisions.of} */
  of(packet: Packet, address: Address, otherwise: Verdict = DROP): Verdict {
    // What the hook itself wrote into the table may be anything.
    const known = this.#options.table.get(address) - 1;
    if (isFinalVerdict(known)) return known;
    const verdict = packet.hold(otherwise);
    if (verdict !== HELD) return verdict;
    const text = String(address);
    const asked = this.#questions.get(text);
    const question = asked ?? new Question(new KeptAddress(address));
    question.tokens.push(packet.token);
    if (asked === undefined) this.#ask(text, question);
    return HELD;
  }

  /** Nobody waits for an answer any more. */
  stop(): void {
    for (const { controller } of this.#questions.values()) controller.abort();
    this.#questions.clear();
  }

  #ask(text: string, question: Question): void {
    const { ask, timers } = this.#options;
    const { signal } = question.controller;
    this.#questions.set(text, question);
    question.timer = timers.after(this.#rule.timeoutMs, () => this.#giveUp(text, question));
    // Not within the packet, which is still among the hooks.
    Promise.resolve()
      .then(() => ask(text, signal))
      .then(
        (answer) => this.#answer(text, question, answer),
        (error: unknown) => this.#fail(text, question, error),
      );
  }

  #answer(text: string, question: Question, answer: FinalVerdict): void {
    const { owner, reasons } = this.#options;
    // What is remembered outlives this lane, and with it the places of its reasons.
    const plain = reasons.plain(owner, answer);
    if (!isFinalVerdict(plain)) {
      this.#fail(text, question, new TypeError(`the answer about ${text} is no verdict`));
      return;
    }
    this.#end(text, question);
    this.#options.table.set(question.address as unknown as Address, plain + 1);
    const released = this.#release(question, plain);
    for (let packet = 0; packet < released; packet++) reasons.note(owner, answer);
  }

  #fail(text: string, question: Question, error: unknown): void {
    // One that was given up says what it was told to say.
    if (!question.controller.signal.aborted) this.#options.onFault(error);
    this.#end(text, question);
    this.#release(question, this.#rule.onTimeout);
  }

  /** The packets that waited for it have gone. */
  #giveUp(text: string, question: Question): void {
    if (this.#questions.get(text) === question) this.#questions.delete(text);
    question.controller.abort();
  }

  #end(text: string, question: Question): void {
    this.#options.timers.cancel(question.timer);
    if (this.#questions.get(text) === question) this.#questions.delete(text);
  }

  /** How many packets still waited for it. */
  #release(question: Question, verdict: PlainVerdict): number {
    const { owner, holdsOf } = this.#options;
    let released = 0;
    for (const token of question.tokens) if (holdsOf()?.release(owner, token, verdict) === true) released += 1;
    question.tokens.length = 0;
    return released;
  }

  get #rule(): { readonly timeoutMs: number; readonly onTimeout: PlainVerdict } {
    const rule = this.#options.holdsOf()?.ruleOf(this.#options.owner);
    return { timeoutMs: rule?.timeoutMs ?? 0, onTimeout: rule?.onTimeout ?? DROP };
  }
}

/** One question, and who waits for its answer. */
class Question {
  readonly address: KeptAddress;
  readonly tokens: number[] = [];
  readonly controller = new AbortController();
  timer = 0;

  constructor(address: KeptAddress) {
    this.address = address;
  }
}

/** An address beyond the packet that it stood in. */
class KeptAddress implements AddressPart {
  readonly length: 4 | 16;
  readonly #words: Int32Array;

  constructor(address: Address) {
    this.length = address.length;
    this.#words = Int32Array.from({ length: address.length / 4 }, (_, index) => address.signedWord(index));
  }

  signedWord(index: number): number {
    return this.#words[index] as number;
  }
}
