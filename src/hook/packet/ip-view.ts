/**
 * The IP header of a datagram, as hooks see it: of the packet, or of the datagram that an ICMP error quotes.
 *
 * @module
 */

import { readU8, readU16 } from '../../wire/bytes.ts';
import { AddressView } from './address-view.ts';
import { COVERED_BY_HEADER, COVERED_BY_NONE, type Datagram } from './datagram.ts';
import type { Ip } from './packet-contract.ts';

const IDENTIFICATION_OFFSET = 4;
const FLAGS_OFFSET = 6;
const DONT_FRAGMENT = 0x4000;
const TTL_OFFSET = 8;
const HOP_LIMIT_OFFSET = 7;
/** The traffic class of IPv6 has bits 4 to 11 of the header, that of IPv4 its second octet. */
const TRAFFIC_CLASS_SHIFT = 4;
const ECN_BITS = 2;
const ECN_MASK = 3;

/** One header. */
export class IpView implements Ip {
  readonly source: AddressView;
  readonly destination: AddressView;
  readonly #datagram: Datagram;

  constructor(datagram: Datagram) {
    this.#datagram = datagram;
    this.source = new AddressView(datagram, true);
    this.destination = new AddressView(datagram, false);
    Object.freeze(this);
  }

  get #isIpv6(): boolean {
    return this.#datagram.layout.version === 6;
  }

  get ttl(): number {
    const { bytes, start } = this.#datagram;
    return readU8(bytes, start + (this.#isIpv6 ? HOP_LIMIT_OFFSET : TTL_OFFSET));
  }

  set ttl(value: number) {
    const at = this.#datagram.start + (this.#isIpv6 ? HOP_LIMIT_OFFSET : TTL_OFFSET);
    this.#datagram.write8(at, value, COVERED_BY_HEADER);
  }

  get dscp(): number {
    return this.#trafficClass >>> ECN_BITS;
  }

  set dscp(value: number) {
    this.#setTrafficClass((value << ECN_BITS) | this.ecn);
  }

  get ecn(): number {
    return this.#trafficClass & ECN_MASK;
  }

  set ecn(value: number) {
    this.#setTrafficClass((this.dscp << ECN_BITS) | (value & ECN_MASK));
  }

  get id(): number {
    const { bytes, start } = this.#datagram;
    return this.#isIpv6 ? -1 : readU16(bytes, start + IDENTIFICATION_OFFSET);
  }

  set id(value: number) {
    if (this.#isIpv6) return;
    this.#datagram.write16(this.#datagram.start + IDENTIFICATION_OFFSET, value, COVERED_BY_HEADER);
  }

  get dontFragment(): boolean {
    const { bytes, start } = this.#datagram;
    return this.#isIpv6 || (readU16(bytes, start + FLAGS_OFFSET) & DONT_FRAGMENT) !== 0;
  }

  set dontFragment(value: boolean) {
    if (this.#isIpv6) return;
    const { bytes, start } = this.#datagram;
    const others = readU16(bytes, start + FLAGS_OFFSET) & ~DONT_FRAGMENT;
    this.#datagram.write16(start + FLAGS_OFFSET, value ? others | DONT_FRAGMENT : others, COVERED_BY_HEADER);
  }

  swap(): void {
    this.#datagram.swapAddresses();
  }

  get #trafficClass(): number {
    const { bytes, start } = this.#datagram;
    return this.#isIpv6 ? (readU16(bytes, start) >>> TRAFFIC_CLASS_SHIFT) & 0xff : readU8(bytes, start + 1);
  }

  #setTrafficClass(value: number): void {
    const datagram = this.#datagram;
    const { bytes, start } = datagram;
    const octet = value & 0xff;
    if (!this.#isIpv6) datagram.write8(start + 1, octet, COVERED_BY_HEADER);
    else {
      const others = readU16(bytes, start) & ~(0xff << TRAFFIC_CLASS_SHIFT);
      datagram.write16(start, others | (octet << TRAFFIC_CLASS_SHIFT), COVERED_BY_NONE);
    }
  }
}
