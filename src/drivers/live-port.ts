/**
 * A port of a live driver, as the supervisor lays it out: where frames come in, where they go out.
 *
 * Plain data: it crosses a process boundary. `pcap` opens devices by name, `afpacket` by index.
 *
 * @module
 */

/** One port. */
export interface LivePortOptions {
  /** Position in the list of ports. */
  readonly id: number;
  /** Device to capture on; null for a port that only sends. */
  readonly capture: LiveDevice | null;
  /** Which frames of it: those that arrive, those that leave (`tap`), or every one that comes by. */
  readonly direction: 'any' | 'inbound' | 'outbound';
  /** Capture only frames with this mark; `afpacket` only. @defaultValue every frame of the direction */
  readonly captureMark?: number;
  /** It captures at a user's port, where only the fence says whether a frame is the lane's to send. @defaultValue false */
  readonly isFenced?: boolean;
  /** Device to send on; null for a port that only receives. */
  readonly send: LiveDevice | null;
  /** Mark of each frame that is sent; `afpacket` only. @defaultValue none */
  readonly sendMark?: number;
  /** Longest frame that can be sent, link header included, in octets; 0 for a port that only receives. */
  readonly maxFrameLength: number;
  /** Longest frame to capture, in octets. libpcap sizes the slots of its ring by it. */
  readonly captureLength: number;
}

/** A device by both its names. */
export interface LiveDevice {
  readonly name: string;
  readonly ifindex: number;
}
