/**
 * Promises of requests: METHOD_BUFFERED, completion, and what a driver cannot do with them.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CTL_CODE } from '../../../src/ddk/control-code.ts';
import { KEVENT } from '../../../src/ddk/dispatcher-objects.ts';
import * as io from '../../../src/ddk/io-types.ts';
import * as status from '../../../src/ddk/status.ts';
import {
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from '../../../src/firewall/constants.ts';
import { assertBugCheck, type freshDoor, loadedDoor, ref } from './support.ts';

const CODE = CTL_CODE(0x22, 0x800, 0, 0);
const NAME = '\\\\.\\Test';

type Ddk = ReturnType<typeof freshDoor>['ddk'];
type Control = (irp: io.IRP, stack: io.IO_STACK_LOCATION, ddk: Ddk) => number;

function complete(ddk: Ddk, irp: io.IRP, result: number, information = 0): number {
  irp.IoStatus.Status = result;
  irp.IoStatus.Information = information;
  ddk.IoCompleteRequest(irp, io.IO_NO_INCREMENT);
  return result;
}

/** A driver with one device that answers control codes with `control`, and everything else with success. */
function driverWith(control: Control) {
  const made = loadedDoor();
  const { ddk, driver } = made;
  const device = ref<io.DEVICE_OBJECT<Buffer> | null>(null);
  driver.MajorFunction.fill((_device, irp) => complete(ddk, irp, STATUS_SUCCESS));
  const dispatch: io.DRIVER_DISPATCH = (_device, irp) => control(irp, ddk.IoGetCurrentIrpStackLocation(irp), ddk);
  driver.MajorFunction[io.IRP_MJ_DEVICE_CONTROL] = dispatch;
  driver.MajorFunction[io.IRP_MJ_INTERNAL_DEVICE_CONTROL] = dispatch;
  ddk.IoCreateDevice(driver, 0, '\\Device\\Test', 0x22, 0, false, device);
  ddk.IoCreateSymbolicLink('\\DosDevices\\Test', '\\Device\\Test');
  assert.ok(device.value);
  device.value.Flags &= ~io.DO_DEVICE_INITIALIZING;
  return { ...made, device: device.value };
}

