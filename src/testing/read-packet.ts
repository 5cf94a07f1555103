/**
 * A datagram or a frame as a plain object, for assertions.
 *
 * Rule: fields have the names that a hook reads them by (`Packet` of `firehook`), addresses are text, and what a packet does not have is null,
 * or -1 where it is a number. The octets are read by the codecs, not by what hooks are handed: a test sees what is there.
 *
 * @module
 */

import { formatAddress } from '../wire/address.ts';
import { checksum, pseudoHeaderSumIpv4, pseudoHeaderSumIpv6 } from '../wire/checksum.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmpv4 from '../wire/icmpv4.ts';
import * as icmpv6 from '../wire/icmpv6.ts';
import { IpLayout, parseIpLayout } from '../wire/ip-layout.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import type { OctetBuffer } from '../wire/octet-buffer.ts';
import * as sctp from '../wire/sctp.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';

/** A datagram. */
export interface PacketFields {
  readonly version: 4 | 6;
  /** Octets, link padding excluded. */
  readonly length: number;
  /** Of the transport header; in IPv6 the one after the extension headers. */
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  /** -1 where there is none. */
  readonly sourcePort: number;
  /** -1 where there is none. */
  readonly destinationPort: number;
  readonly ip: IpFields;
  /** Null for a whole datagram. */
  readonly fragment: FragmentFields | null;
  readonly tcp: TcpFields | null;
  readonly udp: { readonly length: number } | null;
  readonly icmp: IcmpFields | null;
  /** What stands behind the transport header. */
  readonly payload: OctetBuffer;
  /** The same as text (UTF-8). */
  readonly text: string;
  /** True when every checksum that can be computed is right: that of the IPv4 header, and of TCP, UDP, SCTP, ICMP and ICMPv6 in a whole datagram. */
  readonly checksumsRight: boolean;
}

/** What the IP header says of the way. */
export interface IpFields {
  readonly ttl: number;
  readonly dscp: number;
  readonly ecn: number;
  /** -1 in IPv6. */
  readonly id: number;
  /** True in IPv6, which no router cuts. */
  readonly dontFragment: boolean;
  /** -1 in IPv4. */
  readonly flowLabel: number;
  /** The options of IPv4, or the extension headers of IPv6, as they stand there. */
  readonly options: OctetBuffer;
}

/** Where a fragment belongs. */
export interface FragmentFields {
  readonly id: number;
  /** Octets. */
  readonly offset: number;
  /** More follow. */
  readonly more: boolean;
}

/** A TCP header. */
export interface TcpFields {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly urgentPointer: number;
  /** -1 without the option. */
  readonly mss: number;
  /** As they stand in the header. */
  readonly options: OctetBuffer;
  /** Octets, options included. */
  readonly headerLength: number;
}

/** An ICMP or ICMPv6 header. */
export interface IcmpFields {
  readonly type: number;
  readonly code: number;
  /** The four octets after the checksum as a number: identifier and sequence of an echo, the MTU of "packet too big". */
  readonly rest: number;
  readonly isError: boolean;
  /** The start of the datagram that an error is about; null where it quotes none. */
  readonly quoted: QuotedFields | null;
}

/** The start of a datagram that an ICMP error quotes. */
export interface QuotedFields {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  /** -1 where the quotation does not reach so far. */
  readonly sourcePort: number;
  /** -1 where the quotation does not reach so far. */
  readonly destinationPort: number;
}

/** An Ethernet frame. */
export interface FrameFields {
  /** MAC address, `02:00:00:00:00:01`. */
  readonly source: string;
  readonly destination: string;
  /** VLAN tags, outermost first. */
  readonly tags: readonly { readonly type: number; readonly id: number; readonly priority: number }[];
  /** Behind the tags. */
  readonly etherType: number;
  /** Null where the frame carries no well-formed datagram. */
  readonly packet: PacketFields | null;
  /** What stands behind the header, padding included. */
  readonly payload: OctetBuffer;
}

