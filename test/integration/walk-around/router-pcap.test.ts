/**
 * Promise: that of `router.ts`, with the driver `pcap`.
 *
 * @module
 */

import { walkRouter } from './router.ts';

walkRouter('pcap');
