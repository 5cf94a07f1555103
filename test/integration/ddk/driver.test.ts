/**
 * A driver on live traffic: its callbacks, its device and `firehook ioctl`, and what becomes of both when a lane is replaced.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, isReached, PATIENCE_MS, readStatus } from '../../support/live.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';

/** Drops what its device was told to, a protocol number of four octets, and answers what that is. */
const DRIVER = `
import {
  CTL_CODE, DD_IP_DEVICE_NAME, DROP, DbgPrint, type DEVICE_OBJECT, type DRIVER_OBJECT, FILE_ALL_ACCESS, FILE_ANY_ACCESS,
  FILE_DEVICE_UNKNOWN, FORWARD, IO_NO_INCREMENT, IO_STATUS_BLOCK, IOCTL_IP_SET_FIREWALL_HOOK, type IPPacketFirewallPtr, type IRP,
  IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL, IoBuildDeviceIoControlRequest, IoCallDriver, IoCompleteRequest, IoCreateDevice,
  IoCreateSymbolicLink, IoDeleteDevice, IoDeleteSymbolicLink, IoGetCurrentIrpStackLocation, IoGetDeviceObjectPointer,
  METHOD_BUFFERED, type FILE_OBJECT, ObDereferenceObject, type Ref, SIZEOF_IP_SET_FIREWALL_HOOK_INFO, STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER, STATUS_SUCCESS, type UNICODE_STRING,
} from 'firehook/ddk';

const IOCTL_SET = CTL_CODE(FILE_DEVICE_UNKNOWN, 0x900, METHOD_BUFFERED, FILE_ANY_ACCESS);
const IOCTL_PID = CTL_CODE(FILE_DEVICE_UNKNOWN, 0x901, METHOD_BUFFERED, FILE_ANY_ACCESS);
let dropped = 0;

const Filter: IPPacketFirewallPtr = (pData) => (pData.value?.ipr_buffer?.[9] === dropped ? DROP : FORWARD);

function SetHook(Add: boolean): number {
  const file: Ref<FILE_OBJECT | null> = { value: null };
  const device: Ref<DEVICE_OBJECT | null> = { value: null };
  const status = IoGetDeviceObjectPointer(DD_IP_DEVICE_NAME, FILE_ALL_ACCESS, file, device);
  if (status !== STATUS_SUCCESS || device.value === null || file.value === null) return status;
  const irp = IoBuildDeviceIoControlRequest(IOCTL_IP_SET_FIREWALL_HOOK, device.value, { FirewallPtr: Filter, Priority: 1, Add },
    SIZEOF_IP_SET_FIREWALL_HOOK_INFO, null, 0, false, null, new IO_STATUS_BLOCK());
  const result = irp === null ? STATUS_INSUFFICIENT_RESOURCES : IoCallDriver(device.value, irp);
  ObDereferenceObject(file.value);
  return result;
}

function Dispatch(_device: DEVICE_OBJECT, Irp: IRP): number {
  const stack = IoGetCurrentIrpStackLocation(Irp);
  const buffer = Irp.AssociatedIrp.SystemBuffer;
  let status = STATUS_SUCCESS;
  Irp.IoStatus.Information = 0;
  if (stack.MajorFunction === IRP_MJ_DEVICE_CONTROL && buffer !== null) {
    const { IoControlCode, InputBufferLength } = stack.Parameters.DeviceIoControl;
    if (IoControlCode === IOCTL_SET && InputBufferLength === 4) {
      const before = dropped;
      dropped = buffer.readUInt32LE(0);
      buffer.writeUInt32LE(before, 0);
      Irp.IoStatus.Information = 4;
    } else if (IoControlCode === IOCTL_PID) {
      buffer.writeUInt32LE(process.pid, 0);
      Irp.IoStatus.Information = 4;
    } else status = STATUS_INVALID_PARAMETER;
  }
  Irp.IoStatus.Status = status;
  IoCompleteRequest(Irp, IO_NO_INCREMENT);
  return status;
}

export function DriverEntry(DriverObject: DRIVER_OBJECT, _path: UNICODE_STRING): number {
  const device: Ref<DEVICE_OBJECT | null> = { value: null };
  let status = IoCreateDevice(DriverObject, 0, '\\\\Device\\\\Test', FILE_DEVICE_UNKNOWN, 0, false, device);
  if (status !== STATUS_SUCCESS) return status;
  IoCreateSymbolicLink('\\\\DosDevices\\\\Test', '\\\\Device\\\\Test');
  for (const major of [IRP_MJ_CREATE, IRP_MJ_CLOSE, IRP_MJ_DEVICE_CONTROL]) DriverObject.MajorFunction[major] = Dispatch;
  DriverObject.DriverUnload = () => {
    SetHook(false);
    IoDeleteSymbolicLink('\\\\DosDevices\\\\Test');
    if (device.value !== null) IoDeleteDevice(device.value);
    DbgPrint('unloaded');
  };
  status = SetHook(true);
  DbgPrint('loaded 0x%x', status);
  return status;
}
`;

