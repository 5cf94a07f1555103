/**
 * IPv6 header codec (RFC 8200) and the walk over its extension headers.
 *
 *  octet  0   | version 4, traffic class 8, flow label 20             |
 *         4   | payload length        | next header     | hop limit   |
 *         8   | source, 16 octets                                      |
 *         24  | destination, 16 octets                                 |
 *         40  | extension headers, each: next header 1, length 1 ... transport header |
 *
 * Floor 0. Reads in place and never allocates. Call `checkLength` before any reader. Rules: the walk is bounded by
 * {@link MAX_EXTENSION_HEADERS}, so that no packet can make it long. It steps over exactly what the receiving kernel
 * steps over, or a sender could show a hook other ports than the receiver acts on:
 * ```
 *   next header                     stepped over   source
 *     0  hop-by-hop options         yes, directly behind the IPv6 header; elsewhere malformed    RFC 8200 4.1, 4.3
 *    43  routing                    yes            RFC 8200 4.4
 *    44  fragment                   yes            RFC 8200 4.5; length 8
 *    51  authentication             yes            RFC 4302 2.2; length in units of 4 octets
 *    60  destination options        yes            RFC 8200 4.6
 *    50  ESP                        no             RFC 4303; what follows is encrypted
 *    59  nothing                    no             RFC 8200 4.7
 *   135  mobility                   no             RFC 6275: nothing follows it; a protocol of its own to the kernel
 *   139  HIP                        no             RFC 7401: likewise
 *   140  shim6                      no             RFC 5533: likewise
 * ```
 *
 * @see `ipv6_ext_hdr` in net/ipv6/exthdrs_core.c of the kernel, which knows 0, 43, 44, 51, 59 and 60
 * @module
 */

import { readU8, readU16, readU32, writeU16, writeU32 } from './bytes.ts';

/** Length of the fixed header, in octets. */
export const HEADER_LENGTH = 40;
/** Octet of the source address within the header. */
export const SOURCE_OFFSET = 8;
/** Octet of the destination address within the header. */
export const DESTINATION_OFFSET = 24;
/** Length of the fragment header and least length of any extension header, in octets. */
export const MIN_EXTENSION_LENGTH = 8;
/** Most extension headers that are followed. */
export const MAX_EXTENSION_HEADERS = 16;

/** Longest payload that the header's own field can say, in octets. */
const MAX_PAYLOAD_LENGTH = 0xffff;
/** Hop-by-hop options: one octet of padding (RFC 8200 4.2), and the length of a jumbogram (RFC 2675 2). */
const OPTION_PAD1 = 0;
const OPTION_JUMBO = 0xc2;
const OPTION_JUMBO_LENGTH = 6;

/** Next header value of hop-by-hop options. */
export const NEXT_HOP_BY_HOP = 0;
/** Next header value of a routing header. */
export const NEXT_ROUTING = 43;
/** Next header value of a fragment header. */
export const NEXT_FRAGMENT = 44;
/** Next header value of an encapsulating security payload. What follows it cannot be read. */
export const NEXT_ESP = 50;
/** Next header value of an authentication header. */
export const NEXT_AUTHENTICATION = 51;
/** Next header value of ICMPv6. */
export const NEXT_ICMPV6 = 58;
/** Next header value that says nothing follows. */
export const NEXT_NONE = 59;
/** Next header value of destination options. */
export const NEXT_DESTINATION_OPTIONS = 60;
/** Next header value of a mobility header: to the walk, a transport protocol. */
export const NEXT_MOBILITY = 135;
/** Next header value of the host identity protocol: to the walk, a transport protocol. */
export const NEXT_HIP = 139;
/** Next header value of shim6: to the walk, a transport protocol. */
export const NEXT_SHIM6 = 140;

/** What {@link emit} writes. */
export interface Ipv6Fields {
  /** Sixteen octets. */
  readonly source: Uint8Array;
  /** Sixteen octets. */
  readonly destination: Uint8Array;
  /** Type of the header that follows: an extension header or the transport header. */
  readonly nextHeader: number;
  /** Octets after the fixed header. */
  readonly payloadLength: number;
  /** Hop limit, 0-255. */
  readonly hopLimit: number;
  /**
   * Traffic class octet.
   * @defaultValue 0
   */
  readonly trafficClass?: number;
  /**
   * Flow label, 20 bits.
   * @defaultValue 0
   */
  readonly flowLabel?: number;
}

/** True when the fixed header lies within the `length` octets at `offset`, and those within `bytes`. */
export function checkLength(bytes: Uint8Array, offset: number, length: number): boolean {
  return length >= HEADER_LENGTH && offset + length <= bytes.length;
}

/** Reads the version, 6 in a right header. */
export function version(bytes: Uint8Array, offset: number): number {
  return readU8(bytes, offset) >>> 4;
}

/** Reads the traffic class octet. */
export function trafficClass(bytes: Uint8Array, offset: number): number {
  return (readU16(bytes, offset) >>> 4) & 0xff;
}

/** Reads the flow label, 20 bits. */
export function flowLabel(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset) & 0xfffff;
}

/** Reads the octets after the fixed header. */
export function payloadLength(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + 4);
}

/** Reads the type of the header after the fixed one. */
export function nextHeader(bytes: Uint8Array, offset: number): number {
  return readU8(bytes, offset + 6);
}

/** Reads the hop limit. */
export function hopLimit(bytes: Uint8Array, offset: number): number {
  return readU8(bytes, offset + 7);
}

