/**
 * The key of a flow: what all datagrams of one conversation have in common, the same in both directions.
 *
 * ```
 *   word   0            1           2            3 4 5        6 7 8        9                  10
 *          | ports or   | lower end | higher end | rest of   | rest of    | protocol 0-7,    | zone |
 *          | ICMP query | IPv4, or the first     | the lower | the higher | version 8-15     |      |
 *          |            | word of IPv6           '----- IPv6 alone -------'                  |      |
 *
 *   ports   port of the lower end 16-31, port of the higher end 0-15; 0 for protocols without ports
 *   query   identifier 16-31, type of the request 1-15, whether the higher end asked 0
 * ```
 * Floor 1. The end with the lower address comes first; for equal addresses that with the lower port. `swapped` says
 * that the datagram came from the higher end: exclusive or with the same bit of the flow's first datagram gives the
 * direction. Where both addresses and both ports are equal the two directions cannot be told apart.
 *
 * Rules: nothing outside of the octets that the layout vouches for is read, nothing is allocated, nothing is thrown.
 * The zone keeps apart what only looks alike: the same addresses behind another attach or in another VLAN.
 *
 * @see RFC 792, RFC 950 and RFC 4443 for the queries of ICMP and their replies; RFC 4620 for node information
 * @module
 */

import { readU8, readU16, readWord } from '../wire/bytes.ts';
import * as icmpv4 from '../wire/icmpv4.ts';
import * as icmpv6 from '../wire/icmpv6.ts';
import type { IpLayout } from '../wire/ip-layout.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { halfSipHash } from './half-sip-hash.ts';

/** Words of a key. */
export const KEY_WORDS = 11;
/** Word with the ports. */
export const KEY_PORTS = 0;
/** First word of the lower end. */
export const KEY_LOWER = 1;
/** First word of the higher end. */
export const KEY_HIGHER = 2;
/** The other three words of the lower end; 0 for IPv4. */
export const KEY_LOWER_REST = 3;
/** The other three words of the higher end; 0 for IPv4. */
export const KEY_HIGHER_REST = 6;
/** Word with protocol and version. */
export const KEY_PROTOCOL = 9;
/** Word with the zone. */
export const KEY_ZONE = 10;

/** The key is there. */
export const KEYED = 0;
/** An ICMP error: it belongs to the flow of the datagram that it quotes. */
export const QUOTES = 1;
/** No flow, and nothing wrong: neighbour discovery, multicast listeners, router discovery. */
export const UNTRACKED = 2;
/** No flow: the header ends before the fields, or the type of ICMP is unknown. */
export const UNKEYED = 3;

/** Words that are hashed, besides protocol and zone. */
const HASHED_WORDS_IPV4 = 3;
const HASHED_WORDS = 9;
/** 2^32 over the golden ratio: spreads small numbers over the upper bits. */
const ZONE_FACTOR = 0x9e37_79b1;
const SIGN = 1 << 31;
const ECHO_LENGTH = 8;
const IPV4_SOURCE = 12;
const IPV4_DESTINATION = 16;
const ROUTER_ADVERTISEMENT = 9;
const ROUTER_SOLICITATION = 10;
const TIMESTAMP = 13;
const INFORMATION = 15;
const ADDRESS_MASK = 17;
const NODE_INFORMATION = 139;
/** Multicast listener discovery, router and neighbour discovery. */
const LINK_FIRST = 130;
const LINK_LAST = 137;
const LISTENER_REPORT_V2 = 143;

/** The key of the datagram in hand. One instance is loaded again and again. */
export class FlowKey {
  /** The key; see the layout above. */
  readonly words = new Int32Array(KEY_WORDS);
  /** True for IPv6, where all words count. */
  isLong = false;
  /** 1 when the datagram comes from the higher end. */
  swapped: 0 | 1 = 0;
  /** 1 when the datagram may be the first of a flow by its kind; 0 for the reply to a query of ICMP. */
  mayOpen: 0 | 1 = 1;
  readonly #key0: number;
  readonly #key1: number;

