/**
 * What a daemon leaves behind: nothing after SIGTERM and SIGINT, `onDown` in force after `kill -9` and `onStop: hold`.
 *
 * Rule: the namespace is described by the tools of its administrator, before and after; the two have to be the same,
 * what he had set up himself included.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasKernel, KERNEL_WITH_OWNED_TABLES } from '../../../src/plumbing/kernel.ts';
import { assertAddsUp, assertPings, PATIENCE_MS, readStats, stockHook, whileDown } from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';
import { lanePid, ping, SERVER, SERVER6, startBridge, startPing, stopPing } from './bridge-daemon.ts';

const FIREHOOKD = 'bin/firehookd';
const HOOKS = [stockHook('pass-all')];
const skip = rootOnly('ping');

test('SIGTERM and SIGINT take everything back', { skip }, async (t) => {
  const { ns } = await bridgeLab(t);
  await setUpByHand(ns.fw);
  const before = await describe(ns.fw);

  const first = await startBridge(ns.fw, { hooks: HOOKS });
  await assertPings(ns.client, SERVER, SERVER6);
  assert.notEqual(await describe(ns.fw), before, 'the description shows what a daemon does');
  assert.match(await ns.fw.output('nft', ['list', 'ruleset']), /table netdev firehook_/);
  await assertAddsUp(first);
  assert.equal(await first.stop(), 0);
  assert.equal(await describe(ns.fw), before);

  const second = await startBridge(ns.fw, { hooks: HOOKS });
  const lane = await lanePid(second);
  await assertAddsUp(second);
  process.kill(second.pid, 'SIGINT');
  assert.deepEqual(await second.exited, { code: 0, signal: null });
  assert.equal(await describe(ns.fw), before);
  assert.equal(isAlive(lane), false);
  assert.equal((await ping(ns.client, SERVER, 1)).received, 0, 'nobody bridges any more');
});

for (const onDown of ['drop', 'forward'] as const) {
  test(`after kill -9 of the daemon onDown: ${onDown} holds until somebody takes over`, { skip }, async (t) => {
    const { ns } = await bridgeLab(t);
    await setUpByHand(ns.fw);
    const before = await describe(ns.fw);
    const killed = await startBridge(ns.fw, { hooks: HOOKS, policy: { onDown } });
    await assertPings(ns.client, SERVER, SERVER6);
    await assertAddsUp(killed);
    const lane = await lanePid(killed);

    const pinging = startPing(ns.client, SERVER);
    await waitFor(() => pinging.stdout.split('\n').length > 10, { what: 'pings before', timeoutMs: PATIENCE_MS });
    await killed.kill9();
    await waitFor(() => !isAlive(lane), { what: 'the lane to end with its daemon', timeoutMs: PATIENCE_MS });
    await waitFor(async () => /elements/.test(await leases(ns.fw)) === false, {
      what: 'the lease to lapse',
      timeoutMs: PATIENCE_MS,
    });
    await assertOnDown(ns.client, onDown);
    const { received, duplicates } = await stopPing(pinging);
    assert.equal(duplicates, 0);
    assert.ok(received >= 9);

    // With drop the next daemon takes over, with forward an administrator gives up.
    if (onDown === 'drop') {
      const next = await startBridge(ns.fw, { hooks: HOOKS });
      await assertPings(ns.client, SERVER, SERVER6);
      await assertAddsUp(next);
      assert.equal(await next.stop(), 0);
    } else {
      const said = await ns.fw.output(FIREHOOKD, ['-c', killed.configFile, '--undo']);
      assert.deepEqual(said, 'Took back lan0.\nTook back wan0.\n');
      assert.equal(await ns.fw.output(FIREHOOKD, ['-c', killed.configFile, '--undo']), 'Nothing to take back.\n');
    }
    assert.equal(await describe(ns.fw), before);
  });

  test(`onStop: hold leaves onDown: ${onDown} in force until the next start`, { skip }, async (t) => {
    const { ns } = await bridgeLab(t);
    await setUpByHand(ns.fw);
    const before = await describe(ns.fw);
    const holding = await startBridge(ns.fw, { hooks: HOOKS, policy: { onDown, onStop: 'hold' } });
    await assertPings(ns.client, SERVER, SERVER6);
    await assertAddsUp(holding);
    const lane = await lanePid(holding);
    assert.equal(await holding.stop(), 0);
    assert.equal(isAlive(lane), false);
    await waitFor(async () => /elements/.test(await leases(ns.fw)) === false, {
      what: 'the lease to lapse',
      timeoutMs: PATIENCE_MS,
    });
    await assertOnDown(ns.client, onDown);

    const next = await startBridge(ns.fw, { hooks: HOOKS });
    await assertPings(ns.client, SERVER, SERVER6);
    await assertAddsUp(next);
    assert.equal(await next.stop(), 0);
    assert.equal(await describe(ns.fw), before);
  });
}

test('another program cannot take the tables away, and no packet is lost or left to onDown while it tries', {
  skip:
    rootOnly('ping') ||
    (hasKernel(KERNEL_WITH_OWNED_TABLES) ? false : 'this kernel has no tables that are owned and stay'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const before = await describe(ns.fw);
  const daemon = await startBridge(ns.fw, { hooks: HOOKS });
  const lane = await lanePid(daemon);
  await assertPings(ns.client, SERVER, SERVER6);
  const atStart = whileDown(await readStats(daemon));
  const rules = await tables(ns.fw);
  const pinging = startPing(ns.client, SERVER);
  await ns.fw.output('nft', ['add', 'table', 'inet', 'mine']);
  await ns.fw.output('nft', ['flush', 'ruleset']);
  assert.equal(await ns.fw.output('nft', ['list', 'tables', 'inet']).then((text) => text.includes('mine')), false);
  for (const [, family = '', name = ''] of rules.matchAll(/^table (\S+) (\S+)$/gm)) {
    for (const command of [`delete table ${family} ${name}`, `flush table ${family} ${name}`]) {
      const { code, stderr } = await ns.fw.run('nft', [command]);
      assert.notEqual(code, 0, command);
      assert.match(stderr, /Operation not permitted/, command);
    }
  }
  assert.equal(await tables(ns.fw), rules);
  const { sent, received, duplicates } = await stopPing(pinging);
  assert.deepEqual([received, duplicates], [sent, 0]);
  const { ways } = await assertAddsUp(daemon);
  assert.equal(whileDown({ ways }), atStart, 'no frame met a lapsed lease');
  assert.equal(await lanePid(daemon), lane);
  assert.equal(await daemon.stop(), 0);
  assert.equal(await describe(ns.fw), before);
});

/** An administrator's own: a promiscuous port that has to stay so, a table, a queueing discipline with a filter. */
async function setUpByHand(fw: Namespace): Promise<void> {
  await fw.output('ip', ['link', 'set', 'lan0', 'promisc', 'on']);
  await fw.output('nft', ['add table inet mine; add chain inet mine in { type filter hook input priority 0; }']);
  await fw.output('tc', ['qdisc', 'add', 'dev', 'wan0', 'ingress']);
}

