/**
 * What the two capture file formats share: the shape of a section, an interface and a frame, and 32-bit words.
 *
 * Floor 0. `savefile-pcap.ts` and `savefile-pcapng.ts` turn octets into these shapes and back; `savefile.ts` streams
 * them. Rule: offsets count from the start of the buffer a function is handed, lengths are octets.
 *
 * @module
 */

import type { TimestampScale } from './savefile-time.ts';

/**
 * Longest captured frame that is read, in octets. No link carries more; a larger number in a record is a sign of
 * damage, and believing it would let a small file ask for any amount of memory.
 */
export const MAX_SAVEFILE_FRAME_LENGTH = 64 * 1024 * 1024;

/**
 * Most interfaces that a file may describe, over all its sections. What a reader keeps of each lasts as long as the file.
 */
export const MAX_SAVEFILE_INTERFACES = 65_536;

/** A head that belongs to the frames after it: the file header of pcap, a section header block of pcapng. */
export interface SavefileSection {
  readonly format: 'pcap' | 'pcapng';
  /** Byte order of every field in the section; the frames themselves are octets. */
  readonly bigEndian: boolean;
  /** The octets of the head as they stand in the file. Owned. */
  readonly header: Buffer;
  /**
   * Of pcap: octets of a record before its frame.
   *
   * @defaultValue 16
   */
  readonly recordHeaderLength?: number;
  /**
   * Of pcap: the original length stands before the captured one.
   *
   * @defaultValue false
   */
  readonly originalFirst?: boolean;
}

/** Where frames of a section were captured. A pcap file has one. */
export interface SavefileInterface {
  /** Position among all interfaces of the file. pcapng counts anew in each section; this does not. */
  readonly id: number;
  /** Position within its section: the number that packet blocks use. */
  readonly idInSection: number;
  /** Position of its section in the file. */
  readonly sectionIndex: number;
  /** Linktype as in the registry, 0-65535; the FCS length and other high bits of pcap are taken off. */
  readonly linktype: number;
  /** Longest captured frame by the file's own account, in octets; 0 is no limit. Files lie: never size memory by it. */
  readonly snaplen: number;
  /** How its timestamps count. */
  readonly scale: TimestampScale;
  /** The octets that describe it; empty for pcap, where the file header does. Owned. */
  readonly block: Buffer;
}

/** What a record says about its frame, apart from the octets. */
export interface SavefileRecord {
  /** Interface of the frame. */
  interfaceId: number;
  /** Captured octets. */
  length: number;
  /** Octets on the wire, as the file says: larger than `length` where the capture cut the frame. */
  originalLength: number;
  /** Timestamp as in the file. pcap: seconds since 1970. pcapng: upper 32 bits of a count of units. */
  timestampHigh: number;
  /** Timestamp as in the file. pcap: micro- or nanoseconds. pcapng: lower 32 bits. */
  timestampLow: number;
  /**
   * It is a simple packet block of pcapng, which has no time.
   *
   * @defaultValue false
   */
  isSimple?: boolean;
}

/** A frame as the reader shows it. */
export interface SavefileFrame extends SavefileRecord {
  isSimple: boolean;
  /** Octet of the reader's buffer where the frame starts. */
  offset: number;
  /** Octet of the reader's buffer where the options of the packet block start; of pcap: what a modified record adds. */
  optionsOffset: number;
  /** Octets of them. */
  optionsLength: number;
  /** The timestamp in seconds since 1970, rounded down; 0 where the record has none. */
  seconds: number;
  /** The rest of the timestamp, 0-999999999. What is finer in the file is rounded down. */
  nanoseconds: number;
}

/** Reads an unsigned 16-bit field. The caller has checked the length. */
export function readHalfword(buffer: Buffer, offset: number, bigEndian: boolean): number {
  return bigEndian ? buffer.readUInt16BE(offset) : buffer.readUInt16LE(offset);
}

/** Reads an unsigned 32-bit field. The caller has checked the length. */
export function readWord(buffer: Buffer, offset: number, bigEndian: boolean): number {
  return bigEndian ? buffer.readUInt32BE(offset) : buffer.readUInt32LE(offset);
}

/**
 * Writes an unsigned 16-bit field.
 *
 * @returns the offset behind it
 */
export function writeHalfword(buffer: Buffer, value: number, offset: number, bigEndian: boolean): number {
  return bigEndian ? buffer.writeUInt16BE(value, offset) : buffer.writeUInt16LE(value, offset);
}

/**
 * Writes an unsigned 32-bit field.
 *
 * @returns the offset behind it
 */
export function writeWord(buffer: Buffer, value: number, offset: number, bigEndian: boolean): number {
  return bigEndian ? buffer.writeUInt32BE(value, offset) : buffer.writeUInt32LE(value, offset);
}
