/**
 * A bridge with `enforce: false`: the traffic is as with a cable, and every number and output says what would be.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HooksReport, StatusReport } from '../../../src/control/reports.ts';
import { assertAddsUp, assertPings, statsWhen, stockHook } from '../../support/live.ts';
import { bridgeLab, rootOnly } from '../../support/netns.ts';
import { fixtureHook, wayOf } from '../host/live-host.ts';
import { SERVER, SERVER6, startBridge } from './bridge-daemon.ts';

const skip = rootOnly('ping');

for (const driver of ['afpacket', 'pcap']) {
  test(`what a hook would drop passes, with ${driver}`, { skip }, async (t) => {
    const { ns } = await bridgeLab(t);
    const daemon = await startBridge(ns.fw, {
      driver,
      attach: [{ bridge: ['lan0', 'wan0'], enforce: false }],
      policy: { nonIp: 'drop' },
      hooks: [
        fixtureHook('drop-everything'),
        { ...stockHook('drop-port', { protocol: 'tcp', ports: [1] }), mode: 'shadow' },
      ],
    });
    for (const address of [SERVER, SERVER6]) await assertPings(ns.client, address);
    await statsWhen(daemon, 'the pings', (stats) => wayOf(stats, 'lan0 > wan0').ledger.droppedByHook >= 2);
    const stats = await assertAddsUp(daemon);
    const wouldBe = wayOf(stats, 'lan0 > wan0');
    const real = wayOf(stats, 'lan0 > wan0, as it came');
    assert.deepEqual([wouldBe.isWouldBe, wouldBe.isAsItCame, wouldBe.ledger.sent], [true, false, 0]);
    assert.deepEqual([real.isWouldBe, real.isAsItCame, real.ledger.lost], [false, true, 0]);
    assert.equal(wouldBe.ledger.droppedByHook + wouldBe.ledger.droppedNonIp, wouldBe.ledger.received);
    assert.equal(real.ledger.forwarded, real.ledger.received);
    assert.equal(stats.total.received, wouldBe.ledger.received + wayOf(stats, 'wan0 > lan0').ledger.received);
    assert.match((await daemon.cli('stats')).stdout, /NOT enforced: its frames go on as they came/);
    assert.match((await daemon.cli('status')).stdout, /the hooks are asked, NOT enforced/);
    const { attaches } = JSON.parse((await daemon.cli('status', '--json')).stdout) as StatusReport;
    assert.equal(attaches[0]?.isEnforced, false);
    const { hooks } = JSON.parse((await daemon.cli('hooks', '--json')).stdout) as HooksReport;
    assert.equal(hooks.find(({ name }) => name === 'drop-everything')?.forwarded, 0);
    assert.equal(await daemon.stop(), 0);
  });
}
