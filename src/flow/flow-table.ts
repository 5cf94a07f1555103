/**
 * The flows of a lane: every packet goes through {@link FlowTable.track}, which says which flow it belongs to and
 * whether it can belong to it.
 *
 * ```
 *   track ─ later fragment ─> fragment-table: flow of the first one
 *         ─ key ─ ICMP error ─> flow of the datagram that it quotes: related, never a new flow
 *               ─ TCP        ─> tcp-tracker: valid, invalid, or a new connection
 *               ─ others     ─> new until there is an answer, then established
 *   memory, timeouts, eviction: flow-store.ts     what is known of a flow: flow-records.ts
 * ```
 * Floor 1. The answer is the index of the flow, -1 for none, and the small fields of this object; they hold until the
 * next call. Nothing is allocated for a packet and nothing is thrown, whatever its octets are.
 *
 * Rules:
 * - An invalid packet changes nothing: no state, no timeout, no count of its flow.
 * - An ICMP error belongs to the flow whose datagram it quotes, when it goes to who sent that, and for TCP when the quoted
 *   segment can be under way. It is not counted and keeps nothing alive: who sends errors shall not decide how long.
 * - Checksums are not verified. A lane that can tell keeps segments with a wrong one away; from a card it often cannot.
 * - SCTP, DCCP and protocols without ports have no states of their own: `new`, then `established`.
 *
 * @module
 */

import { readWord } from '../wire/bytes.ts';
import { IpLayout, parseIpLayout } from '../wire/ip-layout.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { ACK } from '../wire/tcp.ts';
import type { EndReason, InvalidReason, MissingReason } from './flow-counters.ts';
import {
  COUNT_FRAGMENTS,
  COUNT_FRAGMENTS_LOST,
  COUNT_INVALID,
  COUNT_PICKED_UP,
  COUNT_RELATED,
  COUNT_UNTRACKED,
  ENDED_REPLACED,
  INVALID_FLAGS,
  INVALID_HEADER,
  INVALID_QUOTE,
  INVALID_STATE,
  MISSING_FRAGMENT,
  MISSING_FULL,
  MISSING_INVALID,
  MISSING_NOT,
  MISSING_UNTRACKED,
  VALID,
} from './flow-counters.ts';
import { FlowKey, KEYED, QUOTES, UNTRACKED } from './flow-key.ts';
import type { FlowRecords } from './flow-records.ts';
import { RECORD_WORDS } from './flow-records.ts';
import type { Column, ColumnType } from './flow-store.ts';
import { FlowStore, randomSeed, storeOctetsFor } from './flow-store.ts';
import { FragmentTable, fragmentedAt, fragmentOctetsFor } from './fragment-table.ts';
import { SEGMENT_BASE, SEGMENT_FLAGS, TcpSegment } from './tcp-segment.ts';
import { CHANGED, IGNORED, RESTART, RESTART_REMEMBERED, TcpTracker } from './tcp-tracker.ts';
import type { FlowTimeouts } from './timeouts.ts';
import { DEFAULT_TIMEOUTS, KIND_TCP, kindOf, STATE_ESTABLISHED } from './timeouts.ts';

/** How a table is made. */
export interface FlowTableOptions {
  /** Most flows at a time, 1 to 2^24. A million and six columns of doubles fit 256 MiB. */
  readonly most: number;
  /** @defaultValue those of timeouts.ts, each one */
  readonly timeouts?: Partial<FlowTimeouts>;
  /** Picks up TCP connections whose start was not seen, as after a restart. @defaultValue true */
  readonly isLoose?: boolean;
  /** A flow that both ends know leaves a full table only when it was not used for so long. @defaultValue 10,000 */
  readonly evictIdleMs?: number;
  /** Fragmented datagrams that are remembered at a time, rounded up to a power of two. @defaultValue 1,024 */
  readonly fragments?: number;
  /** Numbers that the caller keeps with each flow, by name; 0 in a new flow. @defaultValue none */
  readonly columns?: Readonly<Record<string, ColumnType>>;
  /** Called when a flow ends, while its record and columns can be read. It must not call the table. */
  readonly onEnd?: (index: number, reason: EndReason) => void;
  /** Two words of the keyed hash, for tests alone. @defaultValue random */
  readonly seed?: Int32Array;
}

