/**
 * Promises of a table of a hook that hold for every order of calls, every word at which a writer ends, and whatever stands in the memory.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type HookTable, MOST_VALUE } from '../../../src/table/hook-table.ts';
import { layoutOf } from '../../../src/table/table-layout.ts';
import { chance } from '../prefix/prefix-rig.ts';
import { DeskClock, ownTable, START_MS, TableModel, words } from './table-rig.ts';

const TTL_MS = 10_000;
const KEYS = Array.from({ length: 40 }, (_, index) =>
  index % 2 === 0 ? words(0x0a00_0000 + index) : words(0xfd00_0000, index, -1, index << 20),
);

const step = fc.record({
  lane: fc.nat(1),
  what: fc.constantFrom('get', 'get', 'set', 'set', 'set', 'delete', 'time', 'replace'),
  key: fc.nat(KEYS.length - 1),
  value: fc.oneof(fc.nat(3), fc.nat(MOST_VALUE)),
  ms: fc.integer({ min: 1, max: TTL_MS }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Two lanes and the model do the same. @returns keys that the lanes no longer have, and the model does */
function follow(steps: readonly Step[], most: number): { lost: number; evicted: number } {
  const desk = new DeskClock();
  const { table: first, memory } = ownTable({ most }, desk);
  const lanes = [first, ownTable({ most }, desk, memory).table];
  const model = new TableModel();
  let evicted = 0;
  for (const { lane, what, key, value, ms } of steps) {
    const table = lanes[lane] as HookTable;
    const address = KEYS[key] as (typeof KEYS)[number];
    if (what === 'time') desk.ms += ms;
    else if (what === 'delete') {
      table.delete(address);
      model.set(String(key), 0, 0);
    } else if (what === 'set') {
      table.set(address, value, ms);
      model.set(String(key), value, desk.ms + ms);
    } else if (what === 'replace') {
      evicted += table.evicted;
      lanes[lane] = ownTable({ most }, desk, memory).table;
    } else {
      const found = table.get(address);
      const right = model.get(String(key), desk.ms);
      assert.ok(found === right || (found === 0 && evictedBy(lanes) + evicted > 0), `${found}, and not ${right}`);
    }
  }
  const lost = model.alive(desk.ms).filter((key) => first.get(KEYS[Number(key)] ?? assert.fail()) === 0).length;
  return { lost, evicted: evictedBy(lanes) + evicted };
}

function evictedBy(lanes: readonly HookTable[]): number {
  return lanes.reduce((sum, { evicted }) => sum + evicted, 0);
}

/** The words of two entries for one way, mixed; `from` says of each which of the two it is, or that it is as before. */
function mixed(one: Int32Array, two: Int32Array, before: Int32Array, from: readonly number[]): Int32Array {
  return one.map((word, index) => [word, two[index] as number, before[index] as number][from[index] ?? 2] as number);
}

describe('a table of a hook, whatever happens', () => {
  test('does what a map with times does, in two lanes, as long as there is room', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        assert.deepEqual(follow(steps, 2_000), { lost: 0, evicted: 0 });
      }),
      { seed: 11, numRuns: 300 },
    );
  });

  test('loses an entry in time only where it says so, when there is too little room', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 24 }), (steps, most) => {
        const { lost, evicted } = follow(steps, most);
        assert.ok(lost <= evicted, `${lost} lost, ${evicted} given up`);
      }),
      { seed: 12, numRuns: 300 },
    );
  });

  test('finds what one writer wrote or nothing, where two were killed at any word of the same way', () => {
    const most = 1;
    const size = layoutOf({ most, keyOctets: 40 });
    const entry = fc.record({
      key: fc.nat(3),
      value: fc.integer({ min: 1, max: 3 }),
      ms: fc.constantFrom(500, 501, TTL_MS),
    });
    const writes = fc.tuple(entry, entry, entry);
    const from = fc.array(fc.nat(2), { minLength: size.octets / 4, maxLength: size.octets / 4 });
    let found = 0;
    fc.assert(
      fc.property(writes, from, (all, sources) => {
        const desk = new DeskClock();
        const [before, one, two] = all.map(({ key, value, ms }) => {
          const { table, memory } = ownTable({ most, keyOctets: 40 }, desk);
          table.set(KEYS[key] ?? assert.fail(), value, ms);
          return new Int32Array(memory);
        }) as [Int32Array, Int32Array, Int32Array];
        const memory = mixed(one, two, before, sources).buffer as ArrayBuffer;
        const { table } = ownTable({ most, keyOctets: 40 }, desk, memory);
        for (const [index, key] of KEYS.slice(0, 4).entries()) {
          const value = table.get(key);
          if (value === 0) continue;
          found += 1;
          assert.ok(all.some((written) => written.key === index && written.value === value));
          // It ends when one of those who gave it this value said.
          const ends = all.filter((written) => written.key === index && written.value === value).map(({ ms }) => ms);
          assert.ok(ends.some((ms) => endsAfter(table, desk, key, ms)));
        }
        // And the way can be used as if nothing had happened.
        table.set(KEYS[5] ?? assert.fail(), 9);
        assert.equal(table.get(KEYS[5] ?? assert.fail()), 9);
      }),
      { seed: 13, numRuns: 20_000 },
    );
    assert.ok(found > 200, `${found} entries were whole`);
  });

  test('ends every call with a number of the range, whatever stands in its memory, and works on', () => {
    const next = chance(14);
    const desk = new DeskClock();
    for (const most of [1, 16, 40])
      for (const keyOctets of [16, 40])
        for (let round = 0; round < 1_500; round++) {
          const { table, memory } = ownTable({ most, keyOctets }, desk);
          harm(new Int32Array(memory), table, next);
          for (const [index, key] of KEYS.entries()) {
            const value = table.get(key);
            assert.ok(Number.isInteger(value) && value >= 0 && value <= MOST_VALUE);
            if (next(3) === 0) table.delete(key);
            if (next(3) > 0) continue;
            table.set(key, index + 1);
            assert.equal(table.get(key), index + 1);
          }
        }
  });
});

function endsAfter(table: HookTable, desk: DeskClock, key: ReturnType<typeof words>, ms: number): boolean {
  desk.ms = START_MS + ms - 1;
  const isThere = table.get(key) !== 0;
  desk.ms = START_MS + ms;
  const isOver = table.get(key) === 0;
  desk.ms = START_MS;
  return isThere && isOver;
}

/** What somebody who means harm, and knows the layout and the hash, might write. */
function harm(memory: Int32Array, table: HookTable, next: (below: number) => number): void {
  const kind = next(5);
  if (kind === 0) randomFillSync(memory);
  else if (kind === 1) memory.fill([-1, 0x7fff_ffff, -0x8000_0000, 1][next(4)] as number);
  else {
    for (const key of KEYS.slice(0, 20)) table.set(key, 1 + next(MOST_VALUE));
    if (kind === 2) for (let count = 0; count < 200; count++) memory[next(memory.length)] = next(0x7fff_ffff) * 2;
    // Every tag says the same: each way has to be looked at.
    if (kind === 3) memory.fill(memory.find((word) => word !== 0) ?? 1, 0, 16);
    if (kind === 4) memory.copyWithin(next(memory.length), next(memory.length));
  }
}
