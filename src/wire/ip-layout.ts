/**
 * Where things are in an IP datagram, and whether it is well formed: the one place that judges a packet before a hook
 * sees it.
 *
 * ```
 *  offset                  headerLength           transportOffset            length          declaredLength
 *  | IP header, IPv4 options | IPv6 extension headers | transport header ... | (cut by capture) | (link padding)
 * ```
 * Rules: nothing outside of the octets that are there is read. What is malformed is judged by the lengths the datagram
 * declares, not by how much of it a capture kept. A well-formed answer makes every offset safe to use up to `length`.
 *
 * Floor 0. Never throws and never allocates: the caller brings the {@link IpLayout}.
 *
 * Both families are judged alike. A length field of 0 stands for the rest in a super-frame alone, as in the kernel
 * (`iph_totlen` in include/linux/ip.h): the caller says whether the datagram can be one.
 *
 * @see ipv6.ts (which next headers are stepped over), RFC 791, RFC 8200, RFC 1858 and RFC 3128 (tiny and overlapping
 *   fragments), RFC 2675 (jumbo payload option), RFC 6946 (atomic fragments), RFC 7112 (first fragments hold the whole
 *   header chain)
 * @module
 */

import { readU8, readU16 } from './bytes.ts';
import * as icmpv4 from './icmpv4.ts';
import * as icmpv6 from './icmpv6.ts';
import * as ipv4 from './ipv4.ts';
import * as ipv6 from './ipv6.ts';
import * as sctp from './sctp.ts';
import * as tcp from './tcp.ts';
import * as udp from './udp.ts';

/** Longest datagram that reassembly may yield, in octets. */
const MAX_DATAGRAM_LENGTH = 65_535;
/** Source and destination port. */
const PORTS_LENGTH = 4;
/** Least octets of the headers of DCCP (RFC 4340 5.1, the short form) and of UDP-Lite (RFC 3828 3.1). */
const DCCP_HEADER_LENGTH = 12;
const UDPLITE_HEADER_LENGTH = 8;
/** Such a fragment of TCP could overwrite the flags of the first one (RFC 1858 4, RFC 3128). */
const FLAGS_FRAGMENT_OFFSET = 8;

/** What {@link parseIpLayout} found. One instance is reused for packet after packet. Offsets count from the IP header. */
export class IpLayout {
  /** 4 or 6; 0 before the first packet. */
  version: 0 | 4 | 6 = 0;
  /** Octets of the IPv4 header with its options, or of the fixed IPv6 header: 40. */
  headerLength = 0;
  /** Octets of the datagram that are in the buffer; link padding is cut off. */
  length = 0;
  /** Octets the datagram says it has; larger than `length` when the capture cut it. */
  declaredLength = 0;
  /** Protocol of what is at `transportOffset`: the transport header, or an extension header that the capture cut off. */
  protocol = 0;
  /** Octet where the transport header starts, `length` at most; in a later fragment, where its data starts. */
  transportOffset = 0;
  /** True for any fragment, the first included; false for an IPv6 datagram that is its own only fragment (RFC 6946). */
  isFragment = false;
  /** Offset of this fragment in the original payload, in octets. */
  fragmentOffset = 0;
  /** True when more fragments follow. */
  moreFragments = false;
  /** True when source and destination port can be read at `transportOffset`. */
  hasPorts = false;
  /** True when the capture cut the datagram. */
  truncated = false;
  /**
   * True where nothing is known but that the capture ends within the IPv4 header, its options included, or the fixed IPv6
   * header, and that what it kept of it is right. The datagram is then neither well formed nor malformed.
   */
  isCut = false;

  /** Takes over what another one says. */
  set(other: IpLayout): void {
    this.version = other.version;
    this.headerLength = other.headerLength;
    this.length = other.length;
    this.declaredLength = other.declaredLength;
    this.protocol = other.protocol;
    this.transportOffset = other.transportOffset;
    this.isFragment = other.isFragment;
    this.fragmentOffset = other.fragmentOffset;
    this.moreFragments = other.moreFragments;
    this.hasPorts = other.hasPorts;
    this.truncated = other.truncated;
    this.isCut = other.isCut;
  }
}

/**
 * Finds the parts of the IP datagram at `offset` and checks them. Never throws; reads only the `length` octets at
 * `offset`. Cost: O(1) for IPv4, O(extension headers), bounded, for IPv6; no allocation.
 *
 * @param length - octets that are there from `offset`, link padding included
 * @param originalLength - octets that were on the wire from `offset`; `length` at least
 * @param out - filled in; means nothing but `isCut` when the result is false
 * @param mayBeOpen - the datagram can be a super-frame, whose length field may be 0; it then ends with the frame.
 *   False unless told otherwise
 * @returns false when malformed, or cut within its header (`out.isCut`)
 */
