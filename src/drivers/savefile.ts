/**
 * The driver for capture files: frames come from one file and, where wanted, go to another of the same kind.
 *
 * ```
 *   input ─ 1 MiB at a time ─> SavefileReader ─> one frame buffer ─> sink.onFrame ─> transmit ─> out buffer ─> output
 *                                   └─ sections, interfaces, blocks that are no packets: as they stand ─────────┘
 * ```
 * The file is streamed: memory is one chunk, the longest frame or block, and what the frames of a chunk put out. Rule: a
 * frame that is transmitted unchanged leaves as the record that was read, and what is no frame stays in its place: a
 * capture that nobody changed is the same octets again. The input is never written to.
 *
 * No root, no network. Format: `src/wire/savefile.ts`. The file that is read: `savefile-input.ts`; the one that is written:
 * `savefile-output.ts`.
 *
 * @module
 */

import { closeSync, constants, fstatSync, readSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { type SavefileEvent, SavefileReader } from '../wire/savefile.ts';
import type { SavefileInterface, SavefileRecord } from '../wire/savefile-format.ts';
import { emitComment } from '../wire/savefile-pcapng.ts';
import { encodeTimestamp } from '../wire/savefile-time.ts';
import type { Driver, DriverCapabilities, DriverPort, DriverStats, FrameSink } from './contract.ts';
import { Frame } from './frame.ts';
import { isNothingThere, isStandardInput, openStandardInput, STANDARD_INPUT, withoutWaits } from './savefile-input.ts';
import { attempt, openFile, openOutput, type SavefileOutput } from './savefile-output.ts';

const CHUNK_OCTETS = 1024 * 1024;
/** Holds every frame of a usual capture; longer ones make it grow. */
const FIRST_FRAME_OCTETS = 128 * 1024;
/** The format's own limit: lengths are read as signed 32-bit numbers by many tools. */
const MAX_FRAME_LENGTH = 2 ** 31 - 1;
/** How long to wait for a pipe that has nothing to read, or takes nothing more, just now. */
const PIPE_PAUSE_MS = 10;
/**
 * Most frames between two looks at the clock, as long as the sink is quick: one that is slow has it looked at for each frame.
 * And how long signals and timers may wait while frames are handed out.
 */
const MOST_FRAMES_A_LOOK = 16;
const TURN_MS = 20;
const NO_OPTIONS = Buffer.alloc(0);
const NO_STATS: DriverStats = { droppedByKernel: 0 };

/** What {@link openSavefile} takes. */
export interface SavefileOptions {
  /** Path of the capture to read; `-` is standard input. */
  readonly input: string;
  /**
   * Path of the capture to write, created or emptied, or of a named pipe with a reader; `-` is standard output.
   *
   * @defaultValue none: what is transmitted counts as sent and goes nowhere
   */
  readonly output?: string;
  /**
   * Called after each chunk whose frames were handed out.
   *
   * @param readOctets - octets of the input read so far
   * @param totalOctets - size of the input when it was opened; 0 for a stream
   */
  onProgress?(readOctets: number, totalOctets: number): void;
}

/**
 * Opens a capture for reading and, with `output`, one for writing.
 *
 * Nothing is written or emptied before the input has proved to be a capture, which waits for the head of a stream. The
 * caller owes a `start` or a `stop`.
 *
 * @throws {@link FirehookError} FIREHOOK_SAVEFILE_UNREADABLE, FIREHOOK_SAVEFILE_FORMAT or FIREHOOK_SAVEFILE_TRUNCATED
 *   for the input, FIREHOOK_SAVEFILE_UNWRITABLE for the output, also when it is the input under another name
 */
export function openSavefile(options: SavefileOptions): SavefileDriver {
  return new SavefileDriver(options);
}

/** An interface of a capture file. */
export interface SavefilePort extends DriverPort {
  /** Position of its section in the file. */
  readonly section: number;
}

/** Hands out the frames of a capture file; {@link openSavefile} makes one. */
export class SavefileDriver implements Driver {
  readonly name = 'savefile';
  /** `offloads`: captures taken on a sending host hold super-frames and checksums that were never completed. */
  readonly capabilities: DriverCapabilities = { live: false, sharesPort: false, offloads: true };
  readonly #options: SavefileOptions;
  readonly #reader: SavefileReader;
  readonly #ports: SavefilePort[] = [];
  readonly #name: string;
  #input: number;
  /** A stream: it can have nothing to read, which must not keep `stop` from being heard. */
  readonly #isStream: boolean;
  readonly #inputOctets: number;
  readonly #output: SavefileOutput | null;
  readonly #chunk = Buffer.allocUnsafeSlow(CHUNK_OCTETS);
  readonly #fields: SavefileRecord = {
    interfaceId: 0,
    length: 0,
    originalLength: 0,
    timestampHigh: 0,
    timestampLow: 0,
    isSimple: false,
  };
  /** Interface and time of the frame that was handed out last; the reader may be reading the next one already. */
  readonly #last = { interfaceId: -1, timestampHigh: 0, timestampLow: 0, seconds: 0, nanoseconds: 0 };
  /** The one buffer that frames are handed out in: the contract wants them at octet 0, and a sink keeps views of it. */
  #frame = Buffer.allocUnsafeSlow(FIRST_FRAME_OCTETS);
  readonly #handed = new Frame(this.#frame);
  /** What the reader came upon while the file was opened, not handed out yet. */
  #event: SavefileEvent;
  #sectionIndex = -1;
  #readOctets = 0;
  #isInFrame = false;
  /** A frame that was handed out earlier and leaves now; null for none. */
  #resumed: Frame | null = null;
  #isAtEnd = false;
  #isRunning = false;
  #isStopped = false;
  #isClosed = false;

  /** @param options - see {@link openSavefile}, which also tells what is thrown */
  constructor(options: SavefileOptions) {
    const isStandard = isStandardInput(options.input);
    this.#options = options;
    this.#name = isStandard ? 'standard input' : options.input;
    this.#reader = new SavefileReader(this.#name);
    this.#input = isStandard
      ? openStandardInput()
      : openFile(options.input, constants.O_RDONLY, 'FIREHOOK_SAVEFILE_UNREADABLE');
    try {
      const input = fstatSync(this.#input);
      this.#inputOctets = input.isFile() ? input.size : 0;
      this.#isStream = input.isFIFO() || input.isSocket();
      this.#event = this.#advance();
      const error = this.#event === 'section' ? null : this.#reader.end();
      if (error !== null) {
        throw error;
      }
      this.#output = options.output === undefined ? null : openOutput(options.output, this.#input);
    } catch (error) {
      this.#closeInput();
      throw error;
    }
    if (this.#isStream) this.#input = withoutWaits(this.#input, isStandard);
    // The interfaces at the head of a file make the first ports, so that they are known before `start`. A stream is not
    // waited for: it may have no packet for hours.
    while (this.#event === 'section' || this.#event === 'interface' || this.#event === 'block') {
      this.#takeDescription(this.#event);
      this.#event = this.#isStream ? this.#reader.next() : this.#advance();
    }
  }

  /** Packets that are in the output file, whole; 0 without one. Final once `start` has ended. */
  get written(): number {
    return this.#output?.written ?? 0;
  }

  /** The reader of the output, a pipe, went away, which ended `start`. */
  get isReaderGone(): boolean {
    return this.#output?.isReaderGone ?? false;
  }

  /** Packets in the output that are longer than the snaplen it says: a stream cannot be corrected afterwards. */
  get beyondSnaplen(): number {
    return this.#output?.unsaid ?? 0;
  }

  /** One port per interface of the file. Those described between frames join as they are met. */
  get ports(): readonly SavefilePort[] {
    return this.#ports;
  }

  /**
   * Hands out all frames, each as a batch of its own, and lets the event loop turn after each chunk of the file and every
   * 20 milliseconds.
   *
   * Resolves at the end of the file, after `stop`, or when nobody reads the output any more; both files are closed then. An
   * exception of the sink rejects.
   *
   * @throws {@link FirehookError} FIREHOOK_SAVEFILE_TRUNCATED or FIREHOOK_SAVEFILE_FORMAT once the frames before the
   *   damage are handed out and written; FIREHOOK_SAVEFILE_UNREADABLE; FIREHOOK_SAVEFILE_INCOMPLETE when a write fails: the
   *   output ends with the last whole record that was written then
   */
  async start(sink: FrameSink): Promise<void> {
    this.#isRunning = true;
    try {
      try {
        await this.#run(sink);
      } finally {
        await this.#flush();
      }
    } finally {
      this.#isRunning = false;
      this.#close();
    }
  }

  /**
   * Writes a record with the time of the frame at hand.
   *
   * The frame at hand, sent by the port it came from with the same octets, leaves as the record that was read, whatever is
   * in it. A frame of the length of the one at hand counts as that one and keeps its original length, so that a capture cut
   * by a snaplen comes out as it came; any other counts as whole. Changed octets take the options of a pcapng packet
   * (comments, flags, hashes) along with them: the record has none. One that came in a simple packet block leaves in one.
   * To another port the time is rounded down to that port's resolution. Buffered until the end of the chunk.
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
    const output = this.#output;
    if (output === null || section === null) {
      return true;
    }
    const resumed = this.#resumed;
    const isInFrame = this.#isInFrame && resumed === null;
    const keepsLength = isInFrame && length === arrived.length;
    const keepsPort = isInFrame && port === arrived.interfaceId;
    if (keepsLength && keepsPort && this.#isUnchanged(frame)) {
      output.copy(this.#reader.buffer, this.#reader.recordOffset, this.#reader.recordLength);
      return true;
    }
    const fields = this.#fields;
    fields.interfaceId = origin.idInSection;
    fields.length = length;
    fields.originalLength = keepsLength ? arrived.originalLength : length;
    if (resumed !== null && length === resumed.length) fields.originalLength = resumed.originalLength;
    fields.isSimple = keepsPort && arrived.isSimple;
    this.#stamp(origin);
    output.write(section, fields, frame, keepsPort && section.format === 'pcap' ? this.#added() : NO_OPTIONS);
    if (!(keepsLength && keepsPort) && origin.snaplen > 0 && length > origin.snaplen) {
      output.raiseSnaplen(port, length);
    }
    return true;
  }

  /**
   * Writes a record that was never read, behind all that was transmitted so far, with the time of the frame that was handed
   * out last. It is an enhanced packet block, or a record of pcap.
   *
   * @param comment - of the packet block; pcap has no place for one
   * @returns false before the first frame, for a port that is not of the section at hand, a frame too long, and after `stop`
   */
  insert(port: number, frame: Buffer, length: number, comment: string): boolean {
    const origin = this.#reader.interfaces[port];
    const { section } = this.#reader;
    if (origin === undefined || origin.sectionIndex !== this.#sectionIndex || this.#isClosed) return false;
    if (section === null || this.#last.interfaceId < 0 || length > frame.length) return false;
    const output = this.#output;
    if (output === null) return true;
    const fields = this.#fields;
    fields.interfaceId = origin.idInSection;
    fields.length = length;
    fields.originalLength = length;
    fields.isSimple = false;
    this.#stamp(origin);
    output.write(
      section,
      fields,
      frame,
      section.format === 'pcap' ? NO_OPTIONS : emitComment(comment, section.bigEndian),
    );
    if (origin.snaplen > 0 && length > origin.snaplen) output.raiseSnaplen(port, length);
    return true;
  }

  /** What is transmitted until {@link SavefileDriver.endResumed} is this frame, with the time that it has now and without options. */
  resume(frame: Frame): void {
    this.#resumed = frame;
  }

  /** {@inheritDoc Driver.endResumed} */
  endResumed(): void {
    this.#resumed = null;
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
    let framesALook = 1;
    let framesLeft = framesALook;
    let turnedMs = performance.now();
    while (!this.#isStopped && event !== 'error') {
      if (event === 'frame') {
        this.#handOut(sink);
        framesLeft -= 1;
        if (framesLeft === 0) {
          const isDue = performance.now() - turnedMs > TURN_MS;
          framesALook = isDue ? 1 : Math.min(MOST_FRAMES_A_LOOK, 2 * framesALook);
          framesLeft = framesALook;
          if (isDue) {
            // Hooks may be slow: what they have done is in the output before the process can be killed.
            await this.#flush();
            if (this.isReaderGone) break;
            await nextTurn();
            turnedMs = performance.now();
          }
        }
      } else if (event === 'more') {
        await this.#flush();
        this.#options.onProgress?.(this.#readOctets, this.#inputOctets);
        if (this.isReaderGone || !(await this.#fillInTurn())) {
          break;
        }
        turnedMs = performance.now();
      } else {
        // Nothing is sent by an interface of an earlier section.
        if (event === 'section') sink.onInputEnd?.();
        this.#takeDescription(event);
      }
      event = this.#reader.next();
    }
    sink.onInputEnd?.();
    if (this.#isStopped || this.isReaderGone) return;
    const error = this.#reader.end();
    if (error !== null) {
      throw error;
    }
    this.#isAtEnd = true;
  }

  /** Writes what is gathered; a stream whose reader takes its time is waited for, also after `stop`. */
  async #flush(): Promise<void> {
    while (this.#output?.flush() === false) {
      await pause(PIPE_PAUSE_MS);
    }
  }

  /** Reads a chunk and lets the event loop turn; false at the end of the file, and after `stop` where a stream is silent. */
  async #fillInTurn(): Promise<boolean> {
    for (;;) {
      try {
        const isThere = this.#fill();
        await nextTurn();
        return isThere;
      } catch (error) {
        if (!isNothingThere(error)) throw error;
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
    this.#output?.countRead(this.#reader.recordLength);
    const last = this.#last;
    last.interfaceId = frame.interfaceId;
    last.timestampHigh = frame.timestampHigh;
    last.timestampLow = frame.timestampLow;
    last.seconds = frame.seconds;
    last.nanoseconds = frame.nanoseconds;
    const handed = this.#handed;
    handed.octets = this.#frame;
    handed.length = frame.length;
    handed.originalLength = Math.max(frame.originalLength, frame.length);
    handed.port = frame.interfaceId;
    handed.seconds = frame.seconds;
    handed.nanoseconds = frame.nanoseconds;
    this.#isInFrame = true;
    try {
      sink.onFrame(handed);
    } finally {
      this.#isInFrame = false;
    }
    sink.onBatchEnd();
  }

  /** Reads on until something is met; `more` means the end of the file. Waits where a stream has nothing to read. */
  #advance(): SavefileEvent {
    const clock = new Int32Array(new SharedArrayBuffer(4));
    for (;;) {
      const event = this.#reader.next();
      if (event !== 'more') {
        return event;
      }
      try {
        if (!this.#fill()) return event;
      } catch (error) {
        // Standard input may have been handed over so that a read does not wait.
        if (!isNothingThere(error)) throw error;
        Atomics.wait(clock, 0, 0, PIPE_PAUSE_MS);
      }
    }
  }

  /** Reads a chunk; false at the end of the file. */
  #fill(): boolean {
    const octets = attempt('FIREHOOK_SAVEFILE_UNREADABLE', this.#quotedName(), () =>
      readSync(this.#input, this.#chunk, 0, this.#chunk.length, null),
    );
    this.#reader.push(this.#chunk.subarray(0, octets));
    this.#readOctets += octets;
    return octets > 0;
  }

  #takeDescription(event: 'section' | 'interface' | 'block'): void {
    const { section, interfaces } = this.#reader;
    const output = this.#output;
    if (section === null) {
      return;
    }
    if (event === 'section') {
      this.#sectionIndex += 1;
      output?.openSection(section);
    } else {
      const { buffer, recordOffset, recordLength } = this.#reader;
      output?.countRead(recordLength);
      if (event === 'block') output?.append(buffer, recordOffset, recordLength);
    }
    for (let id = this.#ports.length; id < interfaces.length; id += 1) {
      const origin = interfaces[id] as SavefileInterface;
      this.#ports.push({
        id,
        linktype: origin.linktype,
        maxFrameLength: MAX_FRAME_LENGTH,
        section: origin.sectionIndex,
      });
      output?.describe(origin, section);
    }
  }

  /** Gives the outgoing record the time of the last frame, in the resolution of the interface it leaves by. */
  #stamp(origin: SavefileInterface): void {
    const resumed = this.#resumed;
    if (resumed !== null) {
      this.#stampWith(origin, resumed);
      return;
    }
    const frame = this.#last;
    const scale = this.#reader.interfaces[frame.interfaceId]?.scale;
    if (
      scale === undefined ||
      (scale.unitsPerSecond === origin.scale.unitsPerSecond && scale.offsetSeconds === origin.scale.offsetSeconds)
    ) {
      this.#fields.timestampHigh = frame.timestampHigh;
      this.#fields.timestampLow = frame.timestampLow;
      return;
    }
    this.#stampWith(origin, frame);
  }

  #stampWith(origin: SavefileInterface, { seconds, nanoseconds }: { seconds: number; nanoseconds: number }): void {
    if (this.#reader.section?.format === 'pcap') {
      this.#fields.timestampHigh = seconds;
      this.#fields.timestampLow = Math.trunc((nanoseconds * Number(origin.scale.unitsPerSecond)) / 1e9);
      return;
    }
    const count = encodeTimestamp(origin.scale, seconds, nanoseconds);
    this.#fields.timestampHigh = Number(count >> 32n);
    this.#fields.timestampLow = Number(count & 0xffff_ffffn);
  }

  #isUnchanged(frame: Buffer): boolean {
    const { buffer, frame: arrived } = this.#reader;
    const { offset, length } = arrived;
    return buffer.compare(frame, 0, length, offset, offset + length) === 0;
  }

  /** What a modified record of pcap says of its frame beside time and lengths: interface, protocol, how it was addressed. */
  #added(): Buffer {
    const { buffer, frame } = this.#reader;
    return buffer.subarray(frame.optionsOffset, frame.optionsOffset + frame.optionsLength);
  }

  #quotedName(): string {
    return this.#name === this.#options.input ? `"${this.#name}"` : this.#name;
  }

  #close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#isStopped = true;
    this.#closeInput();
    this.#output?.close(this.#isAtEnd);
  }

  #closeInput(): void {
    if (this.#input !== STANDARD_INPUT) closeSync(this.#input);
  }
}
