/**
 * What kind of frame it is, and where its IP header starts, for every linktype firehook can read.
 *
 * ```
 *  NULL, LOOP   | family 4 | IP ...                               family in either byte order
 *  ETHERNET     | MACs 12 | tags 0-16 | type 2 | IP ...
 *                                     | 8864   | PPPoE session 6 | PPP protocol 1-2 | IP ...
 *                                     | 8847, 8848 | labels 4-64 | IP ...
 *                                     | length 2 | LLC ...                              never IP: llc.ts
 *  LINUX_SLL    | packet type 2 | ARPHRD 2 | address 10 | type 2 | as behind the type of Ethernet
 *  LINUX_SLL2   | type 2 | 0 2 | ifindex 4 | ARPHRD 2 | packet type 1 | address 9 | likewise
 *  RAW, IPV4, IPV6                                  | IP ...
 * ```
 * Floor 0. Reads in place and never allocates. Rule: what is called not IP is known to be none. A frame that says it carries
 * IP and does not is malformed; one in which IP may be and is not found is unreadable; one of which a capture kept too
 * little to say is cut (frame-kind.ts).
 *
 * @see the linktype registry of the tcpdump group
 * @module
 */

import { readU8, readU16, readU32 } from './bytes.ts';
import { isKnownWithoutIp } from './ether-types.ts';
import {
  DESTINATION_OFFSET,
  HEADER_LENGTH as ETHERNET_HEADER_LENGTH,
  TYPE_OFFSET as ETHERNET_TYPE_OFFSET,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  isBroadcast,
  isMulticast,
  isVlanType,
  MAX_VLAN_TAGS,
  skipVlanTags,
  VLAN_TAG_LENGTH,
} from './ethernet.ts';
import { MALFORMED, NO_ETHERTYPE, NOT_IP, tooShort, unreadable } from './frame-kind.ts';
import { HEADER_LENGTH as IPV4_HEADER_LENGTH } from './ipv4.ts';
import { HEADER_LENGTH as IPV6_HEADER_LENGTH } from './ipv6.ts';
import { classifyLlc } from './llc.ts';
import { classifyLabels, isMplsType } from './mpls.ts';
import { classifySession, ETHERTYPE_PPPOE_SESSION } from './pppoe.ts';

/** BSD loopback: a protocol family in the byte order of the host that captured. */
export const LINKTYPE_NULL = 0;
/** Ethernet. */
export const LINKTYPE_ETHERNET = 1;
/** Raw IP, as some systems number it in old files. */
export const DLT_RAW = 12;
/** Raw IP, as OpenBSD numbers it. */
export const DLT_RAW_OPENBSD = 14;
/** Raw IP, version 4 or 6. */
export const LINKTYPE_RAW = 101;
/** OpenBSD loopback: a protocol family in network byte order. */
export const LINKTYPE_LOOP = 108;
/** Linux cooked capture, version 1. */
export const LINKTYPE_LINUX_SLL = 113;
/** Raw IPv4. */
export const LINKTYPE_IPV4 = 228;
/** Raw IPv6. */
export const LINKTYPE_IPV6 = 229;
/** Linux cooked capture, version 2. */
export const LINKTYPE_LINUX_SLL2 = 276;

const LOOPBACK_HEADER_LENGTH = 4;
const SLL_TYPE_OFFSET = 14;
const SLL_HEADER_LENGTH = 16;
const SLL2_PACKET_TYPE_OFFSET = 10;
const SLL2_HEADER_LENGTH = 20;
/** Where the type behind the first tag of a frame stands that is captured as SLL2: control field, then type. */
const SLL2_INNER_TYPE_OFFSET = 22;
/** What a cooked header says instead of a type: an LLC header follows, without its length field. */
const COOKED_LLC = 4;
/** Longest payload that a length field can announce, and first number that is a type (IEEE 802.3, 3.2.6). */
const MAX_LENGTH_FIELD = 1500;
const FIRST_ETHERTYPE = 0x0600;
/** Protocol family of IPv4, the same on every system. */
const FAMILY_IPV4 = 2;

