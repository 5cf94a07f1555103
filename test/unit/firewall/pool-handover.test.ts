/**
 * Chains on their way from a hook to the runtime: which are taken, whose they are then, and how they are freed.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chainLength, IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import type { Pool } from '../../../src/firewall/pool.ts';
import { assertRefused, chainOf, descriptorOf, HOOK, OTHER_HOOK, poolFor } from './pool-fixture.ts';

describe('a chain that changes hands', () => {
  test('is taken when every member is live, from this pool and within its size', () => {
    const pool = poolFor(HOOK);
    const [head, , tail] = chainOf(pool, 20, 0, 1480);
    assert.equal(pool.isOwnedChain(head), true);
    assert.ok(tail !== undefined && tail.ipr_buffer !== null);
    tail.ipr_buffer = tail.ipr_buffer.subarray(80);
    tail.ipr_size = 1400;
    assert.equal(pool.isOwnedChain(head), true);
  });

  const broken: [string, (tail: IPRcvBuf, head: IPRcvBuf, pool: Pool) => void][] = [
    ['more than was asked for', (tail) => Object.assign(tail, { ipr_size: 1481 })],
    [
      'a part that ends behind what was asked for',
      (tail) => Object.assign(tail, { ipr_buffer: tail.ipr_buffer?.subarray(1) }),
    ],
    [
      'more than is left in the part it shows',
      (tail) => Object.assign(tail, { ipr_buffer: tail.ipr_buffer?.subarray(0, 10), ipr_size: 11 }),
    ],
    [
      'memory of another descriptor',
      (tail, _head, pool) => {
        const { ipr_buffer } = descriptorOf(pool, 1480);
        tail.ipr_next = descriptorOf(pool, 1480);
        tail.ipr_next.ipr_buffer = ipr_buffer;
      },
    ],
    ['a negative size', (tail) => Object.assign(tail, { ipr_size: -1 })],
    ['a size that is no integer', (tail) => Object.assign(tail, { ipr_size: 0.5 })],
    ['no buffer', (tail) => Object.assign(tail, { ipr_buffer: null })],
    ['a buffer of its own', (tail) => Object.assign(tail, { ipr_buffer: Buffer.alloc(1480) })],
    [
      'the buffer of another member',
      (tail, head) => Object.assign(tail, { ipr_buffer: head.ipr_buffer, ipr_size: 20 }),
    ],
    ['a cycle', (tail, head) => Object.assign(tail, { ipr_next: head })],
    ['a descriptor of the runtime', (tail) => Object.assign(tail, { ipr_next: new IPRcvBuf() })],
    ['a plain object', (tail) => Object.assign(tail, { ipr_next: {} })],
    ['a freed member', (tail, _head, pool) => pool.free(tail)],
    [
      'data freed by itself',
      (tail, _head, pool) => {
        pool.freeBuffer(tail);
        tail.ipr_size = 9;
      },
    ],
    ['a chain of the runtime', (tail, _head, pool) => Object.assign(tail, { ipr_next: pool.allocateChain(10) })],
  ];
  for (const [what, breakIt] of broken) {
    test(`is not taken with ${what}`, () => {
      const pool = poolFor(HOOK);
      const [head, tail] = chainOf(pool, 20, 1480);
      assert.ok(tail !== undefined);
      breakIt(tail, head, pool);
      const faults = pool.faultsTotal;
      assert.equal(pool.isOwnedChain(head), false);
      assert.equal(pool.faultsTotal, faults);
    });
  }

  test('is not taken when there is none, or when it comes from another pool', () => {
    const pool = poolFor(HOOK);
    assert.equal(pool.isOwnedChain(null), false);
    assert.equal(pool.isOwnedChain(descriptorOf(poolFor(HOOK), 10)), false);
    assert.equal(pool.adopt(null), false);
    assert.equal(pool.release(null), false);
    assert.equal(pool.release(new IPRcvBuf()), false);
  });

  test('is the runtime’s once adopted: hooks cannot free it, hand it over again or lose it', () => {
    const pool = poolFor(HOOK);
    const [head] = chainOf(pool, 20, 0, 1480);
    assert.equal(pool.adopt(head), true);
    assert.deepEqual(pool.ownerUsage(HOOK), { outstanding: 0, bytes: 0, faults: 0 });
    assert.deepEqual(pool.ownerUsage(-1), { outstanding: 5, bytes: 1692, faults: 0 });
    assert.equal(pool.isOwnedChain(head), false);
    pool.owner = OTHER_HOOK;
    assertRefused(pool, 'FIREHOOK_POOL_STRANGER', () => pool.free(head));
    assertRefused(pool, 'FIREHOOK_POOL_STRANGER', () => pool.freeChain(head));
    assertRefused(pool, 'FIREHOOK_POOL_STRANGER', () => pool.freeBuffer(head));
    assert.equal(pool.release(head), true);
    assert.equal(pool.release(head), false);
    assert.equal(pool.totals().bytesInUse, 0);
    assert.equal(pool.ownerUsage(-1).outstanding, 0);
  });

  test('can be released without being adopted first', () => {
    const pool = poolFor(HOOK);
    const [head] = chainOf(pool, 20, 1480);
    pool.owner = -1;
    assert.equal(pool.release(head), true);
    assert.equal(pool.ownerUsage(HOOK).outstanding, 0);
  });

  test('is the runtime’s from the start when allocateChain made it, while any hook runs', () => {
    const pool = poolFor(HOOK);
    const chain = pool.allocateChain(1500);
    assert.ok(chain !== null);
    assert.equal(chainLength(chain), 1500);
    assert.equal(pool.ownerUsage(HOOK).outstanding, 0);
    assert.equal(pool.ownerUsage(-1).outstanding, 2);
    assertRefused(pool, 'FIREHOOK_POOL_STRANGER', () => pool.freeChain(chain));
    pool.owner = -1;
    pool.freeChain(chain);
    assert.equal(pool.totals().bytesInUse, 0);
  });
});
