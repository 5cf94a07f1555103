/** How much a packet leaves on the heap, as `firehook/testing` measures it. */

export { heapGrowth, SMALLEST_LEAK } from '../../src/testing/heap-growth.ts';
