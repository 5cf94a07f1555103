/**
 * What the tables of every port have in common: marks, the wall in the IP stack, the ends of the detours.
 *
 * ```
 *   table netdev firehook_<ifindex>   at the port: what is stolen, what is exempt, what onDown does; at the detours: who may
 *   table inet firehook_<ifindex>     the wall: what reached the IP stack, or leaves it, without having met those chains
 * ```
 * Rule: pure data. What nobody thought of (an interface renamed or made again, a redirect by somebody else, a form of frame
 * that the chains do not know) does not carry the pass value and stops at the wall.
 *
 * @module
 */

import { SEND_GROUP } from '../drivers/effective-group.ts';
import { ETHERTYPE_PROBE, PROBE_COOKIE } from '../lane/probe.ts';
import type { KnownBy, TakesAt } from './attach/attachment.ts';
import type { KeptSession } from './kept-session.ts';
import { passValue, STOLEN_MARK } from './marks.ts';
import { type PortMemory, writeComment } from './memory.ts';
import { tableName } from './names.ts';
import {
  ACCEPT,
  count,
  DROP,
  forwardTo,
  goTo,
  interfaceInSet,
  interfaceIs,
  interfaceNameIs,
  isDecapsulated,
  markIs,
  octetBetween,
  octetsAre,
  priorityIs,
  protocolIs,
  type Rule,
  setMark,
  setPriority,
  socketGroupIs,
  typeIs,
} from './netlink/clause.ts';
import type { Chain, Hook, Table } from './netlink/nftables.ts';
import { type OwnTraffic, ownOutput, ownSets } from './own-traffic.ts';

/** Before whatever else hooks a device. */
export const FIRST = -2147483648;
/** Before the kernel puts fragments together and tracks connections. */
const WALL_IN = -1000;
/** After source NAT. */
const WALL_OUT = 1000;
/** The set of ports that have the lease. */
export const ALIVE = 'alive';

/** An interface as rules need it. */
export interface Device {
  readonly ifindex: number;
  readonly name: string;
}

/** Both ends of a detour. */
export interface Detour {
  readonly near: Device;
  readonly far: Device;
}

/** What the tables of a port are made from. */
export interface PortPlan {
  readonly port: Device;
  readonly memory: PortMemory;
  readonly onDown: 'drop' | 'forward';
  /** A bridge's other port; null for a host. */
  readonly peer: Device | null;
  readonly takesAt: TakesAt;
  readonly knownBy: KnownBy;
  /** Mark of the frames that the lane delivers to the host; 0 for a bridge, where it delivers none. */
  readonly deliveredMark: number;
  /** Null as long as they are not there: then nothing is stolen, and `onDown` holds. */
  readonly detours: Readonly<Partial<Record<'in' | 'out', Detour>>> | null;
  /**
   * What may take frames first, because the operator said so: what tc brings back to the port without having met the chains
   * is then counted and let in, and frames for the MAC address of a macvlan are left alone.
   */
  readonly tolerated: readonly string[];
  /** What hooks may say to whom; null for nothing. */
  readonly own: OwnTraffic | null;
  /** The connection that does not meet the hooks; null for none. In a bridge it has no meaning. */
  readonly kept: KeptSession | null;
}

/** Both tables of a port. */
export interface PortTables {
  readonly netdev: Table;
  readonly inet: Table;
}

/** The netdev table around its chains. */
export function netdevTable(
  { port, memory, own }: PortPlan,
  counters: readonly string[],
  chains: readonly Chain[],
): Table {
  const name = tableName(port.ifindex);
  const portSets = memory.kind === 'host' ? ownSets(own) : [];
  return { family: 'netdev', name, comment: writeComment(memory), counters, sets: [ALIVE], portSets, chains };
}

/** A base chain at a device, before everybody else's. */
export function atDevice(name: string, hook: 'ingress' | 'egress', device: Device, rules: readonly Rule[]): Chain {
  return { name, hook: { hook, priority: FIRST, device: device.name }, rules };
}

/**
 * What happens to a frame that is to be stolen.
 *
 * ```
 *   iif @alive counter name "stolen_in" meta mark set 0x66685453 fwd to "fh7i0"
 *   counter name "down_in" drop
 * ```
 * @param down - what `onDown` says
 */
export function steal(direction: 'in' | 'out', detour: Detour | undefined, down: Rule): Rule[] {
  const otherwise = [count(`down_${direction}`), ...down];
  if (detour === undefined) return [otherwise];
  const isHeld = interfaceInSet(direction === 'in' ? 'iif' : 'oif', ALIVE);
  return [[isHeld, count(`stolen_${direction}`), setMark(STOLEN_MARK), forwardTo(detour.near)], otherwise];
}

/** `meta protocol 0x88b6 @ll,112,128 0x66697265686f6f6b2070726f62650000 counter name "probe_in" drop` */
export function countProbe(direction: 'in' | 'out'): Rule {
  return [
    typeIs(ETHERTYPE_PROBE),
    octetsAre('ll', 14, PROBE_COOKIE.toString('hex')),
    count(`probe_${direction}`),
    DROP,
  ];
}

