/**
 * REPLY, RESET and flows on real interfaces with `driver: afpacket`.
 *
 * @module
 */

import { testVerdicts } from './live-verdicts.ts';

testVerdicts('bridge', 'afpacket', 1);
testVerdicts('host', 'afpacket', 1);
testVerdicts('bridge', 'afpacket', 2);
testVerdicts('host', 'afpacket', 2);
