/**
 * The driver for capture files: frames come from one file and, where wanted, go to another of the same kind.
 *
 * ```
 *   input ─ 1 MiB at a time ─> SavefileReader ─> one frame buffer ─> sink.onFrame ─> transmit ─> out buffer ─> output
 * ```
 * The file is streamed: memory is one chunk, the longest frame, and what the frames of a chunk put out. Rule: a frame
 * that is transmitted unchanged leaves as the record that was read, octets, lengths and timestamp alike; the input is
 * never written to.
 *
 * No root, no network. Format: `src/wire/savefile.ts`.
 *
 * @module
 */

import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { type ErrorCode, FirehookError } from '../errors.ts';
import { emitSavefileRecord, type SavefileEvent, SavefileReader, savefileRecordLength } from '../wire/savefile.ts';
import {
  type SavefileInterface,
  type SavefileRecord,
  type SavefileSection,
  writeWord,
} from '../wire/savefile-format.ts';
import { PCAP_SNAPLEN_OFFSET } from '../wire/savefile-pcap.ts';
import { PCAPNG_SNAPLEN_OFFSET } from '../wire/savefile-pcapng.ts';
import { encodeTimestamp } from '../wire/savefile-time.ts';
import type { Driver, DriverCapabilities, DriverPort, DriverStats, FrameSink } from './contract.ts';

const CHUNK_OCTETS = 1024 * 1024;
/** Holds every frame of a usual capture; longer ones make it grow. */
const FIRST_FRAME_OCTETS = 128 * 1024;
/** The format's own limit: lengths are read as signed 32-bit numbers by many tools. */
const MAX_FRAME_LENGTH = 2 ** 31 - 1;
const OUTPUT_MODE = 0o644;
/** How long to wait for a pipe that has nothing to read just now. */
const PIPE_PAUSE_MS = 10;
const NO_OPTIONS = Buffer.alloc(0);
const NO_STATS: DriverStats = { droppedByKernel: 0 };

/** What {@link openSavefile} takes. */
export interface SavefileOptions {
  /** Path of the capture to read. */
  readonly input: string;
  /**
   * Path of the capture to write; created or emptied.
   *
   * @defaultValue none: what is transmitted counts as sent and goes nowhere
   */
  readonly output?: string;
  /**
   * Called after each chunk whose frames were handed out.
   *
   * @param readOctets - octets of the input read so far
   * @param totalOctets - size of the input when it was opened; 0 for a pipe
   */
  onProgress?(readOctets: number, totalOctets: number): void;
}

/**
 * Opens a capture for reading and, with `output`, one for writing.
 *
 * Nothing is written or emptied before the input has proved to be a capture. The caller owes a `start` or a `stop`.
 *
 * @throws {@link FirehookError} FIREHOOK_SAVEFILE_UNREADABLE, FIREHOOK_SAVEFILE_FORMAT or FIREHOOK_SAVEFILE_TRUNCATED
 *   for the input, FIREHOOK_SAVEFILE_UNWRITABLE for the output, also when it is the input under another name
 */
export function openSavefile(options: SavefileOptions): SavefileDriver {
  return new SavefileDriver(options);
}

