/**
 * Whole lines on their way to one outlet: a file, a socket, a pipe.
 *
 * ```
 *   add(line) ─ room? ─ yes ─> waits ─ flush ─> outlet ─┬─ all of it
 *                 └ no: lost, counted                   ├─ a part (it is full): the rest of the line goes before any other
 *                                                       └─ nothing (it hangs, it is gone): waits for it, or for another outlet
 * ```
 * Floor 1. Rule: what a reader finds between two newlines is one line that was added. Nothing here waits: an outlet that stands still costs lines, at
 * first none, then those that come while the memory of the queue is full. One outlet knows nothing of another.
 *
 * @module
 */

import { close, write } from 'node:fs';

/** Octets that wait at most. */
export const QUEUE_OCTETS: number = 4 * 1024 * 1024;
const NEWLINE = 10;

/** Where lines go. */
export interface LineOutlet {
  /**
   * Takes octets, as many as there is room for.
   *
   * @param done - to be called once, now or later: how many were taken, and what is wrong, '' for nothing
   */
  write(octets: Buffer, done: (taken: number, problem: string) => void): void;
  /** No more octets come; nothing waits for the end of it. */
  close(): void;
}

/** The queue of one outlet after the other. */
export class LineQueue {
  /** Lines that an outlet has taken. */
  written = 0;
  /** Lines that none will get. */
  lost = 0;
  /** What was wrong last; '' when all went well. */
  problem = '';
  #outlet: LineOutlet | null = null;
  /** Takes the place of the outlet when that has answered; undefined for none. */
  #next: LineOutlet | null | undefined;
  #lines: string[] = [];
  /** Lines that are being written, and the first octet that is not. */
  #chunk: Buffer | null = null;
  #at = 0;
  #octets = 0;
  #isBusy = false;
  readonly #most: number;

  /** @param most - octets that wait at most */
  constructor(most: number = QUEUE_OCTETS) {
    this.#most = most;
  }

  /** Nothing waits. */
  get isEmpty(): boolean {
    return this.#octets === 0;
  }

  /** One line, with its newline. */
  add(line: string): void {
    const octets = Buffer.byteLength(line);
    if (this.#octets + octets > this.#most) {
      this.lost += 1;
      return;
    }
    this.#octets += octets;
    this.#lines.push(line);
  }

  /** Writes to another outlet from now on; null for none, until there is one. Ownership: takes it. */
  exchange(outlet: LineOutlet | null): void {
    if (this.#isBusy) {
      this.#next?.close();
      this.#next = outlet;
      return;
    }
    this.#outlet?.close();
    this.#outlet = outlet;
    this.#leaveLine();
  }

  /** Hands on what waits, as far as the outlet takes it. */
  flush(): void {
    const outlet = this.#outlet;
    if (this.#isBusy || outlet === null) return;
    if (this.#chunk === null) {
      if (this.#lines.length === 0) return;
      this.#chunk = Buffer.from(this.#lines.join(''));
      this.#at = 0;
      this.#lines = [];
    }
    this.#isBusy = true;
    outlet.write(this.#chunk.subarray(this.#at), (taken, problem) => this.#wrote(taken, problem));
  }

  /** What waits is lost. */
  giveUp(): void {
    const rest = this.#chunk === null ? 0 : countLines(this.#chunk.subarray(this.#at));
    this.lost += this.#lines.length + rest;
    this.#lines = [];
    this.#chunk = null;
    this.#octets = 0;
  }

  #wrote(taken: number, problem: string): void {
    this.#isBusy = false;
    this.problem = problem;
    const chunk = this.#chunk;
    if (chunk !== null) {
      const end = Math.min(this.#at + taken, chunk.length);
      this.written += countLines(chunk.subarray(this.#at, end));
      this.#octets -= end - this.#at;
      this.#at = end;
      if (end === chunk.length) this.#chunk = null;
    }
    if (this.#next !== undefined) {
      const next = this.#next;
      this.#next = undefined;
      this.exchange(next);
    }
    // A part says that there is no room for more.
    if (this.#chunk === null && this.#lines.length > 0) this.flush();
  }

  /** The rest of a line does not begin a file. */
  #leaveLine(): void {
    const chunk = this.#chunk;
    if (chunk === null || this.#at === 0 || chunk[this.#at - 1] === NEWLINE) return;
    const end = chunk.indexOf(NEWLINE, this.#at) + 1;
    this.lost += 1;
    this.#octets -= end - this.#at;
    this.#at = end;
    if (end === chunk.length) this.#chunk = null;
  }
}

/** A file, a pipe or a terminal: written on a thread, so that one that hangs keeps the thread and nobody else. Ownership: takes the descriptor. */
export function threadOutlet(fd: number): LineOutlet {
  return {
    write: (octets, done) =>
      write(fd, octets, 0, octets.length, null, (error, taken) => {
        if (error === null) done(taken, '');
        // A pipe that somebody else has told not to wait.
        else done(0, error.code === 'EAGAIN' ? '' : error.message);
      }),
    close: () => close(fd, () => undefined),
  };
}

/**
 * A socket: takes what its buffer has room for. Ownership: takes the descriptor.
 *
 * @param writeNow - octets that were taken, 0 where it would wait; throws where the other end is gone
 * @param onGone - told once that it is
 */
export function socketOutlet(
  fd: number,
  writeNow: (fd: number, octets: Uint8Array) => number,
  onGone: () => void,
): LineOutlet {
  return {
    write(octets, done) {
      let taken = 0;
      try {
        taken = writeNow(fd, octets);
      } catch (error) {
        done(0, (error as Error).message);
        onGone();
        return;
      }
      done(taken, '');
    },
    close: () => close(fd, () => undefined),
  };
}

function countLines(octets: Buffer): number {
  let lines = 0;
  for (let at = octets.indexOf(NEWLINE); at !== -1; at = octets.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}
