/**
 * A small capture, made here, that hooks are tried with: at least one of each kind of packet that a hook meets on an ordinary network.
 *
 * ```
 *   IPv4, IPv6 ─┬─ TCP: SYN with options, data, FIN, RST, a super-frame     UDP: question, answer, empty, to all      ICMP: echo, errors
 *               ├─ fragments: first, later                 options, extension headers
 *               └─ other protocols                         neighbour discovery
 * ```
 * Rule: every datagram is well formed with right checksums; addresses are those for documentation (RFC 5737, RFC 3849). What is
 * malformed is the lane's business: hooks never see it.
 *
 * @module
 */

import { FRAME_SUPER } from '../drivers/frame.ts';
import type { MemoryFrame } from '../drivers/memory.ts';
import { parseAddress } from '../wire/address.ts';
import { fillChecksums } from '../wire/datagram.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmpv4 from '../wire/icmpv4.ts';
import * as icmpv6 from '../wire/icmpv6.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';

const HOST_A = ['192.0.2.1', '2001:db8::1'] as const;
const HOST_B = ['198.51.100.2', '2001:db8:1::2'] as const;
const MAC_A = Buffer.from('020000000001', 'hex');
const MAC_B = Buffer.from('020000000002', 'hex');
const MAC_ALL = Buffer.from('ffffffffffff', 'hex');
const TTL = 64;
const ON_LINK = 255;
const CLIENT_PORT = 49_152;
/** MSS 1460, SACK permitted, timestamps, window scale 7 (RFC 9293, RFC 2018, RFC 7323). */
const SYN_OPTIONS = Buffer.from('020405b40402080a0000000100000000010303070000', 'hex').subarray(0, 20);
/** Router alert (RFC 2113). */
const ROUTER_ALERT = Buffer.from('94040000', 'hex');
const TEXT = Buffer.from('GET / HTTP/1.1\r\nHost: www.example\r\n\r\n');
/** A question for the address of www.example (RFC 1035). */
const QUESTION = Buffer.from('123401000001000000000000037777770765786d706c650000010001', 'hex');
/** More than an Ethernet frame holds: what the kernel and cards make of TCP segments. */
const SUPER_OCTETS = 60_000;

const [FIN, SYN, RST, PSH, ACK] = [1, 2, 4, 8, 16] as const;
const NEXT_HOP_BY_HOP = 0;
const NEXT_DESTINATION = 60;
const NEXT_NONE = 59;
const PROTOCOL_GRE = 47;
const PROTOCOL_SCTP = 132;
const FRAGMENT_OCTETS = 1480;

/** An upper part of a datagram: its protocol and its octets, checksum open. */
interface Upper {
  readonly protocol: number;
  readonly octets: Buffer;
}

/** The capture. Made anew at each call. */
export function sampleFrames(): MemoryFrame[] {
  const datagrams = [...ofBoth(), ...ofIpv4(), ...ofIpv6()];
  const longOne = tcpSegment(CLIENT_PORT, 443, ACK, Buffer.alloc(SUPER_OCTETS, 'x'));
  return [
    ...datagrams.map((datagram) => ({ port: 0, bytes: frameOf(datagram) })),
    ...[v4(longOne), v6(longOne)].map((datagram) => ({ port: 0, bytes: frameOf(datagram), flags: FRAME_SUPER })),
  ];
}

/** A connection to a port, for hooks that read streams: octets in order, both ways, in both versions, and the end. */
export function sampleConnection(port: number): MemoryFrame[] {
  const client = CLIENT_PORT + 1;
  const end = 1 + TEXT.length;
  const forth = (flags: number, sequence: number, acknowledgement: number, payload?: Buffer): [Upper, boolean] => [
    tcpSegment(client, port, flags, payload, undefined, sequence, acknowledgement),
    true,
  ];
  const back = (flags: number, sequence: number, acknowledgement: number, payload?: Buffer): [Upper, boolean] => [
    tcpSegment(port, client, flags, payload, undefined, sequence, acknowledgement),
    false,
  ];
  const segments = [
    forth(SYN, 0, 0),
    back(SYN | ACK, 0, 1),
    forth(ACK, 1, 1),
    forth(PSH | ACK, 1, 1, TEXT),
    back(PSH | ACK, 1, 1, TEXT),
    forth(PSH | ACK, end, end, Buffer.alloc(1400, 'x')),
    back(PSH | ACK, end, end + 1400, Buffer.alloc(1400, 'x')),
    forth(FIN | ACK, end + 1400, end + 1400),
    back(FIN | ACK, end + 1400, end + 1401),
  ];
  const datagrams = segments.flatMap(([upper, isForth]) => [v4(upper, { isForth }), v6(upper, { isForth })]);
  return datagrams.map((datagram) => ({ port: 0, bytes: frameOf(datagram) }));
}

