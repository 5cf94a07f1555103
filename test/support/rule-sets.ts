/**
 * Random rules and random packets for `packet-filter`, and what a packet matches by looking at one rule after the other.
 *
 * ```
 *   RuleSpec ─ ruleText ─> a line of a rule file ─> the hook ─┐
 *        └──── matches(rule, packet) ─> the first rule ───────┴─> the same?
 * ```
 * Rule: the matcher here reads the specification of a packet, never its octets, and shares nothing with the hook. Values are few, so
 * that packets hit: nested prefixes around some addresses, a handful of ports.
 *
 * @module
 */

import { parseAddress } from '../../src/wire/address.ts';
import type { Random } from '../chaos/random.ts';
import type { Extension, Transport } from './packet-builder.ts';
import { extension, fragment, icmpv4, icmpv6, ipv4, ipv6, octets, tcp, udp } from './packet-builder.ts';

/** Values, or all but these. */
export interface ListSpec<Item> {
  readonly not: boolean;
  readonly items: readonly Item[];
}

/** First and last number. */
export type Range = readonly [number, number];

/** One rule. What is left out is any. */
export interface RuleSpec {
  readonly action: 'accept' | 'pass' | 'drop' | 'reject';
  readonly family?: 'ip' | 'ip6';
  readonly protocols?: readonly string[];
  readonly from?: ListSpec<string>;
  readonly fromPorts?: ListSpec<Range>;
  readonly to?: ListSpec<string>;
  readonly toPorts?: ListSpec<Range>;
  readonly types?: readonly Range[];
  readonly codes?: readonly Range[];
  /** Flags that are set, and those that are looked at. */
  readonly flags?: Range;
  readonly fragment?: 'any' | 'first' | 'later' | 'not';
  readonly direction?: 'in' | 'out';
  readonly on?: readonly string[];
  readonly toInterface?: readonly string[];
  readonly states?: readonly string[];
  readonly count?: string;
}

/** One packet. */
export interface PacketSpec {
  readonly version: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** Of TCP, UDP and SCTP, in a packet that shows them; -1 otherwise. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** -1 for none. */
  readonly flags: number;
  /** Type * 256 + code; -1 for none. */
  readonly icmp: number;
  /** 0 whole, 1 first, 2 later. */
  readonly fragment: 0 | 1 | 2;
  /** Names of interfaces. */
  readonly arrival: string;
  readonly departure: string;
  readonly direction: 'in' | 'out';
}

const FLAG_NAMES = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr'];
/** Numbers of protocols by name, and the one version that a name is about. */
const PROTOCOLS: Readonly<Record<string, readonly [number: number, version?: 4 | 6]>> = {
  tcp: [6],
  udp: [17],
  sctp: [132],
  icmp: [1, 4],
  icmpv6: [58, 6],
  gre: [47],
};

/** Interfaces that rules and packets name, with the indexes that they are given. */
export const INTERFACES: Readonly<Record<string, number>> = { lan0: 11, wan0: 12, dmz0: 13, other0: 99 };

const BASES4 = ['192.0.2.77', '192.0.3.1', '198.51.100.200', '10.1.2.3', '203.0.113.255'];
const BASES6 = ['2001:db8::77', '2001:db8:0:1::1', '2001:db8:ffff:ffff:ffff:ffff:ffff:fff0', 'fd00:1::9', 'fe80::1'];
const LENGTHS4 = [0, 1, 7, 8, 15, 16, 17, 22, 24, 25, 30, 31, 32, 32];
const LENGTHS6 = [0, 3, 10, 16, 17, 32, 33, 48, 63, 64, 65, 96, 112, 113, 127, 128, 128];
const PORTS = [0, 1, 22, 53, 80, 443, 1023, 1024, 8000, 8080, 49_152, 65_534, 65_535];

/** A line of a rule file. @param list - how a list is written: the default is braces for more than one */
export function ruleText(rule: RuleSpec, list: (items: readonly string[]) => string = braced): string {
  const words: string[] = [rule.action];
  const end = (word: string, addresses: ListSpec<string> | undefined, ports: ListSpec<Range> | undefined): void => {
    if (addresses === undefined && ports === undefined) return;
    words.push(word);
    if (addresses !== undefined) words.push(`${addresses.not ? 'not ' : ''}${list(addresses.items)}`);
    if (ports !== undefined) words.push(`port ${ports.not ? 'not ' : ''}${list(ports.items.map(rangeText))}`);
  };
  if (rule.direction !== undefined) words.push(rule.direction);
  if (rule.on !== undefined) words.push(`on ${list(rule.on)}`);
  if (rule.toInterface !== undefined) words.push(`to-interface ${list(rule.toInterface)}`);
  if (rule.family !== undefined) words.push(rule.family);
  if (rule.protocols !== undefined) words.push(`proto ${list(rule.protocols)}`);
  end('from', rule.from, rule.fromPorts);
  end('to', rule.to, rule.toPorts);
  if (rule.types !== undefined) words.push(`type ${list(rule.types.map(rangeText))}`);
  if (rule.codes !== undefined) words.push(`code ${list(rule.codes.map(rangeText))}`);
  if (rule.flags !== undefined) words.push(`flags ${flagText(rule.flags[0])}/${flagText(rule.flags[1])}`);
  if (rule.fragment !== undefined) words.push(fragmentText(rule.fragment));
  if (rule.states !== undefined) words.push(`state ${list(rule.states)}`);
  if (rule.count !== undefined) words.push(`count ${rule.count}`);
  return words.join(' ');
}

