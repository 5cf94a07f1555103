/**
 * Stock hook `reject-port`: drops TCP or UDP packets by their port and tells the sender with an ICMP error.
 *
 * The runtime makes the error and limits its rate (`icmp` in the config); it sends none about multicast, broadcast or
 * ICMP errors. Later fragments carry no ports and pass, as with `drop-port`.
 *
 * @module
 */

import { defineHook, FORWARD, ICMP_ON_DROP } from 'firehook';
import { readOptions } from './_options.ts';
import { PORT_RULE_INTEREST, PortRule, type PortRuleOptions } from './_port-rule.ts';

let rule: PortRule | undefined;

export default defineHook<PortRuleOptions>({
  name: 'reject-port',
  interest: PORT_RULE_INTEREST,
  setup(options) {
    rule = new PortRule(readOptions(options, ['protocol', 'ports', 'direction']));
  },
  onPacket(packet) {
    return rule?.matches(packet) ? ICMP_ON_DROP : FORWARD;
  },
});
