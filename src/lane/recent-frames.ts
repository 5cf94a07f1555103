/**
 * A few frames of live traffic, copied by a lane for the trial of the hooks that are to take over: they meet what is under way on this very network.
 *
 * ```
 *   memory:   | length | side | flags | segment size | octets ... | length | ...          each at a multiple of 4
 * ```
 * Rule: a lane copies as many as there is room for, from the moment when it is asked, and goes on. The reader believes nothing.
 *
 * @module
 */

import { FRAME_CHECKSUM_PARTIAL, FRAME_SUPER, type Frame } from '../drivers/frame.ts';
import type { MemoryFrame } from '../drivers/memory.ts';

/** Octets of the memory for them. */
export const RECENT_OCTETS = 1024 * 1024;
/** Frames that are copied. */
const MOST_FRAMES = 128;
/** Longer ones are left out: super-frames would fill the memory. */
const MOST_LENGTH = 16 * 1024;
const HEAD = 16;
/** Sides: it arrives at a host, or leaves one. */
const IN = 0;
const OUT = 1;

/** Copies frames. */
export class RecentFrames {
  /** Octets that are written. */
  octets = 0;
  readonly #view: DataView;
  readonly #memory: Uint8Array;
  #frames = 0;

  /** @param memory - shared with the supervisor */
  constructor(memory: Uint8Array) {
    this.#memory = memory;
    this.#view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  }

  /** Copies a frame. @returns false when there is room for no more */
  take(frame: Frame, isOut: boolean): boolean {
    const { length, originalLength, octets, flags, segmentSize } = frame;
    if (length > MOST_LENGTH || length < originalLength) return true;
    const at = this.octets;
    if (this.#frames === MOST_FRAMES || at + HEAD + length + 3 > this.#memory.length) return false;
    const view = this.#view;
    view.setUint32(at, length);
    view.setUint32(at + 4, isOut ? OUT : IN);
    view.setUint32(at + 8, flags);
    view.setUint32(at + 12, segmentSize);
    this.#memory.set(octets.subarray(0, length), at + HEAD);
    this.#frames += 1;
    this.octets = (at + HEAD + length + 3) & ~3;
    return true;
  }
}

/**
 * Reads what a lane has copied.
 *
 * @param memory - a copy, which nobody else changes any more
 * @returns frames that arrive at port 0 or leave by port 1, as far as they can be read
 */
export function readRecentFrames(memory: Uint8Array): MemoryFrame[] {
  const frames: MemoryFrame[] = [];
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  for (let at = 0; at + HEAD <= memory.length && frames.length < MOST_FRAMES; ) {
    const length = view.getUint32(at);
    if (length === 0 || length > MOST_LENGTH || at + HEAD + length > memory.length) break;
    frames.push({
      port: view.getUint32(at + 4) === OUT ? 1 : 0,
      bytes: memory.slice(at + HEAD, at + HEAD + length),
      flags: view.getUint32(at + 8) & (FRAME_CHECKSUM_PARTIAL | FRAME_SUPER),
      segmentSize: view.getUint32(at + 12),
    });
    at = (at + HEAD + length + 3) & ~3;
  }
  return frames;
}
