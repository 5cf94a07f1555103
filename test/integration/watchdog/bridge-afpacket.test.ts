/** Lanes and a supervisor that stand still: `bridge`, `afpacket`. */
import { testStandStill } from './stand-still.ts';

testStandStill('bridge', 'afpacket');
