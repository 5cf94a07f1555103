/**
 * What happens to a host attach when somebody changes the interface or the rules under it: it is repaired, or goes on.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Daemon } from '../../support/daemon.ts';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPings, ifindexOf, isReached, readStats, stockHook } from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { kernelState, listen, socket, wayOf } from './live-host.ts';

const skip = rootOnly('ping');
const ATTACH = [{ host: 'eth0' }];
const HOOKS = [stockHook('drop-port', { protocol: 'udp', ports: [7700] })];
const HOST = ['10.78.0.1', 'fd78::1'] as const;
/** In what nft lists, while the lease is held. */
const HAS_LEASE = /elements = \{ "eth0"/;

test('nft flush ruleset does not open the port: packets meet the hooks, once', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const before = await kernelState(ns.host);
  const daemon = await startDaemon(ns.host, { attach: ATTACH, hooks: HOOKS });
  const isOwned = /flags owner/.test(await ns.host.output('nft', ['list', 'ruleset']));
  await ns.host.output('nft', ['flush', 'ruleset']);
  // Before Linux 6.9 a table has no owner: it is gone, and made again.
  if (isOwned) assert.match(await ns.host.output('nft', ['list', 'ruleset']), HAS_LEASE);
  else await waitUntilAttached(daemon, ns.host);
  await assertMeetsHooks(ns, daemon, HOST);
  assert.equal(await daemon.stop(), 0);
  assert.equal(await kernelState(ns.host), before);
});

test('an interface that goes down and up, and an address that is added later, work', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: ATTACH, hooks: HOOKS });
  await ns.host.output('ip', ['link', 'set', 'eth0', 'down']);
  assert.equal((await ns.peer.run('ping', ['-c', '1', '-W', '1', HOST[0]])).code, 1);
  // What waits for a neighbour would come later, and be counted.
  await ns.peer.output('ip', ['neighbour', 'flush', 'all', 'nud', 'all']);
  await ns.host.output('ip', ['link', 'set', 'eth0', 'up']);
  // The kernel takes IPv6 addresses away with the link.
  for (const address of ['fd78::1/64', 'fd78::9/64']) {
    await ns.host.output('ip', ['address', 'add', address, 'dev', 'eth0', 'nodad']);
  }
  await ns.host.output('ip', ['address', 'add', '10.78.0.9/24', 'dev', 'eth0']);
  await waitUntilAttached(daemon, ns.host);
  await assertMeetsHooks(ns, daemon, [...HOST, '10.78.0.9', 'fd78::9']);
});

test('a changed MAC address goes to the detour, and traffic returns', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: ATTACH, hooks: HOOKS });
  await assertPings(ns.peer, ...HOST);
  await ns.host.output('ip', ['link', 'set', 'eth0', 'address', '02:00:00:00:77:77']);
  const near = `fh${await ifindexOf(ns.host, 'eth0')}i0`;
  await waitFor(async () => (await ns.host.output('ip', ['link', 'show', near])).includes('02:00:00:00:77:77'), {
    what: 'the detour to have the address',
    timeoutMs: 30_000,
  });
  await waitUntilAttached(daemon, ns.host);
  await ns.peer.output('ip', ['neighbour', 'flush', 'all']);
  await assertMeetsHooks(ns, daemon, HOST);
  const changed = await kernelState(ns.host);
  assert.equal(await daemon.stop(), 0);
  const after = await kernelState(ns.host);
  assert.match(after, /02:00:00:00:77:77/);
  assert.notEqual(after, changed);
  assert.doesNotMatch(after, /firehook|fh\d+[io][01]/);
});

test('a renamed interface keeps onDown in force, and is attached again when the name is back', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const before = await kernelState(ns.host);
  const config = { attach: ATTACH, hooks: HOOKS, policy: { onDown: 'drop' } };
  const daemon = await startDaemon(ns.host, config);
  const isWaiting = async () => (await daemon.status())['state'] === 'waiting-for-interface';
  await rename(ns.host, 'eth0', 'other');
  await waitFor(isWaiting, { what: 'the daemon to notice', timeoutMs: 30_000 });
  // It has its address, and no hook: policy.onDown is drop.
  for (let tries = 0; tries < 3; tries += 1) assert.equal(await isReached(ns.peer, HOST[0]), false);
  await rename(ns.host, 'other', 'eth0');
  await waitUntilAttached(daemon, ns.host);
  await ns.host.output('ip', ['address', 'replace', 'fd78::1/64', 'dev', 'eth0', 'nodad']);
  await assertMeetsHooks(ns, daemon, HOST);
  assert.equal(await daemon.stop(), 0);
  assert.equal(await kernelState(ns.host), before);
});

async function rename(ns: Namespace, from: string, to: string): Promise<void> {
  // The kernel of long standing renames only what is down.
  for (const change of [['down'], ['name', to]]) await ns.output('ip', ['link', 'set', from, ...change]);
  await ns.output('ip', ['link', 'set', to, 'up']);
}

/** Waits until the daemon runs again and its lease is held in the kernel. */
async function waitUntilAttached(daemon: Daemon, ns: Namespace): Promise<void> {
  await waitFor(
    async () => {
      if ((await daemon.status())['state'] !== 'running') return false;
      return HAS_LEASE.test(await ns.output('nft', ['list', 'ruleset']));
    },
    { what: 'the attach to be back', timeoutMs: 30_000 },
  );
}

/** Fails unless pings pass, once, through the lane, and a hook can stop a datagram. Ends with the ledger. */
async function assertMeetsHooks(
  ns: Readonly<Record<'host' | 'peer', Namespace>>,
  daemon: Daemon,
  addresses: readonly string[],
): Promise<void> {
  const before = await readStats(daemon);
  for (const address of addresses) {
    const stopped = await listen(ns.host, 'udp-listen', address, '7700');
    const passed = await listen(ns.host, 'udp-listen', address, '7701');
    await assertPings(ns.peer, address);
    await socket(ns.peer, 'udp-send', address, '7700', '00');
    await socket(ns.peer, 'udp-send', address, '7701', '01');
    await waitFor(() => passed.stdout === '01\n', { what: 'the datagram that may pass' });
    assert.equal(stopped.stdout, '');
    for (const listener of [stopped, passed]) await listener.stop();
  }
  const after = await assertAddsUp(daemon);
  const [earlier, later] = [wayOf(before, 'eth0 in').ledger, wayOf(after, 'eth0 in').ledger];
  assert.equal(later.received - earlier.received, 5 * addresses.length);
  assert.equal(later.droppedByHook - earlier.droppedByHook, addresses.length);
}