function braced(items: readonly string[]): string {
  return items.length === 1 ? `${items[0]}` : `{ ${items.join(', ')} }`;
}

function rangeText([first, last]: Range): string {
  return first === last ? `${first}` : `${first}-${last}`;
}

function flagText(flags: number): string {
  return FLAG_NAMES.filter((_, bit) => ((flags >> bit) & 1) === 1).join() || 'none';
}

function fragmentText(kind: NonNullable<RuleSpec['fragment']>): string {
  return kind === 'not' ? 'not fragment' : kind === 'any' ? 'fragment' : `fragment ${kind}`;
}

const networks = new Map<string, { readonly version: number; readonly network: bigint; readonly shift: bigint }>();
const numbers = new Map<string, bigint>();

function addressNumber(text: string): bigint {
  let number = numbers.get(text);
  if (number === undefined) {
    number = BigInt(`0x${Buffer.from(parseAddress(text) ?? []).toString('hex')}`);
    numbers.set(text, number);
  }
  return number;
}

/** Whether the address is in the prefix. */
export function isInPrefix(address: string, prefix: string): boolean {
  let known = networks.get(prefix);
  if (known === undefined) {
    const [base = '', length] = prefix.split('/');
    const bits = base.includes(':') ? 128 : 32;
    const shift = BigInt(bits - Number(length ?? bits));
    known = { version: bits === 32 ? 4 : 6, network: addressNumber(base) >> shift, shift };
    networks.set(prefix, known);
  }
  const version = address.includes(':') ? 6 : 4;
  return version === known.version && addressNumber(address) >> known.shift === known.network;
}

/** Whether the packet is one of those that the rule is about. */
export function matches(rule: RuleSpec, packet: PacketSpec): boolean {
  if (rule.family !== undefined && (rule.family === 'ip' ? 4 : 6) !== packet.version) return false;
  if (!matchesAddress(rule.from, packet.source) || !matchesAddress(rule.to, packet.destination)) return false;
  if (!matchesPort(rule.fromPorts, packet.sourcePort) || !matchesPort(rule.toPorts, packet.destinationPort))
    return false;
  if (rule.protocols !== undefined && !rule.protocols.some((name) => isProtocol(name, packet))) return false;
  if (rule.types !== undefined && !isIn(rule.types, packet.icmp >> 8)) return false;
  if (rule.codes !== undefined && !(packet.icmp >= 0 && isIn(rule.codes, packet.icmp & 255))) return false;
  if (rule.flags !== undefined && (packet.flags < 0 || (packet.flags & rule.flags[1]) !== rule.flags[0])) return false;
  if (rule.direction !== undefined && rule.direction !== packet.direction) return false;
  if (rule.on !== undefined && !rule.on.includes(packet.arrival)) return false;
  if (rule.toInterface !== undefined && !rule.toInterface.includes(packet.departure)) return false;
  // There is no flow table here: no packet is of a flow.
  if (rule.states !== undefined) return false;
  switch (rule.fragment) {
    case 'any':
      return packet.fragment !== 0;
    case 'first':
      return packet.fragment === 1;
    case 'later':
      return packet.fragment === 2;
    case 'not':
      return packet.fragment === 0;
    default:
      return true;
  }
}

/** Number of the first rule that the packet matches; how many there are where it matches none. */
export function firstMatch(rules: readonly RuleSpec[], packet: PacketSpec): number {
  const index = rules.findIndex((rule) => matches(rule, packet));
  return index === -1 ? rules.length : index;
}

/** A list of addresses of one version is about that version alone, with `not`, too. */
function matchesAddress(list: ListSpec<string> | undefined, address: string): boolean {
  if (list === undefined) return true;
  const isSix = address.includes(':');
  if (!list.items.some((prefix) => prefix.includes(':') === isSix)) return false;
  return list.items.some((prefix) => isInPrefix(address, prefix)) !== list.not;
}

function matchesPort(list: ListSpec<Range> | undefined, port: number): boolean {
  return list === undefined || (port >= 0 && isIn(list.items, port) !== list.not);
}