describe('a request from outside', () => {
  test('has one system buffer as long as the longer of input and output, the input in it and zeros behind', () => {
    const seen: (Buffer | null)[] = [];
    const { host } = driverWith((irp, _stack, ddk) => {
      const buffer = irp.AssociatedIrp.SystemBuffer;
      seen.push(buffer === null ? null : Buffer.from(buffer));
      return complete(ddk, irp, STATUS_SUCCESS);
    });
    host.ioControl(NAME, CODE, Buffer.from([1, 2]), 4);
    host.ioControl(NAME, CODE, Buffer.from([1, 2]), 1);
    host.ioControl(NAME, CODE);
    assert.deepEqual(seen, [Buffer.from([1, 2, 0, 0]), Buffer.from([1, 2]), null]);
  });

  test('tells the driver code, lengths, file object and that user mode asks', () => {
    const { host, device } = driverWith((irp, stack, ddk) => {
      assert.equal(stack.MajorFunction, io.IRP_MJ_DEVICE_CONTROL);
      assert.deepEqual(stack.Parameters.DeviceIoControl, {
        IoControlCode: CODE,
        InputBufferLength: 2,
        OutputBufferLength: 4,
      });
      assert.equal(stack.DeviceObject, device);
      assert.equal(stack.FileObject?.DeviceObject, device);
      assert.equal(irp.RequestorMode, 1);
      assert.equal(ddk.KeGetCurrentIrql(), 0);
      return complete(ddk, irp, STATUS_SUCCESS);
    });
    assert.equal(host.ioControl(NAME, CODE, Buffer.from([1, 2]), 4).status, STATUS_SUCCESS);
  });

  test('gets Information octets back, never more than it has room for, and none of an error', () => {
    const cases: readonly (readonly [number, number, number, string])[] = [
      [STATUS_SUCCESS, 2, 4, 'abab'],
      [STATUS_SUCCESS, 0, 4, ''],
      [STATUS_SUCCESS, 9, 4, 'abababab'],
      [status.STATUS_BUFFER_OVERFLOW, 3, 4, 'ababab'],
      [status.STATUS_UNSUCCESSFUL, 3, 4, ''],
      [STATUS_SUCCESS, 3, 0, ''],
    ];
    for (const [result, information, room, expected] of cases) {
      const { host } = driverWith((irp, _stack, ddk) => {
        irp.AssociatedIrp.SystemBuffer?.fill(0xab);
        return complete(ddk, irp, result, information);
      });
      const answer = host.ioControl(NAME, CODE, Buffer.alloc(8), room);
      assert.deepEqual([answer.status, answer.output.toString('hex')], [result, expected]);
    }
  });

  test('is CREATE, the control code, CLEANUP, CLOSE, with one file object', () => {
    const seen: number[] = [];
    const { host, driver, ddk } = driverWith(() => 0);
    driver.MajorFunction.fill((_device, irp) => {
      const stack = ddk.IoGetCurrentIrpStackLocation(irp);
      seen.push(stack.MajorFunction);
      if (stack.FileObject) stack.FileObject.FsContext = Number(stack.FileObject.FsContext) + 1;
      return complete(ddk, irp, STATUS_SUCCESS, Number(stack.FileObject?.FsContext));
    });
    host.ioControl(NAME, CODE, undefined, 1);
    assert.deepEqual(seen, [io.IRP_MJ_CREATE, io.IRP_MJ_DEVICE_CONTROL, io.IRP_MJ_CLEANUP, io.IRP_MJ_CLOSE]);
  });

  test('reaches a device by its link and by its name, and nothing else', () => {
    const { host, door } = driverWith((irp, _stack, ddk) => complete(ddk, irp, STATUS_SUCCESS));
    for (const name of [NAME, '\\\\?\\test', '\\DosDevices\\Test', '\\??\\TEST', '\\Device\\Test']) {
      assert.equal(host.ioControl(name, CODE).status, STATUS_SUCCESS, name);
    }
    assert.equal(host.ioControl('\\\\.\\Other', CODE).status, status.STATUS_OBJECT_NAME_NOT_FOUND);
    assert.equal(host.ioControl('\\Device\\Ip', CODE).status, STATUS_INVALID_DEVICE_REQUEST);
    assert.deepEqual(door.devices, ['\\Device\\Test']);
  });

  test('is refused when it is no METHOD_BUFFERED, which is said once', () => {
    const { host } = driverWith((irp, _stack, ddk) => complete(ddk, irp, STATUS_SUCCESS));
    for (const method of [1, 2, 3, 3]) {
      assert.equal(host.ioControl(NAME, CTL_CODE(0x22, 0x800, method, 0)).status, status.STATUS_NOT_SUPPORTED);
    }
    assert.equal(host.lines.filter((line) => line.includes('METHOD_BUFFERED')).length, 1);
  });

  test('is refused when its numbers are none, or it wants too much memory', () => {
    const { host } = driverWith((irp, _stack, ddk) => complete(ddk, irp, STATUS_SUCCESS));
    for (const length of [-1, 0.5, 2 ** 32, Number.NaN]) {
      assert.equal(host.ioControl(NAME, CODE, undefined, length).status, STATUS_INVALID_PARAMETER);
      assert.equal(host.ioControl(NAME, length).status, STATUS_INVALID_PARAMETER);
    }
    assert.equal(host.ioControl(NAME, CODE, undefined, 2 ** 31).status, status.STATUS_INSUFFICIENT_RESOURCES);
  });

  test('comes back with what the dispatch routine throws, and the device is closed', () => {
    const { host, driver, ddk } = driverWith(() => {
      throw new RangeError('the driver');
    });
    let isClosed = false;
    driver.MajorFunction[io.IRP_MJ_CLOSE] = (_device, irp) => {
      isClosed = true;
      return complete(ddk, irp, STATUS_SUCCESS);
    };
    assert.throws(() => host.ioControl(NAME, CODE), /the driver/);
    assert.ok(isClosed);
  });

  test('that is not completed is cancelled, and a fault of the driver', () => {
    const { host } = driverWith(() => STATUS_PENDING);
    assert.equal(host.ioControl(NAME, CODE).status, status.STATUS_CANCELLED);
    assert.match(host.faults[0] ?? '', /major function 0x0e returned without IoCompleteRequest/);
  });

  test('is answered with the status it was completed with, and another one returned is said', () => {
    const { host } = driverWith((irp, _stack, ddk) => {
      complete(ddk, irp, status.STATUS_UNSUCCESSFUL | 0);
      return STATUS_SUCCESS;
    });
    assert.equal(host.ioControl(NAME, CODE).status, status.STATUS_UNSUCCESSFUL);
    assert.ok(host.lines.some((line) => line.includes('returned 0x0 and completed the request with 0xc0000001')));
  });
});

