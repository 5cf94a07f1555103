/**
 * PPP over Ethernet, the session stage (RFC 2516, EtherType 0x8864).
 *
 *  octet  0              1        2            4                  6
 *         | ver 1 type 1 | code 0 | session id | octets that follow | PPP protocol 1-2 | IP ... | padding
 *
 * Floor 0. Reads in place and never allocates. Rule: the length in the header bounds the datagram. Whoever puts a
 * datagram of another length behind it has to write that length, see {@link setLength}.
 *
 * @see RFC 1661 section 2 (numbers of PPP protocols) and 6.5 (one octet instead of two), RFC 1332, RFC 5072
 * @module
 */

import { readU8, readU16, writeU16 } from './bytes.ts';
import { MALFORMED, NOT_IP, tooShort, unreadable } from './frame-kind.ts';

/** EtherType of the session stage. */
export const ETHERTYPE_PPPOE_SESSION = 0x8864;
/** Length of the header before the PPP protocol, in octets. */
export const HEADER_LENGTH = 6;
/** Most octets that can follow the header. */
export const MAX_LENGTH = 0xffff;

const LENGTH_OFFSET = 4;
const VERSION_AND_TYPE = 0x11;
const CODE_SESSION = 0;
const PPP_IPV4 = 0x0021;
const PPP_IPV6 = 0x0057;
/** From here on: the control protocols of network protocols and of the link (LCP, IPCP, PAP, CHAP ...). */
const PPP_FIRST_CONTROL = 0x8000;
/** As many octets of an IP header as it takes to know how long its datagram is. */
const ENOUGH_OF_IP = 7;
const IPV6_HEADER = 40;
const IPV6_NOTHING_FOLLOWS = 59;

/** Reads the octets that follow the header. */
export function payloadLength(frame: Uint8Array, at: number): number {
  return readU16(frame, at + LENGTH_OFFSET);
}

/** Replaces the octets that follow the header: PPP protocol and datagram. */
export function setLength(frame: Uint8Array, at: number, octets: number): void {
  writeU16(frame, at + LENGTH_OFFSET, octets);
}

/**
 * Says what kind of frame it is.
 *
 * @param at - octet of the session header
 * @param length - octets of the frame that are there
 * @param originalLength - octets of the frame that were on the wire
 */
export function classifySession(frame: Uint8Array, at: number, length: number, originalLength: number): number {
  const ppp = at + HEADER_LENGTH;
  if (at < length && readU8(frame, at) !== VERSION_AND_TYPE) return MALFORMED;
  if (at + 1 < length && readU8(frame, at + 1) !== CODE_SESSION) return MALFORMED;
  const declared = ppp <= length ? payloadLength(frame, at) : 1;
  if (declared < 1 || ppp + declared > originalLength) return MALFORMED;
  if (ppp + 1 > length) return tooShort(ppp + 1, originalLength);
  // Numbers have an even first octet and an odd last one. An odd first octet stands alone: the other was 0 (RFC 1661 6.5).
  const isOneOctet = (readU8(frame, ppp) & 1) === 1;
  const protocolLength = isOneOctet ? 1 : 2;
  if (declared < protocolLength) return MALFORMED;
  if (ppp + protocolLength > length) return tooShort(ppp + protocolLength, originalLength);
  const protocol = isOneOctet ? readU8(frame, ppp) : readU16(frame, ppp);
  const datagram = ppp + protocolLength;
  if (protocol === PPP_IPV4) return whereItFits(frame, datagram, declared - protocolLength, length, originalLength, 4);
  if (protocol === PPP_IPV6) return whereItFits(frame, datagram, declared - protocolLength, length, originalLength, 6);
  return protocol >= PPP_FIRST_CONTROL && (protocol & 1) === 1 ? NOT_IP : unreadable(ETHERTYPE_PPPOE_SESSION);
}

/** The octet of an IP datagram that is of that version and no longer than the session says. */
function whereItFits(
  frame: Uint8Array,
  at: number,
  room: number,
  length: number,
  originalLength: number,
  version: 4 | 6,
): number {
  if (at < length && readU8(frame, at) >>> 4 !== version) return MALFORMED;
  if (at + ENOUGH_OF_IP > length) return tooShort(at + ENOUGH_OF_IP, originalLength);
  const declared = version === 4 ? readU16(frame, at + 2) : IPV6_HEADER + readU16(frame, at + 4);
  // Super-frames and jumbograms leave their length open. What is in a session has one.
  const isOpen =
    version === 4 ? declared === 0 : declared === IPV6_HEADER && readU8(frame, at + 6) !== IPV6_NOTHING_FOLLOWS;
  return isOpen || declared > room ? MALFORMED : at;
}
