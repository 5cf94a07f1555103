/**
 * Follows a trace or a record of the daemon, line by line, until it ends or somebody ends it.
 *
 * ```
 *   POST /trace ─> lines of JSON ─┬─ packet ─> onPacket      more comes when it says so
 *                                 ├─ sums ───> kept, for the end
 *                                 └─ end     Ctrl-C, SIGTERM, a daemon that goes: the end as far as it is known
 * ```
 * Rule: however it ends, the caller is told what has been lost up to then.
 *
 * @module
 */

import { type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import type { PacketLine, TraceLine, TraceSums } from '../control/trace-control.ts';
import { FirehookError } from '../errors.ts';
import { printable } from '../telemetry/printable.ts';

/** What is asked for. */
export interface TraceRequest {
  /** Of pcap-filter(7); '' for every packet. */
  readonly expression: string;
  /** Packets. */
  readonly most: number | null;
  readonly hook: string | null;
  /** Most octets of each frame; null for a trace. */
  readonly octets: number | null;
}

/** How it ended. */
export interface TraceEnd extends TraceSums {
  /** `interrupted`: by a signal or {@link Follower.leave}; `gone`: the daemon has ended. */
  readonly by: 'daemon' | 'interrupted' | 'gone';
}

/** Has the stream under way in hand. */
export interface Follower {
  /** Nothing more is wanted. */
  leave(): void;
  /** Reads no further until {@link Follower.goOn}; some lines that have come already are told all the same. */
  wait(): void;
  goOn(): void;
  /** It ends with an error. */
  fail(error: unknown): void;
}

/** Who is told. What is thrown by these ends it, and comes out of {@link followTrace}. */
export interface TraceListener {
  /** The daemon has begun. */
  onStart(follower: Follower): void;
  onPacket(line: PacketLine): void;
}

/** Characters of an answer that is no trace. */
const MOST_ERROR = 16_384;

/**
 * Follows until the end.
 *
 * @throws {@link FirehookError} FIREHOOK_USAGE where the daemon refuses the request, FIREHOOK_CONTROL_UNREACHABLE where it does not answer,
 * FIREHOOK_PERMISSION where the socket may not be used; and what the listener throws
 */
export function followTrace(socket: string, wanted: TraceRequest, listener: TraceListener): Promise<TraceEnd> {
  return new Promise((resolve, reject) => {
    const unreachable = (why: string, cause?: unknown): void =>
      reject(new FirehookError('FIREHOOK_CONTROL_UNREACHABLE', `${socket}: ${why}`, { cause }));
    const query = request({ socketPath: socket, method: 'POST', path: '/trace' }, (response) => {
      if (response.statusCode === 200) new Stream(response, listener, resolve, reject).begin();
      else refuse(response, reject, unreachable);
    });
    query.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES' || error.code === 'EPERM')
        reject(new FirehookError('FIREHOOK_PERMISSION', `${socket} (control.mode says who may ask)`, { cause: error }));
      else unreachable(error.code === 'ENOENT' ? 'there is no such socket' : error.message, error);
    });
    query.end(JSON.stringify(wanted));
  });
}

/** One answer. */
class Stream implements Follower {
  readonly #response: IncomingMessage;
  readonly #listener: TraceListener;
  readonly #resolve: (end: TraceEnd) => void;
  readonly #reject: (error: unknown) => void;
  readonly #lines;
  #told = 0;
  #sums: TraceSums = { told: 0, lost: 0, invalid: 0, cut: 0 };
  #isOver = false;

  constructor(
    response: IncomingMessage,
    listener: TraceListener,
    resolve: (end: TraceEnd) => void,
    reject: (error: unknown) => void,
  ) {
    this.#response = response;
    this.#listener = listener;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#lines = createInterface({ input: response });
  }

  begin(): void {
    process.once('SIGINT', () => this.leave());
    process.once('SIGTERM', () => this.leave());
    // The lines say once more what the answer says.
    for (const source of [this.#response, this.#lines]) source.on('error', () => this.#end('gone'));
    this.#response.on('close', () => this.#end('gone'));
    this.#guarded(() => this.#listener.onStart(this));
    this.#lines.on('line', (text) => {
      if (!this.#isOver) this.#guarded(() => this.#take(JSON.parse(text) as TraceLine));
    });
  }

  leave(): void {
    this.#end('interrupted');
  }

  wait(): void {
    this.#lines.pause();
  }

  goOn(): void {
    this.#lines.resume();
  }

  fail(error: unknown): void {
    this.#isOver = true;
    this.#reject(error);
    this.#response.destroy();
  }

  #take(line: TraceLine): void {
    if ('end' in line) {
      this.#sums = line;
      this.#end('daemon');
    } else if ('sums' in line) this.#sums = line.sums;
    else {
      this.#told += 1;
      this.#listener.onPacket(line);
    }
  }

  #guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.fail(error);
    }
  }

  #end(by: TraceEnd['by']): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { lost, invalid, cut } = this.#sums;
    this.#resolve({ by, told: this.#told, lost, invalid, cut });
    this.#response.destroy();
  }
}

/** An answer that is no trace: why, in the words of the daemon. */
function refuse(
  response: NodeJS.ReadableStream,
  reject: (error: FirehookError) => void,
  unreachable: (why: string) => void,
): void {
  let text = '';
  response.on('data', (part: Buffer) => {
    text = (text + part.toString()).slice(0, MOST_ERROR);
  });
  response.on('end', () => {
    try {
      const { error } = JSON.parse(text) as { error: string };
      reject(new FirehookError('FIREHOOK_USAGE', printable(String(error))));
    } catch {
      unreachable('what answers there is not firehookd');
    }
  });
}

/** A number of packets of the command line; null where none is said. @throws {@link FirehookError} FIREHOOK_USAGE */
export function countOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new FirehookError('FIREHOOK_USAGE', `-n: ${text} is no number of packets`);
  return Number(text);
}

/** What was not told, for people; '' where that is nothing. */
export function missedOf({ lost, invalid }: Pick<TraceSums, 'lost' | 'invalid'>): string {
  return [
    ...(lost === 0 ? [] : [`, ${lost} matched and were not told`]),
    ...(invalid === 0 ? [] : [`, ${invalid} records were none`]),
  ].join('');
}

/** @throws {@link FirehookError} FIREHOOK_CONTROL_UNREACHABLE where the daemon has ended before the trace */
export function assertEnded({ by }: TraceEnd, socket: string): void {
  if (by === 'gone') throw new FirehookError('FIREHOOK_CONTROL_UNREACHABLE', `${socket}: the daemon has ended`);
}
