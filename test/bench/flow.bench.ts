/**
 * The flow table alone, in this process: nanoseconds that a look-up, a packet and a new flow take, by number of flows.
 *
 * ```
 *   node --import tsx test/bench/flow.bench.ts [--flows N,N,...] [--rounds N]      no root
 *   one datagram, its ends rewritten for each packet ─> FlowTable.find or track
 * ```
 * Flows are met in random order, which is the worst there is for caches: in a table that is larger than they are, each
 * look-up waits for memory twice. Traffic comes in bursts of a flow and is nearer to the row "same flow". What it takes
 * to rewrite the datagram is measured alone and taken off. The kinds of work take turns within a round; a figure is the
 * median over the rounds, of processor time: who else runs on the machine counts only by the caches that it takes.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { COUNT_INVALID, COUNTERS } from '../../src/flow/flow-counters.ts';
import { FlowTable, octetsFor } from '../../src/flow/flow-table.ts';
import { widenInlining } from '../../src/lane/engine.ts';
import { writeU16, writeU32 } from '../../src/wire/bytes.ts';
import { IpLayout, parseIpLayout } from '../../src/wire/ip-layout.ts';
import { ACK, SYN } from '../../src/wire/tcp.ts';
import { ipv4, ipv6, tcp, udp } from '../support/packet-builder.ts';
import { median } from './measure.ts';

/** Packets between two looks at the clock. */
const PACKETS = 100_000;
const SOURCE = 12;
const DESTINATION = 16;
const SOURCE_IPV6 = 20;
const PORTS = 20;
const SEQUENCE = 24;
const INSIDE = 0x0a00_0000;
const OUTSIDE = 0xc633_6400;
const DATA = 1_000;

widenInlining();
const { values } = parseArgs({
  options: {
    flows: { type: 'string', default: '1000,65536,1000000' },
    rounds: { type: 'string', default: '15' },
  },
});
const rounds = Number(values.rounds);

for (const text of values.flows.split(',')) measure(Number(text));

function measure(flows: number): void {
  const order = shuffled(flows);
  const work = [...udpWork(flows, order), ...tcpWork(flows, order), ...newWork(flows)];
  const times = work.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [which, { run }] of work.entries()) {
      const from = round * PACKETS;
      const start = process.cpuUsage();
      run(from, from + PACKETS);
      times[which]?.push((process.cpuUsage(start).user * 1_000) / PACKETS);
    }
  }
  const mib = octetsFor(flows) / 2 ** 20;
  console.log(`${flows} flows, ${mib.toFixed(1)} MiB (${(octetsFor(flows) / flows).toFixed(0)} octets a flow):`);
  for (const [which, { name, base }] of work.entries()) {
    if (base === undefined) continue;
    const own = times[which] ?? [];
    const without = times[work.findIndex((other) => other.name === base)] ?? [];
    const middle = (median(own) - median(without)).toFixed(0).padStart(5);
    const least = (Math.min(...own) - Math.min(...without)).toFixed(0).padStart(5);
    console.log(`  ${name.padEnd(30)} median ${middle} ns, least ${least} ns`);
  }
}

interface Work {
  readonly name: string;
  /** Work that is contained and taken off; undefined for that work itself. */
  readonly base?: string;
  run(from: number, to: number): void;
}

function udpWork(flows: number, order: Int32Array): Work[] {
  const table = new FlowTable({ most: flows, timeouts: { udpNewMs: 1e12 } });
  const { bytes, layout } = datagram(ipv4({}, udp()));
  const table6 = new FlowTable({ most: flows, timeouts: { udpNewMs: 1e12 } });
  const six = datagram(ipv6({}, udp()));
  for (let flow = 0; flow < flows; flow++) {
    address(bytes, flow);
    table.tick(1);
    if (table.track(bytes, layout, 28, 0) < 0) throw new Error('no flow');
    writeU32(six.bytes, SOURCE_IPV6, flow);
    table6.tick(1);
    if (table6.track(six.bytes, six.layout, 48, 0) < 0) throw new Error('no flow');
  }
  return [
    {
      name: 'datagram',
      run(from, to) {
        for (let at = from; at < to; at++) address(bytes, order[at % flows] as number);
      },
    },
    {
      name: 'look-up, random flows',
      base: 'datagram',
      run(from, to) {
        let found = 0;
        for (let at = from; at < to; at++) {
          address(bytes, order[at % flows] as number);
          if (table.find(bytes, layout, 0) >= 0) found += 1;
        }
        if (found !== to - from) throw new Error('a flow was not found');
      },
    },
    {
      name: 'look-up, random flows, IPv6',
      base: 'datagram',
      run(from, to) {
        let found = 0;
        for (let at = from; at < to; at++) {
          writeU32(six.bytes, SOURCE_IPV6, order[at % flows] as number);
          if (table6.find(six.bytes, six.layout, 0) >= 0) found += 1;
        }
        if (found !== to - from) throw new Error('a flow was not found');
      },
    },
    {
      name: 'look-up, same flow',
      base: 'datagram',
      run(from, to) {
        for (let at = from; at < to; at++) {
          address(bytes, order[0] as number);
          if (table.find(bytes, layout, 0) < 0) throw new Error('a flow was not found');
        }
      },
    },
    {
      name: 'UDP packet, random flows',
      base: 'datagram',
      run(from, to) {
        for (let at = from; at < to; at++) {
          address(bytes, order[at % flows] as number);
          table.tick(1);
          if (table.track(bytes, layout, 28, 0) < 0) throw new Error('no flow');
        }
      },
    },
  ];
}

