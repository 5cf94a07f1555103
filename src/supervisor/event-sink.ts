/**
 * Where the events of hooks go: a ring for each lane, and a process that reads them all and writes lines.
 *
 * ```
 *   lane ─> ring (sealed memory) ─> writer: lanes' user, confined ─> file           the supervisor reads no event
 *                │                        └─ ended? another after 1 s, 2 s ... 30 s, with all rings
 *                └─ its lane has ended: kept until the writer has said that it is empty
 * ```
 * Rule: nothing here waits for the writer, but the orderly end, and that has a bound. What it says is checked.
 *
 * @module
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { setPriority } from 'node:os';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { RING_OCTETS } from '../events/event-layout.ts';
import type { LaneUser } from '../lane/messages.ts';
import type { Way } from '../lane/way.ts';
import { launchCommand } from '../native/launcher.ts';
import { loadNative } from '../native/load-native.ts';
import type { NativeModule } from '../native/native.d.ts';
import { MOST_COUNTED } from '../telemetry/counters.ts';
import { printable } from '../telemetry/printable.ts';
import type { Clock, Timer } from './clock.ts';
import { EventFile } from './event-file.ts';
import { MAX_WRITER_LINE, parseWriterReport, type ToWriter, type WriterReport } from './event-messages.ts';
import { LineReader } from './line-reader.ts';

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 30_000;
/** How long the writer may take for what is left at the end. */
const LAST_LINES_MS = 2_000;
/** Memory that it may write to. */
const DATA_MIB = 512;
const HEAP_MIB = 128;
/** Of setpriority(2): the lanes come first. */
const LOW_PRIORITY = 10;
/** Rings of lanes that have ended and that nobody has emptied: beyond these the oldest is given up. */
const MOST_ENDED = 64;
const MAX_COMPLAINT = 1024;

/** What {@link EventSink} takes. */
export interface EventSinkOptions {
  /** Absolute path. */
  readonly file: string;
  /** Null: the writer runs as this process, which is not root. */
  readonly user: LaneUser | null;
  /** True: an error where the kernel cannot confine it. */
  readonly isRequired: boolean;
  readonly clock: Clock;
  /** Takes what an operator should know: a sentence. */
  readonly say: (level: 'info' | 'warn', sentence: string) => void;
}

/** For reports. */
export interface EventSinkView {
  readonly file: string;
  /** Lines that are in the file. */
  readonly written: number;
  /** Lines that the file did not take. */
  readonly failed: number;
  /** What lanes left in their rings that was no event. */
  readonly invalid: number;
  /** What is wrong with the file or the writer; null when nothing is. */
  readonly problem: string | null;
}

interface Ring {
  readonly message: ToWriter & { readonly type: 'ring' };
  readonly fd: number;
  isEnded: boolean;
}

interface Writer {
  readonly process: ChildProcess;
  readonly input: Writable;
  /** This end of the socket for descriptors. */
  readonly socket: number;
}

/** The sink of a daemon. */
export class EventSink {
  readonly #options: EventSinkOptions;
  readonly #file: EventFile;
  readonly #native: NativeModule = loadNative();
  readonly #rings = new Map<number, Ring>();
  readonly #counted = { written: 0, failed: 0, invalid: 0 };
  #writer: Writer | null = null;
  #again: Timer | null = null;
  #delayMs = FIRST_DELAY_MS;
  #ids = 0;
  #writerProblem = '';
  #fileProblem = '';
  #isStopping = false;
  #onEnd: () => void = () => undefined;

  private constructor(options: EventSinkOptions, file: EventFile) {
    this.#options = options;
    this.#file = file;
  }

  /** @throws FirehookError FIREHOOK_EVENTS_FILE when the file cannot be opened */
  static async open(options: EventSinkOptions): Promise<EventSink> {
    const sink = new EventSink(options, await EventFile.open(options.file));
    sink.#start();
    sink.#file.watch(options.clock, () => sink.#sendFile());
    return sink;
  }

