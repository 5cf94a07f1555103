/**
 * 180,000 segments through the stream table, and through a model made of Maps: both say the same of each,
 * and show the same octets.
 *
 * The segments are those of connections with octets of their own: cut at random, out of order, sent again in other cuts,
 * with octets or ends that disagree, from sequence numbers that are about to begin anew.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  COUNT_RESULT,
  STREAM_DISAGREES,
  STREAM_NO_ROOM,
  STREAM_SAME,
  STREAM_TOO_FAR,
  STREAM_WAITS,
} from '../../../src/stream/stream-counters.ts';
import type { OverlapRule } from '../../../src/stream/stream-table.ts';
import { StreamTable } from '../../../src/stream/stream-table.ts';
import { ACK, FIN, RST, SYN } from '../../../src/wire/tcp.ts';
import { randomNumbers } from '../flow/flow-rig.ts';
import type { ModelBounds, ModelSegment } from './stream-model.ts';
import { ModelMemory, ModelStream } from './stream-model.ts';

const SEGMENTS = 60_000;
const FLOWS = 12;
const HEADERS = 40;
const CHUNK = 2_048;

type Random = (below: number) => number;

/** A connection as the test sends it. */
interface Connection {
  readonly flow: number;
  readonly generation: number;
  readonly direction: 0 | 1;
  readonly content: Uint8Array;
  readonly start: number;
  readonly model: ModelStream;
  readonly stream: number;
}

interface Run {
  readonly name: string;
  readonly onOverlap: OverlapRule;
  readonly bounds: ModelBounds;
  /** Results that cannot come. */
  readonly without: readonly number[];
}

const RUNS: readonly Run[] = [
  {
    name: 'with much memory',
    onOverlap: 'reset',
    bounds: { most: 5_000, ahead: 5_000, pieces: 255, chunks: 64 },
    without: [STREAM_TOO_FAR, STREAM_NO_ROOM],
  },
  {
    name: 'with little memory',
    onOverlap: 'reset',
    bounds: { most: 9_000, ahead: 3_000, pieces: 4, chunks: 24 },
    without: [],
  },
  {
    name: 'where the first octets stay',
    onOverlap: 'first',
    bounds: { most: 4_096, ahead: 4_096, pieces: 3, chunks: 20 },
    without: [STREAM_DISAGREES],
  },
];

for (const [seed, { name, onOverlap, bounds, without }] of RUNS.entries()) {
  test(`the table does what the model does ${name}, in ${SEGMENTS} segments`, (t) => {
    const random = randomNumbers(seed + 1);
    const { most, ahead, pieces } = bounds;
    const octets = bounds.chunks * CHUNK;
    const table = new StreamTable({ flows: FLOWS, streams: FLOWS, octets, most, ahead, pieces, evictIdleMs: 1e12 });
    const memory = new ModelMemory();
    let generation = 0;
    const begin = (flow: number): Connection => {
      generation += 1;
      const direction = random(2) as 0 | 1;
      const stream = table.open(flow, generation, direction, most, onOverlap, 0);
      assert.ok(stream >= 0);
      const content = Uint8Array.from({ length: random(most + most / 2) }, () => random(256));
      // Half of them meet the place where sequence numbers begin anew.
      const start = random(2) === 0 ? (2 ** 32 - 1 - random(6_000)) >>> 0 : random(2 ** 32);
      const model = new ModelStream(bounds, memory, onOverlap === 'first');
      return { flow, generation, direction, content, start, model, stream };
    };
    const connections = Array.from({ length: FLOWS }, (_, flow) => begin(flow));
    for (let step = 0; step < SEGMENTS; step++) {
      const flow = random(FLOWS);
      const connection = connections[flow] as Connection;
      const { model, stream } = connection;
      assert.equal(table.find(flow, connection.generation, connection.direction), stream);
      if (random(40) === 0) {
        const upTo = Math.max(0, model.length - random(3) + random(2) * (random(50) === 0 ? 500 : 1));
        const number = (connection.start + 1 + upTo) >>> 0;
        assert.equal(table.acknowledge(stream, number), model.acknowledge(upTo), `acknowledgement at ${step}`);
        continue;
      }
      const segment = segmentOf(connection, random);
      const said = [feed(table, connection, segment), table.grew, table.released, table.isContradiction];
      const expected = [model.feed(segment), model.grew, model.released, model.isContradiction];
      assert.deepEqual(said, expected, `segment ${step} at ${segment.at}, ${segment.data.length} octets`);
      const view = table.show(stream);
      assert.deepEqual([view.length, view.isEnded], [model.length, model.isEnded], `segment ${step}`);
      assert.equal(table.octetsHeld, memory.held * CHUNK);
      const isDone = model.isEnded || model.isSettled || model.length === most;
      if (random(32) === 0 || isDone) assert.equal(view.text(), model.text());
      if (isDone && random(12) === 0) connections[flow] = again(table, connection, random, begin);
    }
    const results = Array.from(table.counters.subarray(COUNT_RESULT));
    t.diagnostic(`results ${results.join(' ')}, ${generation} streams`);
    for (let result = STREAM_SAME; result <= STREAM_DISAGREES; result++) {
      const count = results[result] ?? 0;
      assert.ok(without.includes(result) ? count === 0 : count > 50, `result ${result}: ${count}`);
    }
  });
}

