/**
 * Faults as they are declared, with a real lane: a hook is taken out and comes back by command, also a hook that ends its lanes; the table of
 * `firehook status` counts them.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusReport } from '../../../src/control/reports.ts';
import type { Daemon } from '../../support/daemon.ts';
import { sendFrames } from '../../support/frames.ts';
import { assertAddsUp, assertPings, PATIENCE_MS, readStatus } from '../../support/live.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';
import {
  laneAfter,
  lanePid,
  liveHook,
  readHooks,
  SERVER,
  SERVER6,
  startBridge,
  toServer,
  udp4,
} from './bridge-daemon.ts';

const skip = rootOnly('ping');
const LOOP = 4108;
const EXIT = 4109;
const BREAKER = { faults: 3, windowSeconds: 60, retrySeconds: 0, trialPackets: 5 };

async function countOf(daemon: Daemon, fault: string): Promise<number> {
  const { faults } = (await readStatus(daemon)) as unknown as StatusReport;
  const row = faults.find((one) => one.fault === fault);
  assert.ok(row !== undefined, fault);
  return row.count;
}

test('a hook that throws is taken out, packets go on without it, and a command brings it back', { skip }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startBridge(ns.fw, {
    hooks: [{ module: liveHook('throws') }],
    faults: { default: 'forward', hookThrows: 'drop', breaker: BREAKER },
  });
  // Each is dropped, until the breaker is open.
  await waitFor(async () => (await ns.client.run('ping', ['-c', '1', '-W', '1', SERVER])).code === 0, {
    what: 'a ping without the hook',
    timeoutMs: PATIENCE_MS,
  });
  await assertPings(ns.client, SERVER, SERVER6);
  const [out] = await readHooks(daemon);
  assert.ok(out !== undefined && out.breakerOpen === 1 && out.threw === 3 && out.bypassed > 0);
  const { health } = (await readStatus(daemon)) as unknown as StatusReport;
  assert.ok(health.problems.includes('hooks are taken out, their breakers are open: throws'), health.problems.join());
  assert.match(daemon.log, /Hook throws: breaker open: /);
  assert.equal(await countOf(daemon, 'a hook throws'), 3);
  assert.ok((await countOf(daemon, 'the breaker of a hook is open')) > 0);
  const closed = await daemon.cli('hook', 'throws', '--close-breaker');
  assert.equal(closed.stdout, 'hook throws: breaker closed in 1 lane\n');
  await waitFor(
    async () => {
      await ns.client.run('ping', ['-c', '1', '-W', '1', SERVER]);
      return (await readHooks(daemon))[0]?.breakerTrips === 2;
    },
    { what: 'the hook to be at fault again', timeoutMs: PATIENCE_MS },
  );
  assert.equal((await daemon.cli('hook', 'nobody', '--close-breaker')).code, 2);
  assert.equal((await daemon.cli('hook', 'throws')).code, 2);
  await assertAddsUp(daemon);
});

test('a hook that ends its lanes is taken out, and stays out in the next lane', { skip }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startBridge(ns.fw, {
    hooks: [{ module: liveHook('trigger') }],
    faults: { breakerOpen: 'forward', breaker: BREAKER },
  });
  for (const port of [EXIT, LOOP, EXIT]) {
    const pid = await lanePid(daemon);
    await sendFrames(ns.client, 'eth0', [toServer(udp4(port))]);
    await laneAfter(daemon, pid);
  }
  assert.match(daemon.log, /Hook trigger: breaker open: lanes ended while it ran/);
  assert.deepEqual([await countOf(daemon, 'a lane is dead'), await countOf(daemon, 'a lane hangs')], [2, 1]);
  const pid = await lanePid(daemon);
  await sendFrames(ns.client, 'eth0', [toServer(udp4(EXIT)), toServer(udp4(LOOP))]);
  await assertPings(ns.client, SERVER, SERVER6);
  const [out] = await readHooks(daemon);
  assert.ok(out !== undefined && out.breakerOpen === 1 && out.bypassed >= 2);
  assert.equal(await lanePid(daemon), pid, 'what would have ended it did not meet the hook');
  await assertAddsUp(daemon);
});
