/**
 * Prefix tables against a model that looks at every prefix, and with memory that is no table.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildPrefixTable, type PrefixEntry, PrefixTableBuilder } from '../../../src/prefix/build-table.ts';
import { findFault } from '../../../src/prefix/find-fault.ts';
import { exchangeTable, PrefixTable } from '../../../src/prefix/prefix-table.ts';
import { COUNT_BITS, HEADER_WORDS, IPV4_AT, IPV6_AT, MOST_VALUE } from '../../../src/prefix/table-format.ts';
import { parseAddress, parseCidr } from '../../../src/wire/address.ts';
import { heapGrowth, SMALLEST_LEAK } from '../../support/heap-growth.ts';
import {
  addressOf,
  chance,
  edges,
  masked,
  modelLookup,
  modelSize,
  packetSources,
  randomEntries,
  randomOctets,
} from './prefix-rig.ts';

const SEED = 0x2545_f491;

function entry(cidr: string, value: number): PrefixEntry {
  const prefix = parseCidr(cidr);
  assert.ok(prefix !== null, cidr);
  return { ...prefix, value };
}

function tableOf(...entries: readonly (readonly [string, number])[]): PrefixTable {
  return new PrefixTable(buildPrefixTable(entries.map(([cidr, value]) => entry(cidr, value))));
}

function lookup(table: PrefixTable, address: string): number {
  const octets = parseAddress(address);
  assert.ok(octets !== null, address);
  return table.lookup(addressOf(octets));
}

describe('a table', () => {
  test('has the value of the longest prefix', () => {
    const table = tableOf(
      ['10.0.0.0/8', 1],
      ['10.1.0.0/16', 2],
      ['10.1.2.0/24', 3],
      ['10.1.2.3', 4],
      ['10.255.255.255', 5],
    );
    assert.equal(table.size, 5);
    const expected = {
      '9.255.255.255': 0,
      '10.0.0.0': 1,
      '10.0.255.255': 1,
      '10.1.0.0': 2,
      '10.1.2.2': 3,
      '10.1.2.3': 4,
      '10.1.2.4': 3,
      '10.1.3.0': 2,
      '10.2.0.0': 1,
      '10.255.255.254': 1,
      '10.255.255.255': 5,
      '11.0.0.0': 0,
    };
    for (const [address, value] of Object.entries(expected)) assert.equal(lookup(table, address), value, address);
  });

  test('has a default for each family, and ends where the addresses end', () => {
    const table = tableOf(['0.0.0.0/0', 1], ['255.255.255.255', 2], ['::/0', 3], ['ffff::/16', 4], ['::', 5]);
    assert.deepEqual(
      ['0.0.0.0', '255.255.255.254', '255.255.255.255'].map((address) => lookup(table, address)),
      [1, 1, 2],
    );
    const last = `ffff${':ffff'.repeat(7)}`;
    assert.deepEqual(
      ['::', '::1', 'fffe::', last].map((address) => lookup(table, address)),
      [5, 3, 3, 4],
    );
  });

  test('of one family has nothing for the other one', () => {
    assert.equal(lookup(tableOf(['0.0.0.0/0', 1]), '::1'), 0);
    assert.equal(lookup(tableOf(['::/0', 1]), '192.0.2.1'), 0);
  });

  test('has 0 where the longest prefix says so: a hole in a wider one', () => {
    const table = tableOf(['10.0.0.0/8', 7], ['10.1.0.0/16', 0]);
    assert.deepEqual(
      ['10.0.0.1', '10.1.0.1', '10.2.0.1'].map((address) => lookup(table, address)),
      [7, 0, 7],
    );
  });

  test('counts equal prefixes once, and the later one holds', () => {
    const table = tableOf(['10.0.0.0/8', 1], ['10.0.0.0/16', 9], ['10.0.0.0/8', 2], ['10.0.0.0/8', 2]);
    assert.equal(table.size, 2);
    assert.deepEqual(
      ['10.0.0.1', '10.1.0.1'].map((address) => lookup(table, address)),
      [9, 2],
    );
  });

  test('without prefixes has 0 for every address', () => {
    for (const table of [new PrefixTable(), new PrefixTable(buildPrefixTable([]))]) {
      assert.equal(table.size, 0);
      for (const address of ['0.0.0.0', '255.255.255.255', '::', `ffff${':ffff'.repeat(7)}`])
        assert.equal(lookup(table, address), 0);
    }
  });

  test('takes the largest value, and refuses what is no prefix or no value', () => {
    assert.equal(lookup(tableOf(['192.0.2.1', MOST_VALUE]), '192.0.2.1'), MOST_VALUE);
    const builder = new PrefixTableBuilder();
    const octets = new Uint8Array(4);
    for (const value of [-1, 0.5, MOST_VALUE + 1, Number.NaN])
      assert.throws(() => builder.add(octets, 8, value), RangeError);
    for (const length of [-1, 33, 1.5]) assert.throws(() => builder.add(octets, length, 1), RangeError);
    assert.throws(() => builder.add(new Uint8Array(6), 8, 1), RangeError);
    assert.equal(builder.size, 0);
  });
});

/** Few values make a dictionary, many do not; many prefixes make nodes, and crowded ones nodes behind nodes. */
const KINDS = [
  { count: 12, crowd: 3, values: 4 },
  { count: 60, crowd: 2, values: 3 },
  { count: 200, crowd: 2, values: 1_000_000 },
  { count: 900, crowd: 2, values: 200 },
  { count: 900, crowd: 4, values: 5_000 },
  { count: 1_200, crowd: 256, values: 3 },
  { count: 1_200, crowd: 256, values: MOST_VALUE },
] as const;

