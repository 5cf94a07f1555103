/**
 * `tls-name-filter` on real interfaces with `driver: pcap`.
 *
 * @module
 */

import { testTlsNames } from './live-tls.ts';

testTlsNames('bridge', 'pcap', 1);
testTlsNames('host', 'pcap', 1);
