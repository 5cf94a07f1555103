/**
 * Eleven hooks in one chain on real interfaces with `driver: afpacket`.
 *
 * @module
 */

import { testEleven } from './live-eleven.ts';

testEleven('bridge', 'afpacket', 1);
testEleven('host', 'afpacket', 1);
testEleven('bridge', 'afpacket', 2);
testEleven('host', 'afpacket', 2);
