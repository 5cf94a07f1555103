/**
 * Segments of a stream, one rule after the other: what is said of them, and what can be read then.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  COUNT_CONTRADICTIONS,
  COUNT_MISSED,
  COUNT_OCTETS,
  COUNT_RESULT,
  COUNT_URGENT,
  STREAM_DISAGREES,
  STREAM_ENDED,
  STREAM_FULL,
  STREAM_GREW,
  STREAM_MISSED,
  STREAM_NO_START,
  STREAM_SAME,
  STREAM_TOO_FAR,
  STREAM_UNREAD,
  STREAM_WAITS,
} from '../../../src/stream/stream-counters.ts';
import { ACK, FIN, PSH, RST, SYN, URG } from '../../../src/wire/tcp.ts';
import { HEADERS, pattern, StreamRig } from './stream-rig.ts';

function started(options: ConstructorParameters<typeof StreamRig>[0] = {}): StreamRig {
  const rig = new StreamRig(options);
  assert.equal(rig.syn(), STREAM_SAME);
  return rig;
}

describe('octets in order', () => {
  test('grow the stream, with and without PSH', () => {
    const rig = started();
    assert.equal(rig.data(0, 'hello '), STREAM_GREW);
    assert.equal(rig.table.grew, 6);
    assert.equal(rig.data(6, 'world', ACK | PSH), STREAM_GREW);
    assert.equal(rig.table.at, 6);
    assert.equal(rig.table.released, 0);
    assert.equal(rig.text(), 'hello world');
    assert.equal(rig.table.counters[COUNT_OCTETS], 11);
    assert.equal(rig.table.counters[COUNT_RESULT + STREAM_GREW], 2);
  });

  test('reach over chunks of memory', () => {
    const rig = started();
    for (let at = 0; at < 14_600; at += 1_460) assert.equal(rig.data(at, pattern(at, 1_460)), STREAM_GREW);
    assert.equal(rig.text(), pattern(0, 14_600));
    assert.equal(rig.table.octetsHeld, 8 * 2_048);
  });

  test('come in one segment larger than several chunks', () => {
    const rig = started();
    assert.equal(rig.data(0, pattern(0, 9_000)), STREAM_GREW);
    assert.equal(rig.text(), pattern(0, 9_000));
  });

  test('go on where sequence numbers begin anew', () => {
    const rig = started({ start: 0xffff_fffa });
    assert.equal(rig.data(0, 'abcdefgh'), STREAM_GREW);
    assert.equal(rig.data(10, 'kl'), STREAM_WAITS);
    assert.equal(rig.data(4, 'efghij'), STREAM_GREW);
    assert.equal(rig.text(), 'abcdefghijkl');
  });

  test('are those of a SYN with data, which is sent again without a cookie', () => {
    const rig = new StreamRig();
    assert.equal(rig.syn('GET /'), STREAM_GREW);
    assert.equal(rig.syn('GET /'), STREAM_SAME);
    assert.equal(rig.data(0, 'GET / HTTP'), STREAM_GREW);
    assert.equal(rig.text(), 'GET / HTTP');
  });
});

describe('octets out of order', () => {
  test('wait until the gap is closed', () => {
    const rig = started();
    assert.equal(rig.data(3, 'def'), STREAM_WAITS);
    assert.equal(rig.text(), '');
    assert.equal(rig.data(9, 'jk'), STREAM_WAITS);
    assert.equal(rig.data(0, 'abc'), STREAM_GREW);
    assert.equal(rig.table.grew, 6);
    assert.equal(rig.table.released, 3);
    assert.equal(rig.text(), 'abcdef');
    assert.equal(rig.data(5, 'fghij'), STREAM_GREW);
    assert.equal(rig.text(), 'abcdefghijk');
  });

  test('are said to wait also when they are known', () => {
    const rig = started();
    assert.equal(rig.data(3, 'def'), STREAM_WAITS);
    assert.equal(rig.data(3, 'def'), STREAM_WAITS);
    assert.equal(rig.data(4, 'e'), STREAM_WAITS);
  });

  test('join pieces on both sides, and cover several', () => {
    const rig = started({ pieces: 3 });
    for (const at of [2, 6, 10]) assert.equal(rig.data(at, pattern(at, 2)), STREAM_WAITS);
    assert.equal(rig.data(4, pattern(4, 2)), STREAM_WAITS);
    assert.equal(rig.data(14, pattern(14, 2)), STREAM_WAITS);
    assert.equal(rig.data(3, pattern(3, 12)), STREAM_WAITS);
    assert.equal(rig.data(0, pattern(0, 2)), STREAM_GREW);
    assert.equal(rig.table.grew, 16);
    assert.equal(rig.text(), pattern(0, 16));
  });

  test('are not kept beyond the pieces that a stream may have, and come again', () => {
    const rig = started({ pieces: 2 });
    rig.data(2, 'c');
    rig.data(4, 'e');
    assert.equal(rig.data(6, 'g'), STREAM_TOO_FAR);
    assert.equal(rig.data(5, 'f'), STREAM_WAITS);
    assert.equal(rig.data(0, 'ab'), STREAM_GREW);
    assert.equal(rig.data(6, 'g'), STREAM_WAITS);
    assert.equal(rig.data(3, 'd'), STREAM_GREW);
    assert.equal(rig.text(), 'abcdefg');
  });

  test('are not kept where they reach too far ahead, and octets in order always are', () => {
    const rig = started({ ahead: 10 });
    assert.equal(rig.data(5, '567890'), STREAM_TOO_FAR);
    assert.equal(rig.data(5, '56789'), STREAM_WAITS);
    assert.equal(rig.data(0, 'abcde567890123456789'), STREAM_GREW);
    assert.equal(rig.text(), 'abcde567890123456789');
  });
});

describe('octets that come again', () => {
  test('are nothing new, in part or in whole', () => {
    const rig = started();
    rig.data(0, 'abcdef');
    assert.equal(rig.data(0, 'abcdef'), STREAM_SAME);
    assert.equal(rig.data(2, 'cd'), STREAM_SAME);
    assert.equal(rig.data(4, 'efgh'), STREAM_GREW);
    assert.equal(rig.table.grew, 2);
    assert.equal(rig.text(), 'abcdefgh');
  });

  test('are cut at the start of the stream', () => {
    const rig = started();
    assert.equal(rig.data(-3, 'xyz'), STREAM_SAME);
    assert.equal(rig.data(-2, 'xyab'), STREAM_GREW);
    assert.equal(rig.table.at, -2);
    assert.equal(rig.text(), 'ab');
  });

  test('disagree: the stream is over, and shows what was read first', () => {
    const rig = started();
    rig.data(0, 'abcdef');
    assert.equal(rig.data(4, 'eXgh'), STREAM_DISAGREES);
    assert.equal(rig.table.isContradiction, 1);
    assert.equal(rig.data(6, 'gh'), STREAM_DISAGREES);
    assert.equal(rig.acknowledge(6), STREAM_DISAGREES);
    assert.equal(rig.text(), 'abcdef');
    assert.equal(rig.table.counters[COUNT_CONTRADICTIONS], 1);
  });

  test('disagree behind a gap, also where a longer segment covers the piece', () => {
    for (const [at, text] of [
      [5, 'X'],
      [3, 'deXghij'],
      [0, 'abcdeX'],
    ] as const) {
      const rig = started();
      rig.data(4, 'efg');
      assert.equal(rig.data(at, text), STREAM_DISAGREES, text);
    }
  });

  test('are compared over the bounds of chunks', () => {
    for (const changed of [0, 63, 2_047, 2_048, 4_095, 4_096, 4_999]) {
      const rig = started();
      rig.data(0, pattern(0, 5_000));
      const other = Buffer.from(pattern(0, 5_000), 'latin1');
      other[changed] = (other[changed] ?? 0) ^ 1;
      assert.equal(rig.data(0, pattern(0, 5_000)), STREAM_SAME);
      assert.equal(rig.data(0, other.toString('latin1')), STREAM_DISAGREES, `octet ${changed}`);
    }
  });

  test('lose against the first ones where those are kept', () => {
    const rig = started({ onOverlap: 'first' });
    rig.data(0, 'abc');
    rig.data(6, 'ghi');
    assert.equal(rig.data(2, 'XdeXXXXjk'), STREAM_GREW);
    assert.equal(rig.table.isContradiction, 1);
    assert.equal(rig.text(), 'abcdeXghijk');
    assert.equal(rig.data(0, 'zzz'), STREAM_SAME);
    assert.equal(rig.data(11, 'l'), STREAM_GREW);
    assert.equal(rig.table.isContradiction, 0);
    assert.equal(rig.text(), 'abcdeXghijkl');
    assert.equal(rig.table.counters[COUNT_CONTRADICTIONS], 2);
  });
});

describe('the start', () => {
  test('is not known without a SYN: nothing is read, and it is said', () => {
    const rig = new StreamRig();
    assert.equal(rig.data(0, ''), STREAM_SAME);
    assert.equal(rig.data(0, 'abc'), STREAM_NO_START);
    assert.equal(rig.fin(3), STREAM_NO_START);
    assert.equal(rig.text(), '');
    assert.equal(rig.syn(), STREAM_SAME);
    assert.equal(rig.data(0, 'abc'), STREAM_GREW);
  });

  test('can be said by the caller, once', () => {
    const rig = new StreamRig();
    assert.ok(rig.table.startAt(rig.stream, 1_001));
    assert.equal(rig.data(0, 'abc'), STREAM_GREW);
    assert.ok(rig.table.startAt(rig.stream, 1_001));
    assert.ok(!rig.table.startAt(rig.stream, 1_002));
    assert.ok(!rig.table.startAt(5, 1_001));
  });

  test('stays where it is when another SYN comes, which the flow table judges', () => {
    const rig = started();
    assert.equal(rig.segment(500, '', SYN), STREAM_SAME);
    assert.equal(rig.data(0, 'abc'), STREAM_GREW);
    assert.equal(rig.segment(600, 'xyz', SYN), STREAM_SAME);
    assert.equal(rig.segment(600, '', SYN | ACK), STREAM_SAME);
    assert.equal(rig.data(3, 'def'), STREAM_GREW);
    assert.equal(rig.text(), 'abcdef');
  });

  test('is that of the last SYN ACK before any octet, for servers that answer each SYN anew', () => {
    const rig = new StreamRig();
    assert.equal(rig.segment(499, '', SYN | ACK), STREAM_SAME);
    assert.equal(rig.syn('', SYN | ACK), STREAM_SAME);
    assert.equal(rig.data(0, 'abc'), STREAM_GREW);
  });
});

describe('the end', () => {
  test('is said once, when everything up to the FIN is there', () => {
    const rig = started();
    assert.equal(rig.fin(3, 'def'), STREAM_WAITS);
    assert.ok(!rig.table.show(rig.stream).isEnded);
    assert.equal(rig.data(0, 'abc'), STREAM_ENDED);
    assert.equal(rig.table.grew, 6);
    assert.ok(rig.table.show(rig.stream).isEnded);
    assert.equal(rig.fin(3, 'def'), STREAM_SAME);
    assert.equal(rig.fin(6), STREAM_SAME);
    assert.equal(rig.data(6, ''), STREAM_SAME);
    assert.equal(rig.text(), 'abcdef');
  });

  test('of a FIN alone, ahead of its octets and of a stream without any', () => {
    const rig = started();
    assert.equal(rig.fin(3), STREAM_WAITS);
    assert.equal(rig.data(0, 'abc'), STREAM_ENDED);
    const empty = started();
    assert.equal(empty.fin(0), STREAM_ENDED);
    assert.equal(empty.table.show(empty.stream).length, 0);
  });

  test('contradicts octets behind it, another end, and octets that were there before', () => {
    for (const contradiction of [
      (rig: StreamRig) => rig.data(3, 'd'),
      (rig: StreamRig) => rig.data(2, 'cd'),
      (rig: StreamRig) => rig.data(9, 'j'),
      (rig: StreamRig) => rig.fin(4),
      (rig: StreamRig) => rig.fin(2),
      (rig: StreamRig) => rig.fin(0, 'ab'),
    ]) {
      const rig = started();
      rig.fin(0, 'abc');
      assert.equal(contradiction(rig), STREAM_DISAGREES, String(contradiction));
    }
    for (const at of [0, 2, 3, 4]) {
      const rig = started();
      rig.data(0, 'abc');
      rig.data(4, 'e');
      assert.equal(rig.fin(at), STREAM_DISAGREES, `FIN at ${at}`);
    }
  });

  test('stays where it was first where the first octets are kept', () => {
    const rig = started({ onOverlap: 'first' });
    assert.equal(rig.fin(3), STREAM_WAITS);
    assert.equal(rig.fin(4), STREAM_WAITS);
    assert.equal(rig.data(0, 'abcd'), STREAM_ENDED);
    assert.equal(rig.data(3, 'd'), STREAM_SAME);
    assert.equal(rig.text(), 'abc');
    const late = started({ onOverlap: 'first' });
    late.data(0, 'abc');
    assert.equal(late.fin(2), STREAM_SAME);
    assert.equal(late.fin(1, 'XXd'), STREAM_ENDED);
    assert.equal(late.text(), 'abcd');
  });

  test('comes by a reset, and octets behind it contradict it', () => {
    const rig = started();
    rig.data(0, 'abc');
    assert.equal(rig.reset(3), STREAM_ENDED);
    assert.equal(rig.reset(3), STREAM_SAME);
    assert.equal(rig.data(0, 'abc'), STREAM_SAME);
    assert.ok(rig.table.show(rig.stream).isEnded);
    assert.equal(rig.text(), 'abc');
    assert.equal(rig.data(2, 'cd'), STREAM_DISAGREES);
    const kept = started({ onOverlap: 'first' });
    kept.data(0, 'abc');
    assert.equal(kept.segment(3, '', RST | ACK), STREAM_ENDED);
    assert.equal(kept.data(0, 'abcdef'), STREAM_SAME);
    assert.equal(kept.text(), 'abc');
  });

  test('comes by a reset that refuses the connection, before any SYN of the direction', () => {
    const rig = new StreamRig();
    assert.equal(rig.segment(0, '', RST | ACK), STREAM_ENDED);
    assert.ok(rig.table.show(rig.stream).isEnded);
  });
});

describe('keep-alives and probes', () => {
  test('without data, or with the octet that was sent, are nothing new', () => {
    const rig = started();
    rig.data(0, 'abc');
    assert.equal(rig.data(2, ''), STREAM_SAME);
    assert.equal(rig.data(2, 'c'), STREAM_SAME);
  });

  test('may hold any octet where the other end has acknowledged that place, and nowhere else', () => {
    const rig = started();
    rig.data(0, 'abc');
    assert.equal(rig.acknowledge(3), STREAM_SAME);
    assert.equal(rig.data(2, '\0'), STREAM_SAME);
    assert.equal(rig.data(-1, '\0'), STREAM_SAME);
    assert.equal(rig.acknowledge(2), STREAM_SAME);
    assert.equal(rig.data(2, '\0'), STREAM_SAME);
    assert.equal(rig.text(), 'abc');
    assert.equal(rig.data(1, '\0'), STREAM_DISAGREES);
    const early = started();
    early.data(0, 'abc');
    early.acknowledge(2);
    assert.equal(early.data(2, '\0'), STREAM_DISAGREES);
    const long = started();
    long.data(0, 'abc');
    long.acknowledge(3);
    assert.equal(long.data(2, '\0d'), STREAM_DISAGREES);
  });

  test('of a FIN lie at its number', () => {
    const rig = started();
    rig.fin(0, 'abc');
    rig.acknowledge(4);
    assert.equal(rig.data(3, '\0'), STREAM_SAME);
  });

  test('into a window of 0 bring the next octet, again and again', () => {
    const rig = started();
    rig.data(0, 'abc');
    assert.equal(rig.data(3, 'd'), STREAM_GREW);
    assert.equal(rig.data(3, 'd'), STREAM_SAME);
    assert.equal(rig.data(3, 'defg'), STREAM_GREW);
    assert.equal(rig.text(), 'abcdefg');
  });
});

describe('the bound of a stream', () => {
  test('is said when it is reached, and for what lies beyond', () => {
    const rig = started({ most: 5_000 });
    assert.equal(rig.data(0, pattern(0, 4_000)), STREAM_GREW);
    assert.equal(rig.data(4_000, pattern(4_000, 2_000)), STREAM_FULL);
    assert.equal(rig.table.grew, 1_000);
    assert.ok(rig.table.show(rig.stream).isFull);
    assert.equal(rig.text(), pattern(0, 5_000));
    assert.equal(rig.data(6_000, 'more'), STREAM_FULL);
    assert.equal(rig.data(0, pattern(0, 4_000)), STREAM_SAME);
    assert.equal(rig.data(4_999, 'X'), STREAM_DISAGREES);
  });

  test('is reached by the last octet, and by one that closes the last gap', () => {
    const rig = started({ most: 10 });
    assert.equal(rig.data(5, '567890123'), STREAM_WAITS);
    assert.equal(rig.data(12, 'beyond'), STREAM_WAITS);
    assert.equal(rig.data(0, '01234'), STREAM_FULL);
    assert.equal(rig.table.grew, 10);
    assert.equal(rig.text(), '0123456789');
  });

  test('can be smaller than that of the table', () => {
    const rig = started({ read: 3 });
    assert.equal(rig.data(0, 'abcdef'), STREAM_FULL);
    assert.equal(rig.text(), 'abc');
  });

  test('ends before the FIN', () => {
    const rig = started({ most: 4 });
    assert.equal(rig.fin(2, 'cdef'), STREAM_WAITS);
    assert.equal(rig.data(0, 'ab'), STREAM_FULL);
    assert.ok(!rig.table.show(rig.stream).isEnded);
    const exact = started({ most: 4 });
    assert.equal(exact.fin(0, 'abcd'), STREAM_ENDED);
  });

  test('holds when the connection goes on beyond what sequence numbers can tell apart', () => {
    const rig = started({ most: 4 });
    assert.equal(rig.data(0, 'abcd'), STREAM_FULL);
    for (const at of [2 ** 30, 2 ** 31, 2 ** 32 - 2, 2 ** 32]) assert.equal(rig.data(at, 'other'), STREAM_FULL);
    assert.equal(rig.text(), 'abcd');
  });
});

describe('octets that never come', () => {
  test('are missed when the receiver has acknowledged them', () => {
    const rig = started();
    rig.data(0, 'abc');
    rig.data(6, 'ghi');
    assert.equal(rig.acknowledge(3), STREAM_SAME);
    assert.equal(rig.acknowledge(9), STREAM_MISSED);
    assert.equal(rig.data(3, 'def'), STREAM_MISSED);
    assert.equal(rig.acknowledge(9), STREAM_MISSED);
    assert.equal(rig.text(), 'abc');
    assert.equal(rig.table.counters[COUNT_MISSED], 1);
  });

  test('are missed when the sender has gone on very far', () => {
    const rig = started();
    rig.data(0, 'abc');
    assert.equal(rig.data(2 ** 30 - 1, 'x'), STREAM_WAITS);
    assert.equal(rig.data(2 ** 30, 'x'), STREAM_MISSED);
    assert.equal(rig.table.at, 2 ** 30);
  });

  test('are not missed when the FIN is acknowledged, the bound is reached, or the connection was reset', () => {
    const rig = started();
    rig.fin(0, 'abc');
    assert.equal(rig.acknowledge(4), STREAM_SAME);
    const full = started({ most: 2 });
    full.data(0, 'abc');
    assert.equal(full.acknowledge(3), STREAM_SAME);
    const reset = started();
    reset.reset(0);
    assert.equal(reset.acknowledge(7), STREAM_SAME);
  });

  test('are those that the capture cut off', () => {
    const rig = started();
    const bytes = Buffer.from('abcdef');
    assert.equal(rig.table.feed(rig.stream, bytes, 0, 10, 1_001, ACK, rig.nowMs), STREAM_GREW);
    assert.equal(rig.text(), 'abcdef');
    assert.equal(rig.data(10, 'kl'), STREAM_WAITS);
    assert.equal(rig.table.feed(rig.stream, bytes, 6, 4, 1_001 + 6, ACK | FIN, rig.nowMs), STREAM_DISAGREES);
  });
});

describe('whatever the octets and numbers are', () => {
  test('nothing is thrown and nothing outside is read', () => {
    const odd = [Number.NaN, -1, 0.5, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53, Number.POSITIVE_INFINITY];
    for (const value of odd) {
      const rig = started();
      const bytes = Buffer.from('abcdef');
      const { table, stream, nowMs } = rig;
      table.feed(stream, bytes, value, 6, 1_001, ACK, nowMs);
      assert.match(rig.text(), /^[a-f]*$/);
      table.feed(stream, bytes, 0, value, 1_001, ACK, nowMs);
      table.feed(stream, bytes, 0, 6, value, ACK, nowMs);
      table.feed(stream, bytes, 0, 6, 1_001, value, nowMs);
      table.feed(stream, bytes, 0, 6, 1_001, ACK, value);
      assert.equal(table.feed(value, bytes, 0, 6, 1_001, ACK, nowMs), STREAM_UNREAD);
      table.acknowledge(stream, value);
      table.find(value, 7, 0);
      table.find(1, 7, value);
      table.drop(value, value);
      table.close(value);
      table.startAt(value, 0);
      assert.equal(table.open(value, 0, 0, 10, 'reset', nowMs), -1);
      assert.equal(table.open(1, 0, value, 10, 'reset', nowMs), -1);
      assert.ok(table.open(2, 0, 0, value, 'reset', nowMs) >= 0);
      assert.match(rig.text(), /^[a-f]*$/);
    }
  });

  test('urgent octets are read in line, counted and shown', () => {
    const rig = started();
    rig.data(0, 'abc');
    assert.ok(!rig.table.show(rig.stream).hasUrgent);
    assert.equal(rig.data(3, 'd', ACK | URG), STREAM_GREW);
    assert.ok(rig.table.show(rig.stream).hasUrgent);
    assert.equal(rig.table.counters[COUNT_URGENT], 1);
  });

  test('the segment is only lent', () => {
    const rig = started();
    const bytes = Buffer.alloc(HEADERS + 200, 0x61);
    rig.table.feed(rig.stream, bytes, HEADERS, 200, 1_001, ACK, rig.nowMs);
    bytes.fill(0x62);
    assert.equal(rig.text(), 'a'.repeat(200));
  });

  test('a datagram that is longer than the stage is copied all the same', () => {
    const rig = started();
    const bytes = Buffer.alloc(70_000, 0x61);
    assert.equal(rig.table.feed(rig.stream, bytes, 60_000, 200, 1_001, ACK, rig.nowMs), STREAM_GREW);
    assert.equal(rig.text(), 'a'.repeat(200));
  });
});

describe('a stream that is read no further', () => {
  test('compares what comes again, takes nothing more, and is missed nothing of', () => {
    const rig = started();
    rig.data(0, 'judged');
    rig.data(8, 'ahead');
    const { octetsHeld } = rig.table;
    rig.table.narrow(rig.stream);
    assert.ok(rig.table.show(rig.stream).isFull);
    assert.equal(rig.data(0, 'judged'), STREAM_SAME);
    assert.equal(rig.data(6, 'x'.repeat(5_000)), STREAM_FULL);
    assert.equal(rig.table.octetsHeld, octetsHeld);
    assert.equal(rig.acknowledge(9_000), STREAM_SAME);
    assert.equal(rig.text(), 'judged');
    assert.equal(rig.data(4, 'EDx'), STREAM_DISAGREES);
  });

  test('is acknowledged when the other end has all of it', () => {
    const rig = started();
    rig.data(0, 'judged');
    assert.equal(rig.table.isAcknowledged(rig.stream), false);
    rig.acknowledge(5);
    assert.equal(rig.table.isAcknowledged(rig.stream), false);
    rig.acknowledge(6);
    assert.equal(rig.table.isAcknowledged(rig.stream), true);
    rig.table.close(rig.stream);
    assert.equal(rig.table.isAcknowledged(rig.stream), false);
    rig.table.narrow(rig.stream);
  });
});
