/**
 * A program for the test of the lease: holds a real {@link Lease} in its namespace and does what signals tell it.
 *
 * ```
 *   node keep-lease.ts IFINDEX      SIGUSR2 renew | SIGHUP lapse | SIGTERM stop     prints what nft complains of
 * ```
 * @module
 */

import { Lease } from '../../../src/supervisor/lease.ts';

const lease = new Lease((text) => console.log(`error: ${text}`));
const awake = setInterval(() => undefined, 60_000);
lease.setPorts([Number(process.argv[2])]);
process.on('SIGUSR2', () => lease.renew());
process.on('SIGHUP', () => lease.lapse());
process.on('SIGTERM', () => {
  lease.stop();
  lease.renew();
  clearInterval(awake);
});
console.log('ready');
