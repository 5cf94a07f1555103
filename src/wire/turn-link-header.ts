/**
 * Link headers for frames that nobody captured: that of a frame in the other direction, and of the other IP version.
 *
 * ```
 *   Ethernet        the addresses change places; a group cannot be a source, so 02:00:00:00:00:00 stands for one
 *   Linux cooked    "sent to us" and "sent by us" change places; the address of the sender is not known, so there is none
 *   BSD loopback    the family, in the byte order it had; for IPv6 the number of the most frequent writer of the link type
 *   raw IP          nothing
 * ```
 * Floor 0. Rule: changes a copy of a header that {@link classifyFrame} has found IP behind, within its length. Tags stay.
 *
 * @see the linktype registry of the tcpdump group
 * @module
 */

import { readU16, readU32, writeU16 } from './bytes.ts';
import { ADDRESS_LENGTH, DESTINATION_OFFSET, ETHERTYPE_IPV4, ETHERTYPE_IPV6, SOURCE_OFFSET } from './ethernet.ts';
import {
  LINKTYPE_ETHERNET,
  LINKTYPE_IPV4,
  LINKTYPE_IPV6,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_LINUX_SLL2,
  LINKTYPE_LOOP,
  LINKTYPE_NULL,
  typeField,
} from './link.ts';
import { ETHERTYPE_PPPOE_SESSION } from './pppoe.ts';

const GROUP_BIT = 1;
/** Locally administered, and nobody's. */
const NOBODY = Uint8Array.of(2, 0, 0, 0, 0, 0);
/** Of the header at hand: a reply of a hook is turned for every packet. */
const destination = new Uint8Array(ADDRESS_LENGTH);
/** Packet types of a cooked header (packet(7)). */
const PACKET_HOST = 0;
const PACKET_OUTGOING = 4;
/** Offsets of a cooked header, version 1: packet type, then hardware type, then length and octets of the address. */
const SLL_ADDRESS_LENGTH_OFFSET = 4;
const SLL_ADDRESS_OFFSET = 6;
/** Version 2. */
const SLL2_PACKET_TYPE_OFFSET = 10;
const SLL2_ADDRESS_LENGTH_OFFSET = 11;
const SLL2_ADDRESS_OFFSET = 12;
const COOKED_ADDRESS_ROOM = 8;
const FAMILY_IPV4 = 2;
/** AF_INET6 of Darwin and of OpenBSD. */
const FAMILY_IPV6_DARWIN = 30;
const FAMILY_IPV6_OPENBSD = 24;
const PPP_IPV4 = 0x21;
const PPP_IPV6 = 0x57;

/** Makes the link header at octet 0 that of a frame in the other direction. */
export function turnLinkHeader(header: Buffer, linktype: number): void {
  switch (linktype) {
    case LINKTYPE_ETHERNET: {
      for (let i = 0; i < ADDRESS_LENGTH; i++) destination[i] = header[DESTINATION_OFFSET + i] as number;
      header.copyWithin(DESTINATION_OFFSET, SOURCE_OFFSET, SOURCE_OFFSET + ADDRESS_LENGTH);
      header.set(((destination[0] ?? 0) & GROUP_BIT) === 0 ? destination : NOBODY, SOURCE_OFFSET);
      return;
    }
    case LINKTYPE_LINUX_SLL:
      writeU16(header, 0, readU16(header, 0) === PACKET_OUTGOING ? PACKET_HOST : PACKET_OUTGOING);
      writeU16(header, SLL_ADDRESS_LENGTH_OFFSET, 0);
      header.fill(0, SLL_ADDRESS_OFFSET, SLL_ADDRESS_OFFSET + COOKED_ADDRESS_ROOM);
      return;
    case LINKTYPE_LINUX_SLL2: {
      const wasOutgoing = header[SLL2_PACKET_TYPE_OFFSET] === PACKET_OUTGOING;
      header[SLL2_PACKET_TYPE_OFFSET] = wasOutgoing ? PACKET_HOST : PACKET_OUTGOING;
      header[SLL2_ADDRESS_LENGTH_OFFSET] = 0;
      header.fill(0, SLL2_ADDRESS_OFFSET, SLL2_ADDRESS_OFFSET + COOKED_ADDRESS_ROOM);
      return;
    }
    default:
  }
}

/**
 * Has the link header at octet 0 announce the other IP version.
 *
 * @param length - octets of the header
 * @param version - of the datagram that goes behind it
 * @returns false where the header cannot: of link types for one version, behind MPLS labels
 */
export function announceVersion(header: Buffer, length: number, linktype: number, version: 4 | 6): boolean {
  switch (linktype) {
    case LINKTYPE_IPV4:
    case LINKTYPE_IPV6:
      return (linktype === LINKTYPE_IPV4) === (version === 4);
    case LINKTYPE_NULL:
    case LINKTYPE_LOOP: {
      const isTurned = (readU32(header, 0) & 0x00ffffff) === 0;
      const ipv6 = linktype === LINKTYPE_LOOP ? FAMILY_IPV6_OPENBSD : FAMILY_IPV6_DARWIN;
      const family = version === 4 ? FAMILY_IPV4 : ipv6;
      if (isTurned) header.writeUInt32LE(family, 0);
      else header.writeUInt32BE(family, 0);
      return true;
    }
    default:
      return announceType(header, typeField(header, length, linktype), length, version);
  }
}

function announceType(header: Buffer, at: number, length: number, version: 4 | 6): boolean {
  // Raw IP says it by the first octet of the datagram.
  if (at === -1) return true;
  const type = readU16(header, at);
  if (type === ETHERTYPE_PPPOE_SESSION) {
    // The last octet of the PPP protocol, which may be compressed: 0x21 and 0x57.
    header[length - 1] = version === 4 ? PPP_IPV4 : PPP_IPV6;
    return true;
  }
  if (type !== ETHERTYPE_IPV4 && type !== ETHERTYPE_IPV6) return false;
  writeU16(header, at, version === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
  return true;
}
