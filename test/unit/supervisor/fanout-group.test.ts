/**
 * The numbers of fanout groups: held by one daemon, drawn again when another has them, free when they are given back.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadNative } from '../../../src/native/load-native.ts';
import { FanoutGroups } from '../../../src/supervisor/fanout-group.ts';

/** Real locks, in a folder of the test: several of them in one process exclude each other as those of several processes do. */
function locksOf(t: TestContext): (id: number) => number {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-fanout-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return (id) => loadNative().lockFile(path.join(folder, `fanout-${id}`));
}

test('a number that somebody holds is drawn again, and is free once it is given back', (t) => {
  const lock = locksOf(t);
  const numbers = [7, 7, 7, 8];
  const next = () => numbers.shift() ?? 7;
  const first = new FanoutGroups(lock, next);
  const second = new FanoutGroups(lock, next);
  first.draw(1);
  second.draw(1);
  assert.deepEqual([first.ids, second.ids], [[7], [8]]);
  const third = new FanoutGroups(lock, () => 7);
  assert.throws(() => third.draw(1), /no free fanout group; stop another firehookd/);
  assert.deepEqual(third.ids, []);
  first.release();
  third.draw(1);
  assert.deepEqual(third.ids, [7]);
  second.release();
  third.release();
});

test('ports get numbers of their own, and a draw gives back what was held', (t) => {
  const lock = locksOf(t);
  let next = 2;
  const groups = new FanoutGroups(lock, () => next++);
  groups.draw(3);
  assert.deepEqual(groups.ids, [2, 3, 4]);
  groups.draw(0);
  assert.deepEqual(groups.ids, []);
  const others = new FanoutGroups(lock, () => 2);
  others.draw(1);
  assert.deepEqual(others.ids, [2]);
  assert.throws(() => others.draw(2), /no free fanout group/);
  assert.deepEqual(others.ids, []);
  others.draw(1);
  assert.deepEqual(others.ids, [2]);
  others.release();
});

test('what is drawn fits into 16 bits', (t) => {
  const groups = new FanoutGroups(locksOf(t));
  groups.draw(16);
  assert.equal(groups.ids.length, 16);
  for (const id of groups.ids) assert.ok(Number.isInteger(id) && id >= 0 && id <= 0xffff);
  groups.release();
});
