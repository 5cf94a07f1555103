/**
 * Promise: that of `host.ts`, with the driver `afpacket`.
 *
 * @module
 */

import { walkHost } from './host.ts';

walkHost('afpacket');
