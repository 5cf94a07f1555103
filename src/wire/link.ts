/**
 * Where the IP header starts in a frame, for every linktype firehook can read.
 *
 * ```
 *  NULL, LOOP   | family 4 | IP ...                               family in either byte order
 *  ETHERNET     | MACs 12 | tags 0-16 | type 2 | IP ...
 *  LINUX_SLL    | packet type 2 | ARPHRD 2 | address 10 | type 2 | IP ...
 *  LINUX_SLL2   | type 2 | 0 2 | ifindex 4 | ARPHRD 2 | packet type 1 | address 9 | IP ...
 *  RAW, IPV4, IPV6                                  | IP ...
 * ```
 * Floor 0. Reads in place and never allocates. Rule: the link header alone decides. A frame that says it carries IP has
 * an offset even when what follows is no IP header or nothing at all: `parseIpLayout` then calls it malformed, so that it
 * cannot pass as "not IP".
 *
 * @see the linktype registry of the tcpdump group
 * @module
 */

import { readU8, readU16, readU32 } from './bytes.ts';
import {
  DESTINATION_OFFSET,
  HEADER_LENGTH as ETHERNET_HEADER_LENGTH,
  TYPE_OFFSET as ETHERNET_TYPE_OFFSET,
  isBroadcast,
  isIpType,
  isMulticast,
  isVlanType,
  MAX_VLAN_TAGS,
  skipVlanTags,
} from './ethernet.ts';

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

/** Packet types of a cooked header: how the frame was addressed (packet(7)). */
const PACKET_BROADCAST = 1;
const PACKET_MULTICAST = 2;

/** True for the linktypes that {@link networkOffset} can read. */
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
 * Finds the octet where the IP header starts. Never throws. Cost: O(VLAN tags), no allocation.
 *
 * @param frame - the frame starts at octet 0
 * @param length - octets of it that are there
 * @returns 0 to `length`; -1 when the frame does not say it carries IPv4 or IPv6, is shorter than its link header, has
 *   more than four VLAN tags, or is of an unknown linktype
 */
export function networkOffset(frame: Uint8Array, length: number, linktype: number): number {
  switch (linktype) {
    case LINKTYPE_ETHERNET:
      return afterType(frame, ETHERNET_TYPE_OFFSET, length, MAX_VLAN_TAGS);
    case LINKTYPE_LINUX_SLL:
      return afterType(frame, SLL_TYPE_OFFSET, length, MAX_VLAN_TAGS);
    case LINKTYPE_LINUX_SLL2:
      return afterSll2(frame, length);
    case LINKTYPE_NULL:
    case LINKTYPE_LOOP:
      return length >= LOOPBACK_HEADER_LENGTH && isIpFamily(readU32(frame, 0)) ? LOOPBACK_HEADER_LENGTH : -1;
    case DLT_RAW:
    case DLT_RAW_OPENBSD:
    case LINKTYPE_RAW:
    case LINKTYPE_IPV4:
    case LINKTYPE_IPV6:
      return 0;
    default:
      return -1;
  }
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

function afterType(frame: Uint8Array, typeOffset: number, length: number, maxTags: number): number {
  const innermost = skipVlanTags(frame, typeOffset, length, maxTags);
  return innermost !== -1 && isIpType(readU16(frame, innermost)) ? innermost + 2 : -1;
}

/** The type stands first here, so that the rest of a tag it announces opens the payload: control field, then type. */
function afterSll2(frame: Uint8Array, length: number): number {
  if (length < SLL2_HEADER_LENGTH) return -1;
  const type = readU16(frame, 0);
  if (isIpType(type)) return SLL2_HEADER_LENGTH;
  return isVlanType(type) ? afterType(frame, SLL2_HEADER_LENGTH + 2, length, MAX_VLAN_TAGS - 1) : -1;
}

/** AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on Darwin. */
function isIpFamily(word: number): boolean {
  // A family is below 256: in the other byte order it is alone in the high octet.
  const family = (word & 0x00ffffff) === 0 ? word >>> 24 : word;
  return family === 2 || family === 10 || family === 24 || family === 28 || family === 30;
}

function cookedPacketType(frame: Uint8Array, length: number, linktype: number): number {
  if (linktype === LINKTYPE_LINUX_SLL && length >= SLL_HEADER_LENGTH) return readU16(frame, 0);
  if (linktype === LINKTYPE_LINUX_SLL2 && length >= SLL2_HEADER_LENGTH) return readU8(frame, SLL2_PACKET_TYPE_OFFSET);
  return -1;
}
