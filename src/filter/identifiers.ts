/**
 * What an address, a number or a name means behind its qualifiers: `src net` and `10.1` become a primitive.
 *
 * Floor 1. Rule: what libpcap refuses is refused, and no name is looked up outside of names.ts.
 *
 * @module
 */

import { parseIpv6 } from '../wire/address.ts';
import { readU32 } from '../wire/bytes.ts';
import { PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';
import { IP_PROTOCOLS, LINK_PROTOCOLS, OSI_PROTOCOLS, SERVICES } from './names.ts';
import { shorten, type Word } from './scan.ts';
import type { Direction, Filter } from './syntax.ts';
import { unknownName, type Words } from './words.ts';

/** What kind of thing an identifier stands for; '' where nothing is said. */
export type Type = '' | 'host' | 'net' | 'port' | 'portrange' | 'proto' | 'protochain';

/** Qualifiers. Those of the primitive before are inherited by an identifier that has none. */
export interface Qualifiers {
  /** One of the protocols; '' where nothing is said. */
  readonly protocol: string;
  /** Undefined where nothing is said. */
  readonly direction: Direction | undefined;
  readonly type: Type;
}

/** Words that can stand behind a direction. */
export const TYPES: readonly string[] = ['host', 'net', 'port', 'portrange'];
const MAX_PORT = 65_535;
const TRANSPORTS: ReadonlyMap<string, readonly number[]> = new Map([
  ['', [PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP]],
  ['tcp', [PROTOCOL_TCP]],
  ['udp', [PROTOCOL_UDP]],
  ['sctp', [PROTOCOL_SCTP]],
]);
/** Protocols behind whose `proto` a number can stand. */
const WITH_NUMBERS = ['', 'link', 'ip', 'ip6', 'iso', 'isis'];
const UNTYPED = 'nothing before it says what it is; write host, net, port or proto before it';
const ALL_BITS = 0xffffffff;

/** A number behind qualifiers; null stands for none that could be inherited. */
export function ofNumber(words: Words, { value, column }: Word, of: Qualifiers | null): Filter {
  if (of === null) return words.failAt(column, UNTYPED);
  switch (of.type) {
    case '':
    case 'host':
      return host(words, column, of, value, ALL_BITS);
    case 'net':
      return host(words, column, of, ...leftJustified(value));
    case 'port':
    case 'portrange':
      return ports(words, column, of, value, value);
    case 'proto':
      return proto(words, column, of, value);
    case 'protochain':
      return protochain(words, column, of, value);
  }
}

/** Two to four octets of an IPv4 address. */
export function ofIpv4(words: Words, { text, column }: Word, of: Qualifiers | null): Filter {
  if (of === null) return words.failAt(column, UNTYPED);
  if (of.type !== '' && of.type !== 'host' && of.type !== 'net')
    return words.failAt(column, `${of.type} needs a number or a name, not an address`);
  const { address, bits } = octets(words, text, column);
  return host(words, column, of, address, maskOf(bits));
}

/** An IPv4 net whose mask is written out, as a prefix length or as an address. */
export function ofIpv4Net(words: Words, { text, column }: Word, mask: Word, of: Qualifiers | null): Filter {
  const { address } = octets(words, text, column);
  let bits: number;
  if (mask.kind === 'number') {
    if (mask.value > 32) return words.failAt(mask.column, 'a prefix of IPv4 has 32 bits at most');
    bits = maskOf(mask.value);
  } else bits = octets(words, mask.text, mask.column).address;
  if ((address & ~bits) !== 0) return words.failAt(column, `${shorten(text)} has bits set that its mask leaves out`);
  if (of?.type !== 'net') return words.failAt(column, 'a mask needs net before the address');
  return host(words, column, of, address, bits);
}

/** An IPv6 address, or a net with its prefix length. */
export function ofIpv6(words: Words, { text, column }: Word, length: Word | null, of: Qualifiers | null): Filter {
  const bytes = parseIpv6(text);
  if (bytes === null) return words.failAt(column, `${shorten(text)} is no IPv6 address`);
  const prefixLength = length === null ? 128 : length.value;
  if (prefixLength > 128) return words.failAt(length?.column ?? column, 'a prefix of IPv6 has 128 bits at most');
  const address = [0, 4, 8, 12].map((offset) => readU32(bytes, offset));
  if (address.some((word, index) => (word & ~maskOf(prefixLength - 32 * index)) !== 0))
    return words.failAt(column, `${shorten(text)} has bits set behind its prefix`);
  if (of === null) return words.failAt(column, UNTYPED);
  if (of.type !== 'net' && of.type !== 'host' && of.type !== '')
    return words.failAt(column, `${of.type} needs a number or a name, not an address`);
  if (of.type !== 'net' && prefixLength !== 128) return words.failAt(column, 'a prefix needs net before the address');
  if (of.protocol !== '' && of.protocol !== 'ip6')
    return words.failAt(column, `${of.protocol} has no IPv6 addresses; ip6 has`);
  return { kind: 'host6', direction: of.direction ?? 'either', address, prefixLength, column };
}

/** An Ethernet address. */
export function ofMac(words: Words, { text, column }: Word, of: Qualifiers | null): Filter {
  if (of?.protocol !== 'link' || (of.type !== '' && of.type !== 'host'))
    return words.failAt(column, 'an Ethernet address needs ether before it: ether host, ether src or ether dst');
  const groups = text.split(/[:.-]/);
  const digits = groups.length === 6 ? groups : (groups.join('').match(/../g) ?? []);
  const address = digits.map((octet) => Number.parseInt(octet, 16));
  return { kind: 'mac', direction: of.direction ?? 'either', address, column };
}

/** A name. */
export function ofName(words: Words, { text, column }: Word, of: Qualifiers | null): Filter {
  if (of === null) return words.failAt(column, `${unknownName(text)}; ${UNTYPED}`);
  switch (of.type) {
    case '':
    case 'host':
    case 'net': {
      const kind = of.type === 'net' ? 'nets' : 'hosts';
      const isAfterDirection = of.type === '' && of.direction !== undefined;
      const unknown = isAfterDirection ? unknownName(text, TYPES) : unknownName(text);
      return words.failAt(column, `${unknown} (names of ${kind} are not looked up: write an address)`);
    }
    case 'port':
      return ofService(words, text, column, of);
    case 'portrange':
      return ofRange(words, text, column, of);
    case 'proto':
      return proto(words, column, of, protocolNumber(words, text, column, of));
    case 'protochain':
      return protochain(words, column, of, protocolNumber(words, text, column, of));
  }
}

function ofService(words: Words, name: string, column: number, of: Qualifiers): Filter {
  const wanted = transports(words, column, of);
  const service = findService(words, name, column);
  const protocols = of.protocol === '' ? service.protocols : wanted;
  if (!protocols.every((protocol) => service.protocols.includes(protocol)))
    return words.failAt(column, `the service ${name} is not one of ${of.protocol}`);
  return port(column, of, protocols, service.port, service.port);
}

function ofRange(words: Words, text: string, column: number, of: Qualifiers): Filter {
  const wanted = transports(words, column, of);
  const numbers = /^(\d{1,9})-(\d{1,9})$/.exec(text);
  if (numbers !== null) return ports(words, column, of, Number(numbers[1]), Number(numbers[2]));
  const middle = text.indexOf('-');
  if (middle === -1) return words.failAt(column, `"${shorten(text)}" is no range; write two ports with - between them`);
  const first = findService(words, text.slice(0, middle), column);
  const last = findService(words, text.slice(middle + 1), column);
  const isShared = first.protocols.join() === last.protocols.join();
  const named = isShared ? first.protocols : (TRANSPORTS.get('') ?? []);
  const protocols = of.protocol === '' ? named : wanted;
  if (!protocols.every((protocol) => named.includes(protocol)))
    return words.failAt(column, `the services of ${text} are not of ${of.protocol}`);
  return port(column, of, protocols, first.port, last.port);
}

function findService(words: Words, name: string, column: number): { port: number; protocols: readonly number[] } {
  if (/^\d{1,9}$/.test(name)) {
    const number = Number(name);
    if (number <= MAX_PORT) return { port: number, protocols: TRANSPORTS.get('') ?? [] };
  }
  const service = SERVICES.get(name);
  if (service === undefined) {
    return words.failAt(
      column,
      `"${shorten(name)}" is none of the services that are known here, which are few, because /etc/services differs ` +
        'from machine to machine: write the number of the port',
    );
  }
  return service;
}

function ports(words: Words, column: number, of: Qualifiers, first: number, last: number): Filter {
  const protocols = transports(words, column, of);
  if (first > MAX_PORT || last > MAX_PORT) return words.failAt(column, `a port is ${MAX_PORT} at most`);
  return port(column, of, protocols, first, last);
}

function port(column: number, of: Qualifiers, protocols: readonly number[], one: number, other: number): Filter {
  const direction = of.direction ?? 'either';
  return { kind: 'port', protocols, direction, first: Math.min(one, other), last: Math.max(one, other), column };
}

function transports(words: Words, column: number, { protocol, type }: Qualifiers): readonly number[] {
  const protocols = TRANSPORTS.get(protocol);
  if (protocols === undefined)
    return words.failAt(column, `${protocol} has no ports; ${type} goes with tcp, udp and sctp`);
  return protocols;
}

function proto(words: Words, column: number, { protocol: of, direction }: Qualifiers, number: number): Filter {
  if (direction !== undefined) return words.failAt(column, 'a protocol has no direction');
  if (!WITH_NUMBERS.includes(of)) return words.failAt(column, `${of} carries no protocol that proto could name`);
  return { kind: 'proto', of, number, column };
}

function protochain(words: Words, column: number, { protocol: of }: Qualifiers, number: number): Filter {
  if (of !== '' && of !== 'ip' && of !== 'ip6')
    return words.failAt(column, `${of} has no chain of headers; protochain goes with ip and ip6`);
  return { kind: 'protochain', of, number, column };
}

function protocolNumber(words: Words, name: string, column: number, { protocol }: Qualifiers): number {
  const table = protocol === 'link' ? LINK_PROTOCOLS : protocol === 'iso' ? OSI_PROTOCOLS : IP_PROTOCOLS;
  const number = protocol === 'isis' ? undefined : table.get(name);
  if (number === undefined) {
    const known = Array.from(table.keys()).join(', ');
    return words.failAt(
      column,
      `"${shorten(name)}" is no protocol that is known here; write its number, or one of ${known}`,
    );
  }
  return number;
}

function host(words: Words, column: number, of: Qualifiers, address: number, mask: number): Filter {
  const { protocol, direction = 'either' } = of;
  if (protocol === 'link') return words.failAt(column, 'ether needs an Ethernet address, such as 02:00:00:00:00:01');
  if (protocol === 'decnet') return words.failAt(column, 'hosts of DECnet are not supported');
  if (protocol !== '' && protocol !== 'ip' && protocol !== 'arp' && protocol !== 'rarp')
    return words.failAt(column, `${protocol} has no IPv4 addresses; ip, arp and rarp have`);
  return { kind: 'host', of: protocol, direction, address: address >>> 0, mask: mask >>> 0, column };
}

/** Four octets at most, the first one highest. */
function octets(words: Words, text: string, column: number): { address: number; bits: number } {
  const parts = text.split('.');
  // Read as decimal whatever they begin with, as libpcap does.
  const numbers = parts.map((part) => (/^\d{1,9}$/.test(part) ? Number(part) : 256));
  if (numbers.some((number) => number > 255)) return words.failAt(column, `${shorten(text)} is no IPv4 address`);
  const address = [0, 1, 2, 3].reduce((sum, index) => sum * 256 + (numbers[index] ?? 0), 0);
  return { address, bits: 8 * parts.length };
}

/** `net 10` is 10.0.0.0/8: whole octets of zeros before the number are taken away, as libpcap does. */
function leftJustified(value: number): [address: number, mask: number] {
  let address = value;
  let mask = ALL_BITS;
  while (address !== 0 && address < 0x01000000) {
    address *= 256;
    mask = (mask << 8) >>> 0;
  }
  return [address, mask];
}

/** The leading bits, 0 to 32; fewer and more are taken as these. */
export function maskOf(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? ALL_BITS : (ALL_BITS << (32 - bits)) >>> 0;
}
