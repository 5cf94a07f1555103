/**
 * More than a lane carries, with `driver: afpacket`.
 *
 * @module
 */

import { testOverload } from './live-overload.ts';

testOverload('afpacket');
