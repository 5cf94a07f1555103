/**
 * The tables of a `host` port: what is stolen of what arrives and leaves, and the short list of what is not.
 *
 * ```
 *   ingress   delivered by the lane? ─> in    for another MAC? ─> drop    else: exempt? ─> in    would the stack take it as IP? ─> steal
 *   egress    sent by the lane? ─> out        exempt? ─> out                                            IP, by type or by octets? ─> steal
 * ```
 * Rule: the exempt list is exact, and beside the connection of `policy.keepSession` it is the only one: frames of another VLAN (id not 0); frames
 * that carry no IP; IP multicast and broadcast in a group frame; neighbour and router discovery; multicast listener
 * discovery; IPv6 from link-local to link-local or multicast. What is for another MAC address ends here, unless the operator
 * tolerates a macvlan, an ipvlan or a master, which would take it. At ingress the kernel has taken one tag off before the chain runs:
 * `meta protocol` is what is behind it, and the octets at the link header still show it.
 *
 * @see RFC 4861 (discovery, hop limit 255), RFC 2710 and RFC 3810 (MLD, hop limit 1), net/core/dev.c
 * @module
 */

import { SEND_GROUP } from '../../drivers/effective-group.ts';
import { KEPT_COUNTERS, keptIn, keptOut } from '../kept-session.ts';
import { passValue } from '../marks.ts';
import {
  ACCEPT,
  bitsAre,
  type Clause,
  DROP,
  ETHER_TYPE,
  goTo,
  hasOctet,
  jump,
  markIs,
  octetBetween,
  octetsAre,
  pktTypeIs,
  protocolIs,
  type Rule,
  setMark,
  setPriority,
  socketGroupIs,
} from '../netlink/clause.ts';
import type { Chain } from '../netlink/nftables.ts';
import { ownIn, ownOut } from '../own-traffic.ts';
import {
  atDevice,
  countProbe,
  detourChains,
  netdevTable,
  type PortPlan,
  type PortTables,
  steal,
  wall,
} from '../tables.ts';

/** What the stack takes as IP, or as a tag with IP behind it. */
const STOLEN_TYPES = Object.keys(ETHER_TYPE) as (keyof typeof ETHER_TYPE)[];

/** The destination of the frame is a group: broadcast or multicast. */
const IS_GROUP_FRAME = bitsAre('ll', 0, '01', '==', '01');
const IS_NO_GROUP_FRAME = bitsAre('ll', 0, '01', '==', '00');
const IS_FROM_AFAR = bitsAre('nh', 8, 'ffc0', '!=', 'fe80');
/** Next headers of IPv6. */
const TCP = '06';
const UDP = '11';
const FROM_LINK_LOCAL = bitsAre('nh', 8, 'ffc0', '==', 'fe80');
const TO_LINK_LOCAL = bitsAre('nh', 24, 'ffc0', '==', 'fe80');
const TO_MULTICAST = octetsAre('nh', 24, 'ff');

/** Both tables of a host port. */
export function hostTables(plan: PortPlan): PortTables {
  const { port, onDown, detours } = plan;
  const letIn: Rule = [setPriority(passValue(port.ifindex)), ACCEPT];
  const isOpen = onDown === 'forward';
  const both = (name: string): string[] => [`${name}_in`, `${name}_out`];
  const chains: Chain[] = [
    ...exemptChains(),
    { name: 'delivered', rules: [countProbe('in'), [setMark(0), ...letIn]] },
    { name: 'sent', rules: [countProbe('out'), [ACCEPT]] },
    { name: 'steal_in', rules: steal('in', detours?.in, isOpen ? letIn : [DROP]) },
    { name: 'steal_out', rules: steal('out', detours?.out, [isOpen ? ACCEPT : DROP]) },
    { name: 'decide_in', rules: STOLEN_TYPES.map((type): Rule => [protocolIs(type), goTo('steal_in')]) },
    // For another MAC address: the stack does not take it, but a macvlan would. What carries no IP is left alone.
    { name: 'others_in', rules: [[jump('other_vlan')], ...STOLEN_TYPES.map((type): Rule => [protocolIs(type), DROP])] },
    { name: 'framed_in', rules: [...exempt(), [goTo('decide_in')]] },
    atDevice('ingress', 'ingress', port, [
      [markIs(plan.deliveredMark), goTo('delivered')],
      ...keptIn(plan.kept, letIn),
      ...ownIn(plan.own, letIn),
      ...plainFrames([pktTypeIs('==', 'host')]).map((rule): Rule => [...rule, goTo('steal_in')]),
      [pktTypeIs('==', 'other'), ...(leavesOthers(plan) ? [ACCEPT] : [goTo('others_in')])],
      [setPriority(passValue(port.ifindex))],
      [hasOctet('ll', 0), goTo('framed_in')],
      // Without a link header: this host's own multicast and broadcast, looped back to its sockets.
      [pktTypeIs('!=', 'host'), ACCEPT],
      [goTo('decide_in')],
    ]),
    atDevice('egress', 'egress', port, [
      [socketGroupIs(SEND_GROUP), goTo('sent')],
      ...keptOut(plan.kept),
      ...ownOut(plan.own),
      ...plainFrames([IS_NO_GROUP_FRAME]).map((rule): Rule => [...rule, goTo('steal_out')]),
      ...exempt(),
      ...STOLEN_TYPES.map((type): Rule => [protocolIs(type), goTo('steal_out')]),
      // A raw socket can call a frame what it likes: what counts is what will be on the wire.
      ...STOLEN_TYPES.map((type): Rule => [octetsAre('ll', 12, digits(ETHER_TYPE[type])), goTo('steal_out')]),
    ]),
  ];
  if (detours?.in !== undefined) chains.push(...detourChains('in', detours.in, plan, true));
  if (detours?.out !== undefined) chains.push(...detourChains('out', detours.out, plan, false));
  const counters = [
    ...['stolen', 'offered', 'down', 'probe'].flatMap(both),
    ...(plan.kept === null ? [] : KEPT_COUNTERS),
  ];
  return { netdev: netdevTable(plan, counters, chains), inet: wall(plan) };
}

