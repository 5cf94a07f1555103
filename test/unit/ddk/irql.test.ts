/**
 * Promises of levels, spin locks and interlocked functions: each misuse is refused by name, and changes nothing.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KSPIN_LOCK } from '../../../src/ddk/dispatcher-objects.ts';
import * as interlocked from '../../../src/ddk/interlocked.ts';
import { CONTAINING_RECORD, IsListEmpty, LIST_ENTRY } from '../../../src/ddk/list.ts';
import { createStandAlone } from '../../../src/ddk/stand-alone.ts';
import type { KIRQL } from '../../../src/ddk/types.ts';
import { assertBugCheck, freshDoor, loadedDoor, ref } from './support.ts';

const [PASSIVE, APC, DISPATCH] = [0, 1, 2] as const;

describe('the level', () => {
  test('is PASSIVE_LEVEL in DriverEntry and DriverUnload, DISPATCH_LEVEL in a callback, a lock and a DPC (HDR-CALLBACK-5)', () => {
    const seen: KIRQL[] = [];
    const { ddk, host, door, driver } = loadedDoor(() => undefined);
    driver.DriverUnload = () => seen.push(ddk.KeGetCurrentIrql());
    const lock = new KSPIN_LOCK();
    seen.push(ddk.KeGetCurrentIrql());
    door.enterCallback();
    seen.push(ddk.KeGetCurrentIrql());
    door.leaveCallback();
    const old = ref<KIRQL>(PASSIVE);
    ddk.KeAcquireSpinLock(lock, old);
    seen.push(ddk.KeGetCurrentIrql());
    ddk.KeReleaseSpinLock(lock, old.value);
    host.unload();
    assert.deepEqual(seen, [PASSIVE, DISPATCH, DISPATCH, PASSIVE]);
  });

  test('is raised and lowered, and never the other way round', () => {
    const { ddk } = freshDoor();
    const old = ref<KIRQL>(PASSIVE);
    ddk.KeRaiseIrql(APC, old);
    assert.equal(old.value, PASSIVE);
    assert.equal(ddk.KeRaiseIrqlToDpcLevel(), APC);
    assertBugCheck(() => ddk.KeRaiseIrql(APC, old), 'IRQL_NOT_GREATER_OR_EQUAL (0x9)', 'KeRaiseIrql');
    ddk.KeLowerIrql(APC);
    assertBugCheck(() => ddk.KeLowerIrql(DISPATCH), 'IRQL_NOT_LESS_OR_EQUAL (0xA)', 'KeLowerIrql');
    ddk.KeLowerIrql(PASSIVE);
    assert.equal(ddk.KeGetCurrentIrql(), PASSIVE);
    assertBugCheck(() => ddk.KeRaiseIrql(5 as KIRQL, old), 'IRQL_UNEXPECTED_VALUE (0xC8)', 'KeRaiseIrql');
  });

  test('is asserted by PAGED_CODE', () => {
    const { ddk, door } = freshDoor();
    ddk.PAGED_CODE();
    door.enterCallback();
    assertBugCheck(() => ddk.PAGED_CODE(), 'IRQL_NOT_LESS_OR_EQUAL (0xA)', 'PAGED_CODE');
  });

  test('that a callback leaves wrong is said by leaveCallback and put right', () => {
    const { ddk, door } = freshDoor();
    door.enterCallback();
    ddk.KeLowerIrql(PASSIVE);
    assert.equal(
      door.leaveCallback(),
      'IRQL_UNEXPECTED_VALUE (0xC8): the callback: returned at PASSIVE_LEVEL, was called at DISPATCH_LEVEL',
    );
    assert.equal(ddk.KeGetCurrentIrql(), PASSIVE);
    door.enterCallback();
    assert.equal(door.leaveCallback(), '');
  });

  test('that a routine of the runtime leaves wrong is a bug check', () => {
    const { ddk, host } = freshDoor();
    const entry = () => {
      ddk.KeRaiseIrqlToDpcLevel();
      return 0;
    };
    assertBugCheck(() => host.load(entry), 'IRQL_UNEXPECTED_VALUE (0xC8)', 'DriverEntry');
    assert.equal(ddk.KeGetCurrentIrql(), PASSIVE);
  });

  test('is not checked when the host says so; locks are', () => {
    const { functions: ddk, door } = createStandAlone(false);
    const lock = new KSPIN_LOCK();
    door.enterCallback();
    ddk.PAGED_CODE();
    ddk.KeLowerIrql(PASSIVE);
    assert.equal(ddk.RtlEqualUnicodeString('a', 'A', true), true);
    ddk.KeAcquireSpinLockAtDpcLevel(lock);
    assertBugCheck(
      () => ddk.KeAcquireSpinLockAtDpcLevel(lock),
      'SPIN_LOCK_ALREADY_OWNED',
      'KeAcquireSpinLockAtDpcLevel',
    );
    assert.match(
      door.leaveCallback(),
      /: the callback: returned with a spin lock held \(KeAcquireSpinLockAtDpcLevel\)$/,
    );
  });
});

describe('a spin lock', () => {
  test('acquired twice is refused: Windows would spin for ever', () => {
    const { ddk } = freshDoor();
    const lock = new KSPIN_LOCK();
    ddk.KeInitializeSpinLock(lock);
    const old = ref<KIRQL>(PASSIVE);
    ddk.KeAcquireSpinLock(lock, old);
    assertBugCheck(
      () => ddk.KeAcquireSpinLock(lock, ref<KIRQL>(PASSIVE)),
      'SPIN_LOCK_ALREADY_OWNED (0xF)',
      'KeAcquireSpinLock',
    );
    assertBugCheck(() => ddk.KeInitializeSpinLock(lock), 'SPIN_LOCK_ALREADY_OWNED (0xF)', 'KeInitializeSpinLock');
    ddk.KeReleaseSpinLock(lock, old.value);
    assert.equal(ddk.KeGetCurrentIrql(), PASSIVE);
  });

  test('released unheld is refused', () => {
    const { ddk, door } = freshDoor();
    const lock = new KSPIN_LOCK();
    assertBugCheck(() => ddk.KeReleaseSpinLock(lock, PASSIVE), 'SPIN_LOCK_NOT_OWNED (0x10)', 'KeReleaseSpinLock');
    door.enterCallback();
    const release = () => ddk.KeReleaseSpinLockFromDpcLevel(lock);
    assertBugCheck(release, 'SPIN_LOCK_NOT_OWNED (0x10)', 'KeReleaseSpinLockFromDpcLevel');
  });

  test('released with another level than it was taken at is refused', () => {
    const { ddk } = freshDoor();
    const lock = new KSPIN_LOCK();
    ddk.KeAcquireSpinLock(lock, ref<KIRQL>(PASSIVE));
    assertBugCheck(() => ddk.KeReleaseSpinLock(lock, DISPATCH), 'IRQL_UNEXPECTED_VALUE (0xC8)', 'KeReleaseSpinLock');
    ddk.KeReleaseSpinLock(lock, PASSIVE);
  });

  test('released by the other pair of functions is refused', () => {
    const { ddk } = freshDoor();
    const lock = new KSPIN_LOCK();
    ddk.KeAcquireSpinLock(lock, ref<KIRQL>(PASSIVE));
    const release = () => ddk.KeReleaseSpinLockFromDpcLevel(lock);
    assertBugCheck(release, 'DRIVER_VERIFIER_DETECTED_VIOLATION (0xC4)', 'KeReleaseSpinLockFromDpcLevel');
  });

  test('taken with the function for DISPATCH_LEVEL below it is refused', () => {
    const { ddk } = freshDoor();
    const acquire = () => ddk.KeAcquireSpinLockAtDpcLevel(new KSPIN_LOCK());
    assertBugCheck(acquire, 'IRQL_NOT_GREATER_OR_EQUAL (0x9)', 'KeAcquireSpinLockAtDpcLevel');
  });

  test('keeps the level from sinking while another one is held', () => {
    const { ddk } = freshDoor();
    const [outer, inner] = [new KSPIN_LOCK(), new KSPIN_LOCK()];
    ddk.KeAcquireSpinLock(outer, ref<KIRQL>(PASSIVE));
    ddk.KeAcquireSpinLock(inner, ref<KIRQL>(PASSIVE));
    assertBugCheck(() => ddk.KeReleaseSpinLock(outer, PASSIVE), 'IRQL_UNEXPECTED_VALUE', 'KeReleaseSpinLock');
    assertBugCheck(() => ddk.KeLowerIrql(PASSIVE), 'IRQL_UNEXPECTED_VALUE', 'KeLowerIrql');
    ddk.KeReleaseSpinLock(inner, DISPATCH);
    ddk.KeReleaseSpinLock(outer, PASSIVE);
    assert.equal(ddk.KeGetCurrentIrql(), PASSIVE);
  });

  test('held at the return of a callback is said by leaveCallback, and free after it', () => {
    const { ddk, door } = freshDoor();
    const lock = new KSPIN_LOCK();
    door.enterCallback();
    ddk.KeAcquireSpinLockAtDpcLevel(lock);
    assert.match(door.leaveCallback(), /: returned with a spin lock held \(KeAcquireSpinLockAtDpcLevel\)$/);
    door.enterCallback();
    ddk.KeAcquireSpinLockAtDpcLevel(lock);
    ddk.KeReleaseSpinLockFromDpcLevel(lock);
    assert.equal(door.leaveCallback(), '');
  });

  test('is an object made with new', () => {
    const { ddk } = freshDoor();
    const acquire = () => ddk.KeAcquireSpinLock({} as KSPIN_LOCK, ref<KIRQL>(PASSIVE));
    assertBugCheck(acquire, 'PAGE_FAULT_IN_NONPAGED_AREA', 'KeAcquireSpinLock');
  });
});

describe('an interlocked function', () => {
  test('wraps a LONG with its sign and a ULONG without', () => {
    const long = ref(0x7fffffff);
    assert.equal(interlocked.InterlockedIncrement(long), -0x80000000);
    assert.equal(interlocked.InterlockedDecrement(long), 0x7fffffff);
    assert.equal(interlocked.InterlockedExchangeAdd(long, 1), 0x7fffffff);
    assert.equal(long.value, -0x80000000);
    const ulong = ref(0xffffffff);
    assert.equal(interlocked.ExInterlockedAddUlong(ulong, 2, new KSPIN_LOCK()), 0xffffffff);
    assert.equal(ulong.value, 1);
  });

  test('exchanges, and compares before it does', () => {
    const cell = ref(1);
    assert.equal(interlocked.InterlockedExchange(cell, 2), 1);
    assert.equal(interlocked.InterlockedCompareExchange(cell, 9, 1), 2);
    assert.equal(cell.value, 2);
    assert.equal(interlocked.InterlockedCompareExchange(cell, 9, 2), 2);
    assert.equal(cell.value, 9);
    const pointer = ref<object | null>(null);
    assert.equal(interlocked.InterlockedExchangePointer(pointer, cell), null);
    assert.equal(pointer.value, cell);
  });

  test('moves list entries under a lock that nobody holds', () => {
    const { ddk } = freshDoor();
    const lock = new KSPIN_LOCK();
    const head = new LIST_ENTRY<number>();
    assert.equal(interlocked.ExInterlockedInsertTailList(head, new LIST_ENTRY(2), lock), null);
    assert.equal(CONTAINING_RECORD(interlocked.ExInterlockedInsertHeadList(head, new LIST_ENTRY(1), lock) ?? head), 2);
    assert.equal(CONTAINING_RECORD(interlocked.ExInterlockedInsertTailList(head, new LIST_ENTRY(3), lock) ?? head), 2);
    assert.equal(CONTAINING_RECORD(interlocked.ExInterlockedRemoveHeadList(head, lock) ?? head), 1);
    ddk.KeAcquireSpinLock(lock, ref<KIRQL>(PASSIVE));
    const remove = () => interlocked.ExInterlockedRemoveHeadList(head, lock);
    assertBugCheck(remove, 'SPIN_LOCK_ALREADY_OWNED (0xF)', 'ExInterlockedRemoveHeadList');
    ddk.KeReleaseSpinLock(lock, PASSIVE);
    remove();
    remove();
    assert.ok(IsListEmpty(head));
    assert.equal(remove(), null);
  });
});
