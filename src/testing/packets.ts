/**
 * Datagrams for tests, put together from the outside in.
 *
 * ```ts
 * ethernet({ tags: [{ id: 7 }] }, ipv4({ source: '192.0.2.1' }, udp({ destinationPort: 53 }, 'question')))
 * ```
 * Rule: what a test does not say is valid, addresses are those set aside for documentation (RFC 5737, RFC 3849), and every length and
 * checksum is right unless the test asks for another. Fields have the names that a hook reads them by (`seq`, `dscp`, `ttl`).
 *
 * @see RFC 768, RFC 791, RFC 792, RFC 4443, RFC 8200, RFC 9293
 * @module
 */

import { parseAddress } from '../wire/address.ts';
import { pseudoHeaderSumIpv4, pseudoHeaderSumIpv6 } from '../wire/checksum.ts';
import * as icmpv4Codec from '../wire/icmpv4.ts';
import * as icmpv6Codec from '../wire/icmpv6.ts';
import * as ipv4Codec from '../wire/ipv4.ts';
import * as ipv6Codec from '../wire/ipv6.ts';
import type { OctetBuffer } from '../wire/octet-buffer.ts';
import * as tcpCodec from '../wire/tcp.ts';
import * as udpCodec from '../wire/udp.ts';

/** Octets, or a text that is written as UTF-8. */
export type Content = Uint8Array | string;

/** A transport message that waits for the pseudo header of the datagram it goes into. */
export interface Transport {
  /** Protocol number. */
  readonly protocol: number;
  /** The message, its checksum computed with the sum that `pseudoSum` yields for so many octets. */
  build(pseudoSum: (length: number) => number): OctetBuffer;
}

/** Fields of a TCP header: from port 49152 to port 80, a SYN, unless they say otherwise. */
export interface TcpOptions {
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Sequence number, 32 bits. @defaultValue 1 */
  readonly seq?: number;
  /** Acknowledgement number, 32 bits. @defaultValue 0 */
  readonly ack?: number;
  /** The flags octet: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32. @defaultValue SYN */
  readonly flags?: number;
  /** Not scaled. @defaultValue 65535 */
  readonly window?: number;
  /** @defaultValue 0 */
  readonly urgentPointer?: number;
  /** The option of the largest segment (kind 2), before those of `options`. @defaultValue no such option */
  readonly mss?: number;
  /** Options as they stand in the header; with `mss` a multiple of four octets, at most 40. @defaultValue none */
  readonly options?: Uint8Array;
  /** Takes the place of the right one. */
  readonly checksum?: number;
}

/** Fields of a UDP header: from port 49152 to port 53, unless they say otherwise. */
export interface UdpOptions {
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Takes the place of the right one. */
  readonly length?: number;
  /** Takes the place of the right one; 0 is none. */
  readonly checksum?: number;
}

/** Fields of an ICMP header of either version: an echo request, unless they say otherwise. */
export interface IcmpOptions {
  readonly type?: number;
  /** @defaultValue 0 */
  readonly code?: number;
  /** Identifier of an echo, 0-65535. @defaultValue 0 */
  readonly id?: number;
  /** Sequence number of an echo, 0-65535. @defaultValue 0 */
  readonly seq?: number;
  /** The four octets after the checksum as a number, in the place of `id` and `seq`: the MTU of an error, for example. */
  readonly rest?: number;
  /** Takes the place of the right one. */
  readonly checksum?: number;
}

/** What the headers of both versions have. */
export interface IpOptions {
  /** As text. @defaultValue 192.0.2.1 or 2001:db8::1 */
  readonly source?: string;
  /** As text. @defaultValue 198.51.100.2 or 2001:db8::2 */
  readonly destination?: string;
  /** Time to live, in IPv6 the hop limit. @defaultValue 64 */
  readonly ttl?: number;
  /** Differentiated services code point, 0-63. @defaultValue 0 */
  readonly dscp?: number;
  /** Explicit congestion notification, 0-3. @defaultValue 0 */
  readonly ecn?: number;
}

