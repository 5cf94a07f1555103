/**
 * Writes whole lines into a file that others read and rotate.
 *
 * ```
 *   add(line) ... ─> flush ─> one write ─┬─ all of it
 *                                        ├─ a part (the disk is full): the rest is written first the next time, and until then lines are lost
 *                                        └─ nothing: lost, and counted
 * ```
 * Floor 1. Rule: what a reader finds between two newlines is one line that was added. It may wait for the disk: it belongs into a process that
 * has nothing else to do.
 *
 * @module
 */

import { closeSync, writeSync } from 'node:fs';

/** Octets that are written at a time; more is lost in the meantime. */
const MOST_OCTETS = 4 * 1024 * 1024;

/** One file after the other. */
export class LineFile {
  /** Lines that are in a file. */
  written = 0;
  /** Lines that are in none. */
  lost = 0;
  /** What the system said last; '' when all went well. */
  error = '';
  #fd = -1;
  #lines: string[] = [];
  #octets = 0;
  /** The end of a line whose beginning was written. */
  #rest: Buffer = Buffer.alloc(0);

  /** Writes into another file from now on. Ownership: takes the descriptor. */
  exchange(fd: number): void {
    this.flush();
    // What is left of a line does not begin a file.
    this.#rest = Buffer.alloc(0);
    if (this.#fd !== -1) closeSync(this.#fd);
    this.#fd = fd;
  }

  /** One line, with its newline. */
  add(line: string): void {
    if (this.#octets >= MOST_OCTETS) this.flush();
    this.#lines.push(line);
    this.#octets += Buffer.byteLength(line);
  }

  /** Writes what was added. */
  flush(): void {
    if (this.#rest.length > 0) this.#rest = this.#rest.subarray(this.#write(this.#rest));
    const lines = this.#lines;
    this.#lines = [];
    this.#octets = 0;
    if (lines.length === 0) return;
    if (this.#rest.length > 0 || this.#fd === -1) {
      this.lost += lines.length;
      return;
    }
    const octets = Buffer.from(lines.join(''));
    const written = this.#write(octets);
    if (written === octets.length) {
      this.written += lines.length;
      return;
    }
    const whole = countLines(octets.subarray(0, written));
    const isBetween = written === 0 || octets[written - 1] === NEWLINE;
    const end = isBetween ? written : octets.indexOf(NEWLINE, written) + 1;
    this.#rest = octets.subarray(written, end);
    this.written += isBetween ? whole : whole + 1;
    this.lost += lines.length - whole - (isBetween ? 0 : 1);
  }

  /** How many octets of these the file has taken. */
  #write(octets: Buffer): number {
    let at = 0;
    try {
      while (at < octets.length) at += writeSync(this.#fd, octets, at, octets.length - at);
      this.error = '';
    } catch (error) {
      this.error = (error as Error).message;
    }
    return at;
  }
}

const NEWLINE = 10;

function countLines(octets: Buffer): number {
  let lines = 0;
  for (const octet of octets) if (octet === NEWLINE) lines += 1;
  return lines;
}
