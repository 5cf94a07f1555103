/**
 * The capture that a replay writes: a file, or a stream such as standard output.
 *
 * Part of the savefile driver. Records gather in one buffer; only `flush` and `close` touch the descriptor. Rules: a file
 * ends with a whole record, whatever becomes of the disk. What is known only at the end (a longer snaplen, a section that
 * is no longer as long as its header says) is put right in a file; a stream that cannot go back says it beforehand, or
 * counts what it cannot say.
 *
 * @module
 */

import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, type Stats, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { type ErrorCode, FirehookError } from '../errors.ts';
import { emitSavefileRecord, savefileRecordLength } from '../wire/savefile.ts';
import {
  type SavefileInterface,
  type SavefileRecord,
  type SavefileSection,
  writeWord,
} from '../wire/savefile-format.ts';
import { PCAP_SNAPLEN_OFFSET } from '../wire/savefile-pcap.ts';
import {
  PCAPNG_SNAPLEN_OFFSET,
  SECTION_LENGTH_OFFSET,
  SECTION_LENGTH_OPEN,
  SECTION_LENGTH_SIZE,
} from '../wire/savefile-pcapng.ts';

const CHUNK_OCTETS = 1024 * 1024;
const OUTPUT_MODE = 0o644;
const STANDARD_OUTPUT = 1;
/** Names of standard output. Opened by its path a pipe of somebody else's, or a socket, would be refused. */
const STANDARD_OUTPUT_NAMES: ReadonlySet<string> = new Set(['-', '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1']);
/** How long `close` waits for a reader that does not read, and how long between two looks. */
const CLOSE_PATIENCE_MS = 1000;
const CLOSE_PAUSE_MS = 10;
const OPEN_LENGTH = Buffer.alloc(SECTION_LENGTH_SIZE, SECTION_LENGTH_OPEN);

/** Where the snaplen of an interface stands in the output, and what it has to become. */
interface SnaplenField {
  readonly position: number;
  readonly bigEndian: boolean;
  /** Octets; 0 leaves the field as it is. */
  raisedTo: number;
}

/** What an output writes to. */
interface Destination {
  readonly path: string;
  readonly file: number;
  /** Where its first octet stands in the file; -1 for a stream, in which nothing can be changed afterwards. */
  readonly start: number;
  /** Standard output itself is left open. */
  readonly isOwned: boolean;
}

/** True when that path is standard output. */
export function isStandardOutput(path: string): boolean {
  return STANDARD_OUTPUT_NAMES.has(path);
}

/** The file that is written. */
export class SavefileOutput {
  readonly #path: string;
  readonly #file: number;
  readonly #start: number;
  readonly #isOwned: boolean;
  readonly #snaplens: SnaplenField[] = [];
  /** Positions of section lengths that are not true of the output. */
  readonly #openSections: number[] = [];
  #buffer = Buffer.allocUnsafeSlow(CHUNK_OCTETS);
  #used = 0;
  /** Octets of the buffer that are written: a stream may take a part. */
  #taken = 0;
  #flushed = 0;
  /** Where in the buffer each record ends. */
  readonly #ends: number[] = [];
  #written = 0;
  #unsaid = 0;
  #isReaderGone = false;
  #isClosed = false;
  /** Position of the section at hand and what follows its header, in the input and here; -1 before a section of pcapng. */
  #sectionAt = -1;
  #sectionRead = 0;
  #sectionWritten = 0;

  /** @param destination - taken over where it is owned */
  constructor({ path, file, start, isOwned }: Destination) {
    this.#path = path;
    this.#file = file;
    this.#start = start;
    this.#isOwned = isOwned;
  }

  /** Records that are in the file, whole. */
  get written(): number {
    return this.#written;
  }

  /** Records longer than the snaplen in the head of the output, which could not be corrected; readers may cut them. */
  get unsaid(): number {
    return this.#unsaid;
  }

  /** Whoever read the stream has gone: what is written from now on goes nowhere. */
  get isReaderGone(): boolean {
    return this.#isReaderGone;
  }

