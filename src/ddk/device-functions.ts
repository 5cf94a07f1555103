/**
 * Devices and their names: IoCreateDevice, IoCreateSymbolicLink, IoGetDeviceObjectPointer and their kin.
 *
 * Rule: what is made here has to be taken back before the driver is unloaded, as on Windows; what is not is named then.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/introduction-to-device-objects
 *
 * @module
 */

import { type Ref, STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from '../firewall/constants.ts';
import type { OctetBuffer } from '../wire/octet-buffer.ts';
import { bugCheck } from './bug-check.ts';
import { APC_LEVEL, PASSIVE_LEVEL } from './dispatcher-objects.ts';
import { type IoManager, isUlong, MAX_SYSTEM_BUFFER_OCTETS } from './io-manager.ts';
import {
  type DEVICE_OBJECT,
  DO_DEVICE_INITIALIZING,
  DO_EXCLUSIVE,
  type DRIVER_OBJECT,
  type FILE_OBJECT,
} from './io-types.ts';
import { keyOfName } from './object-names.ts';
import type { Processor } from './processor.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_TYPE_MISMATCH,
} from './status.ts';
import type { BOOLEAN, NTSTATUS, ULONG } from './types.ts';
import { textOf, type UNICODE } from './unicode.ts';

/** Makes the functions over one I/O manager. */
export function createDeviceFunctions(io: IoManager, processor: Processor) {
  return {
    /**
     * Makes a device.
     *
     * Ownership: `DeviceObject` takes the device, which is the driver's until IoDeleteDevice.
     * @param DeviceExtensionSize - octets of `DeviceExtension`, a zeroed Buffer; 0: null
     * @param DeviceName - such as `\Device\Name`; null for none
     * @param DeviceType - FILE_DEVICE_ number
     * @param DeviceCharacteristics - carried, not interpreted
     * @param Exclusive - TRUE: one open handle at a time, others get STATUS_ACCESS_DENIED
     * @param DeviceObject - takes the device; null after a failure
     * @returns STATUS_SUCCESS; STATUS_OBJECT_NAME_COLLISION; a STATUS_OBJECT_ status for a bad name;
     * STATUS_INSUFFICIENT_RESOURCES for an extension above 16 MiB
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL above APC_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-iocreatedevice
     */
    IoCreateDevice<Extension = OctetBuffer>(
      DriverObject: DRIVER_OBJECT,
      DeviceExtensionSize: ULONG,
      DeviceName: UNICODE | null,
      DeviceType: ULONG,
      DeviceCharacteristics: ULONG,
      Exclusive: BOOLEAN,
      DeviceObject: Ref<DEVICE_OBJECT<Extension> | null>,
    ): NTSTATUS {
      processor.requireAtMost('IoCreateDevice', APC_LEVEL);
      DeviceObject.value = null;
      if (!isUlong(DeviceExtensionSize)) return STATUS_INVALID_PARAMETER;
      if (DeviceExtensionSize > MAX_SYSTEM_BUFFER_OCTETS) return STATUS_INSUFFICIENT_RESOURCES;
      const name = DeviceName === null ? null : textOf(DeviceName);
      const key = name === null ? null : keyOfName(name);
      if (key !== null && 'status' in key) return key.status;
      if (key !== null && io.isTaken(key.key)) return STATUS_OBJECT_NAME_COLLISION;
      const device: DEVICE_OBJECT = {
        DriverObject,
        NextDevice: DriverObject.DeviceObject,
        Flags: DO_DEVICE_INITIALIZING | (Exclusive ? DO_EXCLUSIVE : 0),
        Characteristics: DeviceCharacteristics,
        DeviceType,
        DeviceExtension: DeviceExtensionSize === 0 ? null : Buffer.alloc(DeviceExtensionSize),
      };
      io.devices.set(device, {
        name,
        key: key?.key ?? null,
        isExclusive: Exclusive,
        openFiles: 0,
        references: 0,
      });
      DriverObject.DeviceObject = device;
      DeviceObject.value = device as DEVICE_OBJECT<Extension>;
      return STATUS_SUCCESS;
    },

    /**
     * Deletes a device. Its name is free at once.
     *
     * Ownership: takes `DeviceObject`.
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK REFERENCE_BY_POINTER for one that was deleted, or is no device of this driver;
     * IRQL_NOT_LESS_OR_EQUAL above APC_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-iodeletedevice
     */
    IoDeleteDevice(DeviceObject: DEVICE_OBJECT): void {
      processor.requireAtMost('IoDeleteDevice', APC_LEVEL);
      const driver = io.devices.has(DeviceObject) ? DeviceObject.DriverObject : null;
      if (driver === null) throw bugCheck('REFERENCE_BY_POINTER', 'IoDeleteDevice', 'no device of this driver');
      io.forget(DeviceObject, driver);
    },

    /**
     * Makes a link, so that user mode can open the device.
     *
     * @param SymbolicLinkName - such as `\DosDevices\Name`
     * @param DeviceName - such as `\Device\Name`; need not be there yet
     * @returns STATUS_SUCCESS; STATUS_OBJECT_NAME_COLLISION; a STATUS_OBJECT_ status for a bad name
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL above PASSIVE_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-iocreatesymboliclink
     */
    IoCreateSymbolicLink(SymbolicLinkName: UNICODE, DeviceName: UNICODE): NTSTATUS {
      processor.requireAtMost('IoCreateSymbolicLink', PASSIVE_LEVEL);
      const link = keyOfName(textOf(SymbolicLinkName));
      if ('status' in link) return link.status;
      const target = keyOfName(textOf(DeviceName));
      if ('status' in target) return target.status;
      if (io.isTaken(link.key)) return STATUS_OBJECT_NAME_COLLISION;
      io.links.set(link.key, { name: textOf(SymbolicLinkName), target: target.key });
      return STATUS_SUCCESS;
    },

    /**
     * Deletes a link.
     *
     * @returns STATUS_SUCCESS; STATUS_OBJECT_NAME_NOT_FOUND; STATUS_OBJECT_TYPE_MISMATCH for the name of a device
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL above PASSIVE_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-iodeletesymboliclink
     */
    IoDeleteSymbolicLink(SymbolicLinkName: UNICODE): NTSTATUS {
      processor.requireAtMost('IoDeleteSymbolicLink', PASSIVE_LEVEL);
      const link = keyOfName(textOf(SymbolicLinkName));
      if ('status' in link) return link.status;
      if (io.links.delete(link.key)) return STATUS_SUCCESS;
      return io.isTaken(link.key) ? STATUS_OBJECT_TYPE_MISMATCH : STATUS_OBJECT_NAME_NOT_FOUND;
    },

    /**
     * Opens a device by its name: `\Device\Ip`, which is always there, or one of the driver's own, which gets IRP_MJ_CREATE and
     * IRP_MJ_CLEANUP for it.
     *
     * Ownership: `FileObject` takes a reference that is the driver's until ObDereferenceObject.
     * @param ObjectName - a device or a link; case does not matter
     * @param DesiredAccess - carried, not interpreted
     * @param FileObject - takes the file object; null after a failure
     * @param DeviceObject - takes the device; null after a failure
     * @returns STATUS_SUCCESS; STATUS_OBJECT_NAME_NOT_FOUND for every other name, `\Device\Tcp` among them; STATUS_NO_SUCH_DEVICE while the
     * device is being initialised; what IRP_MJ_CREATE was answered
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL above PASSIVE_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-iogetdeviceobjectpointer
     */
    IoGetDeviceObjectPointer(
      ObjectName: UNICODE,
      _DesiredAccess: ULONG,
      FileObject: Ref<FILE_OBJECT | null>,
      DeviceObject: Ref<DEVICE_OBJECT | null>,
    ): NTSTATUS {
      processor.requireAtMost('IoGetDeviceObjectPointer', PASSIVE_LEVEL);
      FileObject.value = null;
      DeviceObject.value = null;
      const device = io.find(keyOfName(textOf(ObjectName)));
      if (typeof device === 'number') return device;
      const file = io.open(device, 0);
      if (typeof file === 'number') return file;
      io.cleanUp(file, 0);
      FileObject.value = file;
      DeviceObject.value = device;
      return STATUS_SUCCESS;
    },

    /**
     * Adds a reference to a file object or a device.
     *
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK REFERENCE_BY_POINTER for anything else, and what is gone
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-obreferenceobject
     */
    ObReferenceObject(KernelObject: FILE_OBJECT | DEVICE_OBJECT): void {
      const record = io.files.get(KernelObject as FILE_OBJECT) ?? io.devices.get(KernelObject as DEVICE_OBJECT);
      if (record === undefined) throw bugCheck('REFERENCE_BY_POINTER', 'ObReferenceObject', 'no object that is there');
      record.references++;
    },

    /**
     * Takes a reference away. With the last one of a file object the device gets IRP_MJ_CLOSE.
     *
     * Ownership: takes one reference.
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK REFERENCE_BY_POINTER when there is none left, and for anything else
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-obdereferenceobject
     */
    ObDereferenceObject(KernelObject: FILE_OBJECT | DEVICE_OBJECT): void {
      const device = io.devices.get(KernelObject as DEVICE_OBJECT);
      if (device === undefined) {
        io.dereference(KernelObject as FILE_OBJECT, 0);
        return;
      }
      if (device.references === 0) {
        throw bugCheck('REFERENCE_BY_POINTER', 'ObDereferenceObject', 'the driver has no reference to the device');
      }
      device.references--;
    },
  };
}
