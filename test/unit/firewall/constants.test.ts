/**
 * The published numbers of the firewall-hook interface, spelled out a second time.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as constants from '../../../src/firewall/constants.ts';

const PUBLISHED: Record<string, number | string> = {
  INVALID_IF_INDEX: 4294967295,
  LOCAL_IF_INDEX: 0,
  IP_TRANSMIT: 0,
  IP_RECEIVE: 1,
  FORWARD: 0,
  DROP: 1,
  ICMP_ON_DROP: 2,
  IPRouteNoInformation: 0,
  IPRouteOutgoingFirewallContext: 1,
  IPRouteOutgoingFilterContext: 2,
  MaxIPRouteInfoClass: 3,
  IPR_FLAG_CHECKSUM_OFFLOAD: 2,
  DD_IP_DEVICE_NAME: '\\Device\\Ip',
  FSCTL_IP_BASE: 0x12,
  DEST_LOCAL: 0,
  DEST_BCAST: 1,
  DEST_SN_BCAST: 3,
  DEST_MCAST: 5,
  DEST_REMOTE: 8,
  DEST_REM_BCAST: 11,
  DEST_REM_MCAST: 13,
  DEST_PROMIS: 32,
  DEST_INVALID: 255,
  DEST_BCAST_BIT: 1,
  DEST_MCAST_BIT: 5,
  DEST_OFFNET_BIT: 16,
  NonPagedPool: 0,
  PagedPool: 1,
  SIZEOF_IPRCVBUF: 64,
  SIZEOF_FIREWALL_CONTEXT_T: 40,
  STATUS_SUCCESS: 0,
  STATUS_PENDING: 0x103,
  STATUS_INVALID_PARAMETER: 3221225485,
  STATUS_INVALID_DEVICE_REQUEST: 3221225488,
};

test('every published name has its published value', () => {
  const values: Record<string, unknown> = { ...constants };
  for (const [name, value] of Object.entries(PUBLISHED)) assert.equal(values[name], value, name);
});

test('the control code is the one that CTL_CODE computes', () => {
  const FILE_DEVICE_NETWORK = 0x12;
  const FILE_WRITE_ACCESS = 2;
  const METHOD_BUFFERED = 0;
  const code = (FILE_DEVICE_NETWORK << 16) | (FILE_WRITE_ACCESS << 14) | (12 << 2) | METHOD_BUFFERED;
  assert.equal(constants.IOCTL_IP_SET_FIREWALL_HOOK, code);
  assert.equal(constants._IP_CTL_CODE(12, METHOD_BUFFERED, FILE_WRITE_ACCESS), code);
});

test('the owner numbers differ from each other', () => {
  const { IPR_OWNER_NONE, IPR_OWNER_RUNTIME, IPR_OWNER_POOL } = constants;
  assert.equal(new Set([IPR_OWNER_NONE, IPR_OWNER_RUNTIME, IPR_OWNER_POOL]).size, 3);
});
