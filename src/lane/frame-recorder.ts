/**
 * The octets of one packet for a record: as it came, and each frame that went out while it was in hand.
 *
 * ```
 *   begin(packet) ─> [ in ] ─> hooks, egress: onFrame, onDatagram ─> [ in | out | out ... ] ─> finish(text) ─> one record of the ring
 *   record    octets of the text, 4 | text, JSON | frames, one behind the other
 *   frame     2 kind | 2 interface, its place in the text | 4 octets that are here | 4 octets that it had | 4 seconds | 4 nanoseconds | octets ...
 * ```
 * Rule: one buffer for all packets, as long as the longest record. What finds no room in it is cut, and a frame without room for its head is
 * counted as left out. All numbers are little-endian.
 *
 * @module
 */

import { LINKTYPE_RAW } from '../wire/link.ts';
import { KINDS } from './answers.ts';
import type { PacketInHand } from './packet-in-hand.ts';
import { PURPOSE_OF_KIND } from './purposes.ts';
import { MAX_TRACE_RECORD } from './trace-ring.ts';
import type { SendWatch } from './watched-outlets.ts';

/** Kind of a frame that came in; those that went out have the number of their purpose. */
export const CAME_IN = 255;
/** Octets of the head of a frame. */
export const FRAME_HEAD = 20;
/** Octets of the longest text. */
export const MAX_RECORD_TEXT: number = 8192;
/** Most interfaces of one packet. */
export const MOST_PLACES = 16;
/** What datagrams go out of that the kernel sends by its routes. */
export const BY_ROUTES = 'routes';

const TEXT_HEAD = 4;
const FRAMES_AT = TEXT_HEAD + MAX_RECORD_TEXT;
const MS_PER_SECOND = 1000;
const NANOSECONDS_PER_MS = 1_000_000;

/** Where a frame came from or went to. */
export interface RecordPlace {
  /** Name of the interface; `local` for this host, {@link BY_ROUTES} for what the kernel sends by its routes. */
  readonly name: string;
  readonly linktype: number;
}

/** What a {@link FrameRecorder} is made of. */
export interface FrameRecorderOptions {
  /** Most octets of a frame. */
  readonly most: number;
  /** What a port sends out of. */
  readonly nameOf: (port: number) => string;
  readonly linktypeOf: (port: number) => number;
  /** Milliseconds on a clock that never jumps back. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly wall: () => number;
}

/** Keeps the octets of one packet after the other. */
export class FrameRecorder implements SendWatch {
  readonly #options: FrameRecorderOptions;
  readonly #octets = Buffer.alloc(MAX_TRACE_RECORD);
  #places: RecordPlace[] = [];
  #used = FRAMES_AT;
  #leftOut = 0;
  #isOpen = false;
  #seconds = 0;
  #nanoseconds = 0;
  /** Between the two clocks. The time of the day is told in whole milliseconds, so the greatest one seen is the nearest. */
  #offsetMs = Number.NEGATIVE_INFINITY;

  constructor(options: FrameRecorderOptions) {
    this.#options = options;
  }

  /** A packet is next, and is kept as it came. */
  begin({ frame, way }: PacketInHand): void {
    const { octets, length, originalLength, port, seconds, nanoseconds } = frame;
    this.#places = [];
    this.#used = FRAMES_AT;
    this.#leftOut = 0;
    this.#isOpen = true;
    this.#seconds = seconds;
    this.#nanoseconds = nanoseconds;
    this.#keep(CAME_IN, way.from, this.#options.linktypeOf(port), octets, length, originalLength);
  }

  /** {@inheritDoc SendWatch.onFrame} */
  onFrame(port: number, frame: Buffer, length: number, purpose: number): void {
    if (!this.#isOpen) return;
    this.#step();
    const { nameOf, linktypeOf } = this.#options;
    this.#keep(purpose, nameOf(port), linktypeOf(port), frame, length, length);
  }

  /** {@inheritDoc SendWatch.onDatagram} */
  onDatagram(datagram: Buffer, length: number, tag: number): void {
    if (!this.#isOpen) return;
    this.#step();
    this.#keep(PURPOSE_OF_KIND[tag % KINDS] ?? 0, BY_ROUTES, LINKTYPE_RAW, datagram, length, length);
  }

  /**
   * The packet is through.
   *
   * @param textOf - makes the text of the interfaces and of how many frames were left out
   * @returns the record, borrowed until the next packet; null where the text is too long
   */
  finish(textOf: (places: readonly RecordPlace[], leftOut: number) => string): Buffer | null {
    this.#isOpen = false;
    const text = textOf(this.#places, this.#leftOut);
    const size = Buffer.byteLength(text);
    if (size > MAX_RECORD_TEXT) return null;
    const at = FRAMES_AT - size - TEXT_HEAD;
    this.#octets.writeUInt32LE(size, at);
    this.#octets.write(text, at + TEXT_HEAD);
    return this.#octets.subarray(at, this.#used);
  }

  #keep(kind: number, name: string, linktype: number, octets: Buffer, length: number, originalLength: number): void {
    const place = this.#placeOf(name, linktype);
    const room = this.#octets.length - this.#used - FRAME_HEAD;
    if (room < 0 || place < 0) {
      this.#leftOut += 1;
      return;
    }
    const kept = Math.min(length, this.#options.most, room);
    const target = this.#octets;
    let at = target.writeUInt16LE(kind, this.#used);
    at = target.writeUInt16LE(place, at);
    at = target.writeUInt32LE(kept, at);
    at = target.writeUInt32LE(originalLength >>> 0, at);
    at = target.writeUInt32LE(this.#seconds >>> 0, at);
    at = target.writeUInt32LE(this.#nanoseconds, at);
    octets.copy(target, at, 0, kept);
    this.#used = at + kept;
  }

  #placeOf(name: string, linktype: number): number {
    const known = this.#places.findIndex((place) => place.name === name && place.linktype === linktype);
    if (known !== -1) return known;
    return this.#places.length < MOST_PLACES ? this.#places.push({ name, linktype }) - 1 : -1;
  }

  /** The time is now, and never before the last one. */
  #step(): void {
    const { now, wall } = this.#options;
    const nowMs = now();
    this.#offsetMs = Math.max(this.#offsetMs, wall() - nowMs);
    const ms = this.#offsetMs + nowMs;
    const seconds = Math.floor(ms / MS_PER_SECOND);
    const nanoseconds = Math.floor((ms - seconds * MS_PER_SECOND) * NANOSECONDS_PER_MS);
    if (seconds < this.#seconds || (seconds === this.#seconds && nanoseconds < this.#nanoseconds)) return;
    this.#seconds = seconds;
    this.#nanoseconds = nanoseconds;
  }
}
