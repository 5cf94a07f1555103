/**
 * The process that makes lines of events: as the lanes' user, confined as a lane is, with the rings of the lanes and what it is to write to.
 *
 * ```
 *   rings of the lanes ─ every 20 ms ─> records, checked ─┐                ┌─> file      on a thread
 *   events of the supervisor ────────────────────────────┴─> lines ─> ────┼─> socket    what it has room for
 *                                                                          └─> standard output
 * ```
 * Rule: whatever a lane wrote, and however slow a disk or a reader is, nobody waits for this process but the events. It opens nothing: it is handed
 * what it writes to.
 *
 * @see event-sink.ts, event-messages.ts
 * @module
 */

import { closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type EventOrigin, eveLine, eveOf } from '../events/eve.ts';
import { RING_OCTETS } from '../events/event-layout.ts';
import { LineQueue, socketOutlet, threadOutlet } from '../events/line-queue.ts';
import { RingReader } from '../events/ring-reader.ts';
import { loadNative } from '../native/load-native.ts';
import type { SinkKind, SinkReport, ToWriter, WriterReport } from './event-messages.ts';

/** Descriptor of the socket by which descriptors come, as the supervisor arranges it. */
const HANDOVER_FD = 3;
/** How often the rings are looked at: 2,048 events of a lane each time. */
const LOOK_MS = 20;
/** Looks between two reports, where there is something to report. */
const REPORT_EVERY = 25;
/** How long what is left at the end may take; the supervisor waits a little longer. */
const LAST_LINES_MS = 1_500;
const MAX_PROBLEM = 256;

interface Ring {
  readonly reader: RingReader;
  readonly origin: EventOrigin;
  isEnded: boolean;
}

interface Sink {
  readonly queue: LineQueue;
  reported: { written: number; lost: number; problem: string };
  isGone: boolean;
}

const native = loadNative();
native.confine(Int32Array.of(HANDOVER_FD), false, false);
const sinks = new Map<SinkKind, Sink>();
const rings = new Map<number, Ring>();
let invalid = 0;
let emptied: number[] = [];
let looks = 0;

const input = createInterface({ input: process.stdin });
input.on('line', (line) => hear(JSON.parse(line) as ToWriter));
input.on('close', () => {
  clearInterval(looking);
  endBy(performance.now() + LAST_LINES_MS);
});
process.stdout.on('error', () => process.exit(0));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
const looking = setInterval(() => {
  look();
  looks += 1;
  const isUrgent = emptied.length > 0 || [...sinks.values()].some(({ isGone }) => isGone);
  if (looks % REPORT_EVERY === 0 || isUrgent) report();
}, LOOK_MS);

/** What is left, as far as it is taken in time. */
function endBy(endMs: number): void {
  look();
  const queues = Array.from(sinks.values(), ({ queue }) => queue);
  if (queues.some((queue) => !queue.isEmpty) && performance.now() < endMs) {
    setTimeout(() => endBy(endMs), LOOK_MS);
    return;
  }
  for (const queue of queues) queue.giveUp();
  report(() => process.exit(0));
}

function hear(message: ToWriter): void {
  if (message.type === 'told') {
    write(eveLine(message.event));
    return;
  }
  if (message.type === 'sinks') {
    for (const sink of message.sinks)
      sinks.set(sink, { queue: new LineQueue(), reported: { written: 0, lost: 0, problem: '' }, isGone: false });
    return;
  }
  if (message.type === 'ended') {
    const ring = rings.get(message.id);
    // One that is not here has been emptied already.
    if (ring === undefined) emptied.push(message.id);
    else ring.isEnded = true;
    return;
  }
  const [number, fd] = native.receiveDescriptor(HANDOVER_FD) ?? [-1, -1];
  if (number !== message.id) throw new Error(`descriptor ${message.id} has not come, but ${number}`);
  if (message.type === 'outlet') {
    exchange(message.sink, fd);
    return;
  }
  const { lane, hooks, interfaces, ways } = message;
  const names = new Map(interfaces);
  const reader = new RingReader(native.mapMemory(fd, RING_OCTETS));
  closeSync(fd);
  const origin = { lane, hooks, ways, nameOf: (index: number) => names.get(index) };
  rings.set(message.id, { reader, origin, isEnded: false });
}

function exchange(kind: SinkKind, fd: number): void {
  const sink = sinks.get(kind);
  if (sink === undefined) {
    closeSync(fd);
    return;
  }
  if (kind !== 'socket') {
    sink.queue.exchange(threadOutlet(fd));
    return;
  }
  const outlet = socketOutlet(
    fd,
    (to, octets) => native.writeNow(to, octets),
    () => {
      sink.queue.exchange(null);
      sink.isGone = true;
    },
  );
  sink.queue.exchange(outlet);
}

function write(line: string): void {
  for (const { queue } of sinks.values()) queue.add(line);
}

function look(): void {
  for (const [id, { reader, origin, isEnded }] of rings) {
    const before = reader.invalid;
    reader.read((event) => write(eveLine(eveOf(event, origin))));
    invalid += reader.invalid - before;
    // Nobody writes into it any more: that was all.
    if (!isEnded) continue;
    rings.delete(id);
    emptied.push(id);
  }
  for (const { queue } of sinks.values()) queue.flush();
}

function report(done: () => void = () => undefined): void {
  const news: WriterReport = { sinks: [...sinks].flatMap(([kind, sink]) => newsOf(kind, sink)), invalid, emptied };
  if (news.sinks.length + news.invalid + news.emptied.length === 0) {
    done();
    return;
  }
  invalid = 0;
  emptied = [];
  process.stdout.write(`${JSON.stringify(news)}\n`, () => done());
}

/** What has not been said of a sink; empty where that is nothing. */
function newsOf(kind: SinkKind, sink: Sink): SinkReport[] {
  const { queue, reported, isGone } = sink;
  const problem = queue.problem.slice(0, MAX_PROBLEM);
  const written = queue.written - reported.written;
  const lost = queue.lost - reported.lost;
  if (written + lost === 0 && problem === reported.problem && !isGone) return [];
  sink.reported = { written: queue.written, lost: queue.lost, problem };
  sink.isGone = false;
  return [{ sink: kind, written, lost, isGone, problem }];
}
