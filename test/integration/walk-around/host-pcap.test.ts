/**
 * Promise: that of `host.ts`, with the driver `pcap`.
 *
 * @module
 */

import { walkHost } from './host.ts';

walkHost('pcap');