/** Hands out the frames of a capture file; {@link openSavefile} makes one. */
export class SavefileDriver implements Driver {
  readonly name = 'savefile';
  /** `offloads`: captures taken on a sending host hold super-frames and checksums that were never completed. */
  readonly capabilities: DriverCapabilities = { live: false, sharesPort: false, offloads: true };
  readonly #options: SavefileOptions;
  readonly #reader: SavefileReader;
  readonly #ports: DriverPort[] = [];
  /** A pipe is opened a second time, so that waiting for its writer does not keep `stop` from being heard. */
  #input: number;
  readonly #isPipe: boolean;
  readonly #inputOctets: number;
  readonly #output: SavefileOutput | null;
  readonly #chunk = Buffer.allocUnsafeSlow(CHUNK_OCTETS);
  readonly #record: SavefileRecord = {
    interfaceId: 0,
    length: 0,
    originalLength: 0,
    timestampHigh: 0,
    timestampLow: 0,
  };
  /** The one buffer that frames are handed out in: the contract wants them at octet 0, and a sink keeps views of it. */
  #frame = Buffer.allocUnsafeSlow(FIRST_FRAME_OCTETS);
  /** What the reader came upon while the file was opened, not handed out yet. */
  #event: SavefileEvent;
  #sectionIndex = -1;
  #readOctets = 0;
  #isInFrame = false;
  #isRunning = false;
  #isStopped = false;
  #isClosed = false;

  /** @param options - see {@link openSavefile}, which also tells what is thrown */
  constructor(options: SavefileOptions) {
    this.#options = options;
    this.#reader = new SavefileReader(options.input);
    this.#input = openFile(options.input, constants.O_RDONLY, 'FIREHOOK_SAVEFILE_UNREADABLE');
    try {
      const input = fstatSync(this.#input);
      this.#inputOctets = input.size;
      this.#isPipe = input.isFIFO();
      this.#event = this.#advance();
      const error = this.#event === 'section' ? null : this.#reader.end();
      if (error !== null) {
        throw error;
      }
      this.#output = options.output === undefined ? null : openOutput(options.output, this.#input);
    } catch (error) {
      closeSync(this.#input);
      throw error;
    }
    // The interfaces at the head of the file make the first ports, so that they are known before `start`.
    while (this.#event === 'section' || this.#event === 'interface') {
      this.#takeDescription(this.#event);
      this.#event = this.#advance();
    }
  }

  /** Packets that are in the output file, whole; 0 without one. Final once `start` has ended. */
  get written(): number {
    return this.#output?.written ?? 0;
  }

  /** One port per interface of the file. Those described between frames join as they are met. */
  get ports(): readonly DriverPort[] {
    return this.#ports;
  }

  /**
   * Hands out all frames, each as a batch of its own, and lets the event loop turn after each chunk of the file.
   *
   * Resolves at the end of the file or after `stop`; both files are closed then. An exception of the sink rejects.
   *
   * @throws {@link FirehookError} FIREHOOK_SAVEFILE_TRUNCATED or FIREHOOK_SAVEFILE_FORMAT once the frames before the
   *   damage are handed out and written; FIREHOOK_SAVEFILE_UNREADABLE; FIREHOOK_SAVEFILE_INCOMPLETE when a write fails: the
   *   output ends with the last whole record that was written then
   */
  async start(sink: FrameSink): Promise<void> {
    this.#isRunning = true;
    try {
      await this.#run(sink);
    } finally {
      this.#isRunning = false;
      this.#close();
    }
  }

  /**
   * Writes a record with the time of the frame at hand.
   *
   * A frame of the length of the one at hand counts as that one and keeps its original length, so that a capture cut by
   * a snaplen comes out as it came; any other counts as whole. The options of a pcapng packet (comments, flags, hashes)
   * stay with it when it leaves by the port it came from with the same octets. To another port the time is rounded down
   * to that port's resolution. Buffered until the end of the chunk.
   *
   * @returns false for a port that is not of the section at hand, a frame too long, and after `stop`
   */
  transmit(port: number, frame: Buffer, length: number): boolean {
    const origin = this.#reader.interfaces[port];
    if (origin === undefined || origin.sectionIndex !== this.#sectionIndex || this.#isClosed) {
      return false;
    }
    if (length > MAX_FRAME_LENGTH || length > frame.length) {
      return false;
    }
    const { section, frame: arrived } = this.#reader;
    if (this.#output === null || section === null) {
      return true;
    }
    const record = this.#record;
    const keepsLength = this.#isInFrame && length === arrived.length;
    record.interfaceId = origin.idInSection;
    record.length = length;
    record.originalLength = keepsLength ? arrived.originalLength : length;
    this.#stamp(origin);
    const options = keepsLength && port === arrived.interfaceId ? this.#optionsFor(frame) : NO_OPTIONS;
    this.#output.write(section, record, frame, options);
    if (!keepsLength && origin.snaplen > 0 && length > origin.snaplen) {
      this.#output.raiseSnaplen(port, length);
    }
    return true;
  }

  /** A file drops nothing. */
  stats(): DriverStats {
    return NO_STATS;
  }

  /**
   * Ends `start` before the next frame; what was transmitted is written.
   *
   * @throws {@link FirehookError} FIREHOOK_SAVEFILE_INCOMPLETE when `start` never ran and the head cannot be written
   */
  stop(): void {
    this.#isStopped = true;
    if (!this.#isRunning) {
      this.#close();
    }
  }

  /**
   * Writes what was transmitted and closes both files, now, also from within `onFrame`: for a process that is about to end.
   * Idempotent.
   *
   * @throws {@link FirehookError} FIREHOOK_SAVEFILE_INCOMPLETE
   */
  close(): void {
    this.#close();
  }

  async #run(sink: FrameSink): Promise<void> {
    let event = this.#event;
    if (this.#isPipe) {
      this.#reopenPipe();
    }
    while (!this.#isStopped && event !== 'error') {
      if (event === 'frame') {
        this.#handOut(sink);
      } else if (event === 'more') {
        this.#output?.flush();
        this.#options.onProgress?.(this.#readOctets, this.#inputOctets);
        if (!(await this.#fillInTurn())) {
          break;
        }
      } else {
        this.#takeDescription(event);
      }
      event = this.#reader.next();
    }
    const error = this.#isStopped ? null : this.#reader.end();
    if (error !== null) {
      throw error;
    }
  }

  /** From here on a read that would wait says so instead (O_NONBLOCK belongs to a description, not to the pipe). */
  #reopenPipe(): void {
    const again = openFile(
      `/proc/self/fd/${this.#input}`,
      constants.O_RDONLY | constants.O_NONBLOCK,
      'FIREHOOK_SAVEFILE_UNREADABLE',
    );
    closeSync(this.#input);
    this.#input = again;
  }

  /** Reads a chunk and lets the event loop turn; false at the end of the file, and after `stop` where a pipe is silent. */
  async #fillInTurn(): Promise<boolean> {
    for (;;) {
      try {
        const isThere = this.#fill();
        await nextTurn();
        return isThere;
      } catch (error) {
        const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
        if (code !== 'EAGAIN') throw error;
      }
      if (this.#isStopped) return false;
      await pause(PIPE_PAUSE_MS);
    }
  }

  #handOut(sink: FrameSink): void {
    const { buffer, frame } = this.#reader;
    if (frame.length > this.#frame.length) {
      this.#frame = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(frame.length)));
    }
    buffer.copy(this.#frame, 0, frame.offset, frame.offset + frame.length);
    this.#isInFrame = true;
    try {
      sink.onFrame(
        this.#frame,
        frame.length,
        Math.max(frame.originalLength, frame.length),
        frame.interfaceId,
        0,
        frame.seconds,
        frame.nanoseconds,
      );
    } finally {
      this.#isInFrame = false;
    }
    sink.onBatchEnd();
  }

  /** Reads on until something is met; `more` means the end of the file. */
  #advance(): SavefileEvent {
    for (;;) {
      const event = this.#reader.next();
      if (event !== 'more' || !this.#fill()) {
        return event;
      }
    }
  }

  /** Reads a chunk; false at the end of the file. */
  #fill(): boolean {
    const octets = attempt('FIREHOOK_SAVEFILE_UNREADABLE', this.#options.input, () =>
      readSync(this.#input, this.#chunk, 0, this.#chunk.length, null),
    );
    this.#reader.push(this.#chunk.subarray(0, octets));
    this.#readOctets += octets;
    return octets > 0;
  }

  #takeDescription(event: 'section' | 'interface'): void {
    const { section, interfaces } = this.#reader;
    if (section === null) {
      return;
    }
    if (event === 'section') {
      this.#sectionIndex += 1;
      this.#output?.append(section.header);
    }
    for (const origin of interfaces.slice(this.#ports.length)) {
      this.#ports.push({ id: origin.id, linktype: origin.linktype, maxFrameLength: MAX_FRAME_LENGTH });
      this.#output?.describe(origin, section);
    }
  }

  /** Gives the outgoing record the time of the frame at hand, in the resolution of the interface it leaves by. */
  #stamp(origin: SavefileInterface): void {
    const { frame, interfaces } = this.#reader;
    const scale = interfaces[frame.interfaceId]?.scale;
    if (
      scale === undefined ||
      (scale.unitsPerSecond === origin.scale.unitsPerSecond && scale.offsetSeconds === origin.scale.offsetSeconds)
    ) {
      this.#record.timestampHigh = frame.timestampHigh;
      this.#record.timestampLow = frame.timestampLow;
      return;
    }
    const count = encodeTimestamp(origin.scale, frame.seconds, frame.nanoseconds);
    this.#record.timestampHigh = Number(count >> 32n);
    this.#record.timestampLow = Number(count & 0xffff_ffffn);
  }

  #optionsFor(frame: Buffer): Buffer {
    const { buffer, frame: arrived } = this.#reader;
    const { offset, length, optionsOffset, optionsLength } = arrived;
    // A comment or a hash would be wrong on a frame that a hook changed.
    const isKept = optionsLength > 0 && buffer.compare(frame, 0, length, offset, offset + length) === 0;
    return isKept ? buffer.subarray(optionsOffset, optionsOffset + optionsLength) : NO_OPTIONS;
  }

  #close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#isStopped = true;
    closeSync(this.#input);
    this.#output?.close();
  }
}

