/**
 * Stock hook `reject-port`: drops TCP or UDP packets by their port and tells the sender with an ICMP error.
 *
 * The runtime makes the error and limits its rate (`icmp` in the config); it sends none about multicast, broadcast or
 * ICMP errors. Later fragments carry no ports and pass, as with `drop-port`.
 *
 * @module
 */

import { defineHook, FORWARD, ICMP_ON_DROP } from 'firehook';
import { portRule } from './_port-rule.ts';

export default defineHook({
  name: 'reject-port',
  checkable: true,
  options: portRule,
  setup: (rule) => ({ onPacket: (packet) => (rule.matches(packet) ? ICMP_ON_DROP : FORWARD) }),
});
