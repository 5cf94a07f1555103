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
import { MORE, type StreamVerdict } from './stream-contract.ts';
import { StreamHandle } from './stream-handle.ts';

/** No answer. */
export const FAULT = -2;
const NO_STREAM = -1;

/** One call after the other. */
export class StreamCaller {
  readonly #handlers: Handlers;
  readonly #table: StreamTable;
  readonly #handle: StreamHandle;
  #returned: unknown = undefined;
  #thrown: unknown = undefined;
  #hasThrown = false;

  constructor(handlers: Handlers, flows: ChainFlows, table: StreamTable) {
    this.#handlers = handlers;
    this.#table = table;
    this.#handle = new StreamHandle(flows, table.show(NO_STREAM));
  }

  /** The answer about a stream. @returns {@link FAULT} for none: {@link StreamCaller.complain} says what it was */
  ask(stream: number): StreamVerdict | typeof FAULT {
    this.#hasThrown = false;
    this.#table.show(stream);
    try {
      const answer: unknown = this.#handlers.onStream?.(this.#handle);
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