/** Fields of an IPv4 header. */
export interface Ipv4Options extends IpOptions {
  /** Identification, 0-65535. @defaultValue 0 */
  readonly id?: number;
  /** @defaultValue false */
  readonly dontFragment?: boolean;
  /** @defaultValue false */
  readonly moreFragments?: boolean;
  /** Octets, a multiple of 8. @defaultValue 0 */
  readonly fragmentOffset?: number;
  /** Options as they stand in the header; a multiple of four octets, at most 40. @defaultValue none */
  readonly options?: Uint8Array;
  /** Takes the place of the right one. */
  readonly protocol?: number;
  /** Takes the place of the right one. */
  readonly totalLength?: number;
  /** Takes the place of the right one. */
  readonly checksum?: number;
}

/** Fields of an IPv6 header. */
export interface Ipv6Options extends IpOptions {
  /** 20 bits. @defaultValue 0 */
  readonly flowLabel?: number;
  /** In order. @defaultValue none */
  readonly extensions?: readonly Extension[];
  /** Takes the place of the right one. */
  readonly nextHeader?: number;
  /** Takes the place of the right one. */
  readonly payloadLength?: number;
}

/** An IPv6 extension header without its next header field, which the builder fills in. */
export interface Extension {
  /** Its number as a next header. */
  readonly type: number;
  readonly octets: OctetBuffer;
}

/** A TCP segment. */
export function tcp(options: TcpOptions = {}, payload: Content = ''): Transport {
  const { seq, ack, mss, checksum, ...fields } = options;
  const mssOption = mss === undefined ? Buffer.alloc(0) : Buffer.of(tcpCodec.OPTION_MSS, 4, mss >>> 8, mss & 0xff);
  const own = Buffer.concat([mssOption, options.options ?? Buffer.alloc(0)]);
  return {
    protocol: ipv4Codec.PROTOCOL_TCP,
    build(pseudoSum) {
      const bytes = behind(tcpCodec.HEADER_LENGTH + own.length, payload);
      tcpCodec.emit(bytes, 0, {
        sourcePort: 49152,
        destinationPort: 80,
        sequence: seq ?? 1,
        acknowledgement: ack ?? 0,
        flags: tcpCodec.SYN,
        window: 65535,
        ...fields,
        options: own,
      });
      tcpCodec.fillChecksum(bytes, 0, bytes.length, pseudoSum(bytes.length));
      if (checksum !== undefined) tcpCodec.setChecksum(bytes, 0, checksum);
      return bytes;
    },
  };
}

/** A UDP datagram. */
export function udp(options: UdpOptions = {}, payload: Content = ''): Transport {
  return {
    protocol: ipv4Codec.PROTOCOL_UDP,
    build(pseudoSum) {
      const bytes = behind(udpCodec.HEADER_LENGTH, payload);
      udpCodec.emit(bytes, 0, { sourcePort: 49152, destinationPort: 53, length: bytes.length, ...options });
      udpCodec.fillChecksum(bytes, 0, bytes.length, pseudoSum(bytes.length));
      if (options.checksum !== undefined) udpCodec.setChecksum(bytes, 0, options.checksum);
      return bytes;
    },
  };
}

/** An ICMP message for IPv4. Behind the header of an error stands the datagram that it is about. */
export function icmpv4(options: IcmpOptions = {}, payload: Content = ''): Transport {
  return {
    protocol: ipv4Codec.PROTOCOL_ICMP,
    build() {
      const bytes = behind(icmpv4Codec.HEADER_LENGTH, payload);
      icmpv4Codec.emit(bytes, 0, icmpFields(options, icmpv4Codec.ECHO_REQUEST));
      icmpv4Codec.fillChecksum(bytes, 0, bytes.length);
      if (options.checksum !== undefined) icmpv4Codec.setChecksum(bytes, 0, options.checksum);
      return bytes;
    },
  };
}

/** An ICMPv6 message. Behind the header of an error stands the datagram that it is about. */
export function icmpv6(options: IcmpOptions = {}, payload: Content = ''): Transport {
  return {
    protocol: ipv6Codec.NEXT_ICMPV6,
    build(pseudoSum) {
      const bytes = behind(icmpv6Codec.HEADER_LENGTH, payload);
      icmpv6Codec.emit(bytes, 0, icmpFields(options, icmpv6Codec.ECHO_REQUEST));
      icmpv6Codec.fillChecksum(bytes, 0, bytes.length, pseudoSum(bytes.length));
      if (options.checksum !== undefined) icmpv6Codec.setChecksum(bytes, 0, options.checksum);
      return bytes;
    },
  };
}

