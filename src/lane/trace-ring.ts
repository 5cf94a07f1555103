/**
 * The ring by which a lane tells of traced packets: memory that the supervisor reads and never writes.
 *
 * ```
 *   octet 0  records written | 4 packets that matched and were not told | 16 ... slots of 4,096 octets, one record each
 *   slot     number of the record | id of the trace | octets | JSON ...
 * ```
 * Rules: the lane never waits: the oldest record is overwritten. A slot has no number while it is written, and the reader looks at the number
 * before and behind its copy. What stands there is what a lane says: the reader believes no number, no length and no text.
 *
 * @module
 */

import { readSync } from 'node:fs';

const SLOTS = 32;
const SLOT_OCTETS = 4096;
const HEADER = 16;
const SLOT_HEADER = 12;

/** Octets of a ring. */
export const TRACE_OCTETS: number = HEADER + SLOTS * SLOT_OCTETS;
/** Octets of the longest record. */
export const MAX_TRACE_RECORD: number = SLOT_OCTETS - SLOT_HEADER;

function slotOf(number: number): number {
  return HEADER + ((number - 1) % SLOTS) * SLOT_OCTETS;
}

/** The lane's end. */
export class TraceRingWriter {
  readonly #octets: Buffer;
  #number = 0;
  #untold = 0;

  /** @param memory - of the ring; nobody else writes it */
  constructor(memory: Buffer) {
    this.#octets = memory;
  }

  /** Writes a record. @returns false, counted as not told, where it is longer than a slot */
  write(id: number, text: string): boolean {
    const octets = Buffer.byteLength(text);
    if (octets > MAX_TRACE_RECORD) {
      this.skip();
      return false;
    }
    this.#number = (this.#number % MOST_NUMBER) + 1;
    const at = slotOf(this.#number);
    this.#octets.writeUInt32LE(0, at);
    this.#octets.writeUInt32LE(id, at + 4);
    this.#octets.writeUInt32LE(octets, at + 8);
    this.#octets.write(text, at + SLOT_HEADER);
    this.#octets.writeUInt32LE(this.#number, at);
    this.#octets.writeUInt32LE(this.#number, 0);
    return true;
  }

  /** A packet matched and is not told. */
  skip(): void {
    this.#untold = (this.#untold + 1) >>> 0;
    this.#octets.writeUInt32LE(this.#untold, 4);
  }
}

/** Numbers begin anew behind it: a multiple of the slots. */
const MOST_NUMBER = SLOTS * 2 ** 26;

/** What a reader finds. */
export interface TraceBatch {
  /** The records of this trace, oldest first. */
  readonly texts: readonly string[];
  /** Records that were overwritten before they were read, and packets that were not told. */
  readonly lost: number;
}

/** The supervisor's end. */
export class TraceRingReader {
  readonly #fd: number;
  readonly #at: number;
  readonly #octets = Buffer.alloc(TRACE_OCTETS);
  readonly #check = Buffer.alloc(4);
  #number: number;
  #untold: number;

  /**
   * Begins with what is written from now on.
   *
   * @param fd - of the memory; not closed here
   * @param at - where the ring begins in it
   */
  constructor(fd: number, at: number) {
    this.#fd = fd;
    this.#at = at;
    this.#read();
    this.#number = this.#head;
    this.#untold = this.#octets.readUInt32LE(4);
  }

  /** What was written since. Cost: a copy of the ring. */
  read(id: number): TraceBatch {
    if (!this.#read()) return { texts: [], lost: 0 };
    const head = this.#head;
    const untold = this.#octets.readUInt32LE(4);
    const written = (head - this.#number + MOST_NUMBER) % MOST_NUMBER;
    const there = Math.min(written, SLOTS);
    const texts: string[] = [];
    let lost = written - there + ((untold - this.#untold) >>> 0);
    for (let back = there - 1; back >= 0; back--) {
      const text = this.#slot(((head - back - 1 + MOST_NUMBER) % MOST_NUMBER) + 1, id);
      if (text === null) lost += 1;
      else if (text !== '') texts.push(text);
    }
    this.#number = head;
    this.#untold = untold;
    return { texts, lost };
  }

  get #head(): number {
    return this.#octets.readUInt32LE(0) % (MOST_NUMBER + 1);
  }

  #read(): boolean {
    return readSync(this.#fd, this.#octets, 0, TRACE_OCTETS, this.#at) === TRACE_OCTETS;
  }

  /** The text of a record; null where it is not there, '' where it is of another trace. */
  #slot(number: number, id: number): string | null {
    const at = slotOf(number);
    const octets = this.#octets.readUInt32LE(at + 8);
    if (this.#octets.readUInt32LE(at) !== number || octets > MAX_TRACE_RECORD) return null;
    if (readSync(this.#fd, this.#check, 0, 4, this.#at + at) !== 4 || this.#check.readUInt32LE(0) !== number)
      return null;
    if (this.#octets.readUInt32LE(at + 4) !== id) return '';
    return this.#octets.toString('utf8', at + SLOT_HEADER, at + SLOT_HEADER + octets);
  }
}
