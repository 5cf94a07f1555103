/**
 * Builds the ICMP error that answers a packet, and says when none may be sent.
 *
 *   IPv4: Destination Unreachable (RFC 792, codes of RFC 1812 5.2.7.1), up to 576 octets in all (RFC 1812 4.3.2.3)
 *   IPv6: Destination Unreachable or Packet Too Big (RFC 4443), up to 1,280 octets in all (RFC 4443 2.4 c)
 *
 * | no error in answer to                                                    | RFC 1122 3.2.2, RFC 1812 4.3.2.7 | RFC 4443 2.4 |
 * | ------------------------------------------------------------------------ | -------------------------------- | ------------ |
 * | an ICMP error, or a type that may be one; a Redirect                     | yes                              | e.1, e.2     |
 * | a broadcast or multicast destination, the broadcast of a subnet included | yes                              | e.3          |
 * | a broadcast or multicast of the link                                     | yes                              | e.4, e.5     |
 * | a fragment other than the first                                          | yes                              | (no ICMP type to look at) |
 * | a source that is not one host                                            | yes                              | e.6          |
 * | what is to be discarded silently: loopback or an own address from outside, a malformed packet | RFC 1812 5.3.7 | RFC 4291 2.5.3 |
 *
 * RFC 4443 would let a router send Packet Too Big about multicast (e.3, e.4). firehook does not: the source of its errors is the
 * destination of the packet, which a group cannot be, and a bridge has no address of its own.
 *
 * Rule: an error is never longer than what came in by more than its own headers (28 octets, IPv6 48), nor than the room that
 * the caller has for it, and quotes nothing that was not in the packet.
 *
 * @module
 */

import { fold, sum } from '../wire/checksum.ts';
import type { IpLayout } from '../wire/ip-layout.ts';

const ICMPV4 = 1;
const ICMPV6 = 58;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const ICMP_HEADER = 8;
const MAX_IPV4_ERROR = 576;
const MAX_IPV6_ERROR = 1280;
/** Hop limit and TTL of an error: as if it came from the destination itself. */
const HOPS = 64;

/** Octets a target buffer must have. */
export const MAX_ICMP_ERROR = MAX_IPV6_ERROR;

/**
 * True when a packet may be answered by an ICMP error at all, as far as the packet itself says; what the broadcasts of
 * the host's networks are, and its own addresses, says `LocalTable.forbidsAnswer`.
 *
 * @param bytes - the datagram, at octet 0
 * @param layout - its layout
 * @param isUnicastLink - false when the frame that carried it was a link broadcast or multicast
 */
export function mayAnswer(bytes: Uint8Array, layout: IpLayout, isUnicastLink: boolean): boolean {
  if (!isUnicastLink || layout.fragmentOffset !== 0) return false;
  return layout.version === 4 ? mayAnswerIpv4(bytes, layout) : mayAnswerIpv6(bytes, layout);
}

/**
 * Writes a Destination Unreachable for `bytes` into `target` from octet `at` on.
 *
 * @param code - for IPv4, for example 13 (communication administratively prohibited); IPv6 always uses code 1
 * @param room - most octets that the way back takes
 * @returns octets written
 */
export function buildUnreachable(
  bytes: Uint8Array,
  layout: IpLayout,
  code: number,
  target: Buffer,
  at: number,
  room: number,
): number {
  return layout.version === 4
    ? buildIpv4(bytes, layout, 3, code, 0, target, at, room)
    : buildIpv6(bytes, layout, 1, 1, 0, target, at, room);
}

/**
 * Writes the answer to a packet that is longer than the way out: fragmentation needed (RFC 1191) or Packet Too Big.
 *
 * @param mtu - of the way out, in octets of IP datagram
 * @param room - most octets that the way back takes
 * @returns octets written
 */
export function buildTooBig(
  bytes: Uint8Array,
  layout: IpLayout,
  mtu: number,
  target: Buffer,
  at: number,
  room: number,
): number {
  return layout.version === 4
    ? buildIpv4(bytes, layout, 3, 4, mtu & 0xffff, target, at, room)
    : buildIpv6(bytes, layout, 2, 0, mtu, target, at, room);
}

function mayAnswerIpv4(bytes: Uint8Array, layout: IpLayout): boolean {
  if (!isHostIpv4(bytes, 12) || !isHostIpv4(bytes, 16)) return false;
  if (layout.protocol !== ICMPV4) return true;
  if (layout.transportOffset >= layout.length) return false;
  // Only the informational types are answered: echo, timestamp, information, address mask, router discovery.
  const type = octet(bytes, layout.transportOffset);
  return type === 0 || type === 8 || type === 9 || type === 10 || (type >= 13 && type <= 18);
}

