/**
 * Stock hook `drop-port`: drops TCP or UDP packets by their port, silently.
 *
 * Only the first fragment of a datagram carries ports. It is dropped; the later ones pass, and without the first one the
 * receiver never puts the datagram together.
 *
 * @module
 */

import { DROP, defineHook, FORWARD } from 'firehook';
import { readOptions } from './_options.ts';
import { PORT_RULE_INTEREST, PortRule, type PortRuleOptions } from './_port-rule.ts';

let rule: PortRule | undefined;

export default defineHook<PortRuleOptions>({
  name: 'drop-port',
  interest: PORT_RULE_INTEREST,
  setup(options) {
    rule = new PortRule(readOptions(options, ['protocol', 'ports', 'direction']));
  },
  onPacket(packet) {
    return rule?.matches(packet) ? DROP : FORWARD;
  },
});
