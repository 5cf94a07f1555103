/**
 * What each thing that a hook can do costs a packet, in nanoseconds: for the table in docs/hook-costs.md.
 *
 * ```
 *   node --import tsx test/bench/hook-costs.bench.ts [--packets N] [--rounds N]                       no root
 *   a lane with one hook that does it ─ less ─ a lane with one hook that does nothing, in turns, medians of the rounds
 * ```
 * @module
 */

import { parseArgs } from 'node:util';
import { RING_OCTETS } from '../../src/events/event-layout.ts';
import { RingReader } from '../../src/events/ring-reader.ts';
import { DROP, FORWARD } from '../../src/firewall/constants.ts';
import { HookEvents } from '../../src/hook/hook-events.ts';
import { HookMetrics } from '../../src/hook/hook-metrics.ts';
import { widenInlining } from '../../src/lane/engine.ts';
import { loadedHook, type OnPacket } from '../support/loaded-hook.ts';
import { ipv4, ipv6, tcp, udp } from '../support/packet-builder.ts';
import { costOf } from './one-hook-lane.ts';

const SMALL = ipv4({ source: '192.0.2.1' }, udp({ sourcePort: 1000, destinationPort: 53 }, Buffer.from('data')));
const SMALL6 = ipv6({}, udp({ sourcePort: 1000, destinationPort: 53 }, Buffer.from('data')));
const SEGMENT = ipv4({}, tcp({ flags: 2, options: Buffer.from('020405b4', 'hex') }));
const LARGE = ipv4({}, udp({}, Buffer.alloc(1400, 'x')));
const NEEDLE = Buffer.from('not there');
const ANSWER = Buffer.from('answer');
const NEW4 = Uint8Array.of(203, 0, 113, 9);
let turn = 0;

/** 0 and 1 in turns: a setter that changes nothing costs less. */
function other(): number {
  turn ^= 1;
  return turn;
}

interface Case {
  readonly name: string;
  readonly datagram: Buffer;
  readonly onPacket: OnPacket;
  readonly filter?: string;
  readonly flows?: true;
}

/** What `runtime` offers, with a reader that gives up what comes. */
const ring = new ArrayBuffer(RING_OCTETS);
const reader = new RingReader(ring);
const events = new HookEvents({ memory: ring, whenFull: () => reader.skip(), now: () => 0n });
const counter = new HookMetrics().counter(0, 'packets', undefined);
const numbers = { octets: 0, port: 0 };
const NAME = 'www.example.org';

const pass: OnPacket = () => FORWARD;
const CASES: readonly Case[] = [
  {
    name: 'reading a port',
    datagram: SMALL,
    onPacket: ({ destinationPort }) => (destinationPort === 23 ? DROP : FORWARD),
  },
  {
    name: 'reading a layer: tcp.has(flags)',
    datagram: SEGMENT,
    onPacket: (p) => (p.tcp?.has(3) === true ? DROP : FORWARD),
  },
  { name: 'reading tcp.mss', datagram: SEGMENT, onPacket: (p) => (p.tcp !== null && p.tcp.mss < 0 ? DROP : FORWARD) },
  { name: 'comparing an address', datagram: SMALL, onPacket: (p) => (p.source.equals(NEW4) ? DROP : FORWARD) },
  {
    name: 'setting ip.ttl',
    datagram: SMALL,
    onPacket: (p) => {
      p.ip.ttl = other() + 7;
      return FORWARD;
    },
  },
  {
    name: 'setting a port',
    datagram: SMALL,
    onPacket: (p) => {
      if (p.udp !== null) p.udp.sourcePort = other() + 7;
      return FORWARD;
    },
  },
  {
    name: 'setting an IPv4 address',
    datagram: SMALL,
    onPacket: (p) => {
      p.ip.source.setWord(0, 0x0a000000 | other());
      return FORWARD;
    },
  },
  {
    name: 'setting an IPv6 address',
    datagram: SMALL6,
    onPacket: (p) => {
      p.ip.source.set(p.ip.destination);
      p.ip.source.setWord(0, other());
      return FORWARD;
    },
  },
  { name: 'packet.bytes, unchanged', datagram: SMALL, onPacket: (p) => (p.bytes[0] === 0 ? DROP : FORWARD) },
  {
    name: 'payload.indexOf, 1,400 octets',
    datagram: LARGE,
    onPacket: (p) => (p.payload.indexOf(NEEDLE) >= 0 ? DROP : FORWARD),
  },
  { name: 'payload.splice', datagram: SMALL, onPacket: (p) => (p.payload.splice(0, 1, ANSWER) ? FORWARD : DROP) },
  { name: 'replyUdp', datagram: SMALL, onPacket: (p) => p.replyUdp(ANSWER) },
  { name: 'a filter that is not concerned', datagram: SMALL, onPacket: pass, filter: 'tcp port 443' },
  {
    name: 'packet.flow of a known flow',
    datagram: SMALL,
    onPacket: (p) => (p.flow === null ? DROP : FORWARD),
    flows: true,
  },
  {
    name: 'a flow that is settled',
    datagram: SMALL,
    onPacket: (p) => {
      p.flow?.settle(FORWARD);
      return FORWARD;
    },
    flows: true,
  },
  {
    name: 'counter.add',
    datagram: SMALL,
    onPacket: () => {
      counter.add();
      return FORWARD;
    },
  },
  {
    name: 'runtime.event, two numbers',
    datagram: SMALL,
    onPacket: (p) => {
      numbers.octets = p.length;
      numbers.port = p.destinationPort;
      events.add(0, 'alert', p, numbers);
      return FORWARD;
    },
  },
  {
    name: 'runtime.event, a name of 15 characters and two numbers',
    datagram: SMALL,
    onPacket: (p) => {
      events.add(0, 'dns', p, { rrname: NAME, octets: p.length, port: p.destinationPort });
      return FORWARD;
    },
  },
];

widenInlining();
const { values } = parseArgs({ options: { packets: { type: 'string' }, rounds: { type: 'string' } } });
const effort = { packets: Number(values.packets ?? 20_000), rounds: Number(values.rounds ?? 41) };

for (const { name, datagram, onPacket, filter, flows } of CASES) {
  const head = {
    name: 'case',
    onPacket,
    ...(filter === undefined ? {} : { filter }),
    ...(flows === undefined ? {} : { flows }),
  };
  const attach = events.attach.bind(events);
  const cost = costOf({ hook: loadedHook(head), datagram, hasFlows: flows === true, attach }, effort);
  console.log(`${name}: ${cost.toFixed(0)} ns`);
}
