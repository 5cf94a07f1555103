/**
 * Rules of `packet-filter` as rules of nftables, and what nftables found: which frame went to which rule.
 *
 * ```
 *   table netdev set7 { set r0 { frames that rule 0 decided }   set r1 ...   chain in { CONDITIONS counter add @r0 { ether saddr } accept ... } }
 * ```
 * Each frame has its number in its Ethernet source, so the kernel's sets say of every single frame which rule came first. Rule: the
 * translation uses nothing of the hook; a condition that nft(8) has no word for is said in its own words for the same octets.
 *
 * @see nft(8)
 * @module
 */

import type { ListSpec, Range, RuleSpec } from '../../support/rule-sets.ts';
import { isInPrefix } from '../../support/rule-sets.ts';

const PROTOCOLS: Readonly<Record<string, readonly [number: number, family?: 'ip' | 'ip6']>> = {
  tcp: [6],
  udp: [17],
  sctp: [132],
  icmp: [1, 'ip'],
  icmpv6: [58, 'ip6'],
  gre: [47],
};
/** Most frames that a set of the kernel keeps. */
const MAX_FRAMES = 65_535;

/** A table that sorts frames by the first rule that they match; the last set has those that match none. */
export function nftTable(
  name: string,
  rules: readonly RuleSpec[],
  priority: number,
  devices: readonly string[],
): string {
  const sets = [...rules, null].map(
    (_, index) => `  set r${index} { type ether_addr; flags dynamic; size ${MAX_FRAMES}; }`,
  );
  const lines = rules.flatMap((rule, index) =>
    (['ip', 'ip6'] as const).flatMap((family) =>
      conditionsOf(rule, family).map((conditions) => `    ${conditions} counter add @r${index} { ether saddr } accept`),
    ),
  );
  return `table netdev ${name} {
${sets.join('\n')}
  chain in {
    type filter hook ingress devices = { ${devices.join(', ')} } priority ${priority}; policy accept;
    meta protocol != { ip, ip6 } accept
${lines.join('\n')}
    counter add @r${rules.length} { ether saddr }
  }
}`;
}

/** Conditions in the words of nft for one IP version: several where it has no "or" for them; none where no packet matches. */
function conditionsOf(rule: RuleSpec, family: 'ip' | 'ip6'): string[] {
  if (rule.family !== undefined && rule.family !== family) return [];
  const source = addressTest(`${family} saddr`, rule.from, family);
  const destination = addressTest(`${family} daddr`, rule.to, family);
  const protocol = protocolTest(rule.protocols, family);
  if (source === null || destination === null || protocol === null) return [];
  const words = [`meta protocol ${family}`, source, destination, protocol];
  if (rule.on !== undefined) words.push(`meta iifname ${braced(rule.on.map((item) => `"${item}"`))}`);
  words.push(portTest('sport', rule.fromPorts), portTest('dport', rule.toPorts));
  const icmp = family === 'ip' ? 'icmp' : 'icmpv6';
  if (rule.types !== undefined) words.push(`${icmp} type ${braced(rule.types.map(rangeText))}`);
  if (rule.codes !== undefined) words.push(`${icmp} code ${braced(rule.codes.map(rangeText))}`);
  if (rule.flags !== undefined) words.push(`tcp flags & ${rule.flags[1]} == ${rule.flags[0]}`);
  return fragmentTests(kindOf(rule), family).map((test) => [...words, test].filter((word) => word !== '').join(' '));
}

/** Null where no address of this version is meant; a list of one version is about that version, with `not`, too. */
function addressTest(field: string, list: ListSpec<string> | undefined, family: 'ip' | 'ip6'): string | null {
  if (list === undefined) return '';
  const own = list.items.filter((item) => item.includes(':') === (family === 'ip6'));
  if (own.length === 0) return null;
  // nft refuses a prefix of length 0 in a list: it is all there is.
  if (own.some((item) => item.endsWith('/0'))) return list.not ? null : '';
  return `${field} ${list.not ? '!= ' : ''}${braced(outermost(own))}`;
}

/** Without the prefixes that are in another one: nft takes no overlaps. */
function outermost(prefixes: readonly string[]): string[] {
  const [...distinct] = new Set(prefixes);
  return distinct.filter((one) => !distinct.some((other) => other !== one && contains(other, one)));
}

function contains(outer: string, inner: string): boolean {
  const [address = '', length = '0'] = inner.split('/');
  return Number(length) >= Number(outer.split('/')[1]) && isInPrefix(address, outer);
}

