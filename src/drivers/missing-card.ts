/**
 * Does what a network card would have done to a frame, where the header that the kernel gives with it cannot say so.
 *
 * A virtio-net header knows TCP and UDP in an IP datagram. Of a tunnel's super-frame it tells the inner size and keeps
 * quiet about the tunnel, and nobody could cut it any more; of a checksum that is not final it tells where, not which.
 * ```
 *   super-frame of a tunnel                    ─> cut into the frames that would have been on the wire
 *   inner checksum of a tunnel, CRC of SCTP    ─> completed in place
 *   anything else                              ─> as it is: the device that sends it does it
 * ```
 * Rule: before a hook sees the frame, so that hooks, edits and replacements meet finished octets.
 *
 * @see virtio 1.2 section 5.1.6.2
 * @module
 */

import { writeU16 } from '../wire/bytes.ts';
import { checksum } from '../wire/checksum.ts';
import { IpLayout, parseIpLayout } from '../wire/ip-layout.ts';
import { PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';
import { LINKTYPE_ETHERNET, networkOffset, sessionHeader } from '../wire/link.ts';
import * as sctp from '../wire/sctp.ts';
import { TunnelSegments } from '../wire/tunnel.ts';
import { CHECKSUM_OFFSET as UDP_CHECKSUM_OFFSET } from '../wire/udp.ts';
import { FRAME_SUPER, type Frame, type FrameBuffer } from './frame.ts';

/** Nothing was done to the frame. */
export const AS_IT_IS = 0;
/** Its checksum is final now. */
export const COMPLETED = 1;
/** It is to be taken segment by segment. */
export const CUT = 2;

/** As long as a frame can be. */
const LONGEST_SEGMENT = 65_536 + 64;
/** Where the transport header stands in most frames, untagged and without options: the quick way out. */
const IPV4_PLAIN = 34;
const IPV6_PLAIN = 54;

/** For one driver. */
export class MissingCard {
  /** What was cut; `write` into `segment`. */
  readonly segments: TunnelSegments = new TunnelSegments();
  /** A segment, for as long as it is handed out. */
  readonly segment: FrameBuffer = Buffer.alloc(LONGEST_SEGMENT);
  readonly #layout = new IpLayout();

  constructor() {
    // As with the views of a ring: added later, it would be another kind of object.
    this.segment.views = [];
  }

  /**
   * Does what has to be done to a frame with offload state.
   *
   * @param given - all of which was captured
   * @param checksumOffset - octets from where the checksum starts to count to its field
   * @returns {@link AS_IT_IS}, {@link COMPLETED} or {@link CUT}
   */
  stepIn(given: Frame, checksumOffset: number): number {
    const { octets: frame, length, flags, checksumStart } = given;
    if (checksumStart < 0 || isPlain(frame, checksumStart)) return AS_IT_IS;
    const layout = this.#layout;
    const network = networkOffset(frame, length, LINKTYPE_ETHERNET);
    const rest = length - network;
    if (network < 0 || !parseIpLayout(frame, network, rest, rest, layout, (flags & FRAME_SUPER) !== 0)) return AS_IT_IS;
    if (layout.isFragment || checksumStart < network + layout.transportOffset) return AS_IT_IS;
    const isInner = checksumStart > network + layout.transportOffset;
    if (!isInner && layout.protocol !== PROTOCOL_SCTP) return AS_IT_IS;
    if ((flags & FRAME_SUPER) !== 0) {
      // Each segment would need a session header of its own.
      if (sessionHeader(frame, network, LINKTYPE_ETHERNET) !== -1) return AS_IT_IS;
      const { segments, segment } = this;
      const isCut = segments.open(frame, length, network, checksumStart, given.segmentSize);
      return isCut && segments.maxLength <= segment.length ? CUT : AS_IT_IS;
    }
    return complete(frame, checksumStart, checksumOffset, network + layout.length) ? COMPLETED : AS_IT_IS;
  }
}

/** TCP or UDP in an IP datagram: what the header says is all that there is to say. */
function isPlain(frame: Buffer, checksumStart: number): boolean {
  let protocol: number | undefined;
  if (checksumStart === IPV4_PLAIN && frame[12] === 0x08 && frame[13] === 0x00 && frame[14] === 0x45)
    protocol = frame[23];
  else if (checksumStart === IPV6_PLAIN && frame[12] === 0x86 && frame[13] === 0xdd) protocol = frame[20];
  return protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP;
}

/** Sums from `start` to `end` into the field, which holds the sum of the pseudo header. */
function complete(frame: Buffer, start: number, offset: number, end: number): boolean {
  if (offset === sctp.CHECKSUM_OFFSET) {
    if (start + sctp.HEADER_LENGTH > end) return false;
    sctp.fillChecksum(frame, start, end - start);
    return true;
  }
  if (start + offset + 2 > end) return false;
  const computed = checksum(frame, start, end - start);
  writeU16(frame, start + offset, computed === 0 && offset === UDP_CHECKSUM_OFFSET ? 0xffff : computed);
  return true;
}