const DEVICE = '\\\\.\\Test';
const SET = '0x00222400';
const PID = '0x00222404';
const ICMP = '01000000';

for (const lanes of [1, 2]) {
  test(`a driver is told what to drop by its device (${lanes} ${lanes === 1 ? 'lane' : 'lanes'})`, {
    skip: rootOnly('ping'),
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    const config = {
      attach: [{ bridge: ['lan0', 'wan0'] }],
      driver: 'afpacket',
      lanes,
      hooks: [{ module: './test-driver.ts' }],
      control: { devices: true },
    };
    const daemon = await startDaemon(ns.fw, config, { files: { 'test-driver.ts': DRIVER }, timeoutMs: PATIENCE_MS });
    const ioctl = async (code: string, input: string, ...more: string[]) => {
      const octets = Uint8Array.from(Buffer.from(input, 'hex'));
      const args = ['ioctl', DEVICE, code, '--in', '-', ...more];
      return await daemon.cliWith(octets, ...args);
    };
    assert.match(daemon.log, /test-driver: loaded 0x0/);
    assert.match(daemon.log, /test-driver: has callbacks for IPv4 only/);
    assert.equal(/globals are a lane's own/.test(daemon.log), lanes > 1);
    assert.equal(await isReached(ns.client, '10.77.0.2'), true);

    const first = await ioctl(SET, ICMP);
    assert.deepEqual([first.code, first.stdout], [0, 'status 0x00000000, 4 octets: 00000000\n'], first.stderr);
    assert.equal(await isReached(ns.client, '10.77.0.2'), false);
    assert.equal(await isReached(ns.client, 'fd77::2'), true, 'IPv6 does not meet it');
    const json = await ioctl(SET, '00000000', '--json');
    assert.deepEqual(JSON.parse(json.stdout), {
      status: 0,
      output: Buffer.from(ICMP, 'hex').toString('base64'),
      lanes,
    });
    assert.equal(await isReached(ns.client, '10.77.0.2'), true);

    const wrong = await ioctl(SET, '00');
    assert.deepEqual([wrong.code, wrong.stdout], [1, 'status 0xc000000d, 0 octets\n']);
    const nobody = await daemon.cliWith(new Uint8Array(), 'ioctl', '\\\\.\\Nobody', SET);
    assert.match(nobody.stdout, /^status 0xc0000034/);
    const pid = await ioctl(PID, '');
    if (lanes === 1) assert.match(pid.stdout, /^status 0x00000000, 4 octets: [0-9a-f]{8}\n$/);
    else assert.match(pid.stderr, /cannot ask the device: .*the lanes answered differently: \[\{"pid":/);

    // What a lane was told dies with it: the next one starts as the driver does.
    await ioctl(SET, ICMP);
    const { lane } = await readStatus(daemon);
    for (const old of lane.pids) process.kill(old, 'SIGKILL');
    await waitFor(async () => isReached(ns.client, '10.77.0.2'), { what: 'a new lane', timeoutMs: PATIENCE_MS });
    await assertAddsUp(daemon);
    assert.equal(await daemon.stop(), 0);
    assert.match(daemon.log, /test-driver: unloaded/);
    assert.doesNotMatch(daemon.log, /left something/);
  });
}

test('no device is asked unless the configuration lets it', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const config = { attach: [{ bridge: ['lan0', 'wan0'] }], hooks: [{ module: './test-driver.ts' }] };
  const daemon = await startDaemon(ns.fw, config, { files: { 'test-driver.ts': DRIVER }, timeoutMs: PATIENCE_MS });
  const { code, stderr } = await daemon.cli('ioctl', DEVICE, SET);
  assert.equal(code, 1);
  assert.match(stderr, /cannot ask the device: .*control\.devices is false in the configuration/);
  const usage = await daemon.cli('ioctl', DEVICE, '0xq');
  assert.deepEqual([usage.code, /the control code: "0xq" is no whole number/.test(usage.stderr)], [2, true]);
  assert.equal(await daemon.stop(), 0);
});
