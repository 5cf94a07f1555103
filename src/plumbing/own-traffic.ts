/**
 * What hooks say to servers that they were granted, and what these answer: it does not meet the hooks, or a hook that asks a server about a
 * packet would hold its own question.
 *
 * ```
 *   output  (inet)    from a socket of the lanes: to a granted server? ─ yes: on        no: dropped, whatever the interface
 *   egress  (netdev)  from a socket of the lanes, to a granted server ─> its port is remembered for five minutes ─> out
 *   ingress (netdev)  from a granted server, to a port that is remembered ─> in
 * ```
 * Rule: the kernel knows a socket of the lanes by the group that opened it, which no other program has. Where nothing is granted no rule is
 * made, and a packet costs what it did.
 *
 * @module
 */

import type { Server } from '../config/server-address.ts';
import {
  ACCEPT,
  DROP,
  octetsAre,
  portInSet,
  protocolIs,
  type Rule,
  rememberPort,
  socketGroupIs,
} from './netlink/clause.ts';
import type { Chain } from './netlink/nftables.ts';

/** What hooks may say to whom. */
export interface OwnTraffic {
  /** Of the lanes' user: what its sockets are known by. */
  readonly group: number;
  readonly servers: readonly Server[];
}

/** A connection that nobody said anything on for so long meets the hooks when the server speaks next. */
const REMEMBERED_MINUTES = 5;
/** Where the ports stand in both transport headers. */
const PORT = { source: 0, destination: 2 } as const;
/** Protocol numbers, in hexadecimal. */
const PROTOCOL = { tcp: '06', udp: '11' } as const;
/** Where the addresses stand, and the protocol: no extension header comes before what a socket sends. */
const IPV4 = { type: 'ip', protocol: 9, source: 12, destination: 16 } as const;
const IPV6 = { type: 'ip6', protocol: 6, source: 8, destination: 24 } as const;

/** Names of the sets of ports. */
export function ownSets(own: OwnTraffic | null): string[] {
  return (own?.servers ?? []).map((_, index) => setName(index));
}

/** What leaves a port, before anything is stolen. */
export function ownOut(own: OwnTraffic | null): Rule[] {
  if (own === null) return [];
  return own.servers.map((server, index) => [
    socketGroupIs(own.group),
    ...isServer('destination', server),
    rememberPort(PORT.source, setName(index), REMEMBERED_MINUTES),
    ACCEPT,
  ]);
}

/** What comes to a port, before anything is stolen. */
export function ownIn(own: OwnTraffic | null, letIn: Rule): Rule[] {
  return (own?.servers ?? []).map((server, index) => [
    ...isServer('source', server),
    portInSet(PORT.destination, setName(index)),
    ...letIn,
  ]);
}

/** Keeps the sockets of the lanes to the servers that were granted, by whatever interface they would go. */
export function ownOutput(own: OwnTraffic | null, priority: number): Chain[] {
  if (own === null) return [];
  const isOwn = socketGroupIs(own.group);
  const rules: Rule[] = own.servers.map((server) => [isOwn, ...isServer('destination', server), ACCEPT]);
  return [{ name: 'output', hook: { hook: 'output', priority }, rules: [...rules, [isOwn, DROP]] }];
}

/** A packet to the server, or from it. */
function isServer(end: 'source' | 'destination', { protocol, address, port }: Server): Rule {
  const at = address.length === 4 ? IPV4 : IPV6;
  return [
    protocolIs(at.type),
    octetsAre('nh', at[end], Buffer.from(address).toString('hex')),
    octetsAre('nh', at.protocol, PROTOCOL[protocol]),
    octetsAre('th', PORT[end], port.toString(16).padStart(4, '0')),
  ];
}

function setName(index: number): string {
  return `own_${index}`;
}
