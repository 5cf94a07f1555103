/**
 * What a reload hands over, with `driver: afpacket`.
 *
 * @module
 */

import { testState } from './live-state.ts';

testState('afpacket');
