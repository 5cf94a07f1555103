/**
 * Prefix tables alone, in this process: nanoseconds of a look-up, milliseconds of reading and building, octets.
 *
 * ```
 *   node --import tsx test/bench/prefix.bench.ts [--prefixes N] [--rounds N]      no root
 *   address by chance ─> PrefixTable.lookup
 * ```
 * An address is made anew for each look-up, so no cache holds where it leads: as under a flood of made-up senders. "any" are addresses of
 * the space that the prefixes are in; "within" are in a prefix of the list. What it takes to make an address is measured alone and taken off;
 * to take one of the list costs it a place of memory, which the look-up then has to do without. A figure is the median over the rounds, of
 * processor time.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import type { AddressView } from '../../src/hook/packet/address-view.ts';
import { buildPrefixTable, type PrefixEntry } from '../../src/prefix/build-table.ts';
import { findFault } from '../../src/prefix/find-fault.ts';
import { ListReader } from '../../src/prefix/list-reader.ts';
import { PrefixTable } from '../../src/prefix/prefix-table.ts';
import { formatAddress } from '../../src/wire/address.ts';
import { writeU32 } from '../../src/wire/bytes.ts';
import { packetSources } from '../unit/prefix/prefix-rig.ts';
import { median } from './measure.ts';

const LOOKUPS = 200_000;
/** Different values: one octet a row. */
const VALUES = 200;
/** First 16 bits of what the registries have given out of IPv6. */
const IPV6_BLOCKS = [
  0x2001, 0x2400, 0x2401, 0x2402, 0x2403, 0x2404, 0x2405, 0x2406, 0x2407, 0x2408, 0x2409, 0x240a, 0x2600, 0x2601,
  0x2602, 0x2603, 0x2604, 0x2605, 0x2606, 0x2607, 0x2620, 0x2800, 0x2803, 0x2804, 0x2806, 0x2a00, 0x2a01, 0x2a02,
  0x2a03, 0x2a04, 0x2a05, 0x2a06, 0x2a07, 0x2a09, 0x2a0a, 0x2a0b, 0x2a0c, 0x2a0d, 0x2a0e, 0x2a0f, 0x2a10, 0x2c0f,
];

const { values } = parseArgs({
  options: { prefixes: { type: 'string', default: '500000' }, rounds: { type: 'string', default: '15' } },
});
const prefixes = Number(values.prefixes);
const rounds = Number(values.rounds);

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

for (const kind of KINDS) measure(kind);

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
  const table = new PrefixTable(memory);
  const { size } = table;
  console.log(
    `${kind.name}: ${size} prefixes, ${(memory.byteLength / 2 ** 20).toFixed(1)} MiB (${(memory.byteLength / size).toFixed(1)} octets each)`,
  );
  console.log(`  build ${buildMs} ms, read and build ${readMs} ms, look for faults ${checkMs} ms`);
  const { view, octets: bytes } = packetSources()[kind.octets === 4 ? 0 : 1] as ReturnType<
    typeof packetSources
  >[number];
  const within = withinOf(entries, kind.octets);
  for (const [name, make] of [
    ['any', () => kind.any(bytes)],
    ['within', () => within(bytes)],
  ] as const)
    console.log(`  ${name.padEnd(7)} ${lookupNs(make, table, view)}`);
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

function lookupNs(make: () => void, table: PrefixTable, view: AddressView): string {
  let sum = 0;
  const times: number[] = [];
  for (let round = 0; round < rounds + 2; round++) {
    const start = process.cpuUsage();
    for (let count = 0; count < LOOKUPS; count++) {
      make();
      sum += view.at(3);
    }
    const between = process.cpuUsage();
    for (let count = 0; count < LOOKUPS; count++) {
      make();
      sum += table.lookup(view);
    }
    const end = process.cpuUsage();
    const ns = ((end.user - between.user - (between.user - start.user)) * 1_000) / LOOKUPS;
    // The first rounds are the compiler's.
    if (round >= 2) times.push(ns);
  }
  if (sum === 0) throw new Error('nothing was found');
  return `median ${median(times).toFixed(0).padStart(4)} ns, least ${Math.min(...times)
    .toFixed(0)
    .padStart(4)} ns`;
}

function least(task: () => unknown): string {
  const times = Array.from({ length: 3 }, () => {
    const start = performance.now();
    task();
    return performance.now() - start;
  });
  return Math.min(...times).toFixed(0);
}
