/**
 * The door of one driver: its functions, and the hold that the runtime has of it.
 *
 * ```
 *   DriverHost ─> Processor, HookRegistry, IoManager, TimerQueue, WorkItems, Ipv6Hook ─> functions ─> DriverDoor
 * ```
 * Rules: nothing is shared between two doors. The exports of a door have the names of the module `firehook/ddk`, so a driver
 * in a lane and one in a unit test import the same. What a driver did not take back is named, and taken back for it.
 *
 * @module
 */

import { FirehookError } from '../errors.ts';
import { STATUS_INVALID_DEVICE_REQUEST } from '../firewall/constants.ts';
import * as firehook from '../index.ts';
import { createDeviceFunctions } from './device-functions.ts';
import { PASSIVE_LEVEL } from './dispatcher-objects.ts';
import { createEventFunctions } from './event.ts';
import { HookRegistry, isRoutine } from './hook-registry.ts';
import type { DriverDoor, DriverHost, IoControlAnswer } from './host.ts';
import { IoManager } from './io-manager.ts';
import {
  DO_DEVICE_INITIALIZING,
  type DRIVER_DISPATCH,
  type DRIVER_INITIALIZE,
  type DRIVER_OBJECT,
  IRP_MJ_MAXIMUM_FUNCTION,
} from './io-types.ts';
import { createIpv6Functions, Ipv6Hook } from './ipv6.ts';
import { createIrqlFunctions } from './irql.ts';
import { createWarnOnce } from './once.ts';
import { createParameterFunctions, registryPathOf } from './parameters.ts';
import { createPoolFunctions } from './pool-functions.ts';
import { createPrintFunctions } from './print.ts';
import { Processor } from './processor.ts';
import { createRequestFunctions } from './request-functions.ts';
import { createRouteFunctions } from './route.ts';
import type { StandAlone } from './stand-alone.ts';
import * as stateless from './stateless.ts';
import { NT_SUCCESS } from './status.ts';
import { createTimeFunctions } from './time.ts';
import { createTimerFunctions, TimerQueue } from './timer.ts';
import { createUnicodeFunctions, RtlInitUnicodeString, UNICODE_STRING } from './unicode.ts';
import { createWorkItemFunctions, WorkItems } from './work-item.ts';

const ENTRY_PARAMETERS = 2;

/** Parts of a driver that hold what it has to take back. */
interface Holder {
  leftovers(): string[];
  takeBack(): void;
}

/**
 * Makes the door of a driver.
 *
 * Ownership: the door borrows the host until `unload` has returned.
 * @param host - the runtime's side
 */
export function createDriverDoor(host: DriverHost): DriverDoor {
  return createDdk(host, null).door;
}

/** Makes a door and, with their types, the functions in it. @param standAlone - what `FhStandAlone` is for this driver */
export function createDdk(host: DriverHost, standAlone: StandAlone | null) {
  const processor = new Processor(host.checksIrql ?? true);
  const warnOnce = createWarnOnce(host);
  const hooks = new HookRegistry(host);
  const io = new IoManager(host, processor, hooks, warnOnce);
  const timers = new TimerQueue(host, processor);
  const workItems = new WorkItems(host, processor);
  const ipv6 = new Ipv6Hook(host, processor);
  const functions = {
    ...createDeviceFunctions(io, processor),
    ...createEventFunctions(processor),
    ...createIpv6Functions(ipv6, processor),
    ...createIrqlFunctions(processor),
    ...createParameterFunctions(host, warnOnce),
    ...createPoolFunctions(host, processor),
    ...createPrintFunctions(host, processor, warnOnce),
    ...createRequestFunctions(io, processor),
    ...createRouteFunctions(host, warnOnce),
    ...createTimeFunctions(host),
    ...createTimerFunctions(timers, processor),
    ...createUnicodeFunctions(processor),
    ...createWorkItemFunctions(workItems),
    /** The host of a driver outside of a lane, for its unit tests; null in a lane and in replay. Firehook's own name. */
    FhStandAlone: standAlone,
  };
  const exports = Object.freeze({ ...firehook, ...stateless, ...functions });
  const door: DriverDoor = new Door(host, exports, processor, io, [hooks, ipv6, timers, workItems, io]);
  return { functions, door };
}

