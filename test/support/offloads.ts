/**
 * Frames with the offload state that a network card is given: a checksum that is not final, a super-frame and how to cut it.
 *
 * ```
 *   offloaded({ version: 4, protocol: 'tcp', payload, segment: 500 }) ─> [ virtio-net header | frame ] ─> sendFrames(vnet)
 * ```
 * Rule: nothing here comes from the code under test but the builders of plain datagrams; sums are added up anew.
 *
 * @see virtio 1.2 section 5.1.6, packet(7) (PACKET_VNET_HDR), RFC 1071
 * @module
 */

import { ethernet, ipv4, ipv6, tcp, udp } from './packet-builder.ts';
import { checkIpv4, checkIpv6, tcp as isTcp, udp as isUdp } from './packet-checker.ts';

/** Octets of a virtio-net header. */
export const VNET_HEADER = 10;
/** Value of the first octet: the checksum is not final. */
export const NEEDS_CHECKSUM = 1;
/** An 802.1Q tag, and the outer one of two (802.1ad): EtherType and priority with VLAN. */
export const VLAN = [0x8100, 0x6005] as const;
/** See {@link VLAN}. */
export const QINQ = [0x88a8, 0x0064] as const;

const GSO_TCP4 = 1;
const GSO_TCP6 = 4;
const GSO_UDP = 5;
const MAC_ADDRESSES = 12;
const ETHERNET_HEADER = 14;
const TAG = 4;

/** What {@link offloaded} makes; whatever is left out is valid. */
export interface OffloadedSpec {
  readonly version: 4 | 6;
  readonly protocol: 'tcp' | 'udp';
  readonly payload: Uint8Array;
  /** Octets of payload in each segment; 0 for a frame that is not to be cut. @defaultValue 0 */
  readonly segment?: number;
  /** EtherType and control octets of the tags, the outer one first. @defaultValue none */
  readonly tags?: readonly (readonly [number, number])[];
  readonly destination?: string;
  /** @defaultValue 9000 */
  readonly port?: number;
  /** Time to live, or hop limit. @defaultValue 64 */
  readonly ttl?: number;
  /** False leaves the checksum final. @defaultValue true */
  readonly isPartial?: boolean;
  /** Does not hold for IPv6. @defaultValue false */
  readonly dontFragment?: boolean;
}

/** A frame behind its virtio-net header, numbers in network byte order. Nobody has its link addresses. */
export function offloaded(spec: OffloadedSpec): Buffer {
  const { version, protocol, segment = 0, tags = [], isPartial = true } = spec;
  const isTcp = protocol === 'tcp';
  const transport = version === 4 ? 20 : 40;
  const datagram = datagramOf(spec);
  const field = isTcp ? 16 : 6;
  if (isPartial) datagram.writeUInt16BE(pseudoSum(datagram), transport + field);
  const start = ETHERNET_HEADER + TAG * tags.length + transport;
  const vnet = Buffer.alloc(VNET_HEADER);
  if (isPartial) {
    vnet[0] = NEEDS_CHECKSUM;
    vnet.writeUInt16BE(start, 6);
    vnet.writeUInt16BE(field, 8);
  }
  if (segment > 0) {
    const tcpType = version === 4 ? GSO_TCP4 : GSO_TCP6;
    vnet[1] = isTcp ? tcpType : GSO_UDP;
    vnet.writeUInt16BE(start + (isTcp ? 20 : 8), 2);
    vnet.writeUInt16BE(segment, 4);
  }
  const link = { source: Buffer.from('02000000aa01', 'hex'), destination: Buffer.from('02000000aa02', 'hex') };
  const plain = ethernet(link, datagram);
  const octetsOfTags = tags.map(([type, control]) => Buffer.from([type >> 8, type & 255, control >> 8, control & 255]));
  return Buffer.concat([vnet, plain.subarray(0, MAC_ADDRESSES), ...octetsOfTags, plain.subarray(MAC_ADDRESSES)]);
}

/** The frame behind a virtio-net header, its checksum completed as that says. A copy. */
export function completed(frame: Buffer): Buffer {
  const done = Buffer.from(frame.subarray(VNET_HEADER));
  if (((frame[0] ?? 0) & NEEDS_CHECKSUM) === 0) return done;
  const start = frame.readUInt16BE(6);
  const sum = folded(done.subarray(start)) ^ 0xffff;
  // UDP has no other word for a sum of 0 (RFC 768); TCP takes either.
  done.writeUInt16BE(sum === 0 ? 0xffff : sum, start + frame.readUInt16BE(8));
  return done;
}

/**
 * A finished frame as its sender hands it to a card that is to sum it: behind a virtio-net header, the field holding `word`.
 *
 * @param start - octet of the frame where the sum starts
 * @param field - octets from there to the checksum
 */
export function unfinished(frame: Buffer, start: number, field: number, word: number): Buffer {
  const vnet = Buffer.alloc(VNET_HEADER);
  vnet[0] = NEEDS_CHECKSUM;
  vnet.writeUInt16BE(start, 6);
  vnet.writeUInt16BE(field, 8);
  const given = Buffer.from(frame);
  given.writeUInt16BE(word, start + field);
  return Buffer.concat([vnet, given]);
}

/** Fails unless the checksums of the frame behind a virtio-net header are right, once completed. */
export function assertRight(frame: Buffer): void {
  const datagram = datagramIn(completed(frame));
  const isIpv4 = datagram.readUInt8(0) >> 4 === 4;
  const transport = datagram[isIpv4 ? 9 : 6] === 6 ? isTcp() : isUdp();
  if (isIpv4) checkIpv4(datagram, transport);
  else checkIpv6(datagram, transport);
}

/** The datagram of a frame without a virtio-net header, behind whatever tags there are. */
function datagramIn(frame: Buffer): Buffer {
  let at = MAC_ADDRESSES;
  while ([VLAN[0], QINQ[0]].includes(frame.readUInt16BE(at) as 0x8100)) at += TAG;
  return frame.subarray(at + 2);
}

function datagramOf(spec: OffloadedSpec): Buffer {
  const { version, protocol, payload, port = 9000, ttl = 64, dontFragment = false } = spec;
  const ports = { sourcePort: 40_000, destinationPort: port };
  const transport = protocol === 'tcp' ? tcp({ ...ports, flags: 0x18 }, payload) : udp(ports, payload);
  const destination = spec.destination ?? (version === 4 ? '10.77.0.2' : 'fd77::2');
  return version === 4
    ? ipv4({ source: '10.77.0.1', destination, ttl, identification: 7, dontFragment }, transport)
    : ipv6({ source: 'fd77::1', destination, hopLimit: ttl }, transport);
}

/** The folded sum of the pseudo header: what stands in the field of a checksum that is not final. */
export function pseudoSum(datagram: Buffer): number {
  const isIpv4 = datagram.readUInt8(0) >> 4 === 4;
  const addresses = isIpv4 ? datagram.subarray(12, 20) : datagram.subarray(8, 40);
  const rest = Buffer.alloc(8);
  rest.writeUInt32BE(datagram.length - (isIpv4 ? 20 : 40), 0);
  rest.writeUInt8(datagram.readUInt8(isIpv4 ? 9 : 6), 7);
  return folded(Buffer.concat([addresses, rest]));
}

function folded(octets: Buffer): number {
  let sum = 0;
  for (let at = 0; at < octets.length; at += 2) sum += ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}