/** Replaces version, traffic class and flow label, which share their octets. The version written is 6. */
export function setFlow(bytes: Uint8Array, offset: number, trafficClass: number, flowLabel: number): void {
  writeU32(bytes, offset, (6 << 28) | (trafficClass << 20) | flowLabel);
}

/** Replaces the octets after the fixed header. */
export function setPayloadLength(bytes: Uint8Array, offset: number, octets: number): void {
  writeU16(bytes, offset + 4, octets);
}

/** Replaces the type of the header after the fixed one. */
export function setNextHeader(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset + 6] = value;
}

/** Replaces the hop limit. */
export function setHopLimit(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset + 7] = value;
}

/** Replaces the source address by the sixteen octets of `address`. */
export function setSource(bytes: Uint8Array, offset: number, address: Uint8Array): void {
  bytes.set(address, offset + SOURCE_OFFSET);
}

/** Replaces the destination address by the sixteen octets of `address`. */
export function setDestination(bytes: Uint8Array, offset: number, address: Uint8Array): void {
  bytes.set(address, offset + DESTINATION_OFFSET);
}

/**
 * Writes the fixed header. The room must be there.
 *
 * @returns octets written
 */
export function emit(bytes: Uint8Array, offset: number, fields: Ipv6Fields): number {
  setFlow(bytes, offset, fields.trafficClass ?? 0, fields.flowLabel ?? 0);
  setPayloadLength(bytes, offset, fields.payloadLength);
  setNextHeader(bytes, offset, fields.nextHeader);
  setHopLimit(bytes, offset, fields.hopLimit);
  setSource(bytes, offset, fields.source);
  setDestination(bytes, offset, fields.destination);
  return HEADER_LENGTH;
}

/** True for the headers that are stepped over; the table at the top says why these. */
export function isExtensionHeader(type: number): boolean {
  switch (type) {
    case NEXT_HOP_BY_HOP:
    case NEXT_ROUTING:
    case NEXT_FRAGMENT:
    case NEXT_AUTHENTICATION:
    case NEXT_DESTINATION_OPTIONS:
      return true;
    default:
      return false;
  }
}

/** Reads the length in octets, at least 8, of the extension header of `type` at `offset`. Two octets must be there. */
export function extensionLength(bytes: Uint8Array, offset: number, type: number): number {
  // The fragment header has no length field: that octet is reserved, and a sender may put anything there.
  if (type === NEXT_FRAGMENT) return MIN_EXTENSION_LENGTH;
  const field = readU8(bytes, offset + 1);
  return type === NEXT_AUTHENTICATION ? (field + 2) << 2 : (field + 1) << 3;
}

/**
 * Finds out how long the payload behind an IPv6 header is whose payload length is 0: a jumbo option says it, or it ends
 * with the frame. Cost: O(hop-by-hop options), no allocation. Never throws.
 *
 * @param available - octets that are there from `offset`, {@link HEADER_LENGTH} at least
 * @param originalLength - octets that were on the wire from `offset`
 * @returns octets behind the fixed header; -1 where the option says less than it may (RFC 2675 section 3)
 */
export function jumboLength(bytes: Uint8Array, offset: number, available: number, originalLength: number): number {
  const rest = originalLength - HEADER_LENGTH;
  if (nextHeader(bytes, offset) !== NEXT_HOP_BY_HOP || available < HEADER_LENGTH + MIN_EXTENSION_LENGTH) return rest;
  const header = offset + HEADER_LENGTH;
  const end = Math.min(header + extensionLength(bytes, header, NEXT_HOP_BY_HOP), offset + available);
  for (let at = header + 2; at + OPTION_JUMBO_LENGTH <= end; ) {
    const option = readU8(bytes, at);
    if (option === OPTION_JUMBO && readU8(bytes, at + 1) === OPTION_JUMBO_LENGTH - 2) {
      const length = readU32(bytes, at + 2);
      return length > MAX_PAYLOAD_LENGTH ? length : -1;
    }
    at += option === OPTION_PAD1 ? 1 : 2 + readU8(bytes, at + 1);
  }
  return rest;
}

/** Reads the offset, in octets, of the fragment whose fragment header is at `offset`. */
export function fragmentOffset(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + 2) & 0xfff8;
}

/** True when the fragment header at `offset` says that more fragments follow. */
export function moreFragments(bytes: Uint8Array, offset: number): boolean {
  return (readU8(bytes, offset + 3) & 1) === 1;
}

/** Reads the identification of the fragment header at `offset`. */
export function fragmentIdentification(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset + 4);
}

/**
 * Looks for a header in the chain that starts with the IPv6 header at `offset`. Cost: O(extension headers), bounded.
 *
 * @param length - octets of the datagram that are there
 * @param type - an extension header or a transport protocol
 * @returns octet in `bytes` of the first header of that type; -1 when there is none within `length`, or only behind
 *   hop-by-hop options that do not come first. In a fragment other than the first, what follows the fragment header is
 *   not looked at
 */
export function findHeader(bytes: Uint8Array, offset: number, length: number, type: number): number {
  const end = offset + length;
  let current = nextHeader(bytes, offset);
  let at = offset + HEADER_LENGTH;
  for (let count = 0; count <= MAX_EXTENSION_HEADERS && at < end; count++) {
    if (current === NEXT_HOP_BY_HOP && count > 0) return -1;
    if (current === type) return at;
    if (!isExtensionHeader(current) || at + MIN_EXTENSION_LENGTH > end) return -1;
    if (current === NEXT_FRAGMENT && fragmentOffset(bytes, at) !== 0) return -1;
    const next = readU8(bytes, at);
    at += extensionLength(bytes, at, current);
    current = next;
  }
  return -1;
}
