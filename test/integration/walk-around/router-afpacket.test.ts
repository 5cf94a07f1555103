/**
 * Promise: that of `router.ts`, with the driver `afpacket`.
 *
 * @module
 */

import { walkRouter } from './router.ts';

walkRouter('afpacket');
