/**
 * Frames and datagrams for tests, put together from the outside in.
 *
 * ```ts
 * ethernet({ tags: [{ id: 7 }] }, ipv4({ source: '192.0.2.1' }, udp({ destinationPort: 53 }, Buffer.from('?'))))
 * ```
 * Rule: what a test does not say is valid, addresses are those set aside for documentation (RFC 5737, RFC 3849), and
 * every length and checksum is right unless the test asks for another.
 *
 * @module
 */

import { parseAddress } from '../../src/wire/address.ts';
import { pseudoHeaderSumIpv4, pseudoHeaderSumIpv6 } from '../../src/wire/checksum.ts';
import type { VlanTag } from '../../src/wire/ethernet.ts';
import * as ethernetCodec from '../../src/wire/ethernet.ts';
import * as icmpv4Codec from '../../src/wire/icmpv4.ts';
import * as icmpv6Codec from '../../src/wire/icmpv6.ts';
import * as ipv4Codec from '../../src/wire/ipv4.ts';
import * as ipv6Codec from '../../src/wire/ipv6.ts';
import * as tcpCodec from '../../src/wire/tcp.ts';
import * as udpCodec from '../../src/wire/udp.ts';

/** A transport message that waits for the pseudo header of the datagram it goes into. */
export interface Transport {
  readonly protocol: number;
  /** The message, its checksum computed with the sum that `pseudoSum` yields. */
  build(pseudoSum: (length: number) => number): Buffer;
}

/** Fields of a TCP header; `checksum` replaces the right one. */
export interface TcpOptions extends Partial<tcpCodec.TcpFields> {
  readonly checksum?: number;
}

/** Fields of a UDP header; `length` and `checksum` replace the right ones. */
export interface UdpOptions extends Partial<udpCodec.UdpFields> {
  readonly checksum?: number;
}

/** Fields of an ICMP header of either version; `checksum` replaces the right one. */
export interface IcmpOptions extends Partial<icmpv4Codec.Icmpv4Fields> {
  readonly checksum?: number;
}

/** Fields of an IPv4 header, addresses as text; `totalLength`, `protocol` and `checksum` replace the right ones. */
export interface Ipv4Options extends Partial<Omit<ipv4Codec.Ipv4Fields, 'source' | 'destination'>> {
  readonly source?: string;
  readonly destination?: string;
  readonly checksum?: number;
}

/** Fields of an IPv6 header, addresses as text; `payloadLength` and `nextHeader` replace the right ones. */
export interface Ipv6Options extends Partial<Omit<ipv6Codec.Ipv6Fields, 'source' | 'destination'>> {
  readonly source?: string;
  readonly destination?: string;
  /** In order. */
  readonly extensions?: readonly Extension[];
}

/** An IPv6 extension header without its next header field, which the builder fills in. */
export interface Extension {
  readonly type: number;
  readonly octets: Buffer;
}

/** Fields of an Ethernet header; `etherType` replaces the one of the datagram's version. */
export interface EthernetOptions extends Partial<ethernetCodec.EthernetFields> {
  readonly tags?: readonly VlanTag[];
  /** Least length of the frame in octets; zeros fill it up. */
  readonly padTo?: number;
}

/** A TCP segment. */
export function tcp(options: TcpOptions = {}, payload: Uint8Array = Buffer.alloc(0)): Transport {
  return {
    protocol: ipv4Codec.PROTOCOL_TCP,
    build(pseudoSum) {
      const headerLength = tcpCodec.HEADER_LENGTH + (options.options?.length ?? 0);
      const bytes = withPayload(headerLength, payload);
      tcpCodec.emit(bytes, 0, {
        sourcePort: 49152,
        destinationPort: 80,
        sequence: 1,
        acknowledgement: 0,
        flags: tcpCodec.SYN,
        window: 65535,
        ...options,
      });
      tcpCodec.fillChecksum(bytes, 0, bytes.length, pseudoSum(bytes.length));
      if (options.checksum !== undefined) tcpCodec.setChecksum(bytes, 0, options.checksum);
      return bytes;
    },
  };
}

/** A UDP datagram. */
export function udp(options: UdpOptions = {}, payload: Uint8Array = Buffer.alloc(0)): Transport {
  return {
    protocol: ipv4Codec.PROTOCOL_UDP,
    build(pseudoSum) {
      const bytes = withPayload(udpCodec.HEADER_LENGTH, payload);
      udpCodec.emit(bytes, 0, { sourcePort: 49152, destinationPort: 53, length: bytes.length, ...options });
      udpCodec.fillChecksum(bytes, 0, bytes.length, pseudoSum(bytes.length));
      if (options.checksum !== undefined) udpCodec.setChecksum(bytes, 0, options.checksum);
      return bytes;
    },
  };
}

