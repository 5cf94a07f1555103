/**
 * Prefixes, addresses and a model for the tests of prefix tables: numbers by chance, from a seed, so that a failure can be seen again.
 *
 * @module
 */

import { AddressView } from '../../../src/hook/packet/address-view.ts';
import { Datagram } from '../../../src/hook/packet/datagram.ts';
import type { PrefixEntry } from '../../../src/prefix/build-table.ts';
import type { AddressWords } from '../../../src/prefix/prefix-table.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { ipv4, ipv6, udp } from '../../support/packet-builder.ts';

/** xorshift32: from 0 to `below` - 1. */
export type Chance = (below: number) => number;

/** Numbers that are the same in each run. */
export function chance(seed: number): Chance {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Octets as an address of a packet: more octets stand behind them. */
export function addressOf(octets: Uint8Array): AddressWords {
  const words = Buffer.concat([octets, Buffer.alloc(16, 0xa5)]);
  return { length: octets.length as 4 | 16, signedWord: (index) => words.readInt32BE(4 * index) };
}

/** Sources of packets as hooks have them, one a family, and the octets that they are. */
export function packetSources(): { readonly view: AddressView; readonly octets: Buffer }[] {
  return [ipv4({}, udp()), ipv6({}, udp())].map((packet) => {
    const bytes = Buffer.from(packet);
    const layout = new IpLayout();
    parseIpLayout(bytes, 0, bytes.length, bytes.length, layout);
    const owner = { bytes, isPartial: false, edit: () => bytes };
    const [at, length] = layout.version === 6 ? [8, 16] : [12, 4];
    return { view: new AddressView(new Datagram(owner, layout, null), true), octets: bytes.subarray(at, at + length) };
  });
}

/** The value of the longest prefix, the later one of equal ones: found by looking at all of them. */
export function modelLookup(entries: readonly PrefixEntry[], address: Uint8Array): number {
  let best: PrefixEntry | null = null;
  for (const entry of entries) {
    if (entry.bytes.length !== address.length || !isIn(address, entry)) continue;
    if (best === null || entry.prefixLength >= best.prefixLength) best = entry;
  }
  return best?.value ?? 0;
}

/** Distinct prefixes. */
export function modelSize(entries: readonly PrefixEntry[]): number {
  return new Set(entries.map(({ bytes, prefixLength }) => `${Buffer.from(bytes).toString('hex')}/${prefixLength}`))
    .size;
}

/**
 * Prefixes by chance. They share octets with one another, so that they nest and crowd.
 *
 * @param crowd - how many different octets there are in each place: 256 for prefixes that are spread
 */
export function randomEntries(
  next: Chance,
  count: number,
  octets: 4 | 16,
  crowd: number,
  values: number,
): PrefixEntry[] {
  const bits = octets * 8;
  return Array.from({ length: count }, () => {
    const prefixLength = next(10) === 0 ? ([0, 1, bits - 1, bits][next(4)] as number) : next(bits + 1);
    const bytes = Uint8Array.from({ length: octets }, () => (next(crowd) * 255) / Math.max(crowd - 1, 1));
    return { bytes: masked(bytes, prefixLength), prefixLength, value: next(values) };
  });
}

/** Addresses at the edges of each prefix and beside them, and some within. */
export function* edges(next: Chance, entries: readonly PrefixEntry[]): Generator<Uint8Array> {
  for (const { bytes, prefixLength } of entries) {
    const last = withHostBits(bytes, prefixLength, () => 0xff);
    yield bytes;
    yield last;
    yield step(bytes, -1);
    yield step(last, 1);
    yield withHostBits(bytes, prefixLength, () => next(256));
  }
}

/** Octets by chance. */
export function randomOctets(next: Chance, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => next(256));
}

/** The octets with the bits after the prefix cleared. */
export function masked(bytes: Uint8Array, prefixLength: number): Uint8Array {
  return bytes.map((octet, index) => octet & ~hostMask(prefixLength, index));
}

function withHostBits(bytes: Uint8Array, prefixLength: number, fill: () => number): Uint8Array {
  return bytes.map((octet, index) => octet | (fill() & hostMask(prefixLength, index)));
}

function hostMask(prefixLength: number, index: number): number {
  return 0xff >>> Math.max(0, Math.min(8, prefixLength - 8 * index));
}

function isIn(address: Uint8Array, { bytes, prefixLength }: PrefixEntry): boolean {
  return address.every(
    (octet, index) => ((octet ^ (bytes[index] as number)) & ~hostMask(prefixLength, index) & 0xff) === 0,
  );
}

/** The next address, or the one before; round the end. */
function step(bytes: Uint8Array, by: 1 | -1): Uint8Array {
  const stepped = Uint8Array.from(bytes);
  for (let index = stepped.length - 1; index >= 0; index--) {
    const sum = (stepped[index] as number) + by;
    stepped[index] = sum;
    if (sum >= 0 && sum <= 255) break;
  }
  return stepped;
}
