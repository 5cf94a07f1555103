/**
 * Promises of events, timers, deferred procedure calls, work items and clocks.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { KDPC, KEVENT, KTIMER } from '../../../src/ddk/dispatcher-objects.ts';
import type { DEVICE_OBJECT } from '../../../src/ddk/io-types.ts';
import { STATUS_TIMEOUT } from '../../../src/ddk/status.ts';
import { RtlTimeFieldsToTime, RtlTimeToTimeFields, TIME_FIELDS } from '../../../src/ddk/time.ts';
import type { IO_WORKITEM } from '../../../src/ddk/work-item.ts';
import { STATUS_SUCCESS } from '../../../src/firewall/constants.ts';
import { assertBugCheck, freshDoor, loadedDoor, ref } from './support.ts';

const MILLISECOND = 10_000n;
const SECOND = 1000n * MILLISECOND;
const LEVEL = 'IRQL_NOT_LESS_OR_EQUAL (0xA)';

describe('an event', () => {
  test('tells with each change whether it was signalled', () => {
    const { ddk } = freshDoor();
    const event = new KEVENT();
    ddk.KeInitializeEvent(event, 0, true);
    assert.notEqual(ddk.KeSetEvent(event, 0, false), 0);
    assert.notEqual(ddk.KeResetEvent(event), 0);
    assert.equal(ddk.KeResetEvent(event), 0);
    assert.equal(ddk.KeSetEvent(event, 0, false), 0);
    assert.notEqual(ddk.KeReadStateEvent(event), 0);
    ddk.KeClearEvent(event);
    assert.equal(ddk.KeReadStateEvent(event), 0);
  });

  test('satisfies a wait when it is signalled; a synchronization event one wait only', () => {
    const { ddk } = freshDoor();
    const [notification, synchronization] = [new KEVENT(), new KEVENT()];
    ddk.KeInitializeEvent(notification, 0, true);
    ddk.KeInitializeEvent(synchronization, 1, true);
    const wait = (event: KEVENT) => ddk.KeWaitForSingleObject(event, 0, 0, false, 0n);
    assert.deepEqual([wait(notification), wait(notification)], [STATUS_SUCCESS, STATUS_SUCCESS]);
    assert.deepEqual([wait(synchronization), wait(synchronization)], [STATUS_SUCCESS, STATUS_TIMEOUT]);
  });

  test('that is not signalled cannot be waited for, as nothing could signal it', () => {
    const { ddk } = freshDoor();
    const event = new KEVENT();
    ddk.KeInitializeEvent(event, 0, false);
    for (const timeout of [null, -1n, 1n]) {
      assertBugCheck(
        () => ddk.KeWaitForSingleObject(event, 0, 0, false, timeout),
        'endless wait',
        'KeWaitForSingleObject',
      );
    }
    assert.equal(ddk.KeWaitForSingleObject(event, 0, 0, false, 0n), STATUS_TIMEOUT);
  });

  test('is waited for above APC_LEVEL with a timeout of 0 only, signalled or not', () => {
    const { ddk, door } = freshDoor();
    const event = new KEVENT();
    ddk.KeInitializeEvent(event, 0, true);
    door.enterCallback();
    assertBugCheck(() => ddk.KeWaitForSingleObject(event, 0, 0, false, null), LEVEL, 'KeWaitForSingleObject');
    assertBugCheck(() => ddk.KeSetEvent(event, 0, true), LEVEL, 'KeSetEvent');
    assert.equal(ddk.KeWaitForSingleObject(event, 0, 0, false, 0n), STATUS_SUCCESS);
  });

  test('has to be initialised', () => {
    const { ddk } = freshDoor();
    assertBugCheck(() => ddk.KeSetEvent(new KEVENT(), 0, false), 'DRIVER_VERIFIER_DETECTED_VIOLATION', 'KeSetEvent');
    assertBugCheck(() => ddk.KeSetEvent({} as KEVENT, 0, false), 'PAGE_FAULT_IN_NONPAGED_AREA', 'KeSetEvent');
  });
});

function timerOf({ ddk, host }: ReturnType<typeof freshDoor>, onExpiry: () => void = () => undefined) {
  const fired: number[] = [];
  const [timer, dpc] = [new KTIMER(), new KDPC()];
  const start = host.now;
  ddk.KeInitializeTimer(timer);
  ddk.KeInitializeDpc(
    dpc,
    () => {
      fired.push(Number((host.now - start) / MILLISECOND));
      onExpiry();
    },
    null,
  );
  return { timer, dpc, fired };
}

describe('a timer', () => {
  test('fires once after a negative, at a positive due time, and its DPC runs at DISPATCH_LEVEL', () => {
    const made = freshDoor();
    const { ddk, host } = made;
    const levels: number[] = [];
    const { timer, dpc, fired } = timerOf(made, () => levels.push(ddk.KeGetCurrentIrql()));
    assert.equal(ddk.KeSetTimer(timer, -5n * MILLISECOND, dpc), false);
    host.advance(4n * MILLISECOND);
    assert.equal(ddk.KeReadStateTimer(timer), false);
    host.advance(100n * MILLISECOND);
    assert.equal(ddk.KeReadStateTimer(timer), true);
    ddk.KeSetTimer(timer, host.now + 6n * MILLISECOND, dpc);
    assert.equal(ddk.KeReadStateTimer(timer), false);
    host.advance(SECOND);
    ddk.KeSetTimer(timer, host.now - SECOND, dpc);
    host.advance(0n);
    assert.deepEqual(fired, [5, 110, 1104]);
    assert.deepEqual(levels, [2, 2, 2]);
  });

  test('fires after each period until it is cancelled', () => {
    const made = freshDoor();
    const { timer, dpc, fired } = timerOf(made);
    made.ddk.KeSetTimerEx(timer, -10n * MILLISECOND, 20, dpc);
    made.host.advance(75n * MILLISECOND);
    assert.deepEqual(fired, [10, 30, 50, 70]);
    assert.equal(made.ddk.KeCancelTimer(timer), true);
    assert.equal(made.ddk.KeCancelTimer(timer), false);
    made.host.advance(SECOND);
    assert.equal(fired.length, 4);
  });

  test('that missed periods fires once for all of them, and keeps its beat', () => {
    const made = freshDoor();
    const { timer, dpc, fired } = timerOf(made);
    made.ddk.KeSetTimerEx(timer, -10n * MILLISECOND, 10, dpc);
    // As in a lane: nothing runs for a while, then the clock has gone on.
    made.host.now += 95n * MILLISECOND;
    made.host.advance(0n);
    made.host.advance(10n * MILLISECOND);
    assert.deepEqual(fired, [95, 100]);
  });

  test('set again is cancelled first, which KeSetTimer says', () => {
    const made = freshDoor();
    const { timer, dpc, fired } = timerOf(made);
    made.ddk.KeSetTimer(timer, -5n * MILLISECOND, dpc);
    assert.equal(made.ddk.KeSetTimer(timer, -9n * MILLISECOND, dpc), true);
    made.host.advance(SECOND);
    assert.deepEqual(fired, [9]);
  });

  test('may be set or cancelled by its own DPC', () => {
    const made = freshDoor();
    const { timer, dpc, fired } = timerOf(made, () => {
      if (fired.length < 3) made.ddk.KeSetTimer(timer, -MILLISECOND, dpc);
    });
    made.ddk.KeSetTimer(timer, -MILLISECOND, dpc);
    made.host.advance(SECOND);
    assert.deepEqual(fired, [1, 2, 3]);
  });

  test('can be waited for once it has expired', () => {
    const { ddk, host } = freshDoor();
    const timer = new KTIMER();
    ddk.KeInitializeTimerEx(timer, 1);
    ddk.KeSetTimer(timer, -1n, null);
    assert.equal(ddk.KeWaitForSingleObject(timer, 0, 0, false, 0n), STATUS_TIMEOUT);
    host.advance(1n);
    assert.equal(ddk.KeWaitForSingleObject(timer, 0, 0, false, 0n), STATUS_SUCCESS);
    assert.equal(ddk.KeWaitForSingleObject(timer, 0, 0, false, 0n), STATUS_TIMEOUT);
  });

  test('and its DPC have to be initialised, and not while it is set', () => {
    const made = freshDoor();
    const { ddk } = made;
    const { timer, dpc } = timerOf(made);
    const name = 'TIMER_OR_DPC_INVALID (0xC7)';
    assertBugCheck(() => ddk.KeSetTimer(new KTIMER(), -1n, null), name, 'KeSetTimer');
    assertBugCheck(() => ddk.KeCancelTimer(new KTIMER()), name, 'KeCancelTimer');
    assertBugCheck(() => ddk.KeSetTimer(timer, -1n, new KDPC()), name, 'KeSetTimer');
    assertBugCheck(() => ddk.KeSetTimer(timer, -1 as never, null), name, 'KeSetTimer');
    assertBugCheck(() => ddk.KeSetTimerEx(timer, -1n, -1, null), name, 'KeSetTimerEx');
    assertBugCheck(() => ddk.KeInitializeDpc(dpc, (async () => undefined) as never, null), name, 'KeInitializeDpc');
    ddk.KeSetTimer(timer, -1n, dpc);
    assertBugCheck(() => ddk.KeInitializeTimer(timer), 'DRIVER_VERIFIER_DETECTED_VIOLATION', 'KeInitializeTimer');
  });

  test('that is set at the end is named, and fires no more', () => {
    const made = loadedDoor();
    const { timer, dpc, fired } = timerOf(made);
    made.ddk.KeSetTimerEx(timer, -SECOND, 1000, dpc);
    const expected = 'A timer with a period of 1000 ms is set and was not cancelled with KeCancelTimer.';
    assert.deepEqual(made.host.unload(), [expected]);
    made.host.advance(10n * SECOND);
    assert.deepEqual(fired, []);
  });
});

describe('a DPC', () => {
  test('runs before the next packet, with its context and its arguments, and is queued once', () => {
    const { ddk, host, door } = freshDoor();
    const seen: unknown[][] = [];
    const dpc = new KDPC();
    ddk.KeInitializeDpc(dpc, (...args) => seen.push(args), 'context');
    door.enterCallback();
    assert.equal(ddk.KeInsertQueueDpc(dpc, 1, 2), true);
    assert.equal(ddk.KeInsertQueueDpc(dpc, 3, 4), false);
    assert.equal(door.leaveCallback(), '');
    assert.deepEqual(seen, []);
    host.advance(0n);
    assert.deepEqual(seen, [[dpc, 'context', 1, 2]]);
    assert.equal(ddk.KeInsertQueueDpc(dpc, 3, 4), true);
    assert.equal(ddk.KeRemoveQueueDpc(dpc), true);
    assert.equal(ddk.KeRemoveQueueDpc(dpc), false);
    host.advance(0n);
    assert.equal(seen.length, 1);
  });

  test('that is queued runs in KeFlushQueuedDpcs, at PASSIVE_LEVEL only', () => {
    const { ddk, host, door } = freshDoor();
    let runs = 0;
    const dpc = new KDPC();
    ddk.KeInitializeDpc(dpc, () => runs++, null);
    ddk.KeInsertQueueDpc(dpc, null, null);
    ddk.KeFlushQueuedDpcs();
    host.advance(0n);
    assert.equal(runs, 1);
    door.enterCallback();
    assertBugCheck(() => ddk.KeFlushQueuedDpcs(), LEVEL, 'KeFlushQueuedDpcs');
  });

  test('that throws, or leaves its level wrong, is a fault of the driver', () => {
    const { ddk, host } = freshDoor();
    const [throws, lowers] = [new KDPC(), new KDPC()];
    ddk.KeInitializeDpc(
      throws,
      () => {
        throw new Error('the reason');
      },
      null,
    );
    ddk.KeInitializeDpc(lowers, () => ddk.KeLowerIrql(0), null);
    ddk.KeInsertQueueDpc(throws, null, null);
    ddk.KeInsertQueueDpc(lowers, null, null);
    host.advance(0n);
    assert.equal(host.faults.length, 2);
    assert.match(host.faults[0] ?? '', /the reason/);
    assert.match(host.faults[1] ?? '', /IRQL_UNEXPECTED_VALUE \(0xC8\): the DPC routine: returned at PASSIVE_LEVEL/);
    assert.equal(ddk.KeGetCurrentIrql(), 0);
  });
});

describe('a work item', () => {
  const DEVICE = {} as DEVICE_OBJECT;

  function allocate({ ddk }: ReturnType<typeof freshDoor>): IO_WORKITEM {
    const item = ddk.IoAllocateWorkItem(DEVICE);
    assert.ok(item);
    return item;
  }

  test('runs before the next packet at PASSIVE_LEVEL, with its device and its context, and may free itself', () => {
    const made = freshDoor();
    const { ddk, host, door } = made;
    const item = allocate(made);
    const seen: unknown[] = [];
    door.enterCallback();
    ddk.IoQueueWorkItem(
      item,
      (device, context) => {
        seen.push(device, context, ddk.KeGetCurrentIrql());
        ddk.IoFreeWorkItem(item);
      },
      1,
      'context',
    );
    door.leaveCallback();
    assert.deepEqual(seen, []);
    host.advance(0n);
    assert.deepEqual(seen, [DEVICE, 'context', 0]);
    assert.deepEqual(door.leftovers(), []);
  });

  test('may queue itself again', () => {
    const made = freshDoor();
    const item = allocate(made);
    let runs = 0;
    const again = () => {
      runs++;
      if (runs < 3) made.ddk.IoQueueWorkItem(item, again, 0, null);
    };
    made.ddk.IoQueueWorkItem(item, again, 0, null);
    made.host.advance(0n);
    assert.equal(runs, 3);
  });

  test('is refused when it is queued twice, freed while it is queued, and used after it was freed', () => {
    const made = freshDoor();
    const { ddk, host } = made;
    const item = allocate(made);
    const queue = () => ddk.IoQueueWorkItem(item, () => undefined, 1, null);
    const asynchronous = () => ddk.IoQueueWorkItem(item, (async () => undefined) as never, 1, null);
    assertBugCheck(asynchronous, 'INVALID_WORK_QUEUE_ITEM (0x96)', 'IoQueueWorkItem');
    queue();
    assertBugCheck(queue, 'INVALID_WORK_QUEUE_ITEM (0x96)', 'IoQueueWorkItem');
    assertBugCheck(() => ddk.IoFreeWorkItem(item), 'WORKER_INVALID (0xE4)', 'IoFreeWorkItem');
    host.advance(0n);
    ddk.IoFreeWorkItem(item);
    assertBugCheck(() => ddk.IoFreeWorkItem(item), 'WORKER_INVALID (0xE4)', 'IoFreeWorkItem');
    assertBugCheck(queue, 'WORKER_INVALID (0xE4)', 'IoQueueWorkItem');
  });

  test('that throws is a fault; one that is not freed shows at the end, and runs no more', () => {
    const made = loadedDoor();
    const item = allocate(made);
    made.ddk.IoQueueWorkItem(
      item,
      () => {
        throw new Error('the reason');
      },
      1,
      null,
    );
    made.host.advance(0n);
    assert.match(made.host.faults[0] ?? '', /a work item threw: the reason/);
    made.ddk.IoQueueWorkItem(item, () => assert.fail(), 1, null);
    assert.deepEqual(made.host.unload(), ['Work items never freed with IoFreeWorkItem: 1.']);
    made.host.advance(SECOND);
  });
});

describe('the clock', () => {
  test('is the one of the host, in units of 100 ns since 1601', () => {
    const { ddk, host } = freshDoor();
    const [time, ticks, frequency] = [ref(0n), ref(0n), ref(0n)];
    ddk.KeQuerySystemTime(time);
    const fields = new TIME_FIELDS();
    RtlTimeToTimeFields(time.value, fields);
    assert.deepEqual([fields.Year, fields.Month, fields.Day, fields.Weekday], [2004, 1, 1, 4]);
    host.advance(SECOND);
    assert.equal(ddk.KeQueryInterruptTime(), SECOND);
    ddk.KeQueryTickCount(ticks);
    assert.equal(ticks.value, 64n);
    assert.equal(BigInt(ddk.KeQueryTimeIncrement()) * ticks.value, SECOND);
    assert.equal(ddk.KeQueryPerformanceCounter(frequency), frequency.value);
  });

  test('is split into fields and put together again', () => {
    const last = 9_000_000_000_000_000n;
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: last }), (milliseconds) => {
        const time = milliseconds * MILLISECOND;
        if (time > 9_000_000_000_000_000_000n) return;
        const fields = new TIME_FIELDS();
        RtlTimeToTimeFields(time, fields);
        const again = ref(0n);
        if (fields.Year <= 30827) {
          assert.equal(RtlTimeFieldsToTime(fields, again), true);
          assert.equal(again.value, time);
        }
      }),
    );
  });

  test('has no 30 February, no month 13 and no year before 1601', () => {
    const day = (Year: number, Month: number, Day: number) => Object.assign(new TIME_FIELDS(), { Year, Month, Day });
    const time = ref(7n);
    for (const fields of [day(2004, 2, 30), day(2004, 13, 1), day(1600, 1, 1), day(2004, 0, 1), day(2004, 1.5, 1)]) {
      assert.equal(RtlTimeFieldsToTime(fields, time), false);
    }
    assert.equal(time.value, 7n);
    assert.equal(RtlTimeFieldsToTime(day(2004, 2, 29), time), true);
    assert.equal(RtlTimeFieldsToTime(day(1601, 1, 1), time), true);
    assert.equal(time.value, 0n);
  });
});