const FRAGMENTS = 1_024;
const EVICT_IDLE_MS = 10_000;
const NONE = -1;
const ICMP_HEADER_LENGTH = 8;
/** Octets of a quoted TCP header that an ICMP error has to hold: ports and sequence number (RFC 792). */
const QUOTED_TCP_LENGTH = 8;
/** Of a quoted datagram only the start is there: it may have been of any length. */
const ANY_LENGTH = 0x7fff_ffff;
const IPV4_SOURCE = 12;
const IPV4_DESTINATION = 16;

/**
 * Octets that a table takes: all of them when it is made, none later. The system hands out the memory of a record when a
 * flow first uses it.
 */
export function octetsFor(
  most: number,
  columns: Readonly<Record<string, ColumnType>> = {},
  fragments: number = FRAGMENTS,
): number {
  return storeOctetsFor(most, columns) + fragmentOctetsFor(fragments);
}

/** A table of flows. */
export class FlowTable {
  /** Of the last packet: 0 as the first packet of the flow went, 1 back. */
  direction: 0 | 1 = 0;
  /** Of the last packet: 1 when it started the flow, so that `onFlow` is due. */
  isNew: 0 | 1 = 0;
  /** Of the last packet: 1 when it is an ICMP error about the flow. */
  isRelated: 0 | 1 = 0;
  /** Of the last packet: 1 when it cannot belong to the flow, or to any. */
  isInvalid: 0 | 1 = 0;
  /** Of the last packet: why it is invalid. */
  invalidReason: InvalidReason = VALID;
  /** Of the last packet: why it has no flow. */
  missing: MissingReason = MISSING_NOT;
  /** What is known of each flow. */
  readonly records: FlowRecords;
  /** What happened, by the places of flow-counters.ts. */
  readonly counters: Float64Array;
  readonly #store: FlowStore;
  readonly #key: FlowKey;
  readonly #fragments: FragmentTable;
  readonly #segment = new TcpSegment();
  readonly #tcp: TcpTracker;
  readonly #quoted = new IpLayout();
  readonly #isLoose: boolean;

  /** @throws RangeError when `most` is out of range, or the memory is not to be had */
  constructor(options: FlowTableOptions) {
    const seed = options.seed ?? randomSeed();
    const store = new FlowStore({
      most: options.most,
      timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
      evictIdleMs: options.evictIdleMs ?? EVICT_IDLE_MS,
      columns: options.columns ?? {},
      onEnd: options.onEnd ?? (() => undefined),
    });
    this.#store = store;
    this.records = store.records;
    this.counters = store.counters;
    this.#key = new FlowKey(seed[0] as number, seed[1] as number);
    this.#fragments = new FragmentTable(options.fragments ?? FRAGMENTS, seed[0] as number, seed[1] as number);
    this.#tcp = new TcpTracker(store.records.words, this.#segment);
    this.#isLoose = options.isLoose ?? true;
  }

  /** Flows that are there. */
  get size(): number {
    return this.#store.size;
  }

  /** Flows that there is room for. */
  get most(): number {
    return this.#store.most;
  }

  /** The column of that name. @throws RangeError when none was declared under it */
  column(name: string): Column {
    return this.#store.column(name);
  }

  /**
   * Says what time it is, until the next call. Once a batch is enough: a number that is no small integer is an object to
   * the engine.
   *
   * @param nowMs - milliseconds on the caller's clock
   */
  tick(nowMs: number): void {
    this.#store.clock.set(nowMs);
  }

