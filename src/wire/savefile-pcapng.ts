/**
 * The pcapng capture file format: blocks with a length at both ends (draft-ietf-opsawg-pcapng).
 *
 * ```
 *   | type | total length | body ... padded to 4 octets | total length |
 *   section header      magic of the byte order, version, section length; interfaces count anew behind it
 *   interface           linktype, snaplen, options: if_tsresol, if_tsoffset and others
 *   enhanced packet     interface, timestamp, captured, original, frame, options
 *   simple packet       original, frame; of interface 0, without a time
 *   packet (obsolete)   as the enhanced one, with a 16-bit interface and a drop count
 * ```
 * Floor 0. Rule: the caller checks that the whole block is there and that both lengths agree; a parser here stays within
 * the block and says in words what is wrong. What is in every other kind of block is not looked at.
 *
 * @module
 */

import {
  readHalfword,
  readWord,
  type SavefileFrame,
  type SavefileInterface,
  type SavefileRecord,
  writeHalfword,
  writeWord,
} from './savefile-format.ts';
import { createTimestampScale, decodeTimestamp, RESOLUTION_MICROSECONDS } from './savefile-time.ts';

/** Block types that are read. The section header reads the same in both byte orders. */
export const BLOCK = {
  sectionHeader: 0x0a0d0d0a,
  interface: 1,
  obsoletePacket: 2,
  simplePacket: 3,
  enhancedPacket: 6,
} as const;

/** Octets of type, length and closing length: the shortest block. */
export const BLOCK_OVERHEAD = 12;
/** Octets of a section header that tell its byte order and length. */
export const SECTION_PEEK_LENGTH = 12;
/** Where the section length stands in a section header: octets of what follows it, in {@link SECTION_LENGTH_SIZE} octets. */
export const SECTION_LENGTH_OFFSET = 16;
export const SECTION_LENGTH_SIZE = 8;
/** Each octet of a section length that is not specified. */
export const SECTION_LENGTH_OPEN = 0xff;
/** Where the snaplen field stands in an interface block. */
export const PCAPNG_SNAPLEN_OFFSET = 12;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const SECTION_HEADER_LENGTH = 28;
const INTERFACE_LENGTH = 20;
const INTERFACE_OPTIONS_OFFSET = 16;
const SIMPLE_PACKET_LENGTH = 16;
const SIMPLE_PACKET_FRAME_OFFSET = 12;
const PACKET_LENGTH = 32;
const PACKET_FRAME_OFFSET = 28;
const CLOSING_LENGTH = 4;
const OPTION_END = 0;
const OPTION_COMMENT = 1;
const OPTION_HEADER_LENGTH = 4;
const MAX_OPTION = 65_535;
const OPTION_IF_NAME = 2;
const OPTION_IF_DESCRIPTION = 3;
const OPTION_IF_TSRESOL = 9;
const OPTION_IF_TSOFFSET = 14;
const OPTION_EPB_FLAGS = 2;
const OPTION_EPB_PACKETID = 5;
/** Direction in `epb_flags`. */
const INBOUND = 1;
const OUTBOUND = 2;

/** What a new interface block says. */
export interface PcapngInterface {
  readonly linktype: number;
  /** Longest captured frame, in octets; 0 is no limit. */
  readonly snaplen: number;
  /**
   * Octet of `if_tsresol`: n for 10^-n seconds, 128 + n for 2^-n.
   *
   * @defaultValue microseconds, without an option
   */
  readonly resolution?: number;
  /**
   * Whole seconds to add to every timestamp.
   *
   * @defaultValue 0, without an option
   */
  readonly offsetSeconds?: number;
  /** `if_name`. @defaultValue without an option */
  readonly name?: string;
  /** `if_description`. @defaultValue without an option */
  readonly description?: string;
}

/** What the options of a packet block say. */
export interface PcapngPacketOptions {
  /** `opt_comment`; UTF-8, cut at 65,535 octets. */
  readonly comment: string;
  /** In `epb_flags`. */
  readonly direction: 'in' | 'out';
  /** `epb_packetid`: the same for a packet at all interfaces where it was seen. */
  readonly packetId: number;
}

