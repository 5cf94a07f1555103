/**
 * Traces of live packets over the control socket: one at a time, each as long as somebody reads it.
 *
 * ```
 *   POST /trace {expression, most, hook} ─> order to every lane ─> rings, looked at 50 times a second ─> lines of JSON ─> client
 *      ends: so many packets were told │ the client left, or does not read │ an hour has passed ─> lanes are told, too
 * ```
 * Rule: nothing that a lane says is believed, and nothing that a client does keeps more than a bounded number of octets, or a lane at work.
 *
 * @module
 */

import type { ServerResponse } from 'node:http';
import * as z from 'zod';
import { compileFilter } from '../filter/to-js.ts';
import { HOOK_PACKETS } from '../hook/compile-filters.ts';
import { parseTrace, type TraceRecord } from '../lane/read-trace.ts';
import { printableJson } from '../telemetry/printable.ts';
import type { DaemonView } from './daemon-view.ts';

/** Octets of the longest request. */
export const MAX_TRACE_REQUEST: number = 16 * 1024;
const EVERY_MS = 20;
const LONGEST_MS = 3_600_000;
/** Octets that wait for a client that does not read. */
const MOST_WAITING = 1 << 20;

const request = z.strictObject({
  expression: z.string().max(8192),
  most: z.int().min(1).max(1e9).nullable(),
  hook: z.string().max(256).nullable(),
});

/** A line of the answer: a packet, or how it ended. */
export type TraceLine =
  | { readonly lane: number; readonly packet: TraceRecord }
  | { readonly end: string; readonly told: number; readonly lost: number; readonly invalid: number };

/** The trace of a daemon. */
export class TraceControl {
  readonly #daemon: DaemonView;
  #id = 0;
  #isRunning = false;

  constructor(daemon: DaemonView) {
    this.#daemon = daemon;
  }

  /** Answers a request, in lines where it is one. */
  answer(body: string, response: ServerResponse): void {
    const [status, error, wanted] = this.#check(body);
    if (wanted === null) {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(`${printableJson(JSON.stringify({ error }))}\n`);
      return;
    }
    this.#isRunning = true;
    this.#id = (this.#id % 0xffff_ffff) + 1;
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.flushHeaders();
    new Trace(this.#daemon, this.#id, wanted, response, () => {
      this.#isRunning = false;
    });
  }

  #check(body: string): [status: number, error: string, wanted: z.output<typeof request> | null] {
    const { data } = request.safeParse(parse(body));
    if (data === undefined) return [400, 'not a request for a trace', null];
    const hooks = this.#daemon.hooks.map(({ name }) => name);
    if (data.hook !== null && !hooks.includes(data.hook))
      return [400, `there is no hook ${data.hook}; there are ${hooks.join(', ') || 'none'}`, null];
    try {
      if (data.expression !== '') compileFilter(data.expression, HOOK_PACKETS);
    } catch (error) {
      return [400, (error as Error).message, null];
    }
    if (this.#isRunning) return [409, 'another trace runs; there is one at a time', null];
    return [200, '', data];
  }
}

/** One trace. */
class Trace {
  readonly #daemon: DaemonView;
  readonly #id: number;
  readonly #wanted: z.output<typeof request>;
  readonly #response: ServerResponse;
  readonly #onEnd: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #sinceMs = performance.now();
  /** Lanes that have the order, by their pid. */
  readonly #told = new Set<number>();
  #packets = 0;
  #lost = 0;
  #invalid = 0;

  constructor(
    daemon: DaemonView,
    id: number,
    wanted: z.output<typeof request>,
    response: ServerResponse,
    onEnd: () => void,
  ) {
    this.#daemon = daemon;
    this.#id = id;
    this.#wanted = wanted;
    this.#response = response;
    this.#onEnd = onEnd;
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
    response.once('close', () => this.#stop());
    response.on('error', () => this.#stop());
    this.#look();
  }

  #look(): void {
    const { expression } = this.#wanted;
    for (const [lane, view] of this.#daemon.lanes.entries()) {
      if (!view.isReady) continue;
      // One that has taken the place of another is told, too.
      if (!this.#told.has(view.pid)) {
        this.#told.add(view.pid);
        view.trace({ id: this.#id, expression });
      }
      const { texts, lost } = view.readTraces(this.#id);
      this.#lost += lost;
      for (const text of texts) if (!this.#tell(lane, text)) return;
    }
    if (performance.now() - this.#sinceMs > LONGEST_MS) this.#end('an hour has passed');
  }

  /** @returns false when the trace has ended with it */
  #tell(lane: number, text: string): boolean {
    const packet = parseTrace(text);
    if (packet === null) {
      this.#invalid += 1;
      return true;
    }
    const { hook, most } = this.#wanted;
    if (hook !== null && !packet.hooks.some((one) => one.hook === hook && one.skipped === null)) return true;
    if (this.#response.writableLength > MOST_WAITING) {
      this.#response.destroy();
      return false;
    }
    this.#line({ lane, packet });
    this.#packets += 1;
    if (most === null || this.#packets < most) return true;
    this.#end('so many were asked for');
    return false;
  }

  #line(line: TraceLine): void {
    this.#response.write(`${printableJson(JSON.stringify(line))}\n`);
  }

  #end(end: string): void {
    this.#line({ end, told: this.#packets, lost: this.#lost, invalid: this.#invalid });
    this.#stop();
    this.#response.end();
  }

  /** Lanes mark no more packets. Idempotent. */
  #stop(): void {
    clearInterval(this.#timer);
    for (const lane of this.#daemon.lanes) if (this.#told.delete(lane.pid)) lane.trace(null);
    this.#onEnd();
  }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
