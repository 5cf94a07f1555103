/**
 * How much a packet leaves on the heap: for tests of what may allocate nothing.
 *
 * Rule: measured on the heap, without a clock. The compiler and the collector allocate as well, at moments of their own choice, so one
 * calm round of many is proof.
 *
 * @module
 */

import v8 from 'node:v8';
import vm from 'node:vm';

const WARM_UP = 300_000;
/** Few enough that no collection comes between the two looks at the heap. */
const PACKETS = 3_000;
const ROUNDS = 100;

/** Octets: an object of 16 for every fourth packet. What stays below this is no object. */
export const SMALLEST_LEAK = 4;

/**
 * Octets a packet in the calmest round.
 *
 * @param run - sends so many packets
 */
export function heapGrowth(run: (packets: number) => void): number {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  run(WARM_UP);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS && least >= SMALLEST_LEAK; round++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    run(PACKETS);
    const grown = process.memoryUsage().heapUsed - before;
    // Less than before: something was collected meanwhile, and the round says nothing.
    if (grown >= 0) least = Math.min(least, grown / PACKETS);
  }
  return least;
}
