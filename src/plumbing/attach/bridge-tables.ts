/**
 * The tables of a port of a `bridge`: every frame that arrives is stolen.
 *
 * ```
 *   ingress   iif @alive counter name "stolen_in" drop                                          at the port: the ring has a copy
 *             iif @alive counter name "stolen_in" meta mark set 0x66685453 fwd to "fh7i0"       with a detour
 *             counter name "down_in" drop, or fwd to the other port
 *   egress    the probe frames of the lane are counted; all else leaves
 * ```
 * @module
 */

import { SEND_GROUP } from '../../drivers/effective-group.ts';
import { count, DROP, forwardTo, interfaceInSet, type Rule, socketGroupIs } from '../netlink/clause.ts';
import {
  ALIVE,
  atDevice,
  countProbe,
  detourChains,
  netdevTable,
  type PortPlan,
  type PortTables,
  steal,
  wall,
} from '../tables.ts';

/** Both tables of a port of a bridge. */
export function bridgeTables(plan: PortPlan): PortTables {
  const { port, onDown, peer, takesAt, detours } = plan;
  const down = onDown === 'forward' && peer !== null ? forwardTo(peer) : DROP;
  // At the port the lane's ring has its copy before this chain runs.
  const atPort: Rule[] = [
    [interfaceInSet('iif', ALIVE), count('stolen_in'), DROP],
    [count('down_in'), down],
  ];
  const chains = [
    atDevice('ingress', 'ingress', port, takesAt === 'port' ? atPort : steal('in', detours?.in, [down])),
    ...(detours?.in === undefined ? [] : detourChains('in', detours.in, plan, false)),
  ];
  const counters = ['stolen_in', 'down_in'];
  if (takesAt === 'detour') {
    chains.push(atDevice('egress', 'egress', port, [[socketGroupIs(SEND_GROUP), ...countProbe('out')]]));
    counters.push('offered_in', 'probe_out');
  }
  return { netdev: netdevTable(plan, counters, chains), inet: wall(plan) };
}
