/**
 * A bridge answers what a hook rejects with an ICMP error, as the destination would, and knows when it must not.
 *
 * Rule: answers are captured and read octet by octet; that none came is shown by the next answer, not by waiting.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, sendFrames, startCapture } from '../../support/frames.ts';
import { assertAddsUp, assertPings, ETHERNET_HEADER, PATIENCE_MS, statsWhen, stockHook } from '../../support/live.ts';
import { bridgeLab, rootOnly } from '../../support/netns.ts';
import { extension, fragment, icmpv4, icmpv6, ipv4, ipv6, octets, udp } from '../../support/packet-builder.ts';
import { checkIpv4, checkIpv6, destination, icmp, payload, source } from '../../support/packet-checker.ts';
import {
  CLIENT,
  CLIENT_MAC,
  CLIENT6,
  hush,
  IPV4,
  IPV6,
  liveHook,
  SERVER,
  SERVER_MAC,
  SERVER6,
  startBridge,
  toServer,
  udp4,
  udp6,
  VLAN,
} from './bridge-daemon.ts';

/** The port that `reject-port` refuses, and the mark that `reject-marked` does. */
const PORT = 7;
const MARK = { ttl: 77 };
const MARK6 = { hopLimit: 77 };
const FOUR = { source: CLIENT, destination: SERVER };
const SIX = { source: CLIENT6, destination: SERVER6 };
const VLAN_TAG = 4;

