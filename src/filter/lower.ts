/**
 * Turns the tree of a filter into tests of octets, in the order in which libpcap evaluates them.
 *
 * Facts of that order that are part of the meaning: octets are tested by protocol before they are read, but only those on
 * the left of an operator; ports of IPv6 are read directly behind the fixed header; `tcp` also takes IPv6 whose one
 * extension header is a fragment header.
 *
 * Floor 1.
 *
 * @see gencode.c of libpcap 1.10
 * @module
 */

import { HEADER_LENGTH as IPV6_HEADER_LENGTH, NEXT_FRAGMENT, NEXT_ICMPV6 } from '../wire/ipv6.ts';
import { FilterError } from './filter-error.ts';
import { maskOf } from './identifiers.ts';
import { Layers, type LinkKind, type Refuse } from './layers.ts';
import { ABOVE_IP, LINK_PROTOCOLS, OSI_PROTOCOLS } from './names.ts';
import type { Arithmetic, Comparison, Direction, Filter, Primitive } from './syntax.ts';
import { all, among, any, equals, type Load, NO_MASK, not, type Place, type Test, type Value } from './tests.ts';

const IPV4_PROTOCOL = 9;
const IPV4_FRAGMENT = 6;
const FRAGMENT_OFFSET_BITS = 0x1fff;
const IPV4_ADDRESSES = [12, 16] as const;
const ARP_ADDRESSES = [14, 24] as const;
const IPV6_ADDRESSES = [8, 24] as const;
const MAC_ADDRESSES = [6, 0] as const;
const IPV6_NEXT_HEADER = 6;
const PORTS = [0, 2] as const;
const OSI = 'iso';
/** Where the kind of a PDU stands in an IS-IS header. */
const ISIS_PDU = 4;

/**
 * Turns a filter into tests.
 *
 * @param text - what the filter was read from, for errors
 * @throws {@link FilterError} where the filter asks for what the link does not have
 */
export function lowerFilter(filter: Filter, kind: LinkKind, text: string): Test {
  return new Lowering(kind, text).filter(filter);
}

class Lowering {
  readonly #layers: Layers;
  readonly #text: string;
  #refuse: Refuse = () => {
    throw new FilterError(this.#text, 1, 'the filter asks for what the link does not have');
  };

  constructor(kind: LinkKind, text: string) {
    this.#layers = new Layers(kind);
    this.#text = text;
  }

  filter(filter: Filter): Test {
    switch (filter.kind) {
      case 'everything':
        return { kind: 'constant', value: true };
      case 'all':
      case 'any':
        return { kind: filter.kind, of: filter.of.map((part) => this.filter(part)) };
      case 'not':
        return not(this.filter(filter.of));
      default:
        this.#refuse = (problem) => {
          throw new FilterError(this.#text, filter.column, problem);
        };
        return this.#primitive(filter);
    }
  }

