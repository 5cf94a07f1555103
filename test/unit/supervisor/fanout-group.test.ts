/**
 * The numbers of fanout groups: held by one daemon, drawn again when another has them, free when they are given back.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FanoutGroups } from '../../../src/supervisor/fanout-group.ts';
import { waitFor } from '../../support/wait-for.ts';

/** Above 65535: numbers that no daemon of this machine draws. */
const FREE = 0x1000000 + (process.pid & 0xffffff) * 16;

/** Draws until it succeeds, for numbers that were given back a moment ago. */
async function drawn(groups: FanoutGroups, count: number): Promise<readonly number[]> {
  await waitFor(
    () =>
      groups.draw(count).then(
        () => true,
        () => false,
      ),
    { what: 'the numbers to be free' },
  );
  return groups.ids;
}

test('a number that somebody holds is drawn again, and is free once it is given back', async () => {
  const numbers = [FREE, FREE, FREE, FREE + 1];
  const next = () => numbers.shift() ?? FREE;
  const first = new FanoutGroups(next);
  const second = new FanoutGroups(next);
  await first.draw(1);
  await second.draw(1);
  assert.deepEqual([first.ids, second.ids], [[FREE], [FREE + 1]]);
  const third = new FanoutGroups(() => FREE);
  await assert.rejects(third.draw(1), /no free fanout group; stop another firehookd/);
  first.release();
  assert.deepEqual(await drawn(third, 1), [FREE]);
  second.release();
  third.release();
});

test('ports get numbers of their own, and a draw gives back what was held', async () => {
  let next = FREE + 2;
  const groups = new FanoutGroups(() => next++);
  await groups.draw(3);
  assert.deepEqual(groups.ids, [FREE + 2, FREE + 3, FREE + 4]);
  await groups.draw(0);
  assert.deepEqual(groups.ids, []);
  const others = new FanoutGroups(() => FREE + 2);
  assert.deepEqual(await drawn(others, 1), [FREE + 2]);
  await assert.rejects(others.draw(2), /no free fanout group/);
  assert.deepEqual(others.ids, []);
  assert.deepEqual(await drawn(others, 1), [FREE + 2]);
  others.release();
});

test('what is drawn fits into 16 bits', async () => {
  const groups = new FanoutGroups();
  await groups.draw(16);
  assert.equal(groups.ids.length, 16);
  for (const id of groups.ids) assert.ok(Number.isInteger(id) && id >= 0 && id <= 0xffff);
  groups.release();
});
