/**
 * IEEE 802.2: what stands in a frame whose type field is a length.
 *
 *  octet  0      1      2         3     6          8
 *         | DSAP | SSAP | control | OUI | protocol | ...     OUI and protocol behind aa aa 03 alone: SNAP
 *
 * Floor 0. Reads in place and never allocates. Rule: IP in here is not taken apart (no kernel that is supported takes it
 * as IP), and all that could be IP is unreadable.
 *
 * @see IEEE 802.2 (LLC), IEEE 802 clause 10 (SNAP), RFC 1042 (IP in it), ISO/IEC TR 9577 (NLPID)
 * @module
 */

import { readU8, readU16 } from './bytes.ts';
import { isKnownWithoutIp } from './ether-types.ts';
import { MALFORMED, NO_ETHERTYPE, NOT_IP, tooShort, unreadable } from './frame-kind.ts';

const HEADER_LENGTH = 3;
const SNAP_LENGTH = 8;
/** Control field of unnumbered information, what every protocol here uses. */
const UNNUMBERED_INFORMATION = 0x03;

/** The LLC itself: XID and TEST, as an access point sends them for a station that moved (IEEE 802.2, 3.3.1.2). */
const SAP_NULL = 0x00;
/** Spanning tree (IEEE 802.1D). */
const SAP_SPANNING_TREE = 0x42;
/** ARP over 802.2 (RFC 1340, "IEEE 802 numbers"). */
const SAP_ARP = 0x98;
const SAP_SNAP = 0xaa;
/** ISO network layer; the first octet of the payload says which protocol. */
const SAP_ISO = 0xfe;
/** ES-IS (ISO 9542) and IS-IS (ISO 10589). CLNP, 0x81, can carry IP. */
const NLPID_ES_IS = 0x82;
const NLPID_IS_IS = 0x83;

/** The protocol is an EtherType: RFC 1042, and bridges of 802.1H. */
const OUI_ETHERTYPE = 0x000000;
const OUI_BRIDGED_ETHERTYPE = 0x0000f8;
const OUI_CISCO = 0x00000c;
/** Of Cisco: PAgP, PVST+, UDLD, CDP, VTP, DTP. */
const CISCO_WITHOUT_IP: ReadonlySet<number> = new Set([0x0104, 0x010b, 0x0111, 0x2000, 0x2003, 0x2004]);

/**
 * Says what kind of frame it is.
 *
 * @param at - octet of the DSAP
 * @param declared - octets from there, as the length field says
 * @param length - octets of the frame that are there
 * @param originalLength - octets of the frame that were on the wire
 */
export function classifyLlc(
  frame: Uint8Array,
  at: number,
  declared: number,
  length: number,
  originalLength: number,
): number {
  if (declared < HEADER_LENGTH || at + declared > originalLength) return MALFORMED;
  if (at + HEADER_LENGTH > length) return tooShort(at + HEADER_LENGTH, originalLength);
  const destination = readU8(frame, at);
  if (destination === SAP_NULL || destination === SAP_ARP) return NOT_IP;
  if (readU8(frame, at + 1) !== destination || readU8(frame, at + 2) !== UNNUMBERED_INFORMATION)
    return unreadable(NO_ETHERTYPE);
  switch (destination) {
    case SAP_SPANNING_TREE:
      return NOT_IP;
    case SAP_ISO: {
      if (declared === HEADER_LENGTH) return unreadable(NO_ETHERTYPE);
      if (at + HEADER_LENGTH >= length) return tooShort(at + HEADER_LENGTH + 1, originalLength);
      const protocol = readU8(frame, at + HEADER_LENGTH);
      return protocol === NLPID_ES_IS || protocol === NLPID_IS_IS ? NOT_IP : unreadable(NO_ETHERTYPE);
    }
    case SAP_SNAP:
      if (declared < SNAP_LENGTH) return MALFORMED;
      if (at + SNAP_LENGTH > length) return tooShort(at + SNAP_LENGTH, originalLength);
      return isSnapWithoutIp(frame, at + HEADER_LENGTH) ? NOT_IP : unreadable(NO_ETHERTYPE);
    default:
      return unreadable(NO_ETHERTYPE);
  }
}

function isSnapWithoutIp(frame: Uint8Array, at: number): boolean {
  const organization = (readU8(frame, at) << 16) | readU16(frame, at + 1);
  const protocol = readU16(frame, at + 3);
  if (organization === OUI_CISCO) return CISCO_WITHOUT_IP.has(protocol);
  return (organization === OUI_ETHERTYPE || organization === OUI_BRIDGED_ETHERTYPE) && isKnownWithoutIp(protocol);
}
