/**
 * Frames that no ordinary program sends, through a bridge with `driver: afpacket`: tags, runts, jumbo frames, fragments.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, sendFrames, startCapture } from '../../support/frames.ts';
import { assertAddsUp, PATIENCE_MS, statsWhen, stockHook } from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly } from '../../support/netns.ts';
import { ethernet, fragment, icmpv4, ipv4, ipv6, octets, udp } from '../../support/packet-builder.ts';
import { startAfpacket } from './live-afpacket.ts';

const CLIENT = '10.77.0.1';
const SERVER = '10.77.0.2';
const CLIENT6 = 'fd77::1';
const SERVER6 = 'fd77::2';
const SOURCE = Buffer.from('02000000aa01', 'hex');
const DESTINATION = Buffer.from('02000000aa02', 'hex');
const BRIDGE = { bridge: ['lan0', 'wan0'] };
const VLAN = 0x8100;
const QINQ = 0x88a8;

/** Nobody has these addresses: neither end answers, nor drops anything before the test has seen it. */
function frame(datagram: Uint8Array, ...tags: readonly (readonly [type: number, control: number])[]): Buffer {
  const plain = ethernet({ source: SOURCE, destination: DESTINATION }, datagram);
  const octetsOfTags = tags.map(([type, control]) => Buffer.from([type >> 8, type & 255, control >> 8, control & 255]));
  return Buffer.concat([plain.subarray(0, 12), ...octetsOfTags, plain.subarray(12)]);
}

function udp4(length: number): Buffer {
  return ipv4({ source: CLIENT, destination: SERVER }, udp({ destinationPort: 9 }, Buffer.alloc(length, 0x61)));
}

function udp6(length: number): Buffer {
  return ipv6({ source: CLIENT6, destination: SERVER6 }, udp({ destinationPort: 9 }, Buffer.alloc(length, 0x61)));
}

/** What of the frames that `from` sends arrives at `to`, once as many as are wanted have come; only those of this test. */
async function seen(from: Namespace, to: Namespace, frames: readonly Buffer[], wanted: number): Promise<string[]> {
  const capture = await startCapture(to, 'eth0', {
    count: wanted,
    timeoutMs: PATIENCE_MS,
    etherTypes: [0x0800, 0x86dd, VLAN, QINQ, 0x88cc],
  });
  await sendFrames(from, 'eth0', frames);
  return hex(await capture.frames());
}

/** Without addresses of their own the ends say nothing by themselves. */
async function silence(...hosts: readonly Namespace[]): Promise<void> {
  for (const ns of hosts) await ns.output('sh', ['-c', 'echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6']);
}

test('a bridge with afpacket passes crafted frames octet for octet, both ways', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  await silence(ns.client, ns.server);
  const daemon = await startAfpacket(ns.fw, BRIDGE, [stockHook('pass-all')]);
  const part = (offset: number, more: boolean) =>
    ipv4(
      { source: CLIENT, destination: SERVER, identification: 7, moreFragments: more, fragmentOffset: offset },
      octets(17, Buffer.alloc(64, 0x62)),
    );
  const part6 = (offset: number, more: boolean) =>
    ipv6({ source: CLIENT6, destination: SERVER6, extensions: [fragment(offset, more)] }, octets(17, Buffer.alloc(64)));
  const notIp = Buffer.concat([DESTINATION, SOURCE, Buffer.from([0x88, 0xcc]), Buffer.alloc(46, 3)]);
  const frames = [
    frame(udp4(20)),
    frame(udp6(1400)),
    frame(udp4(20), [VLAN, 0x6005]),
    frame(udp6(20), [VLAN, 0]),
    frame(udp4(1472), [VLAN, 0x6fff]),
    frame(udp4(20), [QINQ, 100], [VLAN, 0x2005]),
    frame(udp6(700), [QINQ, 0x7064], [VLAN, 5]),
    frame(udp4(20), [VLAN, 1], [VLAN, 2], [VLAN, 3]),
    // Runts: shorter than Ethernet's 60 octets, with data and without.
    frame(udp4(0)),
    frame(ipv4({ source: CLIENT, destination: SERVER }, icmpv4({}))),
    Buffer.concat([frame(udp4(4)), Buffer.alloc(40, 0x77)]),
    frame(part(0, true)),
    frame(part(8, false)),
    frame(part6(0, true)),
    frame(part6(8, false)),
    notIp,
  ];
  for (const [from, to] of [
    [ns.client, ns.server],
    [ns.server, ns.client],
  ] as const) {
    assert.deepEqual(await seen(from, to, frames, frames.length), hex(frames));
  }
  const { total, ways } = await statsWhen(daemon, 'all frames', (stats) => stats.total.received >= 2 * frames.length);
  assert.equal(total.forwarded, 2 * frames.length);
  assert.deepEqual(
    ways.map(({ ledger }) => ledger.nonIp),
    [1, 1],
  );
  await assertAddsUp(daemon);
});

test('jumbo frames, longer than a slot of the ring, pass in order among short ones', {
  skip: rootOnly(),
}, async (t) => {
  const { ns } = await bridgeLab(t, { mtu: 9000 });
  await silence(ns.client, ns.server);
  const daemon = await startAfpacket(ns.fw, BRIDGE, [stockHook('pass-all')]);
  const frames = Array.from({ length: 300 }, (_, i) =>
    frame(udp4([20, 8900, 2000, 1990, 2010, 8972][i % 6] ?? 0), [VLAN, i]),
  );
  assert.deepEqual(await seen(ns.client, ns.server, frames, frames.length), hex(frames));
  const { total } = await statsWhen(daemon, 'all frames', (stats) => stats.total.received >= frames.length);
  assert.equal(total.lost, 0);
  await assertAddsUp(daemon);
});

test('what is too long for the way out is fragmented, or answered as a router would', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  for (const [host, name] of [
    [ns.client, 'eth0'],
    [ns.fw, 'lan0'],
  ] as const) {
    await host.output('ip', ['link', 'set', name, 'mtu', '4000']);
  }
  const daemon = await startAfpacket(ns.fw, BRIDGE, [stockHook('pass-all')]);
  const ping = (address: string, ...options: string[]) =>
    ns.client.run('ping', ['-n', '-c', '1', '-W', '5', '-s', '3000', ...options, address]);
  const fragmented = await ping(SERVER, '-M', 'dont');
  assert.equal(fragmented.code, 0, fragmented.stdout);
  const refused = await ping(SERVER, '-M', 'do');
  assert.match(refused.stdout + refused.stderr, /mtu ?= ?1500/, refused.stdout);
  const refused6 = await ping(SERVER6, '-M', 'do');
  assert.match(refused6.stdout + refused6.stderr, /mtu ?[=:] ?1500/i, refused6.stdout);
  const { total } = await statsWhen(daemon, 'two answers', (stats) => stats.total.icmpErrors >= 2);
  assert.equal(total.lostTooLong, 2);
  assert.equal(total.lost, 2);
  assert.ok(total.extraFragments >= 2);
  await assertAddsUp(daemon);
});
