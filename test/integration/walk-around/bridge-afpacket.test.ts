/**
 * Promise: that of `bridge.ts`, with the driver `afpacket`.
 *
 * @module
 */

import { walkBridge } from './bridge.ts';

walkBridge('afpacket');
