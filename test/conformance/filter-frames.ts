/**
 * Ethernet frames for filters: of every kind that a primitive asks for, whole, cut and bent, the same for the same seed.
 *
 * Rule: addresses, ports and tags come out of small sets that filter-expressions.ts draws from too, so that they meet.
 *
 * @module
 */

import { parseAddress } from '../../src/wire/address.ts';
import { Random } from '../chaos/random.ts';
import {
  type Extension,
  extension,
  fragment,
  icmpv4,
  icmpv6,
  ipv4,
  ipv6,
  octets,
  type Transport,
  tcp,
  udp,
} from '../support/packet-builder.ts';

export const ADDRESSES4 = [
  '10.1.2.3',
  '10.1.255.255',
  '10.77.0.1',
  '192.168.1.1',
  '224.0.0.1',
  '255.255.255.255',
  '0.0.0.10',
];
export const ADDRESSES6 = ['2001:db8::1', '2001:db8:1::5', 'fe80::1', 'ff02::1', '::1', '::ffff:10.1.2.3'];
export const PORTS = [0, 20, 22, 53, 80, 443, 6000, 6004, 6081, 8080, 65_535];
export const MACS = [
  '02:00:00:00:00:01',
  '02:00:00:00:00:02',
  'ff:ff:ff:ff:ff:ff',
  '01:00:5e:00:00:01',
  '33:33:00:00:00:01',
];
export const PROTOCOLS = [0, 1, 2, 6, 17, 41, 43, 44, 47, 50, 51, 58, 59, 60, 89, 103, 112, 132, 255];
export const VLANS = [1, 5, 100, 4095];

/** A frame as a capture shows it. */
export interface Sample {
  /** The octets that were captured. */
  readonly frame: Uint8Array;
  /** Octets that were on the wire. */
  readonly original: number;
  /** How it is put into Ethernet. */
  readonly carrier: Carrier;
}

/** What stands between the addresses of a frame and its payload. */
export type Carrier =
  | 'plain'
  | 'tag'
  | 'two tags'
  | 'mpls'
  | 'two labels'
  | 'pppoe'
  | 'tag pppoe'
  | 'arp'
  | 'llc'
  | 'other';

const CARRIERS: readonly Carrier[] = [
  ...Array.from({ length: 12 }, (): Carrier => 'plain'),
  ...(['tag', 'tag', 'two tags', 'mpls', 'two labels', 'pppoe', 'tag pppoe', 'arp', 'llc', 'other'] as const),
];
const TAG_TYPES = [0x8100, 0x8100, 0x88a8, 0x9100, 0x9200];
const OTHER_TYPES = [0x88cc, 0x8863, 0x809b, 0x80f3, 0x8137, 0x6003, 0x6004, 0x9000, 0x0600, 0x05dd];

/** Makes frames. */
export function filterFrames(seed: number, count: number): Sample[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => aSample(random));
}

function aSample(random: Random): Sample {
  const carrier = random.pick(CARRIERS);
  const frame = bent(random, Buffer.concat([macs(random), ...behindMacs(random, carrier)]));
  const original = frame.length + (random.once(10) ? random.below(2000) : 0);
  if (!random.once(8)) return { frame, original, carrier };
  return { frame: frame.subarray(0, random.below(frame.length + 1)), original, carrier };
}

/** One octet in some of the frames is another. */
function bent(random: Random, frame: Buffer): Buffer {
  if (random.once(6)) frame[14 + random.below(frame.length - 13)] = random.below(256);
  return frame;
}

function macs(random: Random): Buffer {
  const mac = (): Buffer => Buffer.from(random.pick(MACS).replaceAll(':', ''), 'hex');
  return Buffer.concat([mac(), mac()]);
}

function behindMacs(random: Random, carrier: Carrier): Buffer[] {
  const { type, ppp, datagram } = aDatagram(random);
  const tag = (): Buffer => words(random.pick(TAG_TYPES), (random.below(8) << 13) | random.pick(VLANS));
  const label = (isLast: boolean): Buffer => {
    const entry = Buffer.alloc(4);
    entry.writeUInt32BE((random.pick([0, 16, 1024, 100_000]) << 12) | (isLast ? 0x100 : 0) | 64);
    return entry;
  };
  const session = (): Buffer => words(0x8864, 0x1100, random.pick([1, 39, 65_535]), datagram.length + 2, ppp);
  switch (carrier) {
    case 'plain':
      return [words(type), datagram];
    case 'tag':
      return [tag(), words(type), datagram];
    case 'two tags':
      return [tag(), tag(), words(type), datagram];
    case 'mpls':
      return [words(0x8847), label(!random.once(8)), datagram];
    case 'two labels':
      return [words(0x8847), label(false), label(true), datagram];
    case 'pppoe':
      return [session(), datagram];
    case 'tag pppoe':
      return [tag(), session(), datagram];
    case 'arp':
      return [words(random.pick([0x0806, 0x8035])), anArp(random)];
    case 'llc':
      return [words(random.below(1501)), anLlc(random)];
    case 'other':
      return [words(random.once(2) ? random.pick(OTHER_TYPES) : random.below(0x10000)), noise(random, 60)];
  }
}

