/**
 * Promises of devices, their names, files and references.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DEVICE_OBJECT, DRIVER_OBJECT, FILE_OBJECT } from '../../../src/ddk/io-types.ts';
import * as io from '../../../src/ddk/io-types.ts';
import * as status from '../../../src/ddk/status.ts';
import { RtlInitUnicodeString, UNICODE_STRING } from '../../../src/ddk/unicode.ts';
import { DD_IP_DEVICE_NAME, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS } from '../../../src/firewall/constants.ts';
import { assertBugCheck, freshDoor, loadedDoor, ref } from './support.ts';

type Ddk = ReturnType<typeof freshDoor>['ddk'];

function create(ddk: Ddk, driver: DRIVER_OBJECT, name: string | null, extension = 0, exclusive = false) {
  const device = ref<DEVICE_OBJECT<Buffer> | null>(null);
  const result = ddk.IoCreateDevice(driver, extension, name, 0x22, 0x100, exclusive, device);
  return { status: result, device: device.value };
}

/** As DriverEntry leaves it: open for everybody. */
function createOpen(ddk: Ddk, driver: DRIVER_OBJECT, name: string, exclusive = false): DEVICE_OBJECT {
  const { device } = create(ddk, driver, name, 0, exclusive);
  assert.ok(device);
  device.Flags &= ~io.DO_DEVICE_INITIALIZING;
  return device;
}

function open(ddk: Ddk, name: string) {
  const [file, device] = [ref<FILE_OBJECT | null>(null), ref<DEVICE_OBJECT | null>(null)];
  return { status: ddk.IoGetDeviceObjectPointer(name, 0, file, device), file: file.value, device: device.value };
}

describe('IoCreateDevice', () => {
  test('makes a device with a zeroed extension, first in the list of its driver', () => {
    const { ddk, driver } = loadedDoor();
    const first = create(ddk, driver, '\\Device\\One', 12).device;
    const second = create(ddk, driver, null).device;
    assert.ok(first && second);
    assert.deepEqual(first.DeviceExtension, Buffer.alloc(12));
    assert.equal(second.DeviceExtension, null);
    assert.equal(first.DriverObject, driver);
    assert.deepEqual([first.DeviceType, first.Characteristics], [0x22, 0x100]);
    assert.equal(driver.DeviceObject, second);
    assert.equal(second.NextDevice, first);
  });

  test('answers STATUS_OBJECT_NAME_COLLISION for a name twice, in any case, and for the name of \\Device\\Ip', () => {
    const { ddk, driver } = loadedDoor();
    assert.equal(create(ddk, driver, '\\Device\\One').status, STATUS_SUCCESS);
    for (const name of ['\\Device\\One', '\\DEVICE\\ONE', '\\Device\\IP']) {
      const { status: result, device } = create(ddk, driver, name);
      assert.equal(result, status.STATUS_OBJECT_NAME_COLLISION, name);
      assert.equal(device, null);
    }
  });

  test('refuses what is no name', () => {
    const { ddk, driver } = loadedDoor();
    assert.equal(create(ddk, driver, 'One').status, status.STATUS_OBJECT_PATH_SYNTAX_BAD);
    assert.equal(create(ddk, driver, '').status, status.STATUS_OBJECT_PATH_SYNTAX_BAD);
    assert.equal(create(ddk, driver, '\\Device\\').status, status.STATUS_OBJECT_NAME_INVALID);
    assert.equal(create(ddk, driver, '\\Device\\One\\Two').status, status.STATUS_OBJECT_PATH_NOT_FOUND);
    assert.equal(create(ddk, driver, '\\Nowhere\\One').status, status.STATUS_OBJECT_PATH_NOT_FOUND);
  });

  test('takes a UNICODE_STRING, and only as much of it as its Length says', () => {
    const { ddk, driver, door } = loadedDoor();
    const name = new UNICODE_STRING();
    RtlInitUnicodeString(name, '\\Device\\OneTwo');
    name.Length -= 6;
    ddk.IoCreateDevice(driver, 0, name, 0x22, 0, false, ref<DEVICE_OBJECT<Buffer> | null>(null));
    assert.deepEqual(door.devices, ['\\Device\\One']);
  });

  test('makes a device that cannot be opened before it is initialised', () => {
    const { ddk, driver } = loadedDoor();
    create(ddk, driver, '\\Device\\One');
    assert.equal(open(ddk, '\\Device\\One').status, status.STATUS_NO_SUCH_DEVICE);
  });

  test('in DriverEntry makes one that can be opened after it', () => {
    const { ddk, host } = freshDoor();
    host.load((driver: DRIVER_OBJECT) => {
      driver.MajorFunction[io.IRP_MJ_CREATE] = (_device, irp) => {
        irp.IoStatus.Status = STATUS_SUCCESS;
        ddk.IoCompleteRequest(irp, 0);
        return STATUS_SUCCESS;
      };
      return create(ddk, driver, '\\Device\\One').status;
    });
    assert.equal(open(ddk, '\\Device\\One').status, STATUS_SUCCESS);
  });

  test('and its kin are refused at the levels that their pages exclude', () => {
    const { ddk, driver, door } = loadedDoor();
    const device = createOpen(ddk, driver, '\\Device\\One');
    door.enterCallback();
    const name = 'IRQL_NOT_LESS_OR_EQUAL (0xA)';
    assertBugCheck(() => create(ddk, driver, '\\Device\\Two'), name, 'IoCreateDevice');
    assertBugCheck(() => ddk.IoDeleteDevice(device), name, 'IoDeleteDevice');
    assertBugCheck(() => ddk.IoCreateSymbolicLink('\\??\\One', '\\Device\\One'), name, 'IoCreateSymbolicLink');
    assertBugCheck(() => ddk.IoDeleteSymbolicLink('\\??\\One'), name, 'IoDeleteSymbolicLink');
    assertBugCheck(() => open(ddk, '\\Device\\Ip'), name, 'IoGetDeviceObjectPointer');
  });
});

