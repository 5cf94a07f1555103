/**
 * What a frame is sent for: a number that goes to the driver with it and comes back where it could not be sent after all.
 *
 * Rule: the names stand in the order of the numbers.
 *
 * @module
 */

/** The packet at hand, as it came, as hooks made it, or the first of its fragments. */
export const FORWARDED_PACKET = 0;
/** An ICMP error. */
export const ANSWER = 1;
/** A fragment that is not the first one. */
export const LATER_FRAGMENT = 2;
/** A probe of the supervisor. */
export const PROBE = 3;
/** A packet that goes back as a hook wrote it. */
export const REPLIED_PACKET = 4;
/** A segment that resets a connection. */
export const RESET_SEGMENT = 5;
/** A frame that a hook made, booked in the row of those. */
export const INJECTED_FRAME = 6;
/** A copy of the packet at hand, booked in the row of its way. */
export const MIRRORED_PACKET = 7;

/** What they are called in a record. */
export const PURPOSES = [
  'forwarded',
  'ICMP error',
  'fragment',
  'probe',
  'reply',
  'reset',
  'injected',
  'mirrored',
] as const;

/** The purpose that a datagram would have as a frame, by its kind, which is a number of answers.ts. */
export const PURPOSE_OF_KIND: readonly number[] = [INJECTED_FRAME, ANSWER, REPLIED_PACKET, RESET_SEGMENT];