for (const octets of [4, 16] as const) {
  for (const [place, { count, crowd, values }] of KINDS.entries()) {
    test(`agrees with the model: ${count} prefixes of ${octets} octets, ${crowd} different octets, ${values} values`, () => {
      const next = chance(SEED + 64 * octets + place);
      for (let round = 0; round < (count < 100 ? 40 : 3); round++) {
        const entries = randomEntries(next, count, octets, crowd, values);
        const memory = buildPrefixTable(entries);
        assert.equal(findFault(memory), null);
        const table = new PrefixTable(memory);
        assert.equal(table.size, modelSize(entries));
        const others = Array.from({ length: 500 }, () => randomOctets(next, octets));
        for (const address of [...edges(next, entries), ...others]) {
          const value = table.lookup(addressOf(address));
          if (value !== modelLookup(entries, address))
            assert.equal(
              value,
              modelLookup(entries, address),
              `round ${round}, ${Buffer.from(address).toString('hex')}`,
            );
        }
      }
    });
  }
}

test('agrees with the model where prefixes nest from the first bit to the last', () => {
  const octets = parseAddress('2001:db8:5555:5555:5555:5555:5555:5555') as Uint8Array;
  const entries: PrefixEntry[] = [];
  for (let prefixLength = 0; prefixLength <= 128; prefixLength++) {
    const bytes = octets.map((octet, index) => octet & ~(0xff >>> Math.max(0, Math.min(8, prefixLength - 8 * index))));
    entries.push({ bytes, prefixLength, value: prefixLength + 1 });
  }
  const memory = buildPrefixTable(entries);
  assert.equal(findFault(memory), null);
  const table = new PrefixTable(memory);
  for (const address of edges(chance(SEED), entries))
    assert.equal(table.lookup(addressOf(address)), modelLookup(entries, address));
});

test('agrees with the model for thousands of addresses of one /64 and of one /16', () => {
  const next = chance(SEED);
  const crowds = [
    { start: parseAddress('2001:db8:1:2::') as Uint8Array, from: 8 },
    { start: parseAddress('198.51.0.0') as Uint8Array, from: 2 },
  ];
  for (const { start, from } of crowds) {
    const entries = Array.from({ length: 5_000 }, () => {
      const bytes = start.map((octet, index) => (index < from ? octet : next(256)));
      return { bytes, prefixLength: 8 * bytes.length, value: 1 + next(3) };
    });
    const values = new Map(entries.map(({ bytes, value }) => [Buffer.from(bytes).toString('hex'), value]));
    const memory = buildPrefixTable(entries);
    assert.equal(findFault(memory), null);
    const table = new PrefixTable(memory);
    for (const address of edges(next, entries))
      assert.equal(table.lookup(addressOf(address)), values.get(Buffer.from(address).toString('hex')) ?? 0);
  }
});

for (const longest of [24, 32, 64, 96, 128]) {
  test(`agrees with the model for crowded keys that go on, to bit ${longest} at most`, () => {
    const next = chance(SEED + longest);
    // Alike up to the last octets, in which they crowd: many, and so few that nothing but their keys is looked at.
    for (const count of [700, 14, 14, 14]) {
      const entries = Array.from({ length: count }, () => {
        const prefixLength = longest - next(6);
        const bytes = Uint8Array.from({ length: 16 }, (_, index) => (8 * index < longest - 24 ? 0x20 : next(16) * 16));
        return { bytes: masked(bytes, prefixLength), prefixLength, value: 1 + next(300) };
      });
      const wide = randomEntries(next, count, 16, 256, 300).filter(({ prefixLength }) => prefixLength <= longest);
      const all = count === 14 ? entries : [...entries, ...wide];
      const memory = buildPrefixTable(all);
      assert.equal(findFault(memory), null);
      const table = new PrefixTable(memory);
      for (const address of edges(next, entries))
        assert.equal(table.lookup(addressOf(address)), modelLookup(all, address));
    }
  });
}

