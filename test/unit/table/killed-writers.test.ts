/**
 * A table that several processes write to at once: one that is killed harms nobody, and one that means harm harms the table alone.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadNative } from '../../../src/native/load-native.ts';
import { MOST_VALUE } from '../../../src/table/hook-table.ts';
import { KEYS, keyOf, openShared, SHARED_OCTETS } from './shared-rig.ts';

const WRITER = fileURLToPath(new URL('table-writer.ts', import.meta.url));
const KILLS = 12;
/** Looks at every key between two kills. */
const LOOKS = 40;
const native = loadNative();

function shared(t: TestContext) {
  const fd = native.createMemory('firehook-test-table', SHARED_OCTETS);
  t.after(() => closeSync(fd));
  return { fd, table: openShared(native.mapMemory(fd, SHARED_OCTETS)) };
}

async function startWriter(t: TestContext, kind: 'honest' | 'hostile', fd: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', WRITER, kind, String(SHARED_OCTETS)], {
    stdio: ['ignore', 'pipe', 'inherit', fd],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout ?? assert.fail(), 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

test('no entry is another one, and the table works on, while writers are killed again and again', async (t) => {
  const { fd, table } = shared(t);
  let found = 0;
  const writers = [await startWriter(t, 'honest', fd), await startWriter(t, 'honest', fd)];
  for (let kills = 0; kills < KILLS; kills++) {
    for (let look = 0; look < LOOKS; look++) {
      for (let key = 0; key < KEYS; key++) {
        const value = table.get(keyOf(key));
        if (value === 0) continue;
        found += 1;
        assert.equal(value % KEYS, key, `${value} is not of key ${key}`);
        if (look % 8 === 0) table.set(keyOf(key), KEYS * 70_000 + key);
      }
      await sleep(1);
    }
    const place = kills % 2;
    await kill(writers[place] as ChildProcess);
    if (kills < KILLS - 2) writers[place] = await startWriter(t, 'honest', fd);
  }
  assert.ok(found > KILLS * LOOKS, `${found} values`);
  // Nobody writes any more, and nobody has left anything behind that is in the way.
  for (let key = 0; key < 16; key++) {
    table.set(keyOf(key), KEYS + key);
    assert.equal(table.get(keyOf(key)), KEYS + key);
    table.delete(keyOf(key));
    assert.equal(table.get(keyOf(key)), 0);
  }
});

test('whoever writes anything anywhere takes entries, and no more', async (t) => {
  const { fd, table } = shared(t);
  const hostile = await startWriter(t, 'hostile', fd);
  for (let look = 0; look < LOOKS * 20; look++) {
    for (let key = 0; key < KEYS; key++) {
      const value = table.get(keyOf(key));
      assert.ok(Number.isInteger(value) && value >= 0 && value <= MOST_VALUE);
      table.set(keyOf(key), KEYS + key);
      if (look % 5 === 0) table.delete(keyOf(key));
    }
    if (look % 16 === 0) await sleep(1);
  }
  await kill(hostile);
  for (let key = 0; key < KEYS; key++) {
    table.set(keyOf(key), KEYS + key);
    assert.equal(table.get(keyOf(key)), KEYS + key);
  }
});
