/**
 * The fence's page and its epochs, and what nft prints when a lease is in force.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { fstatSync, readSync, writeSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Fence } from '../../../src/supervisor/fence.ts';
import { NftEcho } from '../../../src/supervisor/nft-echo.ts';

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

describe('the echo of nft', () => {
  const lease = (port: number) =>
    `add element netdev firehook_${port} alive { "p${port}" }\n` +
    `add element netdev firehook_${port} alive { "p${port}" timeout 1s expires 998ms }\n`;
  const end = '# new generation 5 by process 24324 (nft)\n';
  const transactions = (...pieces: string[]) => {
    const echo = new NftEcho();
    return pieces.flatMap((piece) => echo.read(piece)).map((ports) => [...ports]);
  };

  test('gives the ports of each transaction once it has ended, however it is cut', () => {
    const text = `${lease(7)}${lease(8)}${end}${lease(7)}${end}`;
    assert.deepEqual(transactions(text), [[7, 8], [7]]);
    assert.deepEqual(transactions(...text), [[7, 8], [7]]);
    assert.deepEqual(transactions(lease(7)), []);
  });

  test('takes no line for the word of the kernel that is only what nft was told', () => {
    const told = 'add element netdev firehook_7 alive { 7 }; add element netdev firehook_7 alive { 7 timeout 1s }\n';
    assert.deepEqual(transactions(told, end), [[]]);
  });

  test('takes neither other tables nor other sets for a lease', () => {
    const other = 'add element netdev firehook_7 other { "p7" timeout 1s expires 1s }\n';
    const foreign = 'add element netdev mine_7 alive { "p7" timeout 1s expires 1s }\n';
    assert.deepEqual(transactions(other, foreign, end), [[]]);
  });
});
