/**
 * Finds the first rule that a packet matches, among any number of rules, for one IP version.
 *
 * ```
 *   packet ─> seven numbers ─> seven records (node-store.ts) ─┬─ "and" of the chunk bits ──> chunks in which all fields have rules
 *                                                             ├─ "and" of the word bits ───> words in which all fields have rules
 *                                                             └─ "and" of the words ───────> rules: the first bit is the answer
 * ```
 * Bit vectors (Lakshman and Stiliadis, SIGCOMM 1998) with aggregates (Baboescu and Varghese, SIGCOMM 2001), the vectors kept without
 * their zeros and the rules laid out by what tells them apart (layout.ts).
 *
 * Why this and no decision tree: which rules a source and a destination have in common is, with lists in rules, the intersection of
 * two sets, for which no index is known that is both small and quick (Patrascu and Roditty, FOCS 2010). Trees (HiCuts, HyperCuts) and
 * tables of combinations (RFC) pay with copies of rules and tuple spaces with look-ups, without a bound that one could state. Here both
 * are bounded, whatever the N rules are:
 *
 * - Time: the search of each address; then at most N / 32 + 17 words, seven reads for each. A few words where rules differ.
 * - Memory: N / 8 octets for each interval of each field, less what is equal or zero; never more than `MAX_NODES`. Rules that
 *   need more are refused at set-up: there is no slower way that a packet could be sent.
 *
 * Rule: nothing is allocated for a packet, and nothing is thrown.
 *
 * @module
 */

import type { Context, Packet } from 'firehook';
import { AddressIndex } from './address-index.ts';
import { axisOf } from './axis.ts';
import {
  DEPARTURE,
  DESTINATION,
  FIELDS,
  FIRST_ICMP,
  icmpOf,
  KIND,
  kindOf,
  NO_PORT,
  type RuleSets,
  SOURCE,
  SOURCE_PORT,
  UPPER,
  WAY,
  wayOf,
} from './fields.ts';
import { type Layout, layOut, NO_RULE } from './layout.ts';
import { ALL_ONES, type NodeStore } from './node-store.ts';
import { icmpTypeAndCode, stateOf } from './packet-reads.ts';
import { SUMMARY_CHUNKS, sweep } from './sweep.ts';
import type { Value } from './value-set.ts';

const PROTOCOL_TCP = 6;
const EMPTY = new Int32Array(0);

/** What a {@link RuleIndex} is made of. */
export interface IndexOptions {
  readonly version: 4 | 6;
  /** Each asks for one field at least. */
  readonly rules: readonly RuleSets[];
  /** Numbers of the same rules, rising. */
  readonly numbers: readonly number[];
  /** The rule that is found where no other is: one without conditions, or {@link NO_RULE}. */
  readonly otherwise: number;
  /** Values that each field can have. */
  readonly sizes: readonly Value[];
  /** Indexes of the interfaces that rules name. */
  readonly interfaces: Int32Array;
  /** A rule asks for the state of a flow. */
  readonly hasStates: boolean;
}

/** An immutable index. One packet at a time: the numbers of the packet at hand are in its memory. */
export class RuleIndex {
  readonly #icmp: number;
  readonly #asksForIcmp: boolean;
  readonly #asksForStates: boolean;
  readonly #interfaces: Int32Array;
  readonly #otherwise: number;
  readonly #order: Int32Array;
  readonly #chunkFields: Uint8Array;
  /** Numbers of fields that a rule asks for. */
  readonly #used: Uint8Array;
  readonly #source: AddressIndex | null;
  readonly #destination: AddressIndex | null;
  /** Records by value, of the fields that are no addresses; empty for one that no rule asks for. */
  readonly #sourcePorts: Int32Array;
  readonly #uppers: Int32Array;
  readonly #kinds: Int32Array;
  readonly #ways: Int32Array;
  readonly #departures: Int32Array;
  /** Chunk bits that are set whatever the record of a field says: those of chunks that do not ask for it. By summary and field. */
  readonly #free: Int32Array;
  readonly #summaries: number;
  /** Places of the records of the packet at hand, by field. */
  readonly #records = new Int32Array(FIELDS);
  /** Pairs of the chunk at hand, by field. */
  readonly #bits = new Int32Array(FIELDS);
  readonly #places = new Int32Array(FIELDS);
  /** True when some field has few words in the chunk at hand. */
  #isSparse = false;
  #memory: Int32Array = EMPTY;

