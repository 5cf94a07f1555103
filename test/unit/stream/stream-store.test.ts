/**
 * Who has a place in the table, who gives it up, and what is counted.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CLOSED_DROPPED,
  CLOSED_EVICTED,
  CLOSED_EXPIRED,
  CLOSED_READ,
  CLOSED_REPLACED,
  COUNT_CLOSED,
  COUNT_OPENED,
  COUNT_RESULT,
  COUNT_UNOPENED,
  STREAM_GREW,
  STREAM_NO_ROOM,
  STREAM_SAME,
  STREAM_UNREAD,
  STREAM_WAITS,
} from '../../../src/stream/stream-counters.ts';
import type { StreamTableOptions } from '../../../src/stream/stream-table.ts';
import { StreamTable, streamOctetsFor } from '../../../src/stream/stream-table.ts';
import { ACK } from '../../../src/wire/tcp.ts';
import { pattern, StreamRig } from './stream-rig.ts';

const CHUNK = 2_048;

/** Feeds octets to a stream that starts at 0. */
function feed(rig: StreamRig, stream: number, at: number, length = 1): number {
  rig.table.startAt(stream, 0);
  return rig.table.feed(stream, Buffer.alloc(length, 0x61), 0, length, at, ACK, rig.nowMs);
}

function balance(rig: StreamRig): void {
  const { counters } = rig.table;
  let closed = 0;
  for (const reason of [CLOSED_READ, CLOSED_DROPPED, CLOSED_EXPIRED, CLOSED_EVICTED, CLOSED_REPLACED]) {
    closed += counters[COUNT_CLOSED + reason] ?? 0;
  }
  assert.equal(counters[COUNT_OPENED], closed + rig.table.size);
}

describe('a stream', () => {
  test('is found by flow, generation and direction, and opened once', () => {
    const rig = new StreamRig();
    assert.equal(rig.table.find(1, 7, 0), rig.stream);
    for (const [flow, generation, direction] of [
      [1, 7, 1],
      [1, 6, 0],
      [1, 8, 0],
      [2, 7, 0],
      [0, 0, 0],
      [63, 0, 0],
      [64, 0, 0],
      [9_999, 0, 0],
      [-1, 0, 1],
    ] as const) {
      assert.equal(rig.table.find(flow, generation, direction), -1);
    }
    rig.syn('abc');
    assert.equal(rig.open(1, 7), rig.stream);
    assert.equal(rig.text(), 'abc');
    assert.notEqual(rig.open(1, 7, 1), rig.stream);
    assert.equal(rig.table.size, 2);
    balance(rig);
  });

  test('takes no memory when it is closed, and segments of it are unread', () => {
    const rig = new StreamRig();
    rig.syn(pattern(0, 5_000));
    rig.data(9_000, 'x');
    assert.equal(rig.table.octetsHeld, 4 * CHUNK);
    assert.ok(rig.table.close(rig.stream));
    assert.ok(!rig.table.close(rig.stream));
    assert.equal(rig.table.octetsHeld, 0);
    assert.equal(rig.table.size, 0);
    assert.equal(rig.table.find(1, 7, 0), -1);
    assert.equal(rig.data(5_000, 'more'), STREAM_UNREAD);
    assert.equal(rig.acknowledge(0), STREAM_UNREAD);
    assert.equal(rig.table.counters[COUNT_RESULT + STREAM_UNREAD], 0);
    assert.deepEqual(rig.closed, []);
    balance(rig);
  });

  test('does not show octets of an earlier one in the same memory', () => {
    const rig = new StreamRig({ streams: 1, octets: CHUNK });
    rig.syn('secret of the first stream');
    rig.table.close(rig.stream);
    rig.stream = rig.open(3);
    rig.syn();
    assert.equal(rig.data(4, 'piece'), STREAM_WAITS);
    assert.equal(rig.text(), '');
    assert.equal(rig.data(0, 'next'), STREAM_GREW);
    assert.equal(rig.text(), 'nextpiece');
  });

  test('gives way to that of a later flow with the same index', () => {
    const rig = new StreamRig();
    rig.syn('old');
    const later = rig.open(1, 8);
    assert.deepEqual(rig.closed, [{ flow: 1, generation: 7, direction: 0, reason: CLOSED_REPLACED }]);
    assert.equal(rig.table.find(1, 7, 0), -1);
    assert.equal(rig.table.find(1, 8, 0), later);
    assert.equal(rig.table.show(later).length, 0);
    balance(rig);
  });

  test('is dropped with its flow, both ways, and not with another generation of it', () => {
    const rig = new StreamRig();
    rig.open(1, 7, 1);
    rig.open(2, 7, 0);
    assert.equal(rig.table.drop(1, 6), 0);
    assert.equal(rig.table.drop(1, 7), 2);
    assert.equal(rig.table.drop(1, 7), 0);
    assert.equal(rig.table.size, 1);
    assert.deepEqual(rig.closed, []);
    assert.equal(rig.table.counters[COUNT_CLOSED + CLOSED_DROPPED], 2);
    balance(rig);
  });
});