test('a bridge answers rejected packets by the rules of ICMP', { skip: rootOnly('ping', 'curl') }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startBridge(ns.fw, {
    hooks: [
      stockHook('reject-port', { protocol: 'udp', ports: [PORT] }),
      { module: liveHook('reject-marked') },
      { module: liveHook('reject-tcp'), options: { protocol: 'tcp', ports: [PORT] } },
    ],
    icmp: { perPrefix: 100, perAddress: 100 },
  });
  await assertPings(ns.client, SERVER, SERVER6);
  await hush(ns.client, ns.server);
  const capture = (etherType: number, count = 1) =>
    startCapture(ns.client, 'eth0', { count, etherTypes: [etherType], timeoutMs: PATIENCE_MS });

  await t.test('a client learns at once that it is refused', async () => {
    const { code, stderr } = await ns.client.run('curl', ['-sS', '-m', '25', `http://${SERVER}:${PORT}/`]);
    assert.equal(code, 7, stderr);
    const six = await ns.client.run('curl', ['-sS', '-m', '25', `http://[${SERVER6}]:${PORT}/`]);
    assert.equal(six.code, 7, six.stderr);
  });

  await t.test('IPv4: code 13 from the original destination, MAC addresses swapped, the datagram quoted', async () => {
    const answers = await capture(IPV4);
    await sendFrames(ns.client, 'eth0', [toServer(udp4(PORT, 'is anybody there?'))]);
    const [frame = Buffer.alloc(0)] = await answers.frames();
    assert.deepEqual(frame.subarray(0, 12), Buffer.concat([CLIENT_MAC, SERVER_MAC]));
    const datagram = frame.subarray(ETHERNET_HEADER);
    checkIpv4(datagram, source(SERVER), destination(CLIENT), icmp(3, 13, payload(udp4(PORT, 'is anybody there?'))));
  });

  await t.test('IPv6: type 1 code 1 from the original destination, the datagram quoted', async () => {
    const answers = await capture(IPV6);
    await sendFrames(ns.client, 'eth0', [toServer(udp6(PORT, 'is anybody there?'))]);
    const [frame = Buffer.alloc(0)] = await answers.frames();
    assert.deepEqual(frame.subarray(0, 12), Buffer.concat([CLIENT_MAC, SERVER_MAC]));
    const datagram = frame.subarray(ETHERNET_HEADER);
    checkIpv6(datagram, source(SERVER6), destination(CLIENT6), icmp(1, 1, payload(udp6(PORT, 'is anybody there?'))));
  });

  await t.test('a long datagram is quoted up to 576 octets in all, 1280 for IPv6', async () => {
    const text = 'x'.repeat(1300);
    const answers = await capture(IPV4);
    await sendFrames(ns.client, 'eth0', [toServer(udp4(PORT, text))]);
    const [four = Buffer.alloc(0)] = await answers.frames();
    checkIpv4(four.subarray(ETHERNET_HEADER), icmp(3, 13, payload(udp4(PORT, text).subarray(0, 576 - 28))));
    const answers6 = await capture(IPV6);
    await sendFrames(ns.client, 'eth0', [toServer(udp6(PORT, text))]);
    const [six = Buffer.alloc(0)] = await answers6.frames();
    checkIpv6(six.subarray(ETHERNET_HEADER), icmp(1, 1, payload(udp6(PORT, text).subarray(0, 1280 - 48))));
  });

  await t.test('a tagged packet is answered with its tags', async () => {
    const tags = [{ id: 7, priority: 5 }];
    const answers = await capture(VLAN);
    await sendFrames(ns.client, 'eth0', [toServer(udp4(PORT), { tags })]);
    const [frame = Buffer.alloc(0)] = await answers.frames();
    const asked = toServer(udp4(PORT), { tags });
    assert.deepEqual(frame.subarray(12, ETHERNET_HEADER + VLAN_TAG), asked.subarray(12, ETHERNET_HEADER + VLAN_TAG));
    assert.deepEqual(frame.subarray(0, 12), Buffer.concat([CLIENT_MAC, SERVER_MAC]));
    checkIpv4(frame.subarray(ETHERNET_HEADER + VLAN_TAG), source(SERVER), icmp(3, 13, payload(udp4(PORT))));
  });

  await t.test('ICMP errors, multicast, broadcast and later fragments are never answered', async () => {
    const inner = udp4(1);
    const everybody = Buffer.from('ffffffffffff', 'hex');
    const group = Buffer.from('01005e000001', 'hex');
    const last = ipv4({ ...FOUR, ...MARK }, icmpv4({}, Buffer.from('the one that is')));
    const answers = await capture(IPV4);
    await sendFrames(ns.client, 'eth0', [
      toServer(ipv4({ ...FOUR, ...MARK }, icmpv4({ type: 3, code: 1 }, inner))),
      toServer(ipv4({ ...FOUR, ...MARK, destination: '224.0.0.251' }, udp()), { destination: group }),
      toServer(ipv4({ ...FOUR, ...MARK, destination: '255.255.255.255' }, udp()), { destination: everybody }),
      toServer(ipv4({ ...FOUR, ...MARK }, udp()), { destination: everybody }),
      toServer(ipv4({ ...FOUR, ...MARK, fragmentOffset: 1480 }, octets(17, Buffer.alloc(64)))),
      toServer(ipv4({ ...FOUR, ...MARK, source: '0.0.0.0' }, udp())),
      toServer(last),
    ]);
    const [frame = Buffer.alloc(0)] = await answers.frames();
    checkIpv4(frame.subarray(ETHERNET_HEADER), icmp(3, 13, payload(last)));

    const last6 = ipv6({ ...SIX, ...MARK6 }, icmpv6({}, Buffer.from('the one that is')));
    const answers6 = await capture(IPV6);
    await sendFrames(ns.client, 'eth0', [
      toServer(ipv6({ ...SIX, ...MARK6 }, icmpv6({ type: 1, code: 4 }, udp6(1)))),
      toServer(ipv6({ ...SIX, ...MARK6, destination: 'ff02::fb' }, udp()), {
        destination: Buffer.from('3333000000fb', 'hex'),
      }),
      toServer(ipv6({ ...SIX, ...MARK6, extensions: [fragment(1448, false)] }, octets(17, Buffer.alloc(64)))),
      toServer(ipv6({ ...SIX, ...MARK6, source: '::' }, udp())),
      toServer(last6),
    ]);
    const [frame6 = Buffer.alloc(0)] = await answers6.frames();
    checkIpv6(frame6.subarray(ETHERNET_HEADER), icmp(1, 1, payload(last6)));
  });

  await t.test('extension headers are quoted with the datagram', async () => {
    const datagram = ipv6({ ...SIX, ...MARK6, extensions: [extension(60)] }, udp({ destinationPort: 53 }));
    const answers = await capture(IPV6);
    await sendFrames(ns.client, 'eth0', [toServer(datagram)]);
    const [frame = Buffer.alloc(0)] = await answers.frames();
    checkIpv6(frame.subarray(ETHERNET_HEADER), icmp(1, 1, payload(datagram)));
  });

  await t.test('a rejected packet reaches nobody, and the ledger adds up', async () => {
    const seen = await startCapture(ns.server, 'eth0', { count: 1, etherTypes: [IPV4], timeoutMs: PATIENCE_MS });
    await sendFrames(ns.client, 'eth0', [toServer(udp4(PORT)), toServer(udp4(5999))]);
    assert.deepEqual(hex(await seen.frames()), hex([toServer(udp4(5999))]));
    const { total } = await assertAddsUp(daemon);
    assert.ok(total.rejected > total.icmpErrors);
    assert.equal(total.icmpSuppressed, 0);
  });
});

