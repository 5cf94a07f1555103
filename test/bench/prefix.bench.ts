/**
 * Prefix tables alone, in this process: nanoseconds of a look-up, milliseconds of reading and building, octets, and what an
 * exchange costs the lane.
 *
 * ```
 *   node --import tsx test/bench/prefix.bench.ts [--prefixes N] [--rounds N] [--only WORDS]      no root
 *   address by chance ─> PrefixTable.lookup
 * ```
 * Each look-up has another address, so no cache holds where it leads: as under a flood of made-up senders. "any" are addresses of
 * the space that the prefixes are in; "within" are in a prefix of the list. The addresses of all rounds are laid out before, in the order of
 * use, in one buffer; each is copied to where the packet has it, just before it is looked up. So the processor fetches the buffer ahead, and the
 * address is in its nearest cache, as that of a packet is whose header has been read. What the copying takes is measured alone and taken off.
 * The table is mapped as in a lane. "a read" is one line of as much memory, by chance, and nothing else: a look-up of something that no cache
 * holds is not faster. A figure is the median over the rounds, of processor time.
 *
 * An exchange is what a lane does between two packets: it takes the descriptor, maps the memory, and unmaps the former. Then it looks up
 * a batch of addresses, for which the kernel fills in the pages that no look-up has touched. The longest of all rounds is the pause: by the
 * clock, with what others took of the processor meanwhile, and in processor time.
 *
 * @module
 */

import { closeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { widenInlining } from '../../src/lane/engine.ts';
import { LaneTables } from '../../src/lane/lane-tables.ts';
import { loadNative } from '../../src/native/load-native.ts';
import { LINE_WORDS } from '../../src/prefix/bucket-format.ts';
import { buildPrefixTable, type PrefixEntry } from '../../src/prefix/build-table.ts';
import { findFault } from '../../src/prefix/find-fault.ts';
import { ListReader } from '../../src/prefix/list-reader.ts';
import { PrefixTable } from '../../src/prefix/prefix-table.ts';
import { formatAddress } from '../../src/wire/address.ts';
import { writeU32 } from '../../src/wire/bytes.ts';
import { packetSources } from '../unit/prefix/prefix-rig.ts';
import { median } from './measure.ts';

const LOOKUPS = 200_000;
/** A batch of packets, as a ring hands one out. */
const BATCH = 256;
/** Different values: one octet a row. */
const VALUES = 200;
/** First 16 bits of what the registries have given out of IPv6. */
const IPV6_BLOCKS = [
  0x2001, 0x2400, 0x2401, 0x2402, 0x2403, 0x2404, 0x2405, 0x2406, 0x2407, 0x2408, 0x2409, 0x240a, 0x2600, 0x2601,
  0x2602, 0x2603, 0x2604, 0x2605, 0x2606, 0x2607, 0x2620, 0x2800, 0x2803, 0x2804, 0x2806, 0x2a00, 0x2a01, 0x2a02,
  0x2a03, 0x2a04, 0x2a05, 0x2a06, 0x2a07, 0x2a09, 0x2a0a, 0x2a0b, 0x2a0c, 0x2a0d, 0x2a0e, 0x2a0f, 0x2a10, 0x2c0f,
];

widenInlining();
const { values } = parseArgs({
  options: {
    prefixes: { type: 'string', default: '500000' },
    rounds: { type: 'string', default: '15' },
    /** Kinds whose name has these words. */
    only: { type: 'string', default: '' },
  },
});
const prefixes = Number(values.prefixes);
const rounds = Number(values.rounds);

/** So that no look-up is left out by the compiler. */
export let sink = 0;

/** xorshift32, with a sign. */
let state = 0x2545_f491;
function next(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state;
}

interface Kind {
  readonly name: string;
  readonly octets: 4 | 16;
  /** Lengths, each as often as it stands here. */
  readonly lengths: readonly number[];
  /** Writes an address of the space that the prefixes are in. */
  any(bytes: Uint8Array): void;
}

function ofIpv4(bytes: Uint8Array): void {
  writeU32(bytes, 0, next());
}

function ofIpv6(bytes: Uint8Array): void {
  const random = next();
  writeU32(bytes, 0, ((IPV6_BLOCKS[(random >>> 1) % IPV6_BLOCKS.length] as number) << 16) | (random & 0xfff8));
  for (let octet = 4; octet < 16; octet += 4) writeU32(bytes, octet, next());
}

const KINDS: readonly Kind[] = [
  {
    name: 'IPv4, /16 to /24 as in a routing table',
    octets: 4,
    lengths: [24, 24, 24, 24, 24, 24, 24, 23, 23, 22, 22, 22, 21, 20, 19, 16],
    any: ofIpv4,
  },
  { name: 'IPv4, single addresses', octets: 4, lengths: [32], any: ofIpv4 },
  {
    name: 'IPv4, single addresses of one /12',
    octets: 4,
    lengths: [32],
    any: (bytes) => writeU32(bytes, 0, 0x0a00_0000 | (next() & 0xf_ffff)),
  },
  {
    name: 'IPv6, /29 to /64 as in a routing table',
    octets: 16,
    lengths: [48, 48, 48, 48, 32, 32, 29, 36, 40, 44, 64],
    any: ofIpv6,
  },
  { name: 'IPv6, single addresses', octets: 16, lengths: [128], any: ofIpv6 },
];

for (const kind of KINDS) if (kind.name.includes(values.only)) measure(kind);

function measure(kind: Kind): void {
  const entries = makeEntries(kind);
  const text = Buffer.from(
    entries.map(({ bytes, prefixLength, value }) => `${formatAddress(bytes)}/${prefixLength} ${value}`).join('\n'),
  );
  const buildMs = least(() => buildPrefixTable(entries));
  const readMs = least(() => {
    const reader = new ListReader({ file: 'list', values: null });
    reader.take(text);
    reader.end();
  });
  const memory = buildPrefixTable(entries);
  const checkMs = least(() => findFault(memory));
  const { size } = new PrefixTable(memory);
  console.log(
    `${kind.name}: ${size} prefixes, ${(memory.byteLength / 2 ** 20).toFixed(1)} MiB (${(memory.byteLength / size).toFixed(1)} octets each)`,
  );
  console.log(`  build ${buildMs} ms, read and build ${readMs} ms, look for faults ${checkMs} ms`);
  const source = packetSources()[kind.octets === 4 ? 0 : 1] as ReturnType<typeof packetSources>[number];
  const { mapped, close } = mapAsLanesDo(memory);
  const within = withinOf(entries, kind.octets);
  for (const [name, make] of [
    ['any', kind.any],
    ['within', within],
  ] as const)
    console.log(`  ${name.padEnd(7)} ${lookupNs(make, mapped, source)}`);
  console.log(`  a read  ${readNs(memory.byteLength)}`);
  close();
  measureExchange(kind, memory);
}

/** The table in sealed memory that is mapped here: from the start of a page, and in pages of 4 KiB. */
function mapAsLanesDo(memory: ArrayBuffer): { mapped: PrefixTable; close: () => void } {
  const native = loadNative();
  const [here, there] = native.openHandover();
  const fd = native.createConstant('firehook-bench', new Uint8Array(memory));
  native.sendDescriptor(here, 1, fd);
  const tables = new LaneTables(native, there);
  tables.take({ name: 'bench', version: 1, id: 1, octets: memory.byteLength });
  return {
    mapped: tables.tables.get('bench') as PrefixTable,
    close: () => {
      for (const each of [here, there, fd]) closeSync(each);
    },
  };
}

function measureExchange(kind: Kind, memory: ArrayBuffer): void {
  const native = loadNative();
  const [here, there] = native.openHandover();
  const tables = new LaneTables(native, there);
  const { view, octets: bytes } = packetSources()[kind.octets === 4 ? 0 : 1] as ReturnType<
    typeof packetSources
  >[number];
  const exchanges: number[] = [];
  const processor: number[] = [];
  const batches: number[] = [];
  const later: number[] = [];
  let sum = 0;
  const batch = (table: PrefixTable | undefined): number => {
    const start = performance.now();
    for (let count = 0; count < BATCH; count++) {
      kind.any(bytes);
      sum += table?.lookup(view) ?? 0;
    }
    return performance.now() - start;
  };
  let former = -1;
  for (let id = 1; id <= 10 * rounds; id++) {
    const fd = native.createConstant('firehook-bench', new Uint8Array(memory));
    native.sendDescriptor(here, id, fd);
    const used = process.cpuUsage();
    const start = performance.now();
    tables.take({ name: 'bench', version: id, id, octets: memory.byteLength });
    const table = tables.tables.get('bench');
    const taken = performance.now();
    exchanges.push(taken - start);
    const { user, system } = process.cpuUsage(used);
    processor.push((user + system) / 1_000);
    // As the supervisor does: it is the one who gives the memory back.
    if (former !== -1) closeSync(former);
    former = fd;
    batches.push(batch(table));
    for (let count = 0; count < 100; count++) batch(table);
    later.push(batch(table));
  }
  for (const fd of [here, there, former]) closeSync(fd);
  sink = sum;
  const us = (ms: number): string => `${(ms * 1_000).toFixed(0)} µs`;
  // The first of them has nothing to unmap and is the compiler's.
  for (const [name, times] of [
    ['exchange', exchanges],
    ['exchange, in processor time', processor],
    [`first ${BATCH} look-ups after it`, batches],
    [`${BATCH} look-ups later`, later],
  ] as const)
    console.log(
      `  ${name}: median ${us(median(times.slice(1)))}, longest of ${times.length - 1} ${us(Math.max(...times.slice(1)))}`,
    );
}

function makeEntries({ octets, lengths, any }: Kind): PrefixEntry[] {
  return Array.from({ length: prefixes }, () => {
    const bytes = new Uint8Array(16);
    any(bytes);
    const prefixLength = lengths[(next() >>> 1) % lengths.length] as number;
    const kept = bytes
      .subarray(0, octets)
      .map((octet, index) => octet & ~(0xff >>> Math.max(0, Math.min(8, prefixLength - 8 * index))));
    return { bytes: kept, prefixLength, value: 1 + ((next() >>> 1) % VALUES) };
  });
}

/** Addresses within the prefixes, the bits behind them by chance. */
function withinOf(entries: readonly PrefixEntry[], octets: 4 | 16): (bytes: Uint8Array) => void {
  const words = octets / 4;
  const networks = new Int32Array(entries.length * words);
  const lengths = Uint8Array.from(entries, ({ prefixLength }) => prefixLength);
  for (const [index, { bytes }] of entries.entries())
    for (let word = 0; word < words; word++) networks[index * words + word] = Buffer.from(bytes).readInt32BE(word * 4);
  return (bytes) => {
    const index = (next() >>> 1) % lengths.length;
    for (let word = 0; word < words; word++) {
      const kept = (lengths[index] as number) - 32 * word;
      const hostBits = kept <= 0 ? -1 : kept >= 32 ? 0 : -1 >>> kept;
      writeU32(bytes, word * 4, (networks[index * words + word] as number) | (hostBits === 0 ? 0 : next() & hostBits));
    }
  };
}

function lookupNs(
  make: (bytes: Uint8Array) => void,
  table: PrefixTable,
  { view, octets }: ReturnType<typeof packetSources>[number],
): string {
  const words = octets.length / 4;
  const octetsOfRound = LOOKUPS * octets.length;
  const laidOut = Buffer.alloc(octetsOfRound * (rounds + 2));
  for (let at = 0; at < laidOut.length; at += octets.length) make(laidOut.subarray(at, at + octets.length));
  const to = new Int32Array(octets.buffer, octets.byteOffset, words);
  let sum = 0;
  const times: number[] = [];
  for (let round = 0; round < rounds + 2; round++) {
    const from = new Int32Array(laidOut.buffer, laidOut.byteOffset + round * octetsOfRound, LOOKUPS * words);
    const start = process.cpuUsage();
    for (let at = 0; at < from.length; at += words) {
      for (let word = 0; word < words; word++) to[word] = from[at + word] as number;
      sum += view.at(3);
    }
    const between = process.cpuUsage();
    for (let at = 0; at < from.length; at += words) {
      for (let word = 0; word < words; word++) to[word] = from[at + word] as number;
      sum += table.lookup(view);
    }
    const end = process.cpuUsage();
    const ns = ((end.user - between.user - (between.user - start.user)) * 1_000) / LOOKUPS;
    // The first rounds are the compiler's.
    if (round >= 2) times.push(ns);
  }
  if (sum === 0) throw new Error('nothing was found');
  return inNs(times);
}

/** One line of as much memory, by chance, each named by the one before: what the machine takes for it at this moment. */
function readNs(octets: number): string {
  const lines = Math.floor(octets / (4 * LINE_WORDS));
  const order = Array.from({ length: lines }, (_, line) => line);
  // One circle through all of them (Sattolo).
  for (let last = lines - 1; last > 0; last--) {
    const other = (next() >>> 1) % last;
    [order[last], order[other]] = [order[other] as number, order[last] as number];
  }
  const words = new Int32Array(lines * LINE_WORDS);
  for (const [line, following] of order.entries()) words[line * LINE_WORDS] = following * LINE_WORDS;
  const times: number[] = [];
  let at = 0;
  for (let round = 0; round < rounds + 2; round++) {
    const start = process.cpuUsage();
    for (let count = 0; count < LOOKUPS; count++) at = words[at] as number;
    const { user } = process.cpuUsage(start);
    if (round >= 2) times.push((user * 1_000) / LOOKUPS);
  }
  sink = at;
  return inNs(times);
}

function inNs(times: readonly number[]): string {
  const shown = (ns: number): string => ns.toFixed(0).padStart(4);
  return `median ${shown(median(times))} ns, least ${shown(Math.min(...times))} ns`;
}

function least(task: () => unknown): string {
  const times = Array.from({ length: 3 }, () => {
    const start = performance.now();
    task();
    return performance.now() - start;
  });
  return Math.min(...times).toFixed(0);
}
