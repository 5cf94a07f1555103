/**
 * From what a test sends to a frame as a driver hands it out, and from a frame that left to its datagram.
 *
 * Rule: a frame is as a card would deliver it: padded to 60 octets, a multicast or broadcast of the link where the destination is one.
 *
 * @module
 */

import { FRAME_CHECKSUM_PARTIAL, FRAME_SUPER } from '../drivers/frame.ts';
import { fillPseudoSum } from '../wire/datagram.ts';
import { IpLayout, parseIpLayout } from '../wire/ip-layout.ts';
import { DESTINATION_OFFSET as IPV4_DESTINATION, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';
import { DESTINATION_OFFSET as IPV6_DESTINATION } from '../wire/ipv6.ts';
import { classifyFrame, LINKTYPE_ETHERNET } from '../wire/link.ts';
import { ethernet, MACS } from './frames.ts';
import type { SendOptions } from './lab-contract.ts';

/** Least octets of an Ethernet frame, without its checksum (IEEE 802.3). */
const LEAST_FRAME = 60;

/** A frame that is ready to come in. */
export interface Prepared {
  readonly frame: Buffer;
  /** Its datagram, a copy; null where there is none. */
  readonly datagram: Buffer | null;
  /** `FRAME_CHECKSUM_PARTIAL`, `FRAME_SUPER`. */
  readonly flags: number;
  readonly segmentSize: number;
}

/**
 * Makes the frame.
 *
 * @param side - 0 or 1: which of the two MAC addresses it comes from
 * @throws TypeError for octets that are neither, and for a partial checksum of what has none
 */
export function prepare(octets: Uint8Array, side: number, options: SendOptions): Prepared {
  const { segmentSize = 0 } = options;
  const isPartial = options.partialChecksum === true || segmentSize > 0;
  const frame = options.frame === true ? Buffer.from(octets) : frameAround(octets, side);
  if (isPartial) leaveChecksum(frame);
  const flags = (isPartial ? FRAME_CHECKSUM_PARTIAL : 0) | (segmentSize > 0 ? FRAME_SUPER : 0);
  return { frame, datagram: datagramIn(frame), flags, segmentSize };
}

/** The datagram in an Ethernet frame, without padding, a copy; null where there is none that is well-formed. */
export function datagramIn(frame: Buffer): Buffer | null {
  const at = placeIn(frame);
  return at === null ? null : Buffer.from(frame.subarray(at.offset, at.offset + at.layout.length));
}

function frameAround(datagram: Uint8Array, side: number): Buffer {
  const version = (datagram[0] ?? 0) >>> 4;
  if (version !== 4 && version !== 6)
    throw new TypeError('these octets are no IP datagram; a whole Ethernet frame is sent with frame: true');
  const [source, other] = side === 0 ? MACS : [MACS[1], MACS[0]];
  return ethernet(
    { source, destination: groupMac(datagram, version) ?? other, padTo: LEAST_FRAME },
    datagram,
  ) as Buffer;
}

/** The MAC address of a broadcast or multicast (RFC 1112 6.4, RFC 2464 section 7); undefined for one host's. */
function groupMac(datagram: Uint8Array, version: 4 | 6): Buffer | undefined {
  const address = Buffer.from(datagram).subarray(version === 4 ? IPV4_DESTINATION : IPV6_DESTINATION);
  const first = address[0] ?? 0;
  if (version === 6)
    return first === 0xff ? Buffer.concat([Buffer.of(0x33, 0x33), address.subarray(12, 16)]) : undefined;
  if (first >>> 4 === 0xe)
    return Buffer.of(0x01, 0x00, 0x5e, (address[1] ?? 0) & 0x7f, address[2] ?? 0, address[3] ?? 0);
  return address.subarray(0, 4).equals(Buffer.alloc(4, 0xff)) ? Buffer.alloc(6, 0xff) : undefined;
}

/** What a stack writes that leaves the checksum to the card: the sum of the pseudo header. */
function leaveChecksum(frame: Buffer): void {
  const at = placeIn(frame);
  const protocol = at?.layout.protocol;
  if (at === null || at.layout.isFragment || (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP))
    throw new TypeError('only whole datagrams of TCP and UDP can leave their checksum to the card');
  fillPseudoSum(frame.subarray(at.offset), at.layout);
}

function placeIn(frame: Buffer): { readonly offset: number; readonly layout: IpLayout } | null {
  const { length } = frame;
  const offset = classifyFrame(frame, length, length, LINKTYPE_ETHERNET);
  const layout = new IpLayout();
  if (offset < 0 || !parseIpLayout(frame, offset, length - offset, length - offset, layout, true)) return null;
  return { offset, layout };
}
