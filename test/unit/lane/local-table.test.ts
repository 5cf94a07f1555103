/**
 * Destination types, by the table of what is local: the published values, for what arrives at a host and for what passes.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEST_BCAST,
  DEST_LOCAL,
  DEST_MCAST,
  DEST_REM_BCAST,
  DEST_REM_MCAST,
  DEST_REMOTE,
  DEST_SN_BCAST,
} from '../../../src/firewall/constants.ts';
import { type LocalRoute, LocalTable } from '../../../src/lane/local-table.ts';
import { parseAddress } from '../../../src/wire/address.ts';
import { ipv4, ipv6, udp } from '../../support/packet-builder.ts';

function route(text: string, isBroadcast = false): LocalRoute {
  const [address = '', bits] = text.split('/');
  const octets = parseAddress(address);
  assert.ok(octets !== null);
  return {
    address: Buffer.from(octets).toString('hex'),
    prefixLength: bits === undefined ? octets.length * 8 : Number(bits),
    isBroadcast,
  };
}

/** As a host with 10.78.0.1/24, 192.168.7.1/24, fd78::1 and fe80::1 has it, one prefix of its own in each family besides. */
const ROUTES = [
  route('127.0.0.0/8'),
  route('10.78.0.1'),
  route('10.78.0.255', true),
  route('192.168.7.1'),
  route('192.168.7.255', true),
  route('203.0.113.0/28'),
  route('::1'),
  route('fd78::1'),
  route('fe80::1'),
  route('2001:db8:0:8000::/49'),
];

function typeOf(destination: string, isForHost: boolean, isLinkBroadcast = false, routes = ROUTES): number {
  const table = new LocalTable();
  table.set(routes);
  const datagram = destination.includes(':') ? ipv6({ destination }, udp()) : ipv4({ destination }, udp());
  return table.typeOf(datagram, destination.includes(':') ? 6 : 4, isForHost, isLinkBroadcast);
}

const cases: [destination: string, atHost: number, passing: number][] = [
  ['10.78.0.1', DEST_LOCAL, DEST_REMOTE],
  ['127.1.2.3', DEST_LOCAL, DEST_REMOTE],
  ['203.0.113.15', DEST_LOCAL, DEST_REMOTE],
  ['203.0.113.16', DEST_REMOTE, DEST_REMOTE],
  ['10.78.0.2', DEST_REMOTE, DEST_REMOTE],
  ['255.255.255.255', DEST_BCAST, DEST_REM_BCAST],
  ['0.0.0.0', DEST_BCAST, DEST_REM_BCAST],
  ['10.78.0.255', DEST_SN_BCAST, DEST_REMOTE],
  ['192.168.7.255', DEST_BCAST, DEST_REMOTE],
  ['224.0.0.1', DEST_MCAST, DEST_REM_MCAST],
  ['239.255.255.250', DEST_MCAST, DEST_REM_MCAST],
  ['240.0.0.1', DEST_REMOTE, DEST_REMOTE],
  ['fd78::1', DEST_LOCAL, DEST_REMOTE],
  ['fe80::1', DEST_LOCAL, DEST_REMOTE],
  ['fd79::1', DEST_REMOTE, DEST_REMOTE],
  ['2001:db8:0:ffff::5', DEST_LOCAL, DEST_REMOTE],
  ['2001:db8:0:7fff::5', DEST_REMOTE, DEST_REMOTE],
  ['ff02::1', DEST_MCAST, DEST_REM_MCAST],
];
for (const [destination, atHost, passing] of cases) {
  test(`${destination} is 0x${atHost.toString(16)} at the host and 0x${passing.toString(16)} elsewhere`, () => {
    assert.equal(typeOf(destination, true), atHost);
    assert.equal(typeOf(destination, false), passing);
  });
}

test('a broadcast of a network that no table knows is told by the link', () => {
  assert.equal(typeOf('172.16.0.255', true, true), DEST_REM_BCAST);
  assert.equal(typeOf('10.78.0.255', false, true), DEST_REM_BCAST);
  assert.equal(typeOf('10.78.0.1', true, true), DEST_LOCAL);
});

test('another table takes the place of the one before', () => {
  const table = new LocalTable();
  const datagram = ipv4({ destination: '10.78.0.1' }, udp());
  for (const [routes, expected] of [
    [[], DEST_REMOTE],
    [ROUTES, DEST_LOCAL],
    [[route('10.0.0.0/8')], DEST_LOCAL],
    [[], DEST_REMOTE],
  ] as const) {
    table.set(routes);
    assert.equal(table.typeOf(datagram, 4, true, false), expected);
  }
});

test('an ICMP error is forbidden about broadcasts of own networks, and about own addresses from outside', () => {
  const table = new LocalTable();
  table.set(ROUTES);
  const forbids = (source: string, destination: string, isFromOutside: boolean) => {
    const isIpv6 = source.includes(':');
    const datagram = isIpv6 ? ipv6({ source, destination }, udp()) : ipv4({ source, destination }, udp());
    return table.forbidsAnswer(datagram, isIpv6 ? 6 : 4, isFromOutside);
  };
  for (const isFromOutside of [true, false]) {
    assert.equal(forbids('10.78.0.2', '10.78.0.1', isFromOutside), false);
    assert.equal(forbids('fd78::2', 'fd78::1', isFromOutside), false);
    assert.equal(forbids('10.78.0.2', '10.78.0.255', isFromOutside), true, 'to the broadcast of a subnet');
    assert.equal(forbids('192.168.7.255', '10.78.0.1', isFromOutside), true, 'from one');
    assert.equal(forbids('10.79.0.255', '10.78.0.1', isFromOutside), false, 'of a network that nobody knows');
    assert.equal(forbids('10.78.0.1', '10.78.0.9', isFromOutside), isFromOutside, 'from an own address');
    assert.equal(forbids('203.0.113.3', '10.78.0.9', isFromOutside), isFromOutside, 'from an own prefix');
    assert.equal(forbids('fd78::1', 'fd78::9', isFromOutside), isFromOutside);
    assert.equal(forbids('2001:db8:0:8001::7', 'fd78::9', isFromOutside), isFromOutside);
  }
});
