/**
 * What belongs to a flow without its ports: ICMP errors by the datagram that they quote, fragments by their first one.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  COUNT_FRAGMENTS,
  COUNT_FRAGMENTS_LOST,
  COUNT_RELATED,
  COUNT_UNTRACKED,
  INVALID_HEADER,
  INVALID_QUOTE,
  INVALID_STATE,
} from '../../../src/flow/flow-counters.ts';
import type { Transport } from '../../support/packet-builder.ts';
import { extension, fragment, icmpv4, icmpv6, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import type { Said } from './flow-rig.ts';
import { FlowRig } from './flow-rig.ts';

const A = '192.0.2.1';
const B = '198.51.100.2';
const ROUTER = '203.0.113.1';
const A6 = '2001:db8::1';
const B6 = '2001:db8::2';

const there = (transport: Transport): Buffer => ipv4({ source: A, destination: B }, transport);
const back = (transport: Transport): Buffer => ipv4({ source: B, destination: A }, transport);
const there6 = (transport: Transport): Buffer => ipv6({ source: A6, destination: B6 }, transport);
const error = (quoted: Uint8Array, to = A, type = 3): Buffer =>
  ipv4({ source: ROUTER, destination: to }, icmpv4({ type, code: 1 }, quoted));

describe('an ICMP error', () => {
  test('belongs to the flow that it quotes, travels against the quoted datagram, and is not counted', () => {
    const rig = new FlowRig();
    const datagram = there(udp({}, Buffer.alloc(100)));
    rig.send(datagram);
    rig.nowMs += 1_000;
    for (const type of [3, 4, 5, 11, 12]) {
      const said = rig.send(error(datagram.subarray(0, 28), A, type));
      assert.deepEqual(parts(said), [0, 1, 1, 0], `type ${type}`);
      assert.equal(said.state, 'new');
    }
    const { records, counters } = rig.table;
    assert.deepEqual([records.packetsOf(0, 0), records.packetsOf(0, 1)], [1, 0]);
    assert.equal(records.isAnswered(0), false);
    assert.equal(records.lastMsOf(0), rig.nowMs - 1_000);
    assert.equal(counters[COUNT_RELATED], 5);
  });

  test('about an answer has the direction of the flow', () => {
    const rig = new FlowRig();
    rig.send(there(udp({ sourcePort: 1024, destinationPort: 53 })));
    const answer = back(udp({ sourcePort: 53, destinationPort: 1024 }));
    rig.send(answer);
    assert.deepEqual(parts(rig.send(error(answer, B))), [0, 0, 1, 0]);
  });

  test('about TCP, about a ping and over IPv6 finds its flow as well', () => {
    const rig = new FlowRig();
    const tcp4 = there(tcp({ sequence: 1_000 }));
    const ping = there(icmpv4({ rest: 7 << 16 }));
    const ping6 = there6(icmpv6({ rest: 7 << 16 }));
    const udp6 = ipv6({ source: A6, destination: B6, extensions: [extension(60)] }, udp());
    const flows = [tcp4, ping, ping6, udp6].map((datagram) => rig.send(datagram).index);
    assert.deepEqual(flows, [0, 1, 2, 3]);
    const error6 = (quoted: Uint8Array): Buffer =>
      ipv6({ source: '2001:db8:9::1', destination: A6 }, icmpv6({ type: 2 }, quoted));
    assert.deepEqual(parts(rig.send(error(tcp4.subarray(0, 28)))), [0, 1, 1, 0]);
    assert.deepEqual(parts(rig.send(error(ping.subarray(0, 28)))), [1, 1, 1, 0]);
    assert.deepEqual(parts(rig.send(error6(ping6))), [2, 1, 1, 0]);
    assert.deepEqual(parts(rig.send(error6(udp6))), [3, 1, 1, 0]);
  });

  test('never makes a flow: no flow of that kind, another zone, a shorter quote, a quote of an error', () => {
    const rig = new FlowRig();
    const datagram = there(udp());
    rig.send(datagram);
    const refused = [
      rig.send(error(there(udp({ sourcePort: 9 })))),
      rig.send(error(datagram), 1),
      rig.send(error(datagram.subarray(0, 23))),
      rig.send(error(datagram.subarray(0, 19))),
      rig.send(error(Buffer.alloc(0))),
      rig.send(error(error(datagram))),
      rig.send(error(ipv4({ source: A, destination: B, fragmentOffset: 64 }, octets(17, Buffer.alloc(8))))),
      rig.send(error(there6(udp()))),
    ];
    for (const said of refused) assert.deepEqual([said.index, said.isInvalid, said.reason], [-1, 1, INVALID_QUOTE]);
    assert.equal(rig.table.size, 1);
  });

  test('that goes to another than the one who sent the quoted datagram is invalid', () => {
    const rig = new FlowRig();
    const datagram = there(udp());
    rig.send(datagram);
    assert.equal(rig.send(error(datagram, B)).reason, INVALID_QUOTE);
    rig.send(there6(udp()));
    const error6 = (to: string): Buffer => ipv6({ source: B6, destination: to }, icmpv6({ type: 1 }, there6(udp())));
    assert.equal(rig.send(error6(`${A6}1`)).reason, INVALID_QUOTE);
    assert.equal(rig.send(error6(A6)).isRelated, 1);
  });

  test('about a segment that cannot be under way is a forgery (RFC 5927)', () => {
    const rig = new FlowRig();
    const connection = rig.connection();
    connection.open();
    connection.client('A', { seq: 1_001, ack: 5_001, length: 1_000 });
    const about = (seq: number): Said => rig.send(error(connection.segment('client', 'A', { seq }).subarray(0, 28)));
    for (const seq of [1_001, 1_500, 2_001]) assert.deepEqual(parts(about(seq)), [0, 1, 1, 0]);
    for (const seq of [2_002, 3_000_000_000]) assert.deepEqual(parts(about(seq)), [0, 0, 0, 1]);
    const cut = connection.segment('client', 'A', { seq: 1_001 }).subarray(0, 26);
    assert.equal(rig.send(error(cut)).reason, INVALID_QUOTE);
  });
});

describe('queries of ICMP', () => {
  test('are answered by their reply alone, and both ends may ask with one identifier', () => {
    const rig = new FlowRig();
    const ask = { type: 8, rest: (7 << 16) | 1 };
    const reply = { type: 0, rest: (7 << 16) | 1 };
    assert.deepEqual(parts(rig.send(there(icmpv4(ask)))), [0, 0, 0, 0]);
    assert.deepEqual(parts(rig.send(back(icmpv4(ask)))), [1, 0, 0, 0]);
    assert.equal(rig.send(there(icmpv4(reply))).index, 1);
    assert.deepEqual(parts(rig.send(back(icmpv4(reply)))), [0, 1, 0, 0]);
    assert.equal(rig.send(back(icmpv4({ ...reply, rest: 8 << 16 }))).reason, INVALID_STATE);
    assert.equal(rig.send(back(icmpv4({ type: 42 }))).reason, INVALID_HEADER);
  });

  test('neighbour discovery and multicast listeners are no flow, and nothing is wrong with them', () => {
    const rig = new FlowRig();
    assert.deepEqual(parts(rig.send(there6(icmpv6({ type: 135 }, Buffer.alloc(16))))), [-1, 0, 0, 0]);
    assert.equal(rig.table.counters[COUNT_UNTRACKED], 1);
  });
});

describe('fragments', () => {
  const first = (identification = 1): Buffer =>
    ipv4({ source: A, destination: B, identification, moreFragments: true }, octets(17, udpHead(2_000)));
  const later = (identification = 1): Buffer =>
    ipv4({ source: A, destination: B, identification, fragmentOffset: 64 }, octets(17, Buffer.alloc(64)));

  test('belong to the flow of their first one, in its direction, and are counted', () => {
    const rig = new FlowRig();
    assert.deepEqual(parts(rig.send(first())), [0, 0, 0, 0]);
    assert.deepEqual(parts(rig.send(later())), [0, 0, 0, 0]);
    assert.equal(rig.table.records.packetsOf(0, 0), 2);
    assert.equal(rig.table.counters[COUNT_FRAGMENTS], 1);
  });

  test('that come before their first one, or of another datagram, end or zone, have no flow', () => {
    const rig = new FlowRig();
    assert.deepEqual(parts(rig.send(later())), [-1, 0, 0, 0]);
    rig.send(first());
    rig.send(later(2));
    rig.send(later(), 1);
    rig.send(ipv4({ source: B, destination: A, identification: 1, fragmentOffset: 64 }, octets(17, Buffer.alloc(64))));
    rig.send(ipv4({ source: A, destination: B, identification: 1, fragmentOffset: 64 }, octets(47, Buffer.alloc(64))));
    assert.equal(rig.table.counters[COUNT_FRAGMENTS_LOST], 5);
    assert.equal(rig.table.counters[COUNT_FRAGMENTS], 0);
  });

  test('are remembered for 30 seconds, and no longer than their flow', () => {
    const rig = new FlowRig({ timeouts: { udpNewMs: 60_000 } });
    rig.send(first());
    rig.nowMs += 30_000;
    assert.equal(rig.send(later()).index, 0);
    rig.nowMs += 1;
    assert.equal(rig.send(later()).index, -1);
    rig.send(first(2));
    rig.table.remove(0);
    rig.send(there(udp({ sourcePort: 5 })));
    assert.equal(rig.send(later(2)).index, -1, 'another flow has its place');
    const short = new FlowRig({ timeouts: { udpNewMs: 5_000 } });
    short.send(first());
    short.nowMs += 5_001;
    assert.equal(short.send(later()).index, -1);
    assert.equal(short.table.size, 0);
  });

  test('of IPv6 are known by the identification alone, behind any headers', () => {
    const rig = new FlowRig();
    const ends = { source: A6, destination: B6 };
    const head = ipv6(
      { ...ends, extensions: [extension(0), fragment(0, true, 9), extension(60)] },
      octets(17, udpHead(2_000)),
    );
    const tail = ipv6({ ...ends, extensions: [extension(0), fragment(64, false, 9)] }, octets(17, Buffer.alloc(64)));
    const other = ipv6({ ...ends, extensions: [extension(0), fragment(64, false, 8)] }, octets(17, Buffer.alloc(64)));
    assert.equal(rig.send(head).index, 0);
    assert.equal(rig.send(tail).index, 0);
    assert.equal(rig.send(other).index, -1);
    const atomic = ipv6({ ...ends, extensions: [fragment(0, false, 9)] }, udp({ sourcePort: 1_024 }));
    assert.equal(rig.send(atomic).index, 0, 'its own only fragment');
  });

  test('of a segment count for the window: what they carry may be acknowledged', () => {
    for (const isIpv4 of [true, false]) {
      const rig = new FlowRig();
      const connection = rig.connection(40_000, isIpv4 ? 4 : 6);
      connection.open();
      const whole = connection.segment('client', 'A', { seq: 1_001, ack: 5_001, length: 1_000 });
      const segment = whole.subarray(isIpv4 ? 20 : 40);
      const cut = (offset: number, end: number, more: boolean): Buffer => {
        const piece = octets(6, segment.subarray(offset, end));
        if (isIpv4) return ipv4({ source: A, destination: B, fragmentOffset: offset, moreFragments: more }, piece);
        const extensions = [fragment(offset, more)];
        return ipv6({ source: '2001:db8::1', destination: '2001:db8:ffff::2', extensions }, piece);
      };
      rig.send(cut(0, 512, true));
      assert.equal(connection.server('A', { seq: 5_001, ack: 2_001 }).isInvalid, 1);
      assert.equal(rig.send(cut(512, segment.length, false)).index, 0);
      assert.equal(connection.server('A', { seq: 5_001, ack: 2_002 }).isInvalid, 1);
      assert.equal(connection.server('A', { seq: 5_001, ack: 2_001 }).isInvalid, 0);
    }
  });

  test('of a segment behind options that were cut with it count from where the segment starts', () => {
    const rig = new FlowRig();
    const connection = rig.connection(40_000, 6);
    connection.open();
    const segment = connection.segment('client', 'A', { seq: 1_001, ack: 5_001, length: 1_000 }).subarray(40);
    const ends = { source: '2001:db8::1', destination: '2001:db8:ffff::2' };
    rig.send(ipv6({ ...ends, extensions: [fragment(0, true), extension(60)] }, octets(6, segment.subarray(0, 504))));
    rig.send(ipv6({ ...ends, extensions: [fragment(512, false)] }, octets(6, segment.subarray(504))));
    assert.equal(connection.server('A', { seq: 5_001, ack: 2_002 }).isInvalid, 1);
    assert.equal(connection.server('A', { seq: 5_001, ack: 2_001 }).isInvalid, 0);
  });

  test('of an invalid first one have no flow', () => {
    const rig = new FlowRig();
    rig.connection().open();
    const segment = rig.connection().segment('client', 'A', { seq: 1_001 + 50_000, ack: 5_001, length: 100 });
    const piece = octets(6, segment.subarray(20));
    assert.equal(rig.send(ipv4({ source: A, destination: B, moreFragments: true }, piece)).isInvalid, 1);
    assert.equal(rig.send(ipv4({ source: A, destination: B, fragmentOffset: 128 }, piece)).index, -1);
  });

  test('of more datagrams than there is room for cost the oldest, and never more', () => {
    const rig = new FlowRig({ fragments: 8 });
    for (let id = 0; id < 1_000; id++) rig.send(first(id));
    const known = Array.from({ length: 1_000 }, (_, id) => rig.send(later(id)).index).filter((index) => index >= 0);
    assert.ok(known.length <= 8 && known.length >= 4, String(known.length));
    assert.equal(rig.send(first(1_000)).index, 0);
    assert.equal(rig.send(later(1_000)).index, 0, 'the newest is always known');
  });
});

function parts({ index, direction, isRelated, isInvalid }: Said): number[] {
  return [index, direction, isRelated, isInvalid];
}

function udpHead(length: number): Buffer {
  const head = Buffer.alloc(64);
  head.writeUInt16BE(1_024, 0);
  head.writeUInt16BE(53, 2);
  head.writeUInt16BE(length, 4);
  return head;
}
