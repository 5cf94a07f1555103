/**
 * Timers and deferred procedure calls.
 *
 * ```
 *   KeSetTimer ─> host.schedule ─> expired: signalled, DPC at DISPATCH_LEVEL ─> periodic: scheduled again
 *   KeInsertQueueDpc ─> host.schedule(0) ─> DPC at DISPATCH_LEVEL
 * ```
 * Rules: a DPC runs between two packets, never within a callback, and in replay on the clock of the file. A DPC object is
 * queued once at most. A periodic timer that could not run in time fires once for all the periods it missed. What a DPC
 * throws is a fault of the driver.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/timer-objects-and-dpcs
 *
 * @module
 */

import { bugCheck } from './bug-check.ts';
import {
  DISPATCH_LEVEL,
  type KDEFERRED_ROUTINE,
  KDPC,
  KTIMER,
  NotificationTimer,
  PASSIVE_LEVEL,
  type TIMER_TYPE,
} from './dispatcher-objects.ts';
import { isRoutine } from './hook-registry.ts';
import type { DriverHost, Scheduled } from './host.ts';
import type { Processor } from './processor.ts';
import type { BOOLEAN, LARGE_INTEGER, LONG } from './types.ts';

/** Units of 100 ns in a millisecond. */
const MILLISECOND = 10_000n;
const DPC_PARAMETERS = 4;

/** A timer that is in the timer queue. */
interface SetTimer {
  scheduled: Scheduled;
  /** Units of 100 ns on the clock it was set by. */
  due: bigint;
  readonly isAbsolute: boolean;
  /** Units of 100 ns; 0: once. */
  readonly period: bigint;
  readonly dpc: KDPC | null;
}

/** The timers and DPCs of one driver. */
export class TimerQueue {
  readonly #host: DriverHost;
  readonly #processor: Processor;
  readonly #timers = new Map<KTIMER, SetTimer>();
  readonly #dpcs = new Map<KDPC, Scheduled>();

  constructor(host: DriverHost, processor: Processor) {
    this.#host = host;
    this.#processor = processor;
  }