  /** Opens a section with its header as it is in the input. */
  openSection(section: SavefileSection): void {
    this.#endSection(true);
    if (section.format === 'pcapng') {
      this.#sectionAt = this.#flushed + this.#used;
      this.append(section.header);
      if (this.#start < 0) OPEN_LENGTH.copy(this.#buffer, this.#used - section.header.length + SECTION_LENGTH_OFFSET);
    } else this.append(section.header);
    this.#sectionRead = 0;
    this.#sectionWritten = 0;
  }

  /** So many octets of the section have been read from the input: what it holds here is compared with that. */
  countRead(octets: number): void {
    this.#sectionRead += octets;
  }

  /** Writes octets of `buffer` that are no packet, all of it unless told otherwise. */
  append(buffer: Buffer, offset = 0, length: number = buffer.length): void {
    this.#reserve(length);
    this.#advance(buffer.copy(this.#buffer, this.#used, offset, offset + length));
  }

  /** Writes the description of an interface of the section. */
  describe(origin: SavefileInterface, section: SavefileSection): void {
    const { bigEndian } = section;
    const position =
      section.format === 'pcap' ? PCAP_SNAPLEN_OFFSET : this.#flushed + this.#used + PCAPNG_SNAPLEN_OFFSET;
    this.#snaplens[origin.id] = { position, bigEndian, raisedTo: 0 };
    this.append(origin.block);
  }

  /** Writes the record of a packet as it stands in `buffer`. Allocates nothing. */
  copy(buffer: Buffer, offset: number, length: number): void {
    this.append(buffer, offset, length);
    this.#ends.push(this.#used);
  }

  /** Writes a packet. */
  write(section: SavefileSection, record: SavefileRecord, frame: Buffer, options: Buffer): void {
    this.#reserve(savefileRecordLength(section, record.length, options.length, record.isSimple));
    this.#advance(emitSavefileRecord(section, record, frame, options, this.#buffer, this.#used) - this.#used);
    this.#ends.push(this.#used);
  }

  /** Readers cut frames at the snaplen: a frame that a hook made longer must not lose its end that way. */
  raiseSnaplen(port: number, length: number): void {
    const field = this.#snaplens[port];
    if (field === undefined) return;
    if (this.#start < 0) this.#unsaid += 1;
    field.raisedTo = Math.max(field.raisedTo, length);
  }

  /**
   * Writes what is gathered.
   *
   * @returns false when a stream takes no more just now: to be called again
   * @throws {@link FirehookError} FIREHOOK_SAVEFILE_INCOMPLETE
   */
  flush(): boolean {
    try {
      while (this.#taken < this.#used && !this.#isReaderGone) {
        this.#taken += writeSync(this.#file, this.#buffer, this.#taken, this.#used - this.#taken);
      }
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'EAGAIN') return false;
      this.#endWhole();
      if (code !== 'EPIPE' || this.#start >= 0) throw incomplete(this.#path, because(cause), cause);
      this.#isReaderGone = true;
      return true;
    }
    this.#forget(this.#ends.length, this.#used);
    return true;
  }

  /**
   * Writes the rest, puts right what can be, and gives the file back. Idempotent.
   *
   * @param isWhole - the input was read to its end
   * @throws {@link FirehookError} FIREHOOK_SAVEFILE_INCOMPLETE
   */
  close(isWhole: boolean): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    try {
      this.#endSection(isWhole);
      this.#flushAtOnce();
      if (this.#start >= 0) this.#putRight();
    } finally {
      if (this.#isOwned) closeSync(this.#file);
    }
  }

  /** For the end of a process, which nothing can wait beside: a reader that does not read gets a moment. */
  #flushAtOnce(): void {
    const clock = new Int32Array(new SharedArrayBuffer(4));
    for (let waited = 0; !this.flush(); waited += CLOSE_PAUSE_MS) {
      if (waited >= CLOSE_PATIENCE_MS) {
        this.#endWhole();
        throw incomplete(this.#path, 'its reader does not read');
      }
      Atomics.wait(clock, 0, 0, CLOSE_PAUSE_MS);
    }
  }

  #putRight(): void {
    const octets = Buffer.alloc(4);
    try {
      for (const { raisedTo, bigEndian, position } of this.#snaplens.filter((field) => field.raisedTo > 0)) {
        writeWord(octets, raisedTo, 0, bigEndian);
        writeSync(this.#file, octets, 0, octets.length, this.#start + position);
      }
      for (const at of this.#openSections) {
        writeSync(this.#file, OPEN_LENGTH, 0, OPEN_LENGTH.length, this.#start + at + SECTION_LENGTH_OFFSET);
      }
    } catch (cause) {
      throw incomplete(this.#path, because(cause), cause);
    }
  }

  /** The length in the header of a section is true of this one as long as as much was written as was read. */
  #endSection(isWhole: boolean): void {
    if (this.#sectionAt < 0) return;
    if (!isWhole || this.#sectionRead !== this.#sectionWritten) this.#openSections.push(this.#sectionAt);
    this.#sectionAt = -1;
  }

  #advance(octets: number): void {
    this.#used += octets;
    this.#sectionWritten += octets;
  }

  /** No more of the buffer will reach the file: counts the records that are whole, and takes the rest off a file again. */
  #endWhole(): void {
    const whole = this.#ends.filter((end) => end <= this.#taken);
    const end = whole.at(-1) ?? 0;
    try {
      if (this.#start >= 0) ftruncateSync(this.#file, this.#start + this.#flushed + end);
    } catch {
      // A file system that does not even do this has said what is wrong with the write.
    }
    // What could not be written is not tried again when the file is closed.
    this.#forget(whole.length, end);
  }

  #forget(records: number, octets: number): void {
    this.#written += records;
    this.#flushed += octets;
    this.#used = 0;
    this.#taken = 0;
    this.#ends.length = 0;
  }

  #reserve(octets: number): void {
    const needed = this.#used + octets;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#buffer.length));
      this.#buffer.copy(grown, 0, 0, this.#used);
      this.#buffer = grown;
    }
  }
}

/**
 * Opens the output and empties it, but not when it is the input: by a link, another spelling, or the same path.
 *
 * @param path - of a file or of a named pipe with a reader; `-` is standard output
 * @param input - descriptor of the input
 * @throws {@link FirehookError} FIREHOOK_SAVEFILE_UNWRITABLE
 */
export function openOutput(path: string, input: number): SavefileOutput {
  if (isStandardOutput(path)) return openStandardOutput(input);
  // O_NONBLOCK: a pipe without a reader is an error instead of a wait.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK;
  const file = openFile(path, flags, 'FIREHOOK_SAVEFILE_UNWRITABLE');
  const stats = fstatSync(file);
  const fault = isInput(file, input) ? 'it is the input' : isWritable(stats) ? null : 'no regular file and no pipe';
  if (fault !== null) {
    closeSync(file);
    throw new FirehookError('FIREHOOK_SAVEFILE_UNWRITABLE', `"${path}": ${fault}`);
  }
  if (stats.isFile()) ftruncateSync(file);
  return new SavefileOutput({ path, file, start: stats.isFile() ? 0 : -1, isOwned: true });
}

function openStandardOutput(input: number): SavefileOutput {
  const path = 'standard output';
  const refuse = (why: string): FirehookError =>
    new FirehookError('FIREHOOK_SAVEFILE_UNWRITABLE', `${path}: ${why}`, { advice: 'send it to a file or a pipe' });
  if (isatty(STANDARD_OUTPUT)) throw refuse('it is a terminal, and a capture is no text');
  const stats = fstatSync(STANDARD_OUTPUT);
  if (isInput(STANDARD_OUTPUT, input)) throw refuse('it is the input');
  if (stats.isFile()) {
    return new SavefileOutput({ path, file: STANDARD_OUTPUT, start: placeInFile(), isOwned: false });
  }
  // A description of its own, so that a pipe says when it is full instead of keeping signals from being heard.
  const file = stats.isFIFO() ? reopenPipe(STANDARD_OUTPUT, constants.O_WRONLY) : null;
  return new SavefileOutput({ path, file: file ?? STANDARD_OUTPUT, start: -1, isOwned: file !== null });
}

/** Where the next octet goes; -1 for a file that is only ever appended to. */
function placeInFile(): number {
  const told = readFileSync(`/proc/self/fdinfo/${STANDARD_OUTPUT}`, 'utf8');
  const [, place = ''] = /^pos:\s*(\d+)$/m.exec(told) ?? [];
  const [, flags = ''] = /^flags:\s*([0-7]+)$/m.exec(told) ?? [];
  return (Number.parseInt(flags, 8) & constants.O_APPEND) === 0 ? Number(place) : -1;
}

/** Opens the pipe behind a descriptor once more, without waits; null where its other end has gone, or it may not be. */
export function reopenPipe(file: number, flags: number): number | null {
  try {
    return openSync(`/proc/self/fd/${file}`, flags | constants.O_NONBLOCK);
  } catch {
    return null;
  }
}

function isInput(file: number, input: number): boolean {
  const from = fstatSync(input, { bigint: true });
  const to = fstatSync(file, { bigint: true });
  return to.isFile() && from.dev === to.dev && from.ino === to.ino;
}

function isWritable(stats: Stats): boolean {
  return stats.isFile() || stats.isFIFO();
}

/** A directory opens for reading, and fails at the first read. */
export function openFile(path: string, flags: number, code: ErrorCode): number {
  return attempt(code, `"${path}"`, () => openSync(path, flags, OUTPUT_MODE));
}

/** Calls the system. @throws {@link FirehookError} of that code, with `name` and what the system said */
export function attempt<Result>(code: ErrorCode, name: string, call: () => Result): Result {
  try {
    return call();
  } catch (cause) {
    throw new FirehookError(code, `${name}: ${because(cause)}`, { cause });
  }
}

function incomplete(path: string, why: string, cause?: unknown): FirehookError {
  const name = path === 'standard output' ? path : `"${path}"`;
  return new FirehookError('FIREHOOK_SAVEFILE_INCOMPLETE', `${name}: ${why}`, { cause });
}

/** The text of a system error repeats the call and the path behind a comma. */
function because(cause: unknown): string {
  return cause instanceof Error ? (cause.message.split(',')[0] ?? '') : String(cause);
}
