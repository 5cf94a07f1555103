/**
 * The expressions that nf_tables rules are made of, in clauses: what one means in the words of nft, and its octets.
 *
 * ```
 *   meta('protocol').is(IP)  =  `meta protocol ip`  =  [ meta load protocol => reg 1 ] [ cmp eq reg 1 0x0008 ]
 * ```
 * Rule: pure. The text is what nft 1.0.6 prints for the octets; a test loads both and compares. Every clause loads register 1
 * and uses it, so that clauses may stand in any order.
 *
 * @see include/uapi/linux/netfilter/nf_tables.h, nft(8)
 * @module
 */

import { attribute, be16, be32, be64, hex, nested, text, u32 } from '../../netlink/octets.ts';

/** A part of a rule. */
export interface Clause {
  /** As nft prints it. */
  readonly nft: string;
  readonly expressions: readonly Uint8Array[];
}

/** One rule: clauses that all have to match, in order. */
export type Rule = readonly Clause[];

const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;
const NFT_REG_VERDICT = 0;
const NFT_REG_1 = 1;

/** Comparisons of `cmp`. */
const CMP = { '==': 0, '!=': 1, '<': 2, '<=': 3, '>': 4, '>=': 5 } as const;
/** Keys of `meta`. */
const META = {
  protocol: 1,
  priority: 2,
  mark: 3,
  iif: 4,
  oif: 5,
  iifname: 6,
  oifname: 7,
  skgid: 11,
  pkttype: 19,
  secpath: 25,
} as const;
/** Where `payload` counts from. */
const BASE = { ll: 0, nh: 1, th: 2 } as const;
/** What `dynset` does with an element that is there already: it lives on for as long as a new one. */
const DYNSET_UPDATE = 1;
/** Octets of a name of an interface in a register. */
const IFNAMSIZ = 16;

/** Packet types, as `meta pkttype` names them: include/uapi/linux/if_packet.h. */
export const PKTTYPE = { host: 0, other: 3 } as const;
/** EtherTypes as `meta protocol` names them. */
export const ETHER_TYPE = { ip: 0x0800, ip6: 0x86dd, '8021q': 0x8100, '8021ad': 0x88a8 } as const;

/** `meta protocol ip`: what the stack will take the frame for, one tag taken off. */
export function protocolIs(name: keyof typeof ETHER_TYPE): Clause {
  return { nft: `meta protocol ${name}`, expressions: [load('protocol'), compare('==', be16(ETHER_TYPE[name]))] };
}

/** `meta protocol 0x88b6`: the same for a type without a name. It costs a fifth of a look at the octets of the link header. */
export function typeIs(etherType: number): Clause {
  const nft = `meta protocol 0x${etherType.toString(16).padStart(4, '0')}`;
  return { nft, expressions: [load('protocol'), compare('==', be16(etherType))] };
}

/** `meta mark 0x00000001` */
export function markIs(mark: number): Clause {
  return { nft: `meta mark ${word(mark)}`, expressions: [load('mark'), compare('==', u32(mark))] };
}

/** `meta mark set 0x00000001` */
export function setMark(mark: number): Clause {
  return { nft: `meta mark set ${word(mark)}`, expressions: [immediate(u32(mark)), store('mark')] };
}

/** `meta priority 6668:5000` */
export function priorityIs(priority: number): Clause {
  return { nft: `meta priority ${classId(priority)}`, expressions: [load('priority'), compare('==', u32(priority))] };
}

/** `meta priority set 6668:5000` */
export function setPriority(priority: number): Clause {
  return { nft: `meta priority set ${classId(priority)}`, expressions: [immediate(u32(priority)), store('priority')] };
}

/** `meta pkttype host`, `meta pkttype != host` */
export function pktTypeIs(comparison: '==' | '!=', name: keyof typeof PKTTYPE): Clause {
  const nft = `meta pkttype ${negation(comparison)}${name}`;
  return { nft, expressions: [load('pkttype'), compare(comparison, Uint8Array.of(PKTTYPE[name]))] };
}

/** `meta skgid 7`: the group that the socket was opened by. */
export function socketGroupIs(group: number): Clause {
  return { nft: `meta skgid ${group}`, expressions: [load('skgid'), compare('==', u32(group))] };
}

