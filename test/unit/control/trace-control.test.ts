/**
 * Traces and records over the control socket, with lanes that say what they want: nothing is believed, everything is counted, and lanes are told
 * when it is over.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import type { LaneView } from '../../../src/control/daemon-view.ts';
import { TraceControl, type TraceLine } from '../../../src/control/trace-control.ts';
import type { TraceOrder } from '../../../src/lane/messages.ts';
import type { TraceBatch } from '../../../src/lane/trace-ring.ts';
import { waitFor } from '../../support/wait-for.ts';
import { wholeDaemon, wholeLane } from '../../support/whole-daemon.ts';

const PACKET = {
  number: 1,
  seconds: 1,
  nanoseconds: 2,
  from: 'lan0',
  to: 'wan0',
  length: 60,
  ends: null,
  resumed: false,
  hooks: [],
  fate: 'forwarded',
  cause: null,
  by: null,
  reason: null,
  counted: {},
  cut: false,
};
const NONE: TraceBatch = { records: [], lost: 0 };

/** A record as frame-recorder.ts lays it out: one frame that came in at an interface of that name. */
function recordOf(name: string, octets: Buffer, length = octets.length): Buffer {
  const said = { packet: PACKET, frames: { places: [{ name, linktype: 1 }], leftOut: 0 } };
  const text = Buffer.from(JSON.stringify(said));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(text.length);
  const frame = Buffer.alloc(20);
  frame.writeUInt16LE(255, 0);
  frame.writeUInt32LE(octets.length, 4);
  frame.writeUInt32LE(length, 8);
  return Buffer.concat([head, text, frame, octets]);
}

/** Lanes of which each look finds what was laid down for it. */
class Lanes {
  readonly orders: (readonly [pid: number, order: TraceOrder | null])[] = [];
  readonly batches = new Map<number, TraceBatch[]>();
  pids = [100];

  get views(): LaneView[] {
    return this.pids.map((pid, place) => ({
      ...wholeLane(place, pid, () => null),
      trace: (order) => void this.orders.push([pid, order]),
      readTraces: () => this.batches.get(pid)?.shift() ?? NONE,
    }));
  }
}

/** A control over these lanes, asked over HTTP. */
async function open(t: TestContext): Promise<{ lanes: Lanes; ask: (body: object) => Promise<IncomingMessage> }> {
  const lanes = new Lanes();
  const daemon = wholeDaemon();
  const control = new TraceControl(
    Object.defineProperty(Object.create(daemon) as typeof daemon, 'lanes', { get: () => lanes.views }),
  );
  const server = createServer((asked, response) => {
    let body = '';
    asked.on('data', (part: Buffer) => {
      body += part.toString();
    });
    asked.on('end', () => control.answer(body, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    lanes,
    ask: (body) =>
      new Promise((resolve, reject) => {
        const asking = request({ port, method: 'POST', agent: false }, resolve);
        asking.on('error', reject);
        asking.end(JSON.stringify({ expression: '', most: null, hook: null, ...body }));
      }),
  };
}

/** The lines of an answer, as they come. */
function linesOf(response: IncomingMessage): TraceLine[] {
  const lines: TraceLine[] = [];
  const reader = createInterface({ input: response }).on('error', () => undefined);
  response.on('error', () => undefined);
  reader.on('line', (text) => lines.push(JSON.parse(text) as TraceLine));
  return lines;
}

test('what is no record is counted, what is cut, too; frames come in base64; the end has the sums', async (t) => {
  const { lanes, ask } = await open(t);
  const octets = Buffer.from('0123456789');
  const whole = recordOf('lan0', octets);
  lanes.batches.set(100, [
    { records: [Buffer.from('nothing'), whole.subarray(0, -1), Buffer.alloc(0)], lost: 2 },
    { records: [recordOf('lan0', octets, 90), whole, whole], lost: 0 },
  ]);
  const response = await ask({ octets: 1000, most: 2 });
  assert.equal(response.statusCode, 200);
  const lines = linesOf(response);
  await waitFor(() => lines.some((line) => 'end' in line), { what: 'the end' });
  assert.deepEqual(lines[0], { sums: { told: 0, lost: 2, invalid: 3, cut: 0 } });
  assert.deepEqual(
    lines.slice(1, 3).map((line) => ('frames' in line ? line.frames : null)),
    [90, 10].map((length) => [
      { name: 'lan0', linktype: 1, kind: 'in', seconds: 0, nanoseconds: 0, length, octets: octets.toString('base64') },
    ]),
  );
  assert.deepEqual(lines.slice(3), [{ end: 'so many were asked for', told: 2, lost: 2, invalid: 3, cut: 1 }]);
  assert.deepEqual(lanes.orders, [
    [100, { id: 1, expression: '', octets: 1000 }],
    [100, null],
  ]);
});

test('a lane that invents interfaces is refused from the 257th on', async (t) => {
  const { lanes, ask } = await open(t);
  const records = Array.from({ length: 300 }, (_, index) => recordOf(`eth${index}`, Buffer.alloc(1)));
  lanes.batches.set(100, [{ records, lost: 0 }]);
  const response = await ask({ octets: 1000 });
  t.after(() => response.destroy());
  const lines = linesOf(response);
  await waitFor(() => lines.some((line) => 'sums' in line), { what: 'the sums' });
  assert.deepEqual(lines.at(-1), { sums: { told: 256, lost: 0, invalid: 44, cut: 0 } });
});

test('a lane in the place of another gets the order, and what the other one still says is told', async (t) => {
  const { lanes, ask } = await open(t);
  const text = (number: number): TraceBatch => ({
    records: [Buffer.from(JSON.stringify({ ...PACKET, number }))],
    lost: 0,
  });
  const response = await ask({});
  t.after(() => response.destroy());
  const lines = linesOf(response);
  const numbers = (): number[] => lines.flatMap((line) => ('packet' in line ? [line.packet.number] : []));
  lanes.batches.set(100, [text(1)]);
  await waitFor(() => numbers().length === 1, { what: 'the first packet' });
  lanes.pids = [101];
  lanes.batches.set(100, [text(2)]).set(101, [text(3)]);
  await waitFor(() => numbers().length === 3, { what: 'three packets' });
  assert.deepEqual(numbers().sort(), [1, 2, 3]);
  response.destroy();
  await waitFor(() => lanes.orders.length === 4, { what: 'the end' });
  assert.deepEqual(lanes.orders.map(([pid, order]) => [pid, order !== null]).sort(), [
    [100, false],
    [100, true],
    [101, false],
    [101, true],
  ]);
});

test('there is one at a time, also when an earlier one closes late', async (t) => {
  const { lanes, ask } = await open(t);
  lanes.batches.set(100, [{ records: [recordOf('lan0', Buffer.alloc(1))], lost: 0 }]);
  const first = await ask({ octets: 64, most: 1 });
  // It has ended for the daemon, and its answer is still being read.
  const second = await ask({ octets: 64 });
  t.after(() => second.destroy());
  assert.equal(second.statusCode, 200);
  const lines = linesOf(first);
  await waitFor(() => lines.some((line) => 'end' in line), { what: 'the end of the first' });
  await waitFor(() => first.closed, { what: 'the end of its answer' });
  const third = await ask({});
  assert.equal(third.statusCode, 409);
  third.resume();
  for (const octets of [63, 262_145, 0.5, '64']) assert.equal((await ask({ octets })).resume().statusCode, 400);
});
