/**
 * A program for the test of the lease: does what it reads, a word a line, with a real {@link Lease} in its namespace.
 *
 * ```
 *   node keep-lease.ts IFINDEX      renew | lapse | stop     what nft complains of goes to standard output
 * ```
 * @module
 */

import { createInterface } from 'node:readline';
import { Lease } from '../../../src/supervisor/lease.ts';

const lease = new Lease((text) => console.log(`error: ${text}`));
lease.setPorts([Number(process.argv[2])]);
console.log('ready');
createInterface({ input: process.stdin }).on('line', (word) => {
  if (word === 'renew') lease.renew();
  if (word === 'lapse') lease.lapse();
  if (word === 'stop') {
    lease.stop();
    lease.renew();
    process.stdin.destroy();
  }
  console.log(`done: ${word}`);
});
