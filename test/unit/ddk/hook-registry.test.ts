/**
 * Promises of `\Device\Ip`: IOCTL_IP_SET_FIREWALL_HOOK adds and deletes callbacks, and says what is wrong by its status.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KEVENT } from '../../../src/ddk/dispatcher-objects.ts';
import { type DEVICE_OBJECT, type FILE_OBJECT, IO_STATUS_BLOCK } from '../../../src/ddk/io-types.ts';
import type { IP_SET_FIREWALL_HOOK_INFO, IPPacketFirewallPtr } from '../../../src/firewall/constants.ts';
import {
  DD_IP_DEVICE_NAME,
  FORWARD,
  IOCTL_IP_SET_FIREWALL_HOOK,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from '../../../src/firewall/constants.ts';
import { freshDoor, loadedDoor, ref } from './support.ts';

type Ddk = ReturnType<typeof freshDoor>['ddk'];

interface Variant {
  readonly code?: number;
  readonly length?: number;
  readonly internal?: boolean;
}

function setHook(ddk: Ddk, info: unknown, { code, length, internal }: Variant = {}): number {
  const [file, device] = [ref<FILE_OBJECT | null>(null), ref<DEVICE_OBJECT | null>(null)];
  assert.equal(ddk.IoGetDeviceObjectPointer(DD_IP_DEVICE_NAME, 0, file, device), STATUS_SUCCESS);
  assert.ok(file.value && device.value);
  const event = new KEVENT();
  const block = new IO_STATUS_BLOCK();
  ddk.KeInitializeEvent(event, 0, false);
  const irp = ddk.IoBuildDeviceIoControlRequest(
    code ?? IOCTL_IP_SET_FIREWALL_HOOK,
    device.value,
    info as IP_SET_FIREWALL_HOOK_INFO,
    length ?? 16,
    null,
    0,
    internal ?? false,
    event,
    block,
  );
  assert.ok(irp);
  const status = ddk.IoCallDriver(device.value, irp);
  assert.deepEqual({ ...block }, { Status: status, Information: 0 });
  assert.notEqual(ddk.KeReadStateEvent(event), 0);
  ddk.ObDereferenceObject(file.value);
  return status;
}

const callback = (): IPPacketFirewallPtr => () => FORWARD;

describe('IOCTL_IP_SET_FIREWALL_HOOK', () => {
  test('adds callbacks by priority and deletes them by their pointer (DOC-IOCTL-2, HDR-INFO-1, HDR-INFO-2, SAMPLE-REGISTER-1, SAMPLE-REGISTER-2)', () => {
    const { ddk, host } = freshDoor();
    const [low, high] = [callback(), callback()];
    assert.equal(setHook(ddk, { FirewallPtr: low, Priority: 1, Add: true }), STATUS_SUCCESS);
    assert.equal(setHook(ddk, { FirewallPtr: high, Priority: 0xffffffff, Add: 1 }), STATUS_SUCCESS);
    assert.deepEqual(
      host.callbacks.map((entry) => entry.callback),
      [high, low],
    );
    assert.equal(setHook(ddk, { FirewallPtr: high, Priority: 7, Add: false }), STATUS_SUCCESS);
    assert.equal(setHook(ddk, { FirewallPtr: low, Priority: 1, Add: 0 }), STATUS_SUCCESS);
    assert.deepEqual(host.callbacks, []);
  });

  test('answers STATUS_INVALID_PARAMETER for a duplicate, with the same priority or another', () => {
    const { ddk, host } = freshDoor();
    const FirewallPtr = callback();
    setHook(ddk, { FirewallPtr, Priority: 1, Add: true });
    assert.equal(setHook(ddk, { FirewallPtr, Priority: 1, Add: true }), STATUS_INVALID_PARAMETER);
    assert.equal(setHook(ddk, { FirewallPtr, Priority: 2, Add: true }), STATUS_INVALID_PARAMETER);
    assert.equal(host.callbacks.length, 1);
  });

  test('answers STATUS_INVALID_PARAMETER for the deletion of an unknown one', () => {
    const { ddk } = freshDoor();
    assert.equal(setHook(ddk, { FirewallPtr: callback(), Priority: 1, Add: false }), STATUS_INVALID_PARAMETER);
  });

  test('answers STATUS_INVALID_PARAMETER for a wrong InputBufferLength (HDR-INFO-4)', () => {
    const { ddk } = freshDoor();
    for (const length of [0, 12, 15, 17]) {
      const info = { FirewallPtr: callback(), Priority: 1, Add: true };
      assert.equal(setHook(ddk, info, { length }), STATUS_INVALID_PARAMETER);
    }
  });

  test('answers STATUS_INVALID_PARAMETER for a FirewallPtr that is no function of at most seven parameters, or an async one (DOC-FILTER-3)', () => {
    const { ddk, host } = freshDoor();
    const eight = (_a: 1, _b: 1, _c: 1, _d: 1, _e: 1, _f: 1, _g: 1, _h: 1) => FORWARD;
    for (const FirewallPtr of [null, 'FilterPacket', {}, eight, async () => FORWARD, function* () {}, undefined]) {
      assert.equal(setHook(ddk, { FirewallPtr, Priority: 1, Add: true }), STATUS_INVALID_PARAMETER);
    }
    assert.equal(host.callbacks.length, 0);
  });

  test('answers STATUS_INVALID_PARAMETER for a Priority that is no UINT, an Add that is no BOOLEAN, and octets (DOC-IOCTL-2, HDR-INFO-2, HDR-INFO-3)', () => {
    const { ddk } = freshDoor();
    for (const Priority of [-1, 0.5, 2 ** 32, '1', undefined]) {
      assert.equal(setHook(ddk, { FirewallPtr: callback(), Priority, Add: true }), STATUS_INVALID_PARAMETER);
    }
    assert.equal(setHook(ddk, { FirewallPtr: callback(), Priority: 1 }), STATUS_INVALID_PARAMETER);
    assert.equal(setHook(ddk, Buffer.alloc(16)), STATUS_INVALID_PARAMETER);
  });

  test('answers STATUS_INVALID_DEVICE_REQUEST when it is internal, or another code (DOC-IOCTL-1)', () => {
    const { ddk } = freshDoor();
    const info = { FirewallPtr: callback(), Priority: 1, Add: true };
    assert.equal(setHook(ddk, info, { internal: true }), STATUS_INVALID_DEVICE_REQUEST);
    assert.equal(setHook(ddk, info, { code: 0x0012801c }), STATUS_INVALID_DEVICE_REQUEST);
  });

  test('not taken back shows at the end, and is taken back', () => {
    const { ddk, host } = loadedDoor();
    const FilterPacket: IPPacketFirewallPtr = () => FORWARD;
    setHook(ddk, { FirewallPtr: FilterPacket, Priority: 3, Add: true });
    assert.deepEqual(host.unload(), ['Callback FilterPacket (priority 3) was not deleted with Add = FALSE.']);
    assert.deepEqual(host.callbacks, []);
  });
});
