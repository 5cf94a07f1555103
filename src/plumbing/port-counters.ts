/**
 * What nftables counts at the ports: frames stolen, frames that came out of the detours, frames while no lane answered.
 *
 * `stolen` counts a super-frame once, `offered` what the kernel cut it into. What was offered and not received was never
 * handed to a lane.
 *
 * @module
 */

/** Counters of a direction, in frames. */
export interface PortCounters {
  /** Taken out of the kernel's path, super-frames counted as one. */
  readonly stolen: number;
  /** Shown to the lane's tap at the end of the detour; where it captures at the port, what was stolen there. */
  readonly offered: number;
  /** Met while no lane answered: decided by `policy.onDown`. */
  readonly whileDown: number;
  /** Reached the IP stack, or left it, without having met the chains at the port. */
  readonly unhooked: number;
  /** Of the connection that `policy.keepSession` keeps: they do not meet the hooks. */
  readonly kept: number;
}
