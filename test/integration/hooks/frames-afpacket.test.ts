/**
 * Frames that hooks send on real interfaces with `driver: afpacket`.
 *
 * @module
 */

import { testInject, testMirror, testMissingOutlet } from './live-frames.ts';

testMirror('bridge', 'afpacket');
testMirror('host', 'afpacket');
testInject('bridge', 'afpacket');
testInject('host', 'afpacket');
testMissingOutlet('afpacket');
