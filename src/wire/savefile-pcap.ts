/**
 * The pcap capture file format: one header, then records (draft-ietf-opsawg-pcap; pcap-savefile(5)).
 *
 * ```
 *   octet  0       4       8      12      16       20         24
 *   file   | magic | 2 . 4 | zone | sigfigs | snaplen | linktype |      byte order told by the magic
 *   record | seconds | fraction | captured | original | frame ...
 *                               |          |          | ifindex 4 | protocol 2 | packet type 1 | 0 | frame ...   modified
 *
 *   magic      fraction      record      version            captured and original length
 *   a1b2c3d4   microseconds  16 octets   2.4 and later      as above
 *   a1b23c4d   nanoseconds   16          2.3                as above, or the other way round: told by which is larger
 *   a1b2cd34   microseconds  24          2.0 to 2.2, 543.0  the other way round
 * ```
 * Version 543.0 is that of DG/UX; a1b2cd34 is the modified format of Alexey Kuznetzov, which some Linux systems wrote.
 * Floor 0. Rule: the caller checks lengths before it calls; what is odd but harmless (a fraction of a second or more,
 * a frame longer than the snaplen or than its original) is read as it stands.
 *
 * @see the comments on old files in sf-pcap.c of libpcap
 * @module
 */

import {
  readHalfword,
  readWord,
  type SavefileFrame,
  type SavefileRecord,
  type SavefileSection,
  writeHalfword,
  writeWord,
} from './savefile-format.ts';

/** Octets of the file header. */
export const PCAP_HEADER_LENGTH = 24;
/** Where the snaplen field stands in the file header. */
export const PCAP_SNAPLEN_OFFSET = 16;
/** Octets of a record before its frame. */
export const PCAP_RECORD_HEADER_LENGTH = 16;

const MODIFIED_RECORD_HEADER_LENGTH = 24;
const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const MAGIC_MODIFIED = 0xa1b2cd34;
/** Magics that are set aside for formats of which nobody has said how their records are laid out, and who uses them. */
const MAGICS_OF_OTHERS: ReadonlyMap<number, string> = new Map([
  [0xa1b234cd, 'the pcap of Francisco Mesquita'],
  [0xa12b3c4d, 'the pcap of Navtel Communications'],
  [0x1c0001ac, 'the pcap of IXIA hardware'],
  [0x1c0001ab, 'the pcap of IXIA software'],
]);
const VERSION_MAJOR = 2;
const VERSION_MINOR = 4;
/** The first version with the captured length in front, and one that was also written without the change. */
const VERSION_MINOR_TURNED = 3;
const VERSION_MAJOR_DGUX = 543;
const VERSION_OFFSET = 4;
const LINKTYPE_OFFSET = 20;

/** Byte order, resolution and kind of record, which the magic number tells. */
export interface PcapVariant {
  readonly bigEndian: boolean;
  /** Fractions are nanoseconds; otherwise microseconds. */
  readonly nanoseconds: boolean;
  /** Records have the eight octets of the modified format. */
  readonly isModified: boolean;
}

/** Which of its two lengths a record has first; 'larger': the original one where it is the larger, in version 2.3. */
export type PcapLengthOrder = 'captured' | 'original' | 'larger';

/** What a pcap file is opened with. */
export interface PcapHeader extends PcapVariant {
  readonly lengthOrder: PcapLengthOrder;
  /** 0-65535. */
  readonly linktype: number;
  /** Longest frame readers should expect, in octets. */
  readonly snaplen: number;
}

/** The variant of the file that starts with these 4 octets; null when it is not pcap. */
export function identifyPcap(buffer: Buffer, offset: number): PcapVariant | null {
  for (const bigEndian of [false, true]) {
    const magic = readWord(buffer, offset, bigEndian);
    if (magic === MAGIC_MICROSECONDS || magic === MAGIC_NANOSECONDS || magic === MAGIC_MODIFIED) {
      return { bigEndian, nanoseconds: magic === MAGIC_NANOSECONDS, isModified: magic === MAGIC_MODIFIED };
    }
  }
  return null;
}