  /**
   * @param nodes - takes the vectors; `useMemory` hands them over when all indexes are made
   * @throws {@link TooLarge} when they do not fit
   */
  constructor(options: IndexOptions, nodes: NodeStore) {
    const { version, rules, numbers, sizes, interfaces, otherwise } = options;
    const axes = sizes.map((size, field) => axisOf(field, rules, size));
    const layout = layOut(rules, numbers, axes);
    const records = axes.map((axis, field) => (axis === null ? EMPTY : sweep(field, axis, rules, layout, nodes)));
    const addresses = (field: number): AddressIndex | null =>
      axes[field] == null
        ? null
        : new AddressIndex(axes[field].starts as readonly bigint[], records[field] ?? EMPTY, version === 4 ? 4 : 16);
    const table = (field: number): Int32Array =>
      axes[field] == null ? EMPTY : filled(axes[field].starts, records[field] ?? EMPTY, Number(sizes[field]));
    this.#icmp = icmpOf(version);
    this.#interfaces = interfaces;
    this.#otherwise = otherwise;
    this.#order = layout.order;
    this.#chunkFields = layout.chunkFields;
    this.#used = Uint8Array.from(axes.flatMap((axis, field) => (axis === null ? [] : [field])));
    this.#source = addresses(SOURCE);
    this.#destination = addresses(DESTINATION);
    this.#sourcePorts = table(SOURCE_PORT);
    this.#uppers = table(UPPER);
    this.#kinds = table(KIND);
    this.#ways = table(WAY);
    this.#departures = table(DEPARTURE);
    this.#asksForStates = options.hasStates;
    this.#asksForIcmp = axes[UPPER]?.starts.some((start) => start >= FIRST_ICMP) ?? false;
    this.#summaries = Math.ceil(layout.chunkFields.length / SUMMARY_CHUNKS);
    this.#free = freeChunks(layout, this.#summaries);
  }

  /** To be called once, when the store has everything. */
  useMemory(memory: Int32Array): void {
    this.#memory = memory;
  }

  /** Number of the first rule that the packet matches, or what there is otherwise. Never allocates. */
  find(packet: Packet, context: Context): number {
    this.#load(packet, context);
    const memory = this.#memory;
    const records = this.#records;
    const used = this.#used;
    let best = this.#otherwise;
    for (let summary = 0; summary < this.#summaries; summary++) {
      let chunks = -1;
      for (let index = 0; index < used.length; index++) {
        const field = used[index] as number;
        const bits = memory[(records[field] as number) + 2 * summary] as number;
        chunks &= bits | (this.#free[summary * FIELDS + field] as number);
      }
      for (; chunks !== 0; chunks &= chunks - 1) best = this.#findIn(summary, lowest(chunks), best);
    }
    return best;
  }

  /** The first match in a chunk, or `best` where that comes before it. */
  #findIn(summary: number, chunk: number, best: number): number {
    const number = summary * SUMMARY_CHUNKS + chunk;
    // Chunks, and words of a chunk, are in the order of their first rules.
    if ((this.#order[number << 10] as number) >= best) return best;
    const fields = this.#chunkFields[number] as number;
    const words = this.#loadChunk(summary, chunk, fields);
    if (words === 0) return best;
    return this.#isSparse
      ? this.#findInFew(number, fields, words, best)
      : this.#findInMany(number, fields, words, best);
  }

  /** Finds the pairs of a chunk; returns the words in which every field has rules. */
  #loadChunk(summary: number, chunk: number, fields: number): number {
    const memory = this.#memory;
    let words = -1;
    let sign = 0;
    for (let left = fields; left !== 0; left &= left - 1) {
      const field = lowest(left);
      const record = (this.#records[field] as number) + 2 * summary;
      const below = (memory[record] as number) & ~(-1 << chunk);
      const pair = (memory[record + 1] as number) + 2 * ones(below);
      const bits = memory[pair] as number;
      const place = memory[pair + 1] as number;
      words &= bits;
      if (words === 0) return 0;
      sign |= place;
      this.#bits[field] = bits;
      this.#places[field] = place;
    }
    this.#isSparse = sign < 0;
    return words;
  }

  /** Where some field has few words, and these are looked for by counting. */
  #findInFew(chunk: number, fields: number, words: number, best: number): number {
    const order = this.#order;
    let first = best;
    for (let left = words; left !== 0; left &= left - 1) {
      const word = lowest(left);
      const position = (chunk << 10) | (word << 5);
      if ((order[position] as number) >= first) return first;
      const rules = this.#rulesIn(word, fields);
      if (rules === 0) continue;
      const rule = order[position | lowest(rules)] as number;
      if (rule < first) first = rule;
    }
    return first;
  }

  /** Where all fields have all words: the one loop that can go over many of them, so it has no branch for a field. */
  #findInMany(chunk: number, fields: number, words: number, best: number): number {
    const memory = this.#memory;
    const order = this.#order;
    const places = this.#places;
    for (let field = 0; field < FIELDS; field++) if (((fields >>> field) & 1) === 0) places[field] = ALL_ONES;
    const source = places[SOURCE] as number;
    const destination = places[DESTINATION] as number;
    const sourcePort = places[SOURCE_PORT] as number;
    const upper = places[UPPER] as number;
    const kind = places[KIND] as number;
    const way = places[WAY] as number;
    const departure = places[DEPARTURE] as number;
    let first = best;
    for (let left = words; left !== 0; left &= left - 1) {
      const word = lowest(left);
      const position = (chunk << 10) | (word << 5);
      if ((order[position] as number) >= first) return first;
      const rules =
        (memory[source + word] as number) &
        (memory[destination + word] as number) &
        (memory[sourcePort + word] as number) &
        (memory[upper + word] as number) &
        (memory[kind + word] as number) &
        (memory[way + word] as number) &
        (memory[departure + word] as number);
      if (rules === 0) continue;
      const rule = order[position | lowest(rules)] as number;
      if (rule < first) first = rule;
    }
    return first;
  }

