/**
 * Captures for the savefile tests: composed from frames, taken apart into frames, and copied record by record.
 *
 * @module
 */

import { emitSavefileRecord, SavefileReader, savefileRecordLength } from '../../../src/wire/savefile.ts';
import type { SavefileInterface, SavefileSection } from '../../../src/wire/savefile-format.ts';
import { emitPcapHeader } from '../../../src/wire/savefile-pcap.ts';
import { emitInterface, emitSection } from '../../../src/wire/savefile-pcapng.ts';

/** A way to write the same frames. */
export interface Variant {
  readonly title: string;
  readonly format: 'pcap' | 'pcapng';
  readonly bigEndian: boolean;
  /** As in `if_tsresol`; pcap knows 6 and 9. */
  readonly resolution: number;
}

/** Every format, byte order and resolution that is told apart. */
export const VARIANTS: readonly Variant[] = [false, true].flatMap((bigEndian) => {
  const order = bigEndian ? 'big-endian' : 'little-endian';
  return [
    { title: `pcap, microseconds, ${order}`, format: 'pcap', bigEndian, resolution: 6 },
    { title: `pcap, nanoseconds, ${order}`, format: 'pcap', bigEndian, resolution: 9 },
    { title: `pcapng, microseconds, ${order}`, format: 'pcapng', bigEndian, resolution: 6 },
    { title: `pcapng, nanoseconds, ${order}`, format: 'pcapng', bigEndian, resolution: 9 },
    { title: `pcapng, 1/1024 seconds, ${order}`, format: 'pcapng', bigEndian, resolution: 0x80 + 10 },
  ] as const;
});

/** A record to write; what is left out is 0, or follows from the octets. */
export interface CaptureRecord {
  readonly bytes: Buffer;
  readonly interfaceId?: number;
  readonly originalLength?: number;
  readonly high?: number;
  readonly low?: number;
  /** Octets of pcapng options, padded; of a modified pcap record, the eight that it adds. */
  readonly options?: Buffer;
  /** It is to be a simple packet block. */
  readonly isSimple?: boolean;
}

/** A frame that was read, with copies of its octets. */
export interface CapturedFrame {
  readonly bytes: Buffer;
  readonly options: Buffer;
  readonly interfaceId: number;
  readonly originalLength: number;
  readonly high: number;
  readonly low: number;
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** All that a reader says about a file. */
export interface CaptureContents {
  readonly frames: readonly CapturedFrame[];
  readonly interfaces: readonly SavefileInterface[];
  readonly sections: readonly SavefileSection[];
  /** Blocks of pcapng that are no packets, interfaces or sections. */
  readonly blocks: readonly Buffer[];
  readonly error: Error | null;
}

/** The section of a variant. */
export function sectionOf({ format, bigEndian, resolution }: Variant, linktype = 1): SavefileSection {
  const header =
    format === 'pcap'
      ? emitPcapHeader({ bigEndian, nanoseconds: resolution === 9, linktype, snaplen: 262_144 })
      : emitSection(bigEndian);
  return { format, bigEndian, header };
}

/** A whole file: head, for pcapng two interfaces, and records. */
export function composeCapture(variant: Variant, records: readonly CaptureRecord[], linktype = 1): Buffer {
  const { bigEndian, resolution } = variant;
  const section = sectionOf(variant, linktype);
  const description = emitInterface({ linktype, snaplen: 262_144, resolution }, bigEndian);
  const interfaces = variant.format === 'pcap' ? [] : [description, description];
  return Buffer.concat([section.header, ...interfaces, ...records.map((record) => composeRecord(section, record))]);
}

/** One record of a section. */
export function composeRecord(section: SavefileSection, record: CaptureRecord): Buffer {
  const { bytes, interfaceId = 0, originalLength = bytes.length, high = 0, low = 0, isSimple = false } = record;
  const options = record.options ?? Buffer.alloc(0);
  const fields = {
    interfaceId,
    length: bytes.length,
    originalLength,
    timestampHigh: high,
    timestampLow: low,
    isSimple,
  };
  // Filled with what must not shine through: every octet of a record is the writer's to set.
  const out = Buffer.alloc(savefileRecordLength(section, bytes.length, options.length, isSimple), 0xee);
  emitSavefileRecord(section, fields, bytes, options, out, 0);
  return out;
}

/** Reads a whole file, in chunks of `chunkOctets`. */
export function readCapture(octets: Buffer, chunkOctets = 65_536): CaptureContents {
  const reader = new SavefileReader('capture');
  const frames: CapturedFrame[] = [];
  const sections: SavefileSection[] = [];
  const blocks: Buffer[] = [];
  for (let at = 0; at < octets.length; at += chunkOctets) {
    reader.push(octets.subarray(at, at + chunkOctets));
    for (let event = reader.next(); event !== 'more' && event !== 'error'; event = reader.next()) {
      if (event === 'section' && reader.section !== null) {
        sections.push(reader.section);
      } else if (event === 'frame') {
        frames.push(frameAt(reader));
      } else if (event === 'block') {
        const { buffer, recordOffset, recordLength } = reader;
        blocks.push(Buffer.from(buffer.subarray(recordOffset, recordOffset + recordLength)));
      }
    }
  }
  return { frames, interfaces: reader.interfaces, sections, blocks, error: reader.end() };
}

/** Writes what was read, in the same format, byte order and resolution. For files of one section. */
export function copyCapture(octets: Buffer): Buffer {
  const { frames, interfaces, sections } = readCapture(octets);
  return Buffer.concat([
    ...sections.map(({ header }) => header),
    ...interfaces.map(({ block }) => block),
    ...sections.flatMap((section) => frames.map((frame) => composeRecord(section, frame))),
  ]);
}

function frameAt({ buffer, frame }: SavefileReader): CapturedFrame {
  const { offset, length, optionsOffset, optionsLength, interfaceId, originalLength, seconds, nanoseconds } = frame;
  return {
    bytes: Buffer.from(buffer.subarray(offset, offset + length)),
    options: Buffer.from(buffer.subarray(optionsOffset, optionsOffset + optionsLength)),
    interfaceId,
    originalLength,
    high: frame.timestampHigh,
    low: frame.timestampLow,
    seconds,
    nanoseconds,
  };
}
