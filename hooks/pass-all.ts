/**
 * Stock hook `pass-all`: forwards every packet.
 *
 * It measures what the runtime itself costs, and it is the shortest hook there is.
 *
 * @module
 */

import { defineHook, FORWARD } from 'firehook';
import { readOptions } from './_options.ts';

export default defineHook({
  name: 'pass-all',
  setup(options) {
    readOptions(options, []);
  },
  onPacket() {
    return FORWARD;
  },
});
