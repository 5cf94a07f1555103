/**
 * The TCP segment in hand: what the tracker needs of a header, as signed words.
 *
 * Floor 1. One instance is read into again and again. The fields stand in a typed array: a sequence number in a field
 * of an object would be boxed. Rule: what is not there whole is not judged; {@link TcpSegment.read} says so.
 *
 * A super-frame is one long segment: its end follows from the length of the datagram, which the layout knows also where
 * the length field is 0.
 *
 * @see RFC 9293 section 3.1, RFC 7323 section 2.2 (window scale, 14 at most)
 * @module
 */

import { readU8, readU16, readWord } from '../wire/bytes.ts';
import type { IpLayout } from '../wire/ip-layout.ts';
import * as tcp from '../wire/tcp.ts';

/** Word: sequence number of the first octet. */
export const SEGMENT_SEQUENCE = 0;
/** Word: sequence number behind the last octet; SYN and FIN count one each. */
export const SEGMENT_END = 1;
/** Word: acknowledgement number. */
export const SEGMENT_ACK = 2;
/** Word: window as it stands in the header. */
export const SEGMENT_WINDOW = 3;
/** Word: FIN, SYN, RST and ACK; the other flags decide nothing. */
export const SEGMENT_FLAGS = 4;
/** Word: shift of the window scale option of a SYN, -1 without one. */
export const SEGMENT_SCALE = 5;
/** Word: sequence number that the first octet of the TCP header would have; for the later fragments of the segment. */
export const SEGMENT_BASE = 6;

/** The flags that are kept. */
export const FLAGS_MASK = tcp.FIN | tcp.SYN | tcp.RST | tcp.ACK;
/** Largest shift of a window (RFC 7323 2.3). */
export const MAX_SCALE = 14;

const OPTION_SCALE = 3;
const WORDS = 7;

/** The segment in hand. */
export class TcpSegment {
  readonly words = new Int32Array(WORDS);

  /**
   * Reads a segment. Cost: O(1), with SYN O(options); no allocation.
   *
   * @param bytes - the datagram, at octet 0
   * @param layout - its layout: TCP, whole or a first fragment
   * @returns false when the header is not there whole
   */
  read(bytes: Uint8Array, layout: IpLayout): boolean {
    const at = layout.transportOffset;
    const present = layout.length - at;
    if (present < tcp.HEADER_LENGTH) return false;
    const { words } = this;
    const flags = readU8(bytes, at + tcp.FLAGS_OFFSET) & FLAGS_MASK;
    const headerLength = tcp.headerLength(bytes, at);
    const sequence = readWord(bytes, at + 4);
    const payload = Math.max(0, layout.declaredLength - at - headerLength);
    const marks = ((flags & tcp.SYN) >> 1) + (flags & tcp.FIN);
    words[SEGMENT_SEQUENCE] = sequence;
    words[SEGMENT_END] = sequence + payload + marks;
    words[SEGMENT_ACK] = readWord(bytes, at + 8);
    words[SEGMENT_WINDOW] = readU16(bytes, at + 14);
    words[SEGMENT_FLAGS] = flags;
    words[SEGMENT_SCALE] = -1;
    words[SEGMENT_BASE] = sequence - headerLength + marks;
    if ((flags & tcp.SYN) !== 0) {
      const option = tcp.findOption(bytes, at, Math.min(headerLength, present), OPTION_SCALE);
      if (option >= 0 && readU8(bytes, option + 1) === 3) {
        words[SEGMENT_SCALE] = Math.min(readU8(bytes, option + 2), MAX_SCALE);
      }
    }
    return true;
  }

  /** True for the combinations of FIN, SYN, RST and ACK that a TCP sends. */
  hasPossibleFlags(): boolean {
    switch (this.words[SEGMENT_FLAGS]) {
      case tcp.SYN:
      case tcp.SYN | tcp.ACK:
      case tcp.RST:
      case tcp.RST | tcp.ACK:
      case tcp.ACK:
      case tcp.FIN | tcp.ACK:
        return true;
      default:
        return false;
    }
  }
}
