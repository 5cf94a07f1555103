/**
 * The fence's page and its epochs.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { fstatSync, readSync, writeSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Fence } from '../../../src/supervisor/fence.ts';

const NS_PER_MS = 1_000_000n;
const HOUR_MS = 3_600_000;

/** Epoch, until and sum, as a lane reads them. */
function page(fence: Fence): BigUint64Array {
  const words = new BigUint64Array(3);
  assert.equal(readSync(fence.laneFd, words, 0, 24, 0), 24);
  return words;
}

describe('the fence', () => {
  test('is closed at first, in epoch 0, and has no name', () => {
    const fence = new Fence();
    assert.deepEqual([...page(fence)], [0n, 0n, 0n]);
    assert.deepEqual([fence.isOpen, fence.epoch], [false, 0]);
    assert.equal(fstatSync(fence.laneFd).nlink, 0);
    fence.release();
  });

  test('stays in its epoch while it is extended in time, and begins another after a gap', () => {
    const fence = new Fence();
    const now = process.hrtime.bigint();
    fence.extend(now, HOUR_MS);
    assert.deepEqual([...page(fence)].slice(0, 2), [1n, now + BigInt(HOUR_MS) * NS_PER_MS]);
    fence.extend(now + 5n, HOUR_MS);
    assert.deepEqual([fence.epoch, fence.isOpen], [1, true]);
    // Confirmed so late that it is over already.
    fence.extend(now - BigInt(HOUR_MS) * NS_PER_MS, 1);
    assert.deepEqual([fence.epoch, fence.isOpen], [1, false]);
    fence.extend(process.hrtime.bigint(), HOUR_MS);
    assert.deepEqual([fence.epoch, fence.isOpen], [2, true]);
    const [epoch = 0n, until = 0n, sum] = page(fence);
    assert.equal(sum, epoch + until);
    fence.release();
  });

  test('that was closed opens in another epoch', () => {
    const fence = new Fence();
    fence.extend(process.hrtime.bigint(), HOUR_MS);
    fence.close();
    assert.deepEqual([...page(fence)], [1n, 0n, 1n]);
    fence.extend(process.hrtime.bigint(), HOUR_MS);
    assert.equal(fence.epoch, 2);
    fence.release();
  });

  test('cannot be written to by the descriptor that lanes get', () => {
    const fence = new Fence();
    assert.throws(() => writeSync(fence.laneFd, Buffer.alloc(24)), { code: 'EBADF' });
    fence.release();
  });
});