  /** Timers that are set and DPCs that are queued, one sentence each. */
  leftovers(): string[] {
    const sentences: string[] = [];
    for (const { period } of this.#timers.values()) {
      const kind = period === 0n ? 'A timer' : `A timer with a period of ${period / MILLISECOND} ms`;
      sentences.push(`${kind} is set and was not cancelled with KeCancelTimer.`);
    }
    if (this.#dpcs.size > 0) sentences.push(`DPCs queued and not run: ${this.#dpcs.size}.`);
    return sentences;
  }

  /** Lets nothing of it run any more. */
  takeBack(): void {
    for (const { scheduled } of this.#timers.values()) scheduled.cancel();
    for (const scheduled of this.#dpcs.values()) scheduled.cancel();
    this.#timers.clear();
    this.#dpcs.clear();
  }

  /** @returns true when the timer was set before */
  set(timer: KTIMER, dueTime: bigint, period: bigint, dpc: KDPC | null): boolean {
    const wasSet = this.cancel(timer);
    const isAbsolute = dueTime >= 0n;
    const due = isAbsolute ? dueTime : this.#host.interruptTime() - dueTime;
    timer.Header.SignalState = 0;
    const entry: SetTimer = { scheduled: { cancel: () => undefined }, due, isAbsolute, period, dpc };
    this.#timers.set(timer, entry);
    this.#schedule(timer, entry);
    return wasSet;
  }

  /** @returns true when the timer was set */
  cancel(timer: KTIMER): boolean {
    const entry = this.#timers.get(timer);
    if (entry === undefined) return false;
    entry.scheduled.cancel();
    this.#timers.delete(timer);
    return true;
  }

  isSet(timer: KTIMER): boolean {
    return this.#timers.has(timer);
  }

  /** @returns false when the DPC is queued already */
  insert(dpc: KDPC, first: unknown, second: unknown): boolean {
    if (this.#dpcs.has(dpc)) return false;
    dpc.SystemArgument1 = first;
    dpc.SystemArgument2 = second;
    this.#dpcs.set(
      dpc,
      this.#host.schedule(0n, () => this.#runQueued(dpc)),
    );
    return true;
  }

  /** @returns true when the DPC was queued */
  remove(dpc: KDPC): boolean {
    this.#dpcs.get(dpc)?.cancel();
    return this.#dpcs.delete(dpc);
  }

  /** Runs what is queued now; what is queued meanwhile waits for its turn. */
  flush(): void {
    for (const dpc of [...this.#dpcs.keys()]) {
      if (this.remove(dpc)) this.#run(dpc, dpc.SystemArgument1, dpc.SystemArgument2);
    }
  }

  #schedule(timer: KTIMER, entry: SetTimer): void {
    const rest = entry.due - this.#now(entry.isAbsolute);
    entry.scheduled = this.#host.schedule(rest > 0n ? rest : 0n, () => this.#expire(timer, entry));
  }

  #now(isAbsolute: boolean): bigint {
    return isAbsolute ? this.#host.systemTime() : this.#host.interruptTime();
  }

  #expire(timer: KTIMER, entry: SetTimer): void {
    if (this.#timers.get(timer) !== entry) return;
    timer.Header.SignalState = 1;
    if (entry.period === 0n) this.#timers.delete(timer);
    else {
      const late = this.#now(entry.isAbsolute) - entry.due;
      entry.due += entry.period * (late > 0n ? late / entry.period + 1n : 1n);
      this.#schedule(timer, entry);
    }
    const dpc = entry.dpc;
    // Queued by KeInsertQueueDpc as well: it runs once, when that turn comes.
    if (dpc !== null && !this.#dpcs.has(dpc)) this.#run(dpc, null, null);
  }

  #runQueued(dpc: KDPC): void {
    if (this.#dpcs.delete(dpc)) this.#run(dpc, dpc.SystemArgument1, dpc.SystemArgument2);
  }

  #run(dpc: KDPC, first: unknown, second: unknown): void {
    try {
      this.#processor.run('the DPC routine', DISPATCH_LEVEL, () =>
        dpc.DeferredRoutine?.(dpc, dpc.DeferredContext, first, second),
      );
    } catch (error) {
      this.#host.fault('a DPC routine threw', error);
    }
  }
}

/** Makes the functions over one queue. */
export function createTimerFunctions(queue: TimerQueue, processor: Processor) {
  function initialize(timer: KTIMER, type: TIMER_TYPE, call: string): void {
    if (!(timer instanceof KTIMER)) throw bugCheck('TIMER_OR_DPC_INVALID', call, 'no KTIMER');
    if (queue.isSet(timer)) throw bugCheck('DRIVER_VERIFIER_DETECTED_VIOLATION', call, 'the timer is set');
    timer.Header.Type = type;
    timer.Header.SignalState = 0;
  }

  function set(call: string, timer: KTIMER, dueTime: LARGE_INTEGER, period: LONG, dpc: KDPC | null): BOOLEAN {
    requireTimer(timer, call);
    if (typeof dueTime !== 'bigint') throw bugCheck('TIMER_OR_DPC_INVALID', call, 'the due time is no bigint');
    if (!Number.isInteger(period) || period < 0)
      throw bugCheck('TIMER_OR_DPC_INVALID', call, `a period of ${period} ms`);
    if (dpc !== null) requireDpc(dpc, call);
    return queue.set(timer, dueTime, BigInt(period) * MILLISECOND, dpc);
  }

  return {
    /**
     * Initialises a notification timer, not signalled.
     *
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK DRIVER_VERIFIER_DETECTED_VIOLATION while it is set
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keinitializetimer
     */
    KeInitializeTimer(Timer: KTIMER): void {
      initialize(Timer, NotificationTimer, 'KeInitializeTimer');
    },

    /**
     * Initialises a timer of either type, not signalled.
     *
     * @param Type - NotificationTimer, or SynchronizationTimer, which one wait resets
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK DRIVER_VERIFIER_DETECTED_VIOLATION while it is set
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keinitializetimerex
     */
    KeInitializeTimerEx(Timer: KTIMER, Type: TIMER_TYPE): void {
      initialize(Timer, Type, 'KeInitializeTimerEx');
    },

    /**
     * Sets a timer to expire once. One that is set is cancelled first, with its DPC.
     *
     * @param DueTime - units of 100 ns: negative, from now on; else since 1601-01-01. In the past: at the next turn
     * @param Dpc - runs when it expires; null for none
     * @returns TRUE when the timer was set before
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK TIMER_OR_DPC_INVALID for what was never initialised
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kesettimer
     */
    KeSetTimer(Timer: KTIMER, DueTime: LARGE_INTEGER, Dpc: KDPC | null): BOOLEAN {
      return set('KeSetTimer', Timer, DueTime, 0, Dpc);
    },

    /**
     * Sets a timer to expire, and then again after each period.
     *
     * @param DueTime - units of 100 ns: negative, from now on; else since 1601-01-01
     * @param Period - milliseconds; 0: once
     * @param Dpc - runs each time it expires; null for none
     * @returns TRUE when the timer was set before
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK TIMER_OR_DPC_INVALID for what was never initialised, or a negative period
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kesettimerex
     */
    KeSetTimerEx(Timer: KTIMER, DueTime: LARGE_INTEGER, Period: LONG, Dpc: KDPC | null): BOOLEAN {
      return set('KeSetTimerEx', Timer, DueTime, Period, Dpc);
    },

    /**
     * Takes a timer out of the timer queue. A driver must do so with every timer before it is unloaded.
     *
     * @returns TRUE when it was set
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK TIMER_OR_DPC_INVALID when it was never initialised
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kecanceltimer
     */
    KeCancelTimer(Timer: KTIMER): BOOLEAN {
      requireTimer(Timer, 'KeCancelTimer');
      return queue.cancel(Timer);
    },

    /**
     * Reads whether a timer has expired.
     *
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kereadstatetimer
     */
    KeReadStateTimer(Timer: KTIMER): BOOLEAN {
      requireTimer(Timer, 'KeReadStateTimer');
      return Timer.Header.SignalState !== 0;
    },

    /**
     * Initialises a DPC.
     *
     * Ownership: borrows both for as long as the DPC is used.
     * @param DeferredRoutine - at most four parameters, not async
     * @param DeferredContext - handed to the routine
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK TIMER_OR_DPC_INVALID for what is no KDPC or no such function
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keinitializedpc
     */
    KeInitializeDpc(Dpc: KDPC, DeferredRoutine: KDEFERRED_ROUTINE, DeferredContext: unknown): void {
      if (!(Dpc instanceof KDPC) || !isRoutine(DeferredRoutine, DPC_PARAMETERS)) {
        const reason = `no KDPC, or no function of at most ${DPC_PARAMETERS} parameters that is not async`;
        throw bugCheck('TIMER_OR_DPC_INVALID', 'KeInitializeDpc', reason);
      }
      Dpc.DeferredRoutine = DeferredRoutine;
      Dpc.DeferredContext = DeferredContext;
    },

    /**
     * Queues a DPC: it runs before the next packet.
     *
     * @returns FALSE, with nothing changed, when it is queued already
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK TIMER_OR_DPC_INVALID when it was never initialised
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keinsertqueuedpc
     */
    KeInsertQueueDpc(Dpc: KDPC, SystemArgument1: unknown, SystemArgument2: unknown): BOOLEAN {
      requireDpc(Dpc, 'KeInsertQueueDpc');
      return queue.insert(Dpc, SystemArgument1, SystemArgument2);
    },

    /**
     * Takes a DPC out of the queue.
     *
     * @returns TRUE when it was queued
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keremovequeuedpc
     */
    KeRemoveQueueDpc(Dpc: KDPC): BOOLEAN {
      requireDpc(Dpc, 'KeRemoveQueueDpc');
      return queue.remove(Dpc);
    },

    /**
     * Runs every DPC that is queued, then returns: for DriverUnload, after its timers are cancelled.
     *
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL above PASSIVE_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keflushqueueddpcs
     */
    KeFlushQueuedDpcs(): void {
      processor.requireAtMost('KeFlushQueuedDpcs', PASSIVE_LEVEL);
      queue.flush();
    },
  };
}

function requireTimer(timer: unknown, call: string): void {
  if (timer instanceof KTIMER && timer.Header.Type >= 0) return;
  throw bugCheck('TIMER_OR_DPC_INVALID', call, 'the timer was never initialised');
}

function requireDpc(dpc: unknown, call: string): void {
  if (dpc instanceof KDPC && dpc.DeferredRoutine !== null) return;
  throw bugCheck('TIMER_OR_DPC_INVALID', call, 'the DPC was never initialised');
}
