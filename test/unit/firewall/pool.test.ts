/**
 * The pool: what is handed out, what each kind of free takes back, and that the books agree.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { POOL_TYPE } from '../../../src/firewall/constants.ts';
import {
  IPR_OWNER_NONE,
  IPR_OWNER_POOL,
  NonPagedPool,
  PagedPool,
  SIZEOF_IPRCVBUF,
} from '../../../src/firewall/constants.ts';
import { chainLength, IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import { MAX_BLOCK_OCTETS } from '../../../src/firewall/pool.ts';
import { assertRefused, blockOf, chainOf, descriptorOf, HOOK, OTHER_HOOK, poolFor, rowOf } from './pool-fixture.ts';

describe('allocate', () => {
  test('gives a descriptor with nothing in it for 64 octets', () => {
    const descriptor = descriptorOf(poolFor(HOOK));
    assert.deepEqual({ ...descriptor }, { ...new IPRcvBuf() });
  });

  test('gives a block of exactly the size for any other', () => {
    const pool = poolFor(HOOK);
    for (const octets of [1, 63, 65, 100, 4096, 5000, MAX_BLOCK_OCTETS]) {
      assert.equal(blockOf(pool, octets).length, octets);
    }
  });

  test('gives memory as its last user left it (DOC-POOL-5)', () => {
    const pool = poolFor(HOOK, 4096);
    const blocks: Buffer[] = [];
    for (
      let made = pool.allocate(NonPagedPool, 200, 'kooH');
      made instanceof Buffer;
      made = pool.allocate(NonPagedPool, 200, 'kooH')
    ) {
      blocks.push(made.fill(0xa5));
    }
    assert.ok(blocks.length > 1);
    for (const block of blocks) pool.free(block);
    assert.ok(blockOf(pool, 200).every((octet) => octet === 0xa5));
  });

  test('never uses a descriptor object twice', () => {
    const pool = poolFor(HOOK);
    const seen = new Set<IPRcvBuf>();
    for (let i = 0; i < 100; i++) {
      const descriptor = descriptorOf(pool, 10);
      assert.equal(seen.has(descriptor), false);
      seen.add(descriptor);
      pool.freeChain(descriptor);
    }
  });

  test('gives null for a size that is zero, negative, no integer or too large (DOC-POOL-6)', () => {
    const pool = poolFor(HOOK);
    for (const octets of [0, -64, 1.5, Number.NaN, Number.POSITIVE_INFINITY, MAX_BLOCK_OCTETS + 1]) {
      assert.equal(pool.allocate(NonPagedPool, octets, 'fPCT'), null);
    }
    assert.equal(pool.totals().failuresTotal, 6);
    assert.equal(pool.totals().bytesInUse, 0);
  });

  test('gives null and counts a fault for an unknown type of pool', () => {
    const pool = poolFor(HOOK);
    assert.equal(pool.allocate(2 as POOL_TYPE, 64, 'fPCT'), null);
    assert.equal(pool.ownerUsage(HOOK).faults, 1);
  });

  test('throws for a bad tag', () => {
    const pool = poolFor(HOOK);
    for (const tag of ['', 'abcde', 'a\n', 0, -1]) {
      assertRefused(pool, 'FIREHOOK_POOL_BAD_TAG', () => pool.allocate(NonPagedPool, 64, tag));
    }
  });
});

describe('allocateBuffer', () => {
  test('sets buffer, size and owner, and leaves the other members alone (DOC-ALLOC-1, HDR-RCVBUF-3)', () => {
    const pool = poolFor(HOOK);
    const [head, tail] = chainOf(pool, 0, 0);
    head.ipr_flags = 2;
    assert.equal(pool.allocateBuffer(head, 1500), 1);
    assert.ok(head.ipr_buffer !== null && head.ipr_buffer.length >= 1500);
    assert.equal(head.ipr_size, 1500);
    assert.equal(head.ipr_owner, IPR_OWNER_POOL);
    assert.equal(head.ipr_next, tail);
    assert.equal(head.ipr_flags, 2);
  });

  test('serves every size from 1 to 65,535 and answers 0 outside (DOC-ALLOC-2)', () => {
    const pool = poolFor(HOOK);
    const descriptor = descriptorOf(pool);
    for (const size of [0, -1, 0.5, Number.NaN, 65_536, '9']) {
      assert.equal(pool.allocateBuffer(descriptor, size as number), 0);
      assert.equal(descriptor.ipr_buffer, null);
    }
    for (const size of [1, 64, 65, 1500, 65_535]) {
      assert.equal(pool.allocateBuffer(descriptor, size), 1);
      assert.equal(chainLength(descriptor), size);
      pool.freeBuffer(descriptor);
    }
  });

  test('answers 0 and counts a fault when there is a buffer already, even one the hook hid', () => {
    const pool = poolFor(HOOK);
    const descriptor = descriptorOf(pool, 100);
    descriptor.ipr_buffer = null;
    assert.equal(pool.allocateBuffer(descriptor, 100), 0);
    assert.equal(pool.ownerUsage(HOOK).faults, 1);
    assert.equal(rowOf(pool, 'TCPb').diff, 1);
  });

  test('has slack that belongs to nobody: writing the whole view meets no other allocation', () => {
    const pool = poolFor(HOOK);
    const chain = Array.from({ length: 50 }, () => descriptorOf(pool, 65));
    for (const [i, descriptor] of chain.entries()) descriptor.ipr_buffer?.fill(i);
    for (const [i, descriptor] of chain.entries()) assert.ok(descriptor.ipr_buffer?.every((octet) => octet === i));
  });
});

describe('the three levels of release', () => {
  test('freeBuffer frees the data, keeps the descriptor and does not follow ipr_next (DOC-FREE1-1, DOC-FREE1-2)', () => {
    const pool = poolFor(HOOK);
    const [head, tail] = chainOf(pool, 20, 1480);
    pool.freeBuffer(head);
    assert.deepEqual([head.ipr_buffer, head.ipr_size, head.ipr_owner], [null, 0, IPR_OWNER_NONE]);
    assert.equal(head.ipr_next, tail);
    assert.equal(rowOf(pool, 'TCPf').diff, 2);
    assert.deepEqual(rowOf(pool, 'TCPb'), { diff: 1, bytes: 1480, perAlloc: 1480 });
    assert.equal(pool.allocateBuffer(head, 40), 1);
    assert.equal(chainLength(head), 1520);
  });

  test('free frees the descriptor and leaks its data, which stays in the books', () => {
    const pool = poolFor(HOOK);
    pool.free(descriptorOf(pool, 100));
    assert.equal(rowOf(pool, 'TCPf').diff, 0);
    assert.deepEqual(rowOf(pool, 'TCPb'), { diff: 1, bytes: 100, perAlloc: 100 });
    assert.equal(pool.totals().leakedTotal, 1);
    assert.deepEqual(pool.ownerUsage(HOOK), { outstanding: 1, bytes: 100, faults: 0 });
  });

  test('freeChain frees all of it, members without data included (DOC-FREECH-1, DOC-FREECH-2)', () => {
    const pool = poolFor(HOOK);
    const chain = chainOf(pool, 20, 0, 1480);
    pool.freeChain(chain[0]);
    assert.equal(pool.totals().bytesInUse, 0);
    for (const member of chain) assert.deepEqual({ ...member }, { ...new IPRcvBuf() });
  });

  test('freeChain frees from its head on, not what stands before (DOC-FREECH-3)', () => {
    const pool = poolFor(HOOK);
    const [head, middle] = chainOf(pool, 20, 30, 40);
    assert.ok(middle !== undefined);
    head.ipr_next = null;
    pool.freeChain(middle);
    assert.equal(chainLength(head), 20);
    assert.equal(pool.totals().bytesInUse, 84);
  });

  test('free gives a block back, and its tag is checked when it is given (DOC-POOL-8)', () => {
    const pool = poolFor(HOOK);
    const block = blockOf(pool, 100);
    const descriptor = descriptorOf(pool);
    assertRefused(pool, 'FIREHOOK_POOL_BAD_TAG', () => pool.free(block, 'fPCT'));
    assertRefused(pool, 'FIREHOOK_POOL_BAD_TAG', () => pool.free(descriptor, 'kooH'));
    assertRefused(pool, 'FIREHOOK_POOL_BAD_TAG', () => pool.free(block, ''));
    pool.free(block, 'kooH');
    pool.free(descriptor, 0x66504354);
    assert.equal(pool.totals().bytesInUse, 0);
  });
});

describe('exhaustion', () => {
  test('every point of failure is met on the way to a full pool, and freeing makes room again', () => {
    const pool = poolFor(HOOK, 10_000);
    const chains: IPRcvBuf[] = [];
    let failedAt = '';
    while (failedAt === '') {
      const descriptor = pool.allocate(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
      if (!(descriptor instanceof IPRcvBuf)) failedAt = 'descriptor';
      else if (pool.allocateBuffer(descriptor, 1500) === 1) chains.push(descriptor);
      else {
        failedAt = 'data';
        pool.free(descriptor);
      }
    }
    assert.equal(failedAt, 'data');
    assert.equal(chains.length, 6);
    assert.equal(pool.totals().leakedTotal, 0);
    while (pool.allocate(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT') !== null);
    assert.equal(pool.allocate(NonPagedPool, 100, 'kooH'), null);
    const [first] = chains;
    assert.ok(first !== undefined);
    pool.freeChain(first);
    assert.ok(descriptorOf(pool, 1500).ipr_buffer !== null);
    assert.ok(pool.totals().reservedBytes <= 10_000);
  });

  test('a pool without memory hands nothing out and books nothing', () => {
    const pool = poolFor(HOOK, 0);
    assert.equal(pool.allocate(NonPagedPool, 64, 'fPCT'), null);
    assert.equal(pool.allocate(NonPagedPool, 65, 'fPCT'), null);
    assert.equal(pool.allocateChain(100), null);
    assert.equal(pool.totals().failuresTotal, 3);
    for (const row of pool.usage()) assert.equal(row.allocs, 0);
  });

  test('allocateChain leaves nothing behind when only its data fails', () => {
    const pool = poolFor(HOOK, 100);
    assert.equal(pool.allocateChain(1500), null);
    assert.equal(pool.allocateChain(0), null);
    assert.equal(pool.totals().bytesInUse, 0);
    assert.equal(pool.ownerUsage(-1).outstanding, 0);
  });
});

describe('the books', () => {
  test('have a row for each tag and type, sorted by tag (DOC-POOLMON-4, DOC-POOLMON-5)', () => {
    const pool = poolFor(HOOK);
    descriptorOf(pool, 1500);
    pool.allocate(PagedPool, 100, 'kooH');
    pool.allocate(NonPagedPool, 101, 'kooH');
    pool.allocate(NonPagedPool, 102, 0x6b6f6f48);
    assert.deepEqual(
      pool.usage().map(({ tag, type, diff, bytes, perAlloc }) => [tag, type, diff, bytes, perAlloc]),
      [
        ['Hook', 'Nonp', 2, 203, 101],
        ['Hook', 'Paged', 1, 100, 100],
        ['TCPb', 'Nonp', 1, 1500, 1500],
        ['TCPf', 'Nonp', 1, 64, 64],
      ],
    );
    assert.equal(pool.totals().bytesInUse, 1867);
  });

  test('are on the hook that allocated, whoever frees', () => {
    const pool = poolFor(HOOK);
    const descriptor = descriptorOf(pool);
    pool.owner = OTHER_HOOK;
    pool.allocateBuffer(descriptor, 100);
    assert.deepEqual(pool.ownerUsage(HOOK), { outstanding: 1, bytes: 64, faults: 0 });
    assert.deepEqual(pool.ownerUsage(OTHER_HOOK), { outstanding: 1, bytes: 100, faults: 0 });
    pool.owner = -1;
    pool.freeChain(descriptor);
    assert.equal(pool.ownerUsage(HOOK).outstanding, 0);
    assert.equal(pool.ownerUsage(OTHER_HOOK).bytes, 0);
  });

  test('return to where they were after 100,000 packets, and no slab is added after the first (DOC-POOLMON-6)', () => {
    const pool = poolFor(HOOK);
    let slabs = 0;
    for (let i = 0; i < 100_000; i++) {
      const [head] = chainOf(pool, 20, 1480);
      pool.freeChain(head);
      if (i === 0) slabs = pool.totals().slabs;
    }
    assert.equal(rowOf(pool, 'TCPf').diff, 0);
    assert.equal(rowOf(pool, 'TCPb').diff, 0);
    assert.equal(pool.totals().slabs, slabs);
  });

  test('show a hook that forgets its chains, one descriptor and one buffer a packet', () => {
    const pool = poolFor(HOOK);
    for (let i = 0; i < 100; i++) descriptorOf(pool, 100);
    assert.deepEqual(pool.ownerUsage(HOOK), { outstanding: 200, bytes: 16_400, faults: 0 });
  });
});