/** Whose format it is that starts with these 4 octets, where it is derived from pcap and not read; null otherwise. */
export function identifyOtherPcap(buffer: Buffer, offset: number): string | null {
  const [little, big] = [false, true].map((bigEndian) => MAGICS_OF_OTHERS.get(readWord(buffer, offset, bigEndian)));
  return little ?? big ?? null;
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
  const isDgux = major === VERSION_MAJOR_DGUX && minor === 0;
  if (major !== VERSION_MAJOR && !isDgux) {
    return `pcap version ${major}.${minor} is not read, only 2.0 to 2.4 and 543.0`;
  }
  const isOld = isDgux || minor < VERSION_MINOR_TURNED;
  // The upper half holds the FCS length and reserved bits; they stay in the header of a copy.
  const linktype = readWord(buffer, offset + LINKTYPE_OFFSET, bigEndian) & 0xffff;
  const snaplen = readWord(buffer, offset + PCAP_SNAPLEN_OFFSET, bigEndian);
  const lengthOrder = isOld ? 'original' : minor === VERSION_MINOR_TURNED ? 'larger' : 'captured';
  return { ...variant, lengthOrder, linktype, snaplen };
}

/** Octets of a record before its frame. */
export function pcapRecordHeaderLength({ isModified }: PcapVariant): number {
  return isModified ? MODIFIED_RECORD_HEADER_LENGTH : PCAP_RECORD_HEADER_LENGTH;
}

/** Reads a record header, {@link pcapRecordHeaderLength} octets, into `frame`. Never allocates. */
export function parsePcapRecord(buffer: Buffer, offset: number, header: PcapHeader, frame: SavefileFrame): void {
  const { bigEndian, lengthOrder } = header;
  const unitsPerSecond = header.nanoseconds ? 1_000_000_000 : 1_000_000;
  const seconds = readWord(buffer, offset, bigEndian);
  const fraction = readWord(buffer, offset + 4, bigEndian);
  const first = readWord(buffer, offset + 8, bigEndian);
  const second = readWord(buffer, offset + 12, bigEndian);
  const isTurned = lengthOrder === 'original' || (lengthOrder === 'larger' && first > second);
  frame.interfaceId = 0;
  frame.timestampHigh = seconds;
  frame.timestampLow = fraction;
  frame.seconds = seconds + Math.floor(fraction / unitsPerSecond);
  frame.nanoseconds = (fraction % unitsPerSecond) * (1_000_000_000 / unitsPerSecond);
  frame.offset = offset + pcapRecordHeaderLength(header);
  frame.length = isTurned ? second : first;
  frame.originalLength = isTurned ? first : second;
  frame.optionsOffset = offset + PCAP_RECORD_HEADER_LENGTH;
  frame.optionsLength = frame.offset - frame.optionsOffset;
  frame.isSimple = false;
}

/** Makes the file header of a new pcap file, version 2.4. Returns owned. */
export function emitPcapHeader(header: Omit<PcapHeader, 'lengthOrder' | 'isModified'>): Buffer {
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
 * @param section - says how its records are laid out
 * @param added - what a modified record adds; zeros where it is shorter than that
 * @returns the offset behind the record
 */
export function emitPcapRecord(
  section: SavefileSection,
  record: SavefileRecord,
  frame: Buffer,
  added: Buffer,
  out: Buffer,
  offset: number,
): number {
  const { bigEndian, originalFirst = false, recordHeaderLength = PCAP_RECORD_HEADER_LENGTH } = section;
  let at = writeWord(out, record.timestampHigh, offset, bigEndian);
  at = writeWord(out, record.timestampLow, at, bigEndian);
  at = writeWord(out, originalFirst ? record.originalLength : record.length, at, bigEndian);
  at = writeWord(out, originalFirst ? record.length : record.originalLength, at, bigEndian);
  const end = offset + recordHeaderLength;
  if (at < end) out.fill(0, at + added.copy(out, at, 0, end - at), end);
  return end + frame.copy(out, end, 0, record.length);
}
