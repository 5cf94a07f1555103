/**
 * Tables that follow their lists: when a file is read again, what becomes of a bad one, and what is said of it. Time is simulated; files,
 * memory and descriptors are real.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { fstatSync, mkdtempSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TableConfig } from '../../../src/config/schema.ts';
import type { TableMemory } from '../../../src/lane/messages.ts';
import { loadNative } from '../../../src/native/load-native.ts';
import { PrefixTable } from '../../../src/prefix/prefix-table.ts';
import { PrefixTables } from '../../../src/supervisor/prefix-tables.ts';
import { parseAddress } from '../../../src/wire/address.ts';
import { mapped, openTables } from '../../support/table-memory.ts';
import { addressOf } from '../prefix/prefix-rig.ts';
import { SimulatedClock } from './simulated-world.ts';

const EVERY_S = 10;
const EVERY_MS = EVERY_S * 1_000;

interface Rig {
  readonly tables: PrefixTables;
  readonly clock: SimulatedClock;
  readonly said: string[];
  /** What lanes were told, as `name version`. */
  readonly told: string[];
  /** Puts another list in the place of the former one at once. */
  replace(text: string, name?: string): void;
  readonly folder: string;
  /** Lets the next look happen. */
  look(): Promise<void>;
  /** What was said since the last call. */
  news(): string[];
  valueOf(address: string, name?: string): number;
}

async function start(
  t: TestContext,
  lists: Readonly<Record<string, string>>,
  more: Partial<TableConfig> = {},
): Promise<Rig> {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-tables-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const clock = new SimulatedClock();
  const said: string[] = [];
  const told: string[] = [];
  const config = Object.fromEntries(
    Object.keys(lists).map((name) => [
      name,
      { file: path.join(folder, name), every: EVERY_S, values: undefined, ...more },
    ]),
  );
  for (const [name, text] of Object.entries(lists)) writeFileSync(path.join(folder, name), text);
  const tables = new PrefixTables({
    tables: config,
    user: null,
    isRequired: false,
    clock,
    say: (level, sentence) => said.push(`${level}: ${sentence.replaceAll(`${folder}/`, '')}`),
    onChange: ({ name, version, fd }) => {
      assert.ok(fstatSync(fd).size > 0);
      told.push(`${name} ${version}`);
    },
  });
  t.after(() => tables.stop());
  assert.deepEqual(await tables.build(), []);
  tables.watch();
  let read = 0;
  return {
    tables,
    clock,
    said,
    told,
    folder,
    replace: (text, name = Object.keys(lists)[0] as string) => {
      writeFileSync(path.join(folder, `${name}.new`), text);
      renameSync(path.join(folder, `${name}.new`), path.join(folder, name));
    },
    look: () => clock.advance(EVERY_MS),
    news: () => {
      const news = said.slice(read);
      read = said.length;
      return news;
    },
    valueOf: (address, name) => {
      const memory = tables.memories.find((one) => name === undefined || one.name === name) as TableMemory;
      const mapped = loadNative().mapConstant(memory.fd, memory.octets);
      const value = new PrefixTable(mapped).lookup(addressOf(parseAddress(address) as Uint8Array));
      loadNative().unmapConstant(mapped);
      return value;
    },
  };
}

test('a list is read again when its file has changed, and not otherwise', async (t) => {
  const rig = await start(t, { blocked: '192.0.2.0/24\n' });
  assert.deepEqual(rig.news(), ['info: Table blocked: version 1 has 1 prefix of blocked.']);
  const { ino } = statSync(path.join(rig.folder, 'blocked'));
  for (let look = 0; look < 5; look++) await rig.look();
  assert.deepEqual([rig.news(), rig.told], [[], []]);
  rig.replace('198.51.100.0/24 5\n2001:db8::/32\n');
  assert.notEqual(statSync(path.join(rig.folder, 'blocked')).ino, ino);
  // Not before it is time.
  await rig.clock.advance(EVERY_MS - 1);
  assert.deepEqual([rig.told, rig.valueOf('192.0.2.1')], [[], 1]);
  await rig.clock.advance(1);
  assert.deepEqual(rig.news(), ['info: Table blocked: version 2 has 2 prefixes of blocked.']);
  assert.deepEqual([rig.told, rig.valueOf('192.0.2.1'), rig.valueOf('198.51.100.1')], [['blocked 2'], 0, 5]);
  const [view] = rig.tables.views;
  assert.deepEqual([view?.version, view?.prefixes, view?.sinceMs, view?.error], [2, 2, 6 * EVERY_MS, null]);
  // Written in place, of the same size and within the same second.
  writeFileSync(path.join(rig.folder, 'blocked'), '198.51.100.0/24 6\n2001:db8::/32\n');
  await rig.look();
  assert.equal(rig.valueOf('198.51.100.1'), 6);
  utimesSync(path.join(rig.folder, 'blocked'), new Date(0), new Date(0));
  await rig.look();
  assert.deepEqual(rig.told, ['blocked 2', 'blocked 3', 'blocked 4']);
});