/** Everything that a daemon could have changed, as the tools print it, once the kernel has noticed that cables are in. */
async function describe(fw: Namespace): Promise<string> {
  await waitFor(async () => !/NO-CARRIER|LOWERLAYERDOWN/.test(await fw.output('ip', ['link'])), {
    what: 'the carriers',
    timeoutMs: PATIENCE_MS,
  });
  const script = [
    'ip -d link',
    'ip address | grep -v valid_lft',
    'nft list ruleset',
    'tc qdisc show',
    'for port in lan0 wan0; do ethtool -k $port; tc filter show dev $port ingress; done',
    'sysctl -a 2>/dev/null | grep "^net.ipv[46].conf"',
  ];
  return await fw.output('sh', ['-c', script.join('\n')]);
}

/** Which tables there are. */
async function tables(fw: Namespace): Promise<string> {
  return await fw.output('nft', ['list', 'tables']);
}

/** The sets of leases, with their elements as long as there are any. */
async function leases(fw: Namespace): Promise<string> {
  return await fw.output('nft', ['list', 'sets']);
}

async function assertOnDown(client: Namespace, onDown: 'drop' | 'forward'): Promise<void> {
  if (onDown === 'forward') await assertPings(client, SERVER, SERVER6);
  else assert.equal((await ping(client, SERVER, 2, '-W', '1')).received, 0);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
