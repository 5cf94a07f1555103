/**
 * Ethernet frames of every kind that might walk around a firewall, as a seeded sample of a product.
 *
 * ```
 *   link form x destination MAC x IP form x addresses      plain, tags, PPPoE, MPLS ... x the host's, broadcast ... x UDP, ND ... x
 *      │              │             │          │
 *      └──────────────┴── generateFrames(seed, target) ──┴─> GeneratedFrame: its number is in the payload of each of its frames
 * ```
 * Rule: a generated frame describes itself, and what becomes of it follows from that description alone: {@link isExempt}
 * for an attach of a host, `link.reading` for a bridge. Nothing here knows how the firewall looks at frames. Every pair of
 * a link form and an IP form occurs; destination and addresses are drawn, those that the kernel delivers most often.
 *
 * @see RFC 894, RFC 1042, RFC 2516 (PPPoE), RFC 3032 (MPLS), RFC 4861, RFC 3810, RFC 8200; IEEE 802.1Q, 802.1ad, 802.1AE, 802.1CB;
 *   linux/if_ether.h for the EtherTypes
 * @module
 */

import { parseAddress } from '../../src/wire/address.ts';
import { checksum } from '../../src/wire/checksum.ts';
import type { Extension, Transport } from './packet-builder.ts';
import { extension, fragment, icmpv4, icmpv6, ipv4, ipv6, octets, tcp, udp } from './packet-builder.ts';

/** Stands before the number of a frame in its payload. */
export const MAGIC: Buffer = Buffer.from('proof\u0001\u0002\u0003', 'latin1');
/** The UDP port that a selective hook lets through. */
export const ALLOWED_PORT = 7001;
/** The UDP port that a selective hook does not let through. */
export const REFUSED_PORT = 7002;
/** Groups that receivers join, beside those that every host is in. */
export const JOINED4 = '239.77.7.7';
/** {@link JOINED4} for IPv6. */
export const JOINED6 = 'ff05::4d4d';

/** Whom the frames are for. */
export interface Target {
  /** MAC address of the port that receives. */
  readonly mac: string;
  /** MAC address of the sender. */
  readonly senderMac: string;
  /** Where the kernel delivers or forwards to. */
  readonly own4: string;
  readonly own6: string;
  /** Link-local address of the port that receives. */
  readonly ownLinkLocal: string;
  readonly sender4: string;
  readonly sender6: string;
  readonly senderLinkLocal: string;
  /** Broadcast address of the subnet of the port. */
  readonly subnetBroadcast: string;
}

/**
 * What a bridge has to make of a link form: `ip`: hooks see the packet inside. `nonIp`: `policy.nonIp`. `malformed`: dropped.
 * `closed`: IP in something that the lane may or may not be able to read; without a hook's word it must not pass.
 */
export type Reading = 'closed' | 'ip' | 'malformed' | 'nonIp';

/** How IP is put into an Ethernet frame. */
export interface LinkForm {
  readonly name: string;
  readonly reading: Reading;
  /** The kernel takes it as IP on a port without VLAN devices. */
  readonly isTaken: boolean;
  /** Tags of id 0 before the EtherType, of which every one is followed by another or by the type of the payload. */
  readonly zeroTags: number;
  /** True when any tag of its own VLAN stands in it: the frame is for another interface. */
  readonly isOtherVlan: boolean;
  /** What follows the two addresses. */
  wrap(inner: Inner): Buffer;
}

/** What a link form is wrapped around. */
export interface Inner {
  readonly version: 4 | 6;
  readonly datagram: Buffer;
  /** The two MAC addresses, for forms that carry a whole frame. */
  readonly addresses: Buffer;
  readonly random: Random;
}

/** Whose the destination MAC address is. */
export type Destination = 'another group' | 'another host' | 'broadcast' | 'group of the address' | 'the port';

/** What is in the datagram. */
export interface IpForm {
  readonly name: string;
  readonly version: 4 | 6;
  /** What the packet is once the headers before the transport are stepped over as the kernel does; null: no transport. */
  readonly transport: 'udp' | 'other';
  /** ICMPv6 type of neighbour discovery or MLD right behind the IPv6 header (MLD: behind its router alert); 0 for others. */
  readonly control: number;
  readonly hopLimit: number;
  /** One datagram or, where the form is in pieces, several that arrive together or not at all. */
  build(packet: Contents): Buffer[];
}

