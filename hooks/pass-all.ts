/**
 * Stock hook `pass-all`: forwards every packet.
 *
 * It measures what the runtime itself costs, and it is the shortest hook there is.
 *
 * @module
 */

import { defineHook, FORWARD } from 'firehook';
import { optionsOf } from './_options.ts';

export default defineHook({
  name: 'pass-all',
  options: optionsOf([], () => undefined),
  onPacket() {
    return FORWARD;
  },
});
