/**
 * What the host's own addresses and broadcasts are, and the destination type of a packet that follows from them.
 *
 * ```
 *   supervisor: the kernel's table "local" ─ LocalRoute[] ─> lane: LocalTable.typeOf(packet) ─> pDestinationType
 * ```
 * Rule: the type is told by the destination address, as the comments of `ipfirewall.h` have it; the link only where no table
 * knows a broadcast of another host's network. One look into a map a packet, no allocation.
 *
 * @module
 */

import {
  DEST_BCAST,
  DEST_LOCAL,
  DEST_MCAST,
  DEST_REM_BCAST,
  DEST_REM_MCAST,
  DEST_REMOTE,
  DEST_SN_BCAST,
} from '../firewall/constants.ts';
import { readU8, readWord } from '../wire/bytes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';

/** An address or a prefix that the host takes for its own, or a broadcast of a network that it is on. */
export interface LocalRoute {
  /** As hexadecimal digits, 8 or 32 of them. */
  readonly address: string;
  readonly prefixLength: number;
  readonly isBroadcast: boolean;
}

const LIMITED_BROADCAST = -1;
const LOW_BIT = 1;

/** A prefix shorter than an address. IPv4 uses the first word only. */
interface Prefix {
  readonly version: 4 | 6;
  readonly words: Int32Array;
  readonly masks: Int32Array;
  readonly type: number;
}

/** Answers for the packets of a lane. */
export class LocalTable {
  /** Types of whole IPv4 addresses, as signed words: such numbers need no memory. */
  #ipv4 = new Map<number, number>();
  /** Of whole IPv6 addresses, by their last word: seldom more than one. */
  #ipv6 = new Map<number, readonly Prefix[]>();
  #prefixes: readonly Prefix[] = [];
  /** What was found last: most packets of a moment go to one address. 0 is none that is looked up. */
  #lastIpv4 = 0;
  #lastType = DEST_REMOTE;

  /** Takes the place of all that was known. */
  set(routes: readonly LocalRoute[]): void {
    this.#ipv4 = new Map();
    const byLastWord = new Map<number, Prefix[]>();
    const prefixes: Prefix[] = [];
    for (const { address, prefixLength, isBroadcast } of routes) {
      const bytes = Buffer.from(address, 'hex');
      const words = Int32Array.from({ length: 4 }, (_, i) => (4 * i < bytes.length ? bytes.readInt32BE(4 * i) : 0));
      const type = isBroadcast ? broadcastType(words[0] as number) : DEST_LOCAL;
      const version = bytes.length === 4 ? 4 : 6;
      const prefix = { version, words, masks: masksOf(prefixLength), type } as const;
      if (prefixLength < bytes.length * 8) prefixes.push(prefix);
      else if (version === 4) this.#ipv4.set(words[0] as number, type);
      else byLastWord.set(words[3] as number, [...(byLastWord.get(words[3] as number) ?? []), prefix]);
    }
    this.#ipv6 = byLastWord;
    this.#prefixes = prefixes;
    this.#lastIpv4 = 0;
  }

  /**
   * The destination type of a packet.
   *
   * @param bytes - the datagram at octet 0
   * @param version - 4 or 6
   * @param isForHost - it arrives at this host, which may be its destination; false for what leaves, or passes a bridge
   * @param isLinkBroadcast - the frame that carried it was a broadcast of the link
   */
  typeOf(bytes: Uint8Array, version: number, isForHost: boolean, isLinkBroadcast: boolean): number {
    return version === 4
      ? this.#typeOfIpv4(bytes, isForHost, isLinkBroadcast)
      : this.#typeOfIpv6(bytes, isForHost, isLinkBroadcast);
  }

  /**
   * Whether an ICMP error about a packet would be wrong, by what is known of the networks that this host is on: a broadcast
   * is the destination or the source, or the source is an address of the host itself and the packet came from outside.
   *
   * @param bytes - the datagram at octet 0
   * @param version - 4 or 6
   * @param isFromOutside - it arrives at this host
   * @see RFC 1812 4.3.2.7 (broadcasts) and 5.3.7 (own addresses)
   */
  forbidsAnswer(bytes: Uint8Array, version: number, isFromOutside: boolean): boolean {
    if (version === 4) {
      const source = this.#look(readWord(bytes, ipv4.SOURCE_OFFSET));
      const destination = this.#look(readWord(bytes, ipv4.DESTINATION_OFFSET));
      return isNetBroadcast(destination) || isNetBroadcast(source) || (isFromOutside && source === DEST_LOCAL);
    }
    return isFromOutside && this.#lookIpv6(bytes, ipv6.SOURCE_OFFSET) === DEST_LOCAL;
  }

