/**
 * What the host attach leaves alone: with a hook that drops everything it is shown, the links still live.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { sendFrames } from '../../support/frames.ts';
import { assertAddsUp, assertPingCount, readStats, stockHook } from '../../support/live.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';
import { fixtureHook, listen, socket, watch } from './live-host.ts';

const skip = rootOnly('ping');
const MDNS = ['224.0.0.251', '5353'] as const;
const BROADCAST = ['255.255.255.255', '7400'] as const;
/** A unicast address of the subnet, as far as a table of addresses can tell: hooks see it. */
const SUBNET_BROADCAST = ['10.78.0.255', '7400'] as const;

test('neighbours, multicast, limited broadcast and link-local IPv6 go on while all else is dropped', {
  skip,
}, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: [{ host: 'eth0' }], hooks: [fixtureHook('drop-everything')] });

  for (const [here, there, address, address6] of [
    [ns.peer, ns.host, '10.78.0.1', 'fd78::1'],
    [ns.host, ns.peer, '10.78.0.2', 'fd78::2'],
  ] as const) {
    // The unicast is dropped, and the neighbour is found all the same: over ARP and over neighbour discovery.
    for (const lost of [address, address6]) {
      assert.equal((await here.run('ping', ['-c', '1', '-W', '1', lost])).code, 1);
      const neighbour = await here.output('ip', ['neighbour', 'show', lost]);
      assert.match(neighbour, /lladdr 02:00:00:00:01:0[12] (REACHABLE|DELAY|STALE)/);
    }
    const own = await there.output('ip', ['-6', '-o', 'address', 'show', 'dev', 'eth0', 'scope', 'link']);
    const linkLocal = /inet6 (fe80:[0-9a-f:]+)/.exec(own)?.[1] ?? '';
    await assertPingCount(here, 5, `${linkLocal}%eth0`);

    const [listening, sending] = here === ns.peer ? ['10.78.0.1', '10.78.0.2'] : ['10.78.0.2', '10.78.0.1'];
    const joined = await listen(there, 'udp-listen', ...MDNS, '--join', `${MDNS[0]}@${listening}`);
    await socket(here, 'udp-send', ...MDNS, '6d646e73', '--from', sending);
    await waitFor(() => joined.stdout === '6d646e73\n', { what: 'the multicast datagram' });
    await joined.stop();
    const all = await listen(there, 'udp-listen', '0.0.0.0', BROADCAST[1]);
    await socket(here, 'udp-send', ...SUBNET_BROADCAST, '6d79', '--broadcast');
    await socket(here, 'udp-send', ...BROADCAST, '616c6c', '--broadcast', '--from', sending);
    await waitFor(() => all.stdout.includes('616c6c\n'), { what: 'the broadcast datagram' });
    await all.stop();
    assert.equal(all.stdout, '616c6c\n', 'the broadcast to the subnet meets the hooks');
  }

  const stats = await assertAddsUp(daemon);
  // The four echo requests, the two broadcasts to the subnet, and nothing else: what was exempt never came to the lane.
  assert.deepEqual([stats.total.received, stats.total.droppedByHook], [6, 6]);
});

test('a broadcast to the subnet passes a hook that passes all, both ways, once', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: [{ host: 'eth0' }], hooks: [stockHook('pass-all')] });
  for (const [here, there] of [
    [ns.peer, ns.host],
    [ns.host, ns.peer],
  ] as const) {
    const listening = await listen(there, 'udp-listen', '0.0.0.0', SUBNET_BROADCAST[1]);
    for (const payload of ['6f6e65', '74776f']) {
      await socket(here, 'udp-send', ...SUBNET_BROADCAST, payload, '--broadcast');
    }
    await waitFor(() => listening.stdout.includes('74776f\n'), { what: 'the second broadcast' });
    await listening.stop();
    assert.equal(listening.stdout, '6f6e65\n74776f\n');
  }
  const stats = await assertAddsUp(daemon);
  assert.deepEqual([stats.total.received, stats.total.forwarded], [4, 4]);
});

test('tagged frames pass untouched, both ways', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: [{ host: 'eth0' }], hooks: [fixtureHook('drop-everything')] });
  const mac = (text: string) => Buffer.from(text.replaceAll(':', ''), 'hex');
  const [peer, host] = [mac('02:00:00:00:01:01'), mac('02:00:00:00:01:02')];
  const datagram = ipv4({ source: '10.78.0.2', destination: '10.78.0.1' }, udp({}, Buffer.from('tagged')));
  for (const [here, there, macs] of [
    [ns.peer, ns.host, { source: peer, destination: host }],
    [ns.host, ns.peer, { source: host, destination: peer }],
  ] as const) {
    const seen = await watch(there, here);
    const dot1q = ethernet({ ...macs, tags: [{ id: 100, priority: 5 }], padTo: 60 }, datagram);
    const qinq = ethernet({ ...macs, tags: [{ type: 0x88a8, id: 200 }, { id: 7 }], padTo: 60 }, datagram);
    await sendFrames(here, 'eth0', [dot1q, qinq]);
    // The kernel's own multicast listener reports come in between, without a tag.
    const isTagged = (frame: Buffer) => [0x8100, 0x88a8].includes(frame.readUInt16BE(12));
    assert.deepEqual(
      (await seen.frames()).filter(isTagged).map((frame) => frame.toString('hex')),
      [dot1q, qinq].map((frame) => frame.toString('hex')),
    );
  }
  assert.equal((await readStats(daemon)).total.received, 0);
  await assertAddsUp(daemon);
});
