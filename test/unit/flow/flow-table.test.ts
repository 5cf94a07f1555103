/**
 * The flow table as a whole: states without TCP, timeouts, eviction, the clock, columns, what is settled, its memory.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  COUNT_ENDED,
  COUNT_EVICTED_CLOSED,
  COUNT_EVICTED_NEW,
  COUNT_EVICTED_UNUSED,
  COUNT_MADE,
  COUNT_REFUSED,
  ENDED_CLOSED,
  ENDED_EVICTED,
  ENDED_EXPIRED,
  ENDED_REMOVED,
} from '../../../src/flow/flow-counters.ts';
import { MOST_FLOWS, SETTLED_DROP, SETTLED_FORWARD, UNSETTLED } from '../../../src/flow/flow-records.ts';
import { FlowTable, octetsFor } from '../../../src/flow/flow-table.ts';
import { DEFAULT_TIMEOUTS } from '../../../src/flow/timeouts.ts';
import { icmpv4, ipv4, octets, udp } from '../../support/packet-builder.ts';
import type { Said } from './flow-rig.ts';
import { FlowRig } from './flow-rig.ts';

const A = '192.0.2.1';
const B = '198.51.100.2';
const question = (port: number): Buffer => ipv4({ source: A, destination: B }, udp({ sourcePort: port }));
const answer = (port: number): Buffer =>
  ipv4({ source: B, destination: A }, udp({ sourcePort: 53, destinationPort: port }));

describe('a flow without TCP', () => {
  test('is new until there is an answer, then established', () => {
    const rig = new FlowRig();
    const said = [question(1), question(1), answer(1), question(1)].map((datagram) => rig.send(datagram));
    assert.deepEqual(
      said.map(({ index, direction, isNew, state }) => [index, direction, isNew, state]),
      [
        [0, 0, 1, 'new'],
        [0, 0, 0, 'new'],
        [0, 1, 0, 'established'],
        [0, 0, 0, 'established'],
      ],
    );
    assert.equal(rig.table.records.isAnswered(0), true);
  });

  test('counts packets and octets of each direction, first and last time', () => {
    const rig = new FlowRig();
    const start = rig.nowMs;
    rig.send(question(1));
    rig.nowMs += 10;
    rig.send(answer(1));
    rig.nowMs += 10;
    rig.send(question(1));
    const { records } = rig.table;
    assert.deepEqual([records.packetsOf(0, 0), records.packetsOf(0, 1)], [2, 1]);
    assert.deepEqual([records.octetsOf(0, 0), records.octetsOf(0, 1)], [56, 28]);
    assert.deepEqual([records.firstMsOf(0), records.lastMsOf(0)], [start, start + 20]);
  });

  test('can be one of any protocol', () => {
    const rig = new FlowRig();
    for (const protocol of [0, 2, 33, 47, 50, 51, 58, 89, 132, 136, 255]) {
      const there = rig.send(ipv4({ source: A, destination: B }, octets(protocol, Buffer.alloc(16))));
      assert.deepEqual([there.isNew, there.state], [1, 'new'], String(protocol));
      const back = rig.send(ipv4({ source: B, destination: A }, octets(protocol, Buffer.alloc(16))));
      assert.deepEqual([back.index, back.state], [there.index, 'established'], String(protocol));
    }
  });
});

test('find names the flow and its direction and changes nothing', () => {
  const rig = new FlowRig();
  rig.send(question(1));
  const find = (datagram: Buffer): number => rig.table.find(datagram, rig.layoutOf(datagram), 0);
  assert.deepEqual([find(answer(1)), rig.table.direction], [0, 1]);
  assert.deepEqual([find(question(1)), rig.table.direction], [0, 0]);
  assert.equal(find(question(2)), -1);
  assert.equal(find(ipv4({ fragmentOffset: 8 }, octets(17, Buffer.alloc(8)))), -1);
  assert.equal(rig.table.records.packetsOf(0, 0), 1);
  assert.equal(rig.table.records.isAnswered(0), false);
  assert.equal(rig.table.size, 1);
});

describe('a timeout', () => {
  const tcp = (rig: FlowRig) => rig.connection(1);
  const opened = (rig: FlowRig) => {
    tcp(rig).open();
    return tcp(rig);
  };
  const answered = (rig: FlowRig) => {
    rig.send(question(1));
    return rig.send(answer(1));
  };
  const CLASSES: readonly (readonly [keyof typeof DEFAULT_TIMEOUTS, number, (rig: FlowRig) => Said])[] = [
    ['udpNewMs', ENDED_EXPIRED, (rig) => rig.send(question(1))],
    ['udpEstablishedMs', ENDED_EXPIRED, answered],
    ['icmpMs', ENDED_EXPIRED, (rig) => rig.send(ipv4({}, icmpv4()))],
    ['otherMs', ENDED_EXPIRED, (rig) => rig.send(ipv4({}, octets(47, Buffer.alloc(8))))],
    ['tcpNewMs', ENDED_EXPIRED, (rig) => tcp(rig).client('S', { seq: 1_000 })],
    ['tcpEstablishedMs', ENDED_EXPIRED, (rig) => opened(rig).client('A', { seq: 1_001, ack: 5_001 })],
    ['tcpClosingMs', ENDED_EXPIRED, (rig) => opened(rig).client('FA', { seq: 1_001, ack: 5_001 })],
    ['tcpClosedMs', ENDED_CLOSED, (rig) => opened(rig).client('R', { seq: 1_001 })],
  ];

  test('of every class ends its flows, a millisecond later and not before', () => {
    assert.deepEqual(CLASSES.map(([name]) => name).sort(), Object.keys(DEFAULT_TIMEOUTS).sort());
    for (const [name, reason, send] of CLASSES) {
      const rig = new FlowRig();
      const { index } = send(rig);
      rig.nowMs += DEFAULT_TIMEOUTS[name];
      assert.equal(rig.table.expire(rig.nowMs, 10), 0, name);
      assert.equal(rig.table.expire(rig.nowMs + 1, 10), 1, name);
      assert.deepEqual(rig.ended, [{ index, reason }], name);
      assert.equal(rig.table.size, 0);
    }
  });

  test('starts anew with every valid packet', () => {
    const rig = new FlowRig();
    rig.send(question(1));
    for (let count = 0; count < 10; count++) {
      rig.nowMs += DEFAULT_TIMEOUTS.udpNewMs;
      assert.equal(rig.send(question(1)).isNew, 0);
    }
  });

  test('that is over is seen by the next packet, whether expire was called or not', () => {
    const rig = new FlowRig();
    rig.send(question(1));
    rig.nowMs += DEFAULT_TIMEOUTS.udpNewMs + 1;
    assert.equal(rig.send(answer(1)).isNew, 1, 'a flow of its own, in the other direction');
    assert.deepEqual(rig.ended, [{ index: 0, reason: ENDED_EXPIRED }]);
  });

  test('ends no more flows in a call than it was told, and all of them in the end', () => {
    const rig = new FlowRig();
    for (let port = 1; port <= 60; port++)
      rig.send(port % 2 === 0 ? question(port) : ipv4({}, icmpv4({ rest: port << 16 })));
    rig.nowMs += 100_000;
    const calls = Array.from({ length: 8 }, () => rig.table.expire(rig.nowMs, 9));
    assert.deepEqual(calls, [9, 9, 9, 9, 9, 9, 6, 0]);
    assert.equal(new Set(rig.ended.map(({ index }) => index)).size, 60);
  });
});

describe('a full table', () => {
  const most = 4;

  test('gives up what has expired first', () => {
    const rig = new FlowRig({ most });
    rig.send(ipv4({}, icmpv4())); // 30 s
    rig.nowMs += 1_000;
    rig.connection(7).client('S', { seq: 1 }); // 120 s
    rig.connection(8).open();
    rig.connection(8).client('R', { seq: 1_001 }); // closed: 10 s
    rig.nowMs += 8_000;
    rig.send(question(1));
    rig.nowMs += 21_001;
    rig.send(question(2));
    assert.equal(rig.ended.length, 1);
    assert.equal(rig.table.counters[COUNT_ENDED + ENDED_EXPIRED] === 1 || rig.ended[0]?.reason === ENDED_CLOSED, true);
    assert.equal(rig.table.counters[COUNT_EVICTED_NEW], 0);
  });

  test('then closed ones, then new ones by age, then what both ends know and nobody uses', () => {
    const rig = new FlowRig({ most });
    rig.connection(1).open(); // 0: established, longest unused
    rig.nowMs += 1_000;
    rig.connection(2).client('S', { seq: 1 }); // 1: new, older
    rig.nowMs += 1_000;
    rig.send(question(3)); // 2: new
    rig.connection(4).open();
    rig.connection(4).client('R', { seq: 1_001 }); // 3: closed
    const evicted: number[] = [];
    for (let port = 10; evicted.length < 4; port++) {
      rig.nowMs += 1_000;
      rig.connection(port).open();
      evicted.push(rig.ended.at(-1)?.index ?? -1);
      if (evicted.length === 3) rig.nowMs += 10_000;
    }
    assert.deepEqual(evicted, [3, 1, 2, 0]);
    const { counters } = rig.table;
    assert.deepEqual(
      [COUNT_EVICTED_CLOSED, COUNT_EVICTED_NEW, COUNT_EVICTED_UNUSED].map((place) => counters[place]),
      [1, 2, 1],
    );
    assert.deepEqual(
      rig.ended.map(({ reason }) => reason),
      [ENDED_CLOSED, ENDED_EVICTED, ENDED_EVICTED, ENDED_EVICTED],
    );
  });

  test('gives no flow to a new packet while all flows are in use', () => {
    const rig = new FlowRig({ most });
    for (let port = 1; port <= most; port++) rig.connection(port).open();
    rig.nowMs += 9_999;
    const said = rig.send(question(1));
    assert.deepEqual([said.index, said.isNew, said.isInvalid], [-1, 0, 0]);
    assert.equal(rig.table.counters[COUNT_REFUSED], 1);
    rig.nowMs += 1;
    assert.equal(rig.send(question(1)).isNew, 1);
  });

  test('keeps its established flows through a flood of SYNs, answered or not', () => {
    for (const isAnswered of [false, true]) {
      const rig = new FlowRig({ most: 64 });
      for (let port = 1; port <= 63; port++) rig.connection(port).open();
      rig.nowMs += 3_600_000;
      for (let port = 1_000; port < 21_000; port++) {
        const flood = rig.connection(port);
        flood.client('S', { seq: port });
        if (isAnswered) flood.server('SA', { seq: 9_000, ack: port + 1 });
      }
      for (let port = 1; port <= 63; port++) {
        assert.equal(rig.connection(port).client('A', { seq: 1_001, ack: 5_001 }).state, 'established');
      }
      assert.equal(rig.table.counters[COUNT_EVICTED_NEW], 19_999);
      assert.equal(rig.table.counters[COUNT_EVICTED_UNUSED], 0);
    }
  });
});

describe('a clock', () => {
  test('that jumps back ends nothing, and time goes on from where it was', () => {
    const rig = new FlowRig();
    rig.send(question(1));
    rig.nowMs -= 3_600_000;
    assert.equal(rig.send(question(2)).isNew, 1);
    assert.equal(rig.send(question(1)).isNew, 0);
    rig.nowMs += DEFAULT_TIMEOUTS.udpNewMs;
    assert.equal(rig.table.expire(rig.nowMs, 10), 0);
    rig.nowMs += 1;
    assert.equal(rig.table.expire(rig.nowMs, 10), 2);
  });

  test('of packets out of order stands still, and does not run ahead', () => {
    const rig = new FlowRig();
    rig.send(question(1));
    for (let count = 0; count < 10_000; count++) {
      rig.nowMs += count % 2 === 0 ? -900 : 900;
      rig.send(question(2));
    }
    assert.equal(rig.send(question(1)).isNew, 0);
  });

  test('that says no number changes nothing', () => {
    const rig = new FlowRig();
    rig.send(question(1));
    for (const nowMs of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      assert.equal(rig.table.expire(nowMs, 10), 0, String(nowMs));
    }
    rig.nowMs += DEFAULT_TIMEOUTS.udpNewMs + 1;
    assert.equal(rig.table.expire(rig.nowMs, 10), 1);
  });
});

describe('what a caller keeps with a flow', () => {
  test('is a number of each declared column, 0 in every new flow', () => {
    const rig = new FlowRig({ most: 2, columns: { until: 'float64', score: 'int32' } });
    const until = rig.table.column('until');
    const score = rig.table.column('score');
    assert.deepEqual([until.length, score.length], [2, 2]);
    assert.ok(until instanceof Float64Array && score instanceof Int32Array);
    const { index } = rig.send(question(1));
    until[index] = 1.5;
    score[index] = 7;
    rig.table.remove(index);
    assert.equal(rig.send(question(2)).index, index);
    assert.deepEqual([until[index], score[index]], [0, 0]);
    assert.throws(() => rig.table.column('other'), RangeError);
  });

  test('can still be read when the end is reported, once', () => {
    const seen: number[] = [];
    const table: FlowTable = new FlowTable({
      most: 2,
      columns: { score: 'int32' },
      onEnd: (index) => seen.push(table.column('score')[index] ?? -1, table.records.packetsOf(index, 0)),
    });
    const rig = new FlowRig();
    const datagram = question(1);
    table.tick(0);
    const index = table.track(datagram, rig.layoutOf(datagram), 28, 0);
    table.column('score')[index] = 7;
    assert.equal(table.remove(index), true);
    assert.equal(table.remove(index), false);
    assert.equal(table.remove(-1), false);
    assert.equal(table.remove(2), false);
    assert.deepEqual(seen, [7, 1]);
  });

  test('is lost with the flow even when the report throws', () => {
    const table = new FlowTable({
      most: 1,
      onEnd: () => {
        throw new Error('of the caller');
      },
    });
    const rig = new FlowRig();
    const datagram = question(1);
    table.tick(0);
    table.track(datagram, rig.layoutOf(datagram), 28, 0);
    assert.throws(() => table.remove(0), /of the caller/);
    assert.equal(table.size, 0);
    table.tick(0);
    assert.equal(table.track(datagram, rig.layoutOf(datagram), 28, 0), 0);
  });

  test('a settled verdict holds until the flow ends', () => {
    const rig = new FlowRig();
    const { records } = rig.table;
    const tcp = rig.connection();
    tcp.open();
    for (const decider of [0, 7, 31]) {
      assert.equal(records.settledOf(0, decider), UNSETTLED);
      for (const verdict of [SETTLED_DROP, UNSETTLED, SETTLED_FORWARD] as const) {
        records.settle(0, decider, verdict);
        assert.equal(records.settledOf(0, decider), verdict);
      }
    }
    records.settle(0, 7, SETTLED_DROP);
    assert.deepEqual([records.forwardsOf(0), records.dropsOf(0)], [(1 << 31) | 1, 1 << 7]);
    for (const none of [-1, 32, 1.5, Number.NaN]) records.settle(0, none, SETTLED_DROP);
    assert.deepEqual([records.settledOf(0, 32), records.settledOf(0, -1)], [UNSETTLED, UNSETTLED]);
    assert.equal(tcp.client('FA', { seq: 1_001, ack: 5_001 }).state, 'closing');
    assert.equal(records.settledOf(0, 0), SETTLED_FORWARD);
    tcp.server('R', { seq: 5_001 });
    tcp.client('S', { seq: 90_000 });
    assert.deepEqual([records.forwardsOf(0), records.dropsOf(0)], [0, 0]);
  });

  test('a generation tells a flow from a later one with its index', () => {
    const rig = new FlowRig({ most: 1 });
    rig.send(question(1));
    const { records } = rig.table;
    const generation = records.generationOf(0);
    assert.equal(records.isCurrent(0, generation), true);
    rig.send(question(2));
    assert.deepEqual(rig.ended, [{ index: 0, reason: ENDED_EVICTED }]);
    assert.equal(records.isCurrent(0, generation), false);
    assert.equal(records.isCurrent(0, generation + 1), true);
    assert.equal(records.isCurrent(1, 0), false);
    assert.equal(records.isCurrent(-1, 0), false);
  });
});

describe('memory', () => {
  test('is what octetsFor says, exactly, and taken at the start', () => {
    const columns = { a: 'float64', b: 'int32' } as const;
    const before = process.memoryUsage().arrayBuffers;
    const table = new FlowTable({ most: 50_000, columns, fragments: 256 });
    const taken = process.memoryUsage().arrayBuffers - before;
    const promised = octetsFor(50_000, columns, 256);
    // Beside it there are the small arrays: key, segment, counters, clock, lists, timeouts.
    assert.ok(taken >= promised && taken < promised + 4_096, `${taken} taken, ${promised} promised`);
    const rig = new FlowRig();
    for (let port = 0; port < 60_000; port++) {
      const datagram = question(port);
      table.tick(0);
      table.track(datagram, rig.layoutOf(datagram), 28, port >> 14);
    }
    assert.equal(table.size, 50_000);
    const sum = [0, 1, 2, 3, 4].reduce((ended, reason) => ended + (table.counters[COUNT_ENDED + reason] ?? 0), 0);
    assert.equal(table.counters[COUNT_MADE], sum + table.size);
    assert.equal(table.counters[COUNT_ENDED + ENDED_REMOVED], 0);
  });

  test('of a million flows and six columns is less than 256 MiB', () => {
    const columns = { a: 'float64', b: 'float64', c: 'float64', d: 'float64', e: 'float64', f: 'float64' } as const;
    assert.ok(octetsFor(1_000_000, columns) < 256 * 2 ** 20, String(octetsFor(1_000_000, columns)));
  });

  test('for no flow, for part of one or for more than there may be is refused', () => {
    for (const most of [0, -1, 1.5, Number.NaN, MOST_FLOWS + 1])
      assert.throws(() => new FlowTable({ most }), RangeError);
  });
});

test('rows of the index stay short, however many flows have come and gone', () => {
  const rig = new FlowRig({ most: 4_096 });
  const datagram = question(1);
  const layout = rig.layoutOf(datagram);
  const longest: number[] = [];
  for (let count = 0; count < 400_000; count++) {
    datagram.writeUInt32BE(0x0a00_0000 + count, 12);
    rig.table.tick(rig.nowMs);
    rig.table.track(datagram, layout, 28, 0);
    if (count % 100_000 === 99_999) longest.push(rig.table.longestRow());
  }
  // Half of 8,192 slots taken: rows of more than 60 have a chance below one in a million.
  assert.ok(Math.max(...longest) < 60, String(longest));
});
