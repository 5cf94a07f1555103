/**
 * Levels and spin locks: KeRaiseIrql and its kin, KeAcquireSpinLock and its kin.
 *
 * Rule: nothing waits; each call checks what its page asks for and keeps {@link Processor} up to date. A misuse throws
 * `FIREHOOK_DDK_BUGCHECK` and changes nothing.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/introduction-to-spin-locks
 *
 * @module
 */

import type { Ref } from '../firewall/constants.ts';
import { bugCheck } from './bug-check.ts';
import { APC_LEVEL, DISPATCH_LEVEL, KSPIN_LOCK, type LockTaker, PASSIVE_LEVEL } from './dispatcher-objects.ts';
import { levelName, type Processor } from './processor.ts';
import type { KIRQL } from './types.ts';

/** Makes the functions over one processor. */
export function createIrqlFunctions(processor: Processor) {
  function acquire(lock: KSPIN_LOCK, taker: Exclude<LockTaker, ''>): void {
    requireLock(lock, taker);
    if (lock.taker !== '') throw bugCheck('SPIN_LOCK_ALREADY_OWNED', taker, `held already, since ${lock.taker}`);
    lock.taker = taker;
    processor.held.push(lock);
  }

  function release(lock: KSPIN_LOCK, call: string, taker: Exclude<LockTaker, ''>): void {
    requireLock(lock, call);
    if (lock.taker === '') throw bugCheck('SPIN_LOCK_NOT_OWNED', call, 'the lock is not held');
    if (lock.taker !== taker) {
      throw bugCheck('DRIVER_VERIFIER_DETECTED_VIOLATION', call, `the lock was taken by ${lock.taker}`);
    }
    processor.requireAtLeast(call, DISPATCH_LEVEL);
  }

  function drop(lock: KSPIN_LOCK): void {
    lock.taker = '';
    processor.held.splice(processor.held.lastIndexOf(lock), 1);
  }

  /** Below DISPATCH_LEVEL another routine could run and ask for the lock. */
  function requireUnlocked(call: string, level: KIRQL, locks: number): void {
    if (!processor.checksLevels || level >= DISPATCH_LEVEL || processor.held.length <= locks) return;
    throw bugCheck('IRQL_UNEXPECTED_VALUE', call, `${levelName(level)} with a spin lock still held`);
  }

  return {
    /**
     * Level of the routine that runs: DISPATCH_LEVEL in callbacks, DPCs and under a spin lock, else PASSIVE_LEVEL.
     *
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kegetcurrentirql
     */
    KeGetCurrentIrql(): KIRQL {
      return processor.level;
    },

    /**
     * Raises the level.
     *
     * @param OldIrql - takes the level of now, for KeLowerIrql
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_GREATER_OR_EQUAL when it would be lowered;
     * IRQL_UNEXPECTED_VALUE for a level above DISPATCH_LEVEL: there are no devices here
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keraiseirql
     */
    KeRaiseIrql(NewIrql: KIRQL, OldIrql: Ref<KIRQL>): void {
      requireLevel('KeRaiseIrql', NewIrql);
      if (processor.checksLevels && NewIrql < processor.level) {
        throw bugCheck(
          'IRQL_NOT_GREATER_OR_EQUAL',
          'KeRaiseIrql',
          `from ${levelName(processor.level)} to ${levelName(NewIrql)}`,
        );
      }
      OldIrql.value = processor.level;
      processor.level = NewIrql;
    },

    /**
     * Raises the level to DISPATCH_LEVEL.
     *
     * @returns the level of before
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/ntddk/nf-ntddk-keraiseirqltodpclevel
     */
    KeRaiseIrqlToDpcLevel(): KIRQL {
      const before = processor.level;
      processor.level = DISPATCH_LEVEL;
      return before;
    },

    /**
     * Lowers the level again.
     *
     * @param NewIrql - what KeRaiseIrql gave
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL when it would be raised; IRQL_UNEXPECTED_VALUE below
     * DISPATCH_LEVEL with a spin lock held
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kelowerirql
     */
    KeLowerIrql(NewIrql: KIRQL): void {
      requireLevel('KeLowerIrql', NewIrql);
      if (processor.checksLevels && NewIrql > processor.level) {
        throw bugCheck(
          'IRQL_NOT_LESS_OR_EQUAL',
          'KeLowerIrql',
          `from ${levelName(processor.level)} to ${levelName(NewIrql)}`,
        );
      }
      requireUnlocked('KeLowerIrql', NewIrql, 0);
      processor.level = NewIrql;
    },

    /**
     * Asserts that paged code may run: APC_LEVEL at most.
     *
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL at DISPATCH_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/when-should-code-and-data-be-pageable-
     */
    PAGED_CODE(): void {
      processor.requireAtMost('PAGED_CODE', APC_LEVEL);
    },

    /**
     * Makes a lock free. One that is held may not be initialised.
     *
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK SPIN_LOCK_ALREADY_OWNED when it is held
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keinitializespinlock
     */
    KeInitializeSpinLock(SpinLock: KSPIN_LOCK): void {
      requireLock(SpinLock, 'KeInitializeSpinLock');
      if (SpinLock.taker !== '') throw bugCheck('SPIN_LOCK_ALREADY_OWNED', 'KeInitializeSpinLock', 'the lock is held');
    },

    /**
     * Takes a lock and raises the level to DISPATCH_LEVEL.
     *
     * @param OldIrql - takes the level of now, for KeReleaseSpinLock
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK SPIN_LOCK_ALREADY_OWNED when it is held: Windows would spin for ever
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keacquirespinlock
     */
    KeAcquireSpinLock(SpinLock: KSPIN_LOCK, OldIrql: Ref<KIRQL>): void {
      acquire(SpinLock, 'KeAcquireSpinLock');
      OldIrql.value = processor.level;
      SpinLock.oldIrql = processor.level;
      processor.level = DISPATCH_LEVEL;
    },

    /**
     * Releases a lock and lowers the level to what it was.
     *
     * @param NewIrql - what KeAcquireSpinLock gave
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK SPIN_LOCK_NOT_OWNED when it is not held; IRQL_UNEXPECTED_VALUE for another level
     * than the one given, and when the level would sink with another lock held; IRQL_NOT_GREATER_OR_EQUAL below DISPATCH_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kereleasespinlock
     */
    KeReleaseSpinLock(SpinLock: KSPIN_LOCK, NewIrql: KIRQL): void {
      release(SpinLock, 'KeReleaseSpinLock', 'KeAcquireSpinLock');
      if (processor.checksLevels && NewIrql !== SpinLock.oldIrql) {
        const reason = `released with ${levelName(NewIrql)}, taken at ${levelName(SpinLock.oldIrql)}`;
        throw bugCheck('IRQL_UNEXPECTED_VALUE', 'KeReleaseSpinLock', reason);
      }
      requireUnlocked('KeReleaseSpinLock', NewIrql, 1);
      drop(SpinLock);
      processor.level = NewIrql;
    },

    /**
     * Takes a lock where the level is DISPATCH_LEVEL already: in a callback or a DPC.
     *
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK SPIN_LOCK_ALREADY_OWNED; IRQL_NOT_GREATER_OR_EQUAL below DISPATCH_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keacquirespinlockatdpclevel
     */
    KeAcquireSpinLockAtDpcLevel(SpinLock: KSPIN_LOCK): void {
      processor.requireAtLeast('KeAcquireSpinLockAtDpcLevel', DISPATCH_LEVEL);
      acquire(SpinLock, 'KeAcquireSpinLockAtDpcLevel');
    },

    /**
     * Releases a lock that KeAcquireSpinLockAtDpcLevel took. The level stays.
     *
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK SPIN_LOCK_NOT_OWNED; DRIVER_VERIFIER_DETECTED_VIOLATION when KeAcquireSpinLock took
     * it; IRQL_NOT_GREATER_OR_EQUAL below DISPATCH_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kereleasespinlockfromdpclevel
     */
    KeReleaseSpinLockFromDpcLevel(SpinLock: KSPIN_LOCK): void {
      release(SpinLock, 'KeReleaseSpinLockFromDpcLevel', 'KeAcquireSpinLockAtDpcLevel');
      drop(SpinLock);
    },
  };
}

function requireLock(lock: unknown, call: string): void {
  if (lock instanceof KSPIN_LOCK) return;
  throw bugCheck('PAGE_FAULT_IN_NONPAGED_AREA', call, 'no KSPIN_LOCK');
}

function requireLevel(call: string, level: unknown): void {
  if (level === PASSIVE_LEVEL || level === APC_LEVEL || level === DISPATCH_LEVEL) return;
  throw bugCheck('IRQL_UNEXPECTED_VALUE', call, `${String(level)} is none of the levels 0, 1 and 2`);
}