/** What an {@link IpForm} is built of. */
export interface Contents {
  readonly source: string;
  readonly destination: string;
  /** {@link MAGIC} and the number of the frame. */
  readonly payload: Buffer;
  readonly number: number;
  readonly port: number;
  readonly random: Random;
}

/** A pair of addresses. */
export interface Addresses {
  readonly name: string;
  readonly version: 4 | 6;
  readonly source: string;
  readonly destination: string;
  /** Times it is drawn, compared with others. */
  readonly weight: number;
}

/** A generated frame, or the fragments of one packet, and what is known of it. */
export interface GeneratedFrame {
  readonly number: number;
  readonly link: LinkForm;
  readonly destination: Destination;
  readonly ip: IpForm;
  readonly addresses: Addresses;
  /** Destination port where the transport is UDP. */
  readonly port: number;
  readonly frames: readonly Buffer[];
}

/** A source of numbers that are the same for the same seed: xorshift32 (Marsaglia 2003). */
export class Random {
  #state: number;

  constructor(seed: number) {
    // A state of zero would stay there; neighbouring seeds are driven apart.
    this.#state = Math.imul((seed | 0) + 1, 0x9e3779b1) | 0 || 1;
    for (let turn = 0; turn < 8; turn += 1) this.below(2);
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % limit;
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }
}

const VLAN = 0x8100;
const SERVICE_VLAN = 0x88a8;
const OLD_VLAN = 0x9100;
const PPPOE_SESSION = 0x8864;
const MPLS = 0x8847;
const MPLS_MULTICAST = 0x8848;
const MIN_FRAME = 60;

