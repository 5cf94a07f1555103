/**
 * Capture files as a stream: chunks of octets in, sections, interfaces and frames out; and records back to octets.
 *
 * ```
 *   push(chunk) ─> next() ─> 'section' | 'interface' | 'frame' | 'block' ... ─> 'more' ─> push(chunk) ... ─> end()
 *                                                                          └─> 'error'
 * ```
 * Every octet of the file belongs to one of the events, which can be copied as it stands.
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
  MAX_SAVEFILE_INTERFACES,
  readWord,
  type SavefileFrame,
  type SavefileInterface,
  type SavefileRecord,
  type SavefileSection,
} from './savefile-format.ts';
import {
  emitPcapRecord,
  identifyOtherPcap,
  identifyPcap,
  PCAP_HEADER_LENGTH,
  PCAP_RECORD_HEADER_LENGTH,
  type PcapHeader,
  type PcapVariant,
  parsePcapHeader,
  parsePcapRecord,
  pcapRecordHeaderLength,
} from './savefile-pcap.ts';
import {
  BLOCK,
  BLOCK_OVERHEAD,
  emitPacket,
  emitSimplePacket,
  identifySection,
  packetBlockLength,
  parseInterface,
  parsePacket,
  parseSection,
  parseSimplePacket,
  SECTION_PEEK_LENGTH,
  simplePacketBlockLength,
} from './savefile-pcapng.ts';
import { createTimestampScale, RESOLUTION_MICROSECONDS, RESOLUTION_NANOSECONDS } from './savefile-time.ts';

/** A block may be this long: the longest frame and ample room for options. */
const MAX_BLOCK_LENGTH = MAX_SAVEFILE_FRAME_LENGTH + 1024 * 1024;
const MAGIC_LENGTH = 4;
/** What people hand over instead of a capture: the first octets, and the name of the program that made them. */
const COMPRESSED: readonly (readonly [string, string])[] = [
  ['1f8b', 'gzip'],
  ['28b52ffd', 'zstd'],
  ['fd377a58', 'xz'],
  ['425a68', 'bzip2'],
  ['04224d18', 'lz4'],
];
/** The first octets of other kinds of capture, and the program that writes them. */
const FOREIGN: readonly (readonly [string, string])[] = [
  ['736e6f6f', 'a capture of snoop'],
  ['6274736e', 'a capture of btsnoop'],
  ['474d4255', 'a capture of Network Monitor'],
  ['52545353', 'a capture of Network Monitor'],
];

/**
 * What {@link SavefileReader.next} came upon. `section`: a new section (pcap: with its one interface). `interface`: a new
 * interface. `frame`: a frame. `block`: a block of pcapng that is none of these (name resolution, statistics, secrets ...).
 * `more`: nothing further in the octets pushed so far. `error`: damage, final.
 */
export type SavefileEvent = 'section' | 'interface' | 'frame' | 'block' | 'more' | 'error';

