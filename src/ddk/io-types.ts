/**
 * Objects of the I/O manager: driver, device, file, request, stack location.
 *
 * Rule: members have their published names; those that mean nothing here are left out rather than faked. A driver gets
 * these objects from the functions and makes none itself, but for IO_STATUS_BLOCK.
 *
 * Source: `wdm.h`.
 *
 * @module
 */

import type { OctetBuffer } from '../wire/octet-buffer.ts';
import type { NTSTATUS, UCHAR, ULONG } from './types.ts';
import type { UNICODE_STRING } from './unicode.ts';

/** Major function: open. */
export const IRP_MJ_CREATE = 0x00;
/** Major function: the last reference to the file object is gone. */
export const IRP_MJ_CLOSE = 0x02;
/** Major function: read. Nothing here sends it. */
export const IRP_MJ_READ = 0x03;
/** Major function: write. Nothing here sends it. */
export const IRP_MJ_WRITE = 0x04;
/** Major function: control code. */
export const IRP_MJ_DEVICE_CONTROL = 0x0e;
/** Major function: control code from another driver. */
export const IRP_MJ_INTERNAL_DEVICE_CONTROL = 0x0f;
/** Major function: the machine is shut down. Nothing here sends it. */
export const IRP_MJ_SHUTDOWN = 0x10;
/** Major function: the last handle is closed. */
export const IRP_MJ_CLEANUP = 0x12;
/** Largest major function. */
export const IRP_MJ_MAXIMUM_FUNCTION = 0x1b;

/** Flag of a device: reads and writes are buffered. Carried, not interpreted. */
export const DO_BUFFERED_IO = 0x00000004;
/** Flag of a device: one open handle at a time. */
export const DO_EXCLUSIVE = 0x00000008;
/** Flag of a device: reads and writes are direct. Carried, not interpreted. */
export const DO_DIRECT_IO = 0x00000010;
/** Flag of a device: it cannot be opened yet. Cleared after DriverEntry for the devices made there; by the driver for later ones. */
export const DO_DEVICE_INITIALIZING = 0x00000080;

/** No priority boost for who waits for a request. */
export const IO_NO_INCREMENT = 0;
/** Priority boost that network drivers give; no meaning here. */
export const IO_NETWORK_INCREMENT = 2;

/** Octets of an `IP_SET_FIREWALL_HOOK_INFO` on 64-bit Windows: the `InputBufferLength` of its request. */
export const SIZEOF_IP_SET_FIREWALL_HOOK_INFO = 16;

/**
 * Called once, at PASSIVE_LEVEL, before the first packet. A status other than success refuses the driver.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nc-wdm-driver_initialize
 */
export type DRIVER_INITIALIZE = (DriverObject: DRIVER_OBJECT, RegistryPath: UNICODE_STRING) => NTSTATUS;
/**
 * Called once, at PASSIVE_LEVEL, after the last packet.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nc-wdm-driver_unload
 */
export type DRIVER_UNLOAD = (DriverObject: DRIVER_OBJECT) => void;
/**
 * Handles a request: fills `Irp.IoStatus`, completes it with IoCompleteRequest, and returns the same status.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nc-wdm-driver_dispatch
 */
export type DRIVER_DISPATCH = (DeviceObject: DEVICE_OBJECT, Irp: IRP) => NTSTATUS;

/**
 * A driver.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/ns-wdm-_driver_object
 */
export interface DRIVER_OBJECT {
  /** First of the driver's devices, the one made last; the others follow by `NextDevice`. */
  DeviceObject: DEVICE_OBJECT | null;
  /** `\Driver\` and the name of the hook. */
  readonly DriverName: UNICODE_STRING;
  /** Null: the driver cannot be unloaded on Windows; warned of here. */
  DriverUnload: DRIVER_UNLOAD | null;
  /** IRP_MJ_MAXIMUM_FUNCTION + 1 entries; one left alone answers STATUS_INVALID_DEVICE_REQUEST. */
  readonly MajorFunction: DRIVER_DISPATCH[];
}

/**
 * A device.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/ns-wdm-_device_object
 */
export interface DEVICE_OBJECT<Extension = unknown> {
  /** Null for `\Device\Ip`. */
  readonly DriverObject: DRIVER_OBJECT | null;
  /** Next device of the same driver. */
  NextDevice: DEVICE_OBJECT | null;
  /** `DO_` bits. */
  Flags: ULONG;
  readonly Characteristics: ULONG;
  /** FILE_DEVICE_ number. */
  readonly DeviceType: ULONG;
  /** A Buffer of the size asked for, zeroed; null for 0. A driver may put an object of its own in its place. */
  DeviceExtension: Extension;
}

/**
 * An open device.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/ns-wdm-_file_object
 */
export interface FILE_OBJECT {
  readonly DeviceObject: DEVICE_OBJECT;
  /** The driver's own. */
  FsContext: unknown;
  /** The driver's own. */
  FsContext2: unknown;
}

/**
 * How a request ended.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/ns-wdm-_io_status_block
 */
export class IO_STATUS_BLOCK {
  Status: NTSTATUS = 0;
  /** Octets of output, for a control code. */
  Information: ULONG = 0;
}

/**
 * A request.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/ns-wdm-_irp
 */
export interface IRP {
  readonly AssociatedIrp: {
    /**
     * Input, and then output: as many octets as the longer of both, null when both are 0. Behind the input it is zeroed. Null
     * again once the request is completed, when Windows has freed it.
     */
    SystemBuffer: OctetBuffer | null;
  };
  readonly IoStatus: IO_STATUS_BLOCK;
  /** KernelMode 0 for a request of a driver, UserMode 1 for one from outside. */
  readonly RequestorMode: 0 | 1;
}

/** Parameters of a control code. */
export interface DEVICE_IO_CONTROL_PARAMETERS {
  /** Octets that the caller has room for. */
  readonly OutputBufferLength: ULONG;
  /** Octets of input. */
  readonly InputBufferLength: ULONG;
  readonly IoControlCode: ULONG;
}

/**
 * What one driver is to do with a request.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/ns-wdm-_io_stack_location
 */
export interface IO_STACK_LOCATION {
  readonly MajorFunction: UCHAR;
  readonly MinorFunction: UCHAR;
  readonly DeviceObject: DEVICE_OBJECT;
  /** Null in a request that a driver built itself. */
  readonly FileObject: FILE_OBJECT | null;
  readonly Parameters: {
    /** Zeros in requests other than control codes. */
    readonly DeviceIoControl: DEVICE_IO_CONTROL_PARAMETERS;
  };
}

/** Pointer to a driver. */
export type PDRIVER_OBJECT = DRIVER_OBJECT;
/** Pointer to a device. */
export type PDEVICE_OBJECT<Extension = unknown> = DEVICE_OBJECT<Extension>;
/** Pointer to a file object. */
export type PFILE_OBJECT = FILE_OBJECT;
/** Pointer to a request. */
export type PIRP = IRP;
/** Pointer to a stack location. */
export type PIO_STACK_LOCATION = IO_STACK_LOCATION;
/** Pointer to a status block. */
export type PIO_STATUS_BLOCK = IO_STATUS_BLOCK;
