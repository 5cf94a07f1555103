/**
 * Promises of the memory functions and of the pool on the account of a driver.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as memory from '../../../src/ddk/memory.ts';
import { NonPagedPool, PagedPool, SIZEOF_IPRCVBUF } from '../../../src/firewall/constants.ts';
import { IPAllocBuff, IPFreeBuff, systemPool } from '../../../src/firewall/ddk.ts';
import { IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import { assertBugCheck, freshDoor } from './support.ts';

const PAGE_FAULT = 'PAGE_FAULT_IN_NONPAGED_AREA (0x50)';
const LEVEL = 'IRQL_NOT_LESS_OR_EQUAL (0xA)';

describe('RtlCopyMemory', () => {
  test('copies as many octets as it is told', () => {
    const target = Buffer.alloc(4);
    memory.RtlCopyMemory(target, Buffer.from([1, 2, 3, 4]), 3);
    memory.RtlCopyMemory(target.subarray(3), Buffer.from([9]), 1);
    memory.RtlCopyMemory(target, Buffer.alloc(0), 0);
    assert.deepEqual([...target], [1, 2, 3, 9]);
  });

  test('refuses to go behind the end of either buffer, and copies nothing then', () => {
    const target = Buffer.alloc(2);
    for (const [to, from, length] of [
      [target, Buffer.from([1, 2, 3]), 3],
      [Buffer.alloc(9), Buffer.from([1]), 2],
      [target, Buffer.from([1, 2]), -1],
      [target, Buffer.from([1, 2]), 0.5],
    ] as const) {
      assertBugCheck(() => memory.RtlCopyMemory(to, from, length), PAGE_FAULT, 'RtlCopyMemory');
    }
    assert.deepEqual([...target], [0, 0]);
  });

  test('refuses buffers that overlap, which RtlMoveMemory takes', () => {
    const octets = Buffer.from([1, 2, 3, 4]);
    const name = 'DRIVER_VERIFIER_DETECTED_VIOLATION (0xC4)';
    assertBugCheck(() => memory.RtlCopyMemory(octets.subarray(1), octets, 3), name, 'RtlCopyMemory');
    memory.RtlMoveMemory(octets.subarray(1), octets, 3);
    assert.deepEqual([...octets], [1, 1, 2, 3]);
    memory.RtlCopyMemory(octets.subarray(2), octets, 2);
    assert.deepEqual([...octets], [1, 1, 1, 1]);
  });
});

describe('the other memory functions', () => {
  test('fill and zero as many octets as they are told', () => {
    const octets = Buffer.alloc(4);
    memory.RtlFillMemory(octets, 3, 0xab);
    assert.deepEqual([...octets], [0xab, 0xab, 0xab, 0]);
    memory.RtlZeroMemory(octets, 2);
    assert.deepEqual([...octets], [0, 0, 0xab, 0]);
    assertBugCheck(() => memory.RtlFillMemory(octets, 5, 1), PAGE_FAULT, 'RtlFillMemory');
    assertBugCheck(() => memory.RtlZeroMemory(octets, 5), PAGE_FAULT, 'RtlZeroMemory');
  });

  test('zero every member of a descriptor', () => {
    const descriptor = Object.assign(new IPRcvBuf(), {
      ipr_size: 5,
      ipr_flags: 2,
      ipr_next: new IPRcvBuf(),
      ipr_owner: 9,
    });
    memory.RtlZeroMemory(descriptor, SIZEOF_IPRCVBUF);
    assert.deepEqual({ ...descriptor }, { ...new IPRcvBuf() });
    assertBugCheck(() => memory.RtlZeroMemory(descriptor, 36), PAGE_FAULT, 'RtlZeroMemory');
  });

  test('do not make the pool forget which data a zeroed descriptor has', () => {
    const before = systemPool.totals().bytesInUse;
    const descriptor = systemPool.allocate(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
    assert.ok(descriptor instanceof IPRcvBuf);
    assert.equal(IPAllocBuff(descriptor, 10), 1);
    memory.RtlZeroMemory(descriptor, SIZEOF_IPRCVBUF);
    IPFreeBuff(descriptor);
    assert.equal(systemPool.totals().bytesInUse, before);
  });

  test('compare: how many are equal, and whether all are', () => {
    const [a, b] = [Buffer.from([1, 2, 3]), Buffer.from([1, 2, 4])];
    assert.equal(memory.RtlCompareMemory(a, b, 3), 2);
    assert.equal(memory.RtlCompareMemory(a, b, 2), 2);
    assert.equal(memory.RtlEqualMemory(a, b, 2), true);
    assert.equal(memory.RtlEqualMemory(a, b, 3), false);
    assertBugCheck(() => memory.RtlCompareMemory(a, b, 4), PAGE_FAULT, 'RtlCompareMemory');
    assertBugCheck(() => memory.RtlEqualMemory(a, b, 4), PAGE_FAULT, 'RtlEqualMemory');
  });

  test('swap octets', () => {
    assert.equal(memory.RtlUshortByteSwap(0x1234), 0x3412);
    assert.equal(memory.RtlUlongByteSwap(0x010200c0), 0xc0000201);
    assert.equal(memory.RtlUlonglongByteSwap(0x0102030405060708n), 0x0807060504030201n);
  });
});

describe('the pool', () => {
  test('shows ExAllocatePool without a tag as None (DOC-POOL-10)', () => {
    const { ddk } = freshDoor();
    const block = ddk.ExAllocatePool(NonPagedPool, 10);
    assert.ok(block);
    assert.equal(systemPool.usage().find(({ tag }) => tag === 'None')?.allocs, 1);
    ddk.ExFreePool(block);
  });

  test('gives a descriptor for 64 octets, a block for others, null for none (DOC-POOL-6, HDR-RCVBUF-8)', () => {
    const { ddk } = freshDoor();
    const descriptor = ddk.ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
    const block = ddk.ExAllocatePoolWithTag(NonPagedPool, 65, 'fPCT');
    assert.ok(descriptor instanceof IPRcvBuf);
    assert.ok(block);
    assert.equal(block.length, 65);
    ddk.ExFreePoolWithTag(descriptor, 'fPCT');
    ddk.ExFreePool(block);
    assert.equal(ddk.ExAllocatePool(NonPagedPool, 0), null);
  });

  test('is neither allocated nor freed as paged pool at DISPATCH_LEVEL (DOC-POOL-7)', () => {
    const { ddk, door } = freshDoor();
    const paged = ddk.ExAllocatePoolWithTag(PagedPool, 10, 'tseT');
    const nonPaged = ddk.ExAllocatePoolWithTag(NonPagedPool, 10, 'tseT');
    assert.ok(paged && nonPaged);
    door.enterCallback();
    assertBugCheck(() => ddk.ExAllocatePoolWithTag(PagedPool, 10, 'tseT'), LEVEL, 'ExAllocatePoolWithTag');
    assertBugCheck(() => ddk.ExAllocatePool(PagedPool, 10), LEVEL, 'ExAllocatePool');
    assertBugCheck(() => ddk.ExFreePool(paged), LEVEL, 'ExFreePool');
    assertBugCheck(() => ddk.ExFreePoolWithTag(paged, 'tseT'), LEVEL, 'ExFreePoolWithTag');
    ddk.ExFreePool(nonPaged);
    assert.equal(door.leaveCallback(), '');
    ddk.ExFreePool(paged);
  });
});
