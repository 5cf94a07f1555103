/**
 * Whether a running firehookd is attached to a port.
 *
 * @module
 */

import { lockPort } from '../../plumbing/attach-lock.ts';

/** Takes the port's lock for a moment: who gets it is alone. */
export async function isPortHeld(ifindex: number): Promise<boolean> {
  try {
    (await lockPort(ifindex, '')).release();
    return false;
  } catch {
    return true;
  }
}
