/**
 * The contract between a lane and what reads and writes its frames.
 *
 * ```
 *   open ─> start(sink) ─> sink.onFrame ... sink.onBatchEnd ─> stop
 *                              └─ transmit(port, bytes, length), called from within onFrame, or between two batches
 * ```
 * Rule: everything is synchronous. A frame is borrowed during `onFrame`; its memory is given back after `onBatchEnd`.
 * Nothing here throws per packet: `transmit` says false and the lane counts.
 *
 * @module
 */

import type { Interest } from '../wire/interest.ts';
import type { Frame } from './frame.ts';

/** Octets of the offload state of a frame: a virtio-net header (virtio 1.2, 5.1.6). */
export const OFFLOAD_OCTETS = 10;

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

/** The port of that id; undefined where there is none. Cost: O(1), where the list is in order. */
export function portOf(ports: readonly DriverPort[], id: number): DriverPort | undefined {
  const port = ports[id];
  return port?.id === id ? port : ports.find((other) => other.id === id);
}

/** What a driver hands frames to: the lane. */
export interface FrameSink {
  /**
   * One frame.
   *
   * @param frame - borrowed during the call, its octets until `onBatchEnd`
   */
  onFrame(frame: Frame): void;
  /** The frames since the last call are done with; what was transmitted must be out before their memory is reused. */
  onBatchEnd(): void;
  /** A file, or a section of it, is at its end: what waits to be transmitted has its last moment. Called between two batches. */
  onInputEnd?(): void;
  /**
   * A frame that `transmit` had taken could not be sent after all.
   *
   * @param port - port of arrival of the batch it belonged to
   * @param purpose - what `transmit` was given
   * @param length - octets of the frame
   */
  onSendFailed?(port: number, purpose: number, length: number): void;
}

/** Counters a driver keeps itself, since its start. */
export interface DriverStats {
  /** Frames the kernel dropped before the driver could read them. */
  readonly droppedByKernel: number;
  /** Frames that were not handed out because the kernel may have sent them on; only of a driver with a fence. */
  readonly fenced?: number;
  /** Epoch of the fence that all its ports are in: they hand out what has come since it began. */
  readonly epoch?: number;
}

/** Where the reader of a ring stands between two batches; see `NativeModule.leaveRing`. */
export interface RingPlace {
  readonly port: number;
  readonly next: number;
  readonly unread: number;
  readonly epoch: number;
  readonly stale: number;
}

/** Where a driver stands in its inputs. Plain data: another process goes on from there. */
export interface InputPlace {
  /** Empty where what comes in is switched over instead. */
  readonly rings: readonly RingPlace[];
}

/** A source and sink of frames. */
export interface Driver {
  readonly name: string;
  readonly capabilities: DriverCapabilities;
  readonly ports: readonly DriverPort[];
  /**
   * Has the kernel keep back what belongs to none of the interests, at the ports of `tap` and nowhere else: a frame that is
   * not captured there is not lost. Before `start`; frames that came earlier are handed out all the same.
   *
   * @returns true when such a filter is in force
   * @throws {@link FirehookError} FIREHOOK_DRIVER_OPEN when the kernel refuses it
   */
  narrow?(interests: readonly Interest[]): boolean;
  /** Begins to hand frames to `sink`. Resolves at the end of the input; a live driver resolves after `stop`. */
  start(sink: FrameSink): Promise<void>;
  /**
   * Sends `length` octets of `frame` out of `port`.
   *
   * Ownership: borrows `frame` during the call, or until the batch ends where they are the octets of the frame being handed out.
   * Never throws; false when the frame was not taken. One that was taken and not sent is told by `onSendFailed`.
   *
   * @param purpose - the caller's own number, 0-255, handed back by `onSendFailed`
   */
  transmit(port: number, frame: Buffer, length: number, purpose?: number): boolean;
  /**
   * Sends a frame that stands for the super-frame being handed out and is to be cut as that one was. Only where
   * `capabilities.offloads` and `capabilities.live` hold.
   *
   * @param checksumStart - octet of the frame where the transport header starts; its checksum holds the pseudo header's sum
   */
  transmitSuper?(port: number, frame: Buffer, length: number, checksumStart: number, purpose?: number): boolean;
  /**
   * Copies what has to be known beside the octets to send the frame being handed out later, which is its offload state. Without it there is none.
   *
   * @param target - {@link OFFLOAD_OCTETS} octets
   */
  keepOffload?(target: Uint8Array): void;
  /**
   * The frame that `transmit` is called for from now on is one that was handed out earlier and copied by the sink. To be called between two batches,
   * or within one between two frames, and once more for each frame; {@link Driver.endResumed} ends it. Without it, `transmit` can be called at any time.
   *
   * Ownership: borrows `frame` until then.
   * @param offload - what {@link Driver.keepOffload} said of it
   */
  resume?(frame: Frame, offload: Uint8Array): void;
  /** What was transmitted since {@link Driver.resume} is out, or was told to be lost. */
  endResumed?(): void;
  /**
   * Of a driver whose ring no other process can go on with: a successor that is opened from now on gets no frames until it takes them.
   *
   * @throws Error where there can be no successor, and why
   */
  keepInput?(): void;
  /**
   * To be called by such a successor: the frames that come from now on are its own, and wait. What came before stays with the driver that was
   * there.
   *
   * @throws Error of the system where the kernel refuses; nothing has changed then
   */
  takeInput?(): void;
  /** Takes {@link Driver.takeInput} back. What has come meanwhile is lost. */
  returnInput?(): void;
  /**
   * Hands out no more than what the successor does not get; sends go on. To be called between two batches.
   *
   * @returns where the successor goes on; null where that cannot be, and the driver goes on as before
   */
  leave?(): InputPlace | null;
  /** Goes on where the driver of another process has left, or after an own {@link Driver.leave} that came to nothing. @returns false for a place that there is not */
  goOn?(place: InputPlace): boolean;
  stats(): DriverStats;
  /** Gives everything back. Idempotent. */
  stop(): void;
}