  /** The rules of a word that match in every field. */
  #rulesIn(word: number, fields: number): number {
    const memory = this.#memory;
    let rules = -1;
    for (let left = fields; left !== 0; left &= left - 1) {
      const field = lowest(left);
      const place = this.#places[field] as number;
      const at = place >= 0 ? place + word : ~place + ones((this.#bits[field] as number) & ~(-1 << word));
      rules &= memory[at] as number;
      if (rules === 0) return 0;
    }
    return rules;
  }

  /** Finds the record of each field that is asked for. */
  #load(packet: Packet, context: Context): void {
    const records = this.#records;
    if (this.#source !== null) records[SOURCE] = this.#source.find(packet.source);
    if (this.#destination !== null) records[DESTINATION] = this.#destination.find(packet.destination);
    if (this.#sourcePorts.length > 0) {
      const port = packet.sourcePort;
      records[SOURCE_PORT] = this.#sourcePorts[port < 0 ? NO_PORT : port] as number;
    }
    if (this.#uppers.length > 0) records[UPPER] = this.#uppers[this.#upperOf(packet)] as number;
    if (this.#kinds.length > 0) {
      const { protocol } = packet;
      const fragment = packet.isFragment ? (packet.fragmentOffset === 0 ? 1 : 2) : 0;
      records[KIND] = this.#kinds[
        kindOf(protocol, fragment, protocol === PROTOCOL_TCP ? packet.tcpFlags : -1)
      ] as number;
    }
    if (this.#ways.length > 0) {
      const way = wayOf(
        this.#slotOf(context.recvInterfaceIndex),
        this.#asksForStates ? stateOf(packet) : 0,
        context.direction,
      );
      records[WAY] = this.#ways[way] as number;
    }
    if (this.#departures.length > 0)
      records[DEPARTURE] = this.#departures[this.#slotOf(context.sendInterfaceIndex)] as number;
  }

  #upperOf(packet: Packet): number {
    const port = packet.destinationPort;
    if (port >= 0) return port;
    if (!this.#asksForIcmp || packet.protocol !== this.#icmp) return NO_PORT;
    const message = icmpTypeAndCode(packet);
    return message < 0 ? NO_PORT : FIRST_ICMP + message;
  }

  #slotOf(index: number): number {
    const interfaces = this.#interfaces;
    for (let slot = 0; slot < interfaces.length; slot++) if (interfaces[slot] === index) return slot + 1;
    return 0;
  }
}

/** Place of the lowest bit of a number that is not 0. */
function lowest(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

/** How many bits are set (Hacker's Delight, 5-1). */
function ones(bits: number): number {
  const pairs = (bits - ((bits >>> 1) & 0x5555_5555)) | 0;
  const fours = ((pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333)) | 0;
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

/** A place for each value: the record of its interval. */
function filled(starts: readonly Value[], records: Int32Array, size: number): Int32Array {
  const table = new Int32Array(size);
  for (const [index, start] of starts.entries()) {
    table.fill(records[index] as number, Number(start), Number(starts[index + 1] ?? size));
  }
  return table;
}

function freeChunks({ chunkFields }: Layout, summaries: number): Int32Array {
  const free = new Int32Array(summaries * FIELDS);
  for (const [chunk, fields] of chunkFields.entries()) {
    for (let field = 0; field < FIELDS; field++) {
      const at = (chunk >>> 5) * FIELDS + field;
      if (((fields >>> field) & 1) === 0) free[at] = (free[at] as number) | (1 << chunk);
    }
  }
  return free;
}
