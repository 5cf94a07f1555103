/**
 * The way out of a replay for what was never in the capture: datagrams of `runtime.send`, frames of `runtime.inject` and `mirror`, ICMP errors.
 *
 * ```
 *   ICMP error, or a datagram for anybody else     the link header of the last IP packet, turned; to where that came from
 *   a datagram for the destination of that packet  the link header as it is; to where that packet goes
 *   a frame for an interface of the file           as it is; to there
 *   a frame for any other interface                as it is; to where the packet at hand came from
 * ```
 * Rules: each stands in the output where it was made, with the time of the packet at hand, and in pcapng with a comment that
 * says whose it is. Without an output it goes nowhere and counts the same, so that a replay does not change when one is
 * written. Before the first IP packet there is no way out, as behind MPLS labels, which mean nothing in the other direction.
 *
 * @module
 */

import type { SavefileDriver } from '../drivers/savefile.ts';
import { ICMP_ERROR, INJECTION, KINDS, REPLY_DATAGRAM, RESET_DATAGRAM } from '../lane/answers.ts';
import type { DatagramSender, FrameWriter } from '../lane/egress.ts';
import type { Way } from '../lane/way.ts';
import { DESTINATION_OFFSET as IPV4_DESTINATION, HEADER_LENGTH as IPV4_HEADER } from '../wire/ipv4.ts';
import { DESTINATION_OFFSET as IPV6_DESTINATION, HEADER_LENGTH as IPV6_HEADER } from '../wire/ipv6.ts';
import { hasLabels, LINKTYPE_ETHERNET, sessionHeader } from '../wire/link.ts';
import * as pppoe from '../wire/pppoe.ts';
import { announceVersion, turnLinkHeader } from '../wire/turn-link-header.ts';

/** Room for the longest link header, as in the egress of a lane. */
const LINK_ROOM = 128;
const MAX_DATAGRAM = 65_535;
const LONGEST_ADDRESS = 16;

/** What goes back, by its kind. */
const ANSWERS: Readonly<Record<number, string>> = {
  [ICMP_ERROR]: 'ICMP error',
  [REPLY_DATAGRAM]: 'reply',
  [RESET_DATAGRAM]: 'TCP reset',
};

/** `interface 3`: what interfaces of a capture are called. */
const INTERFACE = /^interface (\d+)$/;

/** Writes datagrams and frames that hooks or the lane made. */
export class ReplaySender implements DatagramSender, FrameWriter {
  /** The hook that sends just now. */
  hook = '';
  readonly #driver: SavefileDriver;
  readonly #frame: Buffer = Buffer.alloc(LINK_ROOM + MAX_DATAGRAM);
  /** Of the last IP packet, as it came. */
  readonly #header: Buffer = Buffer.alloc(LINK_ROOM);
  readonly #destination: Buffer = Buffer.alloc(LONGEST_ADDRESS);
  #headerLength = -1;
  #linktype = -1;
  #version = 0;
  #way: Way | null = null;
  #packet = 0;
  /** Of the frame that a hook sends just now: out of which interface, and whether it is a copy of the packet at hand. */
  #to = '';
  #isCopy = false;

  constructor(driver: SavefileDriver) {
    this.#driver = driver;
  }

  /**
   * An IP packet is next.
   *
   * @param offset - octet of the frame where its IP header starts
   * @param packet - its number in the file, from 1
   */
  meet(frame: Buffer, offset: number, linktype: number, way: Way, packet: number): void {
    this.#packet = packet;
    this.#way = way;
    this.#linktype = linktype;
    this.#headerLength = offset;
    frame.copy(this.#header, 0, 0, Math.min(offset, LINK_ROOM));
    this.#version = versionOf(frame, offset);
    const at = offset + (this.#version === 4 ? IPV4_DESTINATION : IPV6_DESTINATION);
    frame.copy(this.#destination, 0, at, at + addressLength(this.#version));
  }

  /** {@inheritDoc DatagramSender.send} */
  send(datagram: Buffer, length: number, tag: number): boolean {
    const way = this.#way;
    const headerLength = this.#headerLength;
    const version = versionOf(datagram, 0);
    if (way === null || headerLength > LINK_ROOM || length > MAX_DATAGRAM) return false;
    // What the kernel would refuse.
    if ((version !== 4 && version !== 6) || length < (version === 4 ? IPV4_HEADER : IPV6_HEADER)) return false;
    const kind = tag % KINDS;
    const isAnswer = kind !== INJECTION;
    const isOnward = !isAnswer && this.#isForSame(datagram, version);
    const frame = this.#frame;
    const linktype = this.#linktype;
    this.#header.copy(frame, 0, 0, headerLength);
    if (!isOnward) {
      if (hasLabels(frame, headerLength, linktype)) return false;
      turnLinkHeader(frame, linktype);
    }
    if (version !== this.#version && !announceVersion(frame, headerLength, linktype, version)) return false;
    const session = sessionHeader(frame, headerLength, linktype);
    if (session !== -1) {
      const octets = headerLength - session - pppoe.HEADER_LENGTH + length;
      if (octets > pppoe.MAX_LENGTH) return false;
      pppoe.setLength(frame, session, octets);
    }
    datagram.copy(frame, headerLength, 0, length);
    const comment = isAnswer
      ? `firehook: ${ANSWERS[kind] ?? 'answer'} in answer to packet ${this.#packet}`
      : `firehook: sent by hook ${this.hook}`;
    return this.#driver.insert(isOnward ? way.outPort : way.inPort, frame, headerLength + length, comment);
  }

  /** A hook sends a frame, or a copy of the packet at hand, out of an interface. */
  note(hook: string, to: string, isCopy: boolean): void {
    this.hook = hook;
    this.#to = to;
    this.#isCopy = isCopy;
  }

  /** {@inheritDoc FrameWriter.portOf} */
  portOf(to: string): number {
    const [, number] = INTERFACE.exec(to) ?? [];
    return number === undefined ? (this.#way?.inPort ?? -1) : Number(number);
  }

  /** {@inheritDoc FrameWriter.write} */
  write(port: number, frame: Buffer, length: number): boolean {
    const linktype = this.#driver.ports[port]?.linktype;
    // What hooks make are Ethernet frames; a copy is of the kind of its packet.
    if (linktype === undefined || linktype !== (this.#isCopy ? this.#linktype : LINKTYPE_ETHERNET)) return false;
    const what = this.#isCopy ? `copy of packet ${this.#packet} by` : 'sent by';
    return this.#driver.insert(port, frame, length, `firehook: ${what} hook ${this.hook}, out of ${this.#to}`);
  }

  /** It has the destination of the packet at hand. */
  #isForSame(datagram: Buffer, version: number): boolean {
    if (version !== this.#version) return false;
    const at = version === 4 ? IPV4_DESTINATION : IPV6_DESTINATION;
    const length = addressLength(version);
    return datagram.compare(this.#destination, 0, length, at, at + length) === 0;
  }
}

function versionOf(bytes: Buffer, at: number): number {
  return (bytes[at] ?? 0) >>> 4;
}

function addressLength(version: number): number {
  return version === 4 ? 4 : LONGEST_ADDRESS;
}
