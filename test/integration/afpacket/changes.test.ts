/**
 * What happens to a port with `driver: afpacket` when the daemon or the interface goes, and when it comes back.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Daemon } from '../../support/daemon.ts';
import {
  assertAddsUp,
  assertPings,
  isReached,
  PATIENCE_MS,
  pingsAgain,
  readStatus,
  stockHook,
} from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { lanesOf, startAfpacket } from './live-afpacket.ts';

const BRIDGE = { bridge: ['lan0', 'wan0'] };
const SERVER = '10.77.0.2';
const PASS = [stockHook('pass-all')];

for (const onDown of ['forward', 'drop'] as const) {
  test(`after kill -9 a bridge does what onDown: ${onDown} says, and the next run takes it over`, {
    skip: rootOnly('ping'),
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    const before = await stateOf(ns.fw);
    const killed = await startAfpacket(ns.fw, BRIDGE, PASS, { policy: { onDown } });
    await assertPings(ns.client, SERVER);
    const lanes = await lanesOf(killed);
    await killed.kill9();
    await waitFor(() => lanes.every((pid) => !isAlive(pid)), { what: 'the lane to end with the daemon' });
    if (onDown === 'forward') {
      await pingsAgain(ns.client, SERVER);
      await assertPings(ns.client, SERVER, 'fd77::2');
    } else {
      await waitFor(async () => !(await isReached(ns.client, SERVER)), { what: 'the lease to lapse' });
    }
    const next = await startAfpacket(ns.fw, BRIDGE, PASS, { policy: { onDown } });
    await assertPings(ns.client, SERVER, 'fd77::2');
    await assertAddsUp(next);
    assert.equal(await next.stop(), 0);
    assert.equal(await stateOf(ns.fw), before);
  });
}

test('after SIGTERM nothing is left of a bridge and of a host', { skip: rootOnly('ping') }, async (t) => {
  const { ns: bridge } = await bridgeLab(t);
  const { ns: host } = await hostLab(t);
  for (const [ns, attach] of [
    [bridge.fw, BRIDGE],
    [host.host, { host: 'eth0' }],
  ] as const) {
    const before = await stateOf(ns);
    const daemon = await startAfpacket(ns, attach, PASS, { lanes: 2 });
    assert.notEqual(await stateOf(ns), before);
    assert.equal(await daemon.stop(), 0);
    assert.equal(await stateOf(ns), before);
  }
  await assertPings(host.peer, '10.78.0.1', 'fd78::1');
});

test('an end of a detour that is taken down is set up again, and the same lane hears of it', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startAfpacket(ns.host, { host: 'eth0' }, PASS, { policy: { onDown: 'drop' } });
  const lanes = await lanesOf(daemon);
  const { attaches } = await readStatus(daemon);
  for (const end of ['i1', 'i0', 'o0', 'o1']) {
    const name = `fh${attaches[0]?.ifindexes[0]}${end}`;
    await ns.host.output('ip', ['link', 'set', name, 'down']);
    // Nobody but the daemon sets it up.
    await waitFor(async () => (await ns.host.output('ip', ['link', 'show', name])).includes(',UP,'), {
      what: `${name} to be up`,
      timeoutMs: PATIENCE_MS,
    });
    await waitFor(() => daemon.log.includes(`${name}: it is down`), { what: 'the line', timeoutMs: PATIENCE_MS });
    await pingsAgain(ns.peer, '10.78.0.1');
    await assertPings(ns.peer, '10.78.0.1', 'fd78::1');
  }
  assert.deepEqual(await lanesOf(daemon), lanes);
  await assertAddsUp(daemon);
});

test('a bridge lives through its interfaces going down, away, and their MTU changing', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, BRIDGE, PASS);
  const ip = (...args: string[]) => ns.fw.output('ip', args);

  await t.test('down and up again, with the same lane', async () => {
    const lanes = await lanesOf(daemon);
    for (const name of ['lan0', 'wan0']) {
      await ip('link', 'set', name, 'down');
      assert.equal(await isReached(ns.client, SERVER), false);
      await ip('link', 'set', name, 'up');
      await pingsAgain(ns.client, SERVER);
    }
    assert.deepEqual(await lanesOf(daemon), lanes);
    await assertAddsUp(daemon);
  });

  await t.test('another MTU', async () => {
    const [lane = -1] = await lanesOf(daemon);
    for (const [host, name] of [
      [ns.fw, 'lan0'],
      [ns.fw, 'wan0'],
      [ns.client, 'eth0'],
      [ns.server, 'eth0'],
    ] as const) {
      await host.output('ip', ['link', 'set', name, 'mtu', '4000']);
    }
    await lanesOf(daemon, 1, lane);
    await pingsAgain(ns.client, SERVER);
    const big = ['-n', '-c', '1', '-W', '10', '-M', 'do', '-s', '3900', SERVER];
    await waitFor(async () => (await ns.client.run('ping', big)).code === 0, {
      what: 'a long packet',
      timeoutMs: PATIENCE_MS,
    });
    await assertAddsUp(daemon);
  });

  await t.test('removed and made again', async () => {
    const mac = (await ns.server.output('cat', ['/sys/class/net/eth0/address'])).trim();
    await ip('link', 'del', 'wan0');
    await waiting(daemon);
    // With the old MAC address: a neighbour believes in the one it knows for up to 45 s, and then asks for 8 s.
    const peer = `peer name eth0 address ${mac} netns ${ns.server.name}`;
    await ip('link', 'add', 'wan0', 'mtu', '4000', 'type', 'veth', ...peer.split(' '));
    const addresses = [
      'address add 10.77.0.2/24 dev eth0',
      'address add fd77::2/64 dev eth0 nodad',
      'link set eth0 up',
    ];
    await ns.server.output('ip', ['-batch', '-'], { input: addresses.join('\n') });
    await ip('link', 'set', 'wan0', 'up');
    await lanesOf(daemon);
    for (const address of [SERVER, 'fd77::2']) await pingsAgain(ns.client, address);
    await assertPings(ns.client, SERVER, 'fd77::2');
    await assertAddsUp(daemon);
  });

  await t.test('renamed, and named back', async () => {
    await ip('link', 'set', 'lan0', 'name', 'other0');
    await waiting(daemon);
    await ip('link', 'set', 'other0', 'name', 'lan0');
    await ip('link', 'set', 'lan0', 'up');
    await lanesOf(daemon);
    await pingsAgain(ns.client, SERVER);
    await assertAddsUp(daemon);
  });
});

/** Waits until the daemon says that an interface is missing. */
async function waiting(daemon: Daemon): Promise<void> {
  await waitFor(async () => (await readStatus(daemon)).state === 'waiting-for-interface', {
    what: 'the daemon to wait for the interface',
    timeoutMs: PATIENCE_MS,
  });
}

/** Everything of a namespace that an attach changes, as text; without what changes by itself. */
async function stateOf(ns: Namespace): Promise<string> {
  const commands = [
    'ls /sys/class/net',
    'nft list ruleset',
    'tc qdisc show',
    'ip -d link show',
    'cat /proc/net/packet',
  ];
  const state = await ns.output('sh', ['-c', commands.join('; echo ----; ')]);
  // Whether there is a carrier is seen a moment later.
  return state.replaceAll(/NO-CARRIER,|,LOWER_UP| state \w+/g, '');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
