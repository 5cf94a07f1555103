/**
 * Promises of the door as the runtime holds it: its exports, loading, unloading, what is left.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createDriverDoor } from '../../../src/ddk/door.ts';
import * as ddk from '../../../src/ddk/index.ts';
import type { DRIVER_OBJECT } from '../../../src/ddk/io-types.ts';
import { createStandAlone } from '../../../src/ddk/stand-alone.ts';
import type { UNICODE_STRING } from '../../../src/ddk/unicode.ts';
import * as firehook from '../../../src/index.ts';
import { assertBugCheck, freshDoor, ref } from './support.ts';

describe('the exports of a door', () => {
  test('have exactly the names of the module firehook/ddk', () => {
    const door = createDriverDoor(createStandAlone().host);
    assert.deepEqual(Object.keys(door.exports).sort(), Object.keys(ddk).sort());
  });

  test('include all of firehook, and are of the same kinds as in the module', () => {
    const { exports } = createDriverDoor(createStandAlone().host);
    for (const name of Object.keys(firehook)) assert.ok(name in exports, name);
    const module: Readonly<Record<string, unknown>> = { ...ddk };
    for (const [name, value] of Object.entries(exports)) {
      if (name !== 'FhStandAlone') assert.equal(typeof value, typeof module[name], name);
    }
    assert.equal(exports['FhStandAlone'], null);
    assert.ok(ddk.FhStandAlone);
  });

  test('of two drivers share no state', () => {
    const [one, two] = [freshDoor(), freshDoor()];
    one.ddk.KeRaiseIrqlToDpcLevel();
    assert.equal(two.ddk.KeGetCurrentIrql(), 0);
    for (const { ddk: functions, host } of [one, two]) {
      functions.KeLowerIrql(0);
      const entry = (driver: DRIVER_OBJECT) =>
        functions.IoCreateDevice(driver, 0, '\\Device\\Same', 0x22, 0, false, ref(null));
      assert.equal(host.load(entry), ddk.STATUS_SUCCESS);
    }
  });
});

describe('start', () => {
  test('hands DriverEntry a driver object and the path of its service key', () => {
    const { host } = freshDoor();
    const seen: [DRIVER_OBJECT, UNICODE_STRING][] = [];
    host.load((driver: DRIVER_OBJECT, path: UNICODE_STRING) => {
      seen.push([driver, path]);
      return 0;
    });
    const [driver, path] = seen[0] ?? assert.fail();
    assert.equal(path.Buffer, '\\Registry\\Machine\\System\\CurrentControlSet\\Services\\stand-alone');
    assert.equal(driver.DriverName.Buffer, '\\Driver\\stand-alone');
    assert.equal(driver.MajorFunction.length, ddk.IRP_MJ_MAXIMUM_FUNCTION + 1);
    assert.equal(driver.DriverUnload, null);
  });

  test('gives the status as an unsigned number, and what DriverEntry throws', () => {
    const { host } = freshDoor();
    assert.equal(
      host.load(() => -1073741823),
      ddk.STATUS_UNSUCCESSFUL,
    );
    const fails = () => {
      throw new RangeError('the driver');
    };
    assert.throws(() => host.load(fails), /the driver/);
  });

  test('refuses what is no synchronous function, and a result that is no status', () => {
    const { host } = freshDoor();
    const three = (_a: 1, _b: 1, _c: 1) => 0;
    for (const entry of [undefined, 7, async () => 0, three]) {
      assert.throws(() => host.load(entry), { code: 'FIREHOOK_HOOK_INVALID' });
    }
    assert.throws(() => host.load(() => undefined), /DriverEntry returned undefined; it has to return an NTSTATUS/);
  });

  test('warns of a driver without DriverUnload', () => {
    const { host } = freshDoor();
    host.load(() => 0);
    assert.match(host.lines[0] ?? '', /^warn: DriverUnload is null/);
  });

  test('that fails names what is left and takes it back', () => {
    const { host, door, ddk: functions } = freshDoor();
    host.load((driver: DRIVER_OBJECT) => {
      functions.IoCreateDevice(driver, 0, '\\Device\\One', 0x22, 0, false, ref(null));
      return ddk.STATUS_UNSUCCESSFUL;
    });
    assert.deepEqual(door.leftovers(), ['Device \\Device\\One was not deleted with IoDeleteDevice.']);
    assert.deepEqual(door.devices, []);
  });
});

describe('unload', () => {
  test('calls DriverUnload once, with the driver object, and comes back with what it throws', () => {
    const { host, door } = freshDoor();
    const seen: DRIVER_OBJECT[] = [];
    let driver: DRIVER_OBJECT | null = null;
    host.load((object: DRIVER_OBJECT) => {
      driver = object;
      object.DriverUnload = (given) => {
        seen.push(given);
        throw new Error('unloads badly');
      };
      return 0;
    });
    assert.throws(() => host.unload(), /unloads badly/);
    assert.deepEqual(seen, [driver]);
    door.unload();
    assert.equal(seen.length, 1);
  });

  test('names everything that the driver did not take back, and takes it back', () => {
    const { host, door, ddk: functions } = freshDoor();
    host.load((driver: DRIVER_OBJECT) => {
      driver.DriverUnload = () => undefined;
      functions.IoCreateDevice(driver, 0, null, 0x22, 0, false, ref(null));
      functions.IoCreateSymbolicLink('\\DosDevices\\One', '\\Device\\One');
      const [file, device] = [ref<ddk.FILE_OBJECT | null>(null), ref<ddk.DEVICE_OBJECT | null>(null)];
      functions.IoGetDeviceObjectPointer('\\Device\\Ip', 0, file, device);
      if (file.value) functions.ObReferenceObject(file.value);
      const dpc = new ddk.KDPC();
      functions.KeInitializeDpc(dpc, () => assert.fail(), null);
      functions.KeInsertQueueDpc(dpc, null, null);
      return 0;
    });
    const expected = [
      'DPCs queued and not run: 1.',
      'Device without a name was not deleted with IoDeleteDevice.',
      'Link \\DosDevices\\One was not deleted with IoDeleteSymbolicLink.',
      'The file object of \\Device\\Ip was not dereferenced 2 times with ObDereferenceObject.',
    ];
    assert.deepEqual(door.leftovers(), expected);
    assert.deepEqual(host.unload(), expected);
    assert.deepEqual(door.leftovers(), expected);
    host.advance(1n);
    host.load(() => 0);
    assert.deepEqual(door.leftovers(), []);
  });

  test('is refused as async', () => {
    const { host } = freshDoor();
    host.load((driver: DRIVER_OBJECT) => {
      driver.DriverUnload = (async () => undefined) as never;
      return 0;
    });
    assert.throws(() => host.unload(), /DriverUnload is async/);
  });

  test('with a lock held is a bug check', () => {
    const { host, ddk: functions } = freshDoor();
    host.load((driver: DRIVER_OBJECT) => {
      driver.DriverUnload = () => functions.KeAcquireSpinLock(new ddk.KSPIN_LOCK(), ref<ddk.KIRQL>(0));
      return 0;
    });
    assertBugCheck(() => host.unload(), 'IRQL_UNEXPECTED_VALUE (0xC8)', 'DriverUnload');
    assert.equal(functions.KeGetCurrentIrql(), 0);
  });
});