  /**
   * @param seed0 - 32 bits that nobody outside may know
   * @param seed1 - 32 more
   */
  constructor(seed0: number, seed1: number) {
    this.#key0 = seed0 | 0;
    this.#key1 = seed1 | 0;
  }

  /**
   * Takes over the words of a key that was loaded elsewhere.
   *
   * @param at - where they begin in `words`
   * @returns false where they are those of no key
   */
  restore(words: Int32Array, at: number): boolean {
    const version = ((words[at + KEY_PROTOCOL] as number) >>> 8) & 0xff_ffff;
    if (version !== 4 && version !== 6) return false;
    this.isLong = version === 6;
    for (let word = 0; word < KEY_WORDS; word++) this.words[word] = words[at + word] as number;
    return true;
  }

  /**
   * Loads the key of a datagram. Cost: O(1), no allocation.
   *
   * @param offset - octet of `bytes` where the datagram starts
   * @param layout - its layout; not that of a later fragment, which has no ports
   * @param zone - 32 bits
   * @returns {@link KEYED}, {@link QUOTES}, {@link UNTRACKED} or {@link UNKEYED}
   */
  load(bytes: Uint8Array, offset: number, layout: IpLayout, zone: number): number {
    const at = offset + layout.transportOffset;
    const { protocol } = layout;
    const isIpv4 = layout.version === 4;
    this.mayOpen = 1;
    if (protocol === (isIpv4 ? ipv4.PROTOCOL_ICMP : ipv6.NEXT_ICMPV6)) {
      if (layout.length - layout.transportOffset < ECHO_LENGTH) return UNKEYED;
      const type = readU8(bytes, at);
      if (isIpv4 ? icmpv4.isError(type) : type < icmpv6.ECHO_REQUEST) return QUOTES;
      const request = isIpv4 ? requestOf(type) : requestOfIpv6(type);
      if (request < 0) return isOfLink(isIpv4, type) ? UNTRACKED : UNKEYED;
      this.#loadEnds(bytes, offset, isIpv4, 0, 0);
      this.#loadQuery(type !== request, request, readU16(bytes, at + 4));
    } else if (layout.hasPorts) {
      this.#loadEnds(bytes, offset, isIpv4, readU16(bytes, at), readU16(bytes, at + 2));
    } else {
      if (hasPorts(protocol)) return UNKEYED;
      this.#loadEnds(bytes, offset, isIpv4, 0, 0);
    }
    const { words } = this;
    words[KEY_ZONE] = zone;
    words[KEY_PROTOCOL] = protocol | ((isIpv4 ? 4 : 6) << 8);
    return KEYED;
  }

  /** Hash of what is loaded; 32 bits, signed. */
  hash(): number {
    const { words } = this;
    // Nobody outside chooses the zone: sixteen bits made of it will do.
    const zone = Math.imul(words[KEY_ZONE] as number, ZONE_FACTOR) >>> 16;
    const rest = ((words[KEY_PROTOCOL] as number) & 0xff) | (zone << 8);
    return halfSipHash(words, this.isLong ? HASHED_WORDS : HASHED_WORDS_IPV4, rest, this.#key0, this.#key1);
  }

  #loadEnds(bytes: Uint8Array, offset: number, isIpv4: boolean, sourcePort: number, destinationPort: number): void {
    const { words } = this;
    const from = offset + (isIpv4 ? IPV4_SOURCE : ipv6.SOURCE_OFFSET);
    const to = offset + (isIpv4 ? IPV4_DESTINATION : ipv6.DESTINATION_OFFSET);
    const source = readWord(bytes, from);
    const destination = readWord(bytes, to);
    let order = compare(source, destination);
    if (!isIpv4) {
      for (let octet = 4; octet < 16 && order === 0; octet += 4) {
        order = compare(readWord(bytes, from + octet), readWord(bytes, to + octet));
      }
    }
    const isSwapped = order > 0 || (order === 0 && sourcePort > destinationPort);
    this.swapped = isSwapped ? 1 : 0;
    words[KEY_PORTS] = isSwapped ? (destinationPort << 16) | sourcePort : (sourcePort << 16) | destinationPort;
    words[KEY_LOWER] = isSwapped ? destination : source;
    words[KEY_HIGHER] = isSwapped ? source : destination;
    if (isIpv4) {
      this.isLong = false;
      return;
    }
    this.isLong = true;
    const lower = isSwapped ? to : from;
    const higher = isSwapped ? from : to;
    for (let index = 0; index < 3; index++) {
      words[KEY_LOWER_REST + index] = readWord(bytes, lower + 4 + (index << 2));
      words[KEY_HIGHER_REST + index] = readWord(bytes, higher + 4 + (index << 2));
    }
  }

