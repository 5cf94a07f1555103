/**
 * `tls-name-filter` on real interfaces with `driver: afpacket`.
 *
 * @module
 */

import { testTlsNames } from './live-tls.ts';

testTlsNames('bridge', 'afpacket', 1);
testTlsNames('host', 'afpacket', 1);
testTlsNames('bridge', 'afpacket', 2);
testTlsNames('host', 'afpacket', 2);
