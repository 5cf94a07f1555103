/**
 * Promises of a table of a hook, one at a time.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HookTable, MOST_VALUE } from '../../../src/table/hook-table.ts';
import { TableClock } from '../../../src/table/table-clock.ts';
import { layoutOf, MOST_ENTRIES, placesOf } from '../../../src/table/table-layout.ts';
import { heapGrowth, SMALLEST_LEAK } from '../../support/heap-growth.ts';
import { DeskClock, ownTable, SEEDS, START_MS, words } from './table-rig.ts';

const A = words(0xc000_0201);
const B = words(0xc000_0202);
const SIX = words(0x2001_0db8, 0xffff_ffff, 0x8000_0000, 1);

describe('a table of a hook', () => {
  test('has a value for a key until its time is over, and 0 for every other', () => {
    const desk = new DeskClock();
    const { table } = ownTable({}, desk);
    assert.equal(table.get(A), 0);
    table.set(A, 7);
    table.set(SIX, MOST_VALUE, 500);
    assert.deepEqual([table.get(A), table.get(B), table.get(SIX)], [7, 0, MOST_VALUE]);
    desk.ms = START_MS + 499;
    assert.equal(table.get(SIX), MOST_VALUE);
    desk.ms = START_MS + 500;
    assert.deepEqual([table.get(A), table.get(SIX)], [7, 0]);
    table.set(A, 8);
    desk.ms = START_MS + 10_499;
    assert.equal(table.get(A), 8);
    desk.ms = START_MS + 10_500;
    assert.equal(table.get(A), 0);
  });

  test('takes a key away by delete, and by the value 0', () => {
    const { table } = ownTable({}, new DeskClock());
    for (const key of [A, B, SIX]) table.set(key, 1);
    table.delete(A);
    table.set(B, 0);
    assert.deepEqual([table.get(A), table.get(B), table.get(SIX)], [0, 0, 1]);
  });

  test('has keys of several parts, and tells what they are made of', () => {
    const { table } = ownTable({ keyOctets: 40 }, new DeskClock());
    const keys = [
      () => table.key(A),
      () => table.key(A, 22),
      () => table.key(22, A),
      () => table.key(A, B),
      () => table.key(A, 0xc000_0202),
      () => table.key(SIX, SIX, 1, -1),
      () => table.key(SIX, 1, SIX, -1),
      () => table.key(1, 2, 3, 4),
      () => table.key(1, 2, 3),
      () => table.key(0),
      () => table.key(0, 0),
    ];
    for (const [index, key] of keys.entries()) table.set(key(), index + 1);
    assert.deepEqual(
      keys.map((key) => table.get(key())),
      keys.map((_, index) => index + 1),
    );
    assert.equal(table.get(A), 1, 'an address is the key of one part');
    // A key of parts is not changed by an address that is looked up.
    const pair = table.key(A, 22);
    assert.equal(table.get(B), 0);
    assert.equal(table.get(pair), 2);
  });

  test('has networks as keys', () => {
    const { table } = ownTable({}, new DeskClock());
    table.set(table.network(words(0xc000_02ff), 24, 64), 1);
    table.set(table.network(words(0x2001_0db8, 5, 1, 2), 24, 64), 2);
    assert.equal(table.get(table.network(words(0xc000_0201), 24, 64)), 1);
    assert.equal(table.get(table.network(words(0xc000_0301), 24, 64)), 0);
    assert.equal(table.get(table.network(words(0x2001_0db8, 5, 9, 9), 24, 64)), 2);
    assert.equal(table.get(table.network(words(0x2001_0db8, 6, 1, 2), 24, 64)), 0);
    assert.equal(table.get(table.network(words(0xc000_0200), 32, 128)), 1, 'a network is its first address');
    table.set(table.network(words(0x8000_0000), 0, 0), 3);
    assert.equal(table.get(table.network(words(7), 0, 0)), 3);
    table.set(table.network(words(-1, -1, -1, -1), 32, 95), 4);
    assert.equal(table.get(words(-1, -1, -2, 0)), 4);
  });

  test('refuses what is no key, no value and no time', () => {
    const { table } = ownTable({ keyOctets: 8 }, new DeskClock());
    const other = ownTable({}, new DeskClock()).table;
    assert.throws(() => table.get(other.key(A)), /neither an address nor a key of this table/);
    assert.throws(() => table.get('192.0.2.1' as never), /neither an address nor a key of this table/);
    assert.throws(() => table.get(SIX), /8 octets at most; say keyOctets/);
    assert.throws(() => table.key(A, 1, 2), /8 octets at most/);
    assert.throws(() => table.network(SIX, 32, 64), /8 octets at most/);
    assert.throws(() => table.network(A, 33, 64), /an address of 32 bits has no 33/);
    assert.throws(() => table.key(SIX, SIX, SIX), /8 octets at most/);
    for (const value of [-1, 1.5, MOST_VALUE + 1, Number.NaN, Number.POSITIVE_INFINITY])
      assert.throws(() => table.set(A, value), /the value of a table is a whole number/, String(value));
    for (const ttlMs of [0, -1, 10_001, Number.NaN])
      assert.throws(() => table.set(A, 1, ttlMs), /lives for up to 10000 ms/, String(ttlMs));
    assert.equal(table.get(A), 0);
  });

  test('gives up what is over first, then what ends first, and counts what it gave up in time', () => {
    const desk = new DeskClock();
    const { table } = ownTable({ most: 3 }, desk);
    table.set(words(1), 1, 3_000);
    table.set(words(2), 2, 1_000);
    table.set(words(3), 3, 2_000);
    table.set(words(4), 4);
    assert.deepEqual(
      [1, 2, 3, 4].map((one) => table.get(words(one))),
      [1, 0, 3, 4],
    );
    assert.equal(table.evicted, 1);
    desk.ms = START_MS + 3_000;
    table.set(words(5), 5);
    table.set(words(6), 6);
    assert.deepEqual(
      [4, 5, 6].map((one) => table.get(words(one))),
      [4, 5, 6],
    );
    assert.equal(table.evicted, 1);
    table.delete(words(4));
    table.set(words(7), 7);
    assert.deepEqual([table.get(words(7)), table.evicted], [7, 1]);
  });

  test('keeps all but one in a thousand of as many as it has room for', () => {
    const { table } = ownTable({ most: 50_000 }, new DeskClock());
    for (let one = 0; one < 50_000; one++) table.set(words(one), 1 + one);
    let found = 0;
    for (let one = 0; one < 50_000; one++) if (table.get(words(one)) === 1 + one) found += 1;
    assert.equal(found, 50_000 - table.evicted);
    // The seeds are the same in each run, and so is what they make of it.
    assert.ok(found >= 49_930, `${found} of 50000`);
  });

  test('is the same for two that share its memory', () => {
    const desk = new DeskClock();
    const { table, memory } = ownTable({ keyOctets: 40 }, desk);
    const other = ownTable({ keyOctets: 40 }, desk, memory).table;
    table.set(table.key(A, 1), 5);
    assert.equal(other.get(other.key(A, 1)), 5);
    other.set(other.key(A, 1), 6);
    assert.equal(table.get(table.key(A, 1)), 6);
    other.delete(other.key(A, 1));
    assert.equal(table.get(table.key(A, 1)), 0);
  });

  test('makes one of two entries that were made for a key at the same time', () => {
    const desk = new DeskClock();
    const { table, memory, options } = ownTable({ most: 16 }, desk);
    table.set(A, 1);
    const all = new Int32Array(memory);
    const { entriesAt, entryWords } = layoutOf(options);
    // What another lane has made that did not see this one yet: the same in the next way.
    all[1] = all[0] as number;
    all.copyWithin(entriesAt + entryWords, entriesAt, entriesAt + entryWords);
    table.set(A, 2);
    assert.equal(table.get(A), 2);
    table.delete(A);
    assert.equal(table.get(A), 0);
  });

  test('has no entry that ends later than one can: somebody has set the clock back', () => {
    const desk = new DeskClock();
    const { table } = ownTable({}, desk);
    table.set(A, 1);
    desk.ms = START_MS - 9_000;
    assert.equal(table.get(A), 1, 'a lane that is behind');
    desk.ms = START_MS - 11_000;
    assert.equal(table.get(A), 0);
  });

  test('takes the time of a timer for what is set in it, until the next packet', () => {
    let clockMs = START_MS;
    const clock = new TableClock(() => clockMs);
    const context = { seconds: START_MS / 1000, nanoseconds: 0 };
    const options = { most: 16, ttlMs: 10_000, keyOctets: 16 };
    const table = new HookTable(new ArrayBuffer(layoutOf(options).octets), 0, options, SEEDS, clock);
    table.set(A, 1);
    assert.equal(table.get(A), 1, 'before the first packet the clock says what time it is');
    clock.packets = { context };
    clockMs += 60_000;
    assert.equal(table.get(A), 1, 'the last packet does');
    clock.timer();
    assert.equal(table.get(A), 0);
    table.set(A, 2);
    context.seconds += 69;
    assert.equal(table.get(A), 2);
    context.seconds += 1;
    assert.equal(table.get(A), 0);
  });

  test('has the hard bound that its size says, whatever the size', () => {
    for (const most of [1, 15, 16, 17, 100, 10_000, MOST_ENTRIES])
      for (const keyOctets of [4, 16, 20, 40]) {
        const { buckets, ways, octets, entryWords } = layoutOf({ most, keyOctets });
        assert.ok(buckets * ways >= most);
        assert.equal(octets, buckets * 16 * 4 * (1 + entryWords));
        assert.ok(most < 16 || octets <= (keyOctets <= 16 ? 72 : 136) * (most + 16));
      }
    assert.deepEqual(
      placesOf([
        { most: 1, keyOctets: 16 },
        { most: 17, keyOctets: 40 },
      ]),
      {
        places: [0, 576],
        octets: 576 + 3 * 16 * 68,
      },
    );
    assert.throws(() => placesOf([{ most: MOST_ENTRIES, keyOctets: 40 }]), /take 272 MiB, and may take 256 MiB/);
  });

  test('leaves nothing on the heap', () => {
    const desk = new DeskClock();
    const { table } = ownTable({ most: 100, keyOctets: 40 }, desk);
    let sum = 0;
    const addresses = Array.from({ length: 64 }, (_, index) =>
      index % 2 === 0 ? words(0xc000_0200 + index) : words(0xfd00_0000, -index, 0x8000_0000 + index, index),
    );
    const grown = heapGrowth((count) => {
      desk.ms += 17;
      for (let index = 0; index < count; index++) {
        const address = addresses[index % addresses.length] as ReturnType<typeof words>;
        sum |= table.get(address);
        table.set(address, index);
        const key = table.key(address, index);
        table.set(key, table.get(key) + 1, 5_000);
        if (index % 7 === 0) table.delete(table.network(address, 24, 64));
      }
    });
    assert.ok(grown < SMALLEST_LEAK, `${grown} octets a packet`);
    assert.ok(sum > 0);
  });

  test('cannot be changed by who is handed it', () => {
    assert.ok(Object.isFrozen(HookTable.prototype));
  });
});
