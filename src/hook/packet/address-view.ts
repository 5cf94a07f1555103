/**
 * An address where it stands in a datagram.
 *
 * Rule: it is looked at and written in place, word by word, and no copy or text of it is made that nobody asked for.
 *
 * @module
 */

import { formatAddress, type Prefix } from '../../wire/address.ts';
import { readU8, readU16, readU32 } from '../../wire/bytes.ts';
import { COVERED_BY_HEADER, COVERED_BY_TRANSPORT, type Datagram } from './datagram.ts';
import type { Address } from './packet-contract.ts';

/** The source or the destination of a datagram. */
export class AddressView implements Address {
  readonly #datagram: Datagram;
  readonly #isSource: boolean;

  constructor(datagram: Datagram, isSource: boolean) {
    this.#datagram = datagram;
    this.#isSource = isSource;
    Object.freeze(this);
  }

  /** Octet of the packet where it starts. */
  get #offset(): number {
    return this.#datagram.addressAt(this.#isSource);
  }

  get length(): 4 | 16 {
    return this.#datagram.layout.version === 6 ? 16 : 4;
  }

  at(index: number): number {
    return readU8(this.#datagram.bytes, this.#offset + index);
  }

  word(index: number): number {
    return readU32(this.#datagram.bytes, this.#offset + 4 * index);
  }

  signedWord(index: number): number {
    const { bytes } = this.#datagram;
    const at = this.#offset + 4 * index;
    return (readU16(bytes, at) << 16) | readU16(bytes, at + 2);
  }

  equals(other: Uint8Array | Address): boolean {
    const { length } = this;
    if (other.length !== length) return false;
    const { bytes } = this.#datagram;
    const offset = this.#offset;
    if (other instanceof Uint8Array) {
      for (let index = 0; index < length; index++) {
        if (other[index] !== bytes[offset + index]) return false;
      }
      return true;
    }
    for (let index = 0; index < length; index++) {
      if (other.at(index) !== bytes[offset + index]) return false;
    }
    return true;
  }

  isIn({ bytes: network, prefixLength }: Prefix): boolean {
    const { length } = this;
    if (network.length !== length || !(prefixLength >= 0 && prefixLength <= 8 * length)) return false;
    const { bytes } = this.#datagram;
    const offset = this.#offset;
    const whole = prefixLength >>> 3;
    for (let index = 0; index < whole; index++) {
      if (network[index] !== bytes[offset + index]) return false;
    }
    const rest = 8 - (prefixLength & 7);
    // The first octet of which some bits do not count; there is none behind the last one.
    return rest === 8 || (network[whole] as number) >>> rest === (bytes[offset + whole] as number) >>> rest;
  }

  set(address: Uint8Array | Address): void {
    const { length } = this;
    if (address.length !== length)
      throw new RangeError(`an address of ${address.length} octets cannot take the place of one of ${length}`);
    const covered = this.#covered;
    const offset = this.#offset;
    const isOctets = address instanceof Uint8Array;
    for (let index = 0; index < length; index += 2) {
      const high = isOctets ? (address[index] as number) : address.at(index);
      const low = isOctets ? (address[index + 1] as number) : address.at(index + 1);
      this.#datagram.write16(offset + index, (high << 8) | low, covered);
    }
  }

  setWord(index: number, value: number): void {
    if (!(index >= 0 && index < this.length / 4)) throw new RangeError(`an address has no word ${index}`);
    this.#datagram.write32(this.#offset + 4 * index, value, this.#covered);
  }

  toBytes(): Uint8Array {
    const offset = this.#offset;
    return Uint8Array.from(this.#datagram.bytes.subarray(offset, offset + this.length));
  }

  toString(): string {
    return formatAddress(this.toBytes());
  }

  get #covered(): number {
    return this.#isSource ? COVERED_BY_HEADER | COVERED_BY_TRANSPORT : this.#datagram.coveredDestination;
  }
}