/** Reads a datagram; null when it is not well-formed. What follows it in the array is taken for padding. */
export function readPacket(datagram: Uint8Array): PacketFields | null {
  const bytes = Buffer.from(datagram);
  const layout = new IpLayout();
  if (!parseIpLayout(bytes, 0, bytes.length, bytes.length, layout, true)) return null;
  const at = layout.transportOffset;
  const isHead = layout.fragmentOffset === 0;
  const hasHeader = (protocol: number, length: number): boolean =>
    isHead && layout.protocol === protocol && layout.length - at >= length;
  const isTcp = hasHeader(ipv4.PROTOCOL_TCP, tcp.HEADER_LENGTH);
  const isUdp = hasHeader(ipv4.PROTOCOL_UDP, udp.HEADER_LENGTH);
  const isIcmp = hasHeader(icmpOf(layout), icmpv4.HEADER_LENGTH);
  const payload = bytes.subarray(at + (isTcp ? tcp.headerLength(bytes, at) : isUdp || isIcmp ? 8 : 0), layout.length);
  return {
    version: layout.version === 6 ? 6 : 4,
    length: layout.length,
    protocol: layout.protocol,
    ...addresses(bytes, 0, layout.version),
    ...ports(bytes, 0, layout),
    ip: ipFields(bytes, layout),
    fragment: fragmentFields(bytes, layout),
    tcp: isTcp ? tcpFields(bytes, at) : null,
    udp: isUdp ? { length: udp.length(bytes, at) } : null,
    icmp: isIcmp ? icmpFields(bytes, layout) : null,
    payload,
    text: payload.toString(),
    checksumsRight: checksumsRight(bytes, layout),
  };
}

/** Reads an Ethernet frame; null when its header is not there. */
export function readFrame(frame: Uint8Array): FrameFields | null {
  const bytes = Buffer.from(frame);
  const headerLength = bytes.length < ethernet.HEADER_LENGTH ? -1 : ethernet.headerLength(bytes, 0, bytes.length);
  if (headerLength === -1) return null;
  const tags = [];
  for (let at = ethernet.TYPE_OFFSET; at < headerLength - 2; at += ethernet.VLAN_TAG_LENGTH) {
    const control = at + 2;
    tags.push({
      type: bytes.readUInt16BE(at),
      id: ethernet.vlanId(bytes, control),
      priority: ethernet.vlanPriority(bytes, control),
    });
  }
  const etherType = bytes.readUInt16BE(headerLength - 2);
  const payload = bytes.subarray(headerLength);
  return {
    source: ethernet.formatMac(bytes, ethernet.SOURCE_OFFSET),
    destination: ethernet.formatMac(bytes, ethernet.DESTINATION_OFFSET),
    tags,
    etherType,
    packet: ethernet.isIpType(etherType) ? readPacket(payload) : null,
    payload,
  };
}

function addresses(bytes: Buffer, start: number, version: number): { source: string; destination: string } {
  const [first, length] = version === 4 ? [ipv4.SOURCE_OFFSET, 4] : [ipv6.SOURCE_OFFSET, 16];
  const from = start + first;
  return {
    source: formatAddress(bytes.subarray(from, from + length)),
    destination: formatAddress(bytes.subarray(from + length, from + 2 * length)),
  };
}

function ports(
  bytes: Buffer,
  start: number,
  { hasPorts, transportOffset }: IpLayout,
): { sourcePort: number; destinationPort: number } {
  const at = start + transportOffset;
  return {
    sourcePort: hasPorts ? bytes.readUInt16BE(at) : -1,
    destinationPort: hasPorts ? bytes.readUInt16BE(at + 2) : -1,
  };
}

function ipFields(bytes: Buffer, { version, transportOffset }: IpLayout): IpFields {
  const is4 = version === 4;
  const tos = is4 ? ipv4.tos(bytes, 0) : ipv6.trafficClass(bytes, 0);
  return {
    ttl: is4 ? ipv4.ttl(bytes, 0) : ipv6.hopLimit(bytes, 0),
    dscp: tos >>> 2,
    ecn: tos & 3,
    id: is4 ? ipv4.identification(bytes, 0) : -1,
    dontFragment: is4 ? ipv4.dontFragment(bytes, 0) : true,
    flowLabel: is4 ? -1 : ipv6.flowLabel(bytes, 0),
    options: bytes.subarray(is4 ? ipv4.HEADER_LENGTH : ipv6.HEADER_LENGTH, transportOffset),
  };
}