/** What looks alike in both versions, from A to B and back. */
function ofBoth(): Buffer[] {
  const answer = Buffer.concat([QUESTION, Buffer.from('c00c000100010000003c0004c0000201', 'hex')]);
  answer.writeUInt16BE(0x8180, 2);
  answer.writeUInt16BE(1, 6);
  const uppers: [Upper, boolean][] = [
    [tcpSegment(CLIENT_PORT, 443, SYN, Buffer.alloc(0), SYN_OPTIONS), true],
    [tcpSegment(443, CLIENT_PORT, SYN | ACK, Buffer.alloc(0), SYN_OPTIONS), false],
    [tcpSegment(CLIENT_PORT, 443, ACK), true],
    [tcpSegment(CLIENT_PORT, 80, PSH | ACK, TEXT), true],
    [tcpSegment(80, CLIENT_PORT, PSH | ACK, Buffer.alloc(1400, 'answer ')), false],
    [tcpSegment(CLIENT_PORT, 22, SYN, Buffer.alloc(0), SYN_OPTIONS), true],
    [tcpSegment(CLIENT_PORT, 23, SYN), true],
    [tcpSegment(CLIENT_PORT, 80, FIN | ACK), true],
    [tcpSegment(23, CLIENT_PORT, RST | ACK), false],
    [udpDatagram(CLIENT_PORT, 53, QUESTION), true],
    [udpDatagram(53, CLIENT_PORT, answer), false],
    [udpDatagram(CLIENT_PORT, 9, Buffer.alloc(0)), true],
    [udpDatagram(CLIENT_PORT, 443, Buffer.alloc(1200, 'q')), true],
    [{ protocol: PROTOCOL_GRE, octets: Buffer.from('0000080045000014', 'hex') }, true],
    [{ protocol: PROTOCOL_SCTP, octets: Buffer.from('c00000500000000000000000', 'hex') }, true],
  ];
  return uppers.flatMap(([upper, isForth]) => [v4(upper, { isForth }), v6(upper, { isForth })]);
}

function ofIpv4(): Buffer[] {
  const ping = icmp(icmpv4.ECHO_REQUEST, 0, ipv4.PROTOCOL_ICMP, Buffer.from('ping'));
  const quoted = v4(udpDatagram(CLIENT_PORT, 53, QUESTION)).subarray(0, 28);
  const long = udpDatagram(CLIENT_PORT, 4500, Buffer.alloc(2 * FRAGMENT_OCTETS - udp.HEADER_LENGTH, 'f'));
  const part = (from: number, to?: number): Upper => ({
    protocol: long.protocol,
    octets: long.octets.subarray(from, to),
  });
  return [
    v4(ping),
    v4(icmp(icmpv4.ECHO_REPLY, 0, ipv4.PROTOCOL_ICMP, Buffer.from('ping')), { isForth: false }),
    v4(icmp(3, 3, ipv4.PROTOCOL_ICMP, quoted), { isForth: false }),
    v4(ping, { options: ROUTER_ALERT }),
    v4(udpDatagram(68, 67, Buffer.alloc(240)), { source: '0.0.0.0', destination: '255.255.255.255' }),
    v4(udpDatagram(5353, 5353, QUESTION), { destination: '224.0.0.251' }),
    v4(part(0, FRAGMENT_OCTETS), { moreFragments: true }),
    v4(part(FRAGMENT_OCTETS), { fragmentOffset: FRAGMENT_OCTETS }),
  ];
}

function ofIpv6(): Buffer[] {
  const message = (type: number, payload: Buffer): Upper => icmp(type, 0, ipv6.NEXT_ICMPV6, payload);
  const long = udpDatagram(CLIENT_PORT, 4500, Buffer.alloc(2 * FRAGMENT_OCTETS - udp.HEADER_LENGTH, 'f'));
  const part = (from: number, to?: number): Upper => ({
    protocol: long.protocol,
    octets: long.octets.subarray(from, to),
  });
  const padding = Buffer.from('0000010400000000', 'hex');
  const onLink = { hopLimit: ON_LINK, source: 'fe80::1', destination: 'ff02::1:ff00:2' };
  return [
    v6(message(icmpv6.ECHO_REQUEST, Buffer.from('ping'))),
    v6(message(129, Buffer.from('ping')), { isForth: false }),
    v6(message(1, v6(udpDatagram(CLIENT_PORT, 53, QUESTION))), { isForth: false }),
    v6(message(135, address('fe80::2')), onLink),
    v6(message(136, address('fe80::2')), { ...onLink, source: 'fe80::2', destination: 'fe80::1' }),
    v6(udpDatagram(5353, 5353, QUESTION), { source: 'fe80::1', destination: 'ff02::fb' }),
    v6(udpDatagram(CLIENT_PORT, 53, QUESTION), { extensions: [[NEXT_HOP_BY_HOP, padding]] }),
    v6(tcpSegment(CLIENT_PORT, 80, SYN), { extensions: [[NEXT_DESTINATION, padding]] }),
    v6({ protocol: NEXT_NONE, octets: Buffer.alloc(0) }),
    v6(part(0, FRAGMENT_OCTETS), { extensions: [[ipv6.NEXT_FRAGMENT, fragmentHeader(0, true)]] }),
    v6(part(FRAGMENT_OCTETS), { extensions: [[ipv6.NEXT_FRAGMENT, fragmentHeader(FRAGMENT_OCTETS, false)]] }),
  ];
}

