/**
 * What Microsoft published about functions and structures, where no other test holds it: over the door that a driver gets.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Route } from '../../../src/ddk/host.ts';
import * as published from '../../../src/ddk/index.ts';
import type { DEVICE_OBJECT, FILE_OBJECT } from '../../../src/ddk/io-types.ts';
import { IO_STATUS_BLOCK } from '../../../src/ddk/io-types.ts';
import type { IPv6FirewallHookProc } from '../../../src/ddk/ipv6-types.ts';
import * as types from '../../../src/ddk/route-types.ts';
import {
  DROP,
  FORWARD,
  type IPPacketFirewallPtr,
  NonPagedPool,
  SIZEOF_IPRCVBUF,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_SUCCESS,
} from '../../../src/firewall/constants.ts';
import { parseAddress } from '../../../src/wire/address.ts';
import { ipv4, ipv6, udp } from '../../support/packet-builder.ts';
import { freshDoor, ref } from './support.ts';

const address = (text: string) => parseAddress(text) ?? assert.fail(text);
const ROUTE: Route = {
  interfaceIndex: 3,
  type: 1,
  protocol: 4,
  metric: 100,
  destination: address('2001:db8::'),
  prefixLength: 32,
  gateway: null,
  source: address('2001:db8::1'),
};

test('the four functions that have a page are there, with their parameters (DOC-INDEX-1, DOC-LOOKUP-1)', () => {
  const { IPAllocBuff, IPFreeBuff, FreeIprBuff, LookupRouteInformation } = published;
  const functions: readonly ((...args: never[]) => unknown)[] = [
    IPAllocBuff,
    IPFreeBuff,
    FreeIprBuff,
    LookupRouteInformation,
  ];
  assert.deepEqual(
    functions.map(({ length }) => length),
    [2, 1, 1, 5],
  );
});

test('IPAllocBuff answers TRUE as C has it, 1, also at DISPATCH_LEVEL (DOC-ALLOC-2, HDR-ALLOC-1, HDR-ALLOC-2)', () => {
  const host = published.FhStandAlone;
  assert.ok(host);
  const results: number[] = [];
  const allocates: IPPacketFirewallPtr = () => {
    assert.equal(published.KeGetCurrentIrql(), published.DISPATCH_LEVEL);
    const descriptor = published.ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
    assert.ok(descriptor);
    results.push(published.IPAllocBuff(descriptor, 1500));
    published.IPFreeBuff(descriptor);
    return FORWARD;
  };
  host.addCallback(allocates, 1);
  host.send([ipv4({}, udp())]);
  host.removeCallback(allocates);
  assert.deepEqual(results, [Number(published.TRUE)]);
});

test('LookupRouteInformation is content with the answer alone, in the class without information (DOC-LOOKUP-2, DOC-LOOKUP-3)', () => {
  const { ddk, host } = freshDoor();
  host.routes = () => ({ ...ROUTE, destination: address('198.51.100.0'), prefixLength: 24, source: null });
  const lookup = Object.assign(new types.IPRouteLookupData(), { DestAdd: 0x076433c6 });
  assert.equal(ddk.LookupRouteInformation(lookup, null, published.IPRouteNoInformation, null, null), STATUS_SUCCESS);
  const entry = new types.IPRouteEntry();
  assert.equal(ddk.LookupRouteInformation(lookup, entry, published.IPRouteNoInformation, null, null), STATUS_SUCCESS);
  assert.equal(entry.ire_index, 3);
});

test('the structures of routes have their members in their order (HDR-ROUTE-1, HDR-ROUTE-2, DOC-IPV6-24)', () => {
  assert.deepEqual(Object.keys(new types.IPRouteLookupData()), ['Version', 'DestAdd', 'SrcAdd', 'Info']);
  assert.deepEqual(Object.keys(new types.IPRouteEntry()), [
    'ire_dest',
    'ire_index',
    'ire_metric1',
    'ire_metric2',
    'ire_metric3',
    'ire_metric4',
    'ire_nexthop',
    'ire_type',
    'ire_proto',
    'ire_age',
    'ire_mask',
    'ire_metric5',
  ]);
  const entry = new types.IP6RouteEntry();
  assert.deepEqual(Object.keys(entry), [
    'ire_Length',
    'ire_Type',
    'ire_IfIndex',
    'ire_SourceScopeId',
    'ire_NextHopScopeId',
    'ire_Source',
    'ire_NextHop',
  ]);
  // Five ULONGs and two addresses.
  assert.equal(5 * 4 + entry.ire_Source.length + entry.ire_NextHop.length, types.SIZEOF_IP6_ROUTE_ENTRY);
});

test('IPv6EnableFirewallHook may be called in DriverEntry, later, and at DISPATCH_LEVEL (DOC-IPV6-12, HDR-IPV6-6)', () => {
  const accepts: IPv6FirewallHookProc = () => 0;
  const { ddk, host } = freshDoor();
  const statuses: number[] = [];
  const enableAndDisable = () => {
    statuses.push(ddk.IPv6EnableFirewallHook(accepts));
    ddk.IPv6DisableFirewallHook(() => undefined);
  };
  const entry = (driver: { DriverUnload: unknown }) => {
    driver.DriverUnload = () => undefined;
    enableAndDisable();
    return STATUS_SUCCESS;
  };
  assert.equal(host.load(entry), STATUS_SUCCESS);
  enableAndDisable();
  const old = ddk.KeRaiseIrqlToDpcLevel();
  enableAndDisable();
  ddk.KeLowerIrql(old);
  assert.deepEqual(statuses, [STATUS_SUCCESS, STATUS_SUCCESS, STATUS_SUCCESS]);
});

test('an IPv6 hook can be written as the published example: what it cannot look at it drops (DOC-IPV6-27)', () => {
  const { ddk, host } = freshDoor();
  let asksFor = 0;
  const example: IPv6FirewallHookProc = (_source, destination, _length, _type, _header, context, dataLength) => {
    if (ddk.IPv6ObtainPacketData(context, dataLength + asksFor, 4) === null) return published.ActionDrop;
    const route = new published.IP6RouteEntry();
    if (ddk.IPv6GetBestRouteInfo(destination, 0, 0, route) !== published.IP_SUCCESS) return published.ActionDrop;
    return published.ActionAccept;
  };
  assert.equal(ddk.IPv6EnableFirewallHook(example), STATUS_SUCCESS);
  const datagram = ipv6({}, udp({}, Buffer.from('data')));
  const passes = () => host.ipv6?.(datagram, datagram.length, 40, 17, 7, 1);
  assert.equal(passes(), false, 'there is no route');
  host.routes = () => ROUTE;
  assert.equal(passes(), true);
  asksFor = 1;
  assert.equal(passes(), false, 'there is no such data');
});

test('function 22, the filter hook’s, is no code of \\Device\\Ip (DOC-FILTER-1)', () => {
  const { ddk } = freshDoor();
  const [file, device] = [ref<FILE_OBJECT | null>(null), ref<DEVICE_OBJECT | null>(null)];
  ddk.IoGetDeviceObjectPointer(published.DD_IP_DEVICE_NAME, 0, file, device);
  assert.ok(file.value && device.value);
  const code = published._IP_CTL_CODE(22, published.METHOD_BUFFERED, published.FILE_WRITE_ACCESS);
  const info = { FirewallPtr: (() => DROP) as IPPacketFirewallPtr, Priority: 1, Add: true };
  const block = new IO_STATUS_BLOCK();
  const irp = ddk.IoBuildDeviceIoControlRequest(code, device.value, info, 16, null, 0, false, null, block);
  assert.ok(irp);
  assert.equal(ddk.IoCallDriver(device.value, irp), STATUS_INVALID_DEVICE_REQUEST);
  ddk.ObDereferenceObject(file.value);
});
