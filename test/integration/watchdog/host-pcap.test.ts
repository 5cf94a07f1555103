/** Lanes and a supervisor that stand still: `host`, `pcap`. */
import { testStandStill } from './stand-still.ts';

testStandStill('host', 'pcap');