export function parseIpLayout(
  bytes: Uint8Array,
  offset: number,
  length: number,
  originalLength: number,
  out: IpLayout,
  mayBeOpen = false,
): boolean {
  out.isCut = false;
  if (length < ipv4.HEADER_LENGTH) return endsInHeader(bytes, offset, length, originalLength, out, mayBeOpen);
  switch (ipv4.version(bytes, offset)) {
    case 4:
      return parseIpv4Layout(bytes, offset, length, originalLength, out, mayBeOpen);
    case 6:
      return parseIpv6Layout(bytes, offset, length, originalLength, out, mayBeOpen);
    default:
      return false;
  }
}

function parseIpv4Layout(
  bytes: Uint8Array,
  offset: number,
  available: number,
  originalLength: number,
  out: IpLayout,
  mayBeOpen: boolean,
): boolean {
  const headerLength = ipv4.headerLength(bytes, offset);
  const totalLength = ipv4.totalLength(bytes, offset);
  // Hosts that offload segmentation show super-frames above 64 KiB with a total length of 0.
  const isOpen = totalLength === 0 && mayBeOpen;
  const declaredLength = isOpen ? originalLength : totalLength;
  if (headerLength > available) return endsInHeader(bytes, offset, available, originalLength, out, mayBeOpen);
  if (headerLength < ipv4.HEADER_LENGTH) return false;
  if (declaredLength < headerLength || declaredLength > originalLength) return false;

  out.version = 4;
  out.headerLength = headerLength;
  setLengths(out, available, declaredLength);
  out.protocol = ipv4.protocol(bytes, offset);
  out.transportOffset = headerLength;
  out.fragmentOffset = ipv4.fragmentOffset(bytes, offset);
  out.moreFragments = ipv4.moreFragments(bytes, offset);
  out.isFragment = out.moreFragments || out.fragmentOffset !== 0;
  if (out.isFragment && (isOpen || out.fragmentOffset + declaredLength > MAX_DATAGRAM_LENGTH)) return false;
  return parseTransport(bytes, offset, out);
}

function parseIpv6Layout(
  bytes: Uint8Array,
  offset: number,
  available: number,
  originalLength: number,
  out: IpLayout,
  mayBeOpen: boolean,
): boolean {
  if (available < ipv6.HEADER_LENGTH) return endsInHeader(bytes, offset, available, originalLength, out, mayBeOpen);
  const payloadLength = ipv6.payloadLength(bytes, offset);
  const nextHeader = ipv6.nextHeader(bytes, offset);
  // Super-frames above 64 KiB have a payload length of 0, with or without a jumbo option.
  const isOpen = payloadLength === 0 && nextHeader !== ipv6.NEXT_NONE;
  if (isOpen && !mayBeOpen) return false;
  const payload = isOpen ? ipv6.jumboLength(bytes, offset, available, originalLength) : payloadLength;
  const declaredLength = ipv6.HEADER_LENGTH + payload;
  if (payload < 0 || declaredLength > originalLength) return false;

  out.version = 6;
  out.headerLength = ipv6.HEADER_LENGTH;
  setLengths(out, available, declaredLength);
  out.protocol = nextHeader;
  out.transportOffset = ipv6.HEADER_LENGTH;
  out.fragmentOffset = 0;
  out.moreFragments = false;
  out.isFragment = false;
  if (!walkExtensionHeaders(bytes, offset, out) || (isOpen && out.isFragment)) return false;
  return parseTransport(bytes, offset, out);
}

/** Sets `isCut` where the octets that are there of a header could be the start of a right one. Always false. */
function endsInHeader(
  bytes: Uint8Array,
  offset: number,
  available: number,
  originalLength: number,
  out: IpLayout,
  mayBeOpen: boolean,
): false {
  const version = available > 0 ? ipv4.version(bytes, offset) : 0;
  if (version === 4) {
    const least = ipv4.headerLength(bytes, offset);
    const declared = available >= 4 ? ipv4.totalLength(bytes, offset) : least;
    const isLength = declared === 0 ? mayBeOpen : declared >= least && declared <= originalLength;
    out.isCut = least >= ipv4.HEADER_LENGTH && least <= originalLength && isLength;
  } else if (version === 6) {
    const payload = available >= 6 ? ipv6.payloadLength(bytes, offset) : 0;
    out.isCut = ipv6.HEADER_LENGTH + payload <= originalLength;
  }
  return false;
}

function setLengths(out: IpLayout, available: number, declaredLength: number): void {
  out.declaredLength = declaredLength;
  out.truncated = available < declaredLength;
  out.length = out.truncated ? available : declaredLength;
}

