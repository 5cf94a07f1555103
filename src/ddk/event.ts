/**
 * Events, and the wait that never waits.
 *
 * Rule: a driver has no thread here that could be woken. What is signalled satisfies a wait at once; a zero timeout is
 * answered; any other wait would last for ever, and is an error. `\Device\Ip` answers before IoCallDriver returns, so the wait that
 * follows STATUS_PENDING in every sample is never entered.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/event-objects
 *
 * @module
 */

import { STATUS_SUCCESS } from '../firewall/constants.ts';
import { bugCheck, endlessWait } from './bug-check.ts';
import {
  APC_LEVEL,
  type DISPATCHER_HEADER,
  type EVENT_TYPE,
  KEVENT,
  KTIMER,
  SynchronizationEvent,
} from './dispatcher-objects.ts';
import type { Processor } from './processor.ts';
import { STATUS_TIMEOUT } from './status.ts';
import type { BOOLEAN, LARGE_INTEGER, LONG, NTSTATUS } from './types.ts';

/** Makes the functions over one processor. */
export function createEventFunctions(processor: Processor) {
  return {
    /**
     * Initialises an event.
     *
     * @param Type - NotificationEvent, or SynchronizationEvent, which one wait resets
     * @param State - TRUE: signalled
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keinitializeevent
     */
    KeInitializeEvent(Event: KEVENT, Type: EVENT_TYPE, State: BOOLEAN): void {
      if (!(Event instanceof KEVENT)) throw bugCheck('PAGE_FAULT_IN_NONPAGED_AREA', 'KeInitializeEvent', 'no KEVENT');
      Event.Header.Type = Type;
      Event.Header.SignalState = State ? 1 : 0;
    },

    /**
     * Signals an event.
     *
     * @param Increment - priority boost of who waits; no meaning here
     * @param Wait - TRUE: a wait follows at once
     * @returns not 0 when it was signalled before
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL with `Wait` above APC_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kesetevent
     */
    KeSetEvent(Event: KEVENT, _Increment: number, Wait: BOOLEAN): LONG {
      const header = headerOf(Event, 'KeSetEvent');
      if (Wait) processor.requireAtMost('KeSetEvent with Wait', APC_LEVEL);
      const before = header.SignalState;
      header.SignalState = 1;
      return before;
    },

    /**
     * Takes the signal back.
     *
     * @returns not 0 when it was signalled before
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keresetevent
     */
    KeResetEvent(Event: KEVENT): LONG {
      const header = headerOf(Event, 'KeResetEvent');
      const before = header.SignalState;
      header.SignalState = 0;
      return before;
    },

    /**
     * Takes the signal back.
     *
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-keclearevent
     */
    KeClearEvent(Event: KEVENT): void {
      headerOf(Event, 'KeClearEvent').SignalState = 0;
    },

    /**
     * Reads the state.
     *
     * @returns not 0 when it is signalled
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kereadstateevent
     */
    KeReadStateEvent(Event: KEVENT): LONG {
      return headerOf(Event, 'KeReadStateEvent').SignalState;
    },

    /**
     * Takes the signal of an event or a timer. What resets itself (Synchronization...) is reset by it.
     *
     * @param WaitReason - Executive; no meaning here
     * @param WaitMode - KernelMode; no meaning here
     * @param Alertable - no meaning here
     * @param Timeout - units of 100 ns; null: for ever
     * @returns STATUS_SUCCESS when it is signalled; STATUS_TIMEOUT when it is not and the timeout is 0
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL above APC_LEVEL unless the timeout is 0, signalled or not;
     * an endless wait, when it is not signalled and the timeout is not 0
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kewaitforsingleobject
     */
    KeWaitForSingleObject(
      DispatcherObject: KEVENT | KTIMER,
      _WaitReason: number,
      _WaitMode: number,
      _Alertable: BOOLEAN,
      Timeout: LARGE_INTEGER | null,
    ): NTSTATUS {
      const header = headerOf(DispatcherObject, 'KeWaitForSingleObject');
      // Before the state is looked at: a wait that is forbidden is a mistake also on the day it would not have waited.
      if (Timeout !== 0n) processor.requireAtMost('KeWaitForSingleObject with a timeout other than 0', APC_LEVEL);
      if (header.SignalState !== 0) {
        if (header.Type === SynchronizationEvent) header.SignalState = 0;
        return STATUS_SUCCESS;
      }
      if (Timeout === 0n) return STATUS_TIMEOUT;
      throw endlessWait(
        'KeWaitForSingleObject',
        'it is not signalled, and nothing can signal it while the driver waits',
      );
    },
  };
}

function headerOf(object: unknown, call: string): DISPATCHER_HEADER {
  if (object instanceof KEVENT || object instanceof KTIMER) {
    if (object.Header.Type >= 0) return object.Header;
    throw bugCheck('DRIVER_VERIFIER_DETECTED_VIOLATION', call, 'the object was never initialised');
  }
  throw bugCheck('PAGE_FAULT_IN_NONPAGED_AREA', call, 'neither a KEVENT nor a KTIMER');
}
