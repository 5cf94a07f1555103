/**
 * The I/O manager of one driver: its devices, their names, open files, and requests on their way.
 *
 * ```
 *   a program outside ─> request(name) ─> CREATE, DEVICE_CONTROL, CLEANUP, CLOSE ─┐
 *   IoBuildDeviceIoControlRequest ─> IoCallDriver ─────────────────────────────┴─> MajorFunction[...] ─> IoCompleteRequest
 *                                         └─> \Device\Ip: HookRegistry
 * ```
 * Rules: a request is complete when its dispatch routine returns; there is nobody to complete it later. Buffers are
 * METHOD_BUFFERED: one system buffer of the longer of input and output, of which `Information` octets go back, never more
 * than the output has room for and none of an error.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/buffer-descriptions-for-i-o-control-codes
 *
 * @module
 */

import {
  DD_IP_DEVICE_NAME,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
  STATUS_PENDING,
} from '../firewall/constants.ts';
import { bugCheck } from './bug-check.ts';
import { FILE_DEVICE_NETWORK, METHOD_BUFFERED } from './control-code.ts';
import { type KEVENT, PASSIVE_LEVEL } from './dispatcher-objects.ts';
import type { HookRegistry } from './hook-registry.ts';
import type { DriverHost, IoControlAnswer } from './host.ts';
import {
  type DEVICE_OBJECT,
  DO_DEVICE_INITIALIZING,
  type DRIVER_OBJECT,
  type FILE_OBJECT,
  type IO_STACK_LOCATION,
  IO_STATUS_BLOCK,
  type IRP,
  IRP_MJ_CLEANUP,
  IRP_MJ_CLOSE,
  IRP_MJ_CREATE,
  IRP_MJ_DEVICE_CONTROL,
  IRP_MJ_INTERNAL_DEVICE_CONTROL,
} from './io-types.ts';
import { keyOfName, keyOfUserName, type NameKey } from './object-names.ts';
import type { WarnOnce } from './once.ts';
import type { Processor } from './processor.ts';
import {
  NT_ERROR,
  NT_SUCCESS,
  STATUS_ACCESS_DENIED,
  STATUS_CANCELLED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_NO_SUCH_DEVICE,
  STATUS_NOT_SUPPORTED,
  STATUS_OBJECT_NAME_NOT_FOUND,
} from './status.ts';
import type { NTSTATUS } from './types.ts';

/** Most octets of a system buffer: what comes in from outside must not use the memory of the lane up. */
export const MAX_SYSTEM_BUFFER_OCTETS = 16 * 1024 * 1024;

const NO_CONTROL = { OutputBufferLength: 0, InputBufferLength: 0, IoControlCode: 0 } as const;
const EMPTY = Buffer.alloc(0);

/** What is known of a device. */
export interface DeviceRecord {
  /** Its name as it was given; null for none. */
  readonly name: string | null;
  readonly key: string | null;
  readonly isExclusive: boolean;
  openFiles: number;
  /** By ObReferenceObject. */
  references: number;
}

/** What is known of an open file. */
interface FileRecord {
  readonly name: string;
  references: number;
}

/** What is known of a request. */
interface RequestRecord {
  state: 'built' | 'sent' | 'completed';
  stack: IO_STACK_LOCATION;
  /** What `\Device\Ip` takes in the place of octets. */
  readonly structure: unknown;
  /** Takes the output; null where it is read from {@link RequestRecord.answer}. */
  readonly output: Uint8Array | null;
  readonly event: KEVENT | null;
  readonly statusBlock: IO_STATUS_BLOCK | null;
  answer: Buffer;
}

/** What a request is made of. */
export interface RequestOptions {
  readonly major: number;
  readonly device: DEVICE_OBJECT;
  readonly file?: FILE_OBJECT;
  readonly requestor: 0 | 1;
  readonly code?: number;
  readonly input?: Uint8Array;
  readonly inputLength?: number;
  readonly outputLength?: number;
  readonly structure?: unknown;
  readonly output?: Uint8Array | null;
  readonly event?: KEVENT | null;
  readonly statusBlock?: IO_STATUS_BLOCK | null;
}

/** Devices, files and requests of one driver. */
export class IoManager {
  readonly devices = new Map<DEVICE_OBJECT, DeviceRecord>();
  readonly links = new Map<string, { readonly name: string; readonly target: string }>();
  readonly files = new Map<FILE_OBJECT, FileRecord>();
  /** The device that takes callbacks; no driver's. */
  readonly ip: DEVICE_OBJECT;
  readonly #host: DriverHost;
  readonly #processor: Processor;
  readonly #hooks: HookRegistry;
  readonly #warnOnce: WarnOnce;
  readonly #requests = new WeakMap<IRP, RequestRecord>();
  #unsent = 0;

