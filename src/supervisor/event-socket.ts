/**
 * The unix stream socket that events are written to: firehook is the client, as Suricata is with `unix_stream`.
 *
 * ```
 *   connect ─ nobody listens ─> again after a second ─> connected ─> its descriptor is handed over, and this end closed
 *      ^────────────────────────────── the writer says that the other end is gone ──┘
 * ```
 * Rule: it is connected to by root, because the writer may open nothing; nothing is read from it and nothing written here.
 *
 * @module
 */

import { connect, type Socket } from 'node:net';
import type { Clock, Timer } from './clock.ts';

/** Between two tries. */
const AGAIN_MS = 1_000;

/** A socket as Node.js has it inside: the only way to its descriptor. */
interface WithHandle {
  readonly _handle: { readonly fd: number } | null;
}

/** One name, and who listens there. */
export class EventSocket {
  readonly path: string;
  /** Why it is not connected; '' when it is. */
  problem = 'nobody has been asked yet';
  readonly #clock: Clock;
  readonly #onConnect: (fd: number) => void;
  #socket: Socket | null = null;
  #timer: Timer | null = null;
  #isClosed = false;

  /** @param onConnect - gets the descriptor, lent until it returns */
  constructor(path: string, clock: Clock, onConnect: (fd: number) => void) {
    this.path = path;
    this.#clock = clock;
    this.#onConnect = onConnect;
  }

  /** Connects, now and until somebody listens. */
  connect(): void {
    if (this.#isClosed || this.#socket !== null) return;
    this.#timer?.cancel();
    this.#timer = null;
    const socket = connect(this.path);
    this.#socket = socket;
    socket.on('error', (error) => {
      this.problem = `${this.path}: ${(error as NodeJS.ErrnoException).code ?? error.message}`;
      this.#end();
      this.#later();
    });
    socket.once('connect', () => {
      const fd = (socket as unknown as WithHandle)._handle?.fd ?? -1;
      this.problem = '';
      if (fd >= 0) this.#onConnect(fd);
      this.#end();
    });
  }

  /** The other end is gone: another one is looked for, after a while. */
  again(): void {
    this.problem = `${this.path}: the other end is gone`;
    this.#later();
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#end();
  }

  #later(): void {
    if (this.#isClosed || this.#timer !== null) return;
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = null;
      this.connect();
    }, AGAIN_MS);
  }

  #end(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }
}
