/**
 * The packet that a lane has in hand: its frame, its way, and where the datagram is in it.
 *
 * ```
 *   frame.octets   [ link header | IP header | ... | padding ]
 *                                ^ offset, where bytes begins
 * ```
 * Rule: a lane has one and fills it anew for each packet; the steps of the packet path take it in the place of its parts. It is the packet
 * as it came: what hooks make of it is in the hook chain.
 *
 * @module
 */

import { FRAME_CHECKSUM_PARTIAL, FRAME_SUPER, Frame } from '../drivers/frame.ts';
import type { DatagramBuffer } from '../hook/packet/arrival.ts';
import { IpLayout } from '../wire/ip-layout.ts';
import type { Way } from './way.ts';

/** Stands where there is no datagram. */
export const NO_DATAGRAM = -1;

const NOWHERE: Way = {
  name: '',
  from: '',
  to: '',
  side: 'in',
  zone: 0,
  inPort: -1,
  outPort: -1,
  otherPort: -1,
  direction: 0,
  recvInterfaceIndex: 0,
  sendInterfaceIndex: 0,
  otherIndex: 0,
  unicastType: 0,
  reject: 'count',
  rejectPort: -1,
};

/** One packet. */
export class PacketInHand {
  /** Borrowed from the driver. */
  frame: Frame = new Frame(Buffer.alloc(0));
  way: Way = NOWHERE;
  /** Where the row of the way starts in the ledger. */
  base = 0;
  /** Octet of the frame where the datagram starts; {@link NO_DATAGRAM} when no hook sees the frame. */
  offset = NO_DATAGRAM;
  /** The frame from `offset` on. */
  bytes: DatagramBuffer = this.frame.octets;
  /** Of the datagram as it came; holds nothing where there is none. */
  readonly layout = new IpLayout();
  /** False when the frame was a broadcast or multicast of the link, and where there is no datagram. */
  isUnicastLink = false;
  /** Which packet of the lane it is, from 1; known to a trace, and 0 while there is none. */
  number = 0;

  /** Becomes the same packet as another one. */
  set(other: PacketInHand): void {
    this.frame = other.frame;
    this.way = other.way;
    this.base = other.base;
    this.offset = other.offset;
    this.bytes = other.bytes;
    this.isUnicastLink = other.isUnicastLink;
    this.number = other.number;
    this.layout.set(other.layout);
  }

  /** To be cut by whoever sends it: no length is too long. */
  get isSuper(): boolean {
    return (this.frame.flags & FRAME_SUPER) !== 0;
  }

  /** Its transport checksum was not final when it came. */
  get isPartial(): boolean {
    return (this.frame.flags & FRAME_CHECKSUM_PARTIAL) !== 0;
  }
}
