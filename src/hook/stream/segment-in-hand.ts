/**
 * The TCP segment that a hook's stream is read from: the packet as the hooks before have left it.
 *
 * Rule: what is not there whole is not read; {@link SegmentInHand.load} says so. Words stand in a typed array: as fields they would be boxed.
 *
 * @module
 */

import { readU8, readWord } from '../../wire/bytes.ts';
import { pseudoHeaderSumIpv4, pseudoHeaderSumIpv6 } from '../../wire/checksum.ts';
import type { IpLayout } from '../../wire/ip-layout.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as ipv6 from '../../wire/ipv6.ts';
import * as tcp from '../../wire/tcp.ts';

/** Word: sequence number. */
export const SEQUENCE = 0;
/** Word: acknowledgement number. */
export const ACKNOWLEDGEMENT = 1;

/** One segment after the other. */
export class SegmentInHand {
  readonly words = new Int32Array(2);
  flags = 0;
  /** Where its octets start in the datagram. */
  offset = 0;
  /** Octets of data, as the headers say. */
  length = 0;

  /** Reads the header. Cost: O(1), no allocation. @returns false when it is not there whole */
  load(bytes: Uint8Array, layout: IpLayout): boolean {
    const at = layout.transportOffset;
    if (at + tcp.HEADER_LENGTH > layout.length) return false;
    const headerLength = tcp.headerLength(bytes, at);
    if (headerLength < tcp.HEADER_LENGTH || at + headerLength > layout.length) return false;
    this.flags = readU8(bytes, at + tcp.FLAGS_OFFSET);
    this.offset = at + headerLength;
    this.length = Math.max(0, layout.declaredLength - this.offset);
    this.words[SEQUENCE] = readWord(bytes, at + 4);
    this.words[ACKNOWLEDGEMENT] = readWord(bytes, at + 8);
    return true;
  }
}

/**
 * True when the checksum of the segment is wrong, so that every receiver drops it. Behind extension headers and IPv4 options another address
 * may be the one that counts: there nothing is said. Cost: O(length), no allocation.
 */
export function hasWrongChecksum(bytes: Uint8Array, layout: IpLayout): boolean {
  const at = layout.transportOffset;
  const length = layout.length - at;
  if (layout.version === 4) {
    if (at !== ipv4.HEADER_LENGTH) return false;
    return !tcp.verifyChecksum(bytes, at, length, pseudoHeaderSumIpv4(bytes, 0, ipv4.PROTOCOL_TCP, length));
  }
  if (at !== ipv6.HEADER_LENGTH) return false;
  return !tcp.verifyChecksum(bytes, at, length, pseudoHeaderSumIpv6(bytes, 0, ipv4.PROTOCOL_TCP, length));
}