/**
 * Both ends of a detour. Only what was stolen enters it, only what the lane sends comes back, and nothing else passes: what
 * other programs send there goes nowhere, and the host's own stack gets nothing from there.
 *
 * ```
 *   near_in_in   ingress of the near end:  drop            (behind the tc redirect, which takes what the lane delivers, by its mark)
 *   far_in_in    ingress of the far end:   meta mark 0x66685453 counter name "offered_in" drop  (the lane's tap has its copy by then)
 *                                          drop
 * ```
 * A lane that is known by its marks needs no more: its ring leaves frames without the mark alone, and its socket sets the one
 * that the redirect asks for. Each chain that a packet need not pass spares a fiftieth of its processor time. npm `pcap` can do
 * neither; for a lane that is known by its group two more chains do it:
 *
 * ```
 *   near_in_out  egress of the near end:   meta mark 0x66685453 accept
 *                                          drop
 *   far_in_out   egress of the far end:    meta skgid 1718113368 meta mark set <delivered> accept
 *                                          drop
 * ```
 * @param delivers - the lane sends into the far end what the host gets
 */
export function detourChains(
  direction: 'in' | 'out',
  { near, far }: Detour,
  plan: PortPlan,
  delivers: boolean,
): Chain[] {
  const isStolen = markIs(STOLEN_MARK);
  const chains = [
    atDevice(`near_${direction}_in`, 'ingress', near, [[DROP]]),
    atDevice(`far_${direction}_in`, 'ingress', far, [[isStolen, count(`offered_${direction}`), DROP], [DROP]]),
  ];
  const isKnownByMark = plan.knownBy === 'mark';
  if (!isKnownByMark) chains.push(atDevice(`near_${direction}_out`, 'egress', near, [[isStolen, ACCEPT], [DROP]]));
  if (isKnownByMark && delivers) return chains;
  const delivered: Rule = [socketGroupIs(SEND_GROUP), setMark(plan.deliveredMark), ACCEPT];
  return [...chains, atDevice(`far_${direction}_out`, 'egress', far, delivers ? [delivered, [DROP]] : [[DROP]])];
}

/**
 * The wall: a second look at what the IP stack is about to take or has sent.
 *
 * ```
 *   prerouting   meta priority 6000:0070 meta priority set none accept          let in by the chain at the port: most packets
 *                iif 7 goto wall                    the port itself, also under another name
 *                iifname "eth0" goto wall           an interface that was made again under its name
 *   wall         meta ipsec exists accept           what IPsec unpacked: it came in a packet that was let in
 *                counter name "unhooked_in" drop    (onDown: forward: counted only)
 *   postrouting  oif 7 oifname != "eth0" counter name "unhooked_out" drop       renamed: its egress chain does not run
 *                oif != 7 oifname "eth0" counter name "unhooked_out" drop       made again
 *   forward      iif 7 meta protocol ip6 goto discovery
 *   discovery    @nh,48,16 0x3afe @nh,320,8 0x85-0x89 counter name "unhooked_in" drop
 * ```
 * Neighbour and router discovery is exempt at the port by its hop limit of 255, which says that no router has forwarded it.
 * The hop limit is 254 where this host is the router that would: it is dropped, whatever `onDown` says.
 * Nothing at all reaches the stack by a port of a bridge, and what the stack sends out of one was never stolen.
 */
export function wall({ port, memory, onDown, tolerated, own }: PortPlan): Table {
  const isHost = memory.kind === 'host';
  const isOpen = isHost && onDown === 'forward';
  const verdict = (isCountedOnly: boolean): Rule => (isCountedOnly ? [] : [DROP]);
  const isLetIn: Rule = [priorityIs(passValue(port.ifindex)), setPriority(0), ACCEPT];
  const base = (hook: Hook['hook'], priority: number, rules: Rule[]): Chain => ({
    name: hook,
    hook: { hook, priority },
    rules,
  });
  // ICMPv6 directly behind the IPv6 header, and a hop limit that the kernel has made one less: net/ipv6/ip6_output.c.
  const forwardedDiscovery = [octetsAre('nh', 6, '3afe'), octetBetween('nh', 40, 133, 137), count('unhooked_in'), DROP];
  const stranger = [count('unhooked_out'), ...verdict(isOpen)];
  return {
    family: 'inet',
    name: tableName(port.ifindex),
    comment: '',
    counters: ['unhooked_in', 'unhooked_out'],
    sets: [],
    chains: [
      {
        name: 'wall',
        rules: [
          ...(isHost ? [[isDecapsulated(), ACCEPT]] : []),
          [count('unhooked_in'), ...verdict(isOpen || (isHost && tolerated.includes('tc')))],
        ],
      },
      base('prerouting', WALL_IN, [
        ...(isHost ? [isLetIn] : []),
        [interfaceIs('iif', '==', port.ifindex), goTo('wall')],
        [interfaceNameIs('iifname', '==', port.name), goTo('wall')],
      ]),
      ...(isHost
        ? [
            { name: 'discovery', rules: [forwardedDiscovery] },
            base('forward', WALL_IN, [[interfaceIs('iif', '==', port.ifindex), protocolIs('ip6'), goTo('discovery')]]),
            base('postrouting', WALL_OUT, [
              [interfaceIs('oif', '==', port.ifindex), interfaceNameIs('oifname', '!=', port.name), ...stranger],
              [interfaceIs('oif', '!=', port.ifindex), interfaceNameIs('oifname', '==', port.name), ...stranger],
            ]),
          ]
        : []),
      ...ownOutput(own, WALL_IN),
    ],
  };
}
