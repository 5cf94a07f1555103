/**
 * The pcap capture file format: one header, then records (draft-ietf-opsawg-pcap; pcap-savefile(5)).
 *
 * ```
 *   octet  0       4       8      12      16       20         24
 *   file   | magic | 2 . 4 | zone | sigfigs | snaplen | linktype |      byte order told by the magic
 *   record | seconds | fraction | captured | original | frame ...
 * ```
 * Floor 0. Rule: the caller checks lengths before it calls; what is odd but harmless (a fraction of a second or more,
 * a frame longer than the snaplen or than its original) is read as it stands.
 *
 * @module
 */

import {
  readHalfword,
  readWord,
  type SavefileFrame,
  type SavefileRecord,
  writeHalfword,
  writeWord,
} from './savefile-format.ts';

/** Octets of the file header. */
export const PCAP_HEADER_LENGTH = 24;
/** Where the snaplen field stands in the file header. */
export const PCAP_SNAPLEN_OFFSET = 16;
/** Octets of a record before its frame. */
export const PCAP_RECORD_HEADER_LENGTH = 16;

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const VERSION_MAJOR = 2;
/** Earlier versions had the two lengths of a record the other way round. */
const VERSION_MINOR = 4;
const VERSION_OFFSET = 4;
const LINKTYPE_OFFSET = 20;

/** Byte order and resolution, which the magic number tells. */
export interface PcapVariant {
  readonly bigEndian: boolean;
  /** Fractions are nanoseconds; otherwise microseconds. */
  readonly nanoseconds: boolean;
}

/** What a new pcap file is opened with. */
export interface PcapHeader extends PcapVariant {
  /** 0-65535. */
  readonly linktype: number;
  /** Longest frame readers should expect, in octets. */
  readonly snaplen: number;
}

/** The variant of the file that starts with these 4 octets; null when it is not pcap. */
export function identifyPcap(buffer: Buffer, offset: number): PcapVariant | null {
  for (const bigEndian of [false, true]) {
    const magic = readWord(buffer, offset, bigEndian);
    if (magic === MAGIC_MICROSECONDS || magic === MAGIC_NANOSECONDS) {
      return { bigEndian, nanoseconds: magic === MAGIC_NANOSECONDS };
    }
  }
  return null;
}

/**
 * Reads the file header, {@link PCAP_HEADER_LENGTH} octets.
 *
 * @returns the header, or what is wrong with it in words
 */
export function parsePcapHeader(buffer: Buffer, offset: number, variant: PcapVariant): PcapHeader | string {
  const { bigEndian } = variant;
  const major = readHalfword(buffer, offset + VERSION_OFFSET, bigEndian);
  const minor = readHalfword(buffer, offset + VERSION_OFFSET + 2, bigEndian);
  if (major !== VERSION_MAJOR || minor < VERSION_MINOR) {
    return `pcap version ${major}.${minor} is not read, only 2.4`;
  }
  // The upper half holds the FCS length and reserved bits; they stay in the header a copy is opened with.
  const linktype = readWord(buffer, offset + LINKTYPE_OFFSET, bigEndian) & 0xffff;
  return { ...variant, linktype, snaplen: readWord(buffer, offset + PCAP_SNAPLEN_OFFSET, bigEndian) };
}

/** Reads a record header, {@link PCAP_RECORD_HEADER_LENGTH} octets, into `frame`. Never allocates. */
export function parsePcapRecord(buffer: Buffer, offset: number, variant: PcapVariant, frame: SavefileFrame): void {
  const unitsPerSecond = variant.nanoseconds ? 1_000_000_000 : 1_000_000;
  const seconds = readWord(buffer, offset, variant.bigEndian);
  const fraction = readWord(buffer, offset + 4, variant.bigEndian);
  frame.interfaceId = 0;
  frame.timestampHigh = seconds;
  frame.timestampLow = fraction;
  frame.seconds = seconds + Math.floor(fraction / unitsPerSecond);
  frame.nanoseconds = (fraction % unitsPerSecond) * (1_000_000_000 / unitsPerSecond);
  frame.offset = offset + PCAP_RECORD_HEADER_LENGTH;
  frame.length = readWord(buffer, offset + 8, variant.bigEndian);
  frame.originalLength = readWord(buffer, offset + 12, variant.bigEndian);
  frame.optionsOffset = 0;
  frame.optionsLength = 0;
}

/** Makes the file header of a new pcap file. Returns owned. */
export function emitPcapHeader(header: PcapHeader): Buffer {
  const { bigEndian } = header;
  const out = Buffer.alloc(PCAP_HEADER_LENGTH);
  writeWord(out, header.nanoseconds ? MAGIC_NANOSECONDS : MAGIC_MICROSECONDS, 0, bigEndian);
  writeHalfword(out, VERSION_MAJOR, VERSION_OFFSET, bigEndian);
  writeHalfword(out, VERSION_MINOR, VERSION_OFFSET + 2, bigEndian);
  writeWord(out, header.snaplen, PCAP_SNAPLEN_OFFSET, bigEndian);
  writeWord(out, header.linktype, LINKTYPE_OFFSET, bigEndian);
  return out;
}

/**
 * Writes a record and the first `record.length` octets of `frame` to `out`, which has room for it. Never allocates.
 *
 * @returns the offset behind the record
 */
export function emitPcapRecord(
  record: SavefileRecord,
  frame: Buffer,
  out: Buffer,
  offset: number,
  bigEndian: boolean,
): number {
  let at = writeWord(out, record.timestampHigh, offset, bigEndian);
  at = writeWord(out, record.timestampLow, at, bigEndian);
  at = writeWord(out, record.length, at, bigEndian);
  at = writeWord(out, record.originalLength, at, bigEndian);
  return at + frame.copy(out, at, 0, record.length);
}
