/**
 * Capture files as a stream: chunks of octets in, sections, interfaces and frames out; and records back to octets.
 *
 * ```
 *   push(chunk) ─> next() ─> 'section' | 'interface' | 'frame' ... ─> 'more' ─> push(chunk) ... ─> end()
 *                                                                └─> 'error'
 * ```
 * Floor 0, no I/O. The format and the byte order are told by the file itself. The reader keeps one buffer that holds the
 * record at hand and grows with the octets that really came, never by the word of a length field. Rule: nothing here
 * throws; damage is an error value, after all frames before it were shown.
 *
 * @see `savefile-pcap.ts` and `savefile-pcapng.ts` for the formats
 *
 * @module
 */

import { FirehookError } from '../errors.ts';
import {
  MAX_SAVEFILE_FRAME_LENGTH,
  readWord,
  type SavefileFrame,
  type SavefileInterface,
  type SavefileRecord,
  type SavefileSection,
} from './savefile-format.ts';
import {
  emitPcapRecord,
  identifyPcap,
  PCAP_HEADER_LENGTH,
  PCAP_RECORD_HEADER_LENGTH,
  type PcapVariant,
  parsePcapHeader,
  parsePcapRecord,
} from './savefile-pcap.ts';
import {
  BLOCK,
  BLOCK_OVERHEAD,
  emitPacket,
  identifySection,
  packetBlockLength,
  parseInterface,
  parsePacket,
  parseSection,
  parseSimplePacket,
  SECTION_PEEK_LENGTH,
} from './savefile-pcapng.ts';
import { createTimestampScale, RESOLUTION_MICROSECONDS, RESOLUTION_NANOSECONDS } from './savefile-time.ts';

/** A block that is read whole may be this long: the longest frame and ample room for options. */
const MAX_BLOCK_LENGTH = MAX_SAVEFILE_FRAME_LENGTH + 1024 * 1024;
const MAGIC_LENGTH = 4;
/** What people hand over instead of a capture: the first octets, and the name of the program that made them. */
const COMPRESSED: readonly (readonly [string, string])[] = [
  ['1f8b', 'gzip'],
  ['28b52ffd', 'zstd'],
  ['fd377a58', 'xz'],
  ['425a68', 'bzip2'],
];

/**
 * What {@link SavefileReader.next} came upon. `section`: a new section (pcap: with its one interface). `interface`: a new
 * interface. `frame`: a frame. `more`: nothing further in the octets pushed so far. `error`: damage, final.
 */
export type SavefileEvent = 'section' | 'interface' | 'frame' | 'more' | 'error';

/** Reads a capture file that comes in chunks. */
export class SavefileReader {
  /** The frame of the last `frame` event. One object, used again for each frame; valid until the next call. */
  readonly frame: SavefileFrame = {
    interfaceId: 0,
    length: 0,
    originalLength: 0,
    timestampHigh: 0,
    timestampLow: 0,
    offset: 0,
    optionsOffset: 0,
    optionsLength: 0,
    seconds: 0,
    nanoseconds: 0,
  };
  readonly #name: string;
  readonly #interfaces: SavefileInterface[] = [];
  #buffer: Buffer = Buffer.alloc(0);
  #position = 0;
  #limit = 0;
  /** Offset in the file of octet 0 of the buffer. */
  #base = 0;
  /** Octets of a block of no interest that are still to come. */
  #skip = 0;
  #framesTotal = 0;
  #sectionsTotal = 0;
  #firstInterface = 0;
  #section: SavefileSection | null = null;
  #pcap: PcapVariant | null = null;
  #error: FirehookError | null = null;

  /** @param name - what errors call the file, for example its path */
  constructor(name: string) {
    this.#name = name;
  }

  /** Where the octets of {@link SavefileReader.frame} are. Borrowed until the next `push`. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** The section at hand; null before the first. */
  get section(): SavefileSection | null {
    return this.#section;
  }

  /** All interfaces met so far, by id. */
  get interfaces(): readonly SavefileInterface[] {
    return this.#interfaces;
  }

  /** Takes in the next octets of the file. Borrows `chunk`; copies it. Call it when `next` said `more`. */
  push(chunk: Buffer): void {
    const left = this.#limit - this.#position;
    let target = this.#buffer;
    if (left + chunk.length > target.length) {
      target = Buffer.allocUnsafeSlow(Math.max(left + chunk.length, 2 * target.length));
    }
    this.#buffer.copy(target, 0, this.#position, this.#limit);
    chunk.copy(target, left);
    this.#base += this.#position;
    this.#buffer = target;
    this.#position = 0;
    this.#limit = left + chunk.length;
  }

