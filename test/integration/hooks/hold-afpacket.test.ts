/**
 * Packets that wait on real interfaces with `driver: afpacket`.
 *
 * @module
 */

import { testHold, testKilledLane } from './live-hold.ts';

testHold('bridge', 'afpacket', 1);
testHold('host', 'afpacket', 1);
testHold('bridge', 'afpacket', 2);
testHold('host', 'afpacket', 2);
testKilledLane();
