/**
 * TCP header codec (RFC 9293), with a walk over the options.
 *
 *  octet  0   | source port                | destination port        |
 *         4   | sequence number                                      |
 *         8   | acknowledgement number                               |
 *         12  | header length 4, reserved 4 | flags 8 | window       |
 *         16  | checksum                   | urgent pointer          |
 *         20  | options, to a multiple of four octets, at most 40 ...|
 *
 * Floor 0. Reads in place and never allocates. Call `checkLength` before any reader. `pseudoSum` is what
 * `pseudoHeaderSumIpv4` or `pseudoHeaderSumIpv6` yields.
 *
 * @module
 */

import { readU8, readU16, readU32, writeU16, writeU32 } from './bytes.ts';
import { checksum as checksumOf } from './checksum.ts';

/** Length of a header without options, in octets. */
export const HEADER_LENGTH = 20;
/** Octet of the checksum within the header. */
export const CHECKSUM_OFFSET = 16;
/** Octet of the flags within the header. */
export const FLAGS_OFFSET = 13;

/** Flag: no more data from the sender. */
export const FIN = 1;
/** Flag: synchronise sequence numbers. */
export const SYN = 2;
/** Flag: reset the connection. */
export const RST = 4;
/** Flag: push. */
export const PSH = 8;
/** Flag: the acknowledgement number counts. */
export const ACK = 16;
/** Flag: the urgent pointer counts. */
export const URG = 32;
/** Flag: congestion window reduced (RFC 3168). */
export const CWR = 128;

/** Option kind: end of the options. */
export const OPTION_END = 0;
/** Option kind: filler of one octet. */
export const OPTION_NOP = 1;
/** Option kind: largest segment the sender takes; length 4, value in the last two octets. */
export const OPTION_MSS = 2;

/** What {@link emit} writes. The checksum is zero until `fillChecksum`. */
export interface TcpFields {
  /** Source port, 0-65535. */
  readonly sourcePort: number;
  /** Destination port, 0-65535. */
  readonly destinationPort: number;
  /** Sequence number, 32 bits. */
  readonly sequence: number;
  /** Acknowledgement number, 32 bits. */
  readonly acknowledgement: number;
  /** Flags octet. */
  readonly flags: number;
  /** Window, not scaled. */
  readonly window: number;
  /**
   * Urgent pointer.
   * @defaultValue 0
   */
  readonly urgentPointer?: number;
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

/** Reads the source port. */
export function sourcePort(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset);
}

/** Reads the destination port. */
export function destinationPort(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + 2);
}

/** Reads the sequence number. */
export function sequence(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset + 4);
}

/** Reads the acknowledgement number. */
export function acknowledgement(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset + 8);
}

/** Reads the length of the header with its options, in octets. */
export function headerLength(bytes: Uint8Array, offset: number): number {
  return (readU8(bytes, offset + 12) >>> 4) << 2;
}

/** Reads the flags octet. */
export function flags(bytes: Uint8Array, offset: number): number {
  return readU8(bytes, offset + FLAGS_OFFSET);
}

/** Reads the window, not scaled. */
export function window(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + 14);
}

/** Reads the checksum. */
export function checksum(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + CHECKSUM_OFFSET);
}

/** Reads the urgent pointer. */
export function urgentPointer(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + 18);
}

/** Replaces the source port. */
export function setSourcePort(bytes: Uint8Array, offset: number, port: number): void {
  writeU16(bytes, offset, port);
}

/** Replaces the destination port. */
export function setDestinationPort(bytes: Uint8Array, offset: number, port: number): void {
  writeU16(bytes, offset + 2, port);
}

/** Replaces the sequence number. */
export function setSequence(bytes: Uint8Array, offset: number, value: number): void {
  writeU32(bytes, offset + 4, value);
}

/** Replaces the acknowledgement number. */
export function setAcknowledgement(bytes: Uint8Array, offset: number, value: number): void {
  writeU32(bytes, offset + 8, value);
}

/** Replaces the length of the header, in octets, and clears the reserved bits beside it. */
export function setHeaderLength(bytes: Uint8Array, offset: number, octets: number): void {
  bytes[offset + 12] = (octets >>> 2) << 4;
}

/** Replaces the flags octet. */
export function setFlags(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset + FLAGS_OFFSET] = value;
}

/** Replaces the window. */
export function setWindow(bytes: Uint8Array, offset: number, value: number): void {
  writeU16(bytes, offset + 14, value);
}

/** Replaces the checksum. */
export function setChecksum(bytes: Uint8Array, offset: number, value: number): void {
  writeU16(bytes, offset + CHECKSUM_OFFSET, value);
}

/** Replaces the urgent pointer. */
export function setUrgentPointer(bytes: Uint8Array, offset: number, value: number): void {
  writeU16(bytes, offset + 18, value);
}

/** Computes the checksum of the `length` octets of the segment and writes it. */
export function fillChecksum(bytes: Uint8Array, offset: number, length: number, pseudoSum: number): void {
  setChecksum(bytes, offset, 0);
  setChecksum(bytes, offset, checksumOf(bytes, offset, length, pseudoSum));
}

/** True when the checksum of the `length` octets of the segment is right. */
export function verifyChecksum(bytes: Uint8Array, offset: number, length: number, pseudoSum: number): boolean {
  return checksumOf(bytes, offset, length, pseudoSum) === 0;
}

/**
 * Looks for an option. Cost: O(header length), no allocation. Never throws.
 *
 * @param tcpOffset - octet where the TCP header starts
 * @param headerLength - octets of the header that are there; no option that reaches past them is found
 * @param kind - kind of the option; the fillers {@link OPTION_END} and {@link OPTION_NOP} are never found
 * @returns octet in `bytes` where the option starts (kind, length, value); -1 when it is not there or malformed options
 *   stand before it
 */
export function findOption(bytes: Uint8Array, tcpOffset: number, headerLength: number, kind: number): number {
  const end = Math.min(tcpOffset + headerLength, bytes.length);
  let at = tcpOffset + HEADER_LENGTH;
  while (at < end) {
    const current = readU8(bytes, at);
    if (current === OPTION_END) return -1;
    if (current === OPTION_NOP) {
      at++;
      continue;
    }
    const optionLength = at + 1 < end ? readU8(bytes, at + 1) : 0;
    if (optionLength < 2 || at + optionLength > end) return -1;
    if (current === kind) return at;
    at += optionLength;
  }
  return -1;
}

/**
 * Writes a header, its checksum zero. The room must be there.
 *
 * @returns octets written
 */
export function emit(bytes: Uint8Array, offset: number, fields: TcpFields): number {
  const ownLength = HEADER_LENGTH + (fields.options?.length ?? 0);
  setSourcePort(bytes, offset, fields.sourcePort);
  setDestinationPort(bytes, offset, fields.destinationPort);
  setSequence(bytes, offset, fields.sequence);
  setAcknowledgement(bytes, offset, fields.acknowledgement);
  setHeaderLength(bytes, offset, ownLength);
  setFlags(bytes, offset, fields.flags);
  setWindow(bytes, offset, fields.window);
  setChecksum(bytes, offset, 0);
  setUrgentPointer(bytes, offset, fields.urgentPointer ?? 0);
  if (fields.options !== undefined) bytes.set(fields.options, offset + HEADER_LENGTH);
  return ownLength;
}
