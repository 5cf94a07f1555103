/**
 * What hooks remember of sources, in all lanes: `syn-guard` and `port-knock`, live.
 *
 * @module
 */

import { testPortKnock, testSynGuard } from './live-guards.ts';

testSynGuard('bridge', 'afpacket', 2);
testSynGuard('host', 'afpacket', 2);
testSynGuard('bridge', 'pcap', 1);
testSynGuard('host', 'pcap', 1);
testPortKnock('bridge', 'afpacket', 2);
testPortKnock('host', 'afpacket', 2);
testPortKnock('host', 'pcap', 1);
