/**
 * How long a frame may be at each port, and what its link header says of that.
 *
 * Rule: what a driver says of a port holds as long as the driver; it is asked once.
 *
 * @module
 */

import { type Driver, portOf } from '../drivers/contract.ts';
import { LINKTYPE_ETHERNET, sessionHeader } from '../wire/link.ts';
import * as pppoe from '../wire/pppoe.ts';
import type { PacketInHand } from './packet-in-hand.ts';

const VLAN_TAG = 4;

/** The ports of a driver. */
export class PortLimits {
  readonly #driver: Driver;
  readonly #limitOfPort: number[] = [];
  readonly #linktypeOfPort: number[] = [];

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /** Longest frame that `port` sends, in octets: a frame with an 802.1Q tag may be four octets longer. */
  ofFrame(port: number, frame: Buffer): number {
    const limit = this.#limitOfPort[port] ?? this.#readLimit(port);
    const isTagged = frame[12] === 0x81 && frame[13] === 0 && this.#linktypeOfPort[port] === LINKTYPE_ETHERNET;
    return isTagged ? limit + VLAN_TAG : limit;
  }

  /** The same for a frame put together anew: what a PPPoE session can say of its length is a limit as well. */
  ofMade({ way, frame, offset }: PacketInHand, port: number): number {
    const limit = this.ofFrame(port, frame.octets);
    const session = sessionHeader(frame.octets, offset, this.linktypeOf(way.inPort));
    return session === -1 ? limit : Math.min(limit, session + pppoe.HEADER_LENGTH + pppoe.MAX_LENGTH);
  }

  /**
   * Has the PPPoE session header, where the packet has one, say how long the datagram behind it is now.
   *
   * @param target - where its link header was put, from octet `start` on
   * @param size - octets of the datagram
   */
  settleLength({ way, frame, offset }: PacketInHand, target: Buffer, start: number, size: number): void {
    const session = sessionHeader(frame.octets, offset, this.linktypeOf(way.inPort));
    if (session !== -1) pppoe.setLength(target, start + session, offset - session - pppoe.HEADER_LENGTH + size);
  }

  /** Linktype of the frames of a port; -1 where there is no such port. */
  linktypeOf(port: number): number {
    return this.#linktypeOfPort[port] ?? this.#readLinktype(port);
  }

  #readLinktype(port: number): number {
    const linktype = portOf(this.#driver.ports, port)?.linktype ?? -1;
    this.#linktypeOfPort[port] = linktype;
    return linktype;
  }

  #readLimit(port: number): number {
    const limit = portOf(this.#driver.ports, port)?.maxFrameLength ?? 0;
    this.#limitOfPort[port] = limit;
    this.#readLinktype(port);
    return limit;
  }
}
