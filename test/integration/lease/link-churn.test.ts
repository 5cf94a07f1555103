/**
 * Other interfaces come and go by the hundred beside firehook: the daemon hears of every one of them, and nobody notices.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { PATIENCE_MS, readStatus, stockHook } from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly } from '../../support/netns.ts';
import { SteadyTraffic } from './steady.ts';

const PAIRS = 400;
const HOOKS = [stockHook('pass-all')];
const PATIENCE = { timeoutMs: 120_000 };

/** Makes the pairs, sets half of the ends up, and removes all: three events or more for each. */
async function churn(ns: Namespace): Promise<void> {
  const lines = (make: (i: number) => string): string =>
    `${Array.from({ length: PAIRS }, (_, i) => make(i)).join('\n')}\n`;
  const batches = [
    lines((i) => `link add churn${i} type veth peer name churn${i}p`),
    lines((i) => `link set churn${i} up`),
    lines((i) => `link del churn${i}`),
  ];
  for (const input of batches) await ns.output('ip', ['-batch', '-'], { input, ...PATIENCE });
}

for (const driver of ['afpacket', 'pcap'] as const) {
  test(`${PAIRS} pairs of interfaces come and go beside a bridge (${driver}): no packet is left to onDown`, {
    skip: rootOnly('ping'),
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    const config = { attach: [{ bridge: ['lan0', 'wan0'] }], driver, hooks: HOOKS, policy: { onDown: 'drop' } };
    const daemon = await startDaemon(ns.fw, config, { timeoutMs: PATIENCE_MS });
    const traffic = await SteadyTraffic.start(daemon, ns.client, '10.77.0.2');
    await churn(ns.fw);
    const { leaseHistory } = await traffic.assertUndisturbed();
    t.diagnostic(`longest time between two renewals: ${leaseHistory.longestGapMs.toFixed()} ms`);
    assert.equal((await readStatus(daemon)).lane.restarts, 0);
    assert.doesNotMatch(daemon.log, /lapsed|attached anew/);
  });

  test(`${PAIRS} pairs of interfaces come and go beside a host (${driver}): no packet is left to onDown`, {
    skip: rootOnly('ping'),
  }, async (t) => {
    const { ns } = await hostLab(t);
    const config = { attach: [{ host: 'eth0' }], driver, hooks: HOOKS, policy: { onDown: 'drop' } };
    const daemon = await startDaemon(ns.host, config, { timeoutMs: PATIENCE_MS });
    const traffic = await SteadyTraffic.start(daemon, ns.peer, '10.78.0.1');
    await churn(ns.host);
    const { leaseHistory } = await traffic.assertUndisturbed();
    t.diagnostic(`longest time between two renewals: ${leaseHistory.longestGapMs.toFixed()} ms`);
    assert.equal((await readStatus(daemon)).lane.restarts, 0);
    assert.doesNotMatch(daemon.log, /lapsed|attached anew/);
  });
}