/** Octets as they are: another protocol, a later fragment, a malformed header. */
export function transport(protocol: number, content: Content): Transport {
  return { protocol, build: () => Buffer.from(content as Uint8Array) };
}

/**
 * An IPv4 datagram.
 *
 * @throws TypeError for an address that is none
 */
export function ipv4(options: Ipv4Options, content: Transport): OctetBuffer {
  const { id, dscp, ecn, ...fields } = options;
  const headerLength = ipv4Codec.HEADER_LENGTH + (options.options?.length ?? 0);
  const header = Buffer.alloc(headerLength);
  ipv4Codec.emit(header, 0, {
    ttl: 64,
    protocol: content.protocol,
    totalLength: 0,
    ...fields,
    tos: tosOf(options),
    identification: id ?? 0,
    source: addressOf(options.source ?? '192.0.2.1'),
    destination: addressOf(options.destination ?? '198.51.100.2'),
  });
  const body = content.build((length) => pseudoHeaderSumIpv4(header, 0, content.protocol, length));
  ipv4Codec.setTotalLength(header, 0, options.totalLength ?? headerLength + body.length);
  ipv4Codec.fillChecksum(header, 0);
  if (options.checksum !== undefined) ipv4Codec.setChecksum(header, 0, options.checksum);
  return Buffer.concat([header, body]);
}

/**
 * An IPv6 datagram.
 *
 * @throws TypeError for an address that is none
 */
export function ipv6(options: Ipv6Options, content: Transport): OctetBuffer {
  const { extensions = [], flowLabel = 0 } = options;
  const header = Buffer.alloc(ipv6Codec.HEADER_LENGTH);
  ipv6Codec.emit(header, 0, {
    hopLimit: options.ttl ?? 64,
    nextHeader: options.nextHeader ?? extensions[0]?.type ?? content.protocol,
    payloadLength: 0,
    trafficClass: tosOf(options),
    flowLabel,
    source: addressOf(options.source ?? '2001:db8::1'),
    destination: addressOf(options.destination ?? '2001:db8::2'),
  });
  const body = content.build((length) => pseudoHeaderSumIpv6(header, 0, content.protocol, length));
  const chain = extensions.map(({ octets }, index) => {
    const linked = Buffer.from(octets);
    linked[0] = extensions[index + 1]?.type ?? content.protocol;
    return linked;
  });
  const payload = Buffer.concat([...chain, body]);
  ipv6Codec.setPayloadLength(header, 0, options.payloadLength ?? payload.length);
  return Buffer.concat([header, payload]);
}

/** An extension header of `length` octets (a multiple of 8; authentication header: of 4), zero but for its length. */
export function extension(type: number, length = 8): Extension {
  const octets = Buffer.alloc(length);
  octets[1] = type === ipv6Codec.NEXT_AUTHENTICATION ? length / 4 - 2 : length / 8 - 1;
  return { type, octets };
}

/**
 * An IPv6 fragment header.
 *
 * @param fragmentOffset - octets, a multiple of 8
 */
export function fragmentHeader(fragmentOffset: number, moreFragments: boolean, id = 1): Extension {
  const octets = Buffer.alloc(ipv6Codec.MIN_EXTENSION_LENGTH);
  octets.writeUInt16BE(fragmentOffset | (moreFragments ? 1 : 0), 2);
  octets.writeUInt32BE(id, 4);
  return { type: ipv6Codec.NEXT_FRAGMENT, octets };
}

/** A header's room, and the payload behind it. */
function behind(headerLength: number, payload: Content): Buffer {
  return Buffer.concat([Buffer.alloc(headerLength), Buffer.from(payload as Uint8Array)]);
}

function icmpFields({ type, code = 0, id = 0, seq = 0, rest }: IcmpOptions, echo: number): icmpv4Codec.Icmpv4Fields {
  return { type: type ?? echo, code, rest: rest ?? id * 0x1_0000 + seq };
}

function tosOf({ dscp = 0, ecn = 0 }: IpOptions): number {
  return (dscp << 2) | ecn;
}

function addressOf(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === null) throw new TypeError(`not an address: ${text}`);
  return bytes;
}
