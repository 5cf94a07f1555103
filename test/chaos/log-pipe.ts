/**
 * The reader of a daemon's output: one that reads, one that stands still, one that goes away and comes back.
 *
 * ```
 *   firehookd ──standard error──> FIFO ──> LogPipe:  reads | stand(): the FIFO is full and stays so | leave(): EPIPE
 * ```
 * Rule: a FIFO with a name and not a pipe, because only that can be opened again for reading. While somebody reads, reading
 * is all that is done with it; the daemon's end is an open file description of its own.
 *
 * @see fifo(7), pipe(7)
 * @module
 */

import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { monotonicMs } from '../support/traffic.ts';

const READ_EVERY_MS = 20;
const CHUNK = 64 * 1024;
/** The end of the log that is kept, in characters. */
const KEPT = 256 * 1024;

/** A FIFO and its reader. */
export class LogPipe {
  readonly #file: string;
  readonly #chunk = Buffer.alloc(CHUNK);
  readonly #onLine: (line: string, atMs: number) => void;
  #reader = -1;
  #timer: NodeJS.Timeout | undefined;
  #text = '';
  #rest = '';

  /**
   * @param file - where to make the FIFO
   * @param onLine - called for each whole line, with the time at which it was read
   * @throws Error when it cannot be made
   */
  constructor(file: string, onLine: (line: string, atMs: number) => void) {
    this.#file = file;
    this.#onLine = onLine;
    const { status, stderr } = spawnSync('mkfifo', ['-m', '600', file], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`mkfifo ${file}: ${stderr}`);
    this.read();
  }

  /** The end of what was read. */
  get text(): string {
    return this.#text;
  }

  /** Opens the end that a process writes to; the caller closes its copy. */
  openWriter(): number {
    // While nobody reads, to open it for writing would wait; whoever has it open for both is gone before anything is written.
    const both = openSync(this.#file, constants.O_RDWR | constants.O_NONBLOCK);
    try {
      return openSync(this.#file, constants.O_WRONLY);
    } finally {
      closeSync(both);
    }
  }

  /** Reads from now on. */
  read(): void {
    // Open for both, so that the end of a writer is no end of the file.
    if (this.#reader === -1) this.#reader = openSync(this.#file, constants.O_RDWR | constants.O_NONBLOCK);
    this.#timer ??= setInterval(() => this.#drain(), READ_EVERY_MS);
  }

  /** Reads no more, and fills the FIFO, so that the next line of the daemon finds no room. */
  stand(): void {
    this.#pause();
    const writer = openSync(this.#file, constants.O_WRONLY | constants.O_NONBLOCK);
    const newlines = Buffer.alloc(CHUNK, '\n');
    try {
      for (let length = CHUNK; length >= 1; length >>>= 1) {
        while (isDone(() => writeSync(writer, newlines, 0, length)));
      }
    } finally {
      closeSync(writer);
    }
  }

  /** Goes away: whoever writes now gets EPIPE. {@link LogPipe.read} comes back. */
  leave(): void {
    this.#pause();
    if (this.#reader !== -1) closeSync(this.#reader);
    this.#reader = -1;
  }

  /** Ends the reader for good. */
  close(): void {
    if (this.#reader !== -1) this.#drain();
    this.leave();
  }

  #pause(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #drain(): void {
    for (;;) {
      let length = 0;
      const isRead = isDone(() => {
        length = readSync(this.#reader, this.#chunk);
      });
      if (!isRead || length === 0) return;
      this.#take(this.#chunk.toString('utf8', 0, length));
    }
  }

  #take(part: string): void {
    const atMs = monotonicMs();
    const lines = (this.#rest + part).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') continue;
      this.#text = `${this.#text}${line}\n`.slice(-KEPT);
      this.#onLine(line, atMs);
    }
  }
}

/** False when the call would have to wait. */
function isDone(call: () => unknown): boolean {
  try {
    call();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
    throw error;
  }
}
