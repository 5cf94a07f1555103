/**
 * The probe frame: what the supervisor sends through a detour, end to end, to see that it leads where it should.
 *
 *  octet  0             6        12     14                         30
 *         | destination | source | 88b6 | "firehook probe", 00 00 | what the sender put there
 *
 * Rule: a probe carries no IP and meets no hook. It goes on whatever the policies say, and a lane sends a few of them a
 * second: whoever imitates one gets no more than that through, and only into the detour's end, where the table drops it.
 *
 * @see IEEE 802 clause 9.2.4 (EtherTypes for local experiments)
 * @module
 */

import { readU16 } from '../wire/bytes.ts';
import { TYPE_OFFSET } from '../wire/ethernet.ts';

/** EtherType of a probe frame: the second one for local experiments. */
export const ETHERTYPE_PROBE = 0x88b6;
/** What follows the EtherType. */
export const PROBE_COOKIE: Buffer = Buffer.from('firehook probe'.padEnd(16, '\0'), 'latin1');
/** Probe frames that a lane sends on in a second. */
export const PROBES_PER_SECOND = 10;

const COOKIE_OFFSET = TYPE_OFFSET + 2;

/** True for an untagged Ethernet frame that starts like a probe. Cost: no allocation. */
export function isProbe(frame: Uint8Array, length: number): boolean {
  if (length < COOKIE_OFFSET + PROBE_COOKIE.length || readU16(frame, TYPE_OFFSET) !== ETHERTYPE_PROBE) return false;
  for (let index = 0; index < PROBE_COOKIE.length; index++) {
    if (frame[COOKIE_OFFSET + index] !== PROBE_COOKIE[index]) return false;
  }
  return true;
}