/** Packet types of a cooked header: how the frame was addressed (packet(7)). */
const PACKET_BROADCAST = 1;
const PACKET_MULTICAST = 2;

/** True for the linktypes that {@link classifyFrame} can read. */
export function isKnownLinktype(linktype: number): boolean {
  switch (linktype) {
    case LINKTYPE_NULL:
    case LINKTYPE_ETHERNET:
    case DLT_RAW:
    case DLT_RAW_OPENBSD:
    case LINKTYPE_RAW:
    case LINKTYPE_LOOP:
    case LINKTYPE_LINUX_SLL:
    case LINKTYPE_IPV4:
    case LINKTYPE_IPV6:
    case LINKTYPE_LINUX_SLL2:
      return true;
    default:
      return false;
  }
}

/**
 * Says what kind of frame it is. Never throws. Cost: O(VLAN tags and MPLS labels), bounded; no allocation.
 *
 * @param frame - the frame starts at octet 0
 * @param length - octets of it that are there
 * @param originalLength - octets of it that were on the wire; `length` at least
 * @returns 0 to `length` - 1: IP, whose header starts there, of the version that the link header says; `NOT_IP`,
 *   `MALFORMED`, `CUT` (only where `originalLength` is the larger), or the number of `unreadable`
 */
export function classifyFrame(frame: Uint8Array, length: number, originalLength: number, linktype: number): number {
  // Nearly every frame, and so little code that it is compiled into the packet path.
  if (linktype === LINKTYPE_ETHERNET && length > ETHERNET_HEADER_LENGTH) {
    const type = readU16(frame, ETHERNET_TYPE_OFFSET);
    const version = readU8(frame, ETHERNET_HEADER_LENGTH) >>> 4;
    if ((type === ETHERTYPE_IPV4 && version === 4) || (type === ETHERTYPE_IPV6 && version === 6))
      return ETHERNET_HEADER_LENGTH;
  }
  return classifyOther(frame, length, originalLength, linktype);
}

/** Every frame but the most frequent. */
function classifyOther(frame: Uint8Array, length: number, originalLength: number, linktype: number): number {
  switch (linktype) {
    case LINKTYPE_ETHERNET:
      return afterType(frame, ETHERNET_TYPE_OFFSET, length, originalLength, MAX_VLAN_TAGS);
    case LINKTYPE_LINUX_SLL:
      return afterSll(frame, length, originalLength);
    case LINKTYPE_LINUX_SLL2:
      return afterSll2(frame, length, originalLength);
    case LINKTYPE_NULL:
    case LINKTYPE_LOOP:
      return afterFamily(frame, length, originalLength);
    case DLT_RAW:
    case DLT_RAW_OPENBSD:
    case LINKTYPE_RAW:
      if (length === 0) return tooShort(IPV4_HEADER_LENGTH, originalLength);
      return startsIp(frame, 0, length, 4) ? 0 : ipOr(frame, 0, length, originalLength, 6);
    case LINKTYPE_IPV4:
      return ipOr(frame, 0, length, originalLength, 4);
    case LINKTYPE_IPV6:
      return ipOr(frame, 0, length, originalLength, 6);
    default:
      return unreadable(NO_ETHERTYPE);
  }
}

/**
 * Finds the octet where the IP header starts. Never throws. Cost: as {@link classifyFrame}.
 *
 * @param frame - the frame starts at octet 0
 * @param length - octets of it that are there
 * @returns 0 to `length` - 1; -1 for every other kind of frame
 */
export function networkOffset(frame: Uint8Array, length: number, linktype: number): number {
  return Math.max(-1, classifyFrame(frame, length, length, linktype));
}

/**
 * Finds the PPPoE session header in the link header of a frame.
 *
 * @param offset - octet of the IP header, as {@link classifyFrame} found it
 * @returns octet of the session header; -1 where there is none
 */