describe('IoDeleteDevice', () => {
  test('frees the name and takes the device out of the list of its driver', () => {
    const { ddk, driver, door } = loadedDoor();
    const devices = ['\\Device\\A', '\\Device\\B', '\\Device\\C'].map((name) => createOpen(ddk, driver, name));
    for (const index of [1, 2, 0]) {
      const device = devices[index];
      assert.ok(device);
      ddk.IoDeleteDevice(device);
    }
    assert.equal(driver.DeviceObject, null);
    assert.deepEqual(door.devices, []);
    assert.equal(create(ddk, driver, '\\Device\\B').status, STATUS_SUCCESS);
  });

  test('refuses a second time, and \\Device\\Ip', () => {
    const { ddk, driver } = loadedDoor();
    const device = createOpen(ddk, driver, '\\Device\\One');
    ddk.IoDeleteDevice(device);
    assertBugCheck(() => ddk.IoDeleteDevice(device), 'REFERENCE_BY_POINTER (0x18)', 'IoDeleteDevice');
    const ip = open(ddk, DD_IP_DEVICE_NAME).device;
    assert.ok(ip);
    assertBugCheck(() => ddk.IoDeleteDevice(ip), 'REFERENCE_BY_POINTER (0x18)', 'IoDeleteDevice');
  });
});

describe('a symbolic link', () => {
  test('has one name under \\DosDevices, \\?? and \\\\., and is deleted by any of them', () => {
    const { ddk } = loadedDoor();
    assert.equal(ddk.IoCreateSymbolicLink('\\DosDevices\\Link', '\\Device\\One'), STATUS_SUCCESS);
    assert.equal(ddk.IoCreateSymbolicLink('\\??\\LINK', '\\Device\\Two'), status.STATUS_OBJECT_NAME_COLLISION);
    assert.equal(ddk.IoDeleteSymbolicLink('\\DosDevices\\Global\\link'), STATUS_SUCCESS);
    assert.equal(ddk.IoDeleteSymbolicLink('\\??\\Link'), status.STATUS_OBJECT_NAME_NOT_FOUND);
  });

  test('is no device', () => {
    const { ddk, driver } = loadedDoor();
    createOpen(ddk, driver, '\\Device\\One');
    assert.equal(ddk.IoDeleteSymbolicLink('\\Device\\One'), status.STATUS_OBJECT_TYPE_MISMATCH);
    assert.equal(ddk.IoCreateSymbolicLink('Link', '\\Device\\One'), status.STATUS_OBJECT_PATH_SYNTAX_BAD);
  });

  test('that leads in a circle leads nowhere', () => {
    const { ddk } = loadedDoor();
    ddk.IoCreateSymbolicLink('\\??\\A', '\\??\\B');
    ddk.IoCreateSymbolicLink('\\??\\B', '\\??\\A');
    assert.equal(open(ddk, '\\??\\A').status, status.STATUS_OBJECT_NAME_NOT_FOUND);
  });
});