test('a bad list changes nothing, is warned of once for each change, and forgotten when it is in order', async (t) => {
  const rig = await start(t, { blocked: '192.0.2.0/24\n' });
  rig.news();
  for (const [text, warning] of [
    [
      '192.0.2.1/24\n',
      'the list of a table is not valid: blocked:1: "192.0.2.1/24" has bits set after the prefix length',
    ],
    ['\n\nx\n', 'the list of a table is not valid: blocked:3: "x" is not an IPv4 or IPv6 address or prefix'],
    ['\n\nx\n', 'the list of a table is not valid: blocked:3: "x" is not an IPv4 or IPv6 address or prefix'],
  ] as const) {
    rig.replace(text);
    for (let look = 0; look < 4; look++) await rig.look();
    assert.deepEqual(rig.news(), [`warn: Table blocked: ${warning}. Version 1 stays in force.`]);
    assert.equal(rig.tables.views[0]?.error?.text.replaceAll(`${rig.folder}/`, ''), warning);
    assert.equal(rig.valueOf('192.0.2.1'), 1);
  }
  assert.equal(rig.tables.views[0]?.error?.atMs, 9 * EVERY_MS);
  rig.replace('198.51.100.0/24\n');
  await rig.look();
  assert.deepEqual(rig.news(), ['info: Table blocked: version 2 has 1 prefix of blocked.']);
  assert.equal(rig.tables.views[0]?.error, null);
});

test('a list that is gone is warned of once, and taken when it is there again', async (t) => {
  const rig = await start(t, { blocked: '192.0.2.0/24\n' });
  rig.news();
  rmSync(path.join(rig.folder, 'blocked'));
  for (let look = 0; look < 4; look++) await rig.look();
  const [warning, ...others] = rig.news();
  assert.match(
    warning ?? '',
    /^warn: Table blocked: cannot read the list of a table: blocked: ENOENT.*Version 1 stays in force\.$/,
  );
  assert.deepEqual(others, []);
  assert.equal(rig.valueOf('192.0.2.1'), 1);
  rig.replace('192.0.2.0/24 2\n');
  await rig.look();
  assert.deepEqual([rig.valueOf('192.0.2.1'), rig.tables.views[0]?.error], [2, null]);
});

test('an empty list is taken, with a warning; so are words that no line has', async (t) => {
  const rig = await start(t, { blocked: '192.0.2.0/24 DE\n' }, { values: { DE: 4 } });
  assert.equal(rig.valueOf('192.0.2.1'), 4);
  rig.news();
  rig.replace('# nothing\n');
  await rig.look();
  assert.deepEqual(rig.news(), [
    'warn: Table blocked: version 2 has 0 prefixes of blocked.',
    'warn: Table blocked: no line of blocked has DE.',
  ]);
  assert.equal(rig.valueOf('192.0.2.1'), 0);
});

test('each table follows its own list; one with every: 0 follows none', async (t) => {
  const rig = await start(t, { a: '192.0.2.0/24\n', b: '192.0.2.0/24\n' });
  rig.replace('192.0.2.0/24 7\n', 'b');
  await rig.look();
  assert.deepEqual([rig.told, rig.valueOf('192.0.2.1', 'a'), rig.valueOf('192.0.2.1', 'b')], [['b 2'], 1, 7]);
  const ids = rig.tables.memories.map(({ id }) => id);
  assert.equal(new Set(ids).size, 2);

  const still = await start(t, { a: '192.0.2.0/24\n' }, { every: 0 });
  still.replace('192.0.2.0/24 7\n');
  for (let look = 0; look < 3; look++) await still.look();
  assert.equal(still.valueOf('192.0.2.1'), 1);
});

test('what is wrong at the start is told of each table', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-tables-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(path.join(folder, 'bad'), 'x\n');
  writeFileSync(path.join(folder, 'good'), '192.0.2.1\n');
  const config = (name: string): TableConfig => ({ file: path.join(folder, name), every: 1, values: undefined });
  const tables = new PrefixTables({
    tables: { bad: config('bad'), good: config('good'), missing: config('missing') },
    user: null,
    isRequired: false,
    clock: new SimulatedClock(),
    say: () => undefined,
  });
  t.after(() => tables.stop());
  const problems = await tables.build();
  assert.deepEqual(
    problems.map((problem) => (problem as { code?: string }).code),
    ['FIREHOOK_TABLE_INVALID', 'FIREHOOK_TABLE_UNREADABLE'],
  );
  assert.deepEqual(
    tables.memories.map(({ name }) => name),
    ['good'],
  );
});

test('no version leaves memory behind once its time is over, and the end none at all', async (t) => {
  assert.equal(openTables(), 0);
  const rig = await start(t, { blocked: '192.0.2.0/24\n' });
  assert.equal(openTables(), 1);
  for (let round = 0; round < 20; round++) {
    rig.replace(`192.0.2.0/24 ${round}\n`);
    await rig.look();
    // The former one is held for a while: whoever lets go last waits for the kernel.
    assert.equal(openTables(), 2);
    rig.replace('x\n');
    await rig.look();
    assert.deepEqual([rig.valueOf('192.0.2.1'), openTables()], [round, 1]);
  }
  rig.replace('192.0.2.0/24 99\n');
  await rig.look();
  assert.deepEqual([openTables(), mapped()], [2, 0]);
  rig.tables.stop();
  rig.tables.stop();
  assert.deepEqual([openTables(), rig.tables.memories, rig.tables.views], [0, [], []]);
  rig.replace('192.0.2.0/24\n');
  await rig.look();
  assert.equal(rig.told.length, 21);
});
