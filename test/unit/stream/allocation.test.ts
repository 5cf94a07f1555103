/**
 * The rule of the packet path: nothing is allocated for a segment, whatever it does to its stream, nor for what a hook reads.
 *
 * Each kind of segment is measured alone: one object of it would be seen.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CLOSED_EVICTED,
  CLOSED_EXPIRED,
  COUNT_CLOSED,
  COUNT_RESULT,
  STREAM_DISAGREES,
  STREAM_ENDED,
  STREAM_FULL,
  STREAM_GREW,
  STREAM_NO_ROOM,
  STREAM_SAME,
  STREAM_TOO_FAR,
  STREAM_WAITS,
} from '../../../src/stream/stream-counters.ts';
import { StreamTable } from '../../../src/stream/stream-table.ts';
import { ACK, FIN, RST, SYN } from '../../../src/wire/tcp.ts';
import { heapGrowth, SMALLEST_LEAK } from '../../support/heap-growth.ts';

const HEADERS = 40;
const MOST = 16_389;
const SIZE = 1_460;
/** High, so that it would be boxed if it were not a signed word; and it begins anew within the stream. */
const START = 0xffff_f000 | 0;
/** One number for all segments of a batch, as a lane has it. */
const NOW = 1_700_000_000_000.5;

const datagram = Buffer.alloc(HEADERS + SIZE, 0x61);
const other = Buffer.alloc(HEADERS + SIZE, 0x62);

function made(options: { octets?: number; evictIdleMs?: number; idleMs?: number; streams?: number } = {}): StreamTable {
  const { octets = 1 << 20, evictIdleMs = 1e12, idleMs = 1e15, streams = 64 } = options;
  return new StreamTable({ flows: 1_024, streams, octets, most: MOST, pieces: 8, evictIdleMs, idleMs });
}

function feed(table: StreamTable, stream: number, at: number, length = SIZE, flags = ACK, bytes = datagram): number {
  return table.feed(stream, bytes, HEADERS, length, (START + 1 + at) | 0, flags, NOW);
}

/** A stream of flow 1 with its SYN. */
function opened(table: StreamTable, onOverlap: 'reset' | 'first' = 'reset'): number {
  const stream = table.open(1, 1, 0, MOST, onOverlap, NOW);
  feed(table, stream, -1, 0, SYN);
  return stream;
}

function quiet(name: string, make: () => { run: (count: number) => void; check?: () => void }): void {
  test(`${name} leaves nothing on the heap`, (t) => {
    const { run, check } = make();
    const grown = heapGrowth(run);
    t.diagnostic(`${grown.toFixed(3)} octets`);
    assert.ok(grown < SMALLEST_LEAK, `${grown} octets each`);
    check?.();
  });
}

/** What each run has to have met: else it measures nothing. */
function met(table: StreamTable, ...results: number[]): () => void {
  return () => {
    for (const result of results) assert.ok((table.counters[COUNT_RESULT + result] ?? 0) > 10_000, `result ${result}`);
  };
}

quiet('a stream that is opened, read in order to its bound and closed', () => {
  const table = made();
  let stream = -1;
  let at = 0;
  const run = (count: number): void => {
    for (let index = 0; index < count; index++) {
      if (at === 0) stream = opened(table);
      if (feed(table, stream, at) === STREAM_FULL) {
        table.close(stream);
        at = 0;
      } else at += SIZE;
    }
  };
  return { run, check: met(table, STREAM_GREW, STREAM_FULL) };
});

quiet('a stream that comes out of order, in small pieces, with a FIN', () => {
  const table = made();
  const order = [60, 20, 40, 80, 0, 100];
  let stream = -1;
  let place = 0;
  const run = (count: number): void => {
    for (let index = 0; index < count; index++) {
      if (place === 0) stream = opened(table);
      const at = order[place] as number;
      feed(table, stream, at, 20, at === 100 ? FIN | ACK : ACK);
      place = (place + 1) % order.length;
      if (place === 0) table.drop(1, 1);
    }
  };
  return { run, check: met(table, STREAM_WAITS, STREAM_GREW, STREAM_ENDED) };
});