  /**
   * Takes a packet to its flow, makes the flow if it may, and judges the packet. Cost: O(1), no allocation.
   *
   * @param bytes - the datagram, at octet 0
   * @param layout - its layout, which `parseIpLayout` found well formed
   * @param length - octets to count for the flow
   * @param zone - 32 bits that keep apart what only looks alike
   * @returns index of the flow; -1 when there is none, and {@link FlowTable.missing} says why
   */
  track(bytes: Uint8Array, layout: IpLayout, length: number, zone: number): number {
    this.#clear();
    if (layout.fragmentOffset !== 0) return this.#trackLater(bytes, layout, length, zone);
    const key = this.#key;
    const kind = key.load(bytes, 0, layout, zone);
    if (kind !== KEYED) return this.#trackUnkeyed(kind, bytes, layout, zone);
    const hash = key.hash();
    const found = this.#store.find(key, hash);
    const index =
      layout.protocol === ipv4.PROTOCOL_TCP
        ? this.#trackTcp(found, hash, bytes, layout)
        : this.#trackOther(found, hash, layout);
    if (index < 0 || this.isInvalid !== 0) return index;
    this.records.count(index, this.direction, length, this.#store.clock.now);
    if (layout.moreFragments) this.#rememberFirst(index, bytes, layout, zone);
    return index;
  }

  /**
   * Looks for the flow of a packet and changes nothing but {@link FlowTable.direction}. Cost: O(1), no allocation.
   *
   * @returns index of the flow; -1 when there is none, and for later fragments and ICMP errors
   */
  find(bytes: Uint8Array, layout: IpLayout, zone: number): number {
    const key = this.#key;
    if (layout.fragmentOffset !== 0 || key.load(bytes, 0, layout, zone) !== KEYED) return NONE;
    const index = this.#store.find(key, key.hash());
    if (index >= 0) this.#setDirection(key.swapped, index);
    return index;
  }

  /**
   * Ends flows whose timeout is over; to be called now and then. A packet never finds such a flow, whether it was ended
   * or not. Cost: O(ended), no allocation.
   *
   * @param atMost - flows that may end in this call
   * @returns flows that ended; less than `atMost` when no other is due
   */
  expire(nowMs: number, atMost: number): number {
    return this.#store.expire(nowMs, atMost);
  }

  /**
   * The packet at hand is one that was tracked before, and waited. Nothing is counted.
   *
   * @param index - of the flow that it had, -1 where it had none
   * @param generation - of that flow
   * @param told - what {@link FlowTable.told} said of it then
   * @returns `index`, or -1 when that flow has ended: the packet is invalid then
   */
  recall(index: number, generation: number, told: number): number {
    this.direction = (told & 1) === 0 ? 0 : 1;
    this.isNew = 0;
    this.isRelated = (told & 2) === 0 ? 0 : 1;
    this.isInvalid = (told & 4) === 0 ? 0 : 1;
    this.invalidReason = VALID;
    this.missing = (told >> 3) as MissingReason;
    if (index < 0 || this.#store.isLive(index, generation)) return index;
    // It belonged to a flow, and belongs to none now.
    this.isInvalid = 1;
    return NONE;
  }

  /** What is said of the last packet, in one number, for {@link FlowTable.recall}. */
  get told(): number {
    return this.direction | (this.isRelated << 1) | (this.isInvalid << 2) | (this.missing << 3);
  }

  /** Calls back with each flow; see {@link FlowStore.walk}. */
  walk(visit: (index: number) => boolean): void {
    this.#store.walk(visit);
  }

  /**
   * Takes over a flow of another table; see {@link FlowStore.restore}. To be called after {@link FlowTable.tick}.
   *
   * @returns its index; -1 where there is no room, its record is none, or the flow is there already
   */
  restore(words: Int32Array, at: number, shiftMs: number): number {
    const key = this.#key;
    if (!key.restore(words, at)) return NONE;
    const hash = key.hash();
    if (this.#store.find(key, hash) >= 0) return NONE;
    return this.#store.restore(key, hash, words, at, shiftMs);
  }

  /** Ends a flow. @returns false when the index holds none */
  remove(index: number): boolean {
    return this.#store.remove(index);
  }

  /** True when the SYN of that direction was seen: its octets are known from the first one on. Of a flow that is no TCP: false. */
  knowsStart(index: number, direction: number): boolean {
    return this.records.kindOf(index) === KIND_TCP && this.#tcp.knowsStart(index * RECORD_WORDS, direction);
  }

  /** Sequence number of the SYN of a direction whose start is known: 32 bits with a sign. */
  startOf(index: number, direction: number): number {
    return this.#tcp.startOf(index * RECORD_WORDS, direction);
  }

  /** Longest row of the index, for tests. Cost: O(most). @internal */
  longestRow(): number {
    return this.#store.longestRow();
  }

  #trackOther(found: number, hash: number, layout: IpLayout): number {
    const key = this.#key;
    if (found < 0) {
      if (key.mayOpen === 0) return this.#refuse(NONE, INVALID_STATE);
      return this.#insert(hash, kindOf(layout.version, layout.protocol), key.swapped);
    }
    this.#setDirection(key.swapped, found);
    if (this.direction === 1) {
      this.records.answer(found);
      this.#store.use(found, STATE_ESTABLISHED);
    } else this.#store.use(found, this.records.stateOf(found));
    return found;
  }

  #trackTcp(found: number, hash: number, bytes: Uint8Array, layout: IpLayout): number {
    const key = this.#key;
    if (found >= 0) this.#setDirection(key.swapped, found);
    if (!this.#segment.read(bytes, layout)) return this.#refuse(found, INVALID_HEADER);
    if (found < 0) {
      if (this.#tcp.canOpen(this.#isLoose)) return this.#open(hash, key.swapped);
      return this.#refuse(NONE, this.#segment.hasPossibleFlags() ? INVALID_STATE : INVALID_FLAGS);
    }
    const base = found * RECORD_WORDS;
    const answer = this.#tcp.judge(base, this.direction);
    switch (answer) {
      case CHANGED:
        if (this.direction === 1) this.records.answer(found);
        this.#store.use(found, this.#tcp.state(base));
        return found;
      case IGNORED:
        if (this.direction === 1) this.records.answer(found);
        return found;
      case RESTART:
        this.#store.end(found, ENDED_REPLACED);
        this.direction = 0;
        return this.#open(hash, key.swapped);
      case RESTART_REMEMBERED:
        return this.#startOver(found, hash, bytes, layout);
      default:
        return this.#refuse(found, answer as InvalidReason);
    }
  }

  /** The other end answers a SYN that came on a connection which it no longer has: the flow starts with that SYN. */
  #startOver(old: number, hash: number, bytes: Uint8Array, layout: IpLayout): number {
    this.#tcp.recallSyn(old * RECORD_WORDS);
    this.#store.end(old, ENDED_REPLACED);
    const index = this.#open(hash, this.#key.swapped ^ 1);
    if (index < 0) return index;
    this.direction = 1;
    this.#segment.read(bytes, layout);
    this.#tcp.judge(index * RECORD_WORDS, 1);
    this.records.answer(index);
    return index;
  }

  #open(hash: number, opener: number): number {
    const index = this.#insert(hash, KIND_TCP, opener);
    if (index < 0) return index;
    if (this.#segment.words[SEGMENT_FLAGS] === ACK) this.#add(COUNT_PICKED_UP);
    this.#tcp.open(index * RECORD_WORDS);
    return index;
  }

  #insert(hash: number, kind: number, opener: number): number {
    const index = this.#store.insert(this.#key, hash, kind, opener);
    if (index >= 0) this.isNew = 1;
    else this.missing = MISSING_FULL;
    return index;
  }

  #trackUnkeyed(kind: number, bytes: Uint8Array, layout: IpLayout, zone: number): number {
    if (kind === QUOTES) return this.#trackQuoted(bytes, layout, zone);
    if (kind !== UNTRACKED) return this.#refuse(NONE, INVALID_HEADER);
    this.#add(COUNT_UNTRACKED);
    this.missing = MISSING_UNTRACKED;
    return NONE;
  }

