/**
 * Filters alone, in this process: nanoseconds for a packet, by filter and kind of packet.
 *
 * ```
 *   node --import tsx test/bench/filter.bench.ts [--packets N]                     no root
 *   six filters in turn ─> switch over the predicates, as a chain calls them ─> a few packets of one kind
 * ```
 * "The switch alone" has a predicate that answers no and reads nothing: what the call and the loop cost. The time is the
 * process's own, so that what else runs on the machine counts less. Rule: every round measures all filters and the empty
 * call one after the other; only differences within a run say something.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { compileFilter, type Predicate } from '../../src/filter/to-js.ts';
import { ethernet, icmpv4, ipv4, ipv6, tcp, udp } from '../support/packet-builder.ts';
import { median } from './measure.ts';

const ROUNDS = 31;
const ETHERNET = 14;
/** Packets of a kind: different ones, so that branches are not learnt by heart. */
const KINDS = 64;

const FILTERS = [
  'tcp dst port 443',
  'udp port 53',
  'host 10.77.0.1 and tcp',
  'net 192.0.2.0/24 and not (port 80 or 443)',
  'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0',
  'vlan 5 and icmp',
];

const { values } = parseArgs({ options: { packets: { type: 'string', default: '200000' } } });
const packets = Number(values.packets);

interface Sample {
  readonly datagram: Uint8Array;
  readonly link: Uint8Array;
}

/** Ports and addresses differ from packet to packet. */
function samples(make: (index: number) => Buffer): Sample[] {
  return Array.from({ length: KINDS }, (_, index) => {
    const frame = ethernet({}, make(index));
    return { datagram: new Uint8Array(frame.subarray(ETHERNET)), link: new Uint8Array(frame.subarray(0, ETHERNET)) };
  });
}

const data = Buffer.alloc(64, 1);
const addresses = (index: number) => ({ source: `10.1.0.${index}`, destination: '10.2.0.1' });
const ports = (index: number) => ({ sourcePort: 30_000 + index, destinationPort: 9000 + index });
const KINDS_OF_PACKETS: Readonly<Record<string, Sample[]>> = {
  'UDP on IPv4': samples((index) => ipv4(addresses(index), udp(ports(index), data))),
  'TCP on IPv4': samples((index) => ipv4(addresses(index), tcp(ports(index), data))),
  'TCP on IPv6': samples((index) => ipv6({}, tcp(ports(index), data))),
  'ICMP on IPv4': samples((index) => ipv4(addresses(index), icmpv4({}, data))),
};

/** One call site a predicate, as compile-calls.ts makes them for hooks. */
function makeSwitch(predicates: readonly Predicate[]): (...args: [number, ...Parameters<Predicate>]) => boolean {
  const cases = predicates.map(
    (_, index) => `case ${index}: return p${index}(bytes, length, link, linkLength, originalLength);`,
  );
  const names = predicates.map((_, index) => `p${index} = predicates[${index}]`).join(', ');
  const body = `const ${names}; return (index, bytes, length, link, linkLength, originalLength) => { switch (index) { ${cases.join(' ')} } };`;
  return (new Function('predicates', body) as (all: readonly Predicate[]) => ReturnType<typeof makeSwitch>)(predicates);
}

const NOTHING: Predicate = () => false;
const call = makeSwitch([...FILTERS.map((text) => compileFilter(text, { link: 'ethernet' })), NOTHING]);

/** Nanoseconds a packet, and how many of the packets belong to the filter. */
function measure(index: number, kind: readonly Sample[]): { nanoseconds: number; taken: number } {
  let taken = 0;
  const start = process.cpuUsage();
  for (let i = 0; i < packets; i++) {
    const sample = kind[i % KINDS];
    if (sample === undefined) continue;
    const { datagram, link } = sample;
    if (call(index, datagram, datagram.length, link, ETHERNET, datagram.length)) taken++;
  }
  return { nanoseconds: (1000 * process.cpuUsage(start).user) / packets, taken };
}

const labels = [...FILTERS, 'the switch alone'];
const times = new Map<string, number[]>();
const taken = new Map<string, number>();
for (let round = 0; round < 2 * ROUNDS; round++) {
  for (const [kind, list] of Object.entries(KINDS_OF_PACKETS)) {
    for (const [index, label] of labels.entries()) {
      const result = measure(index, list);
      const key = `${label} | ${kind}`;
      taken.set(key, (100 * result.taken) / packets);
      // The first half is warm-up.
      if (round >= ROUNDS) times.set(key, [...(times.get(key) ?? []), result.nanoseconds]);
    }
  }
}
for (const label of labels) {
  const shown = Object.keys(KINDS_OF_PACKETS).map((kind) => {
    const key = `${label} | ${kind}`;
    return `${kind} ${median(times.get(key) ?? []).toFixed(1)} ns (${(taken.get(key) ?? 0).toFixed(0)} % taken)`;
  });
  console.log(`${label}: ${shown.join(', ')}`);
}
