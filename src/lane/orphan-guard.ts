/**
 * Ends a lane whose supervisor is gone, even when a hook never returns and the event loop stands still.
 *
 * The launcher asks the kernel for that too, but the kernel forgets it where a process changes its user, as a lane with npm pcap does.
 * A thread of its own looks once a second whose child the process is. Nothing else could: a hook that loops keeps the
 * main thread from hearing that the channel to the supervisor has closed.
 *
 * @module
 */

import { Worker } from 'node:worker_threads';

const GUARD = `
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
  }, 1000);
`;
/** The guard needs next to nothing. */
const HEAP_MIB = 8;

/** Has this process killed within about a second after its parent has ended. Does not keep the process alive. */
export function endWithParent(): void {
  new Worker(GUARD, { eval: true, resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB } }).unref();
}
