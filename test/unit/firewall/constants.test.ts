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

test('no interface is 0xffffffff, the host itself is 0 (HDR-CONST-1, HDR-CONST-2)', () => {
  assert.deepEqual([constants.INVALID_IF_INDEX, constants.LOCAL_IF_INDEX], [0xffffffff, 0]);
});

test('transmit comes before receive (HDR-CONST-3)', () => {
  assert.deepEqual([constants.IP_TRANSMIT, constants.IP_RECEIVE], [0, 1]);
});

test('the verdicts are 0, 1 and 2 (HDR-CONST-4)', () => {
  assert.deepEqual([constants.FORWARD, constants.DROP, constants.ICMP_ON_DROP], [0, 1, 2]);
});

test('three classes of route information stand below their bound (HDR-CONST-5)', () => {
  const { IPRouteNoInformation, IPRouteOutgoingFirewallContext, IPRouteOutgoingFilterContext } = constants;
  const classes = [IPRouteNoInformation, IPRouteOutgoingFirewallContext, IPRouteOutgoingFilterContext];
  assert.deepEqual([...classes, constants.MaxIPRouteInfoClass], [0, 1, 2, 3]);
});

test('one flag of ipr_flags has a name, with the value 2 (HDR-CONST-6)', () => {
  const flags = Object.entries(constants).filter(([name]) => name.startsWith('IPR_FLAG_'));
  assert.deepEqual(flags, [['IPR_FLAG_CHECKSUM_OFFLOAD', 2]]);
});

test('the device that takes the control code is \\Device\\Ip (HDR-CONST-7)', () => {
  assert.equal(constants.DD_IP_DEVICE_NAME, String.raw`\Device\Ip`);
});

test('types of destinations at the host are 0x00, 0x01, 0x03, 0x05 (HDR-DEST-1, HDR-DEST-2, HDR-DEST-3, HDR-DEST-4)', () => {
  const { DEST_LOCAL, DEST_BCAST, DEST_SN_BCAST, DEST_MCAST } = constants;
  assert.deepEqual([DEST_LOCAL, DEST_BCAST, DEST_SN_BCAST, DEST_MCAST], [0x00, 0x01, 0x03, 0x05]);
});

test('types of destinations elsewhere are 0x08, 0x0b, 0x0d (HDR-DEST-5, HDR-DEST-6, HDR-DEST-7)', () => {
  const { DEST_REMOTE, DEST_REM_BCAST, DEST_REM_MCAST } = constants;
  assert.deepEqual([DEST_REMOTE, DEST_REM_BCAST, DEST_REM_MCAST], [0x08, 0x0b, 0x0d]);
});

test('an invalid destination is 0xff, a promiscuous one 0x20 (HDR-DEST-8, HDR-DEST-9)', () => {
  assert.deepEqual([constants.DEST_INVALID, constants.DEST_PROMIS], [0xff, 0x20]);
});

test('the masks are 0x01, 0x05 and 0x10, and find what they are for (HDR-DEST-10)', () => {
  const { DEST_BCAST_BIT, DEST_MCAST_BIT, DEST_OFFNET_BIT } = constants;
  assert.deepEqual([DEST_BCAST_BIT, DEST_MCAST_BIT, DEST_OFFNET_BIT], [0x01, 0x05, 0x10]);
  const { DEST_LOCAL, DEST_BCAST, DEST_SN_BCAST, DEST_MCAST, DEST_REMOTE, DEST_REM_BCAST, DEST_REM_MCAST } = constants;
  const all: readonly number[] = [
    DEST_LOCAL,
    DEST_BCAST,
    DEST_SN_BCAST,
    DEST_MCAST,
    DEST_REMOTE,
    DEST_REM_BCAST,
    DEST_REM_MCAST,
  ];
  const isMulticast = (type: number) => (type & DEST_MCAST_BIT) === DEST_MCAST_BIT;
  assert.deepEqual(all.filter(isMulticast), [DEST_MCAST, DEST_REM_MCAST]);
  const isBroadcast = (type: number) => !isMulticast(type) && (type & DEST_BCAST_BIT) !== 0;
  assert.deepEqual(all.filter(isBroadcast), [DEST_BCAST, DEST_SN_BCAST, DEST_REM_BCAST]);
});

test('the control code is the one that CTL_CODE computes (HDR-CONST-8)', () => {
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
