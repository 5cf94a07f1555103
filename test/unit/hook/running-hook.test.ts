/**
 * Which hook runs can be read from outside, whatever it does at that moment, and rubbish names nobody.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Pool } from '../../../src/firewall/pool.ts';
import { asOwner, followOwners } from '../../../src/hook/async-owner.ts';
import {
  noteRunning,
  RUNNING_OCTETS,
  readRunning,
  restoreRunning,
  shareRunning,
} from '../../../src/hook/running-hook.ts';

const HOOKS = 5;
const OFFSET = 16;
const memory = new ArrayBuffer(OFFSET + RUNNING_OCTETS);
const pool = new Pool(1024 * 1024);
shareRunning(memory, OFFSET, pool);
followOwners(pool);

const running = () => readRunning(Buffer.from(memory, OFFSET, RUNNING_OCTETS), HOOKS);

test('a hook that a packet is at is named, before all else, until it has returned', () => {
  assert.equal(running(), null);
  const before = noteRunning(1, 'setup');
  pool.owner = 4;
  assert.deepEqual(running(), { owner: 4, activity: 'onPacket' });
  pool.owner = -1;
  assert.deepEqual(running(), { owner: 1, activity: 'setup' });
  restoreRunning(before);
  assert.equal(running(), null);
});

test('what a hook does beside packets is named, one thing within the other', () => {
  asOwner(0, 'its module', () => {
    assert.deepEqual(running(), { owner: 0, activity: 'its module' });
    asOwner(2, 'teardown', () => assert.deepEqual(running(), { owner: 2, activity: 'teardown' }));
    assert.deepEqual(running(), { owner: 0, activity: 'its module' });
  });
  assert.throws(() => asOwner(3, 'its device', () => assert.fail('no')));
  assert.equal(running(), null);
});

test('timers and promises of a hook are named while they run, and those of nobody are not', async () => {
  const seen: unknown[] = [];
  const note = (): void => void seen.push(running());
  await asOwner(3, 'setup', async () => {
    await Promise.resolve();
    note();
    await new Promise<void>((resolve) => {
      setTimeout(() => {
        note();
        resolve();
      }, 1);
    });
  });
  const own = { owner: 3, activity: 'a timer or a promise' };
  assert.deepEqual(seen, [own, own]);
  await new Promise<void>((resolve) => {
    // What this test made before any hook ran is nobody's.
    process.nextTick(() => resolve());
  });
  pool.owner = 1;
  setImmediate(note);
  pool.owner = -1;
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(seen.at(-1), { owner: 1, activity: 'a timer or a promise' });
  assert.equal(running(), null);
});

test('whatever stands in the memory, no hook is named that is not there', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), fc.nat(HOOKS), (octets, hooks) => {
      const read = readRunning(Buffer.from(octets), hooks);
      assert.ok(read === null || (read.owner >= 0 && read.owner < hooks && read.activity.length > 0));
    }),
  );
});