test('an address of a packet is looked up where it stands, and nothing is left on the heap', () => {
  const next = chance(SEED);
  const entries = [...randomEntries(next, 2_000, 4, 256, 300), ...randomEntries(next, 2_000, 16, 256, 300)];
  const table = new PrefixTable(buildPrefixTable(entries));
  const sources = packetSources();
  const random = randomOctets(next, 4_096);
  let sum = 0;
  const grown = heapGrowth((packets) => {
    for (let index = 0; index < packets; index++) {
      for (const { view, octets } of sources) {
        for (let octet = 0; octet < octets.length; octet++)
          octets[octet] = random[(index * 7 + octet) & 0xfff] as number;
        sum += table.lookup(view);
      }
    }
  });
  assert.ok(grown < SMALLEST_LEAK, `${grown} octets a look-up`);
  assert.ok(sum > 0);
  for (let round = 0; round < 300; round++) {
    for (const { view, octets } of sources) {
      octets.set(randomOctets(next, octets.length));
      assert.equal(table.lookup(view), modelLookup(entries, octets));
    }
  }
});

test('another memory takes its place between two look-ups, for everyone who holds the table', () => {
  const table = tableOf(['192.0.2.0/24', 1]);
  const held = table;
  exchangeTable(table, buildPrefixTable([entry('192.0.2.0/24', 2), entry('2001:db8::/32', 3)]));
  assert.deepEqual([held.size, lookup(held, '192.0.2.9'), lookup(held, '2001:db8::9')], [2, 2, 3]);
  for (const memory of [new ArrayBuffer(0), new ArrayBuffer(4_096), buildPrefixTable([]).slice(0, 40)])
    assert.throws(() => exchangeTable(table, memory), /it is no prefix table|it cannot have/);
  assert.deepEqual([held.size, lookup(held, '192.0.2.9')], [2, 2]);
});

describe('memory that somebody else wrote', () => {
  const next = chance(SEED);
  const entries = [...randomEntries(next, 400, 4, 4, 300), ...randomEntries(next, 400, 16, 3, 300)];
  const addresses = [
    ...Array.from({ length: 40 }, () => addressOf(randomOctets(next, 4))),
    ...Array.from({ length: 40 }, () => addressOf(randomOctets(next, 16))),
  ];
  const lookUpAll = (table: PrefixTable): void => {
    for (const address of addresses) {
      const value = table.lookup(address);
      assert.ok(Number.isInteger(value) && value >= 0 && value <= MOST_VALUE, `${value}`);
    }
  };

  test('is refused where its header names what is not there', () => {
    const whole = buildPrefixTable(entries);
    const bad = [-1, 1, 0x7fff_ffff, -0x8000_0000, whole.byteLength];
    let refused = 0;
    for (let word = 0; word < HEADER_WORDS; word++) {
      for (const value of bad) {
        const memory = whole.slice(0);
        new Int32Array(memory)[word] = value;
        let table: PrefixTable;
        try {
          table = new PrefixTable(memory);
        } catch {
          refused += 1;
          assert.notEqual(findFault(memory), null);
          continue;
        }
        lookUpAll(table);
      }
    }
    assert.ok(refused > 50, `${refused}`);
  });

  test('of octets by chance behind a good header costs wrong values and nothing else', () => {
    const whole = buildPrefixTable(entries);
    for (let round = 0; round < 200; round++) {
      const memory = whole.slice(0);
      new Uint8Array(memory).set(randomOctets(next, memory.byteLength - HEADER_WORDS * 4), HEADER_WORDS * 4);
      lookUpAll(new PrefixTable(memory));
      assert.notEqual(findFault(memory), null);
    }
  });

  test('has a fault, or leads each address to a value, after any change of a word', () => {
    const whole = buildPrefixTable(entries);
    const words = whole.byteLength / 4;
    let found = 0;
    for (let round = 0; round < 3_000; round++) {
      const memory = whole.slice(0);
      const at = HEADER_WORDS + next(words - HEADER_WORDS);
      new Int32Array(memory)[at] = [-1, 0, 1, 0x7fff_ffff, -0x8000_0000, ~next(words), next(0x7fff_ffff)][
        next(7)
      ] as number;
      if (findFault(memory) !== null) found += 1;
      lookUpAll(new PrefixTable(memory));
    }
    assert.ok(found > 1_000, `${found}`);
  });

  test('with a node that leads back to itself does not hold a look-up', () => {
    const memory = buildPrefixTable(entries);
    const view = new Int32Array(memory);
    for (const at of [IPV4_AT, IPV6_AT]) {
      const nodesAt = view[at + 5] as number;
      view.fill(~nodesAt, nodesAt + 4, nodesAt + (view[at + 6] as number));
    }
    assert.equal(findFault(memory), 'a slot leads elsewhere');
    lookUpAll(new PrefixTable(memory));
    // With all rows where they should be: in the first slot, which is the node itself.
    for (const at of [IPV4_AT, IPV6_AT]) {
      const nodesAt = view[at + 5] as number;
      view.fill((view[at + 1] as number) << COUNT_BITS, nodesAt + 4, nodesAt + (view[at + 6] as number));
      view[nodesAt + 4] = ~nodesAt;
    }
    assert.equal(findFault(memory), 'a slot leads elsewhere');
    lookUpAll(new PrefixTable(memory));
  });

  test('that is taken away while it is looked up in has no values', () => {
    const memory = buildPrefixTable(entries);
    const table = new PrefixTable(memory);
    structuredClone(memory, { transfer: [memory] });
    for (const address of addresses) assert.equal(table.lookup(address), 0);
  });
});