  get view(): EventSinkView {
    const problems = [this.#file.problem, this.#fileProblem, this.#writerProblem].filter((text) => text !== '');
    return { file: this.#options.file, ...this.#counted, problem: problems.length === 0 ? null : problems.join('; ') };
  }

  /**
   * A ring for a lane that is about to start.
   *
   * @param hooks - names in the order of the configuration
   * @returns its number, and its descriptor, which is lent until {@link EventSink.endRing}
   * @throws Error of the system where there is no memory
   */
  openRing(lane: number, ways: readonly Way[], hooks: readonly string[]): { readonly id: number; readonly fd: number } {
    const fd = this.#native.createMemory('firehook-events', RING_OCTETS);
    const id = this.#nextId();
    const interfaces = ways.map(({ recvInterfaceIndex, from }): [number, string] => [recvInterfaceIndex, from]);
    const ring: Ring = {
      message: { type: 'ring', id, lane, hooks, interfaces },
      fd,
      isEnded: false,
    };
    this.#rings.set(id, ring);
    this.#send(ring.message, fd);
    return { id, fd };
  }

  /** Its lane has ended: what is in it will be written. */
  endRing(id: number): void {
    const ring = this.#rings.get(id);
    if (ring === undefined) return;
    ring.isEnded = true;
    this.#send({ type: 'ended', id });
    const ended = [...this.#rings].filter(([, { isEnded }]) => isEnded);
    for (const [old] of ended.slice(0, Math.max(0, ended.length - MOST_ENDED))) this.#forget(old);
  }

  /** Has everything written that is in the rings, and ends. Lanes have ended before. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#again?.cancel();
    const writer = this.#writer;
    if (writer !== null) {
      await new Promise<void>((resolve) => {
        const timer = this.#options.clock.setTimer(() => {
          kill(writer.process);
          // Where the disk hangs it does not even end.
          resolve();
        }, LAST_LINES_MS);
        this.#onEnd = () => {
          timer.cancel();
          resolve();
        };
        writer.input.end();
      });
    }
    for (const id of [...this.#rings.keys()]) this.#forget(id);
    this.#file.close();
  }

  #start(): void {
    this.#again = null;
    const [socket, theirs] = this.#native.openHandover();
    try {
      this.#watch(spawnWriter(this.#options, theirs), socket);
    } catch (error) {
      closeSync(socket);
      this.#later((error as Error).message);
      return;
    } finally {
      closeSync(theirs);
    }
    this.#sendFile();
    for (const { message, fd, isEnded } of this.#rings.values()) {
      this.#send(message, fd);
      if (isEnded) this.#send({ type: 'ended', id: message.id });
    }
  }

  #watch(child: ChildProcess, socket: number): void {
    const { stdin, stdout, stderr } = child;
    if (stdin === null || stdout === null || stderr === null) throw new Error('there are no pipes for it');
    this.#writer = { process: child, input: stdin, socket };
    const reader = new LineReader(MAX_WRITER_LINE, (line, isCut) => {
      const report = isCut ? null : parseWriterReport(line);
      if (report === null) kill(child);
      else this.#take(report);
    });
    let complaint = '';
    stdout.on('data', (octets: Buffer) => reader.take(octets));
    stderr.on('data', (octets: Buffer) => {
      complaint = `${complaint}${octets.toString('utf8')}`.slice(0, MAX_COMPLAINT);
    });
    stdin.on('error', () => undefined);
    let isOver = false;
    const end = (how: string): void => {
      if (isOver) return;
      isOver = true;
      closeSync(socket);
      this.#writer = null;
      this.#onEnd();
      if (!this.#isStopping) this.#later(how);
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => {
      const said = complaint.trim().split('\n')[0] ?? '';
      end(printable(`it ended with ${signal ?? `exit code ${code}`}${said === '' ? '' : `: ${said}`}`));
    });
    if (child.pid !== undefined) lower(child.pid);
  }

  #later(why: string): void {
    this.#writerProblem = `the writer does not run: ${why}`;
    this.#options.say('warn', `Events are not written: ${why}. Another writer in ${this.#delayMs / 1000} s.`);
    this.#again = this.#options.clock.setTimer(() => this.#start(), this.#delayMs);
    this.#delayMs = Math.min(2 * this.#delayMs, MAX_DELAY_MS);
  }

  #take({ written, lost, invalid, emptied, error }: WriterReport): void {
    const counted = this.#counted;
    counted.written = Math.min(counted.written + written, MOST_COUNTED);
    counted.failed = Math.min(counted.failed + lost, MOST_COUNTED);
    counted.invalid = Math.min(counted.invalid + invalid, MOST_COUNTED);
    for (const id of emptied) if (this.#rings.get(id)?.isEnded === true) this.#forget(id);
    // It works: the next one need not wait so long.
    this.#delayMs = FIRST_DELAY_MS;
    this.#writerProblem = '';
    const problem = printable(error);
    if (problem !== this.#fileProblem && problem !== '')
      this.#options.say('warn', `Events are lost: ${this.#options.file}: ${problem}.`);
    this.#fileProblem = problem;
  }

  #sendFile(): void {
    this.#send({ type: 'file', id: this.#nextId() }, this.#file.fd);
  }

  #nextId(): number {
    this.#ids += 1;
    return this.#ids;
  }

  /** Tells the writer, where there is one; the next one is told all of it. */
  #send(message: ToWriter, fd = -1): void {
    const writer = this.#writer;
    if (writer === null || !writer.input.writable) return;
    try {
      if (fd !== -1 && !this.#native.sendDescriptor(writer.socket, message.id, fd)) {
        // One that takes nothing any more hangs.
        kill(writer.process);
        return;
      }
    } catch {
      // It has ended, as will be told.
      return;
    }
    writer.input.write(`${JSON.stringify(message)}\n`);
  }

  #forget(id: number): void {
    const ring = this.#rings.get(id);
    if (ring === undefined) return;
    this.#rings.delete(id);
    closeSync(ring.fd);
  }
}

function spawnWriter({ user, isRequired }: EventSinkOptions, theirs: number): ChildProcess {
  const extension = path.extname(fileURLToPath(import.meta.url));
  const file = fileURLToPath(new URL(`./event-process${extension}`, import.meta.url));
  const stdio = ['pipe', 'pipe', 'pipe', theirs] as const;
  const { program, args } = launchCommand({
    user,
    descriptors: stdio.length,
    reads: [],
    dataMiB: DATA_MIB,
    isRequired,
    cpu: null,
    program: process.execPath,
    args: [...(extension === '.ts' ? process.execArgv : []), `--max-old-space-size=${HEAP_MIB}`, file],
  });
  return spawn(program, args, {
    ...(extension === '.ts' ? {} : { cwd: '/' }),
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', UV_USE_IO_URING: '0' },
    stdio: [...stdio],
    // A signal from a terminal is the supervisor's business.
    detached: true,
  });
}

/** It works without; and it may have ended. */
function lower(pid: number): void {
  try {
    setPriority(pid, LOW_PRIORITY);
  } catch {
    // So it competes with the lanes.
  }
}

function kill(child: ChildProcess): void {
  child.kill('SIGKILL');
}