describe('IoCompleteRequest', () => {
  test('twice is MULTIPLE_IRP_COMPLETE_REQUESTS', () => {
    const { host } = driverWith((irp, _stack, ddk) => {
      complete(ddk, irp, STATUS_SUCCESS);
      return complete(ddk, irp, STATUS_SUCCESS);
    });
    assertBugCheck(() => host.ioControl(NAME, CODE), 'MULTIPLE_IRP_COMPLETE_REQUESTS (0x44)', 'IoCompleteRequest');
  });

  test('with STATUS_PENDING is refused', () => {
    const { host } = driverWith((irp, _stack, ddk) => complete(ddk, irp, STATUS_PENDING));
    const name = 'DRIVER_VERIFIER_IOMANAGER_VIOLATION (0xC9)';
    assertBugCheck(() => host.ioControl(NAME, CODE), name, 'IoCompleteRequest');
  });

  test('frees the system buffer and the stack location', () => {
    const { host } = driverWith((irp, _stack, ddk) => {
      complete(ddk, irp, STATUS_SUCCESS);
      assert.equal(irp.AssociatedIrp.SystemBuffer, null);
      ddk.IoGetCurrentIrpStackLocation(irp);
      return STATUS_SUCCESS;
    });
    const call = () => host.ioControl(NAME, CODE, Buffer.alloc(1));
    assertBugCheck(call, 'NO_MORE_IRP_STACK_LOCATIONS (0x35)', 'IoGetCurrentIrpStackLocation');
  });
});

describe('a request of the driver itself', () => {
  test('fills output, status block and event before IoCallDriver returns (DOC-REGISTER-2, DOC-REGISTER-3)', () => {
    const { ddk, device } = driverWith((irp, stack, functions) => {
      assert.equal(stack.FileObject, null);
      assert.equal(irp.RequestorMode, 0);
      irp.AssociatedIrp.SystemBuffer?.fill(7, 2);
      return complete(functions, irp, STATUS_SUCCESS, 3);
    });
    const output = Buffer.alloc(4);
    const block = new io.IO_STATUS_BLOCK();
    const event = new KEVENT();
    ddk.KeInitializeEvent(event, 0, false);
    const input = Buffer.from([1, 2, 3, 4, 5]);
    const irp = ddk.IoBuildDeviceIoControlRequest(CODE, device, input, 2, output, 4, false, event, block);
    assert.ok(irp);
    assert.equal(ddk.IoCallDriver(device, irp), STATUS_SUCCESS);
    assert.deepEqual([...output], [1, 2, 7, 0]);
    assert.deepEqual({ ...block }, { Status: STATUS_SUCCESS, Information: 3 });
    assert.notEqual(ddk.KeReadStateEvent(event), 0);
    assert.equal(ddk.KeWaitForSingleObject(event, 0, 0, false, null), STATUS_SUCCESS);
  });

  test('goes out as an internal control code when it is to', () => {
    const majors: number[] = [];
    const { ddk, device } = driverWith((irp, stack, functions) => {
      majors.push(stack.MajorFunction);
      return complete(functions, irp, STATUS_SUCCESS);
    });
    const irp = ddk.IoBuildDeviceIoControlRequest(CODE, device, null, 0, null, 0, true, null, new io.IO_STATUS_BLOCK());
    assert.ok(irp);
    ddk.IoCallDriver(device, irp);
    assert.deepEqual(majors, [io.IRP_MJ_INTERNAL_DEVICE_CONTROL]);
  });

  test('is sent once', () => {
    const { ddk, device } = driverWith((irp, _stack, functions) => complete(functions, irp, STATUS_SUCCESS));
    const irp = ddk.IoBuildDeviceIoControlRequest(
      CODE,
      device,
      null,
      0,
      null,
      0,
      false,
      null,
      new io.IO_STATUS_BLOCK(),
    );
    assert.ok(irp);
    ddk.IoCallDriver(device, irp);
    assertBugCheck(() => ddk.IoCallDriver(device, irp), 'NO_MORE_IRP_STACK_LOCATIONS (0x35)', 'IoCallDriver');
  });

  test('is refused when a buffer is shorter than its length, and above APC_LEVEL', () => {
    const { ddk, device, door } = driverWith(() => 0);
    const block = new io.IO_STATUS_BLOCK();
    const build = (input: Buffer | null, inputLength: number, output: Buffer | null, outputLength: number) =>
      ddk.IoBuildDeviceIoControlRequest(CODE, device, input, inputLength, output, outputLength, false, null, block);
    const name = 'PAGE_FAULT_IN_NONPAGED_AREA (0x50)';
    assertBugCheck(() => build(Buffer.alloc(1), 2, null, 0), name, 'InputBuffer has 1 octets');
    assertBugCheck(() => build(null, 1, null, 0), name, 'InputBuffer');
    assertBugCheck(() => build(null, 0, Buffer.alloc(1), 2), name, 'OutputBuffer');
    door.enterCallback();
    assertBugCheck(() => build(null, 0, null, 0), 'IRQL_NOT_LESS_OR_EQUAL (0xA)', 'IoBuildDeviceIoControlRequest');
  });

  test('that is never sent shows at the end', () => {
    const { ddk, device, host } = driverWith(() => 0);
    ddk.IoBuildDeviceIoControlRequest(CODE, device, null, 0, null, 0, false, null, new io.IO_STATUS_BLOCK());
    assert.ok(host.unload().includes('Requests built and never sent with IoCallDriver: 1.'));
  });
});