function isIn(ranges: readonly Range[], number: number): boolean {
  return ranges.some(([first, last]) => number >= first && number <= last);
}

function isProtocol(name: string, packet: PacketSpec): boolean {
  const [number, version] = PROTOCOLS[name] ?? [Number(name)];
  return number === packet.protocol && (version === undefined || version === packet.version);
}

/** What {@link randomRule} may use. */
export interface RuleOptions {
  /** Interfaces and directions. @defaultValue false */
  readonly ways?: boolean;
  /** States of flows; no packet of these tests has one. @defaultValue false */
  readonly states?: boolean;
}

/** A rule that the hook takes: its conditions go together. */
export function randomRule(random: Random, { ways = false, states = false }: RuleOptions = {}): RuleSpec {
  const family = random.pick(['ip', 'ip6', 'ip', 'ip6', null] as const);
  const kind = random.pick(['tcp', 'tcp', 'udp', 'ports', 'icmp', 'number', 'any', 'any'] as const);
  const isShown = family !== null && random.once(3);
  const fragmentKind = random.once(8) ? random.pick(['any', 'first', 'later', 'not'] as const) : undefined;
  const later = fragmentKind === 'later';
  const version = family ?? random.pick(['ip', 'ip6'] as const);
  return {
    action: random.pick(['accept', 'pass', 'drop', 'reject'] as const),
    ...(isShown ? { family } : {}),
    ...(random.once(2) ? { from: addressList(random, family) } : {}),
    ...(random.once(2) ? { to: addressList(random, family) } : {}),
    ...protocolPart(random, kind, version, later),
    ...(fragmentKind === undefined ? {} : { fragment: fragmentKind }),
    ...(ways && random.once(5) ? { direction: random.pick(['in', 'out'] as const) } : {}),
    ...(ways && random.once(4) ? { on: someOf(random, ['lan0', 'wan0', 'dmz0']) } : {}),
    ...(ways && random.once(6) ? { toInterface: someOf(random, ['lan0', 'wan0']) } : {}),
    ...(states && random.once(6) ? { states: someOf(random, ['new', 'established', 'related', 'invalid']) } : {}),
  };
}

function protocolPart(
  random: Random,
  kind: 'tcp' | 'udp' | 'ports' | 'icmp' | 'number' | 'any',
  version: 'ip' | 'ip6',
  later: boolean,
): Partial<RuleSpec> {
  const ports = (): Partial<RuleSpec> => ({
    ...(!later && random.once(3) ? { fromPorts: portList(random) } : {}),
    ...(!later && !random.once(3) ? { toPorts: portList(random) } : {}),
  });
  switch (kind) {
    case 'tcp':
      return {
        protocols: ['tcp'],
        ...ports(),
        ...(!later && random.once(4) ? { flags: flagTest(random) } : {}),
      };
    case 'udp':
      return { protocols: [random.pick(['udp', 'udp', 'sctp'])], ...ports() };
    case 'ports':
      return { protocols: ['tcp', 'udp', '132'], ...ports() };
    case 'icmp':
      return {
        family: version,
        protocols: [version === 'ip' ? 'icmp' : 'icmpv6'],
        ...(!later && random.once(2) ? icmpPart(random, version) : {}),
      };
    case 'number':
      return { protocols: someOf(random, ['47', 'gre', '1', '58', '99', 'udp']) };
    case 'any':
      return {};
  }
}

function icmpPart(random: Random, version: 'ip' | 'ip6'): Partial<RuleSpec> {
  const types: readonly Range[] =
    version === 'ip'
      ? [
          [8, 8],
          [0, 0],
          [3, 5],
          [0, 255],
        ]
      : [
          [128, 129],
          [1, 1],
          [135, 135],
        ];
  return {
    types: [random.pick(types)],
    ...(random.once(3)
      ? {
          codes: [
            random.pick<Range>([
              [0, 0],
              [1, 3],
              [0, 255],
            ]),
          ],
        }
      : {}),
  };
}

function flagTest(random: Random): Range {
  const mask = random.pick([2, 2 | 16, 2 | 16 | 4 | 1, 255]);
  return [random.pick([2, 16, 2 | 16, 0, 4]) & mask, mask];
}

function someOf(random: Random, names: readonly string[]): string[] {
  return random.shuffle(names).slice(0, 1 + random.below(2));
}

function portList(random: Random): ListSpec<Range> {
  const items = Array.from({ length: 1 + random.below(3) }, (): Range => {
    const first = random.pick(PORTS);
    const last = random.once(2) ? first : random.pick(PORTS);
    return first <= last ? [first, last] : [last, first];
  });
  return { not: random.once(6), items };
}