/** Link forms in which IP travels. */
export const IP_LINKS: readonly LinkForm[] = [
  tagged('plain', []),
  link(
    'padded to 60 octets and more',
    'ip',
    [],
    ({ datagram, version, random }) => [
      type(version),
      datagram,
      Buffer.alloc(Math.max(0, MIN_FRAME - 14 - datagram.length) + random.below(9), 0xee),
    ],
    true,
  ),
  ...[1, 2, 3, 4, 5, 6].flatMap((count) => [
    tagged(`${count} tags of 802.1Q, id 0`, zeros(VLAN, count)),
    tagged(`${count} tags of 802.1ad, id 0`, zeros(SERVICE_VLAN, count)),
  ]),
  tagged('one tag of 9100, id 0', [[OLD_VLAN, 0]]),
  tagged('802.1ad and 802.1Q, id 0', [
    [SERVICE_VLAN, 0],
    [VLAN, 0],
  ]),
  tagged('802.1Q and 802.1ad in turn, id 0', [
    [VLAN, 0],
    [SERVICE_VLAN, 0],
    [VLAN, 0],
  ]),
  tagged('802.1Q and 9100, id 0', [
    [VLAN, 0],
    [OLD_VLAN, 0],
  ]),
  tagged('9100 and 802.1Q, id 0', [
    [OLD_VLAN, 0],
    [VLAN, 0],
  ]),
  tagged('id 5', [[VLAN, 5]]),
  tagged('id 4095', [[VLAN, 4095]]),
  tagged('802.1ad, id 5', [[SERVICE_VLAN, 5]]),
  tagged('id 0, then id 5', [
    [VLAN, 0],
    [VLAN, 5],
  ]),
  tagged('id 5, then id 0', [
    [VLAN, 5],
    [VLAN, 0],
  ]),
  pppoe('PPPoE', []),
  pppoe('PPPoE in VLAN 5', [[VLAN, 5]]),
  pppoe('PPPoE in a tag of id 0', [[VLAN, 0]]),
  pppoe('PPPoE in two tags', [
    [SERVICE_VLAN, 3],
    [VLAN, 0],
  ]),
  link('PPPoE, protocol field compressed', 'closed', [], ({ datagram, version }) =>
    session(Buffer.concat([Buffer.from([version === 4 ? 0x21 : 0x57]), datagram])),
  ),
  link('PPPoE multilink', 'closed', [], ({ datagram, version }) =>
    session(Buffer.concat([hexOctets('003dc0000001'), pppProtocol(version), datagram])),
  ),
  link('PPPoE bridged Ethernet', 'closed', [], ({ datagram, version, addresses }) =>
    session(Buffer.concat([hexOctets('00310001'), addresses, type(version), datagram])),
  ),
  mpls('MPLS, 1 label', MPLS, 1),
  mpls('MPLS, 2 labels', MPLS, 2),
  mpls('MPLS, 3 labels', MPLS, 3),
  mpls('MPLS multicast, 1 label', MPLS_MULTICAST, 1),
  mpls('MPLS, 1 label, in VLAN 5', MPLS, 1, [[VLAN, 5]]),
  link('MPLS, Ethernet inside', 'closed', [], ({ datagram, version, addresses }) => [
    u16(MPLS),
    hexOctets('000641ff00000000'),
    addresses,
    type(version),
    datagram,
  ]),
  link('LLC and SNAP', 'closed', [], ({ datagram, version }) =>
    lengthOf(Buffer.concat([hexOctets('aaaa03000000'), type(version), datagram])),
  ),
  link('LLC and SNAP, OUI of 802.1H', 'closed', [], ({ datagram, version }) =>
    lengthOf(Buffer.concat([hexOctets('aaaa030000f8'), type(version), datagram])),
  ),
  link('LLC and SNAP in VLAN 5', 'closed', [[VLAN, 5]], ({ datagram, version }) =>
    lengthOf(Buffer.concat([hexOctets('aaaa03000000'), type(version), datagram])),
  ),
  link('LLC and SNAP, a VLAN tag inside', 'closed', [], ({ datagram, version }) =>
    lengthOf(Buffer.concat([hexOctets('aaaa03000000'), u16(VLAN), u16(0), type(version), datagram])),
  ),
  link('LLC for IP', 'closed', [], ({ datagram }) => lengthOf(Buffer.concat([hexOctets('060603'), datagram]))),
  carrier('HSR tag', 0x892f, '00200001'),
  carrier('R-TAG', 0xf1c1, '00000001'),
  carrier('VN-Tag', 0x8926, '00010002'),
  carrier('E-TAG', 0x893f, '000000010000'),
  carrier('Cisco metadata', 0x8909, '010100010005'),
  carrier('MACsec without encryption', 0x88e5, '000000000001'),
  carrier('QinQ of 9200', 0x9200, '0005'),
  link('network service header', 'closed', [], ({ datagram, version }) => [
    u16(0x894f),
    hexOctets(`0fc202${version === 4 ? '01' : '02'}00000100`),
    datagram,
  ]),
  link('Ethernet in Ethernet', 'closed', [], ({ datagram, version, addresses }) => [
    u16(0x6558),
    addresses,
    type(version),
    datagram,
  ]),
  link('provider backbone bridge', 'closed', [], ({ datagram, version, addresses }) => [
    u16(0x88e7),
    hexOctets('00000005'),
    addresses,
    type(version),
    datagram,
  ]),
  link('PPP without PPPoE', 'closed', [], ({ datagram, version }) => [u16(0x880b), pppProtocol(version), datagram]),
  link('an EtherType of nobody', 'closed', [], ({ datagram }) => [u16(0x88b5), datagram]),
];

/** Frames that carry no IP and that networks live by. The datagram is only their number. */
export const NON_IP_LINKS: readonly LinkForm[] = [
  nonIp('ARP', 0x0806, '0001080006040002'),
  nonIp('ARP in VLAN 5', 0x0806, '0001080006040002', [[VLAN, 5]]),
  nonIp('ARP in a tag of id 0', 0x0806, '0001080006040002', [[VLAN, 0]]),
  nonIp('LLDP', 0x88cc, '0207040200000001010406'),
  nonIp('LACP', 0x8809, '0101'),
  nonIp('EAPOL', 0x888e, '01010000'),
  nonIp('PPPoE discovery', 0x8863, '110900000000'),
  link('PPPoE, link control', 'nonIp', [], ({ datagram }) =>
    session(Buffer.concat([hexOctets('c02109010008'), datagram])),
  ),
  link('spanning tree', 'nonIp', [], ({ datagram }) =>
    lengthOf(Buffer.concat([hexOctets('424203'), Buffer.alloc(35), datagram])),
  ),
];

/** The only "IP form" of {@link NON_IP_LINKS}. */
const NO_IP: IpForm = {
  name: 'no IP',
  version: 4,
  transport: 'other',
  control: 0,
  hopLimit: 0,
  build: ({ payload }) => [payload],
};

const NO_ADDRESSES: Addresses = { name: 'none', version: 4, source: '0.0.0.0', destination: '0.0.0.0', weight: 1 };