  /** The flow of the datagram that an ICMP error quotes. */
  #trackQuoted(bytes: Uint8Array, layout: IpLayout, zone: number): number {
    const at = layout.transportOffset + ICMP_HEADER_LENGTH;
    const quoted = this.#quoted;
    const key = this.#key;
    const isSound =
      parseIpLayout(bytes, at, layout.length - at, ANY_LENGTH, quoted) &&
      quoted.version === layout.version &&
      quoted.fragmentOffset === 0 &&
      isToSource(bytes, at, layout.version === 4);
    if (!isSound || key.load(bytes, at, quoted, zone) !== KEYED) return this.#refuse(NONE, INVALID_QUOTE);
    const index = this.#store.find(key, key.hash());
    if (index < 0) return this.#refuse(NONE, INVALID_QUOTE);
    this.#setDirection(key.swapped, index);
    if (quoted.protocol === ipv4.PROTOCOL_TCP) {
      if (quoted.length - quoted.transportOffset < QUOTED_TCP_LENGTH) return this.#refuse(index, INVALID_QUOTE);
      const sequence = readWord(bytes, at + quoted.transportOffset + 4);
      if (!this.#tcp.isUnderWay(index * RECORD_WORDS, this.direction, sequence)) {
        return this.#refuse(index, INVALID_QUOTE);
      }
    }
    // It travels against the datagram that it quotes.
    this.direction = this.direction === 0 ? 1 : 0;
    this.isRelated = 1;
    this.#add(COUNT_RELATED);
    return index;
  }

  /** A fragment without ports: what its first one was. */
  #trackLater(bytes: Uint8Array, layout: IpLayout, length: number, zone: number): number {
    const fragments = this.#fragments;
    const now = this.#store.clock.now;
    const entry = fragments.find(bytes, layout, zone, now);
    const index = entry < 0 ? NONE : fragments.flowOf(entry);
    if (index < 0 || !this.#store.isLive(index, fragments.generationOf(entry))) {
      this.#add(COUNT_FRAGMENTS_LOST);
      this.missing = MISSING_FRAGMENT;
      return NONE;
    }
    this.direction = fragments.directionOf(entry);
    if (this.records.kindOf(index) === KIND_TCP) {
      const end = layout.fragmentOffset + layout.declaredLength - layout.transportOffset;
      this.#tcp.extend(index * RECORD_WORDS, this.direction, (fragments.baseOf(entry) + end) | 0);
    }
    this.#store.use(index, this.records.stateOf(index));
    this.records.count(index, this.direction, length, now);
    this.#add(COUNT_FRAGMENTS);
    return index;
  }

  #rememberFirst(index: number, bytes: Uint8Array, layout: IpLayout, zone: number): void {
    const { records } = this;
    // Where the transport header starts within what was cut into fragments: at 0, unless IPv6 has options there.
    const inside = layout.transportOffset - fragmentedAt(bytes, layout);
    const base = ((this.#segment.words[SEGMENT_BASE] as number) - inside) | 0;
    const now = this.#store.clock.now;
    this.#fragments.remember(bytes, layout, zone, now, index, records.generationOf(index), this.direction, base);
  }

  #setDirection(swapped: number, index: number): void {
    this.direction = swapped === this.records.openerOf(index) ? 0 : 1;
  }

  #refuse(index: number, reason: InvalidReason): number {
    this.isInvalid = 1;
    this.invalidReason = reason;
    if (index < 0) this.missing = MISSING_INVALID;
    this.#add(COUNT_INVALID + reason);
    return index;
  }

  #add(counter: number): void {
    this.counters[counter] = (this.counters[counter] as number) + 1;
  }

  #clear(): void {
    this.direction = 0;
    this.isNew = 0;
    this.isRelated = 0;
    this.isInvalid = 0;
    this.invalidReason = VALID;
    this.missing = MISSING_NOT;
  }
}

/** True when the datagram at octet 0 goes to the source of the one at `at`. */
function isToSource(bytes: Uint8Array, at: number, isIpv4: boolean): boolean {
  const destination = isIpv4 ? IPV4_DESTINATION : ipv6.DESTINATION_OFFSET;
  const source = at + (isIpv4 ? IPV4_SOURCE : ipv6.SOURCE_OFFSET);
  for (let octet = 0, end = isIpv4 ? 4 : 16; octet < end; octet += 4) {
    if (readWord(bytes, destination + octet) !== readWord(bytes, source + octet)) return false;
  }
  return true;
}
