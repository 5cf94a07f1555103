/**
 * Promise: that of `earlier-takers.ts`, with the driver `pcap`.
 *
 * @module
 */

import { walkByTakers } from './earlier-takers.ts';

walkByTakers('pcap');