/** What is in a datagram of either version. */
export const IP_FORMS: readonly IpForm[] = [
  form4('UDP', 'udp', (packet) => datagram(packet)),
  form4('UDP behind options', 'udp', (packet) => datagram(packet), { options: hexOctets('94040000') }),
  form4('UDP behind a recorded route', 'udp', (packet) => datagram(packet), { options: hexOctets('0707040000000000') }),
  form4('UDP in two fragments', 'udp', (packet) => datagram(packet, 24), {}, cut4),
  form4('TCP', 'other', ({ payload }) => tcp({ destinationPort: REFUSED_PORT }, payload)),
  form4('ICMP echo', 'other', ({ payload }) => icmpv4({}, payload)),
  form4('an unknown protocol', 'other', ({ payload }) => octets(253, payload)),
  form4('IPv4 in IPv4', 'other', ({ payload }) => octets(4, ipv4({}, udp({}, payload)))),
  form4('GRE', 'other', ({ payload }) => octets(47, Buffer.concat([hexOctets('00000800'), payload]))),
  form4('ESP', 'other', ({ payload }) => octets(50, Buffer.concat([hexOctets('0000010000000001'), payload]))),
  form6('UDP', 'udp', (packet) => datagram(packet)),
  form6('UDP behind hop-by-hop options', 'udp', (packet) => datagram(packet), [padding(0)]),
  form6('UDP behind destination options', 'udp', (packet) => datagram(packet), [padding(60)]),
  form6('UDP behind a routing header', 'udp', (packet) => datagram(packet), [extension(43)]),
  form6('UDP behind many headers', 'udp', (packet) => datagram(packet), [
    padding(0, 16),
    padding(60),
    extension(43),
    padding(60, 24),
  ]),
  form6('UDP in an atomic fragment', 'udp', (packet) => datagram(packet), [fragment(0, false)]),
  form6('UDP in two fragments', 'udp', (packet) => datagram(packet, 24), [], cut6),
  form6('UDP in two fragments behind options', 'udp', (packet) => datagram(packet, 24), [padding(60)], cut6),
  form6('UDP behind an authentication header', 'udp', (packet) => datagram(packet), [extension(51, 24)]),
  ...[135, 139, 140].flatMap((type) => [
    form6(`next header ${type}, then what looks like UDP`, 'other', (packet) => disguise(type, packet)),
    form6(`next header ${type} behind options`, 'other', (packet) => disguise(type, packet), [padding(60)]),
  ]),
  form6('TCP', 'other', ({ payload }) => tcp({ destinationPort: REFUSED_PORT }, payload)),
  form6('ICMPv6 echo', 'other', ({ payload }) => icmpv6({}, payload)),
  form6('ICMPv6 echo behind options', 'other', ({ payload }) => icmpv6({}, payload), [padding(60)]),
  form6('an unknown protocol', 'other', ({ payload }) => octets(253, payload)),
  form6('IPv6 in IPv6', 'other', ({ payload }) => octets(41, ipv6({}, udp({}, payload)))),
  form6('ESP', 'other', ({ payload }) => octets(50, Buffer.concat([hexOctets('0000010000000001'), payload]))),
  ...[133, 134, 135, 136, 137].flatMap((type) => [
    control6(`neighbour discovery ${type}`, type, 255, (packet) => discovery(type, packet)),
    control6(`neighbour discovery ${type}, hop limit 64`, type, 64, (packet) => discovery(type, packet)),
  ]),
  // Not right behind the IPv6 header: nothing that links live by.
  {
    ...control6('neighbour discovery 135 behind options', 135, 255, (packet) => discovery(135, packet), [padding(60)]),
    control: 0,
  },
  {
    ...control6('neighbour discovery 136 in an atomic fragment', 136, 255, (packet) => discovery(136, packet), [
      fragment(0, false),
    ]),
    control: 0,
  },
  ...[130, 131, 132, 143].flatMap((type) => [
    control6(`listener discovery ${type}`, type, 1, (packet) => listener(type, packet), [routerAlert()]),
    control6(`listener discovery ${type}, hop limit 64`, type, 64, (packet) => listener(type, packet), [routerAlert()]),
  ]),
];

