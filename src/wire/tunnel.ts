/**
 * Cuts a super-frame of a tunnel into the frames that a card which knows tunnels would send.
 *
 * ```
 *   | link | outer IP | UDP or GRE, and what follows it | inner IP | TCP or UDP | payload ....................... |
 *   └────────────── headers: again before each ──────────────────────────────┘└ cut every `segmentSize` octets ──┘
 * ```
 * Lengths, identifications, sequence numbers, flags and every checksum of a segment are made right. What stands between
 * the outer transport header and the inner IP header (VXLAN, Geneve, Ethernet, nothing) has no length in it and is
 * repeated as it is.
 *
 * Floor 0. Rule: what is not understood to the last octet is not cut. Never throws and never allocates.
 *
 * @see RFC 2784 and RFC 2890 (GRE), RFC 2003 (IP in IP), RFC 7348 (VXLAN), RFC 8926 (Geneve)
 * @module
 */

import { readU16, writeU16 } from './bytes.ts';
import { checksum, pseudoHeaderSumIpv4, pseudoHeaderSumIpv6 } from './checksum.ts';
import { IpLayout, parseIpLayout } from './ip-layout.ts';
import * as ipv4 from './ipv4.ts';
import * as ipv6 from './ipv6.ts';
import * as tcp from './tcp.ts';
import * as udp from './udp.ts';

/** A super-frame of 65,535 octets in segments of the least size that TCP agrees on, 48. */
export const MAX_SEGMENTS = 1365;

/** IPv4 and IPv6 as what an IP header carries. */
const PROTOCOL_IPV4 = 4;
const PROTOCOL_IPV6 = 41;
const PROTOCOL_GRE = 47;
const GRE_HAS_CHECKSUM = 0x8000;
/** Routing, sequence number, version: nobody could number the segments as the sender of the tunnel does. */
const GRE_NOT_REPEATABLE = 0x5007;
const GRE_CHECKSUM_OFFSET = 4;
const GRE_LONGEST_USED = 8;
/** How far before the transport header the inner IP header is looked for: IPv6 with extension headers. */
const MAX_INNER_HEADER = 320;

/** One super-frame at a time, and its segments. */
export class TunnelSegments {
  /** Segments of the frame that was opened. */
  count = 0;

  readonly #outer = new IpLayout();
  readonly #inner = new IpLayout();
  #frame: Buffer = Buffer.alloc(0);
  #outerAt = 0;
  #innerAt = 0;
  /** Octets of all headers. */
  #headers = 0;
  #payload = 0;
  #segmentSize = 0;

  /**
   * Looks whether a frame is a super-frame of a tunnel that can be cut.
   *
   * Ownership: keeps `frame` until the next call.
   * @param length - octets of the frame
   * @param networkOffset - octet where the outer IP header starts
   * @param transportOffset - octet where the inner transport header starts
   * @param segmentSize - octets of payload in each segment but the last
   * @returns false when it is something else; then there is nothing to write
   */
  open(frame: Buffer, length: number, networkOffset: number, transportOffset: number, segmentSize: number): boolean {
    this.count = 0;
    const outer = this.#outer;
    if (!isWhole(frame, networkOffset, length, outer)) return false;
    const outerTransport = networkOffset + outer.transportOffset;
    if (!isKnownCarrier(frame, outerTransport, outer, transportOffset)) return false;
    const innerAt = this.#findInner(frame, length, outerTransport, transportOffset);
    if (innerAt < 0) return false;
    const isTcp = this.#inner.protocol === ipv4.PROTOCOL_TCP;
    const headers = transportOffset + (isTcp ? tcp.headerLength(frame, transportOffset) : udp.HEADER_LENGTH);
    const payload = length - headers;
    if (segmentSize < 1 || payload < 1 || payload > segmentSize * MAX_SEGMENTS) return false;
    this.#frame = frame;
    this.#outerAt = networkOffset;
    this.#innerAt = innerAt;
    this.#headers = headers;
    this.#payload = payload;
    this.#segmentSize = segmentSize;
    this.count = Math.ceil(payload / segmentSize);
    return true;
  }

  /** Octets of the longest segment, headers included. */
  get maxLength(): number {
    return this.#headers + Math.min(this.#segmentSize, this.#payload);
  }