test('a flood takes no ICMP error from another network, nor from packets too big', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  await ns.fw.output('ip', ['link', 'set', 'wan0', 'mtu', '1400']);
  const daemon = await startBridge(ns.fw, {
    hooks: [stockHook('reject-port', { protocol: 'udp', ports: [PORT] })],
    icmp: { code: 10, ratePerSecond: 100, perPrefix: 10, perAddress: 5 },
  });
  await hush(ns.client, ns.server);
  const flood = (count: number) => Array.from({ length: count }, () => toServer(udp4(PORT)));
  const startedMs = performance.now();
  const answers = await startCapture(ns.client, 'eth0', { count: 5, etherTypes: [IPV4], timeoutMs: PATIENCE_MS });
  await sendFrames(ns.client, 'eth0', flood(500));
  for (const frame of await answers.frames()) checkIpv4(frame.subarray(ETHERNET_HEADER), icmp(3, 10));
  const { total } = await statsWhen(daemon, '500 rejected packets', ({ total }) => total.rejected === 500);
  const seconds = (performance.now() - startedMs) / 1000;
  assert.equal(total.icmpErrors + total.icmpOverPrefix, 500);
  // The bucket holds five and gets five a second; on a slow machine the packets take their time.
  assert.ok(total.icmpErrors <= 5 + Math.ceil(5 * seconds), `${total.icmpErrors} errors in ${seconds} s`);

  const stranger = ipv4({ source: '192.0.2.77', destination: SERVER }, udp({ destinationPort: PORT }));
  const large = ipv4({ ...FOUR, dontFragment: true }, udp({}, Buffer.alloc(1440)));
  const others = await startCapture(ns.client, 'eth0', { count: 100, etherTypes: [IPV4], timeoutMs: PATIENCE_MS });
  // In the middle of the flood, and of the same host.
  await sendFrames(ns.client, 'eth0', [...flood(100), toServer(stranger), toServer(large), ...flood(100)]);
  await statsWhen(daemon, 'the rest', ({ total }) => total.rejected === 701 && total.lostTooLong === 1);
  // What ends the capture are answers to others still.
  await sendFrames(
    ns.client,
    'eth0',
    Array.from({ length: 100 }, (_, n) =>
      toServer(ipv4({ source: `198.51.${n}.1`, destination: SERVER }, udp({ destinationPort: PORT }))),
    ),
  );
  const seen = (await others.frames()).map((frame) => frame.subarray(ETHERNET_HEADER));
  const toStranger = seen.filter((datagram) => datagram.subarray(16, 20).equals(Buffer.from([192, 0, 2, 77])));
  assert.equal(toStranger.length, 1);
  checkIpv4(toStranger[0] ?? Buffer.alloc(0), source(SERVER), icmp(3, 10, payload(stranger)));
  const tooBig = seen.filter((datagram) => datagram[20] === 3 && datagram[21] === 4);
  assert.equal(tooBig.length, 1);
  checkIpv4(tooBig[0] ?? Buffer.alloc(0), destination(CLIENT), icmp(3, 4, payload(large.subarray(0, 576 - 28))));
  await assertAddsUp(daemon);
});