/** Pairs of addresses for a target. */
export function addressesFor(target: Target): readonly Addresses[] {
  const { own4, own6, ownLinkLocal, sender4, sender6, senderLinkLocal, subnetBroadcast } = target;
  const pair = (version: 4 | 6, name: string, source: string, destination: string, weight = 1): Addresses => {
    return { name, version, source, destination, weight };
  };
  return [
    pair(4, 'neighbour to unicast', sender4, own4, 6),
    pair(4, 'far address to unicast', '198.51.100.7', own4, 2),
    pair(4, 'link-local to unicast', '169.254.7.7', own4, 2),
    pair(4, 'nobody to unicast', '0.0.0.0', own4),
    pair(4, 'neighbour to all hosts', sender4, '224.0.0.1', 2),
    pair(4, 'neighbour to a joined group', sender4, JOINED4, 2),
    pair(4, 'neighbour to the limited broadcast', sender4, '255.255.255.255', 2),
    pair(4, 'nobody to the limited broadcast', '0.0.0.0', '255.255.255.255'),
    pair(4, 'neighbour to the broadcast of the subnet', sender4, subnetBroadcast, 2),
    pair(4, 'loopback to unicast', '127.0.0.1', own4),
    pair(6, 'global to global', sender6, own6, 6),
    pair(6, 'far address to global', '2001:db8:7::7', own6, 2),
    pair(6, 'link-local to global', senderLinkLocal, own6, 6),
    pair(6, 'global to link-local', sender6, ownLinkLocal, 3),
    pair(6, 'link-local to link-local', senderLinkLocal, ownLinkLocal, 3),
    pair(6, 'link-local to all nodes', senderLinkLocal, 'ff02::1', 2),
    pair(6, 'global to all nodes', sender6, 'ff02::1', 2),
    pair(6, 'global to a joined group', sender6, JOINED6, 2),
    pair(6, 'nobody to all nodes', '::', 'ff02::1', 2),
    pair(6, 'nobody to global', '::', own6),
    pair(6, 'IPv4-mapped to global', '::ffff:10.78.0.2', own6, 2),
    pair(6, 'link-local of nobody to global', 'febf:ffff::7', own6, 2),
    pair(6, 'site-local to global', 'fec0::7', own6),
    pair(6, 'loopback to global', '::1', own6),
  ];
}

const DESTINATIONS: readonly Destination[] = [
  'the port',
  'the port',
  'the port',
  'the port',
  'broadcast',
  'group of the address',
  'group of the address',
  'another group',
  'another host',
];

/**
 * Generates the frames of a seed: every link form with every IP form, `rounds` times, and every pair of an IP form and of
 * addresses in the plain form.
 *
 * @param rounds - each adds some 2,700 frames
 */
export function generateFrames(seed: number, target: Target, rounds = 1): GeneratedFrame[] {
  const random = new Random(seed);
  const addresses = addressesFor(target);
  const frames: GeneratedFrame[] = [];
  const add = (link: LinkForm, ip: IpForm, pair: Addresses, destination: Destination): void => {
    frames.push(make(frames.length, link, ip, pair, destination, target, random));
  };
  for (let round = 0; round < rounds; round += 1) {
    for (const link of IP_LINKS) {
      for (const ip of IP_FORMS) add(link, ip, draw(ip, addresses, random), random.pick(DESTINATIONS));
    }
    for (const link of NON_IP_LINKS) add(link, NO_IP, NO_ADDRESSES, random.pick(DESTINATIONS));
  }
  const plain = IP_LINKS.slice(0, 3);
  for (const ip of IP_FORMS) {
    for (const pair of addresses) {
      if (pair.version === ip.version) add(random.pick(plain), ip, pair, random.pick(DESTINATIONS));
    }
  }
  return frames;
}

/**
 * Whether a host attach may let a frame reach the stack without a hook: the whole list, said from the frame's own
 * description. Frames that are for nobody here (another host's MAC address, another VLAN, a form that the kernel does not
 * take as IP) are on it, because no stack takes them.
 */
export function isExempt({ link, destination, ip, addresses }: GeneratedFrame): boolean {
  if (link.reading === 'nonIp' || !link.isTaken || link.isOtherVlan || destination === 'another host') return true;
  // More than one tag of id 0 is stolen whatever is inside.
  if (link.zeroTags > 1) return false;
  const isGroupFrame = destination !== 'the port';
  if (ip.version === 4) return isGroupFrame && isGroup4(addresses.destination);
  if (isGroupFrame && isGroup6(addresses.destination)) return true;
  if (isLinkLocal(addresses.source) && (isLinkLocal(addresses.destination) || isGroup6(addresses.destination)))
    return true;
  if (ip.control >= 133 && ip.control <= 137) return ip.hopLimit === 255;
  const isListener = ip.control !== 0;
  return isListener && ip.hopLimit === 1 && (isLinkLocal(addresses.source) || addresses.source === '::');
}

