/**
 * Promise: that of `earlier-takers.ts`, with the driver `afpacket`.
 *
 * @module
 */

import { refuseAtStart, walkByTakers } from './earlier-takers.ts';

walkByTakers('afpacket');
refuseAtStart();
