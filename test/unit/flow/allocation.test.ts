/**
 * The rule of the packet path: nothing is allocated for a packet, whatever it does to the table.
 *
 * Measured on the heap, without a clock: after a warm-up a packet may leave less there than any object would take.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';
import { COUNT_ENDED, ENDED_EVICTED, ENDED_EXPIRED } from '../../../src/flow/flow-counters.ts';
import { FlowTable } from '../../../src/flow/flow-table.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { fragment, icmpv4, icmpv6, ipv4, ipv6, octets, udp } from '../../support/packet-builder.ts';
import { FlowRig, SEED } from './flow-rig.ts';

const WARM_UP = 200_000;
const BATCH = 3_000;
/** Few enough that no collection comes between the two looks at the heap. */
const PACKETS = 30_000;
/** Octets: less than a number of 16 for one kind of the 40 packets that take turns. */
const SMALLEST_LEAK = 0.3;
const MOST = 512;

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc') as () => void;

test('packets of every kind, new flows, evictions and expiry leave nothing on the heap', (t) => {
  const table = new FlowTable({
    most: MOST,
    columns: { a: 'float64', b: 'int32' },
    seed: SEED,
    timeouts: { icmpMs: 5 },
  });
  const packets = traffic();
  let place = 0;
  let port = 0;
  // As a lane has it: the time is one number for all packets of a batch.
  const run = (count: number, nowMs: number): void => {
    for (let index = 0; index < count; index++) {
      const packet = packets[place] as Packet;
      place = place + 1 === packets.length ? 0 : place + 1;
      if (packet.isFlood) {
        port = (port + 1) & 0xffff;
        packet.bytes[20] = port >> 8;
        packet.bytes[21] = port;
      }
      table.tick(nowMs);
      table.track(packet.bytes, packet.layout, packet.bytes.length, 0x7fff_0001);
      if (index % 64 === 0) table.expire(nowMs, 8);
    }
  };
  let nowMs = 1_700_000_000_000.5;
  for (let done = 0; done < WARM_UP; done += BATCH) {
    nowMs += 20;
    run(BATCH, nowMs);
  }
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 100 && least >= SMALLEST_LEAK; round++) {
    nowMs += 20;
    collect();
    const before = process.memoryUsage().heapUsed;
    run(PACKETS, nowMs);
    const grown = process.memoryUsage().heapUsed - before;
    // Less than before: something was collected meanwhile, and the round says nothing.
    if (grown >= 0) least = Math.min(least, grown / PACKETS);
  }
  t.diagnostic(`${least} octets of heap a packet`);
  assert.ok(least < SMALLEST_LEAK, `${least} octets a packet`);
  assert.equal(table.size, MOST);
  for (const reason of [ENDED_EVICTED, ENDED_EXPIRED]) assert.ok((table.counters[COUNT_ENDED + reason] ?? 0) > 50);
});

interface Packet {
  readonly bytes: Buffer;
  readonly layout: IpLayout;
  /** A new port each time. */
  readonly isFlood: boolean;
}

function traffic(): Packet[] {
  const tcp = new FlowRig().connection();
  const six = new FlowRig().connection(40_000, 6);
  const question = ipv4({}, udp({ sourcePort: 1_024 }));
  const answer = { source: '198.51.100.2', destination: '192.0.2.1' };
  const datagrams = [
    // High sequence numbers: those that would be boxed.
    tcp.segment('client', 'S', { seq: 0xfff0_0000, scale: 7 }),
    tcp.segment('server', 'SA', { seq: 0xeee0_0000, ack: 0xfff0_0001, scale: 7 }),
    tcp.segment('client', 'A', { seq: 0xfff0_0001, ack: 0xeee0_0001 }),
    tcp.segment('client', 'PA', { seq: 0xfff0_0001, ack: 0xeee0_0001, length: 100 }),
    tcp.segment('server', 'A', { seq: 0xeee0_0001, ack: 0xfff0_0065 }),
    tcp.segment('server', 'A', { seq: 0x0ee0_0001, ack: 0xfff0_0065 }),
    tcp.segment('server', 'R', { seq: 0xeee0_0001 }),
    six.segment('client', 'S', { seq: 0xfff0_0000 }),
    six.segment('server', 'RA', { ack: 0xfff0_0001 }),
    question,
    ipv4(answer, udp({ sourcePort: 53, destinationPort: 1_024 })),
    ipv4({ ...answer, source: '203.0.113.9', destination: '192.0.2.1' }, icmpv4({ type: 3 }, question)),
    ipv4({}, icmpv4({ rest: 0x9999_0001 })),
    ipv4(answer, icmpv4({ type: 0, rest: 0x9999_0001 })),
    ipv6({}, icmpv6({ rest: 0x9999_0001 })),
    ipv6({}, icmpv6({ type: 135 })),
    ipv4({ identification: 9, moreFragments: true }, octets(47, Buffer.alloc(64))),
    ipv4({ identification: 9, fragmentOffset: 64 }, octets(47, Buffer.alloc(64))),
    ipv6({ extensions: [fragment(0, true, 0xf000_0001)] }, octets(47, Buffer.alloc(64))),
    ipv6({ extensions: [fragment(64, false, 0xf000_0001)] }, octets(47, Buffer.alloc(64))),
  ];
  const packets = datagrams.map((bytes) => laidOut(bytes, false));
  return packets.flatMap((packet) => [packet, laidOut(ipv4({}, udp()), true)]);
}

function laidOut(bytes: Buffer, isFlood: boolean): Packet {
  const layout = new IpLayout();
  assert.ok(parseIpLayout(bytes, 0, bytes.length, bytes.length, layout));
  return { bytes, layout, isFlood };
}
