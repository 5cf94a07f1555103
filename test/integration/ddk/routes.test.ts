/**
 * `LookupRouteInformation` and `IPv6GetBestRouteInfo` of a driver in a lane, against the routing table of its machine.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { ifindexOf, PATIENCE_MS } from '../../support/live.ts';
import { rootOnly, routerLab, waitFor } from '../../support/netns.ts';

/** Looks every address of its parameter up, and says in the log what came of it. */
const DRIVER = `
import {
  DbgPrint, FhQueryParameter, IP6RouteEntry, IPRouteEntry, IPRouteLookupData, IPRouteNoInformation, IPv6GetBestRouteInfo,
  LookupRouteInformation, parseAddress,
} from 'firehook/ddk';
const ulong = (text) => Buffer.from(parseAddress(text)).readUInt32LE(0);
const text = (value) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 255).join('.');
export function DriverEntry(DriverObject, RegistryPath) {
  DriverObject.DriverUnload = () => undefined;
  const lines = [];
  const say = (...args) => lines.push(args);
  for (const address of String(FhQueryParameter(RegistryPath, 'Addresses')).split(' ')) {
    if (address.includes(':')) {
      const entry = new IP6RouteEntry();
      const status = IPv6GetBestRouteInfo(Uint8Array.from(parseAddress(address)), 0, 0, entry);
      say('%s: %u type %u index %u hop %s', address, status, entry.ire_Type, entry.ire_IfIndex, Buffer.from(entry.ire_NextHop).toString('hex'));
      continue;
    }
    const data = new IPRouteLookupData();
    data.DestAdd = ulong(address);
    data.SrcAdd = ulong('192.0.2.77');
    const entry = new IPRouteEntry();
    const status = LookupRouteInformation(data, entry, IPRouteNoInformation, null, null);
    say('%s: 0x%x %s/%s type %u index %u hop %s', address, status, text(entry.ire_dest), text(entry.ire_mask), entry.ire_type,
      entry.ire_index, text(entry.ire_nexthop));
  }
  // A line at a time: the log takes five a second of a lane.
  const timer = setInterval(() => { const line = lines.shift(); if (line === undefined) clearInterval(timer); else DbgPrint(...line); }, 300);
  return 0;
}
`;

test('routes are those of the kernel', { skip: rootOnly() }, async (t) => {
  const { ns } = await routerLab(t);
  for (const route of [
    ['203.0.113.0/24', 'via', '10.79.2.2'],
    ['unreachable', '198.51.100.0/24'],
    ['blackhole', '198.51.101.0/24'],
  ]) {
    await ns.router.output('ip', ['route', 'add', ...route]);
  }
  await ns.router.output('ip', ['-6', 'route', 'add', '2001:db8:7::/48', 'via', 'fd79:2::2']);
  const [lan, wan] = [await ifindexOf(ns.router, 'lan0'), await ifindexOf(ns.router, 'wan0')];
  const addresses = '10.79.1.2 203.0.113.9 198.51.100.1 198.51.101.1 192.88.99.1 fd79:1::2 2001:db8:7::9 2001:db9::1';
  const daemon = await startDaemon(
    ns.router,
    {
      attach: [{ tap: 'lan0' }],
      hooks: [{ module: './routes.ts', options: { Addresses: addresses } }],
      log: { level: 'debug' },
    },
    { files: { 'routes.ts': DRIVER }, timeoutMs: PATIENCE_MS },
  );
  const hop = (text: string) => text.padEnd(32, '0');
  const unreachable = '0xc000023c 0.0.0.0/0.0.0.0 type 0 index 0 hop 0.0.0.0';
  const expected = [
    `10.79.1.2: 0x0 10.79.1.0/255.255.255.0 type 3 index ${lan} hop 10.79.1.1`,
    `203.0.113.9: 0x0 203.0.113.0/255.255.255.0 type 4 index ${wan} hop 10.79.2.2`,
    `198.51.100.1: ${unreachable}`,
    `198.51.101.1: ${unreachable}`,
    `192.88.99.1: ${unreachable}`,
    `fd79:1::2: 0 type 3 index ${lan} hop fd790001000000000000000000000002`,
    `2001:db8:7::9: 0 type 4 index ${wan} hop fd790002000000000000000000000002`,
    `2001:db9::1: 11002 type 0 index 0 hop ${hop('')}`,
  ];
  const said = await waitFor(
    () => {
      // The trial before the start says the same.
      const lines = [...daemon.log.matchAll(/Hook routes: ([0-9a-f]+[.:].*?)\.?"/g)].map(([, line]) => line);
      const own = [...new Set(lines)];
      return own.length >= expected.length && own;
    },
    { what: 'all routes', timeoutMs: PATIENCE_MS },
  );
  assert.deepEqual(said, expected);
  assert.equal(await daemon.stop(), 0);
});
