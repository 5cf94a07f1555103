/**
 * Interlocked functions: read, change and write in one step.
 *
 * Rule: here every step is one already, as nothing runs beside a driver; what is kept is what the functions return and how
 * they wrap. A LONG wraps at 32 bits with its sign, a ULONG without. The Ex functions that take a spin lock refuse one that
 * is held, because on Windows they would spin for ever.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/using-interlocked-operations
 *
 * @module
 */

import type { Ref } from '../firewall/constants.ts';
import { bugCheck } from './bug-check.ts';
import type { KSPIN_LOCK } from './dispatcher-objects.ts';
import { InsertHeadList, InsertTailList, IsListEmpty, type LIST_ENTRY, RemoveHeadList } from './list.ts';
import type { LONG, ULONG } from './types.ts';

/**
 * Adds 1 to a LONG.
 *
 * @returns the new value
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-interlockedincrement
 */
export function InterlockedIncrement(Addend: Ref<LONG>): LONG {
  Addend.value = (Addend.value + 1) | 0;
  return Addend.value;
}

/**
 * Takes 1 from a LONG.
 *
 * @returns the new value
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-interlockeddecrement
 */
export function InterlockedDecrement(Addend: Ref<LONG>): LONG {
  Addend.value = (Addend.value - 1) | 0;
  return Addend.value;
}

/**
 * Sets a LONG.
 *
 * @returns the old value
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-interlockedexchange
 */
export function InterlockedExchange(Target: Ref<LONG>, Value: LONG): LONG {
  const before = Target.value;
  Target.value = Value | 0;
  return before;
}

/**
 * Sets a pointer: an object or null.
 *
 * @returns the old one
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-interlockedexchangepointer
 */
export function InterlockedExchangePointer<T>(Target: Ref<T>, Value: T): T {
  const before = Target.value;
  Target.value = Value;
  return before;
}

/**
 * Sets a LONG when it is `Comperand`, spelled as published.
 *
 * @returns the old value, set or not
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-interlockedcompareexchange
 */
export function InterlockedCompareExchange(Destination: Ref<LONG>, Exchange: LONG, Comperand: LONG): LONG {
  const before = Destination.value;
  if (before === (Comperand | 0)) Destination.value = Exchange | 0;
  return before;
}

/**
 * Adds to a LONG.
 *
 * @returns the old value
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-interlockedexchangeadd
 */
export function InterlockedExchangeAdd(Addend: Ref<LONG>, Value: LONG): LONG {
  const before = Addend.value;
  Addend.value = (before + Value) | 0;
  return before;
}

/**
 * Adds to a ULONG under a lock.
 *
 * @returns the old value
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK SPIN_LOCK_ALREADY_OWNED when the lock is held
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-exinterlockedaddulong
 */
export function ExInterlockedAddUlong(Addend: Ref<ULONG>, Increment: ULONG, Lock: KSPIN_LOCK): ULONG {
  requireFree(Lock, 'ExInterlockedAddUlong');
  const before = Addend.value;
  Addend.value = (before + Increment) >>> 0;
  return before;
}

/**
 * Puts an entry first, under a lock.
 *
 * @returns the entry that was first; null when the list was empty
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK SPIN_LOCK_ALREADY_OWNED when the lock is held; as InsertHeadList
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-exinterlockedinsertheadlist
 */
export function ExInterlockedInsertHeadList<R>(
  ListHead: LIST_ENTRY<R>,
  ListEntry: LIST_ENTRY<R>,
  Lock: KSPIN_LOCK,
): LIST_ENTRY<R> | null {
  requireFree(Lock, 'ExInterlockedInsertHeadList');
  const first = IsListEmpty(ListHead) ? null : ListHead.Flink;
  InsertHeadList(ListHead, ListEntry);
  return first;
}

/**
 * Puts an entry last, under a lock.
 *
 * @returns the entry that was last; null when the list was empty
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK SPIN_LOCK_ALREADY_OWNED when the lock is held; as InsertTailList
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-exinterlockedinserttaillist
 */
export function ExInterlockedInsertTailList<R>(
  ListHead: LIST_ENTRY<R>,
  ListEntry: LIST_ENTRY<R>,
  Lock: KSPIN_LOCK,
): LIST_ENTRY<R> | null {
  requireFree(Lock, 'ExInterlockedInsertTailList');
  const last = IsListEmpty(ListHead) ? null : ListHead.Blink;
  InsertTailList(ListHead, ListEntry);
  return last;
}

/**
 * Takes the first entry out, under a lock.
 *
 * @returns the entry; null when the list is empty
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK SPIN_LOCK_ALREADY_OWNED when the lock is held; as RemoveHeadList
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-exinterlockedremoveheadlist
 */
export function ExInterlockedRemoveHeadList<R>(ListHead: LIST_ENTRY<R>, Lock: KSPIN_LOCK): LIST_ENTRY<R> | null {
  requireFree(Lock, 'ExInterlockedRemoveHeadList');
  return IsListEmpty(ListHead) ? null : RemoveHeadList(ListHead);
}

function requireFree(lock: KSPIN_LOCK, call: string): void {
  if (lock.taker === '') return;
  throw bugCheck('SPIN_LOCK_ALREADY_OWNED', call, `held already, since ${lock.taker}`);
}