  /** A request of A with the identifier of a request of B is another flow: who asked is part of the key. */
  #loadQuery(isReply: boolean, request: number, identifier: number): void {
    const { words } = this;
    let asker: number = isReply ? this.swapped ^ 1 : this.swapped;
    if (this.#isToItself()) {
      asker = 0;
      this.swapped = isReply ? 1 : 0;
    }
    words[KEY_PORTS] = (identifier << 16) | (request << 1) | asker;
    this.mayOpen = isReply ? 0 : 1;
  }

  #isToItself(): boolean {
    const { words } = this;
    if (words[KEY_LOWER] !== words[KEY_HIGHER]) return false;
    if (!this.isLong) return true;
    for (let index = 0; index < 3; index++) {
      if (words[KEY_LOWER_REST + index] !== words[KEY_HIGHER_REST + index]) return false;
    }
    return true;
  }
}

/** Order of two words as unsigned numbers: negative, 0 or positive. */
function compare(left: number, right: number): number {
  if (left === right) return 0;
  return (left ^ SIGN) < (right ^ SIGN) ? -1 : 1;
}

/** True for the protocols whose ports are part of the key. */
function hasPorts(protocol: number): boolean {
  return (
    protocol === ipv4.PROTOCOL_TCP ||
    protocol === ipv4.PROTOCOL_UDP ||
    protocol === ipv4.PROTOCOL_DCCP ||
    protocol === ipv4.PROTOCOL_SCTP ||
    protocol === ipv4.PROTOCOL_UDPLITE
  );
}

/** Type of the request that a type of ICMP for IPv4 is or answers; -1 for the types without one. */
function requestOf(type: number): number {
  switch (type) {
    case icmpv4.ECHO_REQUEST:
    case icmpv4.ECHO_REPLY:
      return icmpv4.ECHO_REQUEST;
    case TIMESTAMP:
    case TIMESTAMP + 1:
      return TIMESTAMP;
    case INFORMATION:
    case INFORMATION + 1:
      return INFORMATION;
    case ADDRESS_MASK:
    case ADDRESS_MASK + 1:
      return ADDRESS_MASK;
    default:
      return -1;
  }
}

function requestOfIpv6(type: number): number {
  switch (type) {
    case icmpv6.ECHO_REQUEST:
    case icmpv6.ECHO_REPLY:
      return icmpv6.ECHO_REQUEST;
    case NODE_INFORMATION:
    case NODE_INFORMATION + 1:
      return NODE_INFORMATION;
    default:
      return -1;
  }
}

/** True for what only the hosts of one link say to each other. */
function isOfLink(isIpv4: boolean, type: number): boolean {
  if (isIpv4) return type === ROUTER_ADVERTISEMENT || type === ROUTER_SOLICITATION;
  return (type >= LINK_FIRST && type <= LINK_LAST) || type === LISTENER_REPORT_V2;
}
