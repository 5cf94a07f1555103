/**
 * Asks a hook about a stream: shows it, calls `onStream`, and shows nothing afterwards.
 *
 * Rule: it decides nothing. What the hook throws, and what it returns that is no answer, is kept for whoever decides.
 *
 * @module
 */

import { DROP, FORWARD, ICMP_ON_DROP } from '../../firewall/constants.ts';
import type { StreamTable } from '../../stream/stream-table.ts';
import type { ChainFlows } from '../chain-flows.ts';
import { ACCEPT, type Handlers, REPLY, RESET, type Verdict } from '../contract.ts';
import type { TakeReason } from '../hook-reasons.ts';
import { MORE, type PlainStreamVerdict } from './stream-contract.ts';
import { StreamHandle } from './stream-handle.ts';

/** No answer. */
export const FAULT = -2;
const NO_STREAM = -1;

/** One call after the other. */
export class StreamCaller {
  readonly #handlers: Handlers;
  readonly #table: StreamTable;
  readonly #handle: StreamHandle;
  readonly #take: TakeReason;
  readonly #hook: number;
  #returned: unknown = undefined;
  #thrown: unknown = undefined;
  #hasThrown = false;

  /**
   * @param take - takes the reason from what `onStream` returned
   * @param hook - index of the hook in its chain
   */
  constructor(handlers: Handlers, flows: ChainFlows, table: StreamTable, take: TakeReason, hook: number) {
    this.#handlers = handlers;
    this.#take = take;
    this.#hook = hook;
    this.#table = table;
    this.#handle = new StreamHandle(flows, table.show(NO_STREAM));
  }

  /** The answer about a stream. @returns {@link FAULT} for none: {@link StreamCaller.complain} says what it was */
  ask(stream: number): PlainStreamVerdict | typeof FAULT {
    this.#hasThrown = false;
    this.#table.show(stream);
    try {
      const answer = this.#take(this.#hook, this.#handlers.onStream?.(this.#handle));
      if (answer === MORE || answer === FORWARD || answer === DROP || answer === ACCEPT || answer === RESET)
        return answer;
      this.#returned = answer;
    } catch (error) {
      this.#hasThrown = true;
      this.#thrown = error;
    } finally {
      this.#table.show(NO_STREAM);
    }
    return FAULT;
  }

  /** What the hook returned, which is no verdict either, for whoever calls hooks. @throws what the hook threw */
  complain(): Verdict {
    const returned = this.#returned;
    const thrown = this.#thrown;
    this.#returned = undefined;
    this.#thrown = undefined;
    if (this.#hasThrown) throw thrown;
    // These are verdicts on a packet, and a stream cannot be sent back.
    if (returned === ICMP_ON_DROP || returned === REPLY)
      throw new TypeError(`onStream returned ${returned}; expected MORE, FORWARD, ACCEPT, DROP or RESET`);
    return returned as Verdict;
  }
}
