/**
 * Whether packets make garbage: what a hook allocates, every packet behind it waits for.
 *
 * @module
 */

import { failWith } from './fail.ts';
import { heapGrowth, SMALLEST_LEAK } from './heap-growth.ts';
import type { Lab, SendOptions } from './lab-contract.ts';

/**
 * Octets that a packet leaves on the heap, on average over the given ones, in the calmest of up to 100 rounds.
 *
 * Cost: 300,000 packets until the code is compiled, then 3,000 a round: a second or two. Below 4 it is no object of the hook's. A hook that
 * remembers something of each new packet shows it only where the packets differ.
 *
 * @param packets - sent in turn
 */
export function allocationPerPacket(lab: Lab, packets: readonly Uint8Array[], options?: SendOptions): number {
  return heapGrowth(lab.prepareFlood(packets, options));
}

/**
 * Fails when packets make garbage: see {@link allocationPerPacket}.
 *
 * @throws AssertionError with the octets a packet, and when a hook was at fault meanwhile
 */
export function assertNoAllocation(lab: Lab, packets: readonly Uint8Array[], options?: SendOptions): void {
  const faults = lab.faults.length;
  const octets = allocationPerPacket(lab, packets, options);
  const [fault] = lab.faults.slice(faults);
  if (fault !== undefined) failWith(`hook ${fault.hook} was at fault meanwhile: ${fault.text}`, assertNoAllocation);
  if (octets < SMALLEST_LEAK) return;
  failWith(`a packet leaves ${octets.toFixed(1)} octets on the heap, where none may be left`, assertNoAllocation);
}
