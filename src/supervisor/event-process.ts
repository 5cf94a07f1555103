/**
 * The process that makes lines of events: as the lanes' user, confined as a lane is, with the rings of the lanes and one open file.
 *
 * ```
 *   rings of the lanes ─ every 20 ms ─> records, checked ─> lines ─> the file
 * ```
 * Rule: whatever a lane wrote, and however slow the disk is, nobody waits for this process but the events. It opens no file: it is handed them.
 *
 * @see event-sink.ts, event-messages.ts
 * @module
 */

import { closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type EveEvent, type EventOrigin, eveLine, eveOf } from '../events/eve.ts';
import { RING_OCTETS } from '../events/event-layout.ts';
import { LineFile } from '../events/line-file.ts';
import { RingReader } from '../events/ring-reader.ts';
import { loadNative } from '../native/load-native.ts';
import type { ToWriter, WriterReport } from './event-messages.ts';

/** Descriptor of the socket by which descriptors come, as the supervisor arranges it. */
const HANDOVER_FD = 3;
/** How often the rings are looked at: 2,048 events of a lane each time. */
const LOOK_MS = 20;
/** Looks between two reports, where there is something to report. */
const REPORT_EVERY = 25;
const MAX_ERROR = 256;

interface Ring {
  readonly reader: RingReader;
  readonly origin: EventOrigin;
  isEnded: boolean;
}

const native = loadNative();
native.confine(Int32Array.of(HANDOVER_FD), false, false);
const file = new LineFile();
const rings = new Map<number, Ring>();
let reported = { written: 0, lost: 0 };
let invalid = 0;
let emptied: number[] = [];
let error = '';
let looks = 0;

const input = createInterface({ input: process.stdin });
input.on('line', (line) => hear(JSON.parse(line) as ToWriter));
input.on('close', () => {
  look();
  report(() => process.exit(0));
});
process.stdout.on('error', () => process.exit(0));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
setInterval(() => {
  look();
  looks += 1;
  if (looks % REPORT_EVERY === 0 || emptied.length > 0) report();
}, LOOK_MS);

function hear(message: ToWriter): void {
  if (message.type === 'ended') {
    const ring = rings.get(message.id);
    // One that is not here has been emptied already.
    if (ring === undefined) emptied.push(message.id);
    else ring.isEnded = true;
    return;
  }
  const [number, fd] = native.receiveDescriptor(HANDOVER_FD) ?? [-1, -1];
  if (number !== message.id) throw new Error(`descriptor ${message.id} has not come, but ${number}`);
  if (message.type === 'file') {
    file.exchange(fd);
    return;
  }
  const { lane, hooks, interfaces, ways } = message;
  const names = new Map(interfaces);
  const reader = new RingReader(native.mapMemory(fd, RING_OCTETS));
  closeSync(fd);
  rings.set(message.id, { reader, origin: { lane, hooks, ways, nameOf: (index) => names.get(index) }, isEnded: false });
}

function look(): void {
  for (const [id, { reader, origin, isEnded }] of rings) {
    const before = reader.invalid;
    reader.read((event) => file.add(eveLine(eveOf(event, origin) satisfies EveEvent)));
    invalid += reader.invalid - before;
    // Nobody writes into it any more: that was all.
    if (!isEnded) continue;
    rings.delete(id);
    emptied.push(id);
  }
  file.flush();
}

function report(done: () => void = () => undefined): void {
  const { written, lost } = file;
  const problem = file.error.slice(0, MAX_ERROR);
  const news: WriterReport = {
    written: written - reported.written,
    lost: lost - reported.lost,
    invalid,
    emptied,
    error: problem,
  };
  if (news.written + news.lost + news.invalid + news.emptied.length === 0 && problem === error) {
    done();
    return;
  }
  reported = { written, lost };
  invalid = 0;
  emptied = [];
  error = problem;
  process.stdout.write(`${JSON.stringify(news)}\n`, () => done());
}
