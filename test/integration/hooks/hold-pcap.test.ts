/**
 * Packets that wait on real interfaces with `driver: pcap`.
 *
 * @module
 */

import { testHold } from './live-hold.ts';

testHold('bridge', 'pcap', 1);
testHold('host', 'pcap', 1);