class Door implements DriverDoor {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly #host: DriverHost;
  readonly #processor: Processor;
  readonly #io: IoManager;
  readonly #holders: readonly Holder[];
  #driver: DRIVER_OBJECT | null = null;
  /** What was left at the end; null while the driver is loaded. */
  #left: readonly string[] | null = null;

  constructor(
    host: DriverHost,
    exports: Readonly<Record<string, unknown>>,
    processor: Processor,
    io: IoManager,
    holders: readonly Holder[],
  ) {
    this.#host = host;
    this.exports = exports;
    this.#processor = processor;
    this.#io = io;
    this.#holders = holders;
  }

  get devices(): readonly string[] {
    return this.#io.names;
  }

  start(entry: unknown): number {
    if (!isRoutine(entry, ENTRY_PARAMETERS)) {
      throw this.#invalid('DriverEntry has to be a function of at most two parameters that is not async');
    }
    const driver = this.#makeDriver();
    this.#driver = driver;
    this.#left = null;
    let isLoaded = false;
    try {
      const path = registryPathOf(this.#host);
      const routine = entry as DRIVER_INITIALIZE;
      const status: unknown = this.#processor.run('DriverEntry', PASSIVE_LEVEL, () => routine(driver, path));
      if (typeof status !== 'number')
        throw this.#invalid(`DriverEntry returned ${typeof status}; it has to return an NTSTATUS`);
      isLoaded = NT_SUCCESS(status);
      return status >>> 0;
    } finally {
      if (isLoaded) this.#settle(driver);
      else this.#end();
    }
  }

  unload(): void {
    const driver = this.#driver;
    const routine = driver?.DriverUnload;
    try {
      if (driver === null || typeof routine !== 'function') return;
      const result: unknown = this.#processor.run('DriverUnload', PASSIVE_LEVEL, () => routine(driver) as unknown);
      if (result instanceof Promise) throw this.#invalid('DriverUnload is async; it has to be done when it returns');
    } finally {
      this.#end();
    }
  }

  leftovers(): readonly string[] {
    return this.#left ?? this.#holders.flatMap((holder) => holder.leftovers());
  }

  enterCallback(): void {
    this.#processor.enter();
  }

  leaveCallback(): string {
    return this.#processor.leave();
  }

  ioControl(name: string, code: number, input: Buffer, outputLength: number): IoControlAnswer {
    return this.#processor.run('the request', PASSIVE_LEVEL, () => this.#io.request(name, code, input, outputLength));
  }

  #makeDriver(): DRIVER_OBJECT {
    const DriverName = new UNICODE_STRING();
    RtlInitUnicodeString(DriverName, `\\Driver\\${this.#host.name}`);
    const refuse: DRIVER_DISPATCH = (_device, irp) => {
      irp.IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
      irp.IoStatus.Information = 0;
      this.#io.complete(irp);
      return STATUS_INVALID_DEVICE_REQUEST;
    };
    const MajorFunction = Array.from({ length: IRP_MJ_MAXIMUM_FUNCTION + 1 }, () => refuse);
    return Object.seal({ DeviceObject: null, DriverName, DriverUnload: null, MajorFunction });
  }

  /** What the I/O manager does after a successful DriverEntry. */
  #settle(driver: DRIVER_OBJECT): void {
    for (let at = driver.DeviceObject; at !== null; at = at.NextDevice) at.Flags &= ~DO_DEVICE_INITIALIZING;
    if (driver.DriverUnload === null) {
      this.#host.log('warn', 'DriverUnload is null: on Windows the driver could not be unloaded');
    }
  }

  #end(): void {
    this.#left = this.leftovers();
    this.#driver = null;
    for (const holder of this.#holders) holder.takeBack();
  }

  #invalid(reason: string): FirehookError {
    return new FirehookError('FIREHOOK_HOOK_INVALID', `${this.#host.name}: ${reason}`, {
      hook: this.#host.name,
    });
  }
}