describe('the idle timeout', () => {
  test('counts from what was new, not from what came again', () => {
    const rig = new StreamRig({ idleMs: 100 });
    rig.syn('abc');
    rig.nowMs += 80;
    assert.equal(rig.data(0, 'abc'), STREAM_SAME);
    assert.equal(rig.data(3, ''), STREAM_SAME);
    rig.nowMs += 20;
    assert.equal(rig.table.expire(rig.nowMs, 9), 0);
    rig.nowMs += 1;
    assert.equal(rig.table.expire(rig.nowMs, 9), 1);
    assert.deepEqual(rig.closed, [{ flow: 1, generation: 7, direction: 0, reason: CLOSED_EXPIRED }]);
    const kept = new StreamRig({ idleMs: 100 });
    kept.syn('abc');
    for (const [at, text, result] of [
      [3, 'd', STREAM_GREW],
      [5, 'f', STREAM_WAITS],
      [4, 'e', STREAM_GREW],
      [6, 'g', STREAM_GREW],
    ] as const) {
      kept.nowMs += 90;
      assert.equal(kept.data(at, text), result);
      assert.equal(kept.table.expire(kept.nowMs, 9), 0);
    }
    assert.deepEqual(kept.closed, []);
  });

  test('holds for a segment, whether expire was called or not', () => {
    const rig = new StreamRig({ idleMs: 100 });
    rig.syn('abc');
    rig.nowMs += 101;
    assert.equal(rig.data(3, 'def'), STREAM_UNREAD);
    assert.equal(rig.closed.length, 1);
    assert.equal(rig.table.size, 0);
    rig.nowMs += 1;
    rig.stream = rig.open(1, 7);
    assert.equal(rig.table.show(rig.stream).length, 0);
    rig.nowMs += 101;
    assert.equal(rig.open(1, 7), rig.stream, 'the same record, opened anew');
    assert.equal(rig.closed.length, 2);
    balance(rig);
  });

  test('closes as many as it may, in turns with and without octets', () => {
    const rig = new StreamRig({ idleMs: 100 });
    for (let flow = 2; flow < 8; flow++) {
      const stream = rig.open(flow);
      if (flow % 2 === 0) feed(rig, stream, 0);
    }
    rig.nowMs += 101;
    assert.deepEqual([rig.table.expire(rig.nowMs, 2), rig.table.expire(rig.nowMs, 4)], [2, 4]);
    assert.deepEqual([rig.table.expire(rig.nowMs, 4), rig.table.expire(rig.nowMs, 4)], [1, 0]);
    assert.equal(rig.table.size, 0);
    balance(rig);
  });

  test('does not run while the clock is set back, and goes on from there', () => {
    const rig = new StreamRig({ idleMs: 100 });
    rig.syn('abc');
    rig.nowMs -= 3_600_000;
    assert.equal(rig.table.expire(rig.nowMs, 9), 0);
    rig.nowMs += 101;
    assert.equal(rig.table.expire(rig.nowMs, 9), 1);
  });
});

