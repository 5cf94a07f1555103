/**
 * Books: the arithmetic of PoolMon's columns.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NonPagedPool, PagedPool } from '../../../src/firewall/constants.ts';
import { OwnerBook, TagBook } from '../../../src/firewall/pool-books.ts';

test('diff is allocs less frees, and per alloc is bytes by diff, rounded down', () => {
  const book = new TagBook(0x74696157, NonPagedPool);
  for (const octets of [281, 283, 281]) book.add(octets);
  book.remove(281);
  assert.deepEqual(book.toUsage(), {
    tag: 'Wait',
    type: 'Nonp',
    allocs: 3,
    frees: 1,
    diff: 2,
    bytes: 564,
    perAlloc: 282,
  });
  book.add(1);
  assert.equal(book.toUsage().perAlloc, 188);
});

test('per alloc is 0 when nothing is live', () => {
  const book = new TagBook(0x61, PagedPool);
  book.add(10);
  book.remove(10);
  assert.deepEqual(book.toUsage(), { tag: 'a', type: 'Paged', allocs: 1, frees: 1, diff: 0, bytes: 0, perAlloc: 0 });
});

test('an allocation that changes hands leaves one owner and arrives at the other', () => {
  const from = new OwnerBook('hook');
  const to = new OwnerBook('hook');
  from.add(64);
  from.add(100);
  from.moveTo(to, 64);
  assert.deepEqual([from.outstanding, from.bytes, to.outstanding, to.bytes], [1, 100, 1, 64]);
});
