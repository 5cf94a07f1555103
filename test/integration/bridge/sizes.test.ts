/**
 * A bridge and the sizes of packets: jumbo frames, fragments, and ports with different MTUs.
 *
 * Rule: what is compared is the frames on both sides, not only whether a client was content.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, sendFrames, startCapture } from '../../support/frames.ts';
import { assertAddsUp, assertPings, ETHERNET_HEADER, PATIENCE_MS, stockHook } from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';
import { bridgeLab, rootOnly } from '../../support/netns.ts';
import { ipv4, udp } from '../../support/packet-builder.ts';
import { checkIpv4, checkIpv6, destination, icmp, isFragment, source } from '../../support/packet-checker.ts';
import {
  CLIENT,
  CLIENT6,
  hush,
  IPV4,
  IPV6,
  SERVER,
  SERVER6,
  startBridge,
  toServer,
  udp4,
  udp6,
} from './bridge-daemon.ts';

const PASS_ALL = { hooks: [stockHook('pass-all')] };
const SMALL_MTU = 1400;

test('a bridge of jumbo ports passes jumbo frames', { skip: rootOnly('ping') }, async (t) => {
  const { ns } = await bridgeLab(t, { mtu: 9000 });
  const daemon = await startBridge(ns.fw, PASS_ALL);
  await hush(ns.client, ns.server);
  await sized(ns.client, SERVER, 9000 - 28, 'do');
  await sized(ns.client, SERVER6, 9000 - 48, 'do');
  const capture = await startCapture(ns.server, 'eth0', { count: 1, etherTypes: [IPV4], timeoutMs: PATIENCE_MS });
  const frame = toServer(udp4(5999, 'x'.repeat(9000 - 28)));
  await sendFrames(ns.client, 'eth0', [frame]);
  assert.deepEqual(hex(await capture.frames()), hex([frame]));
  const { total } = await assertAddsUp(daemon);
  assert.equal(total.lost, 0);
});

test('a bridge passes fragments as they are', { skip: rootOnly('ping') }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startBridge(ns.fw, PASS_ALL);
  await assertPings(ns.client, SERVER, SERVER6);
  await hush(ns.client, ns.server);
  for (const [address, etherType, check, offsets] of [
    [SERVER, IPV4, checkIpv4, [0, 1480, 2960]],
    [SERVER6, IPV6, checkIpv6, [0, 1448, 2896]],
  ] as const) {
    const options = { count: 3, etherTypes: [etherType], timeoutMs: PATIENCE_MS };
    const sent = await startCapture(ns.client, 'eth0', { ...options, direction: 'out' });
    const arrived = await startCapture(ns.server, 'eth0', options);
    await sized(ns.client, address, 4000, 'dont');
    const frames = await arrived.frames();
    assert.deepEqual(hex(frames), hex(await sent.frames()));
    for (const [index, frame] of frames.entries()) {
      check(frame.subarray(ETHERNET_HEADER), isFragment(offsets[index] ?? -1, index < 2));
    }
  }
  const { total } = await assertAddsUp(daemon);
  assert.equal(total.lost, 0);
  assert.equal(total.extraFragments, 0);
});

test('a bridge answers what is too long for the way out as a router would', { skip: rootOnly('ping') }, async (t) => {
  const { ns } = await bridgeLab(t);
  await ns.fw.output('ip', ['link', 'set', 'wan0', 'mtu', `${SMALL_MTU}`]);
  await ns.server.output('ip', ['link', 'set', 'eth0', 'mtu', `${SMALL_MTU}`]);
  const daemon = await startBridge(ns.fw, PASS_ALL);
  await assertPings(ns.client, SERVER, SERVER6);
  await hush(ns.client, ns.server);

  await t.test('IPv4 without DF is cut into fragments that the receiver puts together', async () => {
    const capture = await startCapture(ns.server, 'eth0', { count: 2, etherTypes: [IPV4], timeoutMs: PATIENCE_MS });
    await sized(ns.client, SERVER, 1460, 'dont');
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = await capture.frames();
    assert.equal(first.length, ETHERNET_HEADER + 20 + 1376);
    checkIpv4(first.subarray(ETHERNET_HEADER), source(CLIENT), isFragment(0, true));
    checkIpv4(second.subarray(ETHERNET_HEADER), source(CLIENT), isFragment(1376, false));
  });

  await t.test('IPv4 with DF is answered with type 3 code 4 and the MTU', async () => {
    const capture = await startCapture(ns.client, 'eth0', { count: 1, etherTypes: [IPV4], timeoutMs: PATIENCE_MS });
    const datagram = ipv4(
      { source: CLIENT, destination: SERVER, dontFragment: true },
      udp({ destinationPort: 5999 }, Buffer.alloc(1472)),
    );
    await sendFrames(ns.client, 'eth0', [toServer(datagram)]);
    const [frame = Buffer.alloc(0)] = await capture.frames();
    const answer = frame.subarray(ETHERNET_HEADER);
    checkIpv4(answer, source(SERVER), destination(CLIENT), icmp(3, 4));
    assert.equal(answer.readUInt16BE(26), SMALL_MTU);
    const { stdout } = await ns.client.run('ping', ['-n', '-c', '1', '-W', '5', '-M', 'do', '-s', '1460', SERVER]);
    assert.match(stdout, /mtu ?= ?1400/);
  });

  await t.test('IPv6 is answered with Packet Too Big and the MTU, and the client learns it', async () => {
    const capture = await startCapture(ns.client, 'eth0', { count: 1, etherTypes: [IPV6], timeoutMs: PATIENCE_MS });
    await sendFrames(ns.client, 'eth0', [toServer(udp6(5999, 'x'.repeat(1452)))]);
    const [frame = Buffer.alloc(0)] = await capture.frames();
    const answer = frame.subarray(ETHERNET_HEADER);
    checkIpv6(answer, source(SERVER6), destination(CLIENT6), icmp(2, 0));
    assert.equal(answer.readUInt32BE(44), SMALL_MTU);
    const { stdout } = await ns.client.run('ping', ['-n', '-c', '1', '-W', '5', '-M', 'do', '-s', '1440', SERVER6]);
    assert.match(stdout, /mtu ?= ?1400/i);
    await sized(ns.client, SERVER6, 1440, 'dont');
  });

  await t.test('it is all in the ledger', async () => {
    const { total } = await assertAddsUp(daemon);
    assert.ok(total.extraFragments >= 1);
    assert.ok(total.lostTooLong >= 3);
    assert.equal(total.lost, total.lostTooLong);
    assert.ok(total.icmpErrors >= 3);
  });
});

/** Fails unless a ping of so many octets of data is answered. */
async function sized(ns: Namespace, address: string, octets: number, discovery: 'do' | 'dont'): Promise<void> {
  await ns.output('ping', ['-n', '-c', '1', '-W', '5', '-M', discovery, '-s', `${octets}`, address]);
}