describe('a place in a full table', () => {
  test('is given up by who has expired, then by who has no octets, then by who is slow', () => {
    const rig = new StreamRig({ streams: 3, idleMs: 1_000, evictIdleMs: 100 });
    const holding = rig.stream;
    feed(rig, holding, 0);
    rig.nowMs += 10;
    rig.open(2);
    rig.nowMs += 10;
    rig.open(3);
    assert.ok(rig.open(4) >= 0, 'the longest without octets');
    assert.deepEqual([rig.closed.at(-1)?.flow, rig.closed.at(-1)?.reason], [2, CLOSED_EVICTED]);
    feed(rig, rig.table.find(3, 0, 0), 0);
    feed(rig, rig.table.find(4, 0, 0), 0);
    assert.equal(rig.open(5), -1, 'all have octets and are in use');
    assert.equal(rig.table.counters[COUNT_UNOPENED], 1);
    rig.nowMs += 80;
    assert.ok(rig.open(5) >= 0, 'flow 1 has had nothing new for 100 ms');
    assert.deepEqual([rig.closed.at(-1)?.flow, rig.closed.at(-1)?.reason], [1, CLOSED_EVICTED]);
    rig.nowMs += 990;
    feed(rig, rig.table.find(5, 0, 0), 0);
    rig.nowMs += 20;
    assert.ok(rig.open(6) >= 0);
    assert.deepEqual([rig.closed.at(-1)?.flow, rig.closed.at(-1)?.reason], [3, CLOSED_EXPIRED]);
    balance(rig);
  });

  test('of expired ones goes before that of one without octets', () => {
    const rig = new StreamRig({ streams: 2, idleMs: 100 });
    feed(rig, rig.stream, 0);
    rig.nowMs += 60;
    rig.open(2);
    rig.nowMs += 60;
    rig.open(3);
    assert.deepEqual([rig.closed.at(-1)?.flow, rig.closed.at(-1)?.reason], [1, CLOSED_EXPIRED]);
  });

  test('is kept by who has had something new since, in memory that was there', () => {
    const rig = new StreamRig({ streams: 2, idleMs: 1_000, evictIdleMs: 100 });
    feed(rig, rig.stream, 0);
    feed(rig, rig.open(2), 0);
    rig.nowMs += 60;
    assert.equal(feed(rig, rig.stream, 1), STREAM_GREW);
    rig.nowMs += 60;
    assert.ok(rig.open(3) >= 0);
    assert.deepEqual([rig.closed.at(-1)?.flow, rig.closed.at(-1)?.reason], [2, CLOSED_EVICTED]);
  });

  test('a flood of opened connections costs no stream that is being read its place', () => {
    const rig = new StreamRig({ streams: 4, evictIdleMs: 0, flows: 1_000 });
    feed(rig, rig.stream, 0);
    for (let flow = 2; flow < 900; flow++) assert.ok(rig.open(flow) >= 0);
    assert.equal(rig.table.find(1, 7, 0), rig.stream);
    assert.equal(feed(rig, rig.stream, 1), STREAM_GREW);
    balance(rig);
  });
});

