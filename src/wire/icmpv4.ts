/**
 * ICMP codec for IPv4 (RFC 792).
 *
 *  octet  0      1      2          4                 8
 *         | type | code | checksum | rest of header  | data ...
 *                                  | id | sequence   |             echo
 *                                  | 0  | next MTU   |             fragmentation needed (RFC 1191)
 *
 * Floor 0. Reads in place and never allocates. Call `checkLength` before any reader. The checksum covers the message
 * alone: there is no pseudo header.
 *
 * @module
 */

import { readU8, readU16, readU32, writeU16, writeU32 } from './bytes.ts';
import { checksum as checksumOf } from './checksum.ts';

/** Length of the header, in octets. */
export const HEADER_LENGTH = 8;
/** Octet of the checksum within the header. */
export const CHECKSUM_OFFSET = 2;

/** Type: echo reply. */
export const ECHO_REPLY = 0;
/** Type: destination unreachable. */
export const DESTINATION_UNREACHABLE = 3;
/** Type: source quench (deprecated by RFC 6633). */
export const SOURCE_QUENCH = 4;
/** Type: redirect. */
export const REDIRECT = 5;
/** Type: echo request. */
export const ECHO_REQUEST = 8;
/** Type: time exceeded. */
export const TIME_EXCEEDED = 11;
/** Type: parameter problem. */
export const PARAMETER_PROBLEM = 12;
/** Code of destination unreachable: fragmentation needed and not allowed. */
export const FRAGMENTATION_NEEDED = 4;
/** Code of destination unreachable: communication administratively prohibited (RFC 1812 section 5.2.7.1). */
export const ADMINISTRATIVELY_PROHIBITED = 13;

/** What {@link emit} writes. The checksum is zero until `fillChecksum`. */
export interface Icmpv4Fields {
  /** Type, 0-255. */
  readonly type: number;
  /** Code, 0-255. */
  readonly code: number;
  /**
   * The four octets after the checksum, as a number.
   * @defaultValue 0
   */
  readonly rest?: number;
}

/** True when the header lies within the `length` octets at `offset`, and those within `bytes`. */
export function checkLength(bytes: Uint8Array, offset: number, length: number): boolean {
  return length >= HEADER_LENGTH && offset + length <= bytes.length;
}

/** Reads the type. */
export function type(bytes: Uint8Array, offset: number): number {
  return readU8(bytes, offset);
}

/** Reads the code. */
export function code(bytes: Uint8Array, offset: number): number {
  return readU8(bytes, offset + 1);
}

/** Reads the checksum. */
export function checksum(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + CHECKSUM_OFFSET);
}

/** Reads the four octets after the checksum as a number. */
export function rest(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset + 4);
}

/** True for the types that report an error: no ICMP error answers those (RFC 1122 section 3.2.2). */
export function isError(type: number): boolean {
  return (
    type === DESTINATION_UNREACHABLE ||
    type === SOURCE_QUENCH ||
    type === REDIRECT ||
    type === TIME_EXCEEDED ||
    type === PARAMETER_PROBLEM
  );
}

/** Replaces the type. */
export function setType(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value;
}

/** Replaces the code. */
export function setCode(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset + 1] = value;
}

/** Replaces the checksum. */
export function setChecksum(bytes: Uint8Array, offset: number, value: number): void {
  writeU16(bytes, offset + CHECKSUM_OFFSET, value);
}

/** Replaces the four octets after the checksum. */
export function setRest(bytes: Uint8Array, offset: number, value: number): void {
  writeU32(bytes, offset + 4, value);
}

/** Computes the checksum of the `length` octets of the message and writes it. */
export function fillChecksum(bytes: Uint8Array, offset: number, length: number): void {
  setChecksum(bytes, offset, 0);
  setChecksum(bytes, offset, checksumOf(bytes, offset, length));
}

/** True when the checksum of the `length` octets of the message is right. */
export function verifyChecksum(bytes: Uint8Array, offset: number, length: number): boolean {
  return checksumOf(bytes, offset, length) === 0;
}

/**
 * Writes a header, its checksum zero. The room must be there.
 *
 * @returns octets written
 */
export function emit(bytes: Uint8Array, offset: number, fields: Icmpv4Fields): number {
  setType(bytes, offset, fields.type);
  setCode(bytes, offset, fields.code);
  setChecksum(bytes, offset, 0);
  setRest(bytes, offset, fields.rest ?? 0);
  return HEADER_LENGTH;
}
