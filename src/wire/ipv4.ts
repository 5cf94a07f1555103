/**
 * IPv4 header codec (RFC 791), with options and the fragment fields.
 *
 *  octet  0   | version 4, header length 4 | type of service | total length       |
 *         4   | identification             | 0 DF MF, fragment offset in 8 octets |
 *         8   | time to live | protocol    | header checksum                      |
 *         12  | source                                                            |
 *         16  | destination                                                       |
 *         20  | options, to a multiple of four octets, at most 40 ...             |
 *
 * Floor 0. Reads in place and never allocates. Call `checkLength` before any reader. A setter leaves the checksum alone:
 * call `fillChecksum` after the last one.
 *
 * @module
 */

import { readU8, readU16, readU32, writeU16, writeU32 } from './bytes.ts';
import { checksum as checksumOf } from './checksum.ts';

/** Length of a header without options, in octets. */
export const HEADER_LENGTH = 20;
/** Octet of the source address within the header. */
export const SOURCE_OFFSET = 12;
/** Octet of the destination address within the header. */
export const DESTINATION_OFFSET = 16;

/** Protocol number of ICMP. */
export const PROTOCOL_ICMP = 1;
/** Protocol number of TCP. */
export const PROTOCOL_TCP = 6;
/** Protocol number of UDP. */
export const PROTOCOL_UDP = 17;
/** Protocol number of DCCP. */
export const PROTOCOL_DCCP = 33;
/** Protocol number of SCTP. */
export const PROTOCOL_SCTP = 132;
/** Protocol number of UDP-Lite. */
export const PROTOCOL_UDPLITE = 136;

const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET_MASK = 0x1fff;
/** Octet of the checksum within the header. */
export const CHECKSUM_OFFSET = 10;

/** What {@link emit} writes. The checksum is zero until `fillChecksum`. */
export interface Ipv4Fields {
  /** Four octets. */
  readonly source: Uint8Array;
  /** Four octets. */
  readonly destination: Uint8Array;
  /** Protocol number of the payload. */
  readonly protocol: number;
  /** Octets of the datagram, header included. */
  readonly totalLength: number;
  /** Time to live, 0-255. */
  readonly ttl: number;
  /**
   * Type of service octet.
   * @defaultValue 0
   */
  readonly tos?: number;
  /**
   * Identification, 0-65535.
   * @defaultValue 0
   */
  readonly identification?: number;
  /**
   * The datagram must not be fragmented.
   * @defaultValue false
   */
  readonly dontFragment?: boolean;
  /**
   * More fragments follow.
   * @defaultValue false
   */
  readonly moreFragments?: boolean;
  /**
   * Offset of this fragment in octets, a multiple of 8.
   * @defaultValue 0
   */
  readonly fragmentOffset?: number;
  /**
   * Options as they stand in the header; a multiple of four octets, at most 40.
   * @defaultValue none
   */
  readonly options?: Uint8Array;
}

/** True when the header with its options lies within the `length` octets at `offset`, and those within `bytes`. */
export function checkLength(bytes: Uint8Array, offset: number, length: number): boolean {
  if (length < HEADER_LENGTH || offset + length > bytes.length) return false;
  const own = headerLength(bytes, offset);
  return own >= HEADER_LENGTH && own <= length;
}

/** Reads the version, 4 in a right header. */
export function version(bytes: Uint8Array, offset: number): number {
  return readU8(bytes, offset) >>> 4;
}

/** Reads the length of the header with its options, in octets. */
export function headerLength(bytes: Uint8Array, offset: number): number {
  return (readU8(bytes, offset) & 0x0f) << 2;
}

/** Reads the type of service octet: DSCP in the upper six bits, ECN in the lower two (RFC 2474, RFC 3168). */
export function tos(bytes: Uint8Array, offset: number): number {
  return readU8(bytes, offset + 1);
}

/** Reads the length of the datagram, header included, in octets. */
export function totalLength(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + 2);
}

/** Reads the identification. */
export function identification(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + 4);
}

/** True when the datagram must not be fragmented. */
export function dontFragment(bytes: Uint8Array, offset: number): boolean {
  return (readU16(bytes, offset + 6) & DONT_FRAGMENT) !== 0;
}

