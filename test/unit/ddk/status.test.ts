/**
 * Statuses and control codes: the published numbers a second time, and the tests of severity.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as ddk from '../../../src/ddk/index.ts';

const PUBLISHED: Readonly<Record<string, number | boolean>> = {
  TRUE: true,
  FALSE: false,
  STATUS_TIMEOUT: 258,
  STATUS_BUFFER_OVERFLOW: 0x80000005,
  STATUS_NO_MORE_ENTRIES: 0x8000001a,
  STATUS_UNSUCCESSFUL: 3221225473,
  STATUS_NOT_IMPLEMENTED: 3221225474,
  STATUS_INFO_LENGTH_MISMATCH: 3221225476,
  STATUS_NO_SUCH_DEVICE: 3221225486,
  STATUS_NO_MEMORY: 3221225495,
  STATUS_ACCESS_DENIED: 3221225506,
  STATUS_BUFFER_TOO_SMALL: 3221225507,
  STATUS_OBJECT_TYPE_MISMATCH: 3221225508,
  STATUS_OBJECT_NAME_INVALID: 3221225523,
  STATUS_OBJECT_NAME_NOT_FOUND: 3221225524,
  STATUS_OBJECT_NAME_COLLISION: 3221225525,
  STATUS_OBJECT_PATH_NOT_FOUND: 3221225530,
  STATUS_OBJECT_PATH_SYNTAX_BAD: 3221225531,
  STATUS_INSUFFICIENT_RESOURCES: 3221225626,
  STATUS_DEVICE_NOT_READY: 3221225635,
  STATUS_NOT_SUPPORTED: 3221225659,
  STATUS_CANCELLED: 3221225760,
  STATUS_FILE_CLOSED: 3221225768,
  STATUS_NOT_FOUND: 3221226021,
  STATUS_NETWORK_UNREACHABLE: 3221226044,
  STATUS_HOST_UNREACHABLE: 3221226045,
  FILE_DEVICE_NETWORK: 18,
  FILE_DEVICE_UNKNOWN: 34,
  METHOD_BUFFERED: 0,
  METHOD_IN_DIRECT: 1,
  METHOD_OUT_DIRECT: 2,
  METHOD_NEITHER: 3,
  FILE_ANY_ACCESS: 0,
  FILE_READ_ACCESS: 1,
  FILE_WRITE_ACCESS: 2,
  IRP_MJ_CREATE: 0,
  IRP_MJ_CLOSE: 2,
  IRP_MJ_READ: 3,
  IRP_MJ_WRITE: 4,
  IRP_MJ_DEVICE_CONTROL: 14,
  IRP_MJ_INTERNAL_DEVICE_CONTROL: 15,
  IRP_MJ_SHUTDOWN: 16,
  IRP_MJ_CLEANUP: 18,
  IRP_MJ_MAXIMUM_FUNCTION: 27,
  PASSIVE_LEVEL: 0,
  APC_LEVEL: 1,
  DISPATCH_LEVEL: 2,
  DirectionTransmit: 0,
  DirectionReceive: 1,
  DirectionMax: 2,
  ActionAccept: 0,
  ActionDrop: 1,
  ActionMax: 2,
  IP_SUCCESS: 0,
  IP_DEST_NO_ROUTE: 11002,
  IP_NO_RESOURCES: 11006,
  IP_BAD_ROUTE: 11012,
  IP_PARAMETER_PROBLEM: 11015,
  IRE_TYPE_OTHER: 1,
  IRE_TYPE_INVALID: 2,
  IRE_TYPE_DIRECT: 3,
  IRE_TYPE_INDIRECT: 4,
  SIZEOF_IP6_ROUTE_ENTRY: 52,
  SIZEOF_IP_SET_FIREWALL_HOOK_INFO: 16,
};

test('every published name has its published value (HDR-IPV6-1, HDR-IPV6-2, DOC-IPV6-22, DOC-IPV6-25)', () => {
  const values: Readonly<Record<string, unknown>> = { ...ddk };
  for (const [name, value] of Object.entries(PUBLISHED)) assert.equal(values[name], value, name);
});

test('every status is an unsigned number', () => {
  for (const [name, value] of Object.entries(ddk)) {
    if (name.startsWith('STATUS_')) assert.ok(typeof value === 'number' && value >= 0 && value <= 0xffffffff, name);
  }
});

test('severity is told by bits 30 and 31, of a signed number too', () => {
  const { NT_ERROR, NT_INFORMATION, NT_SUCCESS, NT_WARNING } = ddk;
  const kinds = (status: number) => [NT_SUCCESS, NT_INFORMATION, NT_WARNING, NT_ERROR].map((is) => is(status));
  for (const status of [ddk.STATUS_SUCCESS, ddk.STATUS_PENDING, ddk.STATUS_TIMEOUT, 0x3fffffff]) {
    assert.deepEqual(kinds(status), [true, false, false, false]);
  }
  for (const status of [0x40000000, 0x7fffffff]) assert.deepEqual(kinds(status), [true, true, false, false]);
  for (const status of [ddk.STATUS_BUFFER_OVERFLOW, 0xbfffffff]) {
    assert.deepEqual(kinds(status), [false, false, true, false]);
  }
  for (const status of [ddk.STATUS_UNSUCCESSFUL, 0xffffffff, ddk.STATUS_UNSUCCESSFUL | 0]) {
    assert.deepEqual(kinds(status), [false, false, false, true]);
  }
});

test('CTL_CODE puts a code together as an unsigned number', () => {
  const { CTL_CODE, FILE_DEVICE_NETWORK, FILE_WRITE_ACCESS, METHOD_BUFFERED, METHOD_NEITHER } = ddk;
  assert.equal(CTL_CODE(FILE_DEVICE_NETWORK, 12, METHOD_BUFFERED, FILE_WRITE_ACCESS), ddk.IOCTL_IP_SET_FIREWALL_HOOK);
  assert.equal(CTL_CODE(ddk.FILE_DEVICE_UNKNOWN, 0x800, METHOD_NEITHER, 0), 0x222003);
  assert.equal(CTL_CODE(0x8000, 0xfff, 3, 3), 0x8000ffff);
  assert.equal(ddk._IP_CTL_CODE(12, METHOD_BUFFERED, FILE_WRITE_ACCESS), ddk.IOCTL_IP_SET_FIREWALL_HOOK);
});
