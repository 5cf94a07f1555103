/**
 * Traces and records of live packets over the control socket: one of them at a time, each as long as somebody is there.
 *
 * ```
 *   POST /trace {expression, most, hook, octets} ─> order to every lane ─> rings, looked at 50 times a second ─> lines of JSON ─> client
 *      ends: so many packets were told │ the client left │ an hour has passed ─> lanes are told, too
 *      a client that does not read: a trace ends, a record loses packets, and counts them
 * ```
 * Rule: nothing that a lane says is believed, and nothing that a client does keeps more than a bounded number of octets, or a lane at work.
 *
 * @module
 */

import type { ServerResponse } from 'node:http';
import * as z from 'zod';
import { compileFilter } from '../filter/to-js.ts';
import { HOOK_PACKETS } from '../hook/compile-filters.ts';
import {
  parseRecord,
  parseTrace,
  type RecordedFrame,
  type RecordedPacket,
  type TraceRecord,
} from '../lane/read-trace.ts';
import { printableJson } from '../telemetry/printable.ts';
import type { DaemonView, LaneView } from './daemon-view.ts';

/** Octets of the longest request. */
export const MAX_TRACE_REQUEST: number = 16 * 1024;
const EVERY_MS = 20;
const LONGEST_MS = 3_600_000;
/** Octets that wait for a client that does not read. */
const MOST_WAITING = 1 << 20;
/** The same of a record: a line may have the octets of many long frames. */
const MOST_WAITING_OCTETS = 8 << 20;
/** Interfaces of a record. */
const MOST_INTERFACES = 256;
/** How long a lane that another one has taken the place of is looked at: packets may wait in it. */
const DEPARTED_MS = 12_000;

const request = z.strictObject({
  expression: z.string().max(8192),
  most: z.int().min(1).max(1e9).nullable(),
  hook: z.string().max(256).nullable(),
  /** Most octets of each frame that are told; null: what becomes of packets, and no frames. */
  octets: z.int().min(64).max(262_144).nullable().default(null),
});

/** What has come together up to now. */
export interface TraceSums {
  /** Packets that were told. */
  readonly told: number;
  /** Packets that matched and were not told. */
  readonly lost: number;
  /** Records of lanes that were none. */
  readonly invalid: number;
  /** Frames of which there are fewer octets than they had, or none; 0 of a trace. */
  readonly cut: number;
}

/** A frame of a record; its octets in base64. */
export type FrameLine = Omit<RecordedFrame, 'octets'> & { readonly octets: string };

/** A packet in the answer; with its frames where it is a record. */
export interface PacketLine {
  readonly lane: number;
  readonly packet: TraceRecord;
  readonly frames?: readonly FrameLine[];
}

/** A line of the answer: a packet, what was lost since the last such line, or how it ended. */
export type TraceLine = PacketLine | { readonly sums: TraceSums } | ({ readonly end: string } & TraceSums);

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
    if (this.#isRunning) return [409, 'another trace runs, or a record; there is one at a time', null];
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
  /** Lanes that have the order, by their pid; since when they are no lane of the daemon any more. */
  readonly #told = new Map<number, { view: LaneView; lane: number; goneMs: number }>();
  readonly #interfaces = new Set<string>();
  #packets = 0;
  #lost = 0;
  #invalid = 0;
  #cut = 0;
  /** What the client knows. */
  #saidLost = 0;
  #hasStopped = false;

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
    const nowMs = performance.now();
    this.#meetLanes(nowMs);
    for (const { view, lane } of [...this.#told.values()]) {
      const { records, lost } = view.readTraces(this.#id);
      this.#lost += lost;
      for (const record of records) if (!this.#take(lane, record)) return;
    }
    this.#saySums();
    if (nowMs - this.#sinceMs > LONGEST_MS) this.#end('an hour has passed');
  }

  /** One that has taken the place of another is told, too; the other one may have packets still. */
  #meetLanes(nowMs: number): void {
    const { expression, octets } = this.#wanted;
    const views = this.#daemon.lanes;
    for (const [lane, view] of views.entries()) {
      if (!view.isReady || this.#told.has(view.pid)) continue;
      this.#told.set(view.pid, { view, lane, goneMs: Number.POSITIVE_INFINITY });
      view.trace({ id: this.#id, expression, octets });
    }
    for (const [pid, known] of this.#told) {
      if (views.some((view) => view.pid === pid)) continue;
      if (known.goneMs === Number.POSITIVE_INFINITY) known.goneMs = nowMs;
      if (nowMs - known.goneMs > DEPARTED_MS) this.#told.delete(pid);
    }
  }

  /** @returns false when the trace has ended with it */
  #take(lane: number, record: Buffer): boolean {
    if (this.#wanted.octets === null) {
      const packet = parseTrace(record.toString());
      return packet === null ? this.#refuse() : this.#tell({ lane, packet }, MOST_WAITING);
    }
    const recorded = parseRecord(record);
    if (recorded === null || !this.#knows(recorded)) return this.#refuse();
    const { packet, frames, leftOut } = recorded;
    const lines = frames.map((frame) => ({ ...frame, octets: frame.octets.toString('base64') }));
    const cut = frames.filter(({ octets, length }) => octets.length < length).length + leftOut;
    return this.#tell({ lane, packet, frames: lines }, MOST_WAITING_OCTETS, cut);
  }

  #refuse(): true {
    this.#invalid += 1;
    return true;
  }

  /** A lane that invents interfaces must not have a client remember all of them. */
  #knows({ frames }: RecordedPacket): boolean {
    for (const { name, linktype } of frames) this.#interfaces.add(`${linktype} ${name}`);
    return this.#interfaces.size <= MOST_INTERFACES;
  }

  /** @returns false when the trace has ended with it */
  #tell(line: PacketLine, mostWaiting: number, cut = 0): boolean {
    const { hook, most, octets } = this.#wanted;
    if (hook !== null && !line.packet.hooks.some((one) => one.hook === hook && one.skipped === null)) return true;
    if (this.#response.writableLength > mostWaiting) {
      if (octets !== null) {
        this.#lost += 1;
        return true;
      }
      this.#response.destroy();
      return false;
    }
    this.#line(line);
    this.#packets += 1;
    this.#cut += cut;
    if (most === null || this.#packets < most) return true;
    this.#end('so many were asked for');
    return false;
  }

  /** So that a client who leaves knows what he has missed. */
  #saySums(): void {
    if (this.#lost + this.#invalid === this.#saidLost || this.#response.writableLength > MOST_WAITING) return;
    this.#saidLost = this.#lost + this.#invalid;
    this.#line({ sums: this.#sums });
  }

  get #sums(): TraceSums {
    return { told: this.#packets, lost: this.#lost, invalid: this.#invalid, cut: this.#cut };
  }

  #line(line: TraceLine): void {
    this.#response.write(`${printableJson(JSON.stringify(line))}\n`);
  }

  #end(end: string): void {
    this.#line({ end, ...this.#sums });
    this.#stop();
    this.#response.end();
  }

  /** Lanes mark no more packets. Idempotent: a response closes later than a trace ends, and another one may run then. */
  #stop(): void {
    if (this.#hasStopped) return;
    this.#hasStopped = true;
    clearInterval(this.#timer);
    for (const { view } of this.#told.values()) view.trace(null);
    this.#told.clear();
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