describe('IoGetDeviceObjectPointer', () => {
  test('always finds \\Device\\Ip, in any case (DOC-REGISTER-1)', () => {
    const { ddk } = freshDoor();
    for (const name of ['\\Device\\Ip', '\\device\\ip', '\\DEVICE\\IP']) {
      const { status: result, file, device } = open(ddk, name);
      assert.equal(result, STATUS_SUCCESS);
      assert.equal(file?.DeviceObject, device);
    }
  });

  test('finds nothing else (DOC-FILTER-1)', () => {
    const { ddk } = freshDoor();
    for (const name of ['\\Device\\Tcp', '\\Device\\Udp', '\\Device\\IPFILTERDRIVER', '\\??\\Ip']) {
      assert.deepEqual(open(ddk, name), { status: status.STATUS_OBJECT_NAME_NOT_FOUND, file: null, device: null });
    }
  });

  test("opens the driver's own device, which gets CREATE, CLEANUP and, with the last reference, CLOSE", () => {
    const { ddk, driver } = loadedDoor();
    const seen: number[] = [];
    driver.MajorFunction.fill((_device, irp) => {
      seen.push(ddk.IoGetCurrentIrpStackLocation(irp).MajorFunction);
      ddk.IoCompleteRequest(irp, io.IO_NO_INCREMENT);
      return STATUS_SUCCESS;
    });
    createOpen(ddk, driver, '\\Device\\One');
    ddk.IoCreateSymbolicLink('\\??\\Link', '\\Device\\One');
    const { file } = open(ddk, '\\??\\Link');
    assert.ok(file);
    ddk.ObReferenceObject(file);
    ddk.ObDereferenceObject(file);
    assert.deepEqual(seen, [io.IRP_MJ_CREATE, io.IRP_MJ_CLEANUP]);
    ddk.ObDereferenceObject(file);
    assert.deepEqual(seen, [io.IRP_MJ_CREATE, io.IRP_MJ_CLEANUP, io.IRP_MJ_CLOSE]);
  });

  test('gives what CREATE was answered; an entry left alone answers STATUS_INVALID_DEVICE_REQUEST', () => {
    const { ddk, driver } = loadedDoor();
    createOpen(ddk, driver, '\\Device\\One');
    assert.equal(open(ddk, '\\Device\\One').status, STATUS_INVALID_DEVICE_REQUEST);
  });

  test('opens an exclusive device once at a time', () => {
    const { ddk, driver } = loadedDoor();
    driver.MajorFunction.fill((_device, irp) => {
      ddk.IoCompleteRequest(irp, io.IO_NO_INCREMENT);
      return STATUS_SUCCESS;
    });
    createOpen(ddk, driver, '\\Device\\One', true);
    const { file } = open(ddk, '\\Device\\One');
    assert.ok(file);
    assert.equal(open(ddk, '\\Device\\One').status, status.STATUS_ACCESS_DENIED);
    ddk.ObDereferenceObject(file);
    assert.equal(open(ddk, '\\Device\\One').status, STATUS_SUCCESS);
  });
});

describe('ObDereferenceObject', () => {
  test('refuses a reference that is not there', () => {
    const { ddk } = freshDoor();
    const { file, device } = open(ddk, '\\Device\\Ip');
    assert.ok(file && device);
    ddk.ObDereferenceObject(file);
    const name = 'REFERENCE_BY_POINTER (0x18)';
    assertBugCheck(() => ddk.ObDereferenceObject(file), name, 'ObDereferenceObject');
    assertBugCheck(() => ddk.ObReferenceObject(file), name, 'ObReferenceObject');
    assertBugCheck(() => ddk.ObDereferenceObject(device), name, 'ObDereferenceObject');
    ddk.ObReferenceObject(device);
    ddk.ObDereferenceObject(device);
    assertBugCheck(() => ddk.ObDereferenceObject(null as never), name, 'ObDereferenceObject');
  });

  test('never called for a file object shows at the end (DOC-REGISTER-4)', () => {
    const { ddk, host } = loadedDoor();
    open(ddk, '\\Device\\Ip');
    assert.deepEqual(host.unload(), ['The file object of \\Device\\Ip was not dereferenced with ObDereferenceObject.']);
  });
});
