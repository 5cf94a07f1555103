/**
 * Requests: IoBuildDeviceIoControlRequest, IoCallDriver, IoCompleteRequest.
 *
 * Rule: what {@link IoManager} says of buffers and completion. The one structure that goes through a request as it is, and not as octets,
 * is IP_SET_FIREWALL_HOOK_INFO: a function has no octets.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/handling-irps
 *
 * @module
 */

import type { IP_SET_FIREWALL_HOOK_INFO } from '../firewall/constants.ts';
import { bugCheck } from './bug-check.ts';
import { APC_LEVEL, type KEVENT } from './dispatcher-objects.ts';
import { type IoManager, isUlong, MAX_SYSTEM_BUFFER_OCTETS } from './io-manager.ts';
import {
  type DEVICE_OBJECT,
  type IO_STACK_LOCATION,
  type IO_STATUS_BLOCK,
  type IRP,
  IRP_MJ_DEVICE_CONTROL,
  IRP_MJ_INTERNAL_DEVICE_CONTROL,
} from './io-types.ts';
import type { Processor } from './processor.ts';
import type { BOOLEAN, NTSTATUS, ULONG } from './types.ts';

const BUILD = 'IoBuildDeviceIoControlRequest';

/** Makes the functions over one I/O manager. */
export function createRequestFunctions(io: IoManager, processor: Processor) {
  return {
    /**
     * Builds a request for IoCallDriver.
     *
     * Ownership: borrows the buffers until the request is completed; the request is the I/O manager's once it is sent.
     * @param InputBuffer - an IP_SET_FIREWALL_HOOK_INFO for `\Device\Ip`, octets for any other device, or null
     * @param InputBufferLength - octets; SIZEOF_IP_SET_FIREWALL_HOOK_INFO for the structure
     * @param OutputBuffer - takes the output; null for none
     * @param OutputBufferLength - octets
     * @param InternalDeviceIoControl - TRUE: IRP_MJ_INTERNAL_DEVICE_CONTROL
     * @param Event - signalled when the request is completed; null for none
     * @param IoStatusBlock - filled when the request is completed
     * @returns the request; null when it needs more than 16 MiB
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK PAGE_FAULT_IN_NONPAGED_AREA when a buffer is shorter than its length;
     * IRQL_NOT_LESS_OR_EQUAL above APC_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-iobuilddeviceiocontrolrequest
     */
    IoBuildDeviceIoControlRequest(
      IoControlCode: ULONG,
      DeviceObject: DEVICE_OBJECT,
      InputBuffer: IP_SET_FIREWALL_HOOK_INFO | Uint8Array | null,
      InputBufferLength: ULONG,
      OutputBuffer: Uint8Array | null,
      OutputBufferLength: ULONG,
      InternalDeviceIoControl: BOOLEAN,
      Event: KEVENT | null,
      IoStatusBlock: IO_STATUS_BLOCK,
    ): IRP | null {
      processor.requireAtMost(BUILD, APC_LEVEL);
      if (!io.devices.has(DeviceObject)) throw bugCheck('PAGE_FAULT_IN_NONPAGED_AREA', BUILD, 'no device');
      const isStructure = InputBuffer !== null && !(InputBuffer instanceof Uint8Array) && DeviceObject === io.ip;
      if (!isStructure) requireRoom('InputBuffer', InputBuffer, InputBufferLength);
      requireRoom('OutputBuffer', OutputBuffer, OutputBufferLength);
      if (Math.max(InputBufferLength, OutputBufferLength) > MAX_SYSTEM_BUFFER_OCTETS) return null;
      return io.build({
        major: InternalDeviceIoControl ? IRP_MJ_INTERNAL_DEVICE_CONTROL : IRP_MJ_DEVICE_CONTROL,
        device: DeviceObject,
        requestor: 0,
        code: IoControlCode,
        inputLength: InputBufferLength,
        outputLength: OutputBufferLength,
        output: OutputBuffer,
        event: Event,
        statusBlock: IoStatusBlock,
        ...(isStructure ? { structure: InputBuffer } : {}),
        ...(InputBuffer instanceof Uint8Array ? { input: InputBuffer } : {}),
      });
    },

    /**
     * Sends a request. It is complete on return, so STATUS_PENDING is never returned and the wait that samples have after it is
     * never entered: output, status block and event are as they will be.
     *
     * `\Device\Ip` takes IOCTL_IP_SET_FIREWALL_HOOK, in force from the next packet. Its answers:
     * STATUS_INVALID_PARAMETER for a callback that is registered already (`Add`) or is not (not `Add`), an InputBufferLength other
     * than SIZEOF_IP_SET_FIREWALL_HOOK_INFO, a `FirewallPtr` that is no function of at most seven parameters or is an async one, and a
     * `Priority` that is no UINT; STATUS_INVALID_DEVICE_REQUEST for other control codes and InternalDeviceIoControl.
     *
     * A device of the driver itself gets the request in its dispatch routine. STATUS_NOT_SUPPORTED: the code is not METHOD_BUFFERED.
     *
     * Ownership: takes `Irp`.
     * @returns the status that the request was completed with
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK NO_MORE_IRP_STACK_LOCATIONS for a request that was sent before; what the dispatch
     * routine throws
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-iocalldriver
     */
    IoCallDriver(DeviceObject: DEVICE_OBJECT, Irp: IRP): NTSTATUS {
      return io.send(DeviceObject, Irp);
    },

    /**
     * Finds what a dispatch routine is to do.
     *
     * Ownership: valid until the request is completed.
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK NO_MORE_IRP_STACK_LOCATIONS for a request that is not with a driver
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-iogetcurrentirpstacklocation
     */
    IoGetCurrentIrpStackLocation(Irp: IRP): IO_STACK_LOCATION {
      return io.stackOf(Irp);
    },

    /**
     * Completes a request with what is in `Irp.IoStatus`: `Information` octets of the system buffer go back, at most as many as
     * there is room for, and none where the status is an error.
     *
     * Ownership: takes `Irp` and its system buffer.
     * @param PriorityBoost - IO_NO_INCREMENT; no meaning here
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK MULTIPLE_IRP_COMPLETE_REQUESTS for a second time;
     * DRIVER_VERIFIER_IOMANAGER_VIOLATION when the status is STATUS_PENDING
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-iocompleterequest
     */
    IoCompleteRequest(Irp: IRP, _PriorityBoost: number): void {
      io.complete(Irp);
    },
  };
}

function requireRoom(name: string, buffer: unknown, length: number): void {
  const room = buffer instanceof Uint8Array ? buffer.length : 0;
  if (isUlong(length) && length <= room) return;
  throw bugCheck('PAGE_FAULT_IN_NONPAGED_AREA', BUILD, `${name} has ${room} octets, its length says ${length}`);
}