function addressList(random: Random, family: 'ip' | 'ip6' | null): ListSpec<string> {
  const items = Array.from({ length: random.once(4) ? 3 : 1 }, () => randomPrefix(random, family ?? 'ip'));
  // A rule without a version may have addresses of both; one of each, so that it never contradicts itself.
  if (family === null) items.push(randomPrefix(random, 'ip6'));
  return { not: random.once(6), items };
}

function randomPrefix(random: Random, family: 'ip' | 'ip6'): string {
  const length = random.pick(family === 'ip' ? LENGTHS4 : LENGTHS6);
  return prefixOf(randomAddress(random, family), length);
}

/** The prefix of this length that an address is in. */
export function prefixOf(address: string, length: number): string {
  const bytes = Buffer.from(parseAddress(address) ?? []);
  for (const index of bytes.keys()) {
    const kept = Math.max(0, Math.min(8, length - 8 * index));
    bytes[index] = (bytes[index] ?? 0) & ~(0xff >>> kept);
  }
  return `${addressText(bytes)}/${length}`;
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.');
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16)).join(':');
}

function randomAddress(random: Random, family: 'ip' | 'ip6'): string {
  const base = Buffer.from(parseAddress(random.pick(family === 'ip' ? BASES4 : BASES6)) ?? []);
  if (random.once(2)) {
    const bit = random.below(8 * base.length);
    base[bit >> 3] = (base[bit >> 3] ?? 0) ^ (128 >> (bit & 7));
  }
  return addressText(base);
}

/** A packet that rules of {@link randomRule} may be about. */
export function randomPacket(random: Random): PacketSpec {
  const version = random.pick([4, 6] as const);
  const family = version === 4 ? 'ip' : 'ip6';
  const protocol = random.pick([6, 6, 6, 17, 17, 132, version === 4 ? 1 : 58, version === 4 ? 58 : 1, 47, 99]);
  const fragmentKind = random.pick([0, 0, 0, 0, 1, 2] as const);
  const hasPorts = [6, 17, 132].includes(protocol) && fragmentKind !== 2;
  const isIcmp = protocol === (version === 4 ? 1 : 58) && fragmentKind !== 2;
  return {
    version,
    source: randomAddress(random, family),
    destination: randomAddress(random, family),
    protocol,
    sourcePort: hasPorts ? random.pick(PORTS) : -1,
    destinationPort: hasPorts ? random.pick(PORTS) : -1,
    flags: protocol === 6 && fragmentKind !== 2 ? random.pick([2, 18, 16, 24, 4, 20, 17, 0, 194]) : -1,
    icmp: isIcmp ? (random.pick([0, 1, 3, 4, 8, 128, 129, 135]) << 8) | random.below(4) : -1,
    fragment: fragmentKind,
    arrival: random.pick(Object.keys(INTERFACES)),
    departure: random.pick(Object.keys(INTERFACES)),
    direction: random.pick(['in', 'out'] as const),
  };
}

/** The packet in octets, from the IP header on. @param extensions - headers of IPv6 in front of the transport header */
export function datagramOf(packet: PacketSpec, extensions: readonly Extension[] = []): Buffer {
  const { version, source, destination, fragment: kind } = packet;
  const transport = kind === 2 ? octets(packet.protocol, Buffer.alloc(16, 0xff)) : transportOf(packet);
  if (version === 4) {
    return ipv4(
      { source, destination, fragmentOffset: kind === 2 ? 64 : 0, moreFragments: kind === 1, identification: 7 },
      transport,
    );
  }
  const own = kind === 0 ? [] : [fragment(kind === 2 ? 64 : 0, kind === 1)];
  return ipv6({ source, destination, extensions: [...extensions, ...own] }, transport);
}

function transportOf({ protocol, version, sourcePort, destinationPort, flags, icmp }: PacketSpec): Transport {
  // A fragment that is not the last has octets in eights.
  const data = Buffer.alloc(8, 1);
  if (protocol === 6) return tcp({ sourcePort, destinationPort, flags, options: Buffer.alloc(4, 1) }, data);
  if (protocol === 17) return udp({ sourcePort, destinationPort }, data);
  if (protocol === 132) {
    const header = Buffer.alloc(16);
    header.writeUInt16BE(sourcePort, 0);
    header.writeUInt16BE(destinationPort, 2);
    return octets(132, header);
  }
  if (icmp < 0) return octets(protocol, Buffer.alloc(16));
  const message = { type: icmp >> 8, code: icmp & 255 };
  return version === 4 ? icmpv4(message, data) : icmpv6(message, data);
}

/** Some extension headers, as IPv6 may have them. */
export function randomExtensions(random: Random): Extension[] {
  return random.pick([[], [extension(60)], [extension(0), extension(60, 16)], [extension(43)]]);
}
