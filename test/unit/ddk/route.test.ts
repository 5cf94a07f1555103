/**
 * Promises of LookupRouteInformation and IPv6GetBestRouteInfo: what is asked, what is filled in, and each status.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Route } from '../../../src/ddk/host.ts';
import * as types from '../../../src/ddk/route-types.ts';
import * as status from '../../../src/ddk/status.ts';
import type { FIREWALL_CONTEXT_T } from '../../../src/firewall/constants.ts';
import { IP_RECEIVE, IP_TRANSMIT, STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from '../../../src/firewall/constants.ts';
import { formatAddress, parseAddress } from '../../../src/wire/address.ts';
import { freshDoor, ref } from './support.ts';

const address = (text: string) => parseAddress(text) ?? assert.fail(text);

interface RouteText {
  readonly to: string;
  readonly bits: number;
  readonly gateway?: string;
  readonly source?: string;
  readonly protocol?: number;
}

function route(text: RouteText): Route {
  const { to, bits, gateway, source, protocol } = text;
  return {
    interfaceIndex: 3,
    type: 1,
    protocol: protocol ?? 4,
    metric: 100,
    destination: address(to),
    prefixLength: bits,
    gateway: gateway === undefined ? null : address(gateway),
    source: source === undefined ? null : address(source),
  };
}

const BY_GATEWAY = route({ to: '198.51.100.0', bits: 22, gateway: '192.0.2.254', source: '192.0.2.1' });
const LOOKUP = Object.assign(new types.IPRouteLookupData(), { DestAdd: 0x076433c6 });

function context(): FIREWALL_CONTEXT_T {
  return { Direction: IP_RECEIVE, NTE: 1, LinkCtxt: 1, LContext1: 1, LContext2: 1 };
}

describe('LookupRouteInformation', () => {
  test('takes addresses as they lie in memory and fills the entry the same way', () => {
    const { ddk, host } = freshDoor();
    const asked: unknown[] = [];
    host.routes = (destination, source, index) => {
      asked.push(formatAddress(destination), source === null ? null : formatAddress(source), index);
      return BY_GATEWAY;
    };
    const entry = new types.IPRouteEntry();
    const lookup = Object.assign(new types.IPRouteLookupData(), { DestAdd: 0x076433c6, SrcAdd: 0x010200c0 });
    assert.equal(ddk.LookupRouteInformation(lookup, entry, 0, null, null), STATUS_SUCCESS);
    assert.deepEqual(asked, ['198.51.100.7', '192.0.2.1', 0]);
    assert.deepEqual(
      { ...entry },
      {
        ire_dest: 0x006433c6,
        ire_index: 3,
        ire_metric1: 100,
        ire_metric2: 0xffffffff,
        ire_metric3: 0xffffffff,
        ire_metric4: 0xffffffff,
        ire_nexthop: 0xfe0200c0,
        ire_type: types.IRE_TYPE_INDIRECT,
        ire_proto: types.IRE_PROTO_NETMGMT,
        ire_age: 0,
        ire_mask: 0x00fcffff,
        ire_metric5: 0xffffffff,
      },
    );
  });

  test('names the address it would send from as the next hop on the link, or else the destination', () => {
    const { ddk, host } = freshDoor();
    const entry = new types.IPRouteEntry();
    host.routes = () => route({ to: '192.0.2.0', bits: 24, source: '192.0.2.1', protocol: 2 });
    ddk.LookupRouteInformation(LOOKUP, entry, 0, null, null);
    assert.deepEqual([entry.ire_type, entry.ire_nexthop], [types.IRE_TYPE_DIRECT, 0x010200c0]);
    assert.equal(entry.ire_proto, types.IRE_PROTO_LOCAL);
    host.routes = () => route({ to: '0.0.0.0', bits: 0, protocol: 99 });
    ddk.LookupRouteInformation(LOOKUP, entry, 0, null, null);
    assert.deepEqual([entry.ire_nexthop, entry.ire_mask, entry.ire_proto], [LOOKUP.DestAdd, 0, types.IRE_PROTO_OTHER]);
  });

  test('answers STATUS_NETWORK_UNREACHABLE without a route, and for one that leads nowhere (DOC-LOOKUP-4)', () => {
    const { ddk, host } = freshDoor();
    const lookUp = () => ddk.LookupRouteInformation(LOOKUP, null, 0, null, null);
    assert.equal(lookUp(), status.STATUS_NETWORK_UNREACHABLE);
    for (const type of [6, 7, 8, 9]) {
      host.routes = () => ({ ...BY_GATEWAY, type });
      assert.equal(lookUp(), status.STATUS_NETWORK_UNREACHABLE);
    }
  });

  test('fills the firewall context of class 1, with its length in and out (HDR-LOOKUP-1)', () => {
    const { ddk, host } = freshDoor();
    host.routes = () => BY_GATEWAY;
    const [info, length] = [context(), ref(100)];
    assert.equal(ddk.LookupRouteInformation(LOOKUP, null, 1, info, length), STATUS_SUCCESS);
    assert.equal(length.value, 40);
    assert.deepEqual(info, { Direction: IP_TRANSMIT, NTE: null, LinkCtxt: null, LContext1: null, LContext2: 0 });
    const small = ref(39);
    const untouched = context();
    assert.equal(ddk.LookupRouteInformation(LOOKUP, null, 1, untouched, small), status.STATUS_BUFFER_TOO_SMALL);
    assert.equal(small.value, 40);
    assert.deepEqual(untouched, context());
    const asked = ref(0);
    assert.equal(ddk.LookupRouteInformation(LOOKUP, null, 1, null, asked), STATUS_SUCCESS);
    assert.equal(asked.value, 40);
  });

  test('answers STATUS_NOT_SUPPORTED for information of class 2, and a route without it', () => {
    const { ddk, host } = freshDoor();
    host.routes = () => BY_GATEWAY;
    assert.equal(ddk.LookupRouteInformation(LOOKUP, null, 2, context(), ref(40)), status.STATUS_NOT_SUPPORTED);
    assert.equal(ddk.LookupRouteInformation(LOOKUP, null, 2, null, null), STATUS_SUCCESS);
  });

  test('answers STATUS_INVALID_PARAMETER for what is wrong', () => {
    const { ddk, host } = freshDoor();
    host.routes = () => assert.fail();
    for (const infoClass of [3, -1, 0.5]) {
      assert.equal(ddk.LookupRouteInformation(LOOKUP, null, infoClass as never, null, null), STATUS_INVALID_PARAMETER);
    }
    assert.equal(ddk.LookupRouteInformation(null as never, null, 0, null, null), STATUS_INVALID_PARAMETER);
    assert.equal(ddk.LookupRouteInformation(LOOKUP, null, 0, context(), ref(40)), STATUS_INVALID_PARAMETER);
    assert.equal(ddk.LookupRouteInformation(LOOKUP, null, 1, context(), null), STATUS_INVALID_PARAMETER);
    const signed = Object.assign(new types.IPRouteLookupData(), { DestAdd: -1 });
    assert.equal(ddk.LookupRouteInformation(signed, null, 0, null, null), STATUS_INVALID_PARAMETER);
  });

  test('answers STATUS_UNSUCCESSFUL where the kernel cannot be asked, and says why once', () => {
    const { ddk, host } = freshDoor();
    host.routes = () => {
      throw new Error('no netlink');
    };
    for (let call = 0; call < 3; call++) {
      assert.equal(ddk.LookupRouteInformation(LOOKUP, null, 0, null, null), status.STATUS_UNSUCCESSFUL);
    }
    assert.deepEqual(host.lines, ['warn: routes cannot be looked up: no netlink']);
  });
});

describe('IPv6GetBestRouteInfo', () => {
  const TO = address('2001:db8::7');
  const GATEWAY = route({ to: '::', bits: 0, gateway: 'fe80::1', source: '2001:db8:1::2' });

  test('fills an entry of 52 octets (DOC-IPV6-24)', () => {
    const { ddk, host } = freshDoor();
    host.routes = () => GATEWAY;
    const entry = new types.IP6RouteEntry();
    assert.equal(ddk.IPv6GetBestRouteInfo(TO, 0, 0, entry), types.IP_SUCCESS);
    assert.equal(entry.ire_Length, 52);
    assert.deepEqual([entry.ire_Type, entry.ire_IfIndex], [types.IRE_TYPE_INDIRECT, 3]);
    assert.deepEqual([entry.ire_SourceScopeId, entry.ire_NextHopScopeId], [0, 3]);
    assert.deepEqual([formatAddress(entry.ire_Source), formatAddress(entry.ire_NextHop)], ['2001:db8:1::2', 'fe80::1']);
    host.routes = () => ({ ...GATEWAY, gateway: null });
    ddk.IPv6GetBestRouteInfo(TO, 0, 0, entry);
    assert.deepEqual([entry.ire_Type, formatAddress(entry.ire_NextHop)], [types.IRE_TYPE_DIRECT, '2001:db8::7']);
  });

  test('asks for the interface of Index, and of ScopeId for a link-local address (DOC-IPV6-21)', () => {
    const { ddk, host } = freshDoor();
    const asked: number[] = [];
    host.routes = (_to, _from, index) => {
      asked.push(index);
      return GATEWAY;
    };
    const entry = new types.IP6RouteEntry();
    ddk.IPv6GetBestRouteInfo(TO, 5, 0, entry);
    ddk.IPv6GetBestRouteInfo(TO, 5, 7, entry);
    ddk.IPv6GetBestRouteInfo(address('fe80::9'), 5, 0, entry);
    assert.deepEqual(asked, [0, 7, 5]);
  });

  test('answers with an IP_STATUS of its page (DOC-IPV6-23)', () => {
    const { ddk, host } = freshDoor();
    const entry = new types.IP6RouteEntry();
    const ask = () => ddk.IPv6GetBestRouteInfo(TO, 0, 0, entry);
    assert.equal(ask(), types.IP_DEST_NO_ROUTE);
    host.routes = () => ({ ...GATEWAY, type: 7 });
    assert.equal(ask(), types.IP_DEST_NO_ROUTE);
    host.routes = () => ({ ...GATEWAY, source: null });
    assert.equal(ask(), types.IP_BAD_ROUTE);
    host.routes = () => {
      throw new Error('no netlink');
    };
    assert.equal(ask(), types.IP_NO_RESOURCES);
    for (const bad of [TO.subarray(1), null]) {
      assert.equal(ddk.IPv6GetBestRouteInfo(bad as never, 0, 0, entry), types.IP_PARAMETER_PROBLEM);
    }
    assert.equal(ddk.IPv6GetBestRouteInfo(TO, 0, 0, null as never), types.IP_PARAMETER_PROBLEM);
    assert.equal(ddk.IPv6GetBestRouteInfo(TO, 0, -1, entry), types.IP_PARAMETER_PROBLEM);
    assert.equal(entry.ire_Length, 0);
  });
});
