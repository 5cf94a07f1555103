/**
 * Work items: a routine of the driver that runs at PASSIVE_LEVEL, for what a callback or a DPC may not do.
 *
 * Rules: it runs between two packets; an item is queued once at most, and freed when it is not queued. What the routine
 * throws is a fault of the driver.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/system-worker-threads
 *
 * @module
 */

import { bugCheck } from './bug-check.ts';
import { PASSIVE_LEVEL } from './dispatcher-objects.ts';
import { isRoutine } from './hook-registry.ts';
import type { DriverHost, Scheduled } from './host.ts';
import type { DEVICE_OBJECT } from './io-types.ts';
import type { Processor } from './processor.ts';

const ROUTINE_PARAMETERS = 2;

/** Queue for what is urgent. Both queues are one here. */
export const CriticalWorkQueue = 0;
/** Queue for everything else. */
export const DelayedWorkQueue = 1;
/** One of the work queues. */
export type WORK_QUEUE_TYPE = typeof CriticalWorkQueue | typeof DelayedWorkQueue;

/** A work item: opaque. Get one from IoAllocateWorkItem. */
export interface IO_WORKITEM {
  /** The device it was allocated for; handed to the routine. */
  readonly DeviceObject: DEVICE_OBJECT;
}
/** Pointer to a work item. */
export type PIO_WORKITEM = IO_WORKITEM;

/**
 * Routine of a work item.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nc-wdm-io_workitem_routine
 */
export type IO_WORKITEM_ROUTINE = (DeviceObject: DEVICE_OBJECT, Context: unknown) => void;

/** The work items of one driver. */
export class WorkItems {
  readonly host: DriverHost;
  readonly processor: Processor;
  /** Every item that was not freed; null while it is not queued. */
  readonly live = new Map<IO_WORKITEM, Scheduled | null>();

  constructor(host: DriverHost, processor: Processor) {
    this.host = host;
    this.processor = processor;
  }

  /** Items not freed, in one sentence. */
  leftovers(): string[] {
    return this.live.size === 0 ? [] : [`Work items never freed with IoFreeWorkItem: ${this.live.size}.`];
  }

  /** Lets nothing of it run any more. */
  takeBack(): void {
    for (const scheduled of this.live.values()) scheduled?.cancel();
    this.live.clear();
  }
}

/** Makes the functions over the items of one driver. */
export function createWorkItemFunctions(items: WorkItems) {
  const { host, processor, live } = items;

  function stateOf(item: IO_WORKITEM, call: string): Scheduled | null {
    const state = live.get(item);
    if (state === undefined) throw bugCheck('WORKER_INVALID', call, 'no work item, or one that was freed');
    return state;
  }

  function run(item: IO_WORKITEM, routine: IO_WORKITEM_ROUTINE, context: unknown): void {
    if (!live.has(item)) return;
    // Before the routine: it may free its item, or queue it again.
    live.set(item, null);
    try {
      processor.run('the work item', PASSIVE_LEVEL, () => routine(item.DeviceObject, context));
    } catch (error) {
      host.fault('a work item threw', error);
    }
  }

  return {
    /**
     * Allocates a work item.
     *
     * Ownership: returns owned; free it with IoFreeWorkItem.
     * @returns the item; null, on Windows, when memory is short: never here
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-ioallocateworkitem
     */
    IoAllocateWorkItem(DeviceObject: DEVICE_OBJECT): IO_WORKITEM | null {
      const item: IO_WORKITEM = Object.freeze({ DeviceObject });
      live.set(item, null);
      return item;
    },

    /**
     * Queues a work item: its routine runs at PASSIVE_LEVEL before the next packet.
     *
     * @param QueueType - CriticalWorkQueue or DelayedWorkQueue; no difference here
     * @param Context - handed to the routine
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK INVALID_WORK_QUEUE_ITEM when it is queued, and for a routine
     * that is async or has more than two parameters; WORKER_INVALID when it was freed
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-ioqueueworkitem
     */
    IoQueueWorkItem(
      WorkItem: IO_WORKITEM,
      WorkerRoutine: IO_WORKITEM_ROUTINE,
      _QueueType: WORK_QUEUE_TYPE,
      Context: unknown,
    ): void {
      if (stateOf(WorkItem, 'IoQueueWorkItem') !== null) {
        throw bugCheck('INVALID_WORK_QUEUE_ITEM', 'IoQueueWorkItem', 'the item is queued already');
      }
      if (!isRoutine(WorkerRoutine, ROUTINE_PARAMETERS)) {
        const reason = `no function of at most ${ROUTINE_PARAMETERS} parameters that is not async`;
        throw bugCheck('INVALID_WORK_QUEUE_ITEM', 'IoQueueWorkItem', reason);
      }
      live.set(
        WorkItem,
        host.schedule(0n, () => run(WorkItem, WorkerRoutine, Context)),
      );
    },

    /**
     * Frees a work item that is not queued. Its routine may free it.
     *
     * Ownership: takes `WorkItem`.
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK WORKER_INVALID while it is queued, and for a second free
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-iofreeworkitem
     */
    IoFreeWorkItem(WorkItem: IO_WORKITEM): void {
      if (stateOf(WorkItem, 'IoFreeWorkItem') !== null) {
        throw bugCheck('WORKER_INVALID', 'IoFreeWorkItem', 'the item is queued');
      }
      live.delete(WorkItem);
    },
  };
}