/** Where the snaplen of an interface stands in the output, and what it has to become. */
interface SnaplenField {
  readonly position: number;
  readonly bigEndian: boolean;
  /** Octets; 0 leaves the field as it is. */
  raisedTo: number;
}

/** The file that is written. Records gather in one buffer; only `flush` and `close` touch the file. */
class SavefileOutput {
  readonly #path: string;
  readonly #file: number;
  readonly #snaplens: SnaplenField[] = [];
  #buffer = Buffer.allocUnsafeSlow(CHUNK_OCTETS);
  #used = 0;
  #flushed = 0;
  /** Where in the buffer each record ends. */
  readonly #ends: number[] = [];
  #written = 0;
  #isClosed = false;

  constructor(path: string, file: number) {
    this.#path = path;
    this.#file = file;
  }

  /** Records that are in the file, whole. */
  get written(): number {
    return this.#written;
  }

  append(octets: Buffer): void {
    this.#reserve(octets.length);
    this.#used += octets.copy(this.#buffer, this.#used);
  }

  describe(origin: SavefileInterface, section: SavefileSection): void {
    const { bigEndian } = section;
    const position =
      section.format === 'pcap' ? PCAP_SNAPLEN_OFFSET : this.#flushed + this.#used + PCAPNG_SNAPLEN_OFFSET;
    this.#snaplens[origin.id] = { position, bigEndian, raisedTo: 0 };
    this.append(origin.block);
  }

