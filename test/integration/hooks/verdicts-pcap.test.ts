/**
 * REPLY, RESET and flows on real interfaces with `driver: pcap`.
 *
 * @module
 */

import { testVerdicts } from './live-verdicts.ts';

testVerdicts('bridge', 'pcap', 1);
testVerdicts('host', 'pcap', 1);
