/**
 * The tap attach looks and touches nothing: the traffic is as without it, and every number says "would be".
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HooksReport } from '../../../src/control/reports.ts';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPingCount, assertPings, statsWhen, stockHook } from '../../support/live.ts';
import { hostLab, rootOnly } from '../../support/netns.ts';
import { fixtureHook, kernelState, listen, socket, wayOf } from '../host/live-host.ts';

const skip = rootOnly('ping');
const ATTACH = [{ tap: 'eth0' }];
const WAYS = ['eth0 in', 'eth0 out'] as const;
const HOST = ['10.78.0.1', 'fd78::1'] as const;

test('a tap counts what a hook would drop, in both directions, and the traffic passes', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const before = await kernelState(ns.host);
  const daemon = await startDaemon(ns.host, { attach: ATTACH, hooks: [fixtureHook('drop-everything')] });
  assert.equal(await kernelState(ns.host), before);
  await assertPingCount(ns.peer, 5, ...HOST);
  // libpcap loses the first packet or two after it has set the filter of a direction (docs/kernel-notes.md).
  await statsWhen(daemon, 'the pings', (stats) => WAYS.every((way) => wayOf(stats, way).ledger.droppedByHook >= 8));

  const stats = await assertAddsUp(daemon);
  for (const name of WAYS) {
    const { isWouldBe, ledger, port } = wayOf(stats, name);
    assert.equal(isWouldBe, true);
    assert.equal(port, null);
    // Every IP packet was dropped, in words; what is not IP is the policy's.
    assert.equal(ledger.droppedByHook, ledger.received - ledger.nonIp);
    assert.equal(ledger.sent, 0);
  }
  assert.match((await daemon.cli('stats')).stdout, /^A tap touches nothing: its verdicts are what they would be\.$/m);
  const { lease } = (await daemon.status()) as { lease: string };
  assert.equal(lease, 'none');
  assert.equal(await kernelState(ns.host), before);
  assert.equal(await daemon.stop(), 0);
  assert.equal(await kernelState(ns.host), before);
});

test('rewrites and refusals on a tap are counted as would-be, and reach nobody', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, {
    attach: ATTACH,
    hooks: [
      fixtureHook('stamp-context'),
      stockHook('rewrite-payload', { protocol: 'udp', port: 7800, find: 'old', replace: 'brand new' }),
      stockHook('reject-port', { protocol: 'tcp', ports: [7801] }),
    ],
  });
  for (const address of HOST) {
    await assertPings(ns.peer, address);
    await listen(ns.host, 'udp-listen', address, '7000', '--answer');
    const blank = '00'.repeat(60);
    assert.equal(await socket(ns.peer, 'udp-ask', address, '7000', blank), blank);
    await listen(ns.host, 'udp-listen', address, '7800', '--answer');
    const old = Buffer.from('old').toString('hex');
    assert.equal(await socket(ns.peer, 'udp-ask', address, '7800', old), old);
  }
  await listen(ns.host, 'tcp-serve', '::', '7801');
  for (const address of HOST) assert.equal(await socket(ns.peer, 'tcp-connect', address, '7801'), 'connected');

  await statsWhen(daemon, 'the packets', ({ total }) => total.replaced === 4 && total.rejected >= 2);
  const { hooks } = JSON.parse((await daemon.cli('hooks', '--json')).stdout) as HooksReport;
  const counted = (name: string) => hooks.find((hook) => hook.name === name);
  // There and back, over IPv4 and IPv6.
  assert.equal(counted('stamp-context')?.changed, 4);
  assert.equal(counted('rewrite-payload')?.replaced, 4);
  const stats = await assertAddsUp(daemon);
  for (const name of WAYS) assert.equal(wayOf(stats, name).isWouldBe, true);
  assert.ok(stats.total.icmpWouldBe >= 2, `${stats.total.icmpWouldBe} ICMP errors would be`);
  assert.deepEqual([stats.total.icmpErrors, stats.total.sent], [0, 0]);
});
