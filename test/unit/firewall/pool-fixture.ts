/**
 * Short ways to fill a pool and to look into its books, for the tests of the pool.
 *
 * @module
 */

import assert from 'node:assert/strict';
import type { ErrorCode } from '../../../src/errors.ts';
import { isFirehookError } from '../../../src/errors.ts';
import { NonPagedPool, SIZEOF_IPRCVBUF } from '../../../src/firewall/constants.ts';
import { IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import { Pool } from '../../../src/firewall/pool.ts';

/** Index of the hook that runs in most tests. */
export const HOOK = 3;
/** Index of a second hook. */
export const OTHER_HOOK = 4;

/** A pool while the hook `owner` runs. */
export function poolFor(owner: number, limitBytes = 1024 * 1024): Pool {
  const pool = new Pool(limitBytes);
  pool.owner = owner;
  return pool;
}

/** A descriptor, with data where `size` is not 0. */
export function descriptorOf(pool: Pool, size = 0): IPRcvBuf {
  const descriptor = pool.allocate(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
  assert.ok(descriptor instanceof IPRcvBuf);
  if (size > 0) assert.equal(pool.allocateBuffer(descriptor, size), 1);
  return descriptor;
}

/** A chain with one member for each size. */
export function chainOf(pool: Pool, ...sizes: number[]): [IPRcvBuf, ...IPRcvBuf[]] {
  const members = sizes.map((size) => descriptorOf(pool, size));
  for (const [i, member] of members.entries()) member.ipr_next = members[i + 1] ?? null;
  const [head, ...rest] = members;
  assert.ok(head !== undefined);
  return [head, ...rest];
}

/** A block, shown as `Hook`. */
export function blockOf(pool: Pool, octets: number, tag = 'kooH'): Buffer {
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

/** Asserts that a misuse throws `code`, is counted on the running hook, and changes nothing else. */
export function assertRefused(pool: Pool, code: ErrorCode, misuse: () => void): void {
  const before = booksOf(pool);
  const faults = pool.faultsTotal;
  const hookFaults = pool.ownerUsage(pool.owner).faults;
  assert.throws(misuse, (error) => isFirehookError(error) && error.code === code);
  assert.equal(pool.faultsTotal, faults + 1);
  assert.equal(pool.ownerUsage(pool.owner).faults, hookFaults + 1);
  assert.deepEqual(booksOf(pool), before);
}

/** What the row of a tag says now. */
export function rowOf(pool: Pool, tag: string): { diff: number; bytes: number; perAlloc: number } {
  const row = pool.usage().find((candidate) => candidate.tag === tag);
  assert.ok(row !== undefined);
  return { diff: row.diff, bytes: row.bytes, perAlloc: row.perAlloc };
}
