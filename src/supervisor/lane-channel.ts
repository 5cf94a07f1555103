/**
 * The supervisor's end of the channel to a lane: bounded lines in, each checked, and only those that have their place.
 *
 * ```
 *   (nothing) ─ opened ─> ready ─ answered, handed ...  ─┐
 *       └──────── failed ────────┴─ failed, tried ─> nothing more          anything else: a fault, and the lane is to be killed
 * ```
 * Rule: after a fault nothing of the lane is read any more. A lane cannot make the supervisor keep more than one line.
 *
 * @module
 */

import type { Duplex } from 'node:stream';
import { MAX_LANE_LINE, type ToLane } from '../lane/messages.ts';
import { type FromLane, parseFromLane } from '../lane/read-message.ts';
import { LineReader } from './line-reader.ts';

/** What of {@link FromLane} may come after what. */
const NEXT: Readonly<Record<FromLane['type'] | 'nothing', readonly FromLane['type'][]>> = {
  nothing: ['opened', 'failed'],
  opened: ['ready', 'failed'],
  ready: ['answered', 'handed', 'tried', 'failed'],
  answered: ['answered', 'handed', 'failed'],
  handed: ['answered', 'handed', 'failed'],
  tried: [],
  failed: [],
};

/** Reads and writes one channel. */
export class LaneChannel {
  readonly #socket: Duplex;
  readonly #onMessage: (message: FromLane) => void;
  readonly #onFault: (reason: string) => void;
  #last: FromLane['type'] | 'nothing' = 'nothing';
  #isOver = false;

  /**
   * @param onFault - it said what it may not say; called once, and nothing after it
   * @param onEnd - it says no more, because it has ended or because it closed the channel; not called after a fault
   */
  constructor(
    socket: Duplex,
    onMessage: (message: FromLane) => void,
    onFault: (reason: string) => void,
    onEnd: () => void = () => undefined,
  ) {
    this.#socket = socket;
    this.#onMessage = onMessage;
    this.#onFault = onFault;
    const reader = new LineReader(MAX_LANE_LINE, (line, isCut) => this.#line(line, isCut));
    socket.on('data', (bytes: Buffer) => {
      if (!this.#isOver) reader.take(bytes);
    });
    // That the lane is gone is told by its end.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (this.#isOver) return;
      this.#isOver = true;
      onEnd();
    });
  }

  /** Tells the lane something, if it is still there. */
  send(message: ToLane): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Reads no more. Idempotent. */
  close(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  #line(line: string, isCut: boolean): void {
    if (this.#isOver) return;
    const message = isCut ? null : parseFromLane(line);
    if (isCut) this.#fault(`a message of more than ${MAX_LANE_LINE} octets`);
    else if (message === null) this.#fault('a message that is none');
    else if (!NEXT[this.#last].includes(message.type)) this.#fault(`the message "${message.type}" out of place`);
    else {
      this.#last = message.type;
      this.#onMessage(message);
    }
  }

  #fault(what: string): void {
    this.close();
    this.#onFault(`it sent ${what}`);
  }
}
