/**
 * The nftables text of a port: what is stolen from it, when, and what happens while no lane answers.
 *
 * ```
 *   table netdev firehook_<ifindex>
 *     set alive       holds the port's ifindex while the lane makes progress; elements live for one second
 *     chain ingress   on the port: alive -> fwd to the detour, or drop where the lane's ring has a copy; else onDown
 *     chain egress    on a host port: the same for what leaves
 *     chain marks     on the far end of the inbound detour: marks what the lane delivers to the host
 *     chain detour_*  on the far end of each detour, after the lane's tap: counts, and lets nothing reach the host twice
 * ```
 * Rule: pure text, one table a port, replaced in one transaction. The table's comment is the memory of what has to be put
 * back, so that it dies with the namespace and survives the daemon.
 *
 * @module
 */

import { SEND_GROUP } from '../drivers/effective-group.ts';
import type { TakesAt } from './attach/attachment.ts';
import { type PortMemory, readComment, writeComment } from './memory.ts';
import { detourNames, tableName } from './names.ts';

export type { TakesAt } from './attach/attachment.ts';
export type { PortMemory } from './memory.ts';
export { detourNames, tableName } from './names.ts';

/** Mark of a packet that the lane delivers to the host; taken off again at the port's ingress. */
const DELIVERED_MARK = 0x66685449;
/** Before whatever else hooks the device. */
const PRIORITY = -500;
/** How long a lease lasts. */
export const LEASE_SECONDS = 1;
/**
 * So much before the end of a lease nobody relies on it any more: the kernel counts in ticks, which may be late, and between
 * the copy of a frame and the chain it meets a virtual processor may be taken away.
 */
export const LEASE_MARGIN_MS = 100;

/** Never stolen from a host: the neighbour and router discovery, and the multicast groups, that its links live by. */
const HOST_EXEMPT = [
  'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect, mld-listener-query, mld-listener-report, mld2-listener-report } accept',
  'ip6 saddr fe80::/10 accept',
  'ip6 daddr fe80::/10 accept',
];

/** What {@link portRuleset} describes. */
export interface PortRules {
  readonly ifindex: number;
  readonly name: string;
  readonly memory: PortMemory;
  readonly onDown: 'drop' | 'forward';
  /** Name of a bridge's other port, '' for a host. */
  readonly peerName: string;
  /** Where the lane captures: at the end of a detour, or at the port itself (bridge only), where it needs the fence. */
  readonly takesAt: TakesAt;
}

/** The whole table of a port, as input for `nft -f`. */
export function portRuleset(rules: PortRules): string {
  const table = tableName(rules.ifindex);
  const chains = rules.memory.kind === 'bridge' ? bridgeChains(rules) : hostChains(rules);
  return [
    `add table netdev ${table}`,
    `delete table netdev ${table}`,
    `table netdev ${table} {`,
    `  comment "${writeComment(rules.memory)}"`,
    '  counter stolen_in { }',
    '  counter stolen_out { }',
    ...(rules.takesAt === 'port' ? [] : ['  counter offered_in { }', '  counter offered_out { }']),
    '  counter down_in { }',
    '  counter down_out { }',
    '  set alive {',
    '    type iface_index',
    '    flags timeout',
    '  }',
    ...chains.map((line) => `  ${line}`),
    '}',
    '',
  ].join('\n');
}

/** A port's table without chains: it steals nothing any more, and still remembers what has to be put back. */
export function emptyRuleset(ifindex: number, memory: PortMemory): string {
  const table = tableName(ifindex);
  return `delete table netdev ${table}\ntable netdev ${table} {\n  comment "${writeComment(memory)}"\n}\n`;
}

/** Takes a port's table away; fine when there is none. */
export function removalRuleset(ifindex: number): string {
  return `add table netdev ${tableName(ifindex)}\ndelete table netdev ${tableName(ifindex)}\n`;
}

/** One line that renews the lease of a port, whether the element lives or has lapsed. Joined by `; ` they are one transaction. */
export function leaseLine(ifindex: number): string {
  const set = `netdev ${tableName(ifindex)} alive`;
  return `add element ${set} { ${ifindex} }; delete element ${set} { ${ifindex} }; add element ${set} { ${ifindex} timeout ${LEASE_SECONDS}s }`;
}

/** One line that ends the lease of a port at once. */
export function lapseLine(ifindex: number): string {
  return `flush set netdev ${tableName(ifindex)} alive`;
}

/** The memory that a table's comment holds; null when it is not firehook's, or of another version. */
export function readMemory(tableText: string): PortMemory | null {
  return readComment(/comment "(firehook1 [^"]*)"/.exec(tableText)?.[1] ?? '');
}

function bridgeChains(rules: PortRules): string[] {
  const { near } = detourNames(rules.ifindex, 'in');
  const down = rules.onDown === 'forward' ? `fwd to "${rules.peerName}"` : 'drop';
  // At the port the lane's ring has its copy before this chain runs.
  const steal = rules.takesAt === 'port' ? 'drop' : `fwd to "${near}"`;
  return [
    ...chain('ingress', 'ingress', rules.name, [
      `iif @alive counter name stolen_in ${steal}`,
      `counter name down_in ${down}`,
    ]),
    ...(rules.takesAt === 'port' ? [] : farEnd(rules.ifindex, 'in')),
  ];
}

function hostChains(rules: PortRules): string[] {
  const inbound = detourNames(rules.ifindex, 'in');
  const outbound = detourNames(rules.ifindex, 'out');
  const down = rules.onDown === 'forward' ? 'accept' : 'drop';
  return [
    ...chain('ingress', 'ingress', rules.name, [
      `meta mark ${DELIVERED_MARK} meta mark set 0 accept`,
      'meta pkttype != host accept',
      ...HOST_EXEMPT,
      `ether type { ip, ip6 } iif @alive counter name stolen_in fwd to "${inbound.near}"`,
      `ether type { ip, ip6 } counter name down_in ${down}`,
    ]),
    ...chain('egress', 'egress', rules.name, [
      `meta skgid ${SEND_GROUP} accept`,
      ...HOST_EXEMPT,
      // The group bit of the MAC address: broadcast and multicast.
      'ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 accept',
      `ether type { ip, ip6 } oif @alive counter name stolen_out fwd to "${outbound.near}"`,
      `ether type { ip, ip6 } counter name down_out ${down}`,
    ]),
    ...chain('marks', 'egress', inbound.far, [`meta mark set ${DELIVERED_MARK}`]),
    ...farEnd(rules.ifindex, 'in'),
    ...farEnd(rules.ifindex, 'out'),
  ];
}

/** The tap sees a frame before this chain does: here it has served its purpose and must not reach the host's stack. */
function farEnd(ifindex: number, direction: 'in' | 'out'): string[] {
  return chain(`detour_${direction}`, 'ingress', detourNames(ifindex, direction).far, [
    `counter name offered_${direction} drop`,
  ]);
}

function chain(name: string, hook: 'ingress' | 'egress', device: string, rules: readonly string[]): string[] {
  return [
    `chain ${name} {`,
    `  type filter hook ${hook} device "${device}" priority ${PRIORITY}; policy accept;`,
    ...rules.map((rule) => `  ${rule}`),
    '}',
  ];
}