export function sessionHeader(frame: Uint8Array, offset: number, linktype: number): number {
  const at = typeField(frame, offset, linktype);
  if (at === -1 || readU16(frame, at) !== ETHERTYPE_PPPOE_SESSION) return -1;
  return behindType(at, linktype);
}

/**
 * True when MPLS labels stand before the IP header of a frame.
 *
 * @param offset - octet of the IP header, as {@link classifyFrame} found it
 */
export function hasLabels(frame: Uint8Array, offset: number, linktype: number): boolean {
  const at = typeField(frame, offset, linktype);
  return at !== -1 && isMplsType(readU16(frame, at));
}

/** True when the link header says the frame went to everybody. False where a linktype has no such mark. */
export function isLinkBroadcast(frame: Uint8Array, length: number, linktype: number): boolean {
  if (linktype === LINKTYPE_ETHERNET) {
    return length >= ETHERNET_HEADER_LENGTH && isBroadcast(frame, DESTINATION_OFFSET);
  }
  return cookedPacketType(frame, length, linktype) === PACKET_BROADCAST;
}

/** True when the link header says the frame went to a group that is not everybody. False where there is no such mark. */
export function isLinkMulticast(frame: Uint8Array, length: number, linktype: number): boolean {
  if (linktype === LINKTYPE_ETHERNET) {
    return length >= ETHERNET_HEADER_LENGTH && isMulticast(frame, DESTINATION_OFFSET);
  }
  return cookedPacketType(frame, length, linktype) === PACKET_MULTICAST;
}

/** The kind of a frame whose first type field is at `typeOffset`, with `maxTags` tags at most. */
function afterType(
  frame: Uint8Array,
  typeOffset: number,
  length: number,
  originalLength: number,
  maxTags: number,
): number {
  const last = typeOffset + maxTags * VLAN_TAG_LENGTH;
  for (let at = typeOffset; at <= last; at += VLAN_TAG_LENGTH) {
    if (at + 2 > length) return tooShort(at + 2, originalLength);
    const type = readU16(frame, at);
    if (type === ETHERTYPE_IPV4) return ipOr(frame, at + 2, length, originalLength, 4);
    if (type === ETHERTYPE_IPV6) return ipOr(frame, at + 2, length, originalLength, 6);
    if (!isVlanType(type)) return ofType(frame, type, at + 2, length, originalLength);
  }
  return MALFORMED;
}

/** The kind of a frame with a type, or a length, that is none of IP and of a tag; what it announces is at `at`. */
function ofType(frame: Uint8Array, type: number, at: number, length: number, originalLength: number): number {
  if (type === ETHERTYPE_PPPOE_SESSION) return classifySession(frame, at, length, originalLength);
  if (isMplsType(type)) return classifyLabels(frame, at, type, length, originalLength);
  if (type <= MAX_LENGTH_FIELD) return classifyLlc(frame, at, type, length, originalLength);
  if (type < FIRST_ETHERTYPE) return MALFORMED;
  return isKnownWithoutIp(type) ? NOT_IP : unreadable(type);
}

function afterSll(frame: Uint8Array, length: number, originalLength: number): number {
  if (length < SLL_HEADER_LENGTH) return tooShort(SLL_HEADER_LENGTH, originalLength);
  const type = readU16(frame, SLL_TYPE_OFFSET);
  return type < FIRST_ETHERTYPE
    ? afterCookedNumber(frame, type, SLL_HEADER_LENGTH, length, originalLength)
    : afterType(frame, SLL_TYPE_OFFSET, length, originalLength, MAX_VLAN_TAGS);
}

