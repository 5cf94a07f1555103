/**
 * The ICMP header of a packet, and the datagram that an ICMP error quotes, as hooks see them.
 *
 * ```
 *   | IP | ICMP error, 8 octets | IP | first octets of a transport header ... |
 *                               ^ quoted: its offsets count from here
 * ```
 * Rule: of a quoted datagram only the start is there, and it was written by somebody else: nothing beyond the packet is read, whatever its
 * lengths say.
 *
 * @module
 */

import { readU8, readU16 } from '../../wire/bytes.ts';
import * as icmpv4 from '../../wire/icmpv4.ts';
import * as icmpv6 from '../../wire/icmpv6.ts';
import { IpLayout, parseIpLayout } from '../../wire/ip-layout.ts';
import { COVERED_BY_TRANSPORT, Datagram, type OctetsOwner } from './datagram.ts';
import { IpView } from './ip-view.ts';
import type { Icmp, Quoted } from './packet-contract.ts';

/** Of errors of both families. */
const ERROR_HEADER_LENGTH = 8;
const ID_OFFSET = 4;
/** It may have been of any length. */
const ANY_LENGTH = 0x7fff_ffff;

/** An ICMP header. */
export class IcmpView implements Icmp {
  readonly #datagram: Datagram;
  readonly #quotedDatagram: Datagram;
  readonly #quoted: QuotedView;

  constructor(datagram: Datagram, owner: OctetsOwner) {
    this.#datagram = datagram;
    this.#quotedDatagram = new Datagram(owner, new IpLayout(), datagram);
    this.#quoted = new QuotedView(this.#quotedDatagram);
    Object.freeze(this);
  }

  get #isIpv6(): boolean {
    return this.#datagram.layout.version === 6;
  }

  get type(): number {
    return readU8(this.#datagram.bytes, this.#datagram.transportAt);
  }

  set type(value: number) {
    this.#datagram.write8(this.#datagram.transportAt, value, COVERED_BY_TRANSPORT);
  }

  get code(): number {
    return readU8(this.#datagram.bytes, this.#datagram.transportAt + 1);
  }

  set code(value: number) {
    this.#datagram.write8(this.#datagram.transportAt + 1, value, COVERED_BY_TRANSPORT);
  }

  get isError(): boolean {
    return this.#isIpv6 ? icmpv6.isError(this.type) : icmpv4.isError(this.type);
  }

  get id(): number {
    const { bytes, transportAt } = this.#datagram;
    return this.#hasId ? readU16(bytes, transportAt + ID_OFFSET) : -1;
  }

  set id(value: number) {
    if (this.#hasId) this.#datagram.write16(this.#datagram.transportAt + ID_OFFSET, value, COVERED_BY_TRANSPORT);
  }

  get #hasId(): boolean {
    const { transportAt, end } = this.#datagram;
    if (transportAt + ID_OFFSET + 2 > end) return false;
    const { type } = this;
    return this.#isIpv6
      ? type === icmpv6.ECHO_REQUEST || type === icmpv6.ECHO_REPLY
      : type === icmpv4.ECHO_REQUEST || type === icmpv4.ECHO_REPLY;
  }

  get quoted(): Quoted | null {
    const datagram = this.#datagram;
    // The redirect of IPv6 is counted among the errors and has no datagram there (RFC 4861 4.5).
    if (!this.isError || (this.#isIpv6 && this.type === icmpv6.REDIRECT)) return null;
    const quoted = this.#quotedDatagram;
    const at = datagram.transportAt + ERROR_HEADER_LENGTH;
    const isRead =
      at < datagram.end &&
      parseIpLayout(datagram.bytes, at, datagram.end - at, ANY_LENGTH, quoted.layout) &&
      quoted.layout.version === datagram.layout.version;
    if (!isRead) return null;
    quoted.start = at;
    return this.#quoted;
  }
}

/** The start of a datagram that an error quotes. */
export class QuotedView implements Quoted {
  readonly ip: IpView;
  readonly #datagram: Datagram;

  constructor(datagram: Datagram) {
    this.#datagram = datagram;
    this.ip = new IpView(datagram);
    Object.freeze(this);
  }

  get protocol(): number {
    return this.#datagram.layout.protocol;
  }

  get sourcePort(): number {
    return this.#port(0);
  }

  set sourcePort(port: number) {
    this.#setPort(0, port);
  }

  get destinationPort(): number {
    return this.#port(2);
  }

  set destinationPort(port: number) {
    this.#setPort(2, port);
  }

  #port(offset: number): number {
    const { layout, bytes, transportAt } = this.#datagram;
    return layout.hasPorts ? readU16(bytes, transportAt + offset) : -1;
  }

  #setPort(offset: number, port: number): void {
    const datagram = this.#datagram;
    if (datagram.layout.hasPorts) datagram.write16(datagram.transportAt + offset, port, COVERED_BY_TRANSPORT);
  }
}