/** One line for a failing test. */
export function describeFrame(frame: GeneratedFrame): string {
  const { number, link, destination, ip, addresses, port } = frame;
  const what = `${link.name} | to ${destination} | IPv${ip.version} ${ip.name} | ${addresses.name}`;
  return `#${number} ${what} | port ${port} | ${frame.frames.map((octets) => octets.toString('hex')).join(' ')}`;
}

/** The number in a frame or payload; -1 where there is none. */
export function numberIn(octets: Buffer): number {
  const at = octets.indexOf(MAGIC);
  return at === -1 || at + MAGIC.length + 4 > octets.length ? -1 : octets.readUInt32BE(at + MAGIC.length);
}

function make(
  number: number,
  link: LinkForm,
  ip: IpForm,
  addresses: Addresses,
  destination: Destination,
  target: Target,
  random: Random,
): GeneratedFrame {
  const payload = Buffer.concat([MAGIC, u32(number)]);
  const port = ip.transport === 'udp' ? random.pick([ALLOWED_PORT, REFUSED_PORT, REFUSED_PORT]) : ALLOWED_PORT;
  const { source, destination: to } = addresses;
  const datagrams = ip.build({ source, destination: to, payload, number, port, random });
  const macs = Buffer.concat([
    macFor(destination, to, target, random),
    hexOctets(target.senderMac.replaceAll(':', '')),
  ]);
  const frames = datagrams.map((datagram) =>
    Buffer.concat([macs, link.wrap({ version: ip.version, datagram, addresses: macs, random })]),
  );
  return { number, link, destination, ip, addresses, port, frames };
}

function draw(ip: IpForm, all: readonly Addresses[], random: Random): Addresses {
  const fitting = all.filter(({ version }) => version === ip.version);
  return random.pick(fitting.flatMap((pair) => Array.from({ length: pair.weight }, () => pair)));
}

function macFor(destination: Destination, address: string, target: Target, random: Random): Buffer {
  switch (destination) {
    case 'the port':
      return hexOctets(target.mac.replaceAll(':', ''));
    case 'broadcast':
      return hexOctets('ffffffffffff');
    case 'another host':
      return hexOctets('020000009999');
    case 'another group':
      return hexOctets(random.pick(['01005e000005', '333300000099', '0180c200000e', '090000000001', '01000ccccccc']));
    case 'group of the address': {
      const bytes = parse(address);
      if (bytes.length === 4) return Buffer.concat([hexOctets('01005e'), mask(bytes.subarray(1))]);
      const isGroup = bytes[0] === 0xff;
      return Buffer.concat([hexOctets(isGroup ? '3333' : '3333ff'), bytes.subarray(isGroup ? 12 : 13)]);
    }
  }
}

/** 23 bits of a group's address go into its MAC address (RFC 1112). */
function mask(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes);
  copy[0] = (copy[0] ?? 0) & 0x7f;
  return copy;
}

type Tags = readonly (readonly [type: number, id: number])[];

function link(
  name: string,
  reading: Reading,
  tags: Tags,
  body: (inner: Inner) => readonly Buffer[],
  hasIpType = false,
): LinkForm {
  // The kernel takes off tags of these two types, however many there are; then it wants the EtherType of IP.
  const isUntagged = tags.every(([type, id]) => id === 0 && (type === VLAN || type === SERVICE_VLAN));
  return {
    name,
    reading,
    isTaken: isUntagged && hasIpType,
    zeroTags: isUntagged ? tags.length : 0,
    isOtherVlan: tags.some(([, id]) => id !== 0),
    wrap(inner) {
      const written = tags.map(([type, id]) => Buffer.concat([u16(type), u16((inner.random.below(16) << 12) | id)]));
      return Buffer.concat([...written, ...body(inner)]);
    },
  };
}

function zeros(type: number, count: number): Tags {
  return Array.from({ length: count }, () => [type, 0] as const);
}