/** `meta ipsec exists`: the packet came out of an IPsec tunnel or transport. */
export function isDecapsulated(): Clause {
  return { nft: 'meta ipsec exists', expressions: [load('secpath'), compare('==', Uint8Array.of(1))] };
}

/** `iif 7`, `oif != 7`: the interface itself. */
export function interfaceIs(key: 'iif' | 'oif', comparison: '==' | '!=', ifindex: number): Clause {
  const nft = `${key} ${negation(comparison)}${ifindex}`;
  return { nft, expressions: [load(key), compare(comparison, u32(ifindex))] };
}

/** `iifname "eth0"`, `oifname != "eth0"`: whatever has the name now. */
export function interfaceNameIs(key: 'iifname' | 'oifname', comparison: '==' | '!=', name: string): Clause {
  const value = new Uint8Array(IFNAMSIZ);
  value.set(Buffer.from(name).subarray(0, IFNAMSIZ - 1));
  return { nft: `${key} ${negation(comparison)}"${name}"`, expressions: [load(key), compare(comparison, value)] };
}

/** `iif @alive`: the interface is an element of the set. */
export function interfaceInSet(key: 'iif' | 'oif', set: string): Clause {
  return {
    nft: `${key} @${set}`,
    expressions: [load(key), expression('lookup', attribute(1, text(set)), register(2))],
  };
}

/** `@th,16,16 @own_0`: the port at this octet of the transport header is an element of the set. */
export function portInSet(offset: number, set: string): Clause {
  return {
    nft: `${range('th', offset, 2)} @${set}`,
    expressions: [loadOctets('th', offset, 2), expression('lookup', attribute(1, text(set)), register(2))],
  };
}

/** `update @own_0 { @th,0,16 timeout 5m }`: from now on, for so long, the port at this octet is an element of the set. */
export function rememberPort(offset: number, set: string, minutes: number): Clause {
  const dynset = expression(
    'dynset',
    attribute(1, text(set)),
    attribute(3, be32(DYNSET_UPDATE)),
    register(4),
    attribute(6, be64(minutes * 60_000)),
  );
  return {
    nft: `update @${set} { ${range('th', offset, 2)} timeout ${minutes}m }`,
    expressions: [loadOctets('th', offset, 2), dynset],
  };
}

/**
 * `@ll,96,16 0x800`: so many octets of the frame from there on are these.
 *
 * @param base - `ll` the link header, `nh` the network header, `th` the transport header: of no later fragment
 * @param offset - in octets
 * @param digits - hexadecimal; as many octets are compared
 */
export function octetsAre(base: keyof typeof BASE, offset: number, digits: string): Clause {
  const value = hex(digits);
  const nft = `${range(base, offset, value.length)} ${number(digits)}`;
  return { nft, expressions: [loadOctets(base, offset, value.length), compare('==', value)] };
}

/** `@ll,0,8 >= 0x0`: such an octet is there. */
export function hasOctet(base: keyof typeof BASE, offset: number): Clause {
  const nft = `${range(base, offset, 1)} >= 0x0`;
  return { nft, expressions: [loadOctets(base, offset, 1), compare('>=', Uint8Array.of(0))] };
}

/** `@ll,0,8 & 0x1 == 0x1`: the bits of the mask have this value. */
export function bitsAre(
  base: keyof typeof BASE,
  offset: number,
  mask: string,
  comparison: '==' | '!=',
  digits: string,
): Clause {
  const value = hex(digits);
  const nft = `${range(base, offset, value.length)} & ${number(mask)} ${comparison} ${number(digits)}`;
  const expressions = [loadOctets(base, offset, value.length), and(hex(mask)), compare(comparison, value)];
  return { nft, expressions };
}

/** `@nh,320,8 0x85-0x89`: an octet from one value to another. */
export function octetBetween(base: keyof typeof BASE, offset: number, from: number, to: number): Clause {
  return {
    nft: `${range(base, offset, 1)} 0x${from.toString(16)}-0x${to.toString(16)}`,
    expressions: [loadOctets(base, offset, 1), compare('>=', Uint8Array.of(from)), compare('<=', Uint8Array.of(to))],
  };
}