  write(section: SavefileSection, record: SavefileRecord, frame: Buffer, options: Buffer): void {
    this.#reserve(savefileRecordLength(section, record.length, options.length));
    this.#used = emitSavefileRecord(section, record, frame, options, this.#buffer, this.#used);
    this.#ends.push(this.#used);
  }

  /** Readers cut frames at the snaplen: a frame that a hook made longer must not lose its end that way. */
  raiseSnaplen(port: number, length: number): void {
    const field = this.#snaplens[port];
    if (field !== undefined) {
      field.raisedTo = Math.max(field.raisedTo, length);
    }
  }

  flush(): void {
    let from = 0;
    try {
      while (from < this.#used) {
        from += writeSync(this.#file, this.#buffer, from, this.#used - from);
      }
      this.#written += this.#ends.length;
      this.#flushed += this.#used;
    } catch (cause) {
      this.#endWhole(from);
      throw incomplete(this.#path, cause);
    } finally {
      // Also after a failure: what could not be written is not tried again when the file is closed.
      this.#used = 0;
      this.#ends.length = 0;
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    try {
      this.flush();
      for (const field of this.#snaplens.filter(({ raisedTo }) => raisedTo > 0)) {
        const octets = Buffer.alloc(4);
        writeWord(octets, field.raisedTo, 0, field.bigEndian);
        try {
          writeSync(this.#file, octets, 0, octets.length, field.position);
        } catch (cause) {
          throw incomplete(this.#path, cause);
        }
      }
    } finally {
      closeSync(this.#file);
    }
  }

  /** Of the buffer only `octets` reached the file: counts the records that are whole, and takes the rest off again. */
  #endWhole(octets: number): void {
    const whole = this.#ends.filter((end) => end <= octets);
    this.#written += whole.length;
    const end = this.#flushed + (whole.at(-1) ?? 0);
    try {
      ftruncateSync(this.#file, end);
    } catch {
      // A file system that does not even do this has said what is wrong with the write.
    }
    this.#flushed = end;
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

/** Opens the output and empties it, but not when it is the input: by a link, another spelling, or the same path. */
function openOutput(path: string, input: number): SavefileOutput {
  // O_NONBLOCK: a pipe without a reader is an error instead of a wait.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK;
  const file = openFile(path, flags, 'FIREHOOK_SAVEFILE_UNWRITABLE');
  const from = fstatSync(input, { bigint: true });
  const to = fstatSync(file, { bigint: true });
  if (from.dev === to.dev && from.ino === to.ino) {
    closeSync(file);
    throw new FirehookError('FIREHOOK_SAVEFILE_UNWRITABLE', `"${path}": it is the input`);
  }
  if (!to.isFile()) {
    closeSync(file);
    throw new FirehookError('FIREHOOK_SAVEFILE_UNWRITABLE', `"${path}": not a regular file`);
  }
  ftruncateSync(file);
  return new SavefileOutput(path, file);
}

/** A directory opens, and fails at the first read. */
function openFile(path: string, flags: number, code: ErrorCode): number {
  return attempt(code, path, () => openSync(path, flags, OUTPUT_MODE));
}

function attempt<Result>(code: ErrorCode, path: string, call: () => Result): Result {
  try {
    return call();
  } catch (cause) {
    throw new FirehookError(code, `"${path}": ${because(cause)}`, { cause });
  }
}

function incomplete(path: string, cause: unknown): FirehookError {
  return new FirehookError('FIREHOOK_SAVEFILE_INCOMPLETE', `"${path}": ${because(cause)}`, { cause });
}

/** The text of a system error repeats the call and the path behind a comma. */
function because(cause: unknown): string {
  return cause instanceof Error ? (cause.message.split(',')[0] ?? '') : String(cause);
}