  /**
   * Writes a segment. Cost: O(its length).
   *
   * @param index - 0 to `count` - 1
   * @param out - `maxLength` octets or more
   * @returns its octets
   */
  write(index: number, out: Buffer): number {
    const from = index * this.#segmentSize;
    const size = Math.min(this.#segmentSize, this.#payload - from);
    const end = this.#headers + size;
    this.#frame.copy(out, 0, 0, this.#headers);
    this.#frame.copy(out, this.#headers, this.#headers + from, this.#headers + from + size);
    // From the inside out: an outer checksum covers everything within.
    const innerTransport = this.#innerAt + this.#inner.transportOffset;
    writeIp(out, this.#innerAt, end, index);
    if (this.#inner.protocol === ipv4.PROTOCOL_TCP) {
      writeTcp(out, innerTransport, from, index === 0, index === this.count - 1);
      tcp.fillChecksum(
        out,
        innerTransport,
        end - innerTransport,
        pseudoSum(out, this.#innerAt, ipv4.PROTOCOL_TCP, end - innerTransport),
      );
    } else writeUdp(out, this.#innerAt, innerTransport, end, true);
    const outerTransport = this.#outerAt + this.#outer.transportOffset;
    writeIp(out, this.#outerAt, end, index);
    if (this.#outer.protocol === ipv4.PROTOCOL_UDP) {
      // A tunnel may do without: RFC 7348, RFC 6935.
      writeUdp(out, this.#outerAt, outerTransport, end, udp.checksum(out, outerTransport) !== 0);
    } else if (this.#outer.protocol === PROTOCOL_GRE) writeGre(out, outerTransport, end);
    return end;
  }

  /** The IP header, to be found in `#inner`, whose transport header starts at `transportOffset`; -1 when there is none. */
  #findInner(frame: Buffer, length: number, least: number, transportOffset: number): number {
    const inner = this.#inner;
    const first = Math.max(least, transportOffset - MAX_INNER_HEADER);
    for (let at = transportOffset - ipv4.HEADER_LENGTH; at >= first; at -= 2) {
      if (!isWhole(frame, at, length, inner) || at + inner.transportOffset !== transportOffset) continue;
      if (inner.protocol !== ipv4.PROTOCOL_TCP && inner.protocol !== ipv4.PROTOCOL_UDP) continue;
      if (inner.version === 6 || ipv4.verifyChecksum(frame, at)) return at;
    }
    return -1;
  }
}

/** Whether the IP datagram at `at` reaches to the end of the frame and is no fragment. */
function isWhole(frame: Buffer, at: number, length: number, layout: IpLayout): boolean {
  const rest = length - at;
  return parseIpLayout(frame, at, rest, rest, layout, true) && !layout.isFragment && layout.length === rest;
}

/** Whether what the outer IP header carries can be repeated before each segment. */
function isKnownCarrier(frame: Buffer, at: number, { protocol }: IpLayout, transportOffset: number): boolean {
  switch (protocol) {
    case ipv4.PROTOCOL_UDP:
      return at + udp.HEADER_LENGTH <= transportOffset;
    case PROTOCOL_GRE:
      return at + GRE_LONGEST_USED <= transportOffset && (readU16(frame, at) & GRE_NOT_REPEATABLE) === 0;
    default:
      return protocol === PROTOCOL_IPV4 || protocol === PROTOCOL_IPV6;
  }
}

function writeIp(out: Buffer, at: number, end: number, index: number): void {
  if (ipv4.version(out, at) === 6) {
    ipv6.setPayloadLength(out, at, end - at - ipv6.HEADER_LENGTH);
    return;
  }
  ipv4.setTotalLength(out, at, end - at);
  ipv4.setIdentification(out, at, (ipv4.identification(out, at) + index) & 0xffff);
  ipv4.fillChecksum(out, at);
}

/** What says that the sender is done stands in the last segment, what says that its window shrank in the first. */
function writeTcp(out: Buffer, at: number, from: number, isFirst: boolean, isLast: boolean): void {
  tcp.setSequence(out, at, (tcp.sequence(out, at) + from) >>> 0);
  let flags = tcp.flags(out, at);
  if (!isFirst) flags &= ~tcp.CWR;
  if (!isLast) flags &= ~(tcp.FIN | tcp.PSH);
  tcp.setFlags(out, at, flags);
}

function writeUdp(out: Buffer, ipAt: number, at: number, end: number, hasChecksum: boolean): void {
  const length = end - at;
  udp.setLength(out, at, length);
  if (hasChecksum) udp.fillChecksum(out, at, length, pseudoSum(out, ipAt, ipv4.PROTOCOL_UDP, length));
}

function writeGre(out: Buffer, at: number, end: number): void {
  if ((readU16(out, at) & GRE_HAS_CHECKSUM) === 0) return;
  writeU16(out, at + GRE_CHECKSUM_OFFSET, 0);
  writeU16(out, at + GRE_CHECKSUM_OFFSET, checksum(out, at, end - at));
}

function pseudoSum(bytes: Buffer, ipAt: number, protocol: number, length: number): number {
  return ipv4.version(bytes, ipAt) === 4
    ? pseudoHeaderSumIpv4(bytes, ipAt, protocol, length)
    : pseudoHeaderSumIpv6(bytes, ipAt, protocol, length);
}
