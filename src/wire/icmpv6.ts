/**
 * ICMPv6 codec (RFC 4443).
 *
 *  octet  0      1      2          4              8
 *         | type | code | checksum | body         | ...
 *                                  | id | seq     |       echo
 *                                  | MTU          |       packet too big
 *
 * Floor 0. Reads in place and never allocates. Call `checkLength` before any reader. Only the first four octets are
 * common to all messages; every message in use has the next four. `pseudoSum` is what `pseudoHeaderSumIpv6` yields.
 *
 * @module
 */

import { readU8, readU16, readU32, writeU16, writeU32 } from './bytes.ts';
import { checksum as checksumOf } from './checksum.ts';

/** Length of the header with the first four octets of the body, in octets. */
export const HEADER_LENGTH = 8;
/** Length of what all messages share, in octets. */
export const MIN_LENGTH = 4;
/** Octet of the checksum within the header. */
export const CHECKSUM_OFFSET = 2;

/** Type: destination unreachable. */
export const DESTINATION_UNREACHABLE = 1;
/** Type: packet too big. */
export const PACKET_TOO_BIG = 2;
/** Type: time exceeded. */
export const TIME_EXCEEDED = 3;
/** Type: parameter problem. */
export const PARAMETER_PROBLEM = 4;
/** Type: echo request. */
export const ECHO_REQUEST = 128;
/** Type: echo reply. */
export const ECHO_REPLY = 129;
/** Type: router solicitation, the first of neighbour discovery (RFC 4861). */
export const ROUTER_SOLICITATION = 133;
/** Type: redirect, the last of neighbour discovery (RFC 4861). */
export const REDIRECT = 137;
/** Code of destination unreachable: communication administratively prohibited. */
export const ADMINISTRATIVELY_PROHIBITED = 1;

/** What {@link emit} writes. The checksum is zero until `fillChecksum`. */
export interface Icmpv6Fields {
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

/** True when the header, eight octets, lies within the `length` octets at `offset`, and those within `bytes`. */
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

/** True for error messages, and for redirects: no ICMP error answers those (RFC 4443 section 2.4 e). */
export function isError(type: number): boolean {
  return type < ECHO_REQUEST || type === REDIRECT;
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
export function fillChecksum(bytes: Uint8Array, offset: number, length: number, pseudoSum: number): void {
  setChecksum(bytes, offset, 0);
  setChecksum(bytes, offset, checksumOf(bytes, offset, length, pseudoSum));
}

/** True when the checksum of the `length` octets of the message is right. */
export function verifyChecksum(bytes: Uint8Array, offset: number, length: number, pseudoSum: number): boolean {
  return checksumOf(bytes, offset, length, pseudoSum) === 0;
}

/**
 * Writes a header, its checksum zero. The room must be there.
 *
 * @returns octets written
 */
export function emit(bytes: Uint8Array, offset: number, fields: Icmpv6Fields): number {
  setType(bytes, offset, fields.type);
  setCode(bytes, offset, fields.code);
  setChecksum(bytes, offset, 0);
  setRest(bytes, offset, fields.rest ?? 0);
  return HEADER_LENGTH;
}