/** Moves `protocol` and `transportOffset` to what follows the extension headers, as far as the capture goes. */
function walkExtensionHeaders(bytes: Uint8Array, offset: number, out: IpLayout): boolean {
  let hasFragmentHeader = false;
  for (let count = 0; ipv6.isExtensionHeader(out.protocol); count++) {
    const at = out.transportOffset;
    // Hop-by-hop options stand directly behind the IPv6 header (RFC 8200 4.1); the kernel refuses them anywhere else.
    if (out.protocol === ipv6.NEXT_HOP_BY_HOP && count > 0) return false;
    if (count === ipv6.MAX_EXTENSION_HEADERS || at + ipv6.MIN_EXTENSION_LENGTH > out.declaredLength) return false;
    if (at + ipv6.MIN_EXTENSION_LENGTH > out.length) return true;
    if (out.protocol === ipv6.NEXT_FRAGMENT) {
      // A second one would make a fragment of a fragment: no sender does that, and its ports could not be trusted.
      if (hasFragmentHeader) return false;
      hasFragmentHeader = true;
      if (!readFragmentHeader(bytes, offset + at, out)) return false;
    }
    const end = at + ipv6.extensionLength(bytes, offset + at, out.protocol);
    if (end > out.declaredLength) return false;
    out.protocol = readU8(bytes, offset + at);
    out.transportOffset = Math.min(end, out.length);
    if (out.fragmentOffset !== 0) return true;
  }
  return true;
}

/** False when the fragment reaches past the longest datagram. */
function readFragmentHeader(bytes: Uint8Array, at: number, out: IpLayout): boolean {
  out.fragmentOffset = ipv6.fragmentOffset(bytes, at);
  out.moreFragments = ipv6.moreFragments(bytes, at);
  out.isFragment = out.moreFragments || out.fragmentOffset !== 0;
  // The payload length of the whole: this one without the fragment header, moved by the offset.
  const reach = out.fragmentOffset + out.declaredLength - ipv6.HEADER_LENGTH - ipv6.MIN_EXTENSION_LENGTH;
  return !out.isFragment || reach <= MAX_DATAGRAM_LENGTH;
}

/** Checks the transport header of whole datagrams and first fragments; later fragments have none. */
function parseTransport(bytes: Uint8Array, offset: number, out: IpLayout): boolean {
  out.hasPorts = false;
  if (out.fragmentOffset !== 0)
    return out.fragmentOffset !== FLAGS_FRAGMENT_OFFSET || out.protocol !== ipv4.PROTOCOL_TCP;
  const at = offset + out.transportOffset;
  const present = out.length - out.transportOffset;
  const declared = out.declaredLength - out.transportOffset;
  switch (out.protocol) {
    case ipv4.PROTOCOL_TCP:
      out.hasPorts = present >= PORTS_LENGTH;
      return isTcpSound(bytes, at, present, declared, out.isFragment);
    case ipv4.PROTOCOL_UDP:
      out.hasPorts = present >= PORTS_LENGTH;
      return isUdpSound(bytes, at, present, declared, out);
    case ipv4.PROTOCOL_DCCP:
      out.hasPorts = present >= PORTS_LENGTH;
      return declared >= DCCP_HEADER_LENGTH;
    case ipv4.PROTOCOL_SCTP:
      out.hasPorts = present >= PORTS_LENGTH;
      return declared >= sctp.HEADER_LENGTH;
    case ipv4.PROTOCOL_UDPLITE:
      out.hasPorts = present >= PORTS_LENGTH;
      return declared >= UDPLITE_HEADER_LENGTH;
    case ipv4.PROTOCOL_ICMP:
      return out.version === 6 || declared >= icmpv4.HEADER_LENGTH;
    case ipv6.NEXT_ICMPV6:
      return out.version === 4 || declared >= icmpv6.MIN_LENGTH;
    default:
      return true;
  }
}

function isTcpSound(bytes: Uint8Array, at: number, present: number, declared: number, isFragment: boolean): boolean {
  if (declared < tcp.HEADER_LENGTH) return false;
  if (present < tcp.FLAGS_OFFSET) return true;
  const headerLength = tcp.headerLength(bytes, at);
  return headerLength >= tcp.HEADER_LENGTH && (isFragment || headerLength <= declared);
}

function isUdpSound(bytes: Uint8Array, at: number, present: number, declared: number, of: IpLayout): boolean {
  if (declared < udp.HEADER_LENGTH) return false;
  if (present < udp.CHECKSUM_OFFSET) return true;
  const length = readU16(bytes, at + 4);
  // 0 is the rest in IPv6, whatever its length (RFC 2675 4, `__udp6_lib_rcv` of the kernel). In IPv4 it is too short, save
  // in front of a super-frame that is too long for the field: BIG TCP in VXLAN or Geneve.
  if (length === 0) return of.version === 6 || of.declaredLength > MAX_DATAGRAM_LENGTH;
  return length >= udp.HEADER_LENGTH && (of.isFragment || length <= declared);
}