/** Byte order of the section whose header starts here: true for big-endian; null when it is no section header. */
export function identifySection(buffer: Buffer, offset: number): boolean | null {
  for (const bigEndian of [false, true]) {
    if (readWord(buffer, offset + 8, bigEndian) === BYTE_ORDER_MAGIC) {
      return bigEndian;
    }
  }
  return null;
}

/**
 * Reads a section header.
 *
 * @returns its octets (owned), or what is wrong in words
 */
export function parseSection(buffer: Buffer, offset: number, total: number, bigEndian: boolean): Buffer | string {
  if (total < SECTION_HEADER_LENGTH) {
    return `a section header of ${total} octets`;
  }
  const major = readHalfword(buffer, offset + 12, bigEndian);
  if (major !== 1) {
    return `pcapng version ${major}.${readHalfword(buffer, offset + 14, bigEndian)} is not read, only 1`;
  }
  return Buffer.from(buffer.subarray(offset, offset + total));
}

/**
 * Reads an interface block.
 *
 * @param place - ids for the new interface
 * @returns the interface (owned), or what is wrong in words
 */
export function parseInterface(
  buffer: Buffer,
  offset: number,
  total: number,
  bigEndian: boolean,
  place: Pick<SavefileInterface, 'id' | 'idInSection' | 'sectionIndex'>,
): SavefileInterface | string {
  if (total < INTERFACE_LENGTH) {
    return `an interface block of ${total} octets`;
  }
  const block = Buffer.from(buffer.subarray(offset, offset + total));
  let resolution = RESOLUTION_MICROSECONDS;
  let offsetSeconds = 0;
  const end = total - CLOSING_LENGTH;
  let at = INTERFACE_OPTIONS_OFFSET;
  while (at + OPTION_HEADER_LENGTH <= end) {
    const code = readHalfword(block, at, bigEndian);
    const length = readHalfword(block, at + 2, bigEndian);
    at += OPTION_HEADER_LENGTH;
    if (code === OPTION_END) {
      break;
    }
    if (at + length > end) {
      return `an interface option of ${length} octets that does not fit its block`;
    }
    if (code === OPTION_IF_TSRESOL && length >= 1) {
      resolution = block.readUInt8(at);
    } else if (code === OPTION_IF_TSOFFSET && length >= 8) {
      offsetSeconds = Number(bigEndian ? block.readBigInt64BE(at) : block.readBigInt64LE(at));
    }
    at += padded(length);
  }
  return {
    ...place,
    linktype: readHalfword(block, 8, bigEndian),
    snaplen: readWord(block, PCAPNG_SNAPLEN_OFFSET, bigEndian),
    scale: createTimestampScale(resolution, offsetSeconds),
    block,
  };
}

/**
 * Reads an enhanced or an obsolete packet block into `frame`.
 *
 * Never throws and allocates nothing for a good block; what is wrong comes back in words, null is well.
 *
 * @param interfaces - all interfaces of the file
 * @param first - id of the first interface of this section
 */
export function parsePacket(
  buffer: Buffer,
  offset: number,
  total: number,
  bigEndian: boolean,
  interfaces: readonly SavefileInterface[],
  first: number,
  frame: SavefileFrame,
): string | null {
  if (total < PACKET_LENGTH) {
    return `a packet block of ${total} octets`;
  }
  const isObsolete = readWord(buffer, offset, bigEndian) === BLOCK.obsoletePacket;
  const idInSection = isObsolete
    ? readHalfword(buffer, offset + 8, bigEndian)
    : readWord(buffer, offset + 8, bigEndian);
  const origin = interfaces[first + idInSection];
  if (origin === undefined) {
    return `a packet of interface ${idInSection}, which is not described`;
  }
  const length = readWord(buffer, offset + 20, bigEndian);
  const room = total - PACKET_LENGTH;
  if (length > room) {
    return `a frame of ${length} octets in a block with room for ${room}`;
  }
  frame.interfaceId = origin.id;
  frame.timestampHigh = readWord(buffer, offset + 12, bigEndian);
  frame.timestampLow = readWord(buffer, offset + 16, bigEndian);
  frame.offset = offset + PACKET_FRAME_OFFSET;
  frame.length = length;
  frame.originalLength = readWord(buffer, offset + 24, bigEndian);
  // Both lengths are multiples of 4 once padded, so what is left is not negative.
  frame.optionsOffset = frame.offset + padded(length);
  frame.optionsLength = room - padded(length);
  frame.isSimple = false;
  decodeTimestamp(frame, origin.scale);
  return null;
}