/** The type stands first here, so that the rest of a tag it announces opens the payload: control field, then type. */
function afterSll2(frame: Uint8Array, length: number, originalLength: number): number {
  if (length < SLL2_HEADER_LENGTH) return tooShort(SLL2_HEADER_LENGTH, originalLength);
  const type = readU16(frame, 0);
  if (type === ETHERTYPE_IPV4) return ipOr(frame, SLL2_HEADER_LENGTH, length, originalLength, 4);
  if (type === ETHERTYPE_IPV6) return ipOr(frame, SLL2_HEADER_LENGTH, length, originalLength, 6);
  if (isVlanType(type)) return afterType(frame, SLL2_INNER_TYPE_OFFSET, length, originalLength, MAX_VLAN_TAGS - 1);
  return type < FIRST_ETHERTYPE
    ? afterCookedNumber(frame, type, SLL2_HEADER_LENGTH, length, originalLength)
    : ofType(frame, type, SLL2_HEADER_LENGTH, length, originalLength);
}

/** A number of the capturing system instead of a type. */
function afterCookedNumber(
  frame: Uint8Array,
  number: number,
  at: number,
  length: number,
  originalLength: number,
): number {
  if (number !== COOKED_LLC) return unreadable(NO_ETHERTYPE);
  return classifyLlc(frame, at, originalLength - at, length, originalLength);
}

function afterFamily(frame: Uint8Array, length: number, originalLength: number): number {
  if (length < LOOPBACK_HEADER_LENGTH) return tooShort(LOOPBACK_HEADER_LENGTH, originalLength);
  const word = readU32(frame, 0);
  // A family is below 256: in the other byte order it is alone in the high octet.
  const family = (word & 0x00ffffff) === 0 ? word >>> 24 : word;
  if (family === FAMILY_IPV4) return ipOr(frame, LOOPBACK_HEADER_LENGTH, length, originalLength, 4);
  if (isIpv6Family(family)) return ipOr(frame, LOOPBACK_HEADER_LENGTH, length, originalLength, 6);
  return unreadable(NO_ETHERTYPE);
}

/** AF_INET6 is 10 on Linux, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on Darwin. */
function isIpv6Family(family: number): boolean {
  return family === 10 || family === 24 || family === 28 || family === 30;
}

/** `at`, where a datagram of that version starts there; else malformed: the link header promised one. */
function ipOr(frame: Uint8Array, at: number, length: number, originalLength: number, version: 4 | 6): number {
  if (at >= length) return tooShort(at + (version === 4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH), originalLength);
  return startsIp(frame, at, length, version) ? at : MALFORMED;
}

function startsIp(frame: Uint8Array, at: number, length: number, version: 4 | 6): boolean {
  return at < length && readU8(frame, at) >>> 4 === version;
}

/** Octet of the type field behind all tags, in a link header of `end` octets; -1 for linktypes without one. */
export function typeField(frame: Uint8Array, end: number, linktype: number): number {
  switch (linktype) {
    case LINKTYPE_ETHERNET:
      return skipVlanTags(frame, ETHERNET_TYPE_OFFSET, end, MAX_VLAN_TAGS);
    case LINKTYPE_LINUX_SLL:
      return skipVlanTags(frame, SLL_TYPE_OFFSET, end, MAX_VLAN_TAGS);
    case LINKTYPE_LINUX_SLL2:
      return isVlanType(readU16(frame, 0)) ? skipVlanTags(frame, SLL2_INNER_TYPE_OFFSET, end, MAX_VLAN_TAGS - 1) : 0;
    default:
      return -1;
  }
}

/** Octet of what the type field at `at` announces. */
function behindType(at: number, linktype: number): number {
  return linktype === LINKTYPE_LINUX_SLL2 && at === 0 ? SLL2_HEADER_LENGTH : at + 2;
}

function cookedPacketType(frame: Uint8Array, length: number, linktype: number): number {
  if (linktype === LINKTYPE_LINUX_SLL && length >= SLL_HEADER_LENGTH) return readU16(frame, 0);
  if (linktype === LINKTYPE_LINUX_SLL2 && length >= SLL2_HEADER_LENGTH) return readU8(frame, SLL2_PACKET_TYPE_OFFSET);
  return -1;
}