  /** Goes on to the next event. Allocates nothing for a frame of a usual resolution. Never throws. */
  next(): SavefileEvent {
    for (;;) {
      if (this.#error !== null) {
        return 'error';
      }
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, this.#available());
        this.#skip -= skipped;
        this.#position += skipped;
        if (this.#skip > 0) {
          return 'more';
        }
      }
      const event =
        this.#section === null ? this.#open() : this.#pcap === null ? this.#block() : this.#record(this.#pcap);
      if (event !== null) {
        return event;
      }
    }
  }

  /**
   * What is wrong with the file now that all of it was pushed and `next` says `more` or `error`; null is well.
   *
   * @returns FIREHOOK_SAVEFILE_FORMAT for damage or no capture at all, FIREHOOK_SAVEFILE_TRUNCATED for a file that ends
   *   inside a record: with the number of the last whole packet and the offset in the file
   */
  end(): FirehookError | null {
    const size = this.#base + this.#limit;
    if (this.#error !== null) {
      return this.#error;
    }
    if (size === 0) {
      return this.#formatError('empty file');
    }
    if (this.#section === null && size < MAGIC_LENGTH) {
      return this.#formatError(`only ${size} octets`);
    }
    if (this.#available() === 0 && this.#skip === 0) {
      return null;
    }
    const what = this.#section === null ? 'inside the file header' : `after packet ${this.#framesTotal}`;
    const detail = `"${this.#name}": ${what}, in the part that starts at octet ${this.#base + this.#position}`;
    return new FirehookError('FIREHOOK_SAVEFILE_TRUNCATED', `${detail}; the file ends at octet ${size}`);
  }

  /** The start of the file: which format is it? */
  #open(): SavefileEvent {
    for (const [start, program] of COMPRESSED) {
      const length = start.length / 2;
      if (this.#available() >= length && this.#buffer.toString('hex', 0, length) === start) {
        return this.#fail(this.#formatError(`${program}-compressed: unpack it first`, ''));
      }
    }
    if (this.#available() < MAGIC_LENGTH) {
      return 'more';
    }
    const variant = identifyPcap(this.#buffer, 0);
    if (variant !== null) {
      return this.#openPcap(variant);
    }
    if (readWord(this.#buffer, 0, true) === BLOCK.sectionHeader) {
      return this.#sectionHeader();
    }
    return this.#fail(this.#formatError(`it starts with the octets ${this.#buffer.toString('hex', 0, MAGIC_LENGTH)}`));
  }

  #openPcap(variant: PcapVariant): SavefileEvent {
    if (this.#available() < PCAP_HEADER_LENGTH) {
      return 'more';
    }
    const header = parsePcapHeader(this.#buffer, 0, variant);
    if (typeof header === 'string') {
      return this.#fail(this.#formatError(header));
    }
    this.#pcap = variant;
    this.#section = {
      format: 'pcap',
      bigEndian: variant.bigEndian,
      header: Buffer.from(this.#buffer.subarray(0, PCAP_HEADER_LENGTH)),
    };
    this.#interfaces.push({
      id: 0,
      idInSection: 0,
      sectionIndex: 0,
      linktype: header.linktype,
      snaplen: header.snaplen,
      scale: createTimestampScale(variant.nanoseconds ? RESOLUTION_NANOSECONDS : RESOLUTION_MICROSECONDS, 0),
      block: Buffer.alloc(0),
    });
    this.#position = PCAP_HEADER_LENGTH;
    return 'section';
  }

  /** A record of pcap. */
  #record(variant: PcapVariant): SavefileEvent {
    if (this.#available() < PCAP_RECORD_HEADER_LENGTH) {
      return 'more';
    }
    const { frame } = this;
    parsePcapRecord(this.#buffer, this.#position, variant, frame);
    if (frame.length > MAX_SAVEFILE_FRAME_LENGTH) {
      return this.#damage(`a frame of ${frame.length} octets`);
    }
    const total = PCAP_RECORD_HEADER_LENGTH + frame.length;
    if (this.#available() < total) {
      return 'more';
    }
    this.#position += total;
    this.#framesTotal += 1;
    return 'frame';
  }

  /** A block of pcapng; null when it was of no interest. */
  #block(): SavefileEvent | null {
    if (this.#section === null || this.#available() < BLOCK_OVERHEAD) {
      return 'more';
    }
    const { bigEndian } = this.#section;
    const type = readWord(this.#buffer, this.#position, bigEndian);
    if (type === BLOCK.sectionHeader) {
      return this.#sectionHeader();
    }
    const total = readWord(this.#buffer, this.#position + 4, bigEndian);
    const isRead = type === BLOCK.interface || isPacketBlock(type);
    const fault = blockLengthFault(total, isRead);
    if (fault !== null) {
      return this.#damage(fault);
    }
    if (!isRead) {
      this.#skip = total;
      return null;
    }
    if (this.#available() < total) {
      return 'more';
    }
    if (readWord(this.#buffer, this.#position + total - 4, bigEndian) !== total) {
      return this.#damage(`a block of ${total} octets whose closing length differs`);
    }
    return type === BLOCK.interface ? this.#interface(total, bigEndian) : this.#packet(type, total, bigEndian);
  }

  #sectionHeader(): SavefileEvent {
    if (this.#available() < SECTION_PEEK_LENGTH) {
      return 'more';
    }
    const bigEndian = identifySection(this.#buffer, this.#position);
    if (bigEndian === null) {
      return this.#damage('a section header without a byte-order magic');
    }
    const total = readWord(this.#buffer, this.#position + 4, bigEndian);
    const fault = blockLengthFault(total, true);
    if (fault !== null) {
      return this.#damage(fault);
    }
    if (this.#available() < total) {
      return 'more';
    }
    if (readWord(this.#buffer, this.#position + total - 4, bigEndian) !== total) {
      return this.#damage(`a section header of ${total} octets whose closing length differs`);
    }
    const header = parseSection(this.#buffer, this.#position, total, bigEndian);
    if (typeof header === 'string') {
      return this.#damage(header);
    }
    this.#section = { format: 'pcapng', bigEndian, header };
    this.#sectionsTotal += 1;
    this.#firstInterface = this.#interfaces.length;
    this.#position += total;
    return 'section';
  }

  #interface(total: number, bigEndian: boolean): SavefileEvent {
    const id = this.#interfaces.length;
    const place = { id, idInSection: id - this.#firstInterface, sectionIndex: this.#sectionsTotal - 1 };
    const description = parseInterface(this.#buffer, this.#position, total, bigEndian, place);
    if (typeof description === 'string') {
      return this.#damage(description);
    }
    this.#interfaces.push(description);
    this.#position += total;
    return 'interface';
  }

  #packet(type: number, total: number, bigEndian: boolean): SavefileEvent {
    const first = this.#firstInterface;
    const fault =
      type === BLOCK.simplePacket
        ? parseSimplePacket(this.#buffer, this.#position, total, bigEndian, this.#interfaces[first], this.frame)
        : parsePacket(this.#buffer, this.#position, total, bigEndian, this.#interfaces, first, this.frame);
    if (fault !== null) {
      return this.#damage(fault);
    }
    this.#position += total;
    this.#framesTotal += 1;
    return 'frame';
  }

  #available(): number {
    return this.#limit - this.#position;
  }

  #fail(error: FirehookError): 'error' {
    this.#error = error;
    return 'error';
  }

  #damage(what: string): 'error' {
    const place = `after packet ${this.#framesTotal}, at octet ${this.#base + this.#position}`;
    return this.#fail(this.#formatError(`${place}: ${what}`, ''));
  }

  #formatError(because: string, advice?: string): FirehookError {
    const context = advice === undefined ? {} : { advice };
    return new FirehookError('FIREHOOK_SAVEFILE_FORMAT', `"${this.#name}": ${because}`, context);
  }
}

/** Octets of a record with a frame and options of these lengths; pcap has no options. */
export function savefileRecordLength(section: SavefileSection, length: number, optionsLength: number): number {
  return section.format === 'pcap' ? PCAP_RECORD_HEADER_LENGTH + length : packetBlockLength(length, optionsLength);
}

/**
 * Writes a record in the format and byte order of a section: pcapng as an enhanced packet block, whatever it came from.
 *
 * Never allocates; `out` has room for {@link savefileRecordLength} octets.
 *
 * @param record - `interfaceId` counts within the section
 * @param frame - its first `record.length` octets are written
 * @param options - of the packet block, as they stand in a file of this byte order; not written to pcap
 * @returns the offset behind the record
 */
export function emitSavefileRecord(
  section: SavefileSection,
  record: SavefileRecord,
  frame: Buffer,
  options: Buffer,
  out: Buffer,
  offset: number,
): number {
  return section.format === 'pcap'
    ? emitPcapRecord(record, frame, out, offset, section.bigEndian)
    : emitPacket(record, frame, options, out, offset, section.bigEndian);
}

function isPacketBlock(type: number): boolean {
  return type === BLOCK.enhancedPacket || type === BLOCK.simplePacket || type === BLOCK.obsoletePacket;
}

function blockLengthFault(total: number, isRead: boolean): string | null {
  if (total < BLOCK_OVERHEAD || total % 4 !== 0 || (isRead && total > MAX_BLOCK_LENGTH)) {
    return `a block of ${total} octets`;
  }
  return null;
}
