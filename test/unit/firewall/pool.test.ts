/**
 * The pool: what is handed out, what each kind of free takes back, what is refused, and that the books agree.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ErrorCode } from '../../../src/errors.ts';
import { isFirehookError } from '../../../src/errors.ts';
import type { POOL_TYPE } from '../../../src/firewall/constants.ts';
import {
  IPR_OWNER_NONE,
  IPR_OWNER_POOL,
  NonPagedPool,
  PagedPool,
  SIZEOF_IPRCVBUF,
} from '../../../src/firewall/constants.ts';
import { chainLength, IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import { MAX_BLOCK_OCTETS, Pool } from '../../../src/firewall/pool.ts';

const HOOK = 3;
const OTHER_HOOK = 4;

function poolFor(owner: number, limitBytes = 1024 * 1024): Pool {
  const pool = new Pool(limitBytes);
  pool.owner = owner;
  return pool;
}

function descriptorOf(pool: Pool, size = 0): IPRcvBuf {
  const descriptor = pool.allocate(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
  assert.ok(descriptor instanceof IPRcvBuf);
  if (size > 0) assert.equal(pool.allocateBuffer(descriptor, size), 1);
  return descriptor;
}

function chainOf(pool: Pool, ...sizes: number[]): [IPRcvBuf, ...IPRcvBuf[]] {
  const members = sizes.map((size) => descriptorOf(pool, size));
  for (const [i, member] of members.entries()) member.ipr_next = members[i + 1] ?? null;
  const [head, ...rest] = members;
  assert.ok(head !== undefined);
  return [head, ...rest];
}

function blockOf(pool: Pool, octets: number, tag = 'kooH'): Buffer {
  const block = pool.allocate(NonPagedPool, octets, tag);
  assert.ok(block instanceof Buffer);
  return block;
}

/** Everything the books say except the faults: what must not move when a misuse is refused. */
function booksOf(pool: Pool): unknown {
  const { faultsTotal: _, ...totals } = pool.totals();
  const owners = [-1, HOOK, OTHER_HOOK].map((owner) => ({ ...pool.ownerUsage(owner), faults: 0 }));
  return { rows: pool.usage(), totals, owners };
}

function assertRefused(pool: Pool, code: ErrorCode, misuse: () => void): void {
  const before = booksOf(pool);
  const faults = pool.faultsTotal;
  const hookFaults = pool.ownerUsage(pool.owner).faults;
  assert.throws(misuse, (error) => isFirehookError(error) && error.code === code);
  assert.equal(pool.faultsTotal, faults + 1);
  assert.equal(pool.ownerUsage(pool.owner).faults, hookFaults + 1);
  assert.deepEqual(booksOf(pool), before);
}

function rowOf(pool: Pool, tag: string): { diff: number; bytes: number; perAlloc: number } {
  const row = pool.usage().find((candidate) => candidate.tag === tag);
  assert.ok(row !== undefined);
  return { diff: row.diff, bytes: row.bytes, perAlloc: row.perAlloc };
}

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

  test('gives null for a size that is zero, negative, no integer or too large', () => {
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
  test('sets buffer, size and owner, and leaves the other members alone', () => {
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

  test('serves every size from 1 to 65,535 and answers 0 outside', () => {
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
  test('freeBuffer frees the data, keeps the descriptor and does not follow ipr_next', () => {
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

  test('freeChain frees all of it, members without data included', () => {
    const pool = poolFor(HOOK);
    const chain = chainOf(pool, 20, 0, 1480);
    pool.freeChain(chain[0]);
    assert.equal(pool.totals().bytesInUse, 0);
    for (const member of chain) assert.deepEqual({ ...member }, { ...new IPRcvBuf() });
  });

  test('freeChain frees from its head on, not what stands before', () => {
    const pool = poolFor(HOOK);
    const [head, middle] = chainOf(pool, 20, 30, 40);
    assert.ok(middle !== undefined);
    head.ipr_next = null;
    pool.freeChain(middle);
    assert.equal(chainLength(head), 20);
    assert.equal(pool.totals().bytesInUse, 84);
  });

  test('free gives a block back, and its tag is checked when it is given', () => {
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
  test('a descriptor freed twice', () => {
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

  test('a freed descriptor used', () => {
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

  test('a chain with one buffer in two descriptors', () => {
    const pool = poolFor(HOOK);
    const [head, , tail] = chainOf(pool, 10, 20, 30);
    assert.ok(tail !== undefined);
    tail.ipr_buffer = head.ipr_buffer;
    assertRefused(pool, 'FIREHOOK_POOL_DOUBLE_FREE', () => pool.freeChain(head));
    tail.ipr_buffer = head.ipr_buffer?.subarray(5) ?? null;
    assertRefused(pool, 'FIREHOOK_POOL_DOUBLE_FREE', () => pool.freeChain(head));
  });

  test('strangers of every kind', () => {
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
  test('have a row for each tag and type, sorted by tag', () => {
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

  test('return to where they were after 100,000 packets, and no slab is added after the first', () => {
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
      'memory in front of its own',
      (tail, _head, pool) => {
        const { ipr_buffer } = descriptorOf(pool, 1480);
        assert.ok(ipr_buffer !== null && ipr_buffer.buffer === tail.ipr_buffer?.buffer);
        tail.ipr_next = descriptorOf(pool, 1480);
        assert.ok(tail.ipr_next.ipr_buffer !== null && tail.ipr_next.ipr_buffer.byteOffset > ipr_buffer.byteOffset);
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
