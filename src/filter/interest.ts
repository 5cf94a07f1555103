/**
 * The interest of a filter: a description by version, protocol and port of packets among which all are that it takes.
 *
 * Rule: never too little. What cannot be said so counts as everything; what a hook's packet never is, ARP for one, counts
 * as nothing. A packet of the interest need not belong to the filter.
 *
 * Floor 1.
 *
 * @module
 */

import { ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from '../wire/ethernet.ts';
import type { Interest } from '../wire/interest.ts';
import { isExtensionHeader } from '../wire/ipv6.ts';
import { ABOVE_IP, LINK_PROTOCOLS } from './names.ts';
import type { Arithmetic, Filter } from './syntax.ts';

/** A set of packets; a member that is null excludes nothing. The set without packets is null itself. */
interface Span {
  readonly versions: readonly (4 | 6)[];
  readonly protocols: readonly number[] | null;
  /** Only where `protocols` are, and all of them have ports. */
  readonly ports: readonly number[] | null;
}

const EVERYTHING: Span = { versions: [4, 6], protocols: null, ports: null };
const IPV4: Span = { versions: [4], protocols: null, ports: null };
const IPV6: Span = { versions: [6], protocols: null, ports: null };
/** Headers that others follow: what is behind the last one of a fragment may be one of them. */
const EXTENSION_HEADERS: readonly number[] = [0, 43, 44, 51, 60];
const TYPE_RARP = 0x8035;
const MAX_PROTOCOL = 255;
/** A longer range of ports would make the interest longer than what it spares. */
const MAX_PORTS = 64;

/**
 * Derives the interest of a filter.
 *
 * @returns null where every packet may belong to the filter
 */
export function interestOf(filter: Filter): Interest | null {
  const span = spanOf(filter);
  // An interest cannot be empty.
  if (span === null) return null;
  const { versions, protocols, ports } = span;
  if (versions.length === 2 && protocols === null) return null;
  return {
    ...(versions.length === 2 ? {} : { versions }),
    ...(protocols === null ? {} : { protocols }),
    ...(ports === null ? {} : { ports }),
  };
}

function spanOf(filter: Filter): Span | null {
  switch (filter.kind) {
    case 'all':
      return filter.of.map(spanOf).reduce(bothOf);
    case 'any':
      return filter.of.map(spanOf).reduce(oneOf);
    case 'protocol':
      return ofProtocol(filter.protocol);
    case 'proto':
      return ofNumber(filter.of, filter.number);
    case 'protochain':
      return ofChain(filter.of, filter.number);
    case 'host':
      return filter.of === '' || filter.of === 'ip' ? IPV4 : null;
    case 'host6':
      return IPV6;
    case 'multicast':
      return filter.of === 'link' ? EVERYTHING : filter.of === 'ip' ? IPV4 : IPV6;
    case 'port': {
      const { first, last, protocols } = filter;
      const ports = Array.from({ length: Math.min(last - first, MAX_PORTS) + 1 }, (_, index) => first + index);
      return { versions: [4, 6], protocols, ports: ports.length > MAX_PORTS ? null : ports };
    }
    case 'comparison':
      return ofArithmetic(filter.left);
    default:
      // What a negation leaves, and what is said of the link header.
      return EVERYTHING;
  }
}

function ofProtocol(name: string): Span | null {
  const above = ABOVE_IP[name];
  if (above !== undefined) return ofNumber(above.of, above.number);
  return ofNumber('link', LINK_PROTOCOLS.get(name) ?? 0);
}

function ofNumber(of: string, number: number): Span | null {
  if (of === 'link') return ofType(number);
  if (of !== '' && of !== 'ip' && of !== 'ip6') return EVERYTHING;
  if (number > MAX_PROTOCOL) return null;
  const base = of === '' ? EVERYTHING : of === 'ip' ? IPV4 : IPV6;
  // An interest names the protocol behind the extension headers of IPv6.
  return of !== 'ip' && isExtensionHeader(number) ? base : { ...base, protocols: [number] };
}

/** The header may stand behind others: where the walk along the chain ends, an interest need not. */
function ofChain(of: '' | 'ip' | 'ip6', number: number): Span {
  const base = of === '' ? EVERYTHING : of === 'ip' ? IPV4 : IPV6;
  return isExtensionHeader(number)
    ? base
    : { ...base, protocols: [...EXTENSION_HEADERS, number].sort((a, b) => a - b) };
}

function ofType(type: number): Span | null {
  switch (type) {
    case ETHERTYPE_IPV4:
      return IPV4;
    case ETHERTYPE_IPV6:
      return IPV6;
    case ETHERTYPE_ARP:
    case TYPE_RARP:
      return null;
    default:
      return EVERYTHING;
  }
}

/** Only the protocols on the left are asked for before octets are read. */
function ofArithmetic(value: Arithmetic): Span | null {
  switch (value.kind) {
    case 'number':
    case 'length':
      return EVERYTHING;
    case 'negative':
      return ofArithmetic(value.of);
    case 'operation':
      return ofArithmetic(value.left);
    case 'octets': {
      if (value.protocol === 'link') return EVERYTHING;
      const span = ofProtocol(value.protocol);
      // Octets behind the IPv4 header are read of IPv4 only.
      return value.protocol !== 'icmp6' && ABOVE_IP[value.protocol] !== undefined ? bothOf(span, IPV4) : span;
    }
  }
}

function bothOf(one: Span | null, other: Span | null): Span | null {
  if (one === null || other === null) return null;
  const versions = one.versions.filter((version) => other.versions.includes(version));
  const protocols = shared(one.protocols, other.protocols);
  if (versions.length === 0 || protocols?.length === 0) return null;
  // A packet has two ports: each of the sets may be met by another one.
  return { versions, protocols, ports: shorter(one.ports, other.ports) };
}

function oneOf(one: Span | null, other: Span | null): Span | null {
  if (one === null || other === null) return one ?? other;
  return {
    versions: joined(one.versions, other.versions) ?? [],
    protocols: joined(one.protocols, other.protocols),
    ports: joined(one.ports, other.ports),
  };
}

function shared(one: readonly number[] | null, other: readonly number[] | null): readonly number[] | null {
  if (one === null || other === null) return one ?? other;
  return one.filter((number) => other.includes(number));
}

function shorter(one: readonly number[] | null, other: readonly number[] | null): readonly number[] | null {
  if (one === null || other === null) return one ?? other;
  return one.length <= other.length ? one : other;
}

function joined<T extends number>(one: readonly T[] | null, other: readonly T[] | null): readonly T[] | null {
  if (one === null || other === null) return null;
  return Array.from(new Set([...one, ...other])).sort((a, b) => a - b);
}
