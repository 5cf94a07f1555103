/**
 * Filters for the comparison with libpcap that nobody wrote: put together out of a grammar, and drawn word by word.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { FilterError } from '../../src/filter/filter-error.ts';
import { parseFilter } from '../../src/filter/parse.ts';
import type { Random } from '../chaos/random.ts';
import { ADDRESSES4, ADDRESSES6, MACS, PORTS, PROTOCOLS, VLANS } from './filter-frames.ts';

/** A filter out of the grammar. With `layers`, it may name VLAN tags, labels and sessions. */
export function grownExpression(random: Random, layers: boolean, depth = 3): string {
  const part = (): string => grownExpression(random, layers, depth - 1);
  const word = random.pick(['and', 'or', '&&', '||']);
  if (depth === 0) return aPrimitive(random, layers);
  switch (random.below(8)) {
    case 0:
    case 1:
      return aPrimitive(random, layers);
    case 2:
      return `not ${part()}`;
    case 3:
      return `(${part()})`;
    case 4:
      return `not (${part()} ${word} ${part()})`;
    default:
      return `${part()} ${word} ${part()}`;
  }
}

/** Filters out of the grammar that firehook takes: a few of them divide by zero, or shift too far. */
export function validExpressions(random: Random, count: number, layers: boolean): string[] {
  const texts = Array.from({ length: count }, () => grownExpression(random, layers, 4));
  const valid = texts.filter((text) => {
    try {
      return parseFilter(text) !== null;
    } catch (error) {
      if (error instanceof FilterError) return false;
      throw error;
    }
  });
  assert.ok(valid.length > (3 * count) / 4);
  return valid;
}

/** Words in any order: nearly always no filter. */
export function wordSoup(random: Random): string {
  return Array.from({ length: 1 + random.below(7) }, () => random.pick(SOUP)).join(' ');
}

const SOUP = (
  'tcp udp ip ip6 arp ether host net port portrange proto protochain src dst and or not ( ( ) ) [ ] 80 443 10.1 10.1.2.3 ' +
  '::1 02:00:00:00:00:01 = > & + - * % / << len ip[0] tcp[13] vlan mpls pppoes 5 mask 255.0.0.0 \\tcp 6000-6008 less ' +
  'greater broadcast multicast : tcp-syn byte icmp (80 (tcp) 1 =1 !=2 and and or host port'
).split(' ');

function aPrimitive(random: Random, layers: boolean): string {
  const direction = random.pick(['', '', 'src ', 'dst ', 'src or dst ', 'src and dst ']);
  const several = (items: readonly (number | string)[]): string =>
    random.once(3) ? `${random.pick(items)} or ${random.pick(items)}` : String(random.pick(items));
  switch (random.below(layers ? 15 : 13)) {
    case 0:
      return random.pick([
        'tcp',
        'udp',
        'sctp',
        'icmp',
        'icmp6',
        'ip',
        'ip6',
        'arp',
        'rarp',
        'esp',
        'ah',
        'pim',
        'igmp',
      ]);
    case 1:
    case 2:
      return `${random.pick(['', '', 'tcp ', 'udp ', 'sctp '])}${direction}port ${several(PORTS)}`;
    case 3:
      return `${random.pick(['', 'tcp ', 'udp '])}${direction}portrange ${random.pick(PORTS)}-${random.pick(PORTS)}`;
    case 4:
    case 5:
      return `${random.pick(['', 'ip ', 'arp '])}${direction}host ${several(ADDRESSES4)}`;
    case 6:
      return `${direction}host ${several(ADDRESSES6)}`;
    case 7:
      return `${direction}net ${random.pick(['10', '10.1', '192.168.0.0/16', '224.0.0.0/4', '2001:db8::/32', 'fe80::/10'])}`;
    case 8:
      return `${random.pick(['', 'ip ', 'ip6 '])}proto ${several(PROTOCOLS)}`;
    case 9:
      return `${random.pick(['less', 'greater', 'len >', 'len <='])} ${random.pick([34, 54, 60, 74, 100, 1000])}`;
    case 10:
    case 11:
      return `${arithmetic(random, 2)} ${random.pick(['=', '!=', '<', '<=', '>', '>=', '=='])} ${arithmetic(random, 1)}`;
    case 12:
      return random.pick([
        'ip multicast',
        'ip6 multicast',
        `ip6 protochain ${random.pick([6, 17, 44])}`,
        'ip[6:2] & 0x1fff = 0',
      ]);
    case 13:
      return random.pick(['vlan', `vlan ${random.pick(VLANS)}`, 'mpls', 'mpls 1024', 'pppoes', 'pppoes 39', 'pppoed']);
    default:
      return random.pick([
        `ether ${random.pick(['host', 'src', 'dst'])} ${random.pick(MACS)}`,
        'broadcast',
        'multicast',
      ]);
  }
}

function arithmetic(random: Random, depth: number): string {
  const part = (): string => arithmetic(random, depth - 1);
  const kind = random.below(depth === 0 ? 4 : 9);
  switch (kind) {
    case 0:
      return String(random.pick([0, 1, 2, 5, 6, 20, 40, 64, 255, 1500, 0xffff, 0x80000000, 0xffffffff]));
    case 1:
      return `ip[${random.below(24)}${random.pick(['', ':1', ':2', ':4'])}]`;
    case 2:
      return `${random.pick(['tcp', 'udp', 'icmp', 'icmp6', 'ip6', 'sctp', 'arp', 'ether'])}[${random.below(30)}${random.pick(['', ':2', ':4'])}]`;
    case 3:
      return random.once(3) ? 'len' : `ip[${random.pick(['ip[8]', 'ip[0] & 0xf', 'len - 40', '9 - 1'])}]`;
    case 4:
      return `(${part()} ${random.pick(['+', '-', '*', '&', '|', '^'])} ${part()})`;
    case 5:
      return `${part()} ${random.pick(['/', '%', '<<', '>>'])} ${part()}`;
    case 6:
      return `-${part()}`;
    default:
      return `${part()} ${random.pick(['+', '-', '*', '&', '|', '^', '%'])} ${part()}`;
  }
}