/** An ICMP message for IPv4; an echo request unless told otherwise. */
export function icmpv4(options: IcmpOptions = {}, payload: Uint8Array = Buffer.alloc(0)): Transport {
  return {
    protocol: ipv4Codec.PROTOCOL_ICMP,
    build() {
      const bytes = withPayload(icmpv4Codec.HEADER_LENGTH, payload);
      icmpv4Codec.emit(bytes, 0, { type: icmpv4Codec.ECHO_REQUEST, code: 0, ...options });
      icmpv4Codec.fillChecksum(bytes, 0, bytes.length);
      if (options.checksum !== undefined) icmpv4Codec.setChecksum(bytes, 0, options.checksum);
      return bytes;
    },
  };
}

/** An ICMPv6 message; an echo request unless told otherwise. */
export function icmpv6(options: IcmpOptions = {}, payload: Uint8Array = Buffer.alloc(0)): Transport {
  return {
    protocol: ipv6Codec.NEXT_ICMPV6,
    build(pseudoSum) {
      const bytes = withPayload(icmpv6Codec.HEADER_LENGTH, payload);
      icmpv6Codec.emit(bytes, 0, { type: icmpv6Codec.ECHO_REQUEST, code: 0, ...options });
      icmpv6Codec.fillChecksum(bytes, 0, bytes.length, pseudoSum(bytes.length));
      if (options.checksum !== undefined) icmpv6Codec.setChecksum(bytes, 0, options.checksum);
      return bytes;
    },
  };
}

/** Octets as they are: an unknown protocol, a later fragment, a malformed header. */
export function octets(protocol: number, payload: Uint8Array): Transport {
  return { protocol, build: () => Buffer.from(payload) };
}

/** An IPv4 datagram. */
export function ipv4(options: Ipv4Options, transport: Transport): Buffer {
  const headerLength = ipv4Codec.HEADER_LENGTH + (options.options?.length ?? 0);
  const header = Buffer.alloc(headerLength);
  ipv4Codec.emit(header, 0, {
    ttl: 64,
    protocol: transport.protocol,
    totalLength: 0,
    ...options,
    source: address(options.source ?? '192.0.2.1'),
    destination: address(options.destination ?? '198.51.100.2'),
  });
  const body = transport.build((length) => pseudoHeaderSumIpv4(header, 0, transport.protocol, length));
  ipv4Codec.setTotalLength(header, 0, options.totalLength ?? headerLength + body.length);
  ipv4Codec.fillChecksum(header, 0);
  if (options.checksum !== undefined) ipv4Codec.setChecksum(header, 0, options.checksum);
  return Buffer.concat([header, body]);
}

/** An IPv6 datagram. */
export function ipv6(options: Ipv6Options, transport: Transport): Buffer {
  const extensions = options.extensions ?? [];
  const header = Buffer.alloc(ipv6Codec.HEADER_LENGTH);
  ipv6Codec.emit(header, 0, {
    hopLimit: 64,
    nextHeader: extensions[0]?.type ?? transport.protocol,
    payloadLength: 0,
    ...options,
    source: address(options.source ?? '2001:db8::1'),
    destination: address(options.destination ?? '2001:db8::2'),
  });
  const body = transport.build((length) => pseudoHeaderSumIpv6(header, 0, transport.protocol, length));
  const chain = extensions.map(({ octets }, index) => {
    const linked = Buffer.from(octets);
    linked[0] = extensions[index + 1]?.type ?? transport.protocol;
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

/** An IPv6 fragment header. */
export function fragment(fragmentOffset: number, moreFragments: boolean, identification = 1): Extension {
  const octets = Buffer.alloc(ipv6Codec.MIN_EXTENSION_LENGTH);
  octets.writeUInt16BE(fragmentOffset | (moreFragments ? 1 : 0), 2);
  octets.writeUInt32BE(identification, 4);
  return { type: ipv6Codec.NEXT_FRAGMENT, octets };
}

/** An Ethernet frame around a datagram. */
export function ethernet(options: EthernetOptions, datagram: Uint8Array): Buffer {
  const header = Buffer.alloc(
    ethernetCodec.HEADER_LENGTH + ethernetCodec.VLAN_TAG_LENGTH * (options.tags?.length ?? 0),
  );
  const isIpv6 = (datagram[0] ?? 0) >>> 4 === 6;
  ethernetCodec.emit(header, 0, {
    destination: Buffer.from('020000000002', 'hex'),
    source: Buffer.from('020000000001', 'hex'),
    etherType: isIpv6 ? ethernetCodec.ETHERTYPE_IPV6 : ethernetCodec.ETHERTYPE_IPV4,
    ...options,
  });
  const missing = Math.max(0, (options.padTo ?? 0) - header.length - datagram.length);
  return Buffer.concat([header, datagram, Buffer.alloc(missing)]);
}

function withPayload(headerLength: number, payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.alloc(headerLength), payload]);
}

function address(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === null) throw new TypeError(`not an address: ${text}`);
  return bytes;
}
