/**
 * Misuse of the pool: what a hook scribbles is not believed, and what it does wrong is refused.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NonPagedPool, SIZEOF_IPRCVBUF } from '../../../src/firewall/constants.ts';
import { IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import { Pool } from '../../../src/firewall/pool.ts';
import { assertRefused, blockOf, chainOf, descriptorOf, HOOK, poolFor, rowOf } from './pool-fixture.ts';

describe('what a hook wrote into the members', () => {
  const scribbles: [string, (descriptor: IPRcvBuf) => void][] = [
    ['no buffer', (descriptor) => Object.assign(descriptor, { ipr_buffer: null })],
    [
      'a part of its buffer',
      (descriptor) => Object.assign(descriptor, { ipr_buffer: descriptor.ipr_buffer?.subarray(14) }),
    ],
    ['a buffer of its own', (descriptor) => Object.assign(descriptor, { ipr_buffer: Buffer.alloc(9) })],
    ['a buffer that is a string', (descriptor) => Object.assign(descriptor, { ipr_buffer: 'oops' })],
    ['a huge size', (descriptor) => Object.assign(descriptor, { ipr_size: 1e9 })],
    ['a size that is not a number', (descriptor) => Object.assign(descriptor, { ipr_size: Number.NaN })],
    ['another owner and flags', (descriptor) => Object.assign(descriptor, { ipr_owner: 77, ipr_flags: -1 })],
  ];
  for (const [what, scribble] of scribbles) {
    test(`does not mislead a free: ${what}`, () => {
      const pool = poolFor(HOOK);
      const byChain = descriptorOf(pool, 1000);
      const byBuffer = descriptorOf(pool, 1000);
      scribble(byChain);
      scribble(byBuffer);
      pool.freeChain(byChain);
      pool.freeBuffer(byBuffer);
      assert.equal(rowOf(pool, 'TCPb').diff, 0);
      pool.free(byBuffer);
      assert.deepEqual(pool.ownerUsage(HOOK), { outstanding: 0, bytes: 0, faults: 0 });
    });
  }
});

describe('a misuse is refused, counted and changes nothing', () => {
  test('a descriptor freed twice (DOC-POOL-9)', () => {
    const pool = poolFor(HOOK);
    const descriptor = descriptorOf(pool);
    pool.free(descriptor);
    descriptorOf(pool, 100);
    assertRefused(pool, 'FIREHOOK_POOL_DOUBLE_FREE', () => pool.free(descriptor));
    assertRefused(pool, 'FIREHOOK_POOL_DOUBLE_FREE', () => pool.freeChain(descriptor));
  });

  test('a block freed twice, also when its memory is in use again', () => {
    const pool = poolFor(HOOK, 300);
    const block = blockOf(pool, 200);
    pool.free(block);
    const again = blockOf(pool, 200);
    assert.equal(again.byteOffset, block.byteOffset);
    assert.equal(again.buffer, block.buffer);
    assertRefused(pool, 'FIREHOOK_POOL_DOUBLE_FREE', () => pool.free(block));
    pool.free(again);
  });

  test('data freed twice, or freed where there was none', () => {
    const pool = poolFor(HOOK);
    const descriptor = descriptorOf(pool, 100);
    pool.freeBuffer(descriptor);
    assertRefused(pool, 'FIREHOOK_POOL_DOUBLE_FREE', () => pool.freeBuffer(descriptor));
    const fresh = descriptorOf(pool);
    assertRefused(pool, 'FIREHOOK_POOL_DOUBLE_FREE', () => pool.freeBuffer(fresh));
  });

  test('a freed descriptor used (DOC-FREECH-4)', () => {
    const pool = poolFor(HOOK);
    const descriptor = descriptorOf(pool, 100);
    pool.freeChain(descriptor);
    assertRefused(pool, 'FIREHOOK_POOL_USE_AFTER_FREE', () => pool.allocateBuffer(descriptor, 10));
    assertRefused(pool, 'FIREHOOK_POOL_USE_AFTER_FREE', () => pool.freeBuffer(descriptor));
  });

  test('a chain with a freed member: the live members stay whole', () => {
    const pool = poolFor(HOOK);
    const [head, middle] = chainOf(pool, 10, 20, 30);
    assert.ok(middle !== undefined);
    pool.free(middle);
    assertRefused(pool, 'FIREHOOK_POOL_USE_AFTER_FREE', () => pool.freeChain(head));
    assert.equal(head.ipr_size, 10);
  });

  test('a chain that comes back to itself', () => {
    const pool = poolFor(HOOK);
    const chain = chainOf(pool, 10, 20, 30);
    for (const member of chain) {
      const last = chain[2];
      assert.ok(last !== undefined);
      last.ipr_next = member;
      assertRefused(pool, 'FIREHOOK_POOL_DOUBLE_FREE', () => pool.freeChain(chain[0]));
      assert.equal(pool.release(chain[0]), false);
      assert.equal(pool.adopt(chain[0]), false);
    }
  });

  test('a long chain of moved buffers is freed, and looked through in one go', () => {
    // With a comparison of each with each this takes minutes.
    const pool = new Pool(64 * 1024 * 1024);
    for (const isShared of [false, true]) {
      let head: IPRcvBuf | null = null;
      for (let count = 0; count < 100_000; count++) {
        const made = pool.allocate(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
        assert.ok(made instanceof IPRcvBuf);
        assert.equal(pool.allocateBuffer(made, 8), 1);
        made.ipr_buffer = made.ipr_buffer?.subarray(1) ?? null;
        made.ipr_size = 7;
        made.ipr_next = head;
        head = made;
      }
      assert.ok(head !== null);
      if (isShared) head.ipr_buffer = head.ipr_next?.ipr_next?.ipr_buffer ?? null;
      const chain = head;
      if (isShared) assert.throws(() => pool.freeChain(chain), { code: 'FIREHOOK_POOL_DOUBLE_FREE' });
      else pool.freeChain(chain);
    }
  });

  test('a chain with one buffer in two descriptors', () => {
    const pool = poolFor(HOOK);
    const [head, , tail] = chainOf(pool, 10, 20, 30);
    assert.ok(tail !== undefined);
    tail.ipr_buffer = head.ipr_buffer;
    assertRefused(pool, 'FIREHOOK_POOL_DOUBLE_FREE', () => pool.freeChain(head));
    tail.ipr_buffer = head.ipr_buffer?.subarray(5) ?? null;
    assertRefused(pool, 'FIREHOOK_POOL_DOUBLE_FREE', () => pool.freeChain(head));
  });

  test('strangers of every kind (DOC-POOL-9)', () => {
    const pool = poolFor(HOOK);
    const own = descriptorOf(pool, 100);
    const foreign = descriptorOf(poolFor(HOOK), 100);
    const lent = new IPRcvBuf();
    const strangers = [foreign, lent, { ...own }, {}, null, undefined, 'fPCT', 64, new Proxy(own, {})];
    for (const stranger of strangers as never[]) {
      assertRefused(pool, 'FIREHOOK_POOL_STRANGER', () => pool.free(stranger));
      assertRefused(pool, 'FIREHOOK_POOL_STRANGER', () => pool.freeChain(stranger));
      assertRefused(pool, 'FIREHOOK_POOL_STRANGER', () => pool.freeBuffer(stranger));
      assertRefused(pool, 'FIREHOOK_POOL_STRANGER', () => pool.allocateBuffer(stranger, 10));
    }
    for (const stranger of [foreign, lent, { ...own }, {}, undefined] as never[]) {
      own.ipr_next = stranger;
      assertRefused(pool, 'FIREHOOK_POOL_STRANGER', () => pool.freeChain(own));
    }
  });

  test('a data buffer, or part of a block, given to free', () => {
    const pool = poolFor(HOOK);
    const { ipr_buffer } = descriptorOf(pool, 100);
    assert.ok(ipr_buffer !== null);
    assertRefused(pool, 'FIREHOOK_POOL_STRANGER', () => pool.free(ipr_buffer));
    const part = blockOf(pool, 100).subarray(1);
    assertRefused(pool, 'FIREHOOK_POOL_STRANGER', () => pool.free(part));
  });
});
