/**
 * Opens sockets under a group of firehook's own, so that nftables can tell the lane's frames by `meta skgid`.
 *
 * npm `pcap` cannot set a mark on its socket; the group that opened a socket stays with it, whatever the process becomes.
 *
 * @module
 */

import { setEffectiveGroup } from '../native/identity.ts';

/** The group: a number that no system hands out ("fhTX" in ASCII). It needs no name. */
export const SEND_GROUP = 0x66685458;

/** Runs `action` with {@link SEND_GROUP} as the effective group of the process. Needs root. */
export function withSendGroup<T>(action: () => T): T {
  const before = process.getegid?.();
  if (before === undefined || process.getuid?.() !== 0) return action();
  setEffectiveGroup(SEND_GROUP);
  try {
    return action();
  } finally {
    setEffectiveGroup(before);
  }
}
