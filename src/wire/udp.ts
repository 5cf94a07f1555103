/**
 * UDP header codec (RFC 768).
 *
 *  octet  0             2                  4        6          8
 *         | source port | destination port | length | checksum | payload ...
 *
 * Floor 0. Reads in place and never allocates. Call `checkLength` before any reader. `pseudoSum` is what
 * `pseudoHeaderSumIpv4` or `pseudoHeaderSumIpv6` yields. A checksum of 0 means that there is none, so a computed 0 is
 * written as 0xffff.
 *
 * @module
 */

import { readU16, writeU16 } from './bytes.ts';
import { checksum as checksumOf } from './checksum.ts';

/** Length of the header, in octets. */
export const HEADER_LENGTH = 8;
/** Octet of the checksum within the header. */
export const CHECKSUM_OFFSET = 6;

/** What {@link emit} writes. The checksum is zero until `fillChecksum`. */
export interface UdpFields {
  /** Source port, 0-65535. */
  readonly sourcePort: number;
  /** Destination port, 0-65535. */
  readonly destinationPort: number;
  /** Octets of header and payload. */
  readonly length: number;
}

/** True when the header lies within the `length` octets at `offset`, and those within `bytes`. */
export function checkLength(bytes: Uint8Array, offset: number, length: number): boolean {
  return length >= HEADER_LENGTH && offset + length <= bytes.length;
}

/** Reads the source port. */
export function sourcePort(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset);
}

/** Reads the destination port. */
export function destinationPort(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + 2);
}

/** Reads the octets of header and payload; 0 in a super-frame too long for the field. */
export function length(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + 4);
}

/** Reads the checksum; 0 means that there is none. */
export function checksum(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + CHECKSUM_OFFSET);
}

/** Replaces the source port. */
export function setSourcePort(bytes: Uint8Array, offset: number, port: number): void {
  writeU16(bytes, offset, port);
}

/** Replaces the destination port. */
export function setDestinationPort(bytes: Uint8Array, offset: number, port: number): void {
  writeU16(bytes, offset + 2, port);
}

/** Replaces the octets of header and payload. */
export function setLength(bytes: Uint8Array, offset: number, octets: number): void {
  writeU16(bytes, offset + 4, octets);
}

/** Replaces the checksum. */
export function setChecksum(bytes: Uint8Array, offset: number, value: number): void {
  writeU16(bytes, offset + CHECKSUM_OFFSET, value);
}

/** Computes the checksum of the `length` octets of header and payload and writes it, 0 as 0xffff. */
export function fillChecksum(bytes: Uint8Array, offset: number, length: number, pseudoSum: number): void {
  setChecksum(bytes, offset, 0);
  const computed = checksumOf(bytes, offset, length, pseudoSum);
  setChecksum(bytes, offset, computed === 0 ? 0xffff : computed);
}

/**
 * True when the checksum of the `length` octets of header and payload is right, or when there is none. Over IPv6 a
 * missing one is an error outside of some tunnels (RFC 8200 section 8.1): who minds asks for `checksum` first.
 */
export function verifyChecksum(bytes: Uint8Array, offset: number, length: number, pseudoSum: number): boolean {
  return checksum(bytes, offset) === 0 || checksumOf(bytes, offset, length, pseudoSum) === 0;
}

/**
 * Writes a header, its checksum zero. The room must be there.
 *
 * @returns octets written
 */
export function emit(bytes: Uint8Array, offset: number, fields: UdpFields): number {
  setSourcePort(bytes, offset, fields.sourcePort);
  setDestinationPort(bytes, offset, fields.destinationPort);
  setLength(bytes, offset, fields.length);
  setChecksum(bytes, offset, 0);
  return HEADER_LENGTH;
}
