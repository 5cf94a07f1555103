/**
 * Eleven hooks in one chain on real interfaces with `driver: pcap`.
 *
 * @module
 */

import { testEleven } from './live-eleven.ts';

testEleven('bridge', 'pcap', 1);
testEleven('host', 'pcap', 1);
