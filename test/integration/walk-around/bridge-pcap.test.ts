/**
 * Promise: that of `bridge.ts`, with the driver `pcap`.
 *
 * @module
 */

import { walkBridge } from './bridge.ts';

walkBridge('pcap');
