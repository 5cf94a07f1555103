/**
 * The hook of a soak that is not a stock one: it keeps a number in each flow, is at fault when told to, and tells how large the heap of its lane is.
 *
 * Rule: the heap is looked at once in so many packets, so that the look is none of what is measured.
 *
 * @module
 */

import { getHeapStatistics } from 'node:v8';
import { defineHook, FORWARD } from 'firehook';

/** A datagram to this port makes it throw. */
const FAULT_PORT = 6666;
const EVERY = 4096;

export default defineHook({
  name: 'soak',
  checkable: true,
  flows: { columns: { packets: 'float64' } },
  setup(_options, runtime) {
    const column = runtime.column('packets');
    let packets = 0;
    let heap = 0;
    runtime.gauge('heap_octets', () => heap, 'Heap in use in this lane.');
    return {
      onPacket(packet) {
        packets += 1;
        if (packets % EVERY === 1) heap = getHeapStatistics().used_heap_size;
        if (packet.udp?.destinationPort === FAULT_PORT) throw new Error('it was told to');
        if (packet.flow !== null) column.set(packet.flow, column.get(packet.flow) + 1);
        return FORWARD;
      },
      onLeave: () => ({ packets }),
      adopt(state) {
        packets = (state as { packets: number }).packets;
      },
    };
  },
});