describe('memory for octets', () => {
  test('is given up by who is slow, never by the stream that asks', () => {
    const rig = new StreamRig({ octets: 3 * CHUNK, idleMs: 1_000, evictIdleMs: 100 });
    assert.equal(feed(rig, rig.stream, 0), STREAM_GREW);
    rig.nowMs += 50;
    const second = rig.open(2);
    assert.equal(feed(rig, second, 0, 3_000), STREAM_GREW);
    const third = rig.open(3);
    assert.equal(feed(rig, third, 0), STREAM_NO_ROOM, 'all are in use');
    assert.equal(rig.table.show(third).length, 0);
    rig.nowMs += 60;
    assert.equal(feed(rig, rig.stream, 1, CHUNK), STREAM_NO_ROOM, 'it is the slowest itself');
    assert.equal(rig.table.show(rig.stream).length, 1);
    assert.equal(feed(rig, third, 0), STREAM_GREW);
    assert.deepEqual([rig.closed.at(-1)?.flow, rig.closed.at(-1)?.reason], [1, CLOSED_EVICTED]);
    rig.nowMs += 1_001;
    assert.equal(feed(rig, rig.open(4), 0, 3 * CHUNK), STREAM_GREW);
    const [first, last] = rig.closed.slice(-2);
    assert.deepEqual([first?.flow, first?.reason, last?.flow, last?.reason], [2, CLOSED_EXPIRED, 3, CLOSED_EXPIRED]);
    balance(rig);
  });

  test('that is short costs a segment, not the stream: it comes again', () => {
    const rig = new StreamRig({ octets: 2 * CHUNK, evictIdleMs: 1e9 });
    const other = rig.open(2);
    feed(rig, other, 0, 2 * CHUNK);
    rig.syn();
    assert.equal(rig.data(4, 'efgh'), STREAM_NO_ROOM);
    assert.equal(rig.fin(0, 'abcd'), STREAM_NO_ROOM);
    rig.table.close(other);
    assert.equal(rig.data(0, 'abcdef'), STREAM_GREW, 'the FIN of the lost segment has not counted');
    assert.equal(rig.text(), 'abcdef');
  });

  test('of a stream that is all the memory there is can be written to the last octet', () => {
    const rig = new StreamRig({ octets: 4 * CHUNK + 2_047, most: 4 * CHUNK + 1 });
    rig.syn();
    assert.equal(rig.data(0, pattern(0, 4 * CHUNK)), STREAM_GREW);
    assert.equal(rig.data(4 * CHUNK, 'x'), STREAM_NO_ROOM);
    assert.equal(rig.text(), pattern(0, 4 * CHUNK));
  });
});

describe('the options', () => {
  const options: StreamTableOptions = { flows: 4, streams: 2, octets: 4_096, most: 100 };

  test('that are out of range are refused', () => {
    const wrong: Partial<StreamTableOptions>[] = [
      ...[0, 1.5, 2 ** 24 + 1, Number.NaN].map((flows) => ({ flows })),
      ...[0, 2 ** 20 + 1].map((streams) => ({ streams })),
      ...[2_047, 2 ** 30 + 1].map((octets) => ({ octets })),
      ...[0, 2 ** 24 + 1].map((most) => ({ most })),
      ...[-1, 0.5].map((ahead) => ({ ahead })),
      ...[0, 256].map((pieces) => ({ pieces })),
    ];
    for (const option of wrong) {
      assert.throws(() => new StreamTable({ ...options, ...option }), RangeError, JSON.stringify(option));
    }
  });

  test('say how much memory the table takes', (t) => {
    const large: StreamTableOptions = { flows: 65_536, streams: 4_096, octets: 1 << 25, most: 16_389, pieces: 8 };
    const tables: StreamTable[] = [];
    let taken = 0;
    // Memory of earlier tests may be freed meanwhile, so that one of several counts: the one that took most.
    for (let round = 0; round < 5; round++) {
      const before = process.memoryUsage().arrayBuffers;
      tables.push(new StreamTable(large));
      taken = Math.max(taken, process.memoryUsage().arrayBuffers - before);
    }
    t.diagnostic(`${taken} octets taken, ${streamOctetsFor(large)} said`);
    assert.ok(Math.abs(taken - streamOctetsFor(large)) < 4_096, `${taken} and ${streamOctetsFor(large)}`);
    assert.equal(tables.length, 5);
  });
});