/** Established connections, and segments with data that moves on, one way. */
function tcpWork(flows: number, order: Int32Array): Work[] {
  const table = new FlowTable({ most: flows, timeouts: { tcpEstablishedMs: 1e12 } });
  const there = { source: '10.0.0.1', destination: '198.51.100.0' };
  const back = { source: there.destination, destination: there.source };
  const scale = Buffer.from('0103030e', 'hex');
  const steps = [
    datagram(ipv4(there, tcp({ flags: SYN, sequence: 0, options: scale }))),
    datagram(ipv4(back, tcp({ flags: SYN | ACK, sequence: 0, acknowledgement: 1, options: scale, sourcePort: 80 }))),
    datagram(ipv4(there, tcp({ flags: ACK, sequence: 1, acknowledgement: 1 }))),
  ];
  const data = datagram(ipv4(there, tcp({ flags: ACK, sequence: 1, acknowledgement: 1 }, Buffer.alloc(DATA))));
  for (let flow = 0; flow < flows; flow++) {
    for (const [step, { bytes, layout }] of steps.entries()) {
      if (step === 1) addressBack(bytes, flow);
      else address(bytes, flow);
      table.tick(1);
      if (table.track(bytes, layout, 40, 0) < 0 || table.isInvalid !== 0) throw new Error('no flow');
    }
  }
  const sent = new Int32Array(flows);
  const load = (at: number): void => {
    const flow = order[at % flows] as number;
    address(data.bytes, flow);
    const segment = sent[flow] as number;
    sent[flow] = (segment + 1) % 60;
    writeU32(data.bytes, SEQUENCE, 1 + segment * DATA);
  };
  return [
    {
      name: 'segment',
      run(from, to) {
        for (let at = from; at < to; at++) load(at);
      },
    },
    {
      name: 'TCP segment, random flows',
      base: 'segment',
      run(from, to) {
        for (let at = from; at < to; at++) {
          load(at);
          table.tick(1);
          table.track(data.bytes, data.layout, 1_040, 0);
        }
        for (let counter = COUNT_INVALID; counter < COUNTERS; counter++) {
          if (table.counters[counter] !== 0) throw new Error(`invalid: ${counter - COUNT_INVALID}`);
        }
      },
    },
    {
      name: 'TCP segment, same flow',
      base: 'segment',
      run(from, to) {
        for (let at = from; at < to; at++) {
          load(0);
          table.tick(1);
          table.track(data.bytes, data.layout, 1_040, 0);
        }
      },
    },
  ];
}

/** New flows in a full table: each one evicts the oldest. */
function newWork(flows: number): Work[] {
  const table = new FlowTable({ most: flows });
  const { bytes, layout } = datagram(ipv4({}, udp()));
  let next = 0;
  for (; next < flows; next++) {
    address(bytes, next);
    table.tick(1);
    table.track(bytes, layout, 28, 0);
  }
  return [
    {
      name: 'new flow, another one evicted',
      base: 'datagram',
      run(from, to) {
        for (let at = from; at < to; at++) {
          address(bytes, next++);
          table.tick(1);
          table.track(bytes, layout, 28, 0);
        }
      },
    },
  ];
}

function datagram(bytes: Uint8Array): { bytes: Uint8Array; layout: IpLayout } {
  const layout = new IpLayout();
  if (!parseIpLayout(bytes, 0, bytes.length, bytes.length, layout)) throw new Error('malformed');
  return { bytes, layout };
}

function address(bytes: Uint8Array, flow: number): void {
  writeU32(bytes, SOURCE, INSIDE + (flow >>> 6));
  writeU32(bytes, DESTINATION, OUTSIDE);
  writeU16(bytes, PORTS, 1_024 + (flow & 63));
  writeU16(bytes, PORTS + 2, 80);
}

function addressBack(bytes: Uint8Array, flow: number): void {
  writeU32(bytes, SOURCE, OUTSIDE);
  writeU32(bytes, DESTINATION, INSIDE + (flow >>> 6));
  writeU16(bytes, PORTS, 80);
  writeU16(bytes, PORTS + 2, 1_024 + (flow & 63));
}

function shuffled(count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, index) => index);
  for (let left = count - 1; left > 0; left--) {
    const other = Math.floor(Math.random() * (left + 1));
    const kept = order[left] as number;
    order[left] = order[other] as number;
    order[other] = kept;
  }
  return order;
}