function again(table: StreamTable, old: Connection, random: Random, begin: (flow: number) => Connection): Connection {
  old.model.close();
  if (random(2) === 0) assert.ok(table.close(old.stream));
  else assert.equal(table.drop(old.flow, old.generation), 1);
  assert.equal(table.find(old.flow, old.generation, old.direction), -1);
  return begin(old.flow);
}

function feed(table: StreamTable, connection: Connection, segment: ModelSegment): number {
  const { at, data, isSyn, isFin, isReset } = segment;
  // The segment stands anywhere in its datagram.
  const offset = HEADERS + (at & 7);
  const bytes = new Uint8Array(offset + data.length + (at & 3));
  bytes.set(data, offset);
  const flags = (isSyn === true ? SYN : 0) | (isFin === true ? FIN : 0) | (isReset === true ? RST : 0) || ACK;
  const sequence = connection.start + 1 + at;
  // With a sign, without, or not cut to 32 bits.
  const number = [sequence | 0, sequence >>> 0, sequence][at & 1 ? 0 : (at >> 1) & 1 ? 1 : 2] as number;
  return table.feed(connection.stream, bytes, offset, data.length, number, flags, 0);
}

/** A segment such as the connection could send next, late or again; now and then one that it could not. */
function segmentOf(connection: Connection, random: Random): ModelSegment {
  const { content, model } = connection;
  if (model.length === 0 && random(3) === 0) {
    return { at: -1, data: random(4) === 0 ? content.slice(0, random(200)) : new Uint8Array(), isSyn: true };
  }
  const kind = random(400);
  if (kind === 0) return { at: model.length, data: new Uint8Array(), isReset: true };
  if (kind < 8) return { at: model.length - random(3), data: new Uint8Array() };
  const size = [1 + random(4), 1 + random(60), 1 + random(500), 1 + random(3_000)][random(4)] as number;
  const where = random(10);
  let at = model.length;
  if (where < 3) at = model.length + random(800);
  else if (where < 5) at = Math.max(0, model.length - random(1_000)) - (random(20) === 0 ? 3 : 0);
  else if (where === 5) at = random(content.length + 1);
  at = Math.min(at, content.length);
  const data = slice(content, at, Math.min(content.length, at + size));
  if (kind < 14 && data.length > 0) {
    const place = random(data.length);
    data[place] = (data[place] as number) ^ (1 + random(255));
  }
  const isLast = at + data.length === content.length;
  if (kind === 14) return { at, data, isFin: true };
  if (kind === 15) return { at: content.length, data: Uint8Array.of(1, 2, 3) };
  return { at, data, isFin: isLast && random(2) === 0 };
}

/** Octets of a content; those from before its start are any. */
function slice(content: Uint8Array, from: number, to: number): Uint8Array {
  return Uint8Array.from({ length: Math.max(0, to - from) }, (_, index) => content[from + index] ?? 0x55);
}

test('what was shown never changes, whatever is sent: numbers, flags and lengths at random', () => {
  const random = randomNumbers(4);
  const table = new StreamTable({ flows: 4, streams: 4, octets: 8 * CHUNK, most: 6_000, evictIdleMs: 5, idleMs: 50 });
  const shown = ['', '', '', ''];
  const streams = [-1, -1, -1, -1];
  const bytes = new Uint8Array(3_000);
  let nowMs = 0;
  let grown = 0;
  for (let step = 0; step < 100_000; step++) {
    nowMs += random(3);
    const flow = random(4);
    let stream = table.find(flow, 0, 0);
    if (stream < 0) {
      stream = table.open(flow, 0, 0, 1 + random(6_000), random(2) === 0 ? 'reset' : 'first', nowMs);
      table.startAt(stream, -100);
      shown[flow] = '';
    }
    streams[flow] = stream;
    // Mostly the same octets, so that streams grow and not all of them disagree.
    if (random(20) === 0) bytes.fill(random(2), 0, random(bytes.length));
    const near = -100 + table.show(stream).length - 60 + random(120);
    const sequence = random(20) === 0 ? random(2 ** 32) : near;
    const flags = random(30) === 0 ? random(256) : ACK;
    const length = random(12) === 0 ? random(70_000) : random(90);
    const result = table.feed(stream, bytes, random(2_900), length, sequence, flags, nowMs);
    if (random(10) === 0) table.acknowledge(stream, random(3) === 0 ? random(2 ** 32) : -100 + random(50));
    if (table.find(flow, 0, 0) !== stream) continue;
    const text = table.show(stream).text();
    assert.ok(text.startsWith(shown[flow] as string), `step ${step}`);
    if (text.length > (shown[flow] as string).length) grown += 1;
    shown[flow] = text;
    if (random(result > STREAM_WAITS ? 5 : 200) === 0) table.close(stream);
  }
  assert.ok(grown > 2_000, `${grown} times`);
});
