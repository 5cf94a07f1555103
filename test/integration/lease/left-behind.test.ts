/**
 * A run is killed, its port is made again under the same name, and the next run starts: nothing of the first one is in its way.
 *
 * From Linux 6.16 on the kernel puts the chains of the first run in front of the new port, because they name it: with
 * `onDown: drop` nothing came in there, for good, while the status said that the hooks had the traffic.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertPings, PATIENCE_MS, pingsAgain, stockHook } from '../../support/live.ts';
import { hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

const HOST = '10.78.0.1';

async function tablesOf(ns: Namespace): Promise<string[]> {
  return (await ns.output('nft', ['list', 'tables'])).split('\n').filter((line) => line.includes('firehook_'));
}

/** The port and what is plugged in there, made again with the same names and addresses. */
async function replug(host: Namespace, peer: Namespace): Promise<void> {
  await host.output('ip', ['link', 'del', 'eth0']);
  await host.output('ip', ['link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer.name]);
  for (const [ns, own] of [
    [host, HOST],
    [peer, '10.78.0.2'],
  ] as const) {
    await ns.output('ip', ['address', 'add', `${own}/24`, 'dev', 'eth0']);
    await ns.output('ip', ['link', 'set', 'eth0', 'up']);
  }
}

for (const driver of ['afpacket', 'pcap'] as const) {
  test(`what a killed run left at a port that is gone is taken back (${driver})`, {
    skip: rootOnly('ping', 'nft'),
  }, async (t) => {
    const { ns } = await hostLab(t);
    const config = { attach: [{ host: 'eth0' }], driver, hooks: [stockHook('pass-all')], policy: { onDown: 'drop' } };
    const first = await startDaemon(ns.host, config, { timeoutMs: PATIENCE_MS });
    await assertPings(ns.peer, HOST);
    process.kill(first.pid, 'SIGKILL');
    await waitFor(() => !first.isRunning, { what: 'the end of the first run' });
    await replug(ns.host, ns.peer);
    assert.equal((await tablesOf(ns.host)).length, 2, 'its tables are there');

    const second = await startDaemon(ns.host, config, { timeoutMs: PATIENCE_MS });
    await pingsAgain(ns.peer, HOST);
    await waitFor(async () => (await tablesOf(ns.host)).length === 2, { what: 'one port with tables' });
    assert.match(second.log, /Took back what a killed run had left at interface \d+, which is gone\./);
    assert.equal(await second.stop(), 0);
    assert.deepEqual(await tablesOf(ns.host), []);
  });
}
