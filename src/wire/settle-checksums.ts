/**
 * Makes every transport checksum final in a datagram that somebody put together out of one whose checksum was not.
 *
 * ```
 *   a copy:                     | IP | TCP, pseudo sum in the field | payload |
 *   wrapped in a tunnel:        | IP | UDP or GRE ... | IP | TCP, pseudo sum in the field | payload |
 *   taken out of a tunnel:      the first of the two again
 * ```
 * The outermost checksum is computed whatever its field holds. One further in is computed only where its field holds what
 * it holds as long as it is not final, the sum of the pseudo header (0 for SCTP), or where something within it was
 * computed: what stands in a payload and is right stays as it is.
 *
 * Floor 0. Never throws and never allocates.
 *
 * @see RFC 2003 (IP in IP), RFC 2784 (GRE), RFC 7348 (VXLAN), RFC 8926 (Geneve)
 * @module
 */

import { readU8, readU16, readU32, writeU16 } from './bytes.ts';
import { checksum, fold, pseudoHeaderSumIpv4, pseudoHeaderSumIpv6 } from './checksum.ts';
import { IpLayout, parseIpLayout } from './ip-layout.ts';
import * as ipv4 from './ipv4.ts';
import * as sctp from './sctp.ts';
import * as tcp from './tcp.ts';
import * as udp from './udp.ts';

/** IP in IP in IP: deeper than anybody nests tunnels behind one checksum that is not final. */
const MAX_DEPTH = 4;
const PROTOCOL_IPV4 = 4;
const PROTOCOL_IPV6 = 41;
const PROTOCOL_GRE = 47;
const GRE_BASE = 4;
/** Checksum, key and sequence number: four octets more each. */
const GRE_OPTIONS = [0x8000, 0x2000, 0x1000];
const GRE_HAS_CHECKSUM = 0x8000;
/** VXLAN and Geneve without options. */
const OVERLAY_HEADER = 8;
/** Low six bits of the first octet of Geneve: four octets of options each. */
const GENEVE_OPTIONS = 0x3f;
const ETHERNET_HEADER = 14;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const ETHERTYPE_ETHERNET = 0x6558;

/** One a depth: everything here is synchronous. */
const layouts = Array.from({ length: MAX_DEPTH }, () => new IpLayout());
/** Where the datagram of each depth starts. */
const starts = new Int32Array(MAX_DEPTH);

/**
 * Computes the checksums. Cost: O(length) for each that is not final; a datagram that is no tunnel is read once.
 *
 * @param bytes - the datagram at octet 0
 * @param length - its octets
 * @returns false, with nothing changed, when it is malformed or not whole
 */
export function settleChecksums(bytes: Uint8Array, length: number): boolean {
  let depth = 0;
  for (let start = 0; start >= 0 && depth < MAX_DEPTH; depth++) {
    const layout = layouts[depth] as IpLayout;
    if (start > length || !parseIpLayout(bytes, start, length - start, length - start, layout)) break;
    starts[depth] = start;
    start = layout.isFragment || layout.truncated ? -1 : findInner(bytes, start, layout);
  }
  let isChanged = false;
  for (let at = depth - 1; at >= 0; at--) {
    const isTunnel = at + 1 < depth;
    // From the inside out: an outer checksum covers what is within.
    isChanged = settle(bytes, starts[at] as number, layouts[at] as IpLayout, isTunnel, isChanged || at === 0);
  }
  return depth > 0;
}

/** Octet of the IP header within the datagram at `start`; -1 where it carries none that is known. */
function findInner(bytes: Uint8Array, start: number, layout: IpLayout): number {
  const at = start + layout.transportOffset;
  const end = start + layout.length;
  switch (layout.protocol) {
    case PROTOCOL_IPV4:
    case PROTOCOL_IPV6:
      return isIpTo(bytes, at, end) ? at : -1;
    case PROTOCOL_GRE:
      return at + GRE_BASE <= end ? findInGre(bytes, at, end) : -1;
    case ipv4.PROTOCOL_UDP:
      return findInUdp(bytes, at + udp.HEADER_LENGTH, end);
    default:
      return -1;
  }
}