  #primitive(primitive: Primitive): Test {
    const layers = this.#layers;
    switch (primitive.kind) {
      case 'protocol':
        return this.#protocol(primitive.protocol);
      case 'proto':
        return this.#proto(primitive.of, primitive.number);
      case 'protochain':
        return this.#protochain(primitive.of, primitive.number);
      case 'host':
        return this.#host(primitive);
      case 'host6':
        return this.#host6(primitive);
      case 'mac':
        return this.#mac(primitive.address, primitive.direction);
      case 'port':
        return this.#port(primitive);
      case 'broadcast':
        return this.#mac([255, 255, 255, 255, 255, 255], 'destination');
      case 'multicast':
        return this.#multicast(primitive.of);
      case 'vlan':
        return layers.vlan(primitive.number, this.#refuse);
      case 'mpls':
        return layers.mpls(primitive.number, this.#refuse);
      case 'pppoes':
        return layers.pppoeSession(primitive.number, this.#refuse);
      case 'pppoed':
        return layers.pppoeDiscovery(this.#refuse);
      case 'comparison':
        return this.#comparison(primitive.comparison, primitive.left, primitive.right);
    }
  }

  #carries(name: string): Test {
    return this.#layers.carries(LINK_PROTOCOLS.get(name) ?? 0, this.#refuse);
  }

  #network(offset: number, size: 1 | 2 | 4): Load {
    return { ...this.#layers.network(offset), size };
  }

  #protocol(name: string): Test {
    const above = ABOVE_IP[name];
    if (above !== undefined) return this.#proto(above.of, above.number);
    const osi = OSI_PROTOCOLS.get(name);
    return osi === undefined ? this.#carries(name) : this.#proto(OSI, osi);
  }

  #proto(of: string, number: number): Test {
    switch (of) {
      case '':
        return any(this.#proto('ip', number), this.#proto('ip6', number));
      case 'link':
        return this.#layers.carries(number, this.#refuse);
      case 'ip':
        return all(this.#carries('ip'), equals(this.#network(IPV4_PROTOCOL, 1), number));
      case 'ip6': {
        const nextHeader = this.#network(IPV6_NEXT_HEADER, 1);
        const behindFragment = equals(this.#network(IPV6_HEADER_LENGTH, 1), number);
        const isNext = any(equals(nextHeader, number), all(equals(nextHeader, NEXT_FRAGMENT), behindFragment));
        return all(this.#carries('ip6'), isNext);
      }
      case 'iso':
        return all(this.#carries('iso'), equals({ ...this.#layers.behindLlc(0), size: 1 }, number));
      default: {
        const isIsis = this.#proto(OSI, OSI_PROTOCOLS.get('isis') ?? 0);
        return all(isIsis, equals({ ...this.#layers.behindLlc(ISIS_PDU), size: 1 }, number));
      }
    }
  }

  #protochain(of: '' | 'ip' | 'ip6', protocol: number): Test {
    if (of === '') return any(this.#protochain('ip', protocol), this.#protochain('ip6', protocol));
    const version = of === 'ip' ? 4 : 6;
    return all(this.#carries(of), { kind: 'chain', version, header: this.#layers.networkHeader, protocol });
  }

  #host(host: Primitive & { readonly kind: 'host' }): Test {
    if (host.of !== '') return this.#hostOf(host.of, host);
    // Behind MPLS nothing but IP is looked for.
    if (this.#layers.isLabelled) return this.#hostOf('ip', host);
    return any(this.#hostOf('ip', host), this.#hostOf('arp', host), this.#hostOf('rarp', host));
  }

  #hostOf(of: 'ip' | 'arp' | 'rarp', { address, mask, direction }: Primitive & { readonly kind: 'host' }): Test {
    const offsets = of === 'ip' ? IPV4_ADDRESSES : ARP_ADDRESSES;
    const isAt = (offset: number): Test => equals(this.#network(offset, 4), address, mask);
    return all(this.#carries(of), directed(direction, offsets, isAt));
  }

  #host6({ address, prefixLength, direction }: Primitive & { readonly kind: 'host6' }): Test {
    const isAt = (offset: number): Test => {
      const words = address.map((word, index) =>
        equals(this.#network(offset + 4 * index, 4), word, maskOf(prefixLength - 32 * index)),
      );
      return all(...words);
    };
    return all(this.#carries('ip6'), directed(direction, IPV6_ADDRESSES, isAt));
  }

  #mac(address: readonly number[], direction: Direction): Test {
    if (!this.#layers.isEthernet) return this.#refuse('Ethernet addresses need Ethernet');
    const [first = 0, second = 0, ...rest] = address;
    const low = rest.reduce((sum, octet) => sum * 256 + octet, 0);
    const isAt = (offset: number): Test =>
      all(
        equals({ ...this.#layers.link(offset + 2), size: 4 }, low),
        equals({ ...this.#layers.link(offset), size: 2 }, (first << 8) | second),
      );
    return this.#layers.inLink(directed(direction, MAC_ADDRESSES, isAt));
  }

  #multicast(of: 'link' | 'ip' | 'ip6'): Test {
    if (of === 'link') {
      if (!this.#layers.isEthernet)
        return this.#refuse('multicast needs Ethernet; ip multicast and ip6 multicast do not');
      const load: Load = { ...this.#layers.link(0), size: 1 };
      return this.#layers.inLink({ kind: 'load', load, mask: NO_MASK, is: 'bits', value: 1 });
    }
    if (of === 'ip6') return all(this.#carries('ip6'), equals(this.#network(24, 1), 255));
    const load = this.#network(16, 1);
    return all(this.#carries('ip'), { kind: 'load', load, mask: NO_MASK, is: '>=', value: 224 });
  }

  /** Any of the protocols, no later fragment, and the ports. IPv6 is asked first. */
  #port({ protocols, direction, first, last }: Primitive & { readonly kind: 'port' }): Test {
    const header = this.#layers.networkHeader;
    const isOneOf = (offset: number): Test => among(this.#network(offset, 1), protocols);
    const ports = (place: (offset: number) => Place): Test =>
      directed(direction, PORTS, (offset) => isBetween({ ...place(offset), size: 2 }, first, last));
    return any(
      all(
        this.#carries('ip6'),
        isOneOf(IPV6_NEXT_HEADER),
        ports((offset) => this.#layers.network(IPV6_HEADER_LENGTH + offset)),
      ),
      all(
        this.#carries('ip'),
        isOneOf(IPV4_PROTOCOL),
        this.#isNoLaterFragment(),
        ports((offset) => ({ from: 'transport', header, offset })),
      ),
    );
  }

  #isNoLaterFragment(): Test {
    const load = this.#network(IPV4_FRAGMENT, 2);
    return not({ kind: 'load', load, mask: NO_MASK, is: 'bits', value: FRAGMENT_OFFSET_BITS });
  }

  #comparison(comparison: Comparison, left: Arithmetic, right: Arithmetic): Test {
    // Checks of protocols belong to the text in its order; so do errors.
    const one = this.#checked(left);
    const other = this.#checked(right);
    const is = comparison === '=' || comparison === '!=' ? '=' : comparison === '>' || comparison === '<=' ? '>' : '>=';
    const test: Test = { kind: 'values', is, left: one.value, right: other.value };
    const isReversed = comparison === '<=' || comparison === '<' || comparison === '!=';
    return all(...one.checks, ...other.checks, isReversed ? not(test) : test);
  }

  /** The value of an expression, and what has to hold before it is computed. */
  #checked(value: Arithmetic): { readonly value: Value; readonly checks: readonly Test[] } {
    switch (value.kind) {
      case 'number':
      case 'length':
        return { value, checks: [] };
      case 'negative': {
        const of = this.#checked(value.of);
        return { value: { kind: 'negative', of: of.value }, checks: of.checks };
      }
      case 'operation': {
        const left = this.#checked(value.left);
        // Its checks are not asked: libpcap forgets them.
        const right = this.#checked(value.right);
        const { operator } = value;
        return { value: { kind: 'operation', operator, left: left.value, right: right.value }, checks: left.checks };
      }
      case 'octets': {
        const index = this.#checked(value.index);
        const { at, before, after } = this.#octetsOf(value.protocol);
        return {
          value: { kind: 'octets', at, index: index.value, size: value.size },
          checks: [...before, ...index.checks, ...after],
        };
      }
    }
  }

  /** Where the octets of a protocol begin, and what is asked before and after the checks of the index. */
  #octetsOf(protocol: string): {
    readonly at: Place;
    readonly before: readonly Test[];
    readonly after: readonly Test[];
  } {
    const layers = this.#layers;
    if (protocol === 'link') return { at: layers.link(0), before: [], after: [] };
    if (protocol === 'icmp6') {
      const isNext = equals(this.#network(IPV6_NEXT_HEADER, 1), NEXT_ICMPV6);
      return { at: layers.network(IPV6_HEADER_LENGTH), before: [], after: [this.#carries('ip6'), isNext] };
    }
    if (ABOVE_IP[protocol] === undefined)
      return { at: layers.network(0), before: [], after: [this.#carries(protocol)] };
    const after = [this.#protocol(protocol), this.#isNoLaterFragment()];
    return { at: { from: 'transport', header: layers.networkHeader, offset: 0 }, before: [this.#carries('ip')], after };
  }
}

/** The one place or the other, or both of them; the source first. */
function directed(direction: Direction, offsets: readonly [number, number], test: (offset: number) => Test): Test {
  const [source, destination] = offsets;
  switch (direction) {
    case 'source':
      return test(source);
    case 'destination':
      return test(destination);
    case 'both':
      return all(test(source), test(destination));
    case 'either':
      return any(test(source), test(destination));
  }
}

function isBetween(load: Load, first: number, last: number): Test {
  if (first === last) return equals(load, first);
  const isAbove: Test = { kind: 'load', load, mask: NO_MASK, is: '>', value: last };
  return all({ kind: 'load', load, mask: NO_MASK, is: '>=', value: first }, not(isAbove));
}