/** True where the operator lets something else take what is for another MAC address. */
function leavesOthers({ tolerated }: PortPlan): boolean {
  return ['macvlan', 'ipvlan', 'master'].some((kind) => tolerated.includes(kind));
}

/**
 * Most of all traffic, told by a few looks: IPv4, and TCP and UDP over IPv6, to one host and behind no tag. Nothing of the exempt
 * list is like that. The looks are worth it: without them a packet costs a tenth more processor time.
 *
 * @param toOne - says that the frame is for one MAC address
 */
function plainFrames(toOne: Rule): Rule[] {
  const ip6 = [...toOne, octetsAre('ll', 12, digits(ETHER_TYPE.ip6)), IS_FROM_AFAR];
  return [
    [...toOne, octetsAre('ll', 12, digits(ETHER_TYPE.ip))],
    [...ip6, octetsAre('nh', 6, TCP)],
    [...ip6, octetsAre('nh', 6, UDP)],
  ];
}

/** Looks through the exempt list. */
function exempt(): Rule[] {
  return [[jump('other_vlan')], [protocolIs('ip'), jump('exempt_ip')], [protocolIs('ip6'), jump('exempt_ip6')]];
}

/** The exempt list; each entry accepts. */
function exemptChains(): Chain[] {
  const otherVlan = (type: '8021q' | '8021ad'): Rule => [
    octetsAre('ll', 12, digits(ETHER_TYPE[type])),
    bitsAre('ll', 14, '0fff', '!=', '0000'),
    ACCEPT,
  ];
  /** Next header and hop limit stand side by side; the type of ICMPv6 is directly behind the IPv6 header. */
  const icmp6 = (nextAndLimit: string, from: number, to: number, verdict: Clause): Rule => [
    octetsAre('nh', 6, nextAndLimit),
    octetBetween('nh', 40, from, to),
    verdict,
  ];
  /** The same behind a hop-by-hop header of 8 octets, where the router alert is. */
  const alerted = (from: number, to: number, verdict: Clause): Rule => [
    octetsAre('nh', 6, '0001'),
    octetsAre('nh', 40, '3a00'),
    octetBetween('nh', 48, from, to),
    verdict,
  ];
  const listener = jump('exempt_listener');
  return [
    { name: 'other_vlan', rules: [otherVlan('8021q'), otherVlan('8021ad')] },
    {
      name: 'exempt_ip',
      rules: [
        // 224.0.0.0/4
        [IS_GROUP_FRAME, bitsAre('nh', 16, 'f0', '==', 'e0'), ACCEPT],
        [IS_GROUP_FRAME, octetsAre('nh', 16, 'ffffffff'), ACCEPT],
      ],
    },
    {
      name: 'exempt_listener',
      // From a link-local address, or from :: before there is one.
      rules: [
        [FROM_LINK_LOCAL, ACCEPT],
        [octetsAre('nh', 8, '00'.repeat(16)), ACCEPT],
      ],
    },
    {
      name: 'exempt_ip6',
      rules: [
        [IS_GROUP_FRAME, TO_MULTICAST, ACCEPT],
        // Router and neighbour solicitations and advertisements, redirects.
        icmp6('3aff', 133, 137, ACCEPT),
        [FROM_LINK_LOCAL, TO_LINK_LOCAL, ACCEPT],
        [FROM_LINK_LOCAL, TO_MULTICAST, ACCEPT],
        // Multicast listener query, report, done; report of version 2.
        icmp6('3a01', 130, 132, listener),
        icmp6('3a01', 143, 143, listener),
        alerted(130, 132, listener),
        alerted(143, 143, listener),
      ],
    },
  ];
}

function digits(etherType: number): string {
  return etherType.toString(16).padStart(4, '0');
}
