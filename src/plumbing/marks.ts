/**
 * The marks that packets carry between a port and a lane (`skb->mark`), and the priority of those that were let in.
 *
 * ```
 *   port ──STOLEN_MARK──> near end ═══ far end ──> lane ──deliveredMark──> far end ═══ near end ──redirect──> port: mark off, passValue on
 *                                                                                     IP stack, the wall: passValue off
 * ```
 * Rule: a mark that opens a way past the hooks is a secret of this run. Programs without any rights can have a packet marked
 * (`ping -m` of most distributions), so a number that stands in a source file protects nothing.
 *
 * @see socket(7), SO_MARK
 * @module
 */

import { createHash, randomBytes } from 'node:crypto';

/** Mark of a frame on its way into a detour. It leads to the hooks, so it need not be secret. */
export const STOLEN_MARK = 0x66685453;

let secret: Uint8Array = randomBytes(32);

/** What the marks of this run are drawn from: for the process that goes on with its ports, and for nobody else. */
export function marksSecret(): Uint8Array {
  return secret;
}

/** Goes on with the marks of another process. To be called before any is asked for. */
export function inheritMarks(theirs: Uint8Array): void {
  secret = theirs;
}

/** Mark of a frame that the lane delivers to the host by a port: drawn anew by each run of the daemon, never 0. */
export function deliveredMark(ifindex: number): number {
  const mark = createHash('sha256').update(secret).update(String(ifindex)).digest().readUInt32LE(0);
  return mark === 0 || mark === STOLEN_MARK ? 1 : mark;
}

/**
 * Value of `meta priority` of a packet that the chain at a port has let in; the wall of that port takes it off again.
 *
 * Each port has its own: the wall of another port must leave it on. The low four bits mean best effort.
 */
export function passValue(ifindex: number): number {
  return 0x60000000 + ((ifindex & 0xffffff) << 4);
}
