/**
 * A datagram whose fields are written through setters: the packet itself, or the one that an ICMP error quotes.
 *
 * ```
 *   setter ─> write16(at, value, covered) ─> the field ─> checksum of the IPv4 header, where it covers the field
 *                                                    └──> transport checksum, where it does ─> quoted: that of the ICMP error
 * ```
 * Rules: a checksum is corrected for the change (RFC 1624) and never computed anew, so that a wrong one stays wrong; SCTP alone, whose
 * CRC32c cannot be corrected so, is computed anew. A transport checksum that is not final is left alone: whoever completes it sees the
 * change. Nothing beyond the datagram is read or written, and nothing is allocated.
 *
 * @module
 */

import { readU8, readU16, writeU16 } from '../../wire/bytes.ts';
import { updateChecksum16 } from '../../wire/checksum.ts';
import * as icmpv4 from '../../wire/icmpv4.ts';
import type { IpLayout } from '../../wire/ip-layout.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as ipv6 from '../../wire/ipv6.ts';
import * as sctp from '../../wire/sctp.ts';
import * as tcp from '../../wire/tcp.ts';
import * as udp from '../../wire/udp.ts';

/** The field is not in any checksum. */
export const COVERED_BY_NONE = 0;
/** The IPv4 header checksum covers it. */
export const COVERED_BY_HEADER = 1;
/** The transport checksum covers it, by itself or by the pseudo header. */
export const COVERED_BY_TRANSPORT = 2;

/** Octets of the header of DCCP where its checksum and its checksum coverage stand (RFC 4340 5.1). */
const DCCP_CHECKSUM_OFFSET = 6;
const DCCP_DATA_OFFSET = 4;
const DCCP_COVERAGE_OFFSET = 5;
/** RFC 3828 3.1. */
const UDPLITE_CHECKSUM_OFFSET = 6;
const UDPLITE_COVERAGE_OFFSET = 4;
const SEGMENTS_LEFT_OFFSET = 3;

/** Whose octets they are. */
export interface OctetsOwner {
  /** To be read. */
  readonly bytes: Buffer;
  /** The transport checksum of the packet is not final. */
  readonly isPartial: boolean;
  /** To be written into: what stood there before is kept for whoever is to be told of it. */
  edit(): Buffer;
}

/** One datagram. */
export class Datagram {
  /** Where its IP header starts in the octets of the owner. */
  start = 0;
  /** Its offsets count from {@link Datagram.start}. */
  layout: IpLayout;
  readonly #owner: OctetsOwner;
  /** The ICMP error that quotes it. */
  readonly #quotedBy: Datagram | null;

  constructor(owner: OctetsOwner, layout: IpLayout, quotedBy: Datagram | null) {
    this.#owner = owner;
    this.layout = layout;
    this.#quotedBy = quotedBy;
  }

  /** To be read. */
  get bytes(): Buffer {
    return this.#owner.bytes;
  }

  /** Octet where the transport header starts. */
  get transportAt(): number {
    return this.start + this.layout.transportOffset;
  }

  /** Octet behind its last one that is there. */
  get end(): number {
    return this.start + this.layout.length;
  }

  /** False in later fragments, which have none. */
  get hasTransport(): boolean {
    return this.layout.fragmentOffset === 0;
  }

  /** Octet where an address starts. */
  addressAt(isSource: boolean): number {
    if (this.layout.version === 6) return this.start + (isSource ? ipv6.SOURCE_OFFSET : ipv6.DESTINATION_OFFSET);
    return this.start + (isSource ? ipv4.SOURCE_OFFSET : ipv4.DESTINATION_OFFSET);
  }

  /** Exchanges source and destination. */
  swapAddresses(): void {
    const { bytes } = this;
    const source = this.addressAt(true);
    const destination = this.addressAt(false);
    // What covers both stays as it is. Only the source is in the pseudo header where the destination is not the last one.
    const isAlone = (this.coveredDestination & COVERED_BY_TRANSPORT) === 0;
    const covered = isAlone ? COVERED_BY_TRANSPORT : COVERED_BY_NONE;
    for (let at = 0; at < destination - source; at += 2) {
      const word = readU16(bytes, source + at);
      this.write16(source + at, readU16(bytes, destination + at), covered);
      this.write16(destination + at, word, COVERED_BY_NONE);
    }
  }

  /** Writes an octet. @param covered - the sum of `COVERED_BY_` */
  write8(at: number, value: number, covered: number): void {
    const bytes = this.#owner.edit();
    const old = readU8(bytes, at);
    const now = value & 0xff;
    if (old === now) return;
    bytes[at] = now;
    // An octet at an even distance is the high one of its word.
    const shift = ((at - this.transportAt) & 1) === 0 ? 8 : 0;
    this.#follow(bytes, at, old << shift, now << shift, covered);
  }

  /** Writes two octets in network order. @param covered - the sum of `COVERED_BY_` */
  write16(at: number, value: number, covered: number): void {
    const bytes = this.#owner.edit();
    const old = readU16(bytes, at);
    const now = value & 0xffff;
    if (old === now) return;
    writeU16(bytes, at, now);
    // Across two words the sum is that of the octets exchanged (RFC 1071 2 B).
    if (((at - this.transportAt) & 1) === 0) this.#follow(bytes, at, old, now, covered);
    else this.#follow(bytes, at, swapped(old), swapped(now), covered);
  }