  constructor(host: DriverHost, processor: Processor, hooks: HookRegistry, warnOnce: WarnOnce) {
    this.#host = host;
    this.#processor = processor;
    this.#hooks = hooks;
    this.#warnOnce = warnOnce;
    this.ip = {
      DriverObject: null,
      NextDevice: null,
      Flags: 0,
      Characteristics: 0,
      DeviceType: FILE_DEVICE_NETWORK,
      DeviceExtension: null,
    };
    const key = keyOfName(DD_IP_DEVICE_NAME);
    this.devices.set(this.ip, {
      name: DD_IP_DEVICE_NAME,
      key: 'key' in key ? key.key : null,
      isExclusive: false,
      openFiles: 0,
      references: 0,
    });
  }

  /** Names of the driver's own devices. */
  get names(): string[] {
    return Array.from(this.devices, ([device, { name }]) => (device === this.ip ? null : name)).filter(
      (name) => name !== null,
    );
  }

  /** What was not taken back, one sentence each. */
  leftovers(): string[] {
    const sentences: string[] = [];
    for (const [device, { name }] of this.devices) {
      if (device !== this.ip) sentences.push(`Device ${name ?? 'without a name'} was not deleted with IoDeleteDevice.`);
    }
    for (const { name } of this.links.values()) {
      sentences.push(`Link ${name} was not deleted with IoDeleteSymbolicLink.`);
    }
    for (const { name, references } of this.files.values()) {
      const times = references === 1 ? '' : ` ${references} times`;
      sentences.push(`The file object of ${name} was not dereferenced${times} with ObDereferenceObject.`);
    }
    if (this.#unsent > 0) sentences.push(`Requests built and never sent with IoCallDriver: ${this.#unsent}.`);
    return sentences;
  }

  /** Deletes what is left, without asking the driver any more. */
  takeBack(): void {
    for (const device of this.devices.keys()) if (device !== this.ip) this.devices.delete(device);
    this.links.clear();
    this.files.clear();
    this.#unsent = 0;
  }

  /** The device of a name, links followed; or why there is none. */
  find(name: NameKey): DEVICE_OBJECT | number {
    if ('status' in name) return name.status;
    // A link to a link is followed too, but not in a circle.
    let key = name.key;
    for (let hops = this.links.size; hops > 0; hops--) key = this.links.get(key)?.target ?? key;
    for (const [device, record] of this.devices) if (record.key === key) return device;
    return STATUS_OBJECT_NAME_NOT_FOUND;
  }

  /** True where a device or a link has that name. */
  isTaken(key: string): boolean {
    return this.links.has(key) || [...this.devices.values()].some((record) => record.key === key);
  }

  /**
   * Opens a device: IRP_MJ_CREATE.
   *
   * Ownership: returns a file object with one reference, or the status of a failure.
   */
  open(device: DEVICE_OBJECT, requestor: 0 | 1): FILE_OBJECT | number {
    const record = this.devices.get(device);
    if (record === undefined || (device.Flags & DO_DEVICE_INITIALIZING) !== 0) return STATUS_NO_SUCH_DEVICE;
    if (record.isExclusive && record.openFiles > 0) return STATUS_ACCESS_DENIED;
    const file: FILE_OBJECT = { DeviceObject: device, FsContext: null, FsContext2: null };
    if (device !== this.ip) {
      const status = this.send(device, this.build({ major: IRP_MJ_CREATE, device, file, requestor }));
      if (!NT_SUCCESS(status)) return status;
    }
    record.openFiles++;
    this.files.set(file, { name: record.name ?? 'a device without a name', references: 1 });
    return file;
  }

  /** The handle is closed: IRP_MJ_CLEANUP. The file object stays as long as it is referenced. */
  cleanUp(file: FILE_OBJECT, requestor: 0 | 1): void {
    const device = file.DeviceObject;
    if (device !== this.ip) this.send(device, this.build({ major: IRP_MJ_CLEANUP, device, file, requestor }));
  }

  /** Takes one reference away; with the last one, IRP_MJ_CLOSE. */
  dereference(file: FILE_OBJECT, requestor: 0 | 1): void {
    const record = this.files.get(file);
    if (record === undefined) {
      throw bugCheck('REFERENCE_BY_POINTER', 'ObDereferenceObject', 'the file object has no reference left');
    }
    record.references--;
    if (record.references > 0) return;
    this.files.delete(file);
    const device = file.DeviceObject;
    const deviceRecord = this.devices.get(device);
    if (deviceRecord !== undefined) deviceRecord.openFiles--;
    if (device === this.ip) return;
    const irp = this.build({ major: IRP_MJ_CLOSE, device, file, requestor });
    this.#processor.run('IRP_MJ_CLOSE', PASSIVE_LEVEL, () => this.send(device, irp));
  }

  /** A request from outside, from the opening of the device to its closing. See `DriverDoor.ioControl`. */
  request(name: string, code: number, input: Buffer, outputLength: number): IoControlAnswer {
    if (!isUlong(code) || !isUlong(outputLength)) return { status: STATUS_INVALID_PARAMETER, output: EMPTY };
    if (Math.max(input.length, outputLength) > MAX_SYSTEM_BUFFER_OCTETS) {
      return { status: STATUS_INSUFFICIENT_RESOURCES, output: EMPTY };
    }
    const device = this.find(keyOfUserName(name));
    if (typeof device === 'number') return { status: device, output: EMPTY };
    // A callback is a function of this process: nothing that comes from outside could name one.
    if (device === this.ip) return { status: STATUS_INVALID_DEVICE_REQUEST, output: EMPTY };
    const file = this.open(device, 1);
    if (typeof file === 'number') return { status: file, output: EMPTY };
    try {
      const options = { major: IRP_MJ_DEVICE_CONTROL, device, file, requestor: 1, code, input, outputLength } as const;
      const irp = this.build(options);
      const status = this.send(device, irp);
      return { status, output: this.#requests.get(irp)?.answer ?? EMPTY };
    } finally {
      this.cleanUp(file, 1);
      this.dereference(file, 1);
    }
  }

  /** Makes a request that is ready for {@link IoManager.send}. */
  build(options: RequestOptions): IRP {
    const { input, outputLength = 0, code = 0 } = options;
    const inputLength = options.inputLength ?? input?.length ?? 0;
    const isControl = options.major === IRP_MJ_DEVICE_CONTROL || options.major === IRP_MJ_INTERNAL_DEVICE_CONTROL;
    const octets = options.structure === undefined ? Math.max(inputLength, outputLength) : outputLength;
    const irp: IRP = {
      AssociatedIrp: { SystemBuffer: octets === 0 ? null : Buffer.alloc(octets) },
      IoStatus: new IO_STATUS_BLOCK(),
      RequestorMode: options.requestor,
    };
    if (input !== undefined) irp.AssociatedIrp.SystemBuffer?.set(input.subarray(0, inputLength));
    this.#unsent++;
    this.#requests.set(irp, {
      state: 'built',
      stack: {
        MajorFunction: options.major,
        MinorFunction: 0,
        DeviceObject: options.device,
        FileObject: options.file ?? null,
        Parameters: {
          DeviceIoControl: isControl
            ? { OutputBufferLength: outputLength, InputBufferLength: inputLength, IoControlCode: code }
            : NO_CONTROL,
        },
      },
      structure: options.structure,
      output: options.output ?? null,
      event: options.event ?? null,
      statusBlock: options.statusBlock ?? null,
      answer: EMPTY,
    });
    return irp;
  }

