/**
 * A program for the test of the lease: holds a real {@link Lease} in its namespace and does what signals tell it.
 *
 * ```
 *   node keep-lease.ts IFINDEX      SIGUSR2 renew | SIGHUP lapse | SIGTERM stop     prints what nft complains of,
 *                                                                                     and the fence whenever it changes
 * ```
 * @module
 */

import { Lease } from '../../../src/plumbing/lease.ts';
import { Fence } from '../../../src/supervisor/fence.ts';

/** More often than a lease can be renewed and lapse. */
const LOOK_EVERY_MS = 5;

const fence = new Fence();
const lease = new Lease(fence, (text) => {
  tellFence();
  console.log(`error: ${text}`);
});
let told = '';
const awake = setInterval(tellFence, LOOK_EVERY_MS);
lease.setPorts([Number(process.argv[2])]);
process.on('SIGUSR2', () => lease.renew());
process.on('SIGHUP', () => lease.lapse());
process.on('SIGTERM', () => {
  lease.stop();
  lease.renew();
  clearInterval(awake);
});
console.log('ready');

function tellFence(): void {
  const now = `fence ${fence.epoch} ${fence.isOpen ? 'open' : 'closed'}`;
  if (now !== told) console.log(now);
  told = now;
}