function findInGre(bytes: Uint8Array, at: number, end: number): number {
  const flags = readU16(bytes, at);
  let inner = at + GRE_BASE;
  for (const option of GRE_OPTIONS) if ((flags & option) !== 0) inner += 4;
  const isEthernet = readU16(bytes, at + 2) === ETHERTYPE_ETHERNET;
  if (isEthernet) return findInEthernet(bytes, inner, end);
  return isIpTo(bytes, inner, end) ? inner : -1;
}

/** IP right behind the UDP header, or in the Ethernet frame or alone behind a VXLAN or Geneve header, on whatever port. */
function findInUdp(bytes: Uint8Array, at: number, end: number): number {
  if (isIpTo(bytes, at, end)) return at;
  if (at + OVERLAY_HEADER > end) return -1;
  const options = (readU8(bytes, at) & GENEVE_OPTIONS) * 4;
  const behindVxlan = findBehindOverlay(bytes, at + OVERLAY_HEADER, end);
  return behindVxlan >= 0 ? behindVxlan : findBehindOverlay(bytes, at + OVERLAY_HEADER + options, end);
}

function findBehindOverlay(bytes: Uint8Array, at: number, end: number): number {
  const inFrame = findInEthernet(bytes, at, end);
  if (inFrame >= 0) return inFrame;
  return isIpTo(bytes, at, end) ? at : -1;
}

function findInEthernet(bytes: Uint8Array, at: number, end: number): number {
  if (at + ETHERNET_HEADER > end) return -1;
  const type = readU16(bytes, at + ETHERNET_HEADER - 2);
  const isIp = type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6;
  return isIp && isIpTo(bytes, at + ETHERNET_HEADER, end) ? at + ETHERNET_HEADER : -1;
}

/** Whether a datagram starts at `at` that says of itself that it ends at `end`, or before it in padding. */
function isIpTo(bytes: Uint8Array, at: number, end: number): boolean {
  return at + ipv4.HEADER_LENGTH <= end && parseIpLayout(bytes, at, end - at, end - at, probed);
}

const probed = new IpLayout();

/**
 * @param isTunnel - the datagram at `start` carries another one
 * @param isWanted - compute the checksum whatever its field holds
 * @returns whether it was computed
 */
function settle(bytes: Uint8Array, start: number, layout: IpLayout, isTunnel: boolean, isWanted: boolean): boolean {
  if (layout.isFragment || layout.truncated) return false;
  const at = start + layout.transportOffset;
  const length = layout.length - layout.transportOffset;
  switch (layout.protocol) {
    case ipv4.PROTOCOL_TCP: {
      const sum = pseudoSum(bytes, start, layout, length);
      if (!isWanted && readU16(bytes, at + tcp.CHECKSUM_OFFSET) !== fold(sum)) return false;
      tcp.fillChecksum(bytes, at, length, sum);
      return true;
    }
    case ipv4.PROTOCOL_UDP: {
      // The UDP length may end before the datagram does; 0 stands for the rest of a super-frame.
      const covered = udp.length(bytes, at) || length;
      const sum = pseudoSum(bytes, start, layout, covered);
      const held = udp.checksum(bytes, at);
      // A tunnel may do without a checksum (RFC 7348, RFC 6935): what it carries has its own.
      if (isTunnel && held === 0) return isWanted;
      if (!isWanted && held !== fold(sum)) return false;
      udp.fillChecksum(bytes, at, covered, sum);
      return true;
    }
    case ipv4.PROTOCOL_SCTP:
      if (length < sctp.HEADER_LENGTH) return false;
      if (!isWanted && readU32(bytes, at + sctp.CHECKSUM_OFFSET) !== 0) return false;
      sctp.fillChecksum(bytes, at, length);
      return true;
    case PROTOCOL_GRE:
      if (!isWanted || length < 2 * GRE_BASE || (readU16(bytes, at) & GRE_HAS_CHECKSUM) === 0) return isWanted;
      writeU16(bytes, at + GRE_BASE, 0);
      writeU16(bytes, at + GRE_BASE, checksum(bytes, at, length));
      return true;
    default:
      // IP in IP has no checksum of its own, but what is around it may.
      return isTunnel && isWanted;
  }
}

function pseudoSum(bytes: Uint8Array, start: number, layout: IpLayout, length: number): number {
  return layout.version === 4
    ? pseudoHeaderSumIpv4(bytes, start, layout.protocol, length)
    : pseudoHeaderSumIpv6(bytes, start, layout.protocol, length);
}
