/**
 * The two ways out of a lab: the memory driver, which takes super-frames too, and a sender of datagrams; both note what leaves.
 *
 * ```
 *   lane ─ transmit ──> LabDriver ─┐
 *        ─ sender.send > LabSender ─┴─> notes, in order ─ takeNotes() ─> the lab
 * ```
 * Rule: while they are quiet they note nothing, and a frame costs no allocation.
 *
 * @module
 */

import { FRAME_SUPER, type Frame } from '../drivers/frame.ts';
import { MemoryDriver, type MemoryOptions } from '../drivers/memory.ts';
import { INJECTION, KINDS } from '../lane/answers.ts';
import { type DatagramSender, isMadeByHook } from '../lane/egress.ts';
import { HEADER_LENGTH as IPV4_HEADER } from '../wire/ipv4.ts';
import { HEADER_LENGTH as IPV6_HEADER } from '../wire/ipv6.ts';

/** Something that left. */
export interface Note {
  /** Port of the driver; -1 for a datagram that goes by the routes of the host. */
  readonly port: number;
  /** A frame, or that datagram. A copy. */
  readonly octets: Buffer;
  /** A hook made it. */
  readonly isMade: boolean;
}

/** Where the ways out note what leaves. */
export class Notes {
  /** Nothing is noted while this is true; it is counted all the same. */
  isQuiet = false;
  /** All that has left. */
  count = 0;
  #list: Note[] = [];

  /** Borrows `octets`. */
  note(port: number, octets: Buffer, length: number, isMade: boolean): void {
    this.count += 1;
    if (!this.isQuiet) this.#list.push({ port, octets: Buffer.from(octets.subarray(0, length)), isMade });
  }

  /** What was noted since the last call. */
  take(): Note[] {
    const taken = this.#list;
    this.#list = [];
    return taken;
  }
}

/** Frames come in one at a time, and leave into notes. */
export class LabDriver extends MemoryDriver {
  override readonly capabilities = { live: true, sharesPort: false, offloads: true };
  /** The frame being handed out is to be cut by the card: then no length is too long. */
  isSuper = false;
  readonly #notes: Notes;

  constructor(options: MemoryOptions, notes: Notes) {
    super(options);
    this.#notes = notes;
  }

  /** {@inheritDoc Driver.transmit} */
  override transmit(port: number, frame: Buffer, length: number, purpose = 0): boolean {
    const limit = this.ports[port]?.maxFrameLength ?? 0;
    if ((length > limit && !this.isSuper) || length > frame.length) return false;
    this.#notes.note(port, frame, length, isMadeByHook(purpose));
    return true;
  }

  /** {@inheritDoc Driver.resume} */
  resume(frame: Frame): void {
    this.isSuper = (frame.flags & FRAME_SUPER) !== 0;
  }

  /** {@inheritDoc Driver.endResumed} */
  endResumed(): void {
    this.isSuper = false;
  }

  /** {@inheritDoc Driver.transmitSuper} */
  transmitSuper(port: number, frame: Buffer, length: number, _checksumStart: number, purpose = 0): boolean {
    return this.transmit(port, frame, length, purpose);
  }
}

/** Sends what a host would send by its routes. */
export class LabSender implements DatagramSender {
  readonly #notes: Notes;

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  /** {@inheritDoc DatagramSender.send} */
  send(datagram: Buffer, length: number, tag: number): boolean {
    const version = (datagram[0] ?? 0) >>> 4;
    // What the kernel would refuse.
    if ((version !== 4 && version !== 6) || length < (version === 4 ? IPV4_HEADER : IPV6_HEADER)) return false;
    this.#notes.note(-1, datagram, length, tag % KINDS === INJECTION);
    return true;
  }
}
