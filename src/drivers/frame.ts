/**
 * A frame, and what its driver knows of it that its octets do not say.
 *
 * Rule: a driver has one object and fills it anew for each frame, so that a frame costs no allocation. Whoever wants a frame for longer
 * than the call copies what it needs.
 *
 * @module
 */

/** Set in {@link Frame.flags} when the transport checksum in the frame is not final. */
export const FRAME_CHECKSUM_PARTIAL = 1;

/** Set in {@link Frame.flags} of a super-frame: longer than the MTU, to be cut by whoever sends it. */
export const FRAME_SUPER = 2;

/** Set in {@link Frame.flags} of each frame but the first that the driver cut a super-frame into. */
export const FRAME_SEGMENT = 4;

/** A buffer that frames come in. The sink may keep views of it on itself, so that they are made once a buffer. */
export type FrameBuffer = Buffer & { views?: (Buffer | undefined)[] };

/** One frame. */
export class Frame {
  /** It starts at octet 0. Borrowed until the batch ends; may be longer than {@link Frame.length}. */
  octets: FrameBuffer;
  /** Captured octets. */
  length = 0;
  /** Octets on the wire; more than `length` when the capture cut it. */
  originalLength = 0;
  /** Id of the port of arrival. */
  port = 0;
  /** Bits: `FRAME_CHECKSUM_PARTIAL`, `FRAME_SUPER` and `FRAME_SEGMENT`. */
  flags = 0;
  /** Time of arrival, seconds since 1970. */
  seconds = 0;
  /** 0-999999999. */
  nanoseconds = 0;
  /**
   * Octet where the checksum that is not final starts to count. -1 where all are final, or the driver does not take it along: then it has to
   * be completed before the frame is transmitted.
   */
  checksumStart = -1;
  /** Octets of payload in each segment of a super-frame; 0 where it is none. */
  segmentSize = 0;

  constructor(octets: FrameBuffer) {
    this.octets = octets;
  }

  /** Takes over what is known of another frame, all but its octets. */
  describeAs(other: Frame): void {
    this.length = other.length;
    this.originalLength = other.originalLength;
    this.port = other.port;
    this.flags = other.flags;
    this.seconds = other.seconds;
    this.nanoseconds = other.nanoseconds;
    this.checksumStart = other.checksumStart;
    this.segmentSize = other.segmentSize;
  }
}
