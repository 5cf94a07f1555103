/**
 * Stock hook `nat`: translates addresses one to one, networks of one length to each other, and ports of one address to a host inside.
 *
 * ```
 *   inside ─ source 10.0.0.7 ─────────────> 203.0.113.7 ─> outside       what leaves: the source
 *   inside <───────────────── 10.0.0.7 <─ destination 203.0.113.7 ─ outside     what arrives: the destination
 *   an ICMP error quotes a packet that went the other way: there it is the other end
 * ```
 * Rule: no state. Each packet is translated by itself, fragments too, so it is right with any number of lanes and after a restart. A later
 * fragment has no ports: **datagrams of a forwarded port that come in pieces keep the address outside in all pieces but the first**, so the
 * fragments of a forwarded port are not translated at all.
 *
 * The hook changes addresses and no neighbours: on a bridge whoever is outside has to have a route for the addresses by the router inside.
 * What carries addresses in its payload (FTP, SIP) is not looked into.
 *
 * @see RFC 2663 (terms), RFC 5508 (ICMP errors)
 * @module
 */

import type { Address, Packet, Prefix, Quoted } from 'firehook';
import { defineHook, FORWARD, formatAddress, parseAddress, parseCidr } from 'firehook';
import { type OptionValues, optionError, optionsOf, readChoice, readInteger } from './_options.ts';

/** Options of `nat`. At least one of the two. */
export interface NatOptions {
  /** Addresses or networks inside, each with the one outside that stands for it: `{ "10.0.0.0/24": "203.0.113.0/24" }`. */
  readonly oneToOne?: Readonly<Record<string, string>>;
  /** Ports outside, each with the host inside that answers there. */
  readonly forwards?: readonly NatForward[];
}

/** A port that leads to a host inside. */
export interface NatForward {
  readonly protocol: 'tcp' | 'udp';
  /** The address outside. */
  readonly address: string;
  /** The port outside, 1-65535. */
  readonly port: number;
  /** The host inside. */
  readonly to: string;
  /** @defaultValue the port outside */
  readonly toPort?: number;
}

const MOST_RULES = 4096;
const PROTOCOL_NUMBERS = { tcp: 6, udp: 17 } as const;

/** A network on each side. */
interface Pair {
  readonly inside: Prefix;
  readonly outside: Prefix;
}

/** An end on each side. */
interface Forward {
  readonly protocol: number;
  readonly inside: Uint8Array;
  readonly insidePort: number;
  readonly outside: Uint8Array;
  readonly outsidePort: number;
}

export default defineHook({
  name: 'nat',
  checkable: true,
  options: optionsOf(['oneToOne', 'forwards'], readRules),
  setup: ({ pairs, forwards }) => ({
    onPacket(packet, { side }) {
      const isOut = side === 'out';
      const own = isOut ? packet.source : packet.destination;
      const quoted = packet.icmp?.quoted ?? null;
      if (quoted !== null) {
        // What leaves quotes a packet that had arrived, whose destination was translated, and the other way round.
        const { source, destination } = quoted.ip;
        const match = quotedForward(quoted, forwards, isOut);
        if (match === null) {
          translate(own, pairs, isOut);
          translate(isOut ? destination : source, pairs, isOut);
        } else {
          if (own.equals(isOut ? match.inside : match.outside)) own.set(isOut ? match.outside : match.inside);
          if (isOut) {
            destination.set(match.outside);
            quoted.destinationPort = match.outsidePort;
          } else {
            source.set(match.inside);
            quoted.sourcePort = match.insidePort;
          }
        }
      } else if (packet.isFragment || forwards.length === 0 || !forward(packet, forwards, isOut))
        translate(own, pairs, isOut);
      return FORWARD;
    },
  }),
});

/** Puts the other side's address in the place of one that a pair knows. */
function translate(address: Address, pairs: readonly Pair[], isOut: boolean): void {
  for (const { inside, outside } of pairs) {
    if (!address.isIn(isOut ? inside : outside)) continue;
    const { bytes, prefixLength } = isOut ? outside : inside;
    for (let word = 0; 32 * word < prefixLength; word++) {
      const kept = prefixLength - 32 * word >= 32 ? 0 : 0xffff_ffff >>> (prefixLength - 32 * word);
      address.setWord(word, (wordOf(bytes, word) & ~kept) | (address.signedWord(word) & kept));
    }
    return;
  }
}

