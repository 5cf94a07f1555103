/**
 * Loaded into the supervisor of a soak by NODE_OPTIONS: writes every second how large its heap is, into the file that FIREHOOK_SOAK_HEAP names.
 *
 * Rule: it keeps nothing alive and changes nothing; the heap is read, not collected.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';

const file = process.env.FIREHOOK_SOAK_HEAP;
if (file !== undefined) {
  setInterval(() => {
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    writeFileSync(file, JSON.stringify({ heapUsed, external, arrayBuffers }));
  }, 1000).unref();
}
