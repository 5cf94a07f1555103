/**
 * The published functions by their published names, used the way the published steps say.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { isFirehookError } from '../../../src/errors.ts';
import { NonPagedPool, SIZEOF_IPRCVBUF } from '../../../src/firewall/constants.ts';
import {
  ExAllocatePoolWithTag,
  ExFreePool,
  ExFreePoolWithTag,
  FreeIprBuff,
  IPAllocBuff,
  IPFreeBuff,
  setPoolLimit,
  systemPool,
} from '../../../src/firewall/ddk.ts';
import { chainLength, IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';

const DEFAULT_LIMIT_BYTES = systemPool.limitBytes;

afterEach(() => {
  setPoolLimit(DEFAULT_LIMIT_BYTES);
  assert.equal(systemPool.totals().bytesInUse, 0, 'the test above left something in the pool');
});

function descriptor(): IPRcvBuf {
  const made = ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
  assert.ok(made !== null);
  return made;
}

describe('the published steps', () => {
  test('descriptor, data, next descriptor, free the chain (DOC-ALLOC-3, DOC-ALLOC-6, DOC-ALLOC-8)', () => {
    const head = descriptor();
    assert.equal(IPAllocBuff(head, 20), 1);
    head.ipr_next = descriptor();
    assert.equal(IPAllocBuff(head.ipr_next, 1480), 1);
    assert.equal(chainLength(head), 1500);
    IPFreeBuff(head);
  });

  test('a failed IPAllocBuff leaves the descriptor to the caller, who frees it (DOC-ALLOC-5)', () => {
    const head = descriptor();
    setPoolLimit(64);
    assert.notEqual(IPAllocBuff(head, 1500), 1);
    ExFreePool(head);
  });

  test('ExAllocatePoolWithTag answers null when the pool is exhausted (DOC-ALLOC-4, DOC-POOL-1)', () => {
    setPoolLimit(0);
    assert.equal(ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 0x66504354), null);
    assert.equal(ExAllocatePoolWithTag(NonPagedPool, 100, 'kooH'), null);
  });

  test('FreeIprBuff frees the data of one descriptor, which can have data again (DOC-ALLOC-8, DOC-FREE1-2)', () => {
    const head = descriptor();
    IPAllocBuff(head, 100);
    FreeIprBuff(head);
    assert.equal(head.ipr_buffer, null);
    assert.equal(IPAllocBuff(head, 200), 1);
    FreeIprBuff(head);
    ExFreePoolWithTag(head, 'fPCT');
  });

  test('a size that is not 64 gives a block of memory', () => {
    const block = ExAllocatePoolWithTag(NonPagedPool, 100, 'kooH');
    assert.ok(block !== null);
    assert.equal(block.fill(0xff).length, 100);
    ExFreePoolWithTag(block, 'kooH');
  });

  test('a size that is known only when running gives one or the other', () => {
    for (const octets of [63, 64, 65]) {
      const made = ExAllocatePoolWithTag(NonPagedPool, octets, 'kooH');
      assert.ok(made !== null);
      assert.equal(made instanceof IPRcvBuf, octets === SIZEOF_IPRCVBUF);
      ExFreePool(made);
    }
  });
});

test('what Windows answers with a bug check is an error that a hook chain can tell from others', () => {
  const head = descriptor();
  IPFreeBuff(head);
  const faults = systemPool.faultsTotal;
  for (const misuse of [
    () => IPFreeBuff(head),
    () => ExFreePool(head),
    () => FreeIprBuff(head),
    () => IPAllocBuff(head, 1),
  ]) {
    assert.throws(misuse, (error) => isFirehookError(error) && error.op === 'pool');
  }
  assert.equal(systemPool.faultsTotal, faults + 4);
});