/** True when more fragments follow. */
export function moreFragments(bytes: Uint8Array, offset: number): boolean {
  return (readU16(bytes, offset + 6) & MORE_FRAGMENTS) !== 0;
}

/** Reads the fragment offset, in octets. */
export function fragmentOffset(bytes: Uint8Array, offset: number): number {
  return (readU16(bytes, offset + 6) & FRAGMENT_OFFSET_MASK) << 3;
}

/** Reads the time to live. */
export function ttl(bytes: Uint8Array, offset: number): number {
  return readU8(bytes, offset + 8);
}

/** Reads the protocol number of the payload. */
export function protocol(bytes: Uint8Array, offset: number): number {
  return readU8(bytes, offset + 9);
}

/** Reads the header checksum. */
export function checksum(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + CHECKSUM_OFFSET);
}

/** Reads the source address as a number. */
export function source(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset + SOURCE_OFFSET);
}

/** Reads the destination address as a number. */
export function destination(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset + DESTINATION_OFFSET);
}

/** Replaces the type of service octet. */
export function setTos(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset + 1] = value;
}

/** Replaces the length of the datagram, in octets. */
export function setTotalLength(bytes: Uint8Array, offset: number, octets: number): void {
  writeU16(bytes, offset + 2, octets);
}

/** Replaces the identification. */
export function setIdentification(bytes: Uint8Array, offset: number, value: number): void {
  writeU16(bytes, offset + 4, value);
}

/** Replaces the flags and the fragment offset, which is given in octets, a multiple of 8. */
export function setFragment(
  bytes: Uint8Array,
  offset: number,
  dontFragment: boolean,
  moreFragments: boolean,
  fragmentOffset: number,
): void {
  const flags = (dontFragment ? DONT_FRAGMENT : 0) | (moreFragments ? MORE_FRAGMENTS : 0);
  writeU16(bytes, offset + 6, flags | (fragmentOffset >>> 3));
}

/** Replaces the time to live. */
export function setTtl(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset + 8] = value;
}

/** Replaces the protocol number. */
export function setProtocol(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset + 9] = value;
}

/** Replaces the header checksum. */
export function setChecksum(bytes: Uint8Array, offset: number, value: number): void {
  writeU16(bytes, offset + CHECKSUM_OFFSET, value);
}

/** Replaces the source address. */
export function setSource(bytes: Uint8Array, offset: number, address: number): void {
  writeU32(bytes, offset + SOURCE_OFFSET, address);
}

/** Replaces the destination address. */
export function setDestination(bytes: Uint8Array, offset: number, address: number): void {
  writeU32(bytes, offset + DESTINATION_OFFSET, address);
}

/** Computes the header checksum and writes it. */
export function fillChecksum(bytes: Uint8Array, offset: number): void {
  setChecksum(bytes, offset, 0);
  setChecksum(bytes, offset, checksumOf(bytes, offset, headerLength(bytes, offset)));
}

/** True when the header checksum is right. */
export function verifyChecksum(bytes: Uint8Array, offset: number): boolean {
  return checksumOf(bytes, offset, headerLength(bytes, offset)) === 0;
}

/**
 * Writes a header, its checksum zero. The room must be there.
 *
 * @returns octets written
 */
export function emit(bytes: Uint8Array, offset: number, fields: Ipv4Fields): number {
  const optionsLength = fields.options?.length ?? 0;
  const ownLength = HEADER_LENGTH + optionsLength;
  bytes[offset] = 0x40 | (ownLength >>> 2);
  setTos(bytes, offset, fields.tos ?? 0);
  setTotalLength(bytes, offset, fields.totalLength);
  setIdentification(bytes, offset, fields.identification ?? 0);
  setFragment(bytes, offset, fields.dontFragment ?? false, fields.moreFragments ?? false, fields.fragmentOffset ?? 0);
  setTtl(bytes, offset, fields.ttl);
  setProtocol(bytes, offset, fields.protocol);
  setChecksum(bytes, offset, 0);
  bytes.set(fields.source, offset + SOURCE_OFFSET);
  bytes.set(fields.destination, offset + DESTINATION_OFFSET);
  if (fields.options !== undefined) bytes.set(fields.options, offset + HEADER_LENGTH);
  return ownLength;
}
