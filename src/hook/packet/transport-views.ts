/**
 * The transport headers of a packet, as hooks see them: TCP and UDP.
 *
 * Rule: whoever hands one out has seen that the packet has the whole fixed header.
 *
 * @module
 */

import { readU8, readU16, readU32 } from '../../wire/bytes.ts';
import * as tcp from '../../wire/tcp.ts';
import { COVERED_BY_TRANSPORT, type Datagram } from './datagram.ts';
import type { Tcp, Udp } from './packet-contract.ts';

const DESTINATION_PORT_OFFSET = 2;
const SEQUENCE_OFFSET = 4;
const ACKNOWLEDGEMENT_OFFSET = 8;
const WINDOW_OFFSET = 14;
const MSS_LENGTH = 4;

/** A TCP header. */
export class TcpView implements Tcp {
  readonly #datagram: Datagram;

  constructor(datagram: Datagram) {
    this.#datagram = datagram;
    Object.freeze(this);
  }

  get sourcePort(): number {
    return readU16(this.#datagram.bytes, this.#datagram.transportAt);
  }

  set sourcePort(port: number) {
    this.#write16(0, port);
  }

  get destinationPort(): number {
    return readU16(this.#datagram.bytes, this.#datagram.transportAt + DESTINATION_PORT_OFFSET);
  }

  set destinationPort(port: number) {
    this.#write16(DESTINATION_PORT_OFFSET, port);
  }

  get seq(): number {
    return readU32(this.#datagram.bytes, this.#datagram.transportAt + SEQUENCE_OFFSET);
  }

  set seq(value: number) {
    this.#datagram.write32(this.#datagram.transportAt + SEQUENCE_OFFSET, value, COVERED_BY_TRANSPORT);
  }

  get ack(): number {
    return readU32(this.#datagram.bytes, this.#datagram.transportAt + ACKNOWLEDGEMENT_OFFSET);
  }

  set ack(value: number) {
    this.#datagram.write32(this.#datagram.transportAt + ACKNOWLEDGEMENT_OFFSET, value, COVERED_BY_TRANSPORT);
  }

  get flags(): number {
    return readU8(this.#datagram.bytes, this.#datagram.transportAt + tcp.FLAGS_OFFSET);
  }

  set flags(value: number) {
    this.#datagram.write8(this.#datagram.transportAt + tcp.FLAGS_OFFSET, value, COVERED_BY_TRANSPORT);
  }

  get window(): number {
    return readU16(this.#datagram.bytes, this.#datagram.transportAt + WINDOW_OFFSET);
  }

  set window(value: number) {
    this.#write16(WINDOW_OFFSET, value);
  }

  get headerLength(): number {
    return tcp.headerLength(this.#datagram.bytes, this.#datagram.transportAt);
  }

  has(flags: number): boolean {
    return (this.flags & flags) === flags;
  }

  option(kind: number): number {
    const { bytes, transportAt, end } = this.#datagram;
    return tcp.findOption(bytes, transportAt, Math.min(this.headerLength, end - transportAt), kind);
  }

  get mss(): number {
    const at = this.#mssOption;
    return at < 0 ? -1 : readU16(this.#datagram.bytes, at + 2);
  }

  set mss(value: number) {
    const at = this.#mssOption;
    if (at >= 0) this.#datagram.write16(at + 2, value, COVERED_BY_TRANSPORT);
  }

  get #mssOption(): number {
    const at = this.option(tcp.OPTION_MSS);
    return at >= 0 && readU8(this.#datagram.bytes, at + 1) === MSS_LENGTH ? at : -1;
  }

  #write16(offset: number, value: number): void {
    this.#datagram.write16(this.#datagram.transportAt + offset, value, COVERED_BY_TRANSPORT);
  }
}

/** A UDP header. */
export class UdpView implements Udp {
  readonly #datagram: Datagram;

  constructor(datagram: Datagram) {
    this.#datagram = datagram;
    Object.freeze(this);
  }

  get sourcePort(): number {
    return readU16(this.#datagram.bytes, this.#datagram.transportAt);
  }

  set sourcePort(port: number) {
    this.#datagram.write16(this.#datagram.transportAt, port, COVERED_BY_TRANSPORT);
  }

  get destinationPort(): number {
    return readU16(this.#datagram.bytes, this.#datagram.transportAt + DESTINATION_PORT_OFFSET);
  }

  set destinationPort(port: number) {
    this.#datagram.write16(this.#datagram.transportAt + DESTINATION_PORT_OFFSET, port, COVERED_BY_TRANSPORT);
  }
}