  /** Writes four octets in network order, at an even distance. @param covered - the sum of `COVERED_BY_` */
  write32(at: number, value: number, covered: number): void {
    this.write16(at, value >>> 16, covered);
    this.write16(at + 2, value, covered);
  }

  /**
   * What covers the destination address: in a packet with segments left in a routing header the pseudo header names another one
   * (RFC 8200 8.1).
   */
  get coveredDestination(): number {
    const { layout, start, bytes } = this;
    if (layout.version === 4 || layout.transportOffset === layout.headerLength)
      return COVERED_BY_HEADER | COVERED_BY_TRANSPORT;
    const routing = ipv6.findHeader(bytes, start, layout.length, ipv6.NEXT_ROUTING);
    const isOnItsWay = routing >= 0 && readU8(bytes, routing + SEGMENTS_LEFT_OFFSET) !== 0;
    return isOnItsWay ? COVERED_BY_NONE : COVERED_BY_TRANSPORT;
  }

  #follow(bytes: Buffer, at: number, old: number, now: number, covered: number): void {
    this.#quotedBy?.correctMessage(bytes, old, now);
    const { layout, start } = this;
    if ((covered & COVERED_BY_HEADER) !== 0 && layout.version === 4)
      this.#correct(bytes, start + ipv4.CHECKSUM_OFFSET, old, now, false);
    if ((covered & COVERED_BY_TRANSPORT) !== 0) this.#correctTransport(bytes, at, old, now);
  }

  #correctTransport(bytes: Buffer, at: number, old: number, now: number): void {
    const { layout, transportAt, end } = this;
    if (layout.fragmentOffset !== 0 || (this.#quotedBy === null && this.#owner.isPartial)) return;
    const { protocol } = layout;
    const isOwn = at >= transportAt;
    const field = transportAt + checksumOffset(protocol, layout.version, isOwn);
    if (field >= transportAt) {
      if (field + 2 > end || (isOwn && at >= this.#coverageEnd(bytes))) return;
      this.#correct(bytes, field, old, now, protocol === ipv4.PROTOCOL_UDP);
    } else if (protocol === ipv4.PROTOCOL_SCTP && isOwn && !layout.isFragment && !layout.truncated)
      sctp.fillChecksum(bytes, transportAt, end - transportAt);
  }

  /** Where what a checksum that covers a part covers ends: UDP-Lite (RFC 3828 3.1), DCCP (RFC 4340 9.2). */
  #coverageEnd(bytes: Buffer): number {
    const { transportAt, end } = this;
    switch (this.layout.protocol) {
      case ipv4.PROTOCOL_UDPLITE: {
        const coverage = readU16(bytes, transportAt + UDPLITE_COVERAGE_OFFSET);
        return coverage === 0 ? end : transportAt + coverage;
      }
      case ipv4.PROTOCOL_DCCP: {
        const coverage = readU8(bytes, transportAt + DCCP_COVERAGE_OFFSET) & 0x0f;
        const header = 4 * readU8(bytes, transportAt + DCCP_DATA_OFFSET);
        return coverage === 0 ? end : transportAt + header + 4 * (coverage - 1);
      }
      default:
        return end;
    }
  }

  /** Something in the datagram that this ICMP error quotes has changed. */
  correctMessage(bytes: Buffer, old: number, now: number): void {
    if (!this.#owner.isPartial) this.#correct(bytes, this.transportAt + icmpv4.CHECKSUM_OFFSET, old, now, false);
  }

  #correct(bytes: Buffer, field: number, old: number, now: number, isUdp: boolean): void {
    const checksum = readU16(bytes, field);
    // UDP without a checksum stays without one (RFC 768).
    if (isUdp && checksum === 0) return;
    const updated = updateChecksum16(checksum, old, now);
    const written = isUdp && updated === 0 ? 0xffff : updated;
    writeU16(bytes, field, written);
    this.#quotedBy?.correctMessage(bytes, checksum, written);
  }
}

function swapped(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8);
}

/**
 * Octet of the checksum within the transport header; -1 where none is corrected.
 *
 * @param isOwn - what changed is in the transport header or behind it, and not in the pseudo header
 */
function checksumOffset(protocol: number, version: number, isOwn: boolean): number {
  switch (protocol) {
    case ipv4.PROTOCOL_TCP:
      return tcp.CHECKSUM_OFFSET;
    case ipv4.PROTOCOL_UDP:
      return udp.CHECKSUM_OFFSET;
    case ipv4.PROTOCOL_UDPLITE:
      return UDPLITE_CHECKSUM_OFFSET;
    case ipv4.PROTOCOL_DCCP:
      return DCCP_CHECKSUM_OFFSET;
    case ipv4.PROTOCOL_ICMP:
      // The ICMP of IPv4 has no pseudo header.
      return version === 4 && isOwn ? icmpv4.CHECKSUM_OFFSET : -1;
    case ipv6.NEXT_ICMPV6:
      return version === 6 ? icmpv4.CHECKSUM_OFFSET : -1;
    default:
      return -1;
  }
}
