/**
 * More than a lane carries, with `driver: pcap`.
 *
 * @module
 */

import { testOverload } from './live-overload.ts';

testOverload('pcap');