function tcpSegment(
  sourcePort: number,
  destinationPort: number,
  flags: number,
  payload: Buffer = Buffer.alloc(0),
  options: Buffer = Buffer.alloc(0),
  sequence = 1,
  acknowledged = 1,
): Upper {
  const header = Buffer.alloc(tcp.HEADER_LENGTH + options.length);
  const acknowledgement = (flags & ACK) === 0 ? 0 : acknowledged;
  tcp.emit(header, 0, { sourcePort, destinationPort, sequence, acknowledgement, flags, window: 65_535, options });
  return { protocol: ipv4.PROTOCOL_TCP, octets: Buffer.concat([header, payload]) };
}

function udpDatagram(sourcePort: number, destinationPort: number, payload: Buffer): Upper {
  const header = Buffer.alloc(udp.HEADER_LENGTH);
  udp.emit(header, 0, { sourcePort, destinationPort, length: header.length + payload.length });
  return { protocol: ipv4.PROTOCOL_UDP, octets: Buffer.concat([header, payload]) };
}

function icmp(type: number, code: number, protocol: number, payload: Buffer): Upper {
  const header = Buffer.alloc(icmpv4.HEADER_LENGTH);
  icmpv4.emit(header, 0, { type, code });
  return { protocol, octets: Buffer.concat([header, payload]) };
}

function fragmentHeader(offset: number, moreFragments: boolean): Buffer {
  const octets = Buffer.alloc(ipv6.MIN_EXTENSION_LENGTH);
  octets.writeUInt16BE(offset | (moreFragments ? 1 : 0), 2);
  octets.writeUInt32BE(1, 4);
  return octets;
}

/** What of a datagram is out of the ordinary. */
interface Particulars {
  /** From A to B. @defaultValue true */
  readonly isForth?: boolean;
  readonly source?: string;
  readonly destination?: string;
  readonly options?: Buffer;
  readonly moreFragments?: boolean;
  readonly fragmentOffset?: number;
  readonly hopLimit?: number;
  /** Type and octets of each; the first octet is filled in. */
  readonly extensions?: readonly (readonly [type: number, octets: Buffer])[];
}

function v4({ protocol, octets }: Upper, given: Particulars = {}): Buffer {
  const { isForth = true, options = Buffer.alloc(0), moreFragments = false, fragmentOffset = 0 } = given;
  const header = Buffer.alloc(ipv4.HEADER_LENGTH + options.length);
  ipv4.emit(header, 0, {
    source: address(given.source ?? (isForth ? HOST_A[0] : HOST_B[0])),
    destination: address(given.destination ?? (isForth ? HOST_B[0] : HOST_A[0])),
    protocol,
    // Of a super-frame the length is what fits: here it does.
    totalLength: header.length + octets.length,
    ttl: TTL,
    identification: 1,
    options,
    moreFragments,
    fragmentOffset,
  });
  const datagram = Buffer.concat([header, octets]);
  // A fragment has no checksum of its own.
  if (!fillChecksums(datagram, datagram.length)) ipv4.fillChecksum(datagram, 0);
  return datagram;
}

function v6({ protocol, octets }: Upper, given: Particulars = {}): Buffer {
  const { isForth = true, hopLimit = TTL, extensions = [] } = given;
  const header = Buffer.alloc(ipv6.HEADER_LENGTH);
  const chain = extensions.map(([, extension], index) => {
    const linked = Buffer.from(extension);
    linked[0] = extensions[index + 1]?.[0] ?? protocol;
    return linked;
  });
  const payload = Buffer.concat([...chain, octets]);
  ipv6.emit(header, 0, {
    source: address(given.source ?? (isForth ? HOST_A[1] : HOST_B[1])),
    destination: address(given.destination ?? (isForth ? HOST_B[1] : HOST_A[1])),
    nextHeader: extensions[0]?.[0] ?? protocol,
    payloadLength: payload.length,
    hopLimit,
  });
  const datagram = Buffer.concat([header, payload]);
  fillChecksums(datagram, datagram.length);
  return datagram;
}

function frameOf(datagram: Buffer): Buffer {
  const isIpv4 = (datagram[0] as number) >>> 4 === 4;
  const isToAll = isIpv4 ? (datagram[16] as number) >= 224 : datagram[24] === 0xff;
  const header = Buffer.alloc(ethernet.HEADER_LENGTH);
  ethernet.emit(header, 0, {
    destination: isToAll ? MAC_ALL : MAC_B,
    source: MAC_A,
    etherType: isIpv4 ? ethernet.ETHERTYPE_IPV4 : ethernet.ETHERTYPE_IPV6,
  });
  return Buffer.concat([header, datagram]);
}

function address(text: string): Buffer {
  return Buffer.from(parseAddress(text) as Uint8Array);
}