function words(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * numbers.length);
  for (const [index, number] of numbers.entries()) bytes.writeUInt16BE(number, 2 * index);
  return bytes;
}

function noise(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: 1 + random.below(most) }, () => random.below(256)));
}

function anArp(random: Random): Buffer {
  const address = (): Buffer => Buffer.from(parseAddress(random.pick(ADDRESSES4)) ?? []);
  return Buffer.concat([
    words(1, 0x0800, 0x0604, 1),
    noise(random, 1),
    Buffer.alloc(5),
    address(),
    Buffer.alloc(6),
    address(),
  ]);
}

function anLlc(random: Random): Buffer {
  const headers = [
    'fefe03',
    'e0e003',
    'f0f003',
    '424203',
    'ffff',
    '060603',
    'aaaa030000008137',
    'aaaa03080007809b',
    'aaaa0300000080f3',
  ];
  return Buffer.concat([
    Buffer.from(random.pick(headers), 'hex'),
    Buffer.from([random.pick([0x81, 0x82, 0x83])]),
    noise(random, 30),
  ]);
}

function aDatagram(random: Random): { readonly type: number; readonly ppp: number; readonly datagram: Buffer } {
  if (random.once(40)) return { type: random.pick([0x0800, 0x86dd]), ppp: 0x21, datagram: noise(random, 80) };
  if (random.below(5) < 3) return { type: 0x0800, ppp: 0x21, datagram: anIpv4(random) };
  return { type: 0x86dd, ppp: 0x57, datagram: anIpv6(random) };
}

function anIpv4(random: Random): Buffer {
  const isFragment = random.once(6);
  const options = {
    source: random.pick(ADDRESSES4),
    destination: random.pick(ADDRESSES4),
    ttl: random.pick([1, 64, 255]),
    tos: random.below(256),
    identification: random.below(65_536),
    options: random.once(5) ? Buffer.alloc(4 * (1 + random.below(10)), 1) : Buffer.alloc(0),
    fragmentOffset: isFragment ? random.pick([0, 8, 1480]) : 0,
    moreFragments: isFragment && random.once(2),
  };
  return ipv4(options, aTransport(random, 4));
}

function anIpv6(random: Random): Buffer {
  const anExtension = (): Extension =>
    random.once(2)
      ? fragment(random.pick([0, 8, 1448]), random.once(2))
      : extension(random.pick([0, 43, 60]), 8 * (1 + random.below(3)));
  const extensions = random.once(3) ? Array.from({ length: 1 + random.below(3) }, anExtension) : [];
  return ipv6(
    { source: random.pick(ADDRESSES6), destination: random.pick(ADDRESSES6), extensions },
    aTransport(random, 6),
  );
}

function aTransport(random: Random, version: 4 | 6): Transport {
  const ports = { sourcePort: random.pick(PORTS), destinationPort: random.pick(PORTS) };
  const payload = random.once(3) ? noise(random, 40) : Buffer.alloc(0);
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      return tcp({ ...ports, flags: random.below(256) }, payload);
    case 3:
    case 4:
      return udp(ports, payload);
    case 5: {
      const message = { type: random.pick([0, 3, 8, 11, 128, 129, 135]), code: random.below(4) };
      return version === 4 ? icmpv4(message, payload) : icmpv6(message, payload);
    }
    case 6:
      return octets(132, Buffer.concat([words(ports.sourcePort, ports.destinationPort, 1, 2, 3, 4), payload]));
    default: {
      const protocol = random.pick(PROTOCOLS);
      // The chain behind an authentication header goes on where libpcap comes to an end.
      return octets(protocol, protocol === 51 ? Buffer.from([6, 4, ...noise(random, 40)]) : noise(random, 60));
    }
  }
}