  /**
   * Hands a request to the driver of a device, at the level of now. It is complete on return.
   *
   * @returns the status it was completed with, whatever the dispatch routine returned
   * @throws what the dispatch routine throws; FirehookError NO_MORE_IRP_STACK_LOCATIONS for a request that was sent before
   */
  send(device: DEVICE_OBJECT, irp: IRP): NTSTATUS {
    const request = this.#requests.get(irp);
    if (request === undefined || request.state !== 'built') {
      const reason = request === undefined ? 'no request' : 'the request was sent before';
      throw bugCheck('NO_MORE_IRP_STACK_LOCATIONS', 'IoCallDriver', reason);
    }
    request.state = 'sent';
    this.#unsent--;
    request.stack = { ...request.stack, DeviceObject: device };
    const { MajorFunction: major, Parameters } = request.stack;
    const control = Parameters.DeviceIoControl;
    if (device === this.ip) {
      const { IoControlCode, InputBufferLength } = control;
      const isInternal = major === IRP_MJ_INTERNAL_DEVICE_CONTROL;
      return this.#finish(irp, this.#hooks.answer(IoControlCode, isInternal, request.structure, InputBufferLength));
    }
    if ((control.IoControlCode & 3) !== METHOD_BUFFERED) {
      const code = `0x${control.IoControlCode.toString(16).padStart(8, '0')}`;
      this.#warnOnce(
        'method',
        `control code ${code} is refused: METHOD_BUFFERED is supported, for others there are no MDLs`,
      );
      return this.#finish(irp, STATUS_NOT_SUPPORTED);
    }
    const routine: unknown = device.DriverObject?.MajorFunction[major];
    if (typeof routine !== 'function') return this.#finish(irp, STATUS_INVALID_DEVICE_REQUEST);
    return this.#dispatch(device, irp, request, routine as (device: DEVICE_OBJECT, irp: IRP) => unknown);
  }

  /** Where a request is now. */
  stackOf(irp: IRP): IO_STACK_LOCATION {
    const request = this.#requests.get(irp);
    if (request?.state === 'sent') return request.stack;
    throw bugCheck('NO_MORE_IRP_STACK_LOCATIONS', 'IoGetCurrentIrpStackLocation', 'the request is not with a driver');
  }

  /** IoCompleteRequest: the output goes back, the status block is filled, the event is signalled. */
  complete(irp: IRP): void {
    const request = this.#requests.get(irp);
    if (request?.state !== 'sent') {
      throw bugCheck('MULTIPLE_IRP_COMPLETE_REQUESTS', 'IoCompleteRequest', 'the request is completed already');
    }
    const { IoStatus, AssociatedIrp } = irp;
    IoStatus.Status >>>= 0;
    if (IoStatus.Status === STATUS_PENDING) {
      throw bugCheck('DRIVER_VERIFIER_IOMANAGER_VIOLATION', 'IoCompleteRequest', 'the status is STATUS_PENDING');
    }
    request.state = 'completed';
    const { OutputBufferLength } = request.stack.Parameters.DeviceIoControl;
    const given = NT_ERROR(IoStatus.Status) ? 0 : IoStatus.Information;
    if (given > OutputBufferLength && OutputBufferLength > 0) {
      this.#warnOnce(
        'information',
        `Information is ${given} with room for ${OutputBufferLength} octets; the rest is lost`,
      );
    }
    const octets = AssociatedIrp.SystemBuffer?.subarray(0, Math.min(given, OutputBufferLength)) ?? EMPTY;
    request.output?.set(octets.subarray(0, request.output.length));
    request.answer = Buffer.from(octets);
    AssociatedIrp.SystemBuffer = null;
    if (request.statusBlock !== null) {
      request.statusBlock.Status = IoStatus.Status;
      request.statusBlock.Information = IoStatus.Information;
    }
    if (request.event !== null) request.event.Header.SignalState = 1;
  }

  /** The device is gone for names; its object works as long as somebody has it. */
  forget(device: DEVICE_OBJECT, driver: DRIVER_OBJECT): void {
    this.devices.delete(device);
    let at: DEVICE_OBJECT | null = driver.DeviceObject;
    if (at === device) driver.DeviceObject = device.NextDevice;
    for (; at !== null; at = at.NextDevice) if (at.NextDevice === device) at.NextDevice = device.NextDevice;
  }

  #finish(irp: IRP, status: NTSTATUS): NTSTATUS {
    irp.IoStatus.Status = status;
    irp.IoStatus.Information = 0;
    this.complete(irp);
    return status;
  }

  #dispatch(
    device: DEVICE_OBJECT,
    irp: IRP,
    request: RequestRecord,
    routine: (device: DEVICE_OBJECT, irp: IRP) => unknown,
  ): NTSTATUS {
    const major = `0x${request.stack.MajorFunction.toString(16).padStart(2, '0')}`;
    const what = `the dispatch routine of major function ${major}`;
    let returned: unknown;
    try {
      returned = this.#processor.run(what, this.#processor.level, () => routine(device, irp));
    } catch (error) {
      if (request.state === 'sent') this.#finish(irp, STATUS_CANCELLED);
      throw error;
    }
    if (request.state === 'sent') {
      this.#host.fault(`${what} returned without IoCompleteRequest; a request cannot be kept here`);
      return this.#finish(irp, STATUS_CANCELLED);
    }
    const { Status } = irp.IoStatus;
    if (typeof returned !== 'number' || returned >>> 0 !== Status) {
      const shown = typeof returned === 'number' ? `0x${(returned >>> 0).toString(16)}` : typeof returned;
      this.#warnOnce(what, `${what} returned ${shown} and completed the request with 0x${Status.toString(16)}`);
    }
    return Status;
  }
}

/** True for a number that a ULONG can hold. */
export function isUlong(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
}
