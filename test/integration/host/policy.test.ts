/**
 * What becomes of a host's traffic when the daemon is killed, stops, or loses its lane, and the way back.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { StatsReport } from '../../../src/control/reports.ts';
import type { Daemon } from '../../support/daemon.ts';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPingCount, assertPings, isReached, statsWhen, stockHook } from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { kernelState } from './live-host.ts';

const skip = rootOnly('ping');
const FIREHOOKD = fileURLToPath(new URL('../../../bin/firehookd', import.meta.url));
const ATTACH = [{ host: 'eth0' }];
const HOOKS = [stockHook('pass-all')];
const HOST = ['10.78.0.1', 'fd78::1'] as const;

test('SIGTERM and SIGINT take everything back, and leave the rules of others alone', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  await ns.host.output('nft', ['-f', '-'], {
    input: `table inet mine {
        set ports {
          type inet_service
          elements = { 22 }
        }
      }
      table netdev other {
        chain in {
          type filter hook ingress device "eth0" priority 0; policy accept;
        }
      }`,
  });
  const before = await kernelState(ns.host);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const daemon = await startDaemon(ns.host, { attach: ATTACH, hooks: HOOKS });
    assert.notEqual(await kernelState(ns.host), before);
    await assertPings(ns.peer, ...HOST);
    await assertAddsUp(daemon);
    process.kill(daemon.pid, signal);
    assert.deepEqual(await daemon.exited, { code: 0, signal: null }, daemon.log);
    assert.equal(await kernelState(ns.host), before);
  }
  await assertPings(ns.peer, HOST[0]);
});

test('after kill -9 with onDown: forward traffic goes on once, and the next start takes over', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const before = await kernelState(ns.host);
  const config = { attach: ATTACH, hooks: HOOKS, policy: { onDown: 'forward' } };
  const killed = await startDaemon(ns.host, config);
  const pinging = ns.peer.spawn('ping', ['-i', '0.1', HOST[0]]);
  const replies = () => pinging.stdout.match(/icmp_seq=/g)?.length ?? 0;
  await waitFor(() => pinging.stdout.includes('icmp_seq=5 '), { what: 'some pings' });
  await assertAddsUp(killed);
  await killWithItsLane(killed);
  // Far more than what could be on its way: these went after the lease had lapsed.
  const atDeath = replies();
  await waitFor(() => replies() >= atDeath + 20, { what: 'replies after the kill' });
  pinging.kill('SIGINT');
  await pinging.exited;
  assert.doesNotMatch(pinging.stdout, /DUP!|duplicates/);
  await assertPingCount(ns.peer, 5, ...HOST);

  const next = await startDaemon(ns.host, config);
  await assertPingCount(ns.peer, 5, ...HOST);
  const stats = await assertAddsUp(next);
  assert.equal(accountedFor(stats), 20);
  assert.equal(await next.stop(), 0);
  assert.equal(await kernelState(ns.host), before);
});

test('after kill -9 with onDown: drop traffic stops until --undo takes everything back', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const before = await kernelState(ns.host);
  const daemon = await startDaemon(ns.host, { attach: ATTACH, hooks: HOOKS, policy: { onDown: 'drop' } });
  await assertPings(ns.peer, ...HOST);
  await assertAddsUp(daemon);
  await killWithItsLane(daemon);
  await assertSilent(ns.peer);

  const undone = await ns.host.run(FIREHOOKD, ['-c', daemon.configFile, '--undo']);
  assert.deepEqual([undone.code, undone.stdout, undone.stderr], [0, 'Took back eth0.\n', '']);
  assert.equal(await kernelState(ns.host), before);
  await assertPingCount(ns.peer, 5, ...HOST);
  const again = await ns.host.run(FIREHOOKD, ['-c', daemon.configFile, '--undo']);
  assert.deepEqual([again.code, again.stdout, again.stderr], [0, 'Nothing to take back.\n', '']);
});

test('onStop: hold leaves onDown in force after SIGTERM, until --undo', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const before = await kernelState(ns.host);
  const policy = { onDown: 'drop', onStop: 'hold' };
  const daemon = await startDaemon(ns.host, { attach: ATTACH, hooks: HOOKS, policy });
  await assertPings(ns.peer, HOST[0]);
  await assertAddsUp(daemon);
  assert.equal(await daemon.stop(), 0);
  await assertSilent(ns.peer);
  const undone = await ns.host.run(FIREHOOKD, ['-c', daemon.configFile, '--undo']);
  assert.equal(undone.code, 0, undone.stderr);
  assert.equal(await kernelState(ns.host), before);
  await assertPingCount(ns.peer, 5, HOST[0]);
});

test('--undo leaves a running daemon alone and says why', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: ATTACH, hooks: HOOKS });
  const { code, stderr } = await ns.host.run(FIREHOOKD, ['-c', daemon.configFile, '--undo']);
  assert.equal(code, 1);
  assert.match(stderr, /^firehookd: error \[FIREHOOK_ATTACH_BUSY\]: already attached: "eth0".*\n$/);
  await assertPings(ns.peer, HOST[0]);
  const stats = await assertAddsUp(daemon);
  assert.equal(stats.total.forwarded, 6);
});

test('a lane that is killed comes back, and the ledger still accounts for every packet', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: ATTACH, hooks: HOOKS, policy: { onDown: 'forward' } });
  await assertPings(ns.peer, ...HOST);
  await statsWhen(daemon, 'the pings', ({ total }) => total.received === 12);
  const lane = await lanePid(daemon);
  process.kill(lane, 'SIGKILL');
  await waitFor(
    async () => {
      const { state, lane: now } = (await daemon.status()) as { state: string; lane: { pid: number | null } };
      return state === 'running' && now.pid !== null && now.pid !== lane;
    },
    { what: 'another lane', timeoutMs: 30_000 },
  );
  await assertPings(ns.peer, ...HOST);
  const stats = await assertAddsUp(daemon);
  assert.equal(accountedFor(stats), 24);
});

/** Packets that a lane handled, and those that `onDown` decided about while there was none. */
function accountedFor({ total, ways }: StatsReport): number {
  return ways.reduce((sum, { port }) => sum + (port?.whileDown ?? 0), total.received);
}

async function lanePid(daemon: Daemon): Promise<number> {
  const { lane } = (await daemon.status()) as { lane: { pid: number | null } };
  assert.ok(lane.pid !== null);
  return lane.pid;
}

/** Kills the supervisor, and waits until its lane has noticed. */
async function killWithItsLane(daemon: Daemon): Promise<void> {
  const lane = await lanePid(daemon);
  await daemon.kill9();
  await waitFor(() => !isAlive(lane), { what: 'the lane to end by itself' });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Waits until nothing comes back any more, then fails if something does, in either family. */
async function assertSilent(ns: Namespace): Promise<void> {
  await waitFor(async () => !(await isReached(ns, HOST[0])), { what: 'the lease to lapse' });
  for (const address of HOST) assert.equal(await isReached(ns, address), false, `${address} answered`);
}
