/**
 * Names that a rule may use: protocols, types of ICMP, flags of TCP, states of a flow.
 *
 * Rule: no file of the machine is read and nothing is looked up, so that a rule file means the same everywhere. The types of ICMP
 * have the names that nft(8) has for them.
 *
 * @see the IANA registries of protocol numbers, of ICMP and of ICMPv6 types; RFC 9293 3.1 and RFC 3168 6.1 (flags of TCP)
 * @module
 */

import { IPV4, IPV6, type Protocol } from './rule.ts';

const BOTH = IPV4 | IPV6;

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_ICMPV6 = 58;

/** `icmp` is ICMP of IPv4 and `icmpv6` that of IPv6, as in nft(8): the other version has no use for either number. */
export const PROTOCOLS: ReadonlyMap<string, Protocol> = new Map(
  Object.entries({
    icmp: { number: PROTOCOL_ICMP, families: IPV4 },
    igmp: { number: 2, families: BOTH },
    ipip: { number: 4, families: BOTH },
    tcp: { number: PROTOCOL_TCP, families: BOTH },
    udp: { number: 17, families: BOTH },
    dccp: { number: 33, families: BOTH },
    'ipv6-in-ip': { number: 41, families: BOTH },
    gre: { number: 47, families: BOTH },
    esp: { number: 50, families: BOTH },
    icmpv6: { number: PROTOCOL_ICMPV6, families: IPV6 },
    ospf: { number: 89, families: BOTH },
    pim: { number: 103, families: BOTH },
    vrrp: { number: 112, families: BOTH },
    l2tp: { number: 115, families: BOTH },
    sctp: { number: 132, families: BOTH },
    udplite: { number: 136, families: BOTH },
  }),
);

/** Numbers of protocols whose packets have ports, as `packet.sourcePort` finds them. */
export const PROTOCOLS_WITH_PORTS: readonly number[] = [6, 17, 33, 132, 136];

export const ICMP_TYPES: ReadonlyMap<string, number> = new Map([
  ['echo-reply', 0],
  ['destination-unreachable', 3],
  ['source-quench', 4],
  ['redirect', 5],
  ['echo-request', 8],
  ['router-advertisement', 9],
  ['router-solicitation', 10],
  ['time-exceeded', 11],
  ['parameter-problem', 12],
  ['timestamp-request', 13],
  ['timestamp-reply', 14],
  ['info-request', 15],
  ['info-reply', 16],
  ['address-mask-request', 17],
  ['address-mask-reply', 18],
]);

export const ICMPV6_TYPES: ReadonlyMap<string, number> = new Map([
  ['destination-unreachable', 1],
  ['packet-too-big', 2],
  ['time-exceeded', 3],
  ['parameter-problem', 4],
  ['echo-request', 128],
  ['echo-reply', 129],
  ['mld-listener-query', 130],
  ['mld-listener-report', 131],
  ['mld-listener-done', 132],
  ['nd-router-solicit', 133],
  ['nd-router-advert', 134],
  ['nd-neighbor-solicit', 135],
  ['nd-neighbor-advert', 136],
  ['nd-redirect', 137],
  ['router-renumbering', 138],
  ['mld2-listener-report', 143],
]);

export const TCP_FLAGS: ReadonlyMap<string, number> = new Map([
  ['fin', 1],
  ['syn', 2],
  ['rst', 4],
  ['psh', 8],
  ['ack', 16],
  ['urg', 32],
  ['ece', 64],
  ['cwr', 128],
]);

export const ALL_TCP_FLAGS = 255;
/** What `syn` means: a connection is opened. */
export const SYN = { set: 2, mask: 2 | 16 | 4 | 1 } as const;

/** States of a flow, by the number that `stateOf` in packet-reads.ts gives them; state 0 is none of them. */
export const STATES: readonly string[] = ['', 'new', 'established', 'related', 'invalid'];