/** The same for a forwarded port. @returns true where there was one */
function forward(packet: Packet, forwards: readonly Forward[], isOut: boolean): boolean {
  const layer = packet.tcp ?? packet.udp;
  if (layer === null) return false;
  for (const { protocol, inside, insidePort, outside, outsidePort } of forwards) {
    if (packet.protocol !== protocol) continue;
    if (
      isOut
        ? layer.sourcePort !== insidePort || !packet.source.equals(inside)
        : layer.destinationPort !== outsidePort || !packet.destination.equals(outside)
    )
      continue;
    if (isOut) {
      packet.source.set(outside);
      layer.sourcePort = outsidePort;
    } else {
      packet.destination.set(inside);
      layer.destinationPort = insidePort;
    }
    return true;
  }
  return false;
}

/** The forwarded port that the datagram in an error went by; null for none. */
function quotedForward(quoted: Quoted, forwards: readonly Forward[], isOut: boolean): Forward | null {
  for (const one of forwards) {
    if (quoted.protocol !== one.protocol) continue;
    const isTo = isOut && quoted.destinationPort === one.insidePort && quoted.ip.destination.equals(one.inside);
    const isFrom = !isOut && quoted.sourcePort === one.outsidePort && quoted.ip.source.equals(one.outside);
    if (isTo || isFrom) return one;
  }
  return null;
}

function wordOf(bytes: Uint8Array, word: number): number {
  const at = 4 * word;
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}

function readRules({ oneToOne = {}, forwards = [] }: OptionValues<'oneToOne' | 'forwards'>) {
  if (typeof oneToOne !== 'object' || oneToOne === null || Array.isArray(oneToOne))
    throw optionError('oneToOne', oneToOne, 'a mapping of networks inside to networks outside');
  if (!Array.isArray(forwards)) throw optionError('forwards', forwards, 'a list of ports that lead inside');
  const pairs = Object.entries(oneToOne).map(([inside, outside]) => readPair(inside, outside));
  const read = forwards.map((one: unknown) => readForward(one));
  if (pairs.length + read.length === 0) throw optionError('oneToOne', undefined, 'oneToOne or forwards');
  if (pairs.length + read.length > MOST_RULES)
    throw optionError(
      'oneToOne',
      pairs.length + read.length,
      `${MOST_RULES} rules at most, each packet walks along them`,
    );
  // The narrowest network that an address is in stands for it.
  pairs.sort((a, b) => b.inside.prefixLength - a.inside.prefixLength);
  return { pairs, forwards: read };
}

function readPair(insideText: string, outsideText: unknown): Pair {
  const inside = parseCidr(insideText);
  const outside = typeof outsideText === 'string' ? parseCidr(outsideText) : null;
  if (inside === null) throw optionError('oneToOne', insideText, 'an address or a network inside');
  if (outside === null) throw optionError('oneToOne', outsideText, `an address or a network outside for ${insideText}`);
  if (inside.bytes.length !== outside.bytes.length || inside.prefixLength !== outside.prefixLength)
    throw optionError('oneToOne', outsideText, `one of the same length and IP version as ${insideText}`);
  return { inside, outside };
}

function readForward(value: unknown): Forward {
  if (typeof value !== 'object' || value === null)
    throw optionError('forwards', value, 'a mapping of protocol, address, port, to and toPort');
  const known = ['protocol', 'address', 'port', 'to', 'toPort'];
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw optionError('forwards', unknown, `only ${known.join(', ')}`);
  const given = value as Readonly<Record<string, unknown>>;
  const outside = readAddress(given['address'], 'address');
  const inside = readAddress(given['to'], 'to');
  if (inside.length !== outside.length)
    throw optionError('forwards', formatAddress(inside), `a host of the IP version of ${formatAddress(outside)}`);
  const outsidePort = readInteger('forwards', given['port'], 1, 65_535);
  return {
    protocol: PROTOCOL_NUMBERS[readChoice('forwards', given['protocol'], ['tcp', 'udp'])],
    inside,
    insidePort: readInteger('forwards', given['toPort'] ?? outsidePort, 1, 65_535),
    outside,
    outsidePort,
  };
}

function readAddress(value: unknown, key: string): Uint8Array {
  const address = typeof value === 'string' ? parseAddress(value) : null;
  if (address === null) throw optionError('forwards', value, `an address as ${key}`);
  return address;
}