function mayAnswerIpv6(bytes: Uint8Array, layout: IpLayout): boolean {
  if (!isHostIpv6(bytes, 8) || !isHostIpv6(bytes, 24)) return false;
  // ICMPv6 types below 128 are errors; 137 is Redirect (RFC 4443 2.4 e).
  if (layout.protocol !== ICMPV6) return true;
  if (layout.transportOffset >= layout.length) return false;
  const type = octet(bytes, layout.transportOffset);
  return type >= 128 && type !== 137;
}

/** Not 0/8, loopback, multicast, class E or the limited broadcast. */
function isHostIpv4(bytes: Uint8Array, offset: number): boolean {
  const first = octet(bytes, offset);
  return first !== 0 && first !== 127 && first < 224;
}

/** Not the unspecified address, loopback, a group or an IPv4-mapped address, which the kernel takes from nobody. */
function isHostIpv6(bytes: Uint8Array, offset: number): boolean {
  if (octet(bytes, offset) === 0xff) return false;
  if (sum(bytes, offset, 10, 0) !== 0) return true;
  const isMapped = octet(bytes, offset + 10) === 0xff && octet(bytes, offset + 11) === 0xff;
  const isZeroOrOne =
    sum(bytes, offset + 10, 4, 0) === 0 && octet(bytes, offset + 14) === 0 && octet(bytes, offset + 15) <= 1;
  return !isMapped && !isZeroOrOne;
}

function buildIpv4(
  bytes: Uint8Array,
  layout: IpLayout,
  type: number,
  code: number,
  rest: number,
  target: Buffer,
  at: number,
  room: number,
): number {
  const quoted = quotedOctets(layout, Math.min(MAX_IPV4_ERROR, room) - IPV4_HEADER - ICMP_HEADER);
  const length = IPV4_HEADER + ICMP_HEADER + quoted;
  target.fill(0, at, at + IPV4_HEADER + ICMP_HEADER);
  target[at] = 0x45;
  // Precedence "internetwork control" (RFC 1812 4.3.2.5).
  target[at + 1] = 0xc0;
  target.writeUInt16BE(length, at + 2);
  target[at + 8] = HOPS;
  target[at + 9] = ICMPV4;
  target.set(bytes.subarray(16, 20), at + 12);
  target.set(bytes.subarray(12, 16), at + 16);
  target.writeUInt16BE(fold(sum(target, at, IPV4_HEADER, 0)) ^ 0xffff, at + 10);
  const icmp = at + IPV4_HEADER;
  target[icmp] = type;
  target[icmp + 1] = code;
  target.writeUInt32BE(rest, icmp + 4);
  target.set(bytes.subarray(0, quoted), icmp + ICMP_HEADER);
  target.writeUInt16BE(fold(sum(target, icmp, ICMP_HEADER + quoted, 0)) ^ 0xffff, icmp + 2);
  return length;
}

function buildIpv6(
  bytes: Uint8Array,
  layout: IpLayout,
  type: number,
  code: number,
  rest: number,
  target: Buffer,
  at: number,
  room: number,
): number {
  const quoted = quotedOctets(layout, Math.min(MAX_IPV6_ERROR, room) - IPV6_HEADER - ICMP_HEADER);
  const payload = ICMP_HEADER + quoted;
  target.fill(0, at, at + IPV6_HEADER + ICMP_HEADER);
  target[at] = 0x60;
  target.writeUInt16BE(payload, at + 4);
  target[at + 6] = ICMPV6;
  target[at + 7] = HOPS;
  target.set(bytes.subarray(24, 40), at + 8);
  target.set(bytes.subarray(8, 24), at + 24);
  const icmp = at + IPV6_HEADER;
  target[icmp] = type;
  target[icmp + 1] = code;
  target.writeUInt32BE(rest, icmp + 4);
  target.set(bytes.subarray(0, quoted), icmp + ICMP_HEADER);
  const pseudo = sum(target, at + 8, 32, payload + ICMPV6);
  target.writeUInt16BE(fold(sum(target, icmp, payload, pseudo)) ^ 0xffff, icmp + 2);
  return IPV6_HEADER + payload;
}

function quotedOctets(layout: IpLayout, room: number): number {
  return Math.max(0, Math.min(layout.length, room));
}

function octet(bytes: Uint8Array, offset: number): number {
  return bytes[offset] ?? 0;
}