/**
 * Reads a simple packet block into `frame`. It has no time, which reads as 0, as with libpcap.
 *
 * The block does not say how much of the frame it holds. The room for it does, to within the padding; only where the
 * snaplen of the interface falls into the padding does it decide, because the files of some writers lie about it.
 *
 * @param origin - interface 0 of the section, undefined when it has none
 * @returns what is wrong in words; null is well
 */
export function parseSimplePacket(
  buffer: Buffer,
  offset: number,
  total: number,
  bigEndian: boolean,
  origin: SavefileInterface | undefined,
  frame: SavefileFrame,
): string | null {
  if (total < SIMPLE_PACKET_LENGTH) {
    return `a simple packet block of ${total} octets`;
  }
  if (origin === undefined) {
    return 'a packet of interface 0, which is not described';
  }
  const room = total - SIMPLE_PACKET_LENGTH;
  frame.originalLength = readWord(buffer, offset + 8, bigEndian);
  const length = Math.min(frame.originalLength, room);
  const isCut = origin.snaplen > 0 && origin.snaplen < length && padded(origin.snaplen) === room;
  frame.length = isCut ? origin.snaplen : length;
  frame.interfaceId = origin.id;
  frame.timestampHigh = 0;
  frame.timestampLow = 0;
  frame.seconds = 0;
  frame.nanoseconds = 0;
  frame.offset = offset + SIMPLE_PACKET_FRAME_OFFSET;
  frame.optionsOffset = 0;
  frame.optionsLength = 0;
  frame.isSimple = true;
  return null;
}

/** Makes a section header block of unspecified section length. Returns owned. */
export function emitSection(bigEndian: boolean): Buffer {
  const out = Buffer.alloc(SECTION_HEADER_LENGTH);
  writeWord(out, BLOCK.sectionHeader, 0, bigEndian);
  writeWord(out, SECTION_HEADER_LENGTH, 4, bigEndian);
  writeWord(out, BYTE_ORDER_MAGIC, 8, bigEndian);
  writeHalfword(out, 1, 12, bigEndian);
  out.fill(SECTION_LENGTH_OPEN, SECTION_LENGTH_OFFSET, SECTION_LENGTH_OFFSET + SECTION_LENGTH_SIZE);
  writeWord(out, SECTION_HEADER_LENGTH, SECTION_HEADER_LENGTH - CLOSING_LENGTH, bigEndian);
  return out;
}

/** Makes an interface block. Returns owned. */
export function emitInterface(description: PcapngInterface, bigEndian: boolean): Buffer {
  const { resolution, offsetSeconds, name } = description;
  const options: Buffer[] = [];
  if (name !== undefined) options.push(emitOption(OPTION_IF_NAME, Buffer.from(name), bigEndian));
  if (description.description !== undefined) {
    options.push(emitOption(OPTION_IF_DESCRIPTION, Buffer.from(description.description), bigEndian));
  }
  if (resolution !== undefined) {
    options.push(emitOption(OPTION_IF_TSRESOL, Buffer.of(resolution), bigEndian));
  }
  if (offsetSeconds !== undefined) {
    const value = Buffer.alloc(8);
    value[bigEndian ? 'writeBigInt64BE' : 'writeBigInt64LE'](BigInt(offsetSeconds));
    options.push(emitOption(OPTION_IF_TSOFFSET, value, bigEndian));
  }
  if (options.length > 0) {
    options.push(emitOption(OPTION_END, Buffer.alloc(0), bigEndian));
  }
  const body = Buffer.concat(options);
  const total = INTERFACE_LENGTH + body.length;
  const out = Buffer.alloc(total);
  writeWord(out, BLOCK.interface, 0, bigEndian);
  writeWord(out, total, 4, bigEndian);
  writeHalfword(out, description.linktype, 8, bigEndian);
  writeWord(out, description.snaplen, PCAPNG_SNAPLEN_OFFSET, bigEndian);
  body.copy(out, INTERFACE_OPTIONS_OFFSET);
  writeWord(out, total, total - CLOSING_LENGTH, bigEndian);
  return out;
}

