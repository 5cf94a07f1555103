/**
 * Which packets somebody is interested in: a description by IP version, transport protocol and port.
 *
 * A packet belongs to an interest when every member that is given holds, and to a list of interests when it belongs to
 * one of them. A later fragment has no ports: it belongs where its version and its protocol do.
 *
 * Floor 0. Plain data: what a hook promises (`src/hook/`) and what a kernel filter spares it (`src/drivers/`) mean the
 * same by it.
 *
 * @module
 */

import { PROTOCOL_DCCP, PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_UDPLITE } from './ipv4.ts';

/** A set of packets. A member that is left out excludes nothing. */
export interface Interest {
  /** IP versions. */
  readonly versions?: readonly (4 | 6)[];
  /** Transport protocols, 0-255; for IPv6 the one after the extension headers. */
  readonly protocols?: readonly number[];
  /** Ports, 0-65535, of which the source or the destination is one. Needs `protocols`, each of them one that has ports. */
  readonly ports?: readonly number[];
}

/** Protocols that carry their ports in the first four octets: TCP, UDP, DCCP, SCTP, UDP-Lite. */
export const PORT_PROTOCOLS: readonly number[] = [
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_DCCP,
  PROTOCOL_SCTP,
  PROTOCOL_UDPLITE,
];

const IP_VERSIONS = [4, 6] as const;
/** Numbers of a kind that the text form shows. */
const MOST_SHOWN = 8;

/** The versions of an interest; both where it names none. */
export function versionsOf({ versions }: Interest): readonly (4 | 6)[] {
  return versions ?? IP_VERSIONS;
}

/**
 * Shows a list of interests in one line, for people: `IPv4 protocol 6, 17 port 53; IPv6`.
 *
 * Long lists of numbers are cut.
 */
export function formatInterests(interests: readonly Interest[]): string {
  return Array.from(new Set(interests.map(formatInterest))).join('; ');
}

function formatInterest(interest: Interest): string {
  const { protocols, ports } = interest;
  return [
    versionsOf(interest).length === IP_VERSIONS.length ? 'IP' : `IPv${versionsOf(interest).join('')}`,
    ...(protocols === undefined ? [] : [`protocol ${formatNumbers(protocols)}`]),
    ...(ports === undefined ? [] : [`port ${formatNumbers(ports)}`]),
  ].join(' ');
}

function formatNumbers(numbers: readonly number[]): string {
  const shown = numbers.slice(0, MOST_SHOWN).join(', ');
  return numbers.length > MOST_SHOWN ? `${shown} and ${numbers.length - MOST_SHOWN} more` : shown;
}
