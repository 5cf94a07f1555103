/**
 * The driver for tests: frames come from an array, and what is transmitted is collected.
 *
 * Place: stands where a live driver stands, without root or files. Rule: a frame is lent as strictly as the contract
 * allows, in one buffer that is overwritten as soon as the batch of one frame is over, so that a sink that keeps a
 * borrowed frame is found out. Frames are taken from the array while it runs: more may be added until it ends.
 *
 * @module
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Driver, DriverCapabilities, DriverPort, DriverStats, FrameSink } from './contract.ts';
import { Frame } from './frame.ts';

/** Frames between two turns of the event loop. */
const FRAMES_PER_TURN = 64;
/** What a frame is overwritten with after its batch: recognisable in a hex dump. */
const SPENT_OCTET = 0xdd;
const NO_STATS: DriverStats = { droppedByKernel: 0 };

/** A frame to hand out. */
export interface MemoryFrame {
  /** Id of the port of arrival. */
  readonly port: number;
  /** The captured octets. Never changed. */
  readonly bytes: Uint8Array;
  /**
   * Time of arrival, seconds since 1970.
   *
   * @defaultValue 0
   */
  readonly seconds?: number;
  /**
   * The rest of the time, 0-999999999.
   *
   * @defaultValue 0
   */
  readonly nanoseconds?: number;
  /**
   * Octets on the wire.
   *
   * @defaultValue the captured ones
   */
  readonly originalLength?: number;
  /**
   * Bits, `FRAME_CHECKSUM_PARTIAL` and `FRAME_SUPER`.
   *
   * @defaultValue 0
   */
  readonly flags?: number;
  /**
   * Octets of payload in each segment of a super-frame.
   *
   * @defaultValue 0
   */
  readonly segmentSize?: number;
}

/** A frame that was transmitted. */
export interface SentFrame {
  readonly port: number;
  /** A copy, the caller's own. */
  readonly bytes: Buffer;
}

/** What a {@link MemoryDriver} is made with. */
export interface MemoryOptions {
  /** Ports, id by position. */
  readonly ports: readonly DriverPort[];
  /** Frames to hand out, in order. */
  readonly frames: readonly MemoryFrame[];
  /**
   * Ids of ports where transmitting fails, as on a full or lost link.
   *
   * @defaultValue none
   */
  readonly failingPorts?: readonly number[];
}

/** Hands out frames of an array and collects what is transmitted. */
export class MemoryDriver implements Driver {
  readonly name = 'memory';
  readonly capabilities: DriverCapabilities = { live: false, sharesPort: false, offloads: true };
  readonly ports: readonly DriverPort[];
  /** What was transmitted, in order. Grows by one copy per frame. */
  readonly sent: SentFrame[] = [];
  readonly #frames: readonly MemoryFrame[];
  readonly #failingPorts: ReadonlySet<number>;
  #frame = Buffer.alloc(2048);
  readonly #handed = new Frame(this.#frame);
  #isStopped = false;

  /** @param options - ports, frames, and where transmitting fails */
  constructor(options: MemoryOptions) {
    this.ports = options.ports;
    this.#frames = options.frames;
    this.#failingPorts = new Set(options.failingPorts);
  }

  /**
   * Hands out all frames, each as a batch of its own. Resolves after the last or after `stop`.
   *
   * An exception of the sink rejects.
   */
  async start(sink: FrameSink): Promise<void> {
    let handedOut = 0;
    for (const frame of this.#frames) {
      if (this.#isStopped) {
        return;
      }
      this.#handOut(sink, frame);
      handedOut += 1;
      if (handedOut % FRAMES_PER_TURN === 0) {
        await nextTurn();
      }
    }
  }

  /** Collects a copy. False for a port that does not exist or fails, a frame too long, and after `stop`. */
  transmit(port: number, frame: Buffer, length: number): boolean {
    const limit = this.ports[port]?.maxFrameLength ?? 0;
    if (this.#isStopped || length > limit || length > frame.length || this.#failingPorts.has(port)) {
      return false;
    }
    this.sent.push({ port, bytes: Buffer.from(frame.subarray(0, length)) });
    return true;
  }

  /** Memory drops nothing. */
  stats(): DriverStats {
    return NO_STATS;
  }

  /** Ends `start` before the next frame. {@link MemoryDriver.sent} stays. */
  stop(): void {
    this.#isStopped = true;
  }

  #handOut(
    sink: FrameSink,
    { port, bytes, seconds, nanoseconds, originalLength, flags, segmentSize }: MemoryFrame,
  ): void {
    if (bytes.length > this.#frame.length) {
      this.#frame = Buffer.alloc(2 * bytes.length);
    }
    const frame = this.#frame;
    frame.set(bytes);
    const handed = this.#handed;
    handed.octets = frame;
    handed.length = bytes.length;
    handed.originalLength = originalLength ?? bytes.length;
    handed.port = port;
    handed.flags = flags ?? 0;
    handed.segmentSize = segmentSize ?? 0;
    handed.seconds = seconds ?? 0;
    handed.nanoseconds = nanoseconds ?? 0;
    sink.onFrame(handed);
    sink.onBatchEnd();
    frame.fill(SPENT_OCTET, 0, bytes.length);
  }
}
