/**
 * Which flow the fragments of a datagram belong to: only the first one has ports.
 *
 * ```
 *   first fragment ─> remember(flow) ─> | set of 4 entries | set of 4 | ...      later fragment ─> find
 *   key: identification, source, destination, protocol (IPv4 alone) and version, zone; one direction
 * ```
 * Floor 1. A fixed number of entries in typed arrays, nothing is allocated afterwards. An entry lasts 30 seconds, the
 * time that Linux keeps fragments of IPv4 (RFC 8200 4.5 says 60 s for reassembly at most).
 *
 * Rules: a later fragment that comes before its first one has no flow. The set that a datagram belongs to is chosen by
 * a keyed hash; where all four entries are taken, an expired one is overwritten, then the oldest. So a flood of first
 * fragments costs the fragments of others their flow, and nothing else. Fragments of IPv6 may name different next headers
 * (RFC 8200 4.5), so the protocol is no part of their key.
 *
 * @module
 */

import { readWord } from '../wire/bytes.ts';
import type { IpLayout } from '../wire/ip-layout.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { halfSipHash } from './half-sip-hash.ts';

/** How long a first fragment is remembered. */
export const FRAGMENT_MS = 30_000;

const WAYS = 4;
const KEY_WORDS = 11;
const ENTRY_WORDS = 16;
const HASH = 11;
const FLOW = 12;
const GENERATION = 13;
const DIRECTION = 14;
const BASE = 15;
const IPV4_SOURCE = 12;
/** Octet of the identification in the fragment header of IPv6. */
const IDENTIFICATION = 4;
const ADDRESS_WORDS_IPV4 = 2;
const ADDRESS_WORDS_IPV6 = 8;

/** Octets of a table with room for `entries` datagrams. */
export function fragmentOctetsFor(entries: number): number {
  return setsFor(entries) * WAYS * (ENTRY_WORDS * 4 + 8);
}

/** First fragments of the last 30 seconds. */
export class FragmentTable {
  readonly #entries: Int32Array;
  /** When each entry was made; minus infinity for one that never was. */
  readonly #madeMs: Float64Array;
  readonly #key = new Int32Array(KEY_WORDS);
  readonly #setMask: number;
  readonly #key0: number;
  readonly #key1: number;

  /**
   * @param entries - datagrams that fit, rounded up to a power of two
   * @param seed0 - 32 bits that nobody outside may know
   * @param seed1 - 32 more
   */
  constructor(entries: number, seed0: number, seed1: number) {
    const sets = setsFor(entries);
    this.#entries = new Int32Array(sets * WAYS * ENTRY_WORDS);
    this.#madeMs = new Float64Array(sets * WAYS).fill(Number.NEGATIVE_INFINITY);
    this.#setMask = sets - 1;
    this.#key0 = seed0 | 0;
    this.#key1 = seed1 | 0;
  }

  /**
   * Remembers the flow of a first fragment. Cost: O(1), no allocation.
   *
   * @param layout - layout of the first fragment
   * @param base - sequence number that the start of the fragmented payload has, for TCP
   */
  remember(
    bytes: Uint8Array,
    layout: IpLayout,
    zone: number,
    now: Float64Array,
    flow: number,
    generation: number,
    direction: number,
    base: number,
  ): void {
    const hash = this.#load(bytes, layout, zone);
    const entries = this.#entries;
    const madeMs = this.#madeMs;
    let entry = this.#look(hash);
    if (entry < 0) {
      entry = (hash & this.#setMask) * WAYS;
      for (let other = entry + 1, end = entry + WAYS; other < end; other++) {
        // What has expired is older than what has not.
        if ((madeMs[other] as number) < (madeMs[entry] as number)) entry = other;
      }
    }
    const at = entry * ENTRY_WORDS;
    entries.set(this.#key, at);
    entries[at + HASH] = hash;
    entries[at + FLOW] = flow;
    entries[at + GENERATION] = generation;
    entries[at + DIRECTION] = direction;
    entries[at + BASE] = base;
    madeMs[entry] = now[0] as number;
  }

  /**
   * Looks for the first fragment of a later one. Cost: O(1), no allocation.
   *
   * @param now - its first double is the time, on the clock of `remember`
   * @returns the entry, -1 when there is none
   */
  find(bytes: Uint8Array, layout: IpLayout, zone: number, now: Float64Array): number {
    const entry = this.#look(this.#load(bytes, layout, zone));
    if (entry < 0 || (now[0] as number) - (this.#madeMs[entry] as number) > FRAGMENT_MS) return -1;
    return entry;
  }

  /** Flow of an entry. */
  flowOf(entry: number): number {
    return this.#entries[entry * ENTRY_WORDS + FLOW] as number;
  }

  /** Generation of the flow when the entry was made. */
  generationOf(entry: number): number {
    return this.#entries[entry * ENTRY_WORDS + GENERATION] as number;
  }

  /** Direction of the datagram within its flow. */
  directionOf(entry: number): 0 | 1 {
    return this.#entries[entry * ENTRY_WORDS + DIRECTION] === 0 ? 0 : 1;
  }

  /** Sequence number that the start of the fragmented payload has. */
  baseOf(entry: number): number {
    return this.#entries[entry * ENTRY_WORDS + BASE] as number;
  }

  #load(bytes: Uint8Array, layout: IpLayout, zone: number): number {
    const key = this.#key;
    const isIpv4 = layout.version === 4;
    const addresses = isIpv4 ? ADDRESS_WORDS_IPV4 : ADDRESS_WORDS_IPV6;
    const from = isIpv4 ? IPV4_SOURCE : ipv6.SOURCE_OFFSET;
    key[0] = identification(bytes, layout);
    for (let word = 0; word < ADDRESS_WORDS_IPV6; word++) {
      key[1 + word] = word < addresses ? readWord(bytes, from + (word << 2)) : 0;
    }
    key[9] = isIpv4 ? layout.protocol | (4 << 8) : 6 << 8;
    key[10] = zone;
    return halfSipHash(key, 1 + addresses, (zone & 0xffff) << 8, this.#key0, this.#key1);
  }

  #look(hash: number): number {
    const entries = this.#entries;
    const first = (hash & this.#setMask) * WAYS;
    for (let entry = first; entry < first + WAYS; entry++) {
      const at = entry * ENTRY_WORDS;
      if (entries[at + HASH] === hash && this.#isKeyAt(at)) return entry;
    }
    return -1;
  }

  #isKeyAt(at: number): boolean {
    const entries = this.#entries;
    const key = this.#key;
    for (let word = 0; word < KEY_WORDS; word++) if (entries[at + word] !== key[word]) return false;
    return true;
  }
}

/** Where the fragmented payload starts, in octets of the datagram. */
export function fragmentedAt(bytes: Uint8Array, layout: IpLayout): number {
  if (layout.version === 4) return layout.headerLength;
  return ipv6.findHeader(bytes, 0, layout.length, ipv6.NEXT_FRAGMENT) + ipv6.MIN_EXTENSION_LENGTH;
}

function identification(bytes: Uint8Array, layout: IpLayout): number {
  if (layout.version === 4) return ipv4.identification(bytes, 0);
  const at = ipv6.findHeader(bytes, 0, layout.length, ipv6.NEXT_FRAGMENT);
  return at < 0 ? 0 : readWord(bytes, at + IDENTIFICATION);
}

function setsFor(entries: number): number {
  let sets = 1;
  while (sets * WAYS < entries) sets *= 2;
  return sets;
}
