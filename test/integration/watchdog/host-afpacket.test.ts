/** Lanes and a supervisor that stand still: `host`, `afpacket`. */
import { testStandStill } from './stand-still.ts';

testStandStill('host', 'afpacket');
