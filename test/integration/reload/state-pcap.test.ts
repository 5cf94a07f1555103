/**
 * What a reload hands over, with `driver: pcap`.
 *
 * @module
 */

import { testState } from './live-state.ts';

testState('pcap');
