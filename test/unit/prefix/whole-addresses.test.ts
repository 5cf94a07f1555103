/**
 * Whole IPv6 addresses of a prefix table: what is found by the hash, what finds no room, and memory that is wrong.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BUCKET_PLACES, firstBucket, hashAddress, IN_USE, MOST_BUCKETS } from '../../../src/prefix/bucket-format.ts';
import { buildPrefixTable, type PrefixEntry } from '../../../src/prefix/build-table.ts';
import { fillBuckets } from '../../../src/prefix/fill-buckets.ts';
import { findFault } from '../../../src/prefix/find-fault.ts';
import { PrefixList } from '../../../src/prefix/prefix-list.ts';
import { PrefixTable } from '../../../src/prefix/prefix-table.ts';
import { HEADER_WORDS, MOST_VALUE, readHeader } from '../../../src/prefix/table-format.ts';
import { addressOf, chance, edges, masked, modelLookup, modelSize, randomOctets } from './prefix-rig.ts';

const SEED = 0x1b87_3593;

/** Whole addresses and shorter prefixes that hold some of them; one of ten cuts a hole, one of ten stands twice. */
function mixed(count: number, values: number): PrefixEntry[] {
  const next = chance(SEED + count + values);
  const entries: PrefixEntry[] = [];
  for (let index = 0; index < count; index++) {
    const bytes = Uint8Array.from({ length: 16 }, (_, octet) => (octet < 6 ? 0x20 + (octet & 1) * next(3) : next(256)));
    entries.push({ bytes, prefixLength: 128, value: next(10) === 0 ? 0 : 1 + next(values) });
    if (next(10) === 0) entries.push({ bytes, prefixLength: 128, value: 1 + next(values) });
    const prefixLength = [32, 48, 64, 127][next(4)] as number;
    if (next(4) === 0) entries.push({ bytes: masked(bytes, prefixLength), prefixLength, value: 1 + next(values) });
  }
  return entries;
}

describe('whole IPv6 addresses', () => {
  for (const [count, values] of [
    [1, 1],
    [3, 5],
    [400, 20],
    [400, 1_000_000],
  ] as const) {
    test(`agree with the model among shorter prefixes: ${count} of them, ${values} values`, () => {
      const entries = mixed(count, values);
      const memory = buildPrefixTable(entries);
      assert.equal(findFault(memory), null);
      const table = new PrefixTable(memory);
      assert.equal(table.size, modelSize(entries));
      const next = chance(SEED);
      const others = Array.from({ length: 200 }, () => randomOctets(next, 16));
      for (const address of [...edges(next, entries), ...others])
        assert.equal(table.lookup(addressOf(address)), modelLookup(entries, address));
    });
  }

  test('cut holes into wider prefixes, the first and the last address there is as well', () => {
    const all = new Uint8Array(16);
    const last = new Uint8Array(16).fill(0xff);
    const table = new PrefixTable(
      buildPrefixTable([
        { bytes: all, prefixLength: 0, value: 7 },
        { bytes: all, prefixLength: 128, value: 0 },
        { bytes: last, prefixLength: 128, value: 0 },
      ]),
    );
    assert.deepEqual(
      [all, last, Uint8Array.from(last, (octet, index) => (index === 15 ? 0xfe : octet))].map((octets) =>
        table.lookup(addressOf(octets)),
      ),
      [0, 0, 7],
    );
  });

  test('that find no room in the buckets that a look-up reads are left to the rows', () => {
    const key = Int32Array.of(1, 2, 3, 4);
    // As many as there are buckets for, and all of them start at the first one.
    const buckets = 200;
    const list = new PrefixList(4);
    const view = Buffer.alloc(16);
    for (let made = 0, number = 0; made < 2.4 * buckets; number++) {
      if (firstBucket(hashAddress(0x2001_0db8, 0, 0, number, 1, 2, 3, 4), buckets) !== 0) continue;
      view.writeInt32BE(0x2001_0db8);
      view.writeInt32BE(number, 12);
      list.add(view, 128, 1);
      made += 1;
    }
    const filled = fillBuckets(list, key);
    assert.equal(filled.buckets.buckets, buckets);
    assert.equal(filled.buckets.addresses, MOST_BUCKETS * BUCKET_PLACES);
    assert.equal(filled.rest.size, list.size - filled.buckets.addresses);
  });

  test('are in other buckets in each table, so that nobody can choose theirs', () => {
    const keys = new Set(
      Array.from({ length: 8 }, () => {
        const memory = buildPrefixTable(mixed(3, 5));
        const header = readHeader(new Int32Array(memory), memory.byteLength);
        assert.ok(typeof header !== 'string');
        return header.buckets.hashKey.join();
      }),
    );
    assert.equal(keys.size, 8);
  });
});

describe('buckets that somebody else wrote', () => {
  const entries = mixed(300, 20);
  const whole = buildPrefixTable(entries);
  const header = readHeader(new Int32Array(whole), whole.byteLength);
  assert.ok(typeof header !== 'string');
  const { tagsAt, addressesAt, buckets } = header.buckets;

  test('have a fault where an address is not found, has no value, stands twice, or is not counted', () => {
    const words = new Int32Array(whole);
    const place = Array.from({ length: buckets * BUCKET_PLACES }, (_, index) => index).find(
      (index) => ((words[tagsAt + index] ?? 0) & IN_USE) !== 0,
    );
    assert.ok(place !== undefined);
    const faults: readonly (readonly [RegExp, number, number])[] = [
      [/not where it is looked up/, addressesAt + 4 * place + 3, ~(words[addressesAt + 4 * place + 3] ?? 0)],
      [/no value/, tagsAt + place, (words[tagsAt + place] ?? 0) | 0xff],
      [/other whole addresses/, tagsAt + place, 0],
    ];
    for (const [fault, word, value] of faults) {
      const memory = whole.slice(0);
      new Int32Array(memory)[word] = value;
      assert.match(findFault(memory) ?? 'none', fault);
    }
  });

  test('that all say that something went beyond do not hold a look-up', () => {
    const memory = whole.slice(0);
    const words = new Int32Array(memory);
    words.fill(-1, tagsAt, tagsAt + buckets * BUCKET_PLACES);
    const table = new PrefixTable(memory);
    const next = chance(SEED);
    for (let round = 0; round < 200; round++) {
      const value = table.lookup(addressOf(randomOctets(next, 16)));
      assert.ok(value >= 0 && value <= MOST_VALUE);
    }
    assert.notEqual(findFault(memory), null);
  });

  test('are refused where the header names more than there is', () => {
    for (const [word, value] of [
      [25, 0x7fff_ffff],
      [25, -1],
      [24, 4 * buckets + 1],
      [26, HEADER_WORDS - 1],
      [27, addressesAt + 1],
      [27, whole.byteLength / 4],
    ] as const) {
      const memory = whole.slice(0);
      new Int32Array(memory)[word] = value;
      assert.throws(() => new PrefixTable(memory), /whole addresses is not within it/, `word ${word}`);
    }
  });
});