function protocolTest(names: readonly string[] | undefined, family: 'ip' | 'ip6'): string | null {
  if (names === undefined) return '';
  const numbers = names
    .map((name) => PROTOCOLS[name] ?? ([Number(name)] as const))
    .filter(([, own]) => own === undefined || own === family)
    .map(([number]) => `${number}`);
  return numbers.length === 0 ? null : `meta l4proto ${braced([...new Set(numbers)])}`;
}

function portTest(field: 'sport' | 'dport', list: ListSpec<Range> | undefined): string {
  if (list === undefined) return '';
  return `th ${field} ${list.not ? '!= ' : ''}${braced(merged(list.items).map(rangeText))}`;
}

/** Ranges put together where they overlap or touch. */
function merged(ranges: readonly Range[]): Range[] {
  const result: [number, number][] = [];
  for (const [first, last] of ranges.toSorted(([a], [b]) => a - b)) {
    const before = result.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else result.push([first, last]);
  }
  return result;
}

/**
 * What fragments a rule is about. One that asks for ports, flags or types is about no later fragment, which has none: nft takes the data
 * that stand in their place for them (`nft_payload_fast_eval` of the kernel asks for no offset), unless it is told so.
 */
function kindOf({ fragment, fromPorts, toPorts, flags, types }: RuleSpec): RuleSpec['fragment'] | 'not later' {
  const asks = [fromPorts, toPorts, flags, types].some((part) => part !== undefined);
  if (!asks) return fragment;
  if (fragment === undefined) return 'not later';
  return fragment === 'any' ? 'first' : fragment;
}

function fragmentTests(kind: RuleSpec['fragment'] | 'not later', family: 'ip' | 'ip6'): string[] {
  const isFour = family === 'ip';
  switch (kind) {
    case undefined:
      return [''];
    case 'any':
      return isFour ? ['ip frag-off & 0x3fff != 0'] : ['frag frag-off != 0', 'frag more-fragments 1 frag frag-off 0'];
    case 'first':
      return isFour
        ? ['ip frag-off & 0x2000 != 0 ip frag-off & 0x1fff == 0']
        : ['frag more-fragments 1 frag frag-off 0'];
    case 'later':
      return isFour ? ['ip frag-off & 0x1fff != 0'] : ['frag frag-off != 0'];
    case 'not later':
      return isFour ? ['ip frag-off & 0x1fff == 0'] : ['exthdr frag missing', 'frag frag-off 0'];
    case 'not':
      return isFour ? ['ip frag-off & 0x3fff == 0'] : ['exthdr frag missing'];
  }
}

function braced(items: readonly string[]): string {
  return items.length === 1 ? `${items[0]}` : `{ ${items.join(', ')} }`;
}

function rangeText([first, last]: Range): string {
  return first === last ? `${first}` : `${first}-${last}`;
}

/** What the kernel found in one table. */
export interface Found {
  /** Number of the rule by number of the frame. */
  readonly ruleOf: ReadonlyMap<number, number>;
  /** Packets that the counters of each rule have, the last one's being those that matched none. */
  readonly packets: readonly number[];
}

interface Listed {
  readonly set?: {
    readonly table: string;
    readonly name: string;
    readonly elem?: readonly (string | { elem: { val: string } })[];
  };
  readonly rule?: { readonly table: string; readonly expr: readonly Readonly<Record<string, unknown>>[] };
}

/** Reads what `nft -j list ruleset` says, by name of the table. */
export function readFound(json: string): Map<string, Found> {
  const { nftables } = JSON.parse(json) as { readonly nftables: readonly Listed[] };
  const found = new Map<string, { ruleOf: Map<number, number>; packets: number[] }>();
  const of = (table: string) => {
    const known = found.get(table) ?? { ruleOf: new Map<number, number>(), packets: [] };
    found.set(table, known);
    return known;
  };
  for (const { set, rule } of nftables) {
    if (set !== undefined) {
      for (const element of set.elem ?? []) {
        const address = typeof element === 'string' ? element : element.elem.val;
        of(set.table).ruleOf.set(frameNumber(address), Number(set.name.slice(1)));
      }
    }
    const counter = rule?.expr.find((one) => 'counter' in one)?.['counter'] as { packets: number } | undefined;
    const target = rule?.expr.find((one) => 'set' in one)?.['set'] as { set: string } | undefined;
    if (rule === undefined || counter === undefined || target === undefined) continue;
    const { packets } = of(rule.table);
    const index = Number(target.set.slice(2));
    packets[index] = (packets[index] ?? 0) + counter.packets;
  }
  return found;
}

/** The Ethernet source that says the number of a frame. */
export function frameSource(number: number): Buffer {
  const address = Buffer.from('020000000000', 'hex');
  address.writeUInt32BE(number, 2);
  return address;
}

function frameNumber(address: string): number {
  return Buffer.from(address.replaceAll(':', ''), 'hex').readUInt32BE(2);
}
