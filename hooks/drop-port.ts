/**
 * Stock hook `drop-port`: drops TCP or UDP packets by their port, silently.
 *
 * Only the first fragment of a datagram carries ports. It is dropped; the later ones pass, and without the first one the
 * receiver never puts the datagram together.
 *
 * @module
 */

import { DROP, defineHook, FORWARD } from 'firehook';
import { portRule } from './_port-rule.ts';

export default defineHook({
  name: 'drop-port',
  checkable: true,
  options: portRule,
  setup: (rule) => ({ onPacket: (packet) => (rule.matches(packet) ? DROP : FORWARD) }),
});
