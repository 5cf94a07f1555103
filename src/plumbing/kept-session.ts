/**
 * The administrator's own connection: its frames do not meet the hooks, and pass also while no lane answers.
 *
 * ```
 *   ingress   to this host, TCP, from the client's address and port to the server's: counted, in
 *   egress    TCP, from the server's to the client's: counted, out                        before anything is stolen, or onDown decides
 * ```
 * Rule: one connection, told by both addresses and both ports, and nothing that is only like it. The rules are in the tables of the port, so that they
 * hold without the daemon. Where no connection is kept no rule is made, and a packet costs what it did. A later fragment has no ports: it is stolen.
 *
 * @module
 */

import { ACCEPT, type Clause, count, octetsAre, pktTypeIs, protocolIs, type Rule } from './netlink/clause.ts';

/** One end of a connection. */
export interface SessionEnd {
  /** 4 or 16 octets, in hexadecimal; an IPv4 address in IPv6 is 4 octets. */
  readonly address: string;
  readonly port: number;
}

/** A TCP connection to this host. */
export interface KeptSession {
  readonly client: SessionEnd;
  readonly server: SessionEnd;
}

/** Names of its counters, one a direction. */
export const KEPT_COUNTERS = ['kept_in', 'kept_out'] as const;

/** Where the addresses stand, and the protocol: TCP of a Linux host has no extension header before it. */
const IPV4 = { type: 'ip', protocol: 9, source: 12, destination: 16 } as const;
const IPV6 = { type: 'ip6', protocol: 6, source: 8, destination: 24 } as const;
const TCP = '06';

/** What comes to the port. @param letIn - what lets a frame in */
export function keptIn(kept: KeptSession | null, letIn: Rule): Rule[] {
  if (kept === null) return [];
  return [[pktTypeIs('==', 'host'), ...fromTo(kept.client, kept.server), count(KEPT_COUNTERS[0]), ...letIn]];
}

/** What leaves the port. */
export function keptOut(kept: KeptSession | null): Rule[] {
  if (kept === null) return [];
  return [[...fromTo(kept.server, kept.client), count(KEPT_COUNTERS[1]), ACCEPT]];
}

function fromTo(from: SessionEnd, to: SessionEnd): Clause[] {
  const at = from.address.length === 8 ? IPV4 : IPV6;
  return [
    protocolIs(at.type),
    octetsAre('nh', at.source, from.address),
    octetsAre('nh', at.protocol, TCP),
    octetsAre('nh', at.destination, to.address),
    octetsAre('th', 0, `${digits(from.port)}${digits(to.port)}`),
  ];
}

function digits(port: number): string {
  return port.toString(16).padStart(4, '0');
}
