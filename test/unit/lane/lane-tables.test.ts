/**
 * The tables of a lane: they come by a socket, are exchanged under whoever holds them, and leave no memory behind.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { findTable, LaneTables } from '../../../src/lane/lane-tables.ts';
import type { TableVersion } from '../../../src/lane/messages.ts';
import { loadNative } from '../../../src/native/load-native.ts';
import { buildPrefixTable } from '../../../src/prefix/build-table.ts';
import { PrefixTable } from '../../../src/prefix/prefix-table.ts';
import { parseAddress, parseCidr } from '../../../src/wire/address.ts';
import { mapped, openTables, touched } from '../../support/table-memory.ts';
import { addressOf } from '../prefix/prefix-rig.ts';

const native = loadNative();
const ADDRESS = addressOf(parseAddress('192.0.2.1') as Uint8Array);

function rig(t: TestContext) {
  const [here, there] = native.openHandover();
  t.after(() => {
    for (const fd of [here, there]) closeSync(fd);
  });
  let id = 0;
  return {
    tables: new LaneTables(native, there),
    /** Sends a table in which the address has this value. */
    send(name: string, value: number, octets: Uint8Array = tableOf(value)): TableVersion {
      id += 1;
      const fd = native.createConstant(`firehook-table-${name}`, octets);
      assert.equal(native.sendDescriptor(here, id, fd), true);
      closeSync(fd);
      return { name, version: id, id, octets: octets.length };
    },
  };
}

function tableOf(value: number): Uint8Array {
  return new Uint8Array(buildPrefixTable([{ ...(parseCidr('192.0.2.0/24') ?? assert.fail()), value }]));
}

test('a table stays the same object while its memory is exchanged, and the former memory is gone', (t) => {
  const { tables, send } = rig(t);
  tables.take(send('a', 1));
  tables.take(send('b', 2));
  const held = findTable(tables.tables, 'a');
  const other = findTable(tables.tables, 'b');
  assert.deepEqual([mapped(), openTables()], [2, 0]);
  for (let value = 10; value < 60; value++) {
    tables.take(send('a', value));
    assert.deepEqual([held.lookup(ADDRESS), other.lookup(ADDRESS), held.size], [value, 2, 1]);
  }
  assert.equal(findTable(tables.tables, 'a'), held);
  assert.deepEqual([mapped(), openTables()], [2, 0]);
});

test('an exchange reads the header, and nothing of what makes the table long', (t) => {
  const { tables, send } = rig(t);
  const address = new Uint8Array(16).fill(0x20);
  for (const [octets, prefixLength] of [
    [4, 32],
    [16, 64],
    [16, 128],
  ] as const) {
    const entries = Array.from({ length: 50_000 }, (_, index) => {
      const bytes = address.slice(0, octets);
      new DataView(bytes.buffer).setUint32(octets === 4 ? 0 : 4, 0x2000_0000 + 7 * index);
      return { bytes, prefixLength, value: 1 };
    });
    const memory = new Uint8Array(buildPrefixTable(entries));
    for (let version = 0; version < 2; version++) tables.take(send(`${octets}/${prefixLength}`, 1, memory));
  }
  // Those of the tests before are there as well.
  const all = mapped() * 64 * 1024;
  assert.ok(touched() <= all, `${touched()} octets were read, where ${all} are pages of the headers`);
});

test('what has not come, is another one, or is no table ends the lane, and changes nothing', (t) => {
  const { tables, send } = rig(t);
  tables.take(send('a', 1));
  const held = findTable(tables.tables, 'a');
  assert.throws(
    () => tables.take({ name: 'a', version: 9, id: 9, octets: 96 }),
    /table a: descriptor 9 has not come, but -1/,
  );
  const first = send('a', 2);
  assert.throws(() => tables.take({ ...first, id: 77 }), /descriptor 77 has not come, but 2/);
  assert.throws(() => tables.take({ ...send('a', 3), octets: 2 ** 20 }), { code: 'EINVAL' });
  assert.throws(() => tables.take(send('a', 4, Buffer.alloc(4_096))), /it is no prefix table/);
  assert.equal(held.lookup(ADDRESS), 1);
});

test('a table is found by its name, and a wrong name is told from the right ones', () => {
  const tables = new Map([
    ['blocked', new PrefixTable()],
    ['country', new PrefixTable()],
  ]);
  assert.equal(findTable(tables, 'country'), tables.get('country'));
  const refusal = (name: unknown, given: ReadonlyMap<string, PrefixTable> = tables): string => {
    try {
      findTable(given, name);
      return 'found';
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(refusal('bloked'), 'prefixes: the configuration has no table "bloked"; did you mean blocked?');
  assert.equal(refusal('x'), 'prefixes: the configuration has no table "x"; it has blocked, country');
  assert.equal(refusal('x', new Map()), 'prefixes: the configuration has no table "x"; it has none');
  assert.equal(refusal(undefined), 'prefixes: the configuration has no table without a name; it has blocked, country');
  assert.equal(refusal('toString'), 'prefixes: the configuration has no table "toString"; it has blocked, country');
});

test('no hook changes what a table finds for the others', () => {
  const table = new PrefixTable();
  assert.throws(() => {
    (PrefixTable.prototype as { lookup: unknown }).lookup = () => 1;
  }, TypeError);
  assert.deepEqual(Object.keys(table), []);
  assert.equal('memory' in table, false);
});
