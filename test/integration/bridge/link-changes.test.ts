/**
 * Ports that go away, come back, change their name or their MTU: the bridge follows, and leaves nothing behind.
 *
 * Rule: after every change traffic passes, and tables and detours are those of the ports there are, and no others. A port that
 * has another name keeps its tables, with `onDown` in force, until it has its own name again.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertAddsUp,
  assertPings,
  ifindexOf,
  isReached,
  PATIENCE_MS,
  pingsAgain,
  readStatus,
  stockHook,
} from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';
import { SERVER, SERVER6, startBridge } from './bridge-daemon.ts';

test('a bridge follows its ports', { skip: rootOnly('ping') }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startBridge(ns.fw, { hooks: [stockHook('pass-all')], policy: { onDown: 'drop' } });
  await assertPings(ns.client, SERVER, SERVER6);
  const becomes = (state: string) =>
    waitFor(async () => (await readStatus(daemon)).state === state, { what: state, timeoutMs: PATIENCE_MS });

  await t.test('a port that is deleted and made anew', async () => {
    const old = await ifindexOf(ns.fw, 'wan0');
    await ns.fw.output('ip', ['link', 'del', 'wan0']);
    await becomes('waiting-for-interface');
    assert.equal((await readStatus(daemon)).lease, 'lapsed');
    const peer = `peer name eth0 netns ${ns.server.name} address 02:00:00:00:02:02`;
    await ns.fw.output('sh', ['-c', `ip link add wan0 type veth ${peer} && ip link set wan0 up`]);
    await ns.server.output('ip', ['-batch', '-'], {
      input: `address add ${SERVER}/24 dev eth0\naddress add ${SERVER6}/64 dev eth0 nodad\nlink set eth0 up\n`,
    });
    await becomes('running');
    await pingsAgain(ns.client, SERVER);
    await assertPings(ns.client, SERVER, SERVER6);
    assert.notEqual(await ifindexOf(ns.fw, 'wan0'), old);
    await assertPlumbing(ns.fw);
  });

  await t.test('a port that is renamed and renamed back', async () => {
    const index = await ifindexOf(ns.fw, 'lan0');
    await rename(ns.fw, 'lan0', 'other0');
    await becomes('waiting-for-interface');
    // It was attached once, so onDown decides about it until the orderly stop, whatever it is called.
    const held = await ns.fw.output('nft', ['list', 'table', 'netdev', `firehook_${index}`]);
    assert.match(held, /hook ingress device "other0"/);
    assert.equal(await isReached(ns.client, SERVER), false, 'onDown: drop');
    await rename(ns.fw, 'other0', 'lan0');
    await becomes('running');
    await pingsAgain(ns.client, SERVER);
    await assertPings(ns.client, SERVER, SERVER6);
    await assertPlumbing(ns.fw);
  });

  await t.test('ports that get another MTU', async () => {
    const { restarts } = (await readStatus(daemon)).lane;
    for (const [namespace, port] of [
      [ns.client, 'eth0'],
      [ns.fw, 'lan0'],
      [ns.fw, 'wan0'],
      [ns.server, 'eth0'],
    ] as const) {
      await namespace.output('ip', ['link', 'set', port, 'mtu', '4000']);
    }
    await waitFor(async () => (await readStatus(daemon)).lane.restarts > restarts, {
      what: 'the rebuilt lane',
      timeoutMs: PATIENCE_MS,
    });
    await becomes('running');
    await waitFor(
      async () => {
        const { code } = await ns.client.run('ping', ['-n', '-c', '1', '-W', '2', '-M', 'do', '-s', '3900', SERVER]);
        return code === 0;
      },
      { what: 'a packet of the new size', timeoutMs: PATIENCE_MS },
    );
    await assertPings(ns.client, SERVER, SERVER6);
    await assertPlumbing(ns.fw);
  });

  await t.test('a port that goes down and up', async () => {
    await ns.fw.output('ip', ['link', 'set', 'wan0', 'down']);
    await ns.fw.output('ip', ['link', 'set', 'wan0', 'up']);
    await pingsAgain(ns.client, SERVER);
    await assertPings(ns.client, SERVER);
    await assertPlumbing(ns.fw);
  });

  await assertAddsUp(daemon);
  assert.equal(await daemon.stop(), 0);
  assert.equal(await ns.fw.output('nft', ['list', 'ruleset']), '');
  const links = await ns.fw.output('ip', ['link']);
  assert.doesNotMatch(links, /fh\d|PROMISC/);
});

/** Fails unless tables and detours are those of the ports there are, and no others. */
async function assertPlumbing(fw: Namespace): Promise<void> {
  const indexes = [await ifindexOf(fw, 'lan0'), await ifindexOf(fw, 'wan0')];
  const tables = [...(await fw.output('nft', ['list', 'tables', 'netdev'])).matchAll(/firehook_(\d+)/g)];
  assert.deepEqual(new Set(tables.map((match) => Number(match[1]))), new Set(indexes), 'tables');
  const ends = [...(await fw.output('ip', ['-o', 'link'])).matchAll(/(fh\d+i\d)@/g)].map((match) => match[1]);
  assert.deepEqual(new Set(ends), new Set(indexes.flatMap((index) => [`fh${index}i0`, `fh${index}i1`])), 'detours');
}

async function rename(ns: Namespace, from: string, to: string): Promise<void> {
  await ns.output('sh', ['-c', `ip link set ${from} down && ip link set ${from} name ${to} && ip link set ${to} up`]);
}