/** Reads a capture file that comes in chunks. */
export class SavefileReader {
  /** The frame of the last `frame` event. One object, used again for each frame; valid until the next call. */
  readonly frame: SavefileFrame = {
    interfaceId: 0,
    length: 0,
    originalLength: 0,
    timestampHigh: 0,
    timestampLow: 0,
    isSimple: false,
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
  #recordOffset = 0;
  #recordLength = 0;
  #framesTotal = 0;
  #sectionsTotal = 0;
  #firstInterface = 0;
  #section: SavefileSection | null = null;
  #pcap: PcapHeader | null = null;
  #error: FirehookError | null = null;

  /** @param name - what errors call the file, for example its path */
  constructor(name: string) {
    this.#name = name;
  }

  /** Where the octets of the last event are. Borrowed until the next `push`. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** Octet of the buffer where the record, block or head of the last event starts. */
  get recordOffset(): number {
    return this.#recordOffset;
  }

  /** Octets of the record, block or head of the last event, all that belongs to it. */
  get recordLength(): number {
    return this.#recordLength;
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
    if (this.#error !== null) {
      return 'error';
    }
    if (this.#section === null) {
      return this.#open();
    }
    return this.#pcap === null ? this.#block(this.#section.bigEndian) : this.#record(this.#pcap);
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
    if (this.#available() === 0) {
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
    const start = this.#buffer.toString('hex', 0, MAGIC_LENGTH);
    const foreign = identifyOtherPcap(this.#buffer, 0) ?? FOREIGN.find(([magic]) => magic === start)?.[1];
    if (foreign !== undefined) {
      return this.#fail(this.#formatError(`it is ${foreign}, which is not read`));
    }
    return this.#fail(this.#formatError(`it starts with the octets ${start}`));
  }

  #openPcap(variant: PcapVariant): SavefileEvent {
    if (this.#available() < PCAP_HEADER_LENGTH) {
      return 'more';
    }
    const header = parsePcapHeader(this.#buffer, 0, variant);
    if (typeof header === 'string') {
      return this.#fail(this.#formatError(header));
    }
    this.#pcap = header;
    this.#section = {
      format: 'pcap',
      bigEndian: variant.bigEndian,
      recordHeaderLength: pcapRecordHeaderLength(header),
      originalFirst: header.lengthOrder === 'original',
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
    return this.#take(PCAP_HEADER_LENGTH, 'section');
  }

  /** A record of pcap. */
  #record(header: PcapHeader): SavefileEvent {
    const headerLength = pcapRecordHeaderLength(header);
    if (this.#available() < headerLength) {
      return 'more';
    }
    const { frame } = this;
    parsePcapRecord(this.#buffer, this.#position, header, frame);
    if (frame.length > MAX_SAVEFILE_FRAME_LENGTH) {
      return this.#damage(`a frame of ${frame.length} octets`);
    }
    const total = headerLength + frame.length;
    if (this.#available() < total) {
      return 'more';
    }
    this.#framesTotal += 1;
    return this.#take(total, 'frame');
  }

  /** A block of pcapng. */
  #block(bigEndian: boolean): SavefileEvent {
    if (this.#available() < BLOCK_OVERHEAD) {
      return 'more';
    }
    const type = readWord(this.#buffer, this.#position, bigEndian);
    if (type === BLOCK.sectionHeader) {
      return this.#sectionHeader();
    }
    const total = readWord(this.#buffer, this.#position + 4, bigEndian);
    const fault = blockLengthFault(total);
    if (fault !== null) {
      return this.#damage(fault);
    }
    if (this.#available() < total) {
      return 'more';
    }
    if (readWord(this.#buffer, this.#position + total - 4, bigEndian) !== total) {
      return this.#damage(`a block of ${total} octets whose closing length differs`);
    }
    switch (type) {
      case BLOCK.interface:
        return this.#interface(total, bigEndian);
      case BLOCK.enhancedPacket:
      case BLOCK.simplePacket:
      case BLOCK.obsoletePacket:
        return this.#packet(type, total, bigEndian);
      default:
        return this.#take(total, 'block');
    }
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
    const fault = blockLengthFault(total);
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
    return this.#take(total, 'section');
  }

  #interface(total: number, bigEndian: boolean): SavefileEvent {
    const id = this.#interfaces.length;
    if (id === MAX_SAVEFILE_INTERFACES) {
      return this.#damage(`more than ${MAX_SAVEFILE_INTERFACES} interfaces`);
    }
    const place = { id, idInSection: id - this.#firstInterface, sectionIndex: this.#sectionsTotal - 1 };
    const description = parseInterface(this.#buffer, this.#position, total, bigEndian, place);
    if (typeof description === 'string') {
      return this.#damage(description);
    }
    this.#interfaces.push(description);
    return this.#take(total, 'interface');
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
    this.#framesTotal += 1;
    return this.#take(total, 'frame');
  }

  #take(length: number, event: SavefileEvent): SavefileEvent {
    this.#recordOffset = this.#position;
    this.#recordLength = length;
    this.#position += length;
    return event;
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

/**
 * Octets of a record with a frame and options of these lengths.
 *
 * @param isSimple - it is to be a simple packet block
 */
export function savefileRecordLength(
  section: SavefileSection,
  length: number,
  optionsLength: number,
  isSimple = false,
): number {
  if (section.format === 'pcap') return (section.recordHeaderLength ?? PCAP_RECORD_HEADER_LENGTH) + length;
  return isSimple ? simplePacketBlockLength(length) : packetBlockLength(length, optionsLength);
}

/**
 * Writes a record in the format and byte order of a section: pcapng as a simple packet block where `record.isSimple`, as an
 * enhanced one otherwise, whatever it came from.
 *
 * Never allocates; `out` has room for {@link savefileRecordLength} octets.
 *
 * @param record - `interfaceId` counts within the section
 * @param frame - its first `record.length` octets are written
 * @param options - of the enhanced packet block, as they stand in a file of this byte order; of pcap what a modified record
 *   adds; written nowhere else
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
  if (section.format === 'pcap') return emitPcapRecord(section, record, frame, options, out, offset);
  return record.isSimple === true
    ? emitSimplePacket(record, frame, out, offset, section.bigEndian)
    : emitPacket(record, frame, options, out, offset, section.bigEndian);
}

function blockLengthFault(total: number): string | null {
  return total < BLOCK_OVERHEAD || total % 4 !== 0 || total > MAX_BLOCK_LENGTH ? `a block of ${total} octets` : null;
}