quiet('a segment that comes again, in one chunk and over two', () => {
  const table = made();
  const stream = opened(table);
  for (let at = 0; at < 10 * SIZE; at += SIZE) feed(table, stream, at);
  const run = (count: number): void => {
    for (let index = 0; index < count; index++) feed(table, stream, (index % 100) * 100, index % 2 === 0 ? SIZE : 30);
  };
  return { run, check: met(table, STREAM_SAME) };
});

quiet('a segment that contradicts, with both rules', () => {
  const table = made();
  let stream = -1;
  const run = (count: number): void => {
    for (let index = 0; index < count; index++) {
      stream = opened(table, index % 2 === 0 ? 'reset' : 'first');
      feed(table, stream, 0);
      feed(table, stream, 100, SIZE, ACK, other);
      feed(table, stream, 200, 20, ACK, other);
      table.close(stream);
    }
  };
  return { run, check: met(table, STREAM_DISAGREES, STREAM_GREW) };
});

quiet('a segment too far ahead, one more piece than may wait, and a reset', () => {
  const table = made();
  let stream = -1;
  let at = 0;
  const run = (count: number): void => {
    for (let index = 0; index < count; index++) {
      if (at === 0) stream = opened(table);
      at += 10;
      feed(table, stream, at, 2);
      if (at < 200) continue;
      feed(table, stream, at, 0, RST);
      table.close(stream);
      at = 0;
    }
  };
  return { run, check: met(table, STREAM_TOO_FAR, STREAM_WAITS, STREAM_ENDED) };
});

quiet('a segment of a stream that is closed, or of nobody', () => {
  const table = made();
  table.close(opened(table));
  let found = 0;
  const run = (count: number): void => {
    for (let index = 0; index < count; index++) {
      const stream = table.find(index & 1_023, 1, index & 1);
      if (stream >= 0) found += 1;
      feed(table, stream, 0);
    }
  };
  return { run, check: () => assert.equal(found, 0) };
});

quiet('memory that is short: segments refused, streams evicted and expired', () => {
  let nowMs = NOW;
  let closed = 0;
  const table = new StreamTable({
    ...{ flows: 1_024, streams: 32, octets: 16 * 2_048, most: MOST, evictIdleMs: 2, idleMs: 5 },
    onClose: () => {
      closed += 1;
    },
  });
  let flow = 0;
  const run = (count: number): void => {
    nowMs += 1;
    for (let index = 0; index < count; index++) {
      // Slow enough for evictions, and now and then for all to expire.
      if (index % 50 === 0) nowMs += index % 500 === 0 ? 20 : 1;
      flow = (flow + 1) & 1_023;
      const stream = table.open(flow, 1, 0, MOST, 'reset', nowMs);
      table.startAt(stream, START);
      table.feed(stream, datagram, HEADERS, index % 3 === 0 ? 0 : SIZE, START, ACK, nowMs);
      if (index % 50 === 0) table.expire(nowMs, 64);
    }
  };
  const check = (): void => {
    met(table, STREAM_NO_ROOM, STREAM_GREW)();
    for (const reason of [CLOSED_EVICTED, CLOSED_EXPIRED]) {
      assert.ok((table.counters[COUNT_CLOSED + reason] ?? 0) > 1_000, `reason ${reason}`);
    }
    assert.ok(closed > 10_000);
  };
  return { run, check };
});

quiet('what the other end acknowledges', () => {
  const table = made();
  const stream = opened(table);
  feed(table, stream, 0);
  const run = (count: number): void => {
    for (let index = 0; index < count; index++) table.acknowledge(stream, (START + 1 + (index % SIZE)) | 0);
  };
  return { run };
});

quiet('what a hook reads', () => {
  const table = made();
  const stream = opened(table);
  for (let at = 0; at < 10 * SIZE; at += SIZE) feed(table, stream, at);
  const needle = Buffer.from('aaab');
  const start = Buffer.from('aaaa');
  const target = Buffer.alloc(100);
  let sum = 0;
  const run = (count: number): void => {
    for (let index = 0; index < count; index++) {
      const view = table.show(stream);
      sum += view.length + view.u8(index % 9_000) + view.u16(2_047) + view.u32(2_046) + (view.isEnded ? 1 : 0);
      sum += view.indexOf(needle, 14_000) + view.copyTo(target, 2_000) + (view.startsWith(start) ? 1 : 0);
      sum %= 1_000_003;
    }
  };
  return { run, check: () => assert.notEqual(sum, 0) };
});