function fragmentFields(bytes: Buffer, layout: IpLayout): FragmentFields | null {
  if (!layout.isFragment) return null;
  const header = layout.version === 6 ? ipv6.findHeader(bytes, 0, layout.length, ipv6.NEXT_FRAGMENT) : -1;
  return {
    id: header === -1 ? ipv4.identification(bytes, 0) : ipv6.fragmentIdentification(bytes, header),
    offset: layout.fragmentOffset,
    more: layout.moreFragments,
  };
}

function tcpFields(bytes: Buffer, at: number): TcpFields {
  const headerLength = tcp.headerLength(bytes, at);
  const option = tcp.findOption(bytes, at, headerLength, tcp.OPTION_MSS);
  return {
    seq: tcp.sequence(bytes, at),
    ack: tcp.acknowledgement(bytes, at),
    flags: tcp.flags(bytes, at),
    window: tcp.window(bytes, at),
    urgentPointer: tcp.urgentPointer(bytes, at),
    mss: option === -1 ? -1 : bytes.readUInt16BE(option + 2),
    options: bytes.subarray(at + tcp.HEADER_LENGTH, at + headerLength),
    headerLength,
  };
}

function icmpOf({ version }: IpLayout): number {
  return version === 4 ? ipv4.PROTOCOL_ICMP : ipv6.NEXT_ICMPV6;
}

function icmpFields(bytes: Buffer, { version, transportOffset, length }: IpLayout): IcmpFields {
  const type = icmpv4.type(bytes, transportOffset);
  const isError = version === 4 ? icmpv4.isError(type) : icmpv6.isError(type);
  return {
    type,
    code: icmpv4.code(bytes, transportOffset),
    rest: icmpv4.rest(bytes, transportOffset),
    isError,
    quoted: isError ? quotedFields(bytes, transportOffset + icmpv4.HEADER_LENGTH, length) : null,
  };
}

function quotedFields(bytes: Buffer, at: number, end: number): QuotedFields | null {
  const layout = new IpLayout();
  const room = end - at;
  // How long it was is in its own header: as long as it may be, and no longer than it says.
  if (room < 8) return null;
  const declared =
    ipv4.version(bytes, at) === 4 ? ipv4.totalLength(bytes, at) : ipv6.HEADER_LENGTH + ipv6.payloadLength(bytes, at);
  if (!parseIpLayout(bytes, at, room, Math.max(room, declared), layout)) return null;
  return { protocol: layout.protocol, ...addresses(bytes, at, layout.version), ...ports(bytes, at, layout) };
}

function checksumsRight(bytes: Buffer, layout: IpLayout): boolean {
  if (layout.version === 4 && !ipv4.verifyChecksum(bytes, 0)) return false;
  if (layout.isFragment) return true;
  const at = layout.transportOffset;
  const length = layout.length - at;
  const pseudoSum = (octets: number): number =>
    layout.version === 4
      ? pseudoHeaderSumIpv4(bytes, 0, layout.protocol, octets)
      : pseudoHeaderSumIpv6(bytes, 0, layout.protocol, octets);
  switch (layout.protocol) {
    case ipv4.PROTOCOL_UDP: {
      const isNone = udp.checksum(bytes, at) === 0;
      const covered = udp.length(bytes, at) || length;
      // IPv6 knows no datagram without one, but in tunnels (RFC 6936).
      return isNone ? layout.version === 4 : checksum(bytes, at, covered, pseudoSum(covered)) === 0;
    }
    case ipv4.PROTOCOL_TCP:
      return checksum(bytes, at, length, pseudoSum(length)) === 0;
    case ipv4.PROTOCOL_SCTP:
      return isSctpRight(bytes.subarray(at, layout.length));
    case icmpOf(layout):
      return checksum(bytes, at, length, layout.version === 4 ? 0 : pseudoSum(length)) === 0;
    default:
      return true;
  }
}

function isSctpRight(message: Buffer): boolean {
  const right = Buffer.from(message);
  sctp.fillChecksum(right, 0, right.length);
  return right.equals(message);
}