/** `counter name "stolen_in"`: a counter of the table counts what matched so far. */
export function count(counter: string): Clause {
  const objref = expression('objref', attribute(1, be32(1)), attribute(2, text(counter)));
  return { nft: `counter name "${counter}"`, expressions: [objref] };
}

/** `fwd to "fh7i0"`: out of the kernel's path, out of another interface. */
export function forwardTo({ ifindex, name }: { readonly ifindex: number; readonly name: string }): Clause {
  return { nft: `fwd to "${name}"`, expressions: [immediate(u32(ifindex)), expression('fwd', register(1))] };
}

/** `accept`: this base chain is done with the packet. */
export const ACCEPT = verdict('accept', 1);
/** `drop` */
export const DROP = verdict('drop', 0);

/** `jump chain`: what the chain does not decide comes back. */
export function jump(chain: string): Clause {
  return verdict('jump', -3, chain);
}

/** `goto chain`: what the chain does not decide has the policy of the base chain. */
export function goTo(chain: string): Clause {
  return verdict('goto', -4, chain);
}

/** The list of expressions of a rule, as the value of NFTA_RULE_EXPRESSIONS. */
export function writeExpressions(rule: Rule): Uint8Array[] {
  return rule.flatMap(({ expressions }) => expressions);
}

/** A rule as nft prints it. */
export function ruleText(rule: Rule): string {
  return rule.map(({ nft }) => nft).join(' ');
}

function expression(name: string, ...attributes: readonly Uint8Array[]): Uint8Array {
  return nested(NFTA_LIST_ELEM, attribute(NFTA_EXPR_NAME, text(name)), nested(NFTA_EXPR_DATA, ...attributes));
}

/** The attribute of an expression that names register 1. */
function register(type: number): Uint8Array {
  return attribute(type, be32(NFT_REG_1));
}

function load(key: keyof typeof META): Uint8Array {
  return expression('meta', attribute(2, be32(META[key])), register(1));
}

function store(key: keyof typeof META): Uint8Array {
  return expression('meta', attribute(2, be32(META[key])), register(3));
}

function loadOctets(base: keyof typeof BASE, offset: number, length: number): Uint8Array {
  return expression(
    'payload',
    register(1),
    attribute(2, be32(BASE[base])),
    attribute(3, be32(offset)),
    attribute(4, be32(length)),
  );
}

function and(mask: Uint8Array): Uint8Array {
  return expression(
    'bitwise',
    register(1),
    register(2),
    attribute(3, be32(mask.length)),
    attribute(6, be32(0)),
    nested(4, attribute(NFTA_DATA_VALUE, mask)),
    nested(5, attribute(NFTA_DATA_VALUE, new Uint8Array(mask.length))),
  );
}

function compare(comparison: keyof typeof CMP, value: Uint8Array): Uint8Array {
  return expression(
    'cmp',
    register(1),
    attribute(2, be32(CMP[comparison])),
    nested(3, attribute(NFTA_DATA_VALUE, value)),
  );
}

function immediate(value: Uint8Array): Uint8Array {
  return expression('immediate', register(1), nested(2, attribute(NFTA_DATA_VALUE, value)));
}

function verdict(name: string, code: number, chain?: string): Clause {
  const target = chain === undefined ? [] : [attribute(NFTA_VERDICT_CHAIN, text(chain))];
  const data = nested(2, nested(NFTA_DATA_VERDICT, attribute(NFTA_VERDICT_CODE, be32(code)), ...target));
  return {
    nft: chain === undefined ? name : `${name} ${chain}`,
    expressions: [expression('immediate', attribute(1, be32(NFT_REG_VERDICT)), data)],
  };
}

/** nft prints `== ` only behind a mask. */
function negation(comparison: '==' | '!='): string {
  return comparison === '!=' ? '!= ' : '';
}

function range(base: string, offset: number, length: number): string {
  return `@${base},${offset * 8},${length * 8}`;
}

/** Digits as nft prints a number: without leading zeroes. */
function number(digits: string): string {
  return `0x${digits.replace(/^0+(?=.)/, '')}`;
}

function word(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

function classId(priority: number): string {
  return priority === 0 ? 'none' : `${(priority >>> 16).toString(16)}:${(priority & 0xffff).toString(16)}`;
}
