/**
 * Checksums of a whole datagram, for hooks that change packets and for the way out of a lane.
 *
 * The datagram starts at octet 0. Covered are the IPv4 header and TCP, UDP, SCTP, ICMP and ICMPv6; other transports are
 * left as they are. A fragment has no checksum of its own that could be computed from it.
 *
 * Floor 0. Never throws and never allocates. Where an IPv6 routing header (type 0 or 2) has segments left, the pseudo
 * header ought to name the final destination; here it names the one in the IPv6 header.
 *
 * @see RFC 768, RFC 792, RFC 4443, RFC 8200 section 8.1, RFC 9293
 * @module
 */

import { readU16, writeU16 } from './bytes.ts';
import { fold, pseudoHeaderSumIpv4, pseudoHeaderSumIpv6, updateChecksum16 } from './checksum.ts';
import * as icmpv4 from './icmpv4.ts';
import * as icmpv6 from './icmpv6.ts';
import { IpLayout, parseIpLayout } from './ip-layout.ts';
import * as ipv4 from './ipv4.ts';
import * as ipv6 from './ipv6.ts';
import * as sctp from './sctp.ts';
import * as tcp from './tcp.ts';
import * as udp from './udp.ts';

/** Everything here is synchronous: one layout serves all calls. */
const layout = new IpLayout();

/**
 * Computes the IPv4 header checksum and the checksum of TCP, UDP, SCTP, ICMP or ICMPv6 anew. A UDP datagram that had none gets
 * one. Cost: O(length).
 *
 * @param length - octets of the datagram; what follows it is link padding at most
 * @returns false, with nothing changed, when the datagram is malformed, not whole, or a fragment
 * @example
 * ```ts
 * packet.bytes[8] = 63;
 * fillChecksums(packet.bytes, packet.length);
 * ```
 */
export function fillChecksums(bytes: Uint8Array, length: number): boolean {
  if (!parseWhole(bytes, length)) return false;
  if (layout.version === 4) ipv4.fillChecksum(bytes, 0);
  fillTransport(bytes);
  return true;
}

/**
 * Computes the checksum of TCP, UDP, SCTP, ICMP or ICMPv6 alone: for a packet whose sender left it to the network card.
 * Cost: O(length).
 *
 * @param length - octets of the datagram; what follows it is link padding at most
 * @returns false, with nothing changed, when the datagram is malformed, not whole, or a fragment
 */
export function completeTransportChecksum(bytes: Uint8Array, length: number): boolean {
  if (!parseWhole(bytes, length)) return false;
  fillTransport(bytes);
  return true;
}

/**
 * Corrects the transport checksum for one 16-bit word that changed, in the transport header, its payload or, where a
 * pseudo header covers it (not ICMPv4), in an address. A UDP checksum of 0, none, stays; a result of 0 becomes 0xffff.
 * Protocols other than TCP, UDP, ICMP and ICMPv6 are left as they are. Not for packets whose checksum is not final, nor
 * for fragments other than the first. Cost: O(1).
 *
 * @param packetTransportOffset - octet where the transport header starts
 * @param protocol - protocol number of the transport header
 * @param oldWord - the word before the change, at an even distance from the transport header
 * @param newWord - the word after the change
 */
export function updateTransportChecksum16(
  bytes: Uint8Array,
  packetTransportOffset: number,
  protocol: number,
  oldWord: number,
  newWord: number,
): void {
  const field = checksumOffset(protocol);
  if (field === -1) return;
  const at = packetTransportOffset + field;
  const checksum = readU16(bytes, at);
  const isUdp = protocol === ipv4.PROTOCOL_UDP;
  if (isUdp && checksum === 0) return;
  const updated = updateChecksum16(checksum, oldWord, newWord);
  writeU16(bytes, at, isUdp && updated === 0 ? 0xffff : updated);
}

/**
 * Writes the folded sum of the pseudo header into the TCP or UDP checksum field: what it holds as long as the checksum is
 * not final (CHECKSUM_PARTIAL), whatever a hook made of addresses and of the field. Cost: O(1).
 *
 * @param of - layout of the datagram at octet 0
 */
export function fillPseudoSum(bytes: Uint8Array, of: IpLayout): void {
  const isTcp = of.protocol === ipv4.PROTOCOL_TCP;
  if (!isTcp && of.protocol !== ipv4.PROTOCOL_UDP) return;
  const length = of.length - of.transportOffset;
  const field = of.transportOffset + (isTcp ? tcp.CHECKSUM_OFFSET : udp.CHECKSUM_OFFSET);
  if (field + 2 > of.length) return;
  const sum =
    of.version === 4
      ? pseudoHeaderSumIpv4(bytes, 0, of.protocol, length)
      : pseudoHeaderSumIpv6(bytes, 0, of.protocol, length);
  writeU16(bytes, field, fold(sum));
}

function parseWhole(bytes: Uint8Array, length: number): boolean {
  return length <= bytes.length && parseIpLayout(bytes, 0, length, length, layout, true) && !layout.isFragment;
}

function fillTransport(bytes: Uint8Array): void {
  const at = layout.transportOffset;
  const length = layout.length - at;
  switch (layout.protocol) {
    case ipv4.PROTOCOL_TCP:
      tcp.fillChecksum(bytes, at, length, pseudoSum(bytes, length));
      break;
    case ipv4.PROTOCOL_UDP: {
      // The UDP length may end before the datagram does; 0 stands for the rest of a super-frame.
      const covered = udp.length(bytes, at) || length;
      udp.fillChecksum(bytes, at, covered, pseudoSum(bytes, covered));
      break;
    }
    case ipv4.PROTOCOL_ICMP:
      if (layout.version === 4) icmpv4.fillChecksum(bytes, at, length);
      break;
    case ipv4.PROTOCOL_SCTP:
      if (length >= sctp.HEADER_LENGTH) sctp.fillChecksum(bytes, at, length);
      break;
    case ipv6.NEXT_ICMPV6:
      if (layout.version === 6) icmpv6.fillChecksum(bytes, at, length, pseudoSum(bytes, length));
      break;
  }
}

function pseudoSum(bytes: Uint8Array, transportLength: number): number {
  return layout.version === 4
    ? pseudoHeaderSumIpv4(bytes, 0, layout.protocol, transportLength)
    : pseudoHeaderSumIpv6(bytes, 0, layout.protocol, transportLength);
}

/** Octet of the checksum within the transport header; -1 for protocols that are not covered. */
function checksumOffset(protocol: number): number {
  switch (protocol) {
    case ipv4.PROTOCOL_TCP:
      return tcp.CHECKSUM_OFFSET;
    case ipv4.PROTOCOL_UDP:
      return udp.CHECKSUM_OFFSET;
    case ipv4.PROTOCOL_ICMP:
    case ipv6.NEXT_ICMPV6:
      return icmpv4.CHECKSUM_OFFSET;
    default:
      return -1;
  }
}
