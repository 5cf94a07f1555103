/**
 * A hook that watches the heap of the lane it runs in: how much of it a packet takes, all of the lane's work included.
 *
 * Every {@link EVERY} packets it looks at the size of the heap. At the end it logs the median growth a packet: between two
 * looks the heap only grows, except where the collector ran, and those few are outliers that a median does not see.
 * Rule: it allocates nothing between two looks.
 *
 * @module
 */

import { getHeapStatistics } from 'node:v8';
import { defineHook, FORWARD } from 'firehook';

const EVERY = 10_000;
const looks = new Float64Array(4096);
let count = 0;
let packets = 0;
let report: (line: string) => void = () => undefined;

export default defineHook({
  name: 'heap-probe',
  setup(_options, runtime) {
    report = (line) => runtime.log('info', line);
  },
  onPacket() {
    packets += 1;
    if (packets % EVERY === 0 && count < looks.length) {
      looks[count] = getHeapStatistics().used_heap_size;
      count += 1;
    }
    return FORWARD;
  },
  teardown() {
    // The daemon loads hooks once to try them.
    if (packets === 0) return;
    // The first half is warm-up: code is compiled and recompiled.
    const warm = looks.subarray(count >> 1, count);
    const growths = Array.from(warm.subarray(1), (size, index) => size - (warm[index] ?? 0)).sort((a, b) => a - b);
    const median = growths[growths.length >> 1] ?? Number.NaN;
    report(`heap octets a packet: ${(median / EVERY).toFixed(2)} (median of ${growths.length} x ${EVERY} packets)`);
  },
});
