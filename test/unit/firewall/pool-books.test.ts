/**
 * Books: the arithmetic of PoolMon's columns.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NonPagedPool, PagedPool } from '../../../src/firewall/constants.ts';
import { OwnerBook, TagBook } from '../../../src/firewall/pool-books.ts';

test('diff is allocs less frees, and per alloc is bytes by diff, rounded down (DOC-POOLMON-2, DOC-POOLMON-3)', () => {
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

test('8456 octets in 30 allocations are 281 for each (SAMPLE-POOLMON-1)', () => {
  const book = new TagBook(0x74696157, NonPagedPool);
  for (let count = 0; count < 29; count++) book.add(281);
  book.add(8456 - 29 * 281);
  assert.deepEqual([book.toUsage().diff, book.toUsage().bytes, book.toUsage().perAlloc], [30, 8456, 281]);
});

test('per alloc is 0 when nothing is live (DOC-POOLMON-1, SAMPLE-POOLMON-1)', () => {
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
