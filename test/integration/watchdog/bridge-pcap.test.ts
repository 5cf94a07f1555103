/** Lanes and a supervisor that stand still: `bridge`, `pcap`. */
import { testStandStill } from './stand-still.ts';

testStandStill('bridge', 'pcap');