/** IP under its own EtherType, behind tags. Four of them are read. */
function tagged(name: string, tags: Tags): LinkForm {
  const body = ({ datagram, version }: Inner) => [type(version), datagram];
  return link(name, tags.length > 4 ? 'malformed' : 'ip', tags, body, true);
}

function pppoe(name: string, tags: Tags): LinkForm {
  return link(name, 'ip', tags, ({ datagram, version }) => session(Buffer.concat([pppProtocol(version), datagram])));
}

function mpls(name: string, etherType: number, labels: number, tags: Tags = []): LinkForm {
  return link(name, 'ip', tags, ({ datagram, random }) => [
    u16(etherType),
    ...Array.from({ length: labels }, (_unused, index) => {
      const isLast = index === labels - 1;
      return u32((((16 + random.below(1000)) << 12) | (isLast ? 0x100 : 0) | 64) >>> 0);
    }),
    datagram,
  ]);
}

/** A header of some other protocol, then the EtherType of IP and the datagram. */
function carrier(name: string, etherType: number, header: string): LinkForm {
  return link(name, 'closed', [], ({ datagram, version }) => [
    u16(etherType),
    hexOctets(header),
    type(version),
    datagram,
  ]);
}

function nonIp(name: string, etherType: number, header: string, tags: Tags = []): LinkForm {
  return link(name, 'nonIp', tags, ({ datagram }) => [u16(etherType), hexOctets(header), Buffer.alloc(20), datagram]);
}

/** A PPPoE session of RFC 2516 around a PPP frame. */
function session(frame: Buffer): Buffer[] {
  return [u16(PPPOE_SESSION), hexOctets('11000007'), u16(frame.length), frame];
}

function pppProtocol(version: 4 | 6): Buffer {
  return u16(version === 4 ? 0x0021 : 0x0057);
}

/** The length field of IEEE 802.3 in the place of a type. */
function lengthOf(body: Buffer): Buffer[] {
  return [u16(body.length), body];
}

function type(version: 4 | 6): Buffer {
  return u16(version === 4 ? 0x0800 : 0x86dd);
}

function form4(
  name: string,
  transport: 'other' | 'udp',
  message: (packet: Contents) => Transport,
  options: { readonly options?: Buffer } = {},
  cut: ((whole: Buffer) => Buffer[]) | null = null,
): IpForm {
  return {
    name,
    version: 4,
    transport,
    control: 0,
    hopLimit: 64,
    build(packet) {
      const { source, destination, number } = packet;
      const whole = ipv4({ source, destination, identification: number & 0xffff, ...options }, message(packet));
      return cut === null ? [whole] : cut(whole);
    },
  };
}

function form6(
  name: string,
  transport: 'other' | 'udp',
  message: (packet: Contents) => Transport,
  extensions: readonly Extension[] = [],
  cut: ((whole: Buffer, headers: number, number: number) => Buffer[]) | null = null,
  control = 0,
  hopLimit = 64,
): IpForm {
  const headers = 40 + extensions.reduce((sum, { octets }) => sum + octets.length, 0);
  return {
    name,
    version: 6,
    transport,
    control,
    hopLimit,
    build(packet) {
      const { source, destination, number } = packet;
      const whole = ipv6({ source, destination, hopLimit, extensions }, message(packet));
      return cut === null ? [whole] : cut(whole, headers, number);
    },
  };
}

/** ICMPv6 of neighbour or listener discovery. */
function control6(
  name: string,
  type: number,
  hopLimit: number,
  message: (packet: Contents) => Transport,
  extensions: readonly Extension[] = [],
): IpForm {
  return form6(name, 'other', message, extensions, null, type, hopLimit);
}

/** A UDP datagram whose payload is the number, `repeatAt` octets later again: for the second fragment. */
function datagram({ port, payload }: Contents, repeatAt = 0): Transport {
  const filler = Buffer.alloc(Math.max(0, repeatAt - payload.length), 0x2e);
  const body = repeatAt === 0 ? payload : Buffer.concat([payload, filler, payload]);
  return udp({ destinationPort: port }, body);
}

/** Octets of the transport message in the first of two fragments: the UDP header and the first number. */
const FIRST_PIECE = 32;

