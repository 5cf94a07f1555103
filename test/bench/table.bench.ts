/**
 * Tables of hooks alone, in this process: nanoseconds of a look-up that finds something, of one that does not, and of setting.
 *
 * ```
 *   node --import tsx test/bench/table.bench.ts [--rounds N]      no root
 *   key by chance ─> HookTable.get, set
 * ```
 * The memory is shared, as that of a daemon is. Keys are taken by chance from as many as the table has, so that no cache of the larger table holds
 * where they lead. What it takes to make a key is measured alone and taken off. A figure is the median over the rounds, of processor time.
 *
 * @module
 */

import { closeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { widenInlining } from '../../src/lane/engine.ts';
import { loadNative } from '../../src/native/load-native.ts';
import { HookTable } from '../../src/table/hook-table.ts';
import { layoutOf } from '../../src/table/table-layout.ts';
import { writeU32 } from '../../src/wire/bytes.ts';
import { packetSources } from '../unit/prefix/prefix-rig.ts';
import { DeskClock, SEEDS } from '../unit/table/table-rig.ts';
import { median } from './measure.ts';

const CALLS = 200_000;
/** Spreads numbers over addresses. */
const FACTOR = 0x9e37_79b1;

widenInlining();
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '21' } } });
const rounds = Number(values.rounds);

/** So that no call is left out by the compiler. */
export let sink = 0;

let state = 0x2545_f491;
function next(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 1) % below;
}

for (const [name, keyOctets, isSix, port] of [
  ['IPv4', 16, false, 0],
  ['IPv6', 16, true, 0],
  ['IPv6 and a port', 40, true, 443],
] as const)
  for (const most of [10_000, 1_000_000]) measure(name, { most, keyOctets, ttlMs: 60_000 }, isSix, port);

function measure(
  name: string,
  options: { readonly most: number; readonly keyOctets: number; readonly ttlMs: number },
  isSix: boolean,
  port: number,
): void {
  const { octets } = layoutOf(options);
  const native = loadNative();
  const fd = native.createMemory('firehook-bench', octets);
  const table = new HookTable(native.mapMemory(fd, octets), 0, options, SEEDS, new DeskClock().clock);
  closeSync(fd);
  const { view, octets: bytes } = packetSources()[isSix ? 1 : 0] as ReturnType<typeof packetSources>[number];
  const at = isSix ? 12 : 0;
  const make = (number: number): void => writeU32(bytes, at, Math.imul(number, FACTOR));
  const keyOf = port === 0 ? () => view : () => table.key(view, port);
  const { most } = options;
  for (let number = 0; number < most; number++) {
    make(number);
    table.set(keyOf(), 1 + number);
  }
  const { evicted } = table;
  const empty = nsOf(() => make(next(most)));
  const costs = [
    ['get, found', () => sinkIt(table.get(keyOf()))],
    ['get, not found', () => sinkIt(table.get(keyOf())), most],
    ['set, known', () => table.set(keyOf(), 5)],
  ] as const;
  const figures = costs.map(([what, call, from = 0]) => {
    const ns = nsOf(() => {
      make(from + next(most));
      call();
    });
    return `${what} ${(ns - empty).toFixed(0)} ns`;
  });
  console.log(
    `${name}, ${most} entries, ${(octets / 2 ** 20).toFixed(1)} MiB: ${figures.join(', ')}; given up when it was filled: ${evicted}`,
  );
}

function sinkIt(value: number): void {
  sink ^= value;
}

function nsOf(call: () => void): number {
  const times = Array.from({ length: rounds + 2 }, () => {
    const before = process.cpuUsage();
    for (let count = 0; count < CALLS; count++) call();
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1_000) / CALLS;
  });
  // The first ones are the compiler's.
  return median(times.slice(2));
}
