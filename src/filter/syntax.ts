/**
 * The tree of a filter: what its text says, every inherited qualifier written out.
 *
 * Floor 1. Plain data. Rule: {@link printFilter} of a tree is read back as an equal tree, columns aside.
 *
 * @see pcap-filter(7)
 * @module
 */

/** Which of the two addresses or ports is meant. `either` is what the language takes where nothing is said. */
export type Direction = 'source' | 'destination' | 'either' | 'both';

/** Protocols whose octets can be read, as in `tcp[13]`. */
export type IndexedProtocol = string;

/** Operators of arithmetic; all numbers are unsigned and have 32 bits. */
export type Operator = '+' | '-' | '*' | '/' | '%' | '&' | '|' | '^' | '<<' | '>>';

/** Comparisons. */
export type Comparison = '>' | '>=' | '=' | '<=' | '<' | '!=';

/** An arithmetic expression. */
export type Arithmetic =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'length' }
  | {
      readonly kind: 'octets';
      readonly protocol: IndexedProtocol;
      readonly index: Arithmetic;
      readonly size: 1 | 2 | 4;
      readonly column: number;
    }
  | { readonly kind: 'negative'; readonly of: Arithmetic }
  | { readonly kind: 'operation'; readonly operator: Operator; readonly left: Arithmetic; readonly right: Arithmetic };

/** What a primitive of the language says. */
export type Primitive =
  /** A protocol alone: `tcp`, `ip6`, `arp`. */
  | { readonly kind: 'protocol'; readonly protocol: string }
  /** `proto 6`, `ip proto 6`, `ether proto 0x88cc`, `iso proto 0x83`. `of` is '' where nothing is said. */
  | { readonly kind: 'proto'; readonly of: string; readonly number: number }
  | { readonly kind: 'protochain'; readonly of: '' | 'ip' | 'ip6'; readonly number: number }
  /** An IPv4 host or net; the address as an unsigned number. */
  | {
      readonly kind: 'host';
      readonly of: '' | 'ip' | 'arp' | 'rarp';
      readonly direction: Direction;
      readonly address: number;
      readonly mask: number;
    }
  /** An IPv6 host or net: four unsigned numbers of 32 bits, and the leading bits that count. */
  | {
      readonly kind: 'host6';
      readonly direction: Direction;
      readonly address: readonly number[];
      readonly prefixLength: number;
    }
  | { readonly kind: 'mac'; readonly direction: Direction; readonly address: readonly number[] }
  /** Ports from `first` to `last`; `protocols` in the order of the language. */
  | {
      readonly kind: 'port';
      readonly protocols: readonly number[];
      readonly direction: Direction;
      readonly first: number;
      readonly last: number;
    }
  | { readonly kind: 'broadcast' }
  | { readonly kind: 'multicast'; readonly of: 'link' | 'ip' | 'ip6' }
  | { readonly kind: 'vlan' | 'mpls' | 'pppoes'; readonly number: number | null }
  | { readonly kind: 'pppoed' }
  | {
      readonly kind: 'comparison';
      readonly comparison: Comparison;
      readonly left: Arithmetic;
      readonly right: Arithmetic;
    };

/** A filter, or a part of one. Every primitive knows the column it begins at. */
export type Filter =
  | { readonly kind: 'everything' }
  | { readonly kind: 'all' | 'any'; readonly of: readonly Filter[] }
  | { readonly kind: 'not'; readonly of: Filter }
  | (Primitive & { readonly column: number });

const DIRECTIONS = { source: 'src ', destination: 'dst ', either: '', both: 'src and dst ' };
const PROTOCOL_NAMES: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

/** The text of a filter, with parentheses around everything that is composed. */
export function printFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'everything':
      return '';
    case 'all':
    case 'any':
      return filter.of.map((part) => inParentheses(part)).join(filter.kind === 'all' ? ' and ' : ' or ');
    case 'not':
      return `not ${inParentheses(filter.of)}`;
    default:
      return printPrimitive(filter);
  }
}

function inParentheses(filter: Filter): string {
  return `(${printFilter(filter)})`;
}

function printPrimitive(primitive: Primitive): string {
  switch (primitive.kind) {
    case 'protocol':
      return primitive.protocol;
    case 'proto':
    case 'protochain':
      return `${primitive.of} ${primitive.kind} ${primitive.number}`.trimStart();
    case 'host':
      return `${primitive.of} ${DIRECTIONS[primitive.direction]}net ${dotted(primitive.address)} mask ${dotted(primitive.mask)}`.trimStart();
    case 'host6':
      return `${DIRECTIONS[primitive.direction]}net ${colons(primitive.address)}/${primitive.prefixLength}`;
    case 'mac':
      return `ether ${DIRECTIONS[primitive.direction]}host ${primitive.address.map((octet) => octet.toString(16)).join(':')}`;
    case 'port':
      return printPort(primitive);
    case 'broadcast':
    case 'pppoed':
      return primitive.kind;
    case 'multicast':
      return `${primitive.of} multicast`;
    case 'vlan':
    case 'mpls':
    case 'pppoes':
      return primitive.number === null ? primitive.kind : `${primitive.kind} ${primitive.number}`;
    case 'comparison':
      return `${printArithmetic(primitive.left)} ${primitive.comparison} ${printArithmetic(primitive.right)}`;
  }
}

function printPort({ protocols, direction, first, last }: Primitive & { readonly kind: 'port' }): string {
  const of = protocols.length === 1 ? `${PROTOCOL_NAMES[protocols[0] ?? 0]} ` : '';
  return `${of}${DIRECTIONS[direction]}${first === last ? `port ${first}` : `portrange ${first}-${last}`}`;
}

function printArithmetic(value: Arithmetic): string {
  switch (value.kind) {
    case 'number':
      return String(value.value);
    case 'length':
      return 'len';
    case 'octets':
      return `${value.protocol}[${printArithmetic(value.index)}:${value.size}]`;
    case 'negative':
      return `(- ${printArithmetic(value.of)})`;
    case 'operation':
      return `(${printArithmetic(value.left)} ${value.operator} ${printArithmetic(value.right)})`;
  }
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

function colons(address: readonly number[]): string {
  return address.map((word) => `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`).join(':');
}