function cut4(whole: Buffer): Buffer[] {
  const [first, last] = [whole.subarray(0, 20 + FIRST_PIECE), whole.subarray(20 + FIRST_PIECE)];
  const piece = (offset: number, moreFragments: boolean, body: Buffer) =>
    ipv4(
      {
        source: [...whole.subarray(12, 16)].join('.'),
        destination: [...whole.subarray(16, 20)].join('.'),
        identification: whole.readUInt16BE(4),
        fragmentOffset: offset,
        moreFragments,
      },
      octets(17, body),
    );
  return [piece(0, true, first.subarray(20)), piece(FIRST_PIECE, false, last)];
}

/** The fragment header goes in behind `headers` octets; RFC 8200 calls those the per-fragment headers. */
function cut6(whole: Buffer, headers: number, number: number): Buffer[] {
  // The next header field of the last header before the fragment header: of the IPv6 header, or of its only extension.
  const nextAt = headers === 40 ? 6 : 40;
  const piece = (offset: number, isLast: boolean, body: Buffer): Buffer => {
    const front = Buffer.from(whole.subarray(0, headers));
    const { octets } = fragment(offset, !isLast, number + 1);
    octets[0] = front[nextAt] ?? 0;
    front[nextAt] = 44;
    front.writeUInt16BE(headers - 40 + octets.length + body.length, 4);
    return Buffer.concat([front, octets, body]);
  };
  return [
    piece(0, false, whole.subarray(headers, headers + FIRST_PIECE)),
    piece(FIRST_PIECE, true, whole.subarray(headers + FIRST_PIECE)),
  ];
}

/** Options with one in them that is for experiments and is to be skipped (RFC 8200, 4.2; RFC 4727): long padding is refused. */
function padding(type: number, length = 8): Extension {
  const header = extension(type, length);
  header.octets[2] = 0x1e;
  header.octets[3] = length - 4;
  return header;
}

/** A message of protocol `type` with the layout of an extension header, and behind it octets that look like UDP. */
function disguise(type: number, { payload, port }: Contents): Transport {
  return {
    protocol: type,
    build(pseudoSum) {
      const looks = Buffer.concat([u16(port), u16(port), u16(8 + payload.length), u16(0), payload]);
      const bytes = Buffer.concat([hexOctets('1100000000000000'), looks]);
      // Where a mobility header has it (RFC 6275, 6.1.1): the kernel looks at it before it delivers.
      bytes.writeUInt16BE(checksum(bytes, 0, bytes.length, pseudoSum(bytes.length)), 4);
      return bytes;
    },
  };
}

/** Hop-by-hop options with the router alert of listener discovery (RFC 2711). */
function routerAlert(): Extension {
  return { type: 0, octets: hexOctets('0000050200000100') };
}

/** The number rides in an option that nobody knows, which a receiver has to skip (RFC 4861, 4.6; type of RFC 4727). */
function discovery(type: number, { payload, source }: Contents): Transport {
  const option = Buffer.concat([Buffer.from([253, 2]), payload, Buffer.alloc(14 - payload.length)]);
  // Of a router advertisement: no default router. Of the others: the address of the sender, which does no harm here.
  const fixed = type === 134 ? Buffer.alloc(8) : type === 133 ? Buffer.alloc(0) : Buffer.from(parse(source));
  const destination = type === 137 ? Buffer.from(parse(source)) : Buffer.alloc(0);
  return icmpv6({ type }, Buffer.concat([fixed, destination, option]));
}

/** The number rides behind the message, where a receiver does not look (RFC 2710, 3.8; RFC 3810, 5.2.12). */
function listener(type: number, { payload }: Contents): Transport {
  const body = type === 143 ? Buffer.alloc(0) : Buffer.concat([Buffer.from(parse('ff05::7')), Buffer.alloc(0)]);
  return icmpv6({ type }, Buffer.concat([body, payload]));
}

function isGroup4(address: string): boolean {
  const first = parse(address)[0] ?? 0;
  return (first >= 224 && first < 240) || address === '255.255.255.255';
}

function isGroup6(address: string): boolean {
  return parse(address)[0] === 0xff;
}

/** fe80::/10. */
function isLinkLocal(address: string): boolean {
  const bytes = parse(address);
  return bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;
}

function parse(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === null) throw new TypeError(`not an address: ${text}`);
  return bytes;
}

function hexOctets(text: string): Buffer {
  return Buffer.from(text, 'hex');
}

function u16(value: number): Buffer {
  return Buffer.from([value >>> 8, value & 0xff]);
}

function u32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}