/** Makes the options of a packet block that has a comment. Returns owned. */
export function emitComment(text: string, bigEndian: boolean): Buffer {
  const comment = emitOption(OPTION_COMMENT, Buffer.from(text), bigEndian);
  return Buffer.concat([comment, emitOption(OPTION_END, Buffer.alloc(0), bigEndian)]);
}

/** Makes the options of a packet block that has a comment, a direction and an id. Returns owned. */
export function emitPacketOptions({ comment, direction, packetId }: PcapngPacketOptions, bigEndian: boolean): Buffer {
  const flags = Buffer.alloc(4);
  writeWord(flags, direction === 'in' ? INBOUND : OUTBOUND, 0, bigEndian);
  const id = Buffer.alloc(8);
  id[bigEndian ? 'writeBigUInt64BE' : 'writeBigUInt64LE'](BigInt(packetId));
  return Buffer.concat([
    emitOption(OPTION_COMMENT, Buffer.from(comment).subarray(0, MAX_OPTION), bigEndian),
    emitOption(OPTION_EPB_FLAGS, flags, bigEndian),
    emitOption(OPTION_EPB_PACKETID, id, bigEndian),
    emitOption(OPTION_END, Buffer.alloc(0), bigEndian),
  ]);
}

/** Octets of an enhanced packet block with a frame and options of these lengths. */
export function packetBlockLength(length: number, optionsLength: number): number {
  return PACKET_LENGTH + padded(length) + optionsLength;
}

/**
 * Writes an enhanced packet block to `out`, which has room for it. Never allocates.
 *
 * @param record - `interfaceId` counts within the section
 * @param options - written as they stand; a multiple of 4 octets
 * @returns the offset behind the block
 */
export function emitPacket(
  record: SavefileRecord,
  frame: Buffer,
  options: Buffer,
  out: Buffer,
  offset: number,
  bigEndian: boolean,
): number {
  const total = packetBlockLength(record.length, options.length);
  let at = writeWord(out, BLOCK.enhancedPacket, offset, bigEndian);
  at = writeWord(out, total, at, bigEndian);
  at = writeWord(out, record.interfaceId, at, bigEndian);
  at = writeWord(out, record.timestampHigh, at, bigEndian);
  at = writeWord(out, record.timestampLow, at, bigEndian);
  at = writeWord(out, record.length, at, bigEndian);
  at = writeWord(out, record.originalLength, at, bigEndian);
  const end = at + padded(record.length);
  at += frame.copy(out, at, 0, record.length);
  out.fill(0, at, end);
  at = end + options.copy(out, end);
  return writeWord(out, total, at, bigEndian);
}

/** Octets of a simple packet block with a frame of this length. */
export function simplePacketBlockLength(length: number): number {
  return SIMPLE_PACKET_LENGTH + padded(length);
}

/**
 * Writes a simple packet block to `out`, which has room for it: interface and time of `record` are not in it. Never
 * allocates.
 *
 * @returns the offset behind the block
 */
export function emitSimplePacket(
  record: SavefileRecord,
  frame: Buffer,
  out: Buffer,
  offset: number,
  bigEndian: boolean,
): number {
  const total = simplePacketBlockLength(record.length);
  let at = writeWord(out, BLOCK.simplePacket, offset, bigEndian);
  at = writeWord(out, total, at, bigEndian);
  at = writeWord(out, record.originalLength, at, bigEndian);
  const end = at + padded(record.length);
  at += frame.copy(out, at, 0, record.length);
  out.fill(0, at, end);
  return writeWord(out, total, end, bigEndian);
}

function emitOption(code: number, value: Buffer, bigEndian: boolean): Buffer {
  const out = Buffer.alloc(OPTION_HEADER_LENGTH + padded(value.length));
  writeHalfword(out, code, 0, bigEndian);
  writeHalfword(out, value.length, 2, bigEndian);
  value.copy(out, OPTION_HEADER_LENGTH);
  return out;
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