  #typeOfIpv4(bytes: Uint8Array, isForHost: boolean, isLinkBroadcast: boolean): number {
    const word = readWord(bytes, ipv4.DESTINATION_OFFSET);
    // The old form of the limited broadcast is all zeros (RFC 1122 3.2.1.3 a).
    if (word === LIMITED_BROADCAST || word === 0) return isForHost ? DEST_BCAST : DEST_REM_BCAST;
    if (word >>> 28 === 0xe) return isForHost ? DEST_MCAST : DEST_REM_MCAST;
    if (isForHost) {
      const type = word === this.#lastIpv4 ? this.#lastType : this.#find(word);
      if (type !== DEST_REMOTE) return type;
    }
    // Of a network that this host is not on, or in a bridge of none: only the link says that it is a broadcast.
    return isLinkBroadcast ? DEST_REM_BCAST : DEST_REMOTE;
  }

  /** {@link LocalTable.#look} for what packets come to. */
  #find(word: number): number {
    const type = this.#look(word);
    this.#lastIpv4 = word;
    this.#lastType = type;
    return type;
  }

  /** The type of a unicast address or a broadcast; DEST_REMOTE for what is in no table. */
  #look(word: number): number {
    let type = this.#ipv4.get(word) ?? DEST_REMOTE;
    for (const { version, words, masks, type: own } of type === DEST_REMOTE ? this.#prefixes : NONE)
      if (version === 4 && ((word ^ (words[0] as number)) & (masks[0] as number)) === 0) type = own;
    return type;
  }

  #typeOfIpv6(bytes: Uint8Array, isForHost: boolean, isLinkBroadcast: boolean): number {
    if (readU8(bytes, ipv6.DESTINATION_OFFSET) === 0xff) return isForHost ? DEST_MCAST : DEST_REM_MCAST;
    if (isForHost) {
      const type = this.#lookIpv6(bytes, ipv6.DESTINATION_OFFSET);
      if (type !== DEST_REMOTE) return type;
    }
    return isLinkBroadcast ? DEST_REM_BCAST : DEST_REMOTE;
  }

  /** The type of the IPv6 address at `offset`; DEST_REMOTE for what is in no table. */
  #lookIpv6(bytes: Uint8Array, offset: number): number {
    const last = readWord(bytes, offset + 12);
    for (const prefix of this.#ipv6.get(last) ?? NONE) if (isWithin(bytes, offset, prefix)) return prefix.type;
    for (const prefix of this.#prefixes)
      if (prefix.version === 6 && isWithin(bytes, offset, prefix)) return prefix.type;
    return DEST_REMOTE;
  }
}

const NONE: readonly Prefix[] = [];

function isWithin(bytes: Uint8Array, offset: number, { words, masks }: Prefix): boolean {
  for (let i = 0; i < 4; i++) {
    const word = readWord(bytes, offset + 4 * i);
    if (((word ^ (words[i] as number)) & (masks[i] as number)) !== 0) return false;
  }
  return true;
}

function isNetBroadcast(type: number): boolean {
  return type === DEST_SN_BCAST || type === DEST_BCAST;
}

function masksOf(prefixLength: number): Int32Array {
  return Int32Array.from({ length: 4 }, (_, i) => {
    const bits = Math.min(32, Math.max(0, prefixLength - 32 * i));
    return bits === 0 ? 0 : -1 << (32 - bits);
  });
}

/** The broadcast of a whole classful network is "net", any other directed one that of a subnet (RFC 1122 3.2.1.3 d, e). */
function broadcastType(word: number): number {
  const first = word >>> 24;
  const hostBits = first < 128 ? 24 : first < 192 ? 16 : 8;
  const isWhole = (word & ((LOW_BIT << hostBits) - 1)) === (LOW_BIT << hostBits) - 1;
  return isWhole ? DEST_BCAST : DEST_SN_BCAST;
}
