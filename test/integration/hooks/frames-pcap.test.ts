/**
 * Frames that hooks send on real interfaces with `driver: pcap`.
 *
 * @module
 */

import { testInject, testMirror } from './live-frames.ts';

testMirror('bridge', 'pcap');
testMirror('host', 'pcap');
testInject('bridge', 'pcap');
testInject('host', 'pcap');
