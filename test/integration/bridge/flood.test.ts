/**
 * A bridge under a flood: the lease is kept, the reports are answered, the other direction gets through.
 *
 * Rule: the flood is as fast as the machine sends; nothing is asserted about how much of it passes.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { StatsReport } from '../../../src/control/reports.ts';
import {
  assertAddsUp,
  assertPings,
  readStats,
  readStatus,
  statsWhen,
  stockHook,
  whileDown,
} from '../../support/live.ts';
import { bridgeLab, rootOnly } from '../../support/netns.ts';
import { CLIENT, hush, lanePid, ping, SERVER, SERVER6, startBridge } from './bridge-daemon.ts';

const SOURCE = fileURLToPath(new URL('../../bench/flood.c', import.meta.url));
const SERVER_MAC = '02:00:00:00:02:02';
const ENDLESS = '4000000000';

test('a flood costs packets, not the bridge', { skip: rootOnly('ping', 'cc') }, async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'firehook-flood-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const flood = path.join(folder, 'flood');
  await promisify(execFile)('cc', ['-O2', '-o', flood, SOURCE]);

  const { ns } = await bridgeLab(t);
  // A flooded way loses what neighbours are asked, too.
  await hush(ns.client, ns.server);
  const daemon = await startBridge(ns.fw, { hooks: [stockHook('pass-all')] });
  await assertPings(ns.client, SERVER, SERVER6);
  const lane = await lanePid(daemon);
  const before = await assertAddsUp(daemon);

  const flooding = ns.client.spawn(flood, ['eth0', ENDLESS, '60', '0', SERVER_MAC, CLIENT, SERVER]);
  await statsWhen(daemon, 'the flood to arrive', ({ total }) => total.received > before.total.received + 10_000);

  await t.test('the lease is held and the reports add up while it lasts', async () => {
    let received = 0;
    for (let looks = 0; looks < 5; looks += 1) {
      const { lease, state } = await readStatus(daemon);
      assert.deepEqual({ lease, state }, { lease: 'held', state: 'running' });
      // Every look has to add up; assertAddsUp would wait for one that does.
      const { addsUp, problems, total } = await readStats(daemon);
      assert.deepEqual({ addsUp, problems }, { addsUp: true, problems: [] });
      assert.ok(total.received > received, 'the numbers are of now');
      received = total.received;
    }
  });

  await t.test('the opposite direction gets through', async () => {
    // The answers come back by the flooded way: how many do is not asked.
    const { sent } = await ping(ns.server, CLIENT, 40);
    assert.equal(sent, 40);
    await statsWhen(daemon, 'every request to leave', (stats) => leftForClient(stats) >= leftForClient(before) + sent);
  });

  assert.ok(flooding.isRunning, flooding.stderr);
  await flooding.stop();

  await t.test('afterwards it is the same lane, and everything passes', async () => {
    await assertPings(ns.client, SERVER, SERVER6);
    assert.equal(await lanePid(daemon), lane);
    const after = await statsWhen(
      daemon,
      'the books to be balanced',
      ({ ways, kernelDropped }) => ways.reduce((sum, { port }) => sum + (port?.neverHanded ?? 0), 0) === kernelDropped,
    );
    assert.equal(whileDown(after), whileDown(before), 'no frame met a lapsed lease');
    await assertAddsUp(daemon);
  });
});

/** Frames sent the way that is not flooded. */
function leftForClient({ ways }: StatsReport): number {
  const way = ways.find(({ name }) => name === 'wan0 > lan0');
  assert.ok(way !== undefined);
  return way.ledger.sent;
}
