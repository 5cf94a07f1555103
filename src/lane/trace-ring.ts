/**
 * The ring by which a lane tells of traced packets: memory that the supervisor reads and never writes.
 *
 * ```
 *   octet 0  slots written | 4 packets that matched and were not told | 8 records written | 16 ... slots of 4,096 octets
 *   slot     number of the slot | id of the trace | number of the record | octets of the record | part, from 0 | octets of this part ...
 * ```
 * A record takes as many slots as it needs, one behind the other. Rules: the lane never waits: the oldest slots are overwritten. A slot has no
 * number while it is written, and the reader looks at the number before and behind its copy. What stands there is what a lane says: the reader
 * believes no number, no length and no octet, and what it reads at once has a bound. Pages that nobody wrote take no memory.
 *
 * @module
 */

import { readSync } from 'node:fs';

const SLOTS = 512;
const SLOT_OCTETS = 4096;
const HEADER = 16;
const SLOT_HEADER = 20;
const PART = SLOT_OCTETS - SLOT_HEADER;

/** Octets of a ring. */
export const TRACE_OCTETS: number = HEADER + SLOTS * SLOT_OCTETS;
/** Octets of the longest record: a quarter of the ring. */
export const MAX_TRACE_RECORD: number = (SLOTS / 4) * PART;

/** Numbers of slots begin anew behind it: a multiple of the slots. */
const MOST_NUMBER = SLOTS * 2 ** 22;

function slotOf(number: number): number {
  return HEADER + ((number - 1) % SLOTS) * SLOT_OCTETS;
}

/** The number that is so many behind another one. */
function behind(number: number, back: number): number {
  return ((number - 1 - back + MOST_NUMBER) % MOST_NUMBER) + 1;
}

/** The lane's end. */
export class TraceRingWriter {
  readonly #octets: Buffer;
  #slot = 0;
  #record = 0;
  #untold = 0;

  /** @param memory - of the ring; nobody else writes it */
  constructor(memory: Buffer) {
    this.#octets = memory;
  }

  /** Writes a record. Borrows it. @returns false, counted as not told, where it is longer than {@link MAX_TRACE_RECORD} */
  write(id: number, record: Uint8Array): boolean {
    const { length } = record;
    if (length > MAX_TRACE_RECORD) {
      this.skip();
      return false;
    }
    this.#record = (this.#record + 1) >>> 0;
    for (let part = 0; part === 0 || part * PART < length; part++)
      this.#writePart(id, part, length, record.subarray(part * PART, (part + 1) * PART));
    this.#octets.writeUInt32LE(this.#record, 8);
    this.#octets.writeUInt32LE(this.#slot, 0);
    return true;
  }

  /** A packet matched and is not told. */
  skip(): void {
    this.#untold = (this.#untold + 1) >>> 0;
    this.#octets.writeUInt32LE(this.#untold, 4);
  }

  #writePart(id: number, part: number, length: number, octets: Uint8Array): void {
    const memory = this.#octets;
    this.#slot = (this.#slot % MOST_NUMBER) + 1;
    const at = slotOf(this.#slot);
    memory.writeUInt32LE(0, at);
    memory.writeUInt32LE(id, at + 4);
    memory.writeUInt32LE(this.#record, at + 8);
    memory.writeUInt32LE(length, at + 12);
    memory.writeUInt32LE(part, at + 16);
    memory.set(octets, at + SLOT_HEADER);
    memory.writeUInt32LE(this.#slot, at);
  }
}

/** What a reader finds. */
export interface TraceBatch {
  /** The records of this trace, oldest first. Owned. */
  readonly records: readonly Buffer[];
  /** Records that were overwritten before they were read, and packets that were not told. */
  readonly lost: number;
}

/** A record of which not all parts have been seen. */
interface OpenRecord {
  readonly number: number;
  readonly octets: Buffer;
  parts: number;
}

/** The supervisor's end. */
export class TraceRingReader {
  readonly #fd: number;
  readonly #at: number;
  readonly #header = Buffer.alloc(HEADER);
  readonly #slot = Buffer.alloc(SLOT_OCTETS);
  readonly #check = Buffer.alloc(4);
  #number: number;
  #records: number;
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
    this.#readHeader();
    this.#number = this.#head;
    this.#records = this.#header.readUInt32LE(8);
    this.#untold = this.#header.readUInt32LE(4);
  }

  /** What was written since. Cost: a copy of that, of a ring at the most. */
  read(id: number): TraceBatch {
    if (!this.#readHeader()) return { records: [], lost: 0 };
    const head = this.#head;
    const untold = this.#header.readUInt32LE(4);
    const number = this.#header.readUInt32LE(8);
    const written = (head - this.#number + MOST_NUMBER) % MOST_NUMBER;
    const records: Buffer[] = [];
    const seen = this.#collect(head, Math.min(written, SLOTS), id, records);
    const missing = ((number - this.#records) >>> 0) - seen;
    const lost = Math.max(0, missing) + ((untold - this.#untold) >>> 0);
    this.#number = head;
    this.#records = number;
    this.#untold = untold;
    return { records, lost };
  }

  /** Puts the records together that are whole. @returns how many there are, of other traces, too */
  #collect(head: number, slots: number, id: number, records: Buffer[]): number {
    let seen = 0;
    let open: OpenRecord | null = null;
    for (let back = slots - 1; back >= 0; back--) {
      open = this.#readSlot(behind(head, back)) ? this.#join(open) : null;
      if (open === null || open.parts * PART < open.octets.length) continue;
      seen += 1;
      if (this.#slot.readUInt32LE(4) === id) records.push(open.octets);
      open = null;
    }
    return seen;
  }

  /** The record that the slot at hand belongs to, with its part; null where that does not fit. */
  #join(open: OpenRecord | null): OpenRecord | null {
    const slot = this.#slot;
    const number = slot.readUInt32LE(8);
    const length = slot.readUInt32LE(12);
    const part = slot.readUInt32LE(16);
    let record = open;
    if (part === 0) {
      if (length > MAX_TRACE_RECORD) return null;
      record = { number, octets: Buffer.alloc(length), parts: 0 };
    }
    if (record === null || record.number !== number || record.octets.length !== length || record.parts !== part)
      return null;
    slot.copy(record.octets, part * PART, SLOT_HEADER, SLOT_HEADER + Math.min(PART, length - part * PART));
    record.parts += 1;
    return record;
  }

  get #head(): number {
    return this.#header.readUInt32LE(0) % (MOST_NUMBER + 1);
  }

  #readHeader(): boolean {
    return readSync(this.#fd, this.#header, 0, HEADER, this.#at) === HEADER;
  }

  /** @returns false where the slot of that number is not there any more */
  #readSlot(number: number): boolean {
    const at = this.#at + slotOf(number);
    if (readSync(this.#fd, this.#slot, 0, SLOT_OCTETS, at) !== SLOT_OCTETS) return false;
    if (this.#slot.readUInt32LE(0) !== number) return false;
    return readSync(this.#fd, this.#check, 0, 4, at) === 4 && this.#check.readUInt32LE(0) === number;
  }
}
