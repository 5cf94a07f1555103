/**
 * The contract between a lane and what reads and writes its frames.
 *
 * ```
 *   open ─> start(sink) ─> sink.onFrame ... sink.onBatchEnd ─> stop
 *                              └─ transmit(port, bytes, length), called from within onFrame
 * ```
 * Rule: everything is synchronous. A frame is borrowed during `onFrame`; its memory is given back after `onBatchEnd`.
 * Nothing here throws per packet: `transmit` says false and the lane counts.
 *
 * @module
 */

/** What a driver can do. Scripts and `doctor` print it; the lane asks it. */
export interface DriverCapabilities {
  /** Frames come from live interfaces. */
  readonly live: boolean;
  /** One port can be shared by several lanes, flow by flow. */
  readonly sharesPort: boolean;
  /** Frames may arrive with their transport checksum not final, or larger than the MTU (super-frames). */
  readonly offloads: boolean;
}

/** A place where frames come in, go out, or both. */
export interface DriverPort {
  /** Position in the driver's list of ports; the `port` of every call. */
  readonly id: number;
  /** Linktype of the frames, as in the savefile registry (1 Ethernet, 101 raw IP ...). */
  readonly linktype: number;
  /** Longest frame that can be sent, link header included, in octets; 0 where nothing can be sent. */
  readonly maxFrameLength: number;
}

/** Set in `flags` when the transport checksum in the frame is not final. */
export const FRAME_CHECKSUM_PARTIAL = 1;

/** What a driver hands frames to: the lane. */
export interface FrameSink {
  /**
   * One frame.
   *
   * @param frame - the frame starts at octet 0; borrowed until `onBatchEnd`; may be longer than `length`
   * @param length - captured octets
   * @param originalLength - octets on the wire; larger than `length` when the capture cut it
   * @param port - id of the port of arrival
   * @param flags - bits, `FRAME_CHECKSUM_PARTIAL`
   * @param seconds - time of arrival, seconds since 1970
   * @param nanoseconds - 0-999999999
   */
  onFrame(
    frame: Buffer,
    length: number,
    originalLength: number,
    port: number,
    flags: number,
    seconds: number,
    nanoseconds: number,
  ): void;
  /** The frames since the last call are done with; what was transmitted must be out before their memory is reused. */
  onBatchEnd(): void;
}

/** Counters a driver keeps itself, since its start. */
export interface DriverStats {
  /** Frames the kernel dropped before the driver could read them. */
  readonly droppedByKernel: number;
}

/** A source and sink of frames. */
export interface Driver {
  readonly name: string;
  readonly capabilities: DriverCapabilities;
  readonly ports: readonly DriverPort[];
  /** Begins to hand frames to `sink`. Resolves at the end of the input; a live driver resolves after `stop`. */
  start(sink: FrameSink): Promise<void>;
  /**
   * Sends `length` octets of `frame` out of `port`.
   *
   * Ownership: borrows `frame` until `onBatchEnd`. Never throws; false when the frame was not sent.
   */
  transmit(port: number, frame: Buffer, length: number): boolean;
  stats(): DriverStats;
  /** Gives everything back. Idempotent. */
  stop(): void;
}
