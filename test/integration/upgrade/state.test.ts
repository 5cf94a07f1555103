/**
 * What goes from one firehookd to the next one, and a real one of another version.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { HooksReport } from '../../../src/control/reports.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPings, PATIENCE_MS, readStats, readStatus } from '../../support/live.ts';
import { rootOnly, waitFor } from '../../support/netns.ts';
import { endSuccessor, isThere, pidOf, ROADS, STAMP, startTraffic } from './live-upgrade.ts';

const REMEMBER = fileURLToPath(new URL('../../fixtures/hooks/reload/remember.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const METRICS = '127.0.0.1:9477';
const skip = rootOnly('curl');

async function numbersOf(daemon: Daemon): Promise<Record<string, number>> {
  const { stdout } = await daemon.cli('hooks', '--json');
  const [hook] = (JSON.parse(stdout) as HooksReport).hooks;
  return Object.fromEntries((hook?.metrics ?? []).map(({ name, value }) => [name, value]));
}

for (const driver of ['afpacket', 'pcap'] as const)
  test(`${driver}: flows, tables, what hooks hand on and all counters go over; addresses and files are the next one's`, {
    skip,
  }, async (t) => {
    const road = await ROADS.bridge(t);
    const daemon = await startDaemon(
      road.fw,
      {
        attach: [road.attach],
        driver,
        hooks: [{ module: REMEMBER, options: { generation: 1 } }],
        metrics: { listen: METRICS },
        events: { file: 'eve.json', types: ['engine', 'stats'], statsSeconds: 1 },
      },
      { timeoutMs: PATIENCE_MS },
    );
    const traffic = await startTraffic(road, 500);
    await waitFor(async () => ((await numbersOf(daemon))['seen'] ?? 0) > 100, { what: 'traffic' });
    for (let round = 0; round < 2; round++) {
      const { code, stdout, stderr } = await daemon.cli('upgrade');
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^firehookd \S+ \(pid \d+\) has taken over: remember\.\n/);
      assert.doesNotMatch(stdout, /Note:/);
    }
    const { sent, arrived } = await traffic.end();
    assert.deepEqual([arrived.missing, arrived.twice], [0, 0]);
    await waitFor(async () => (await numbersOf(daemon))['seen'] === sent, { what: 'all datagrams in the counter' });
    const { adoptions, seen, of_flow, of_table } = await numbersOf(daemon);
    assert.deepEqual([seen, of_flow, of_table], [sent, sent, sent]);
    assert.equal(adoptions, 2);
    const { total } = await assertAddsUp(daemon);
    assert.ok(total.received >= sent);
    // What belongs to one daemon alone is now of the last one.
    const pid = await pidOf(daemon);
    const metrics = await road.fw.run('curl', ['-s', `http://${METRICS}/metrics`]);
    assert.match(metrics.stdout, /^firehook_lease_held 1$/m, metrics.stderr);
    const lines = async (): Promise<string[]> =>
      (await readFile(path.join(daemon.folder, 'eve.json'), 'utf8')).split('\n');
    const before = (await lines()).length;
    await waitFor(async () => (await lines()).length > before, {
      what: 'an event of the last one',
      timeoutMs: PATIENCE_MS,
    });
    // It is a whole daemon: it replaces a lane, and reloads.
    const { lane } = await readStatus(daemon);
    process.kill(lane.pid as number, 'SIGKILL');
    await waitFor(async () => (await readStatus(daemon)).lane.restarts === 1, {
      what: 'another lane',
      timeoutMs: PATIENCE_MS,
    });
    await waitFor(async () => (await readStatus(daemon)).state === 'running', {
      what: 'it to run',
      timeoutMs: PATIENCE_MS,
    });
    assert.equal((await daemon.cli('reload')).code, 0);
    assert.equal(await pidOf(daemon), pid);
    await assertPings(road.from, road.address);
    await endSuccessor(daemon, road.fw);
  });

test('what is installed now takes over: another version, from another folder', { skip }, async (t) => {
  const road = await ROADS.bridge(t);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'firehook-versions-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const version of ['0.1.0', '0.2.0']) await install(path.join(folder, version), version);
  const current = path.join(folder, 'current');
  await symlink('0.1.0', current);
  const daemon = await startDaemon(
    road.fw,
    { attach: [road.attach], driver: 'afpacket', hooks: [{ module: STAMP, options: { stamp: 1 } }] },
    { timeoutMs: PATIENCE_MS, program: path.join(current, 'bin/firehookd') },
  );
  assert.equal((await readStatus(daemon)).version, '0.1.0');
  const traffic = await startTraffic(road, 2_000);
  await waitFor(async () => (await readStats(daemon)).total.received > 100, { what: 'traffic' });
  await unlink(current);
  await symlink('0.2.0', current);
  const before = await pidOf(daemon);
  const { code, stdout, stderr } = await daemon.cli('upgrade');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^firehookd 0\.2\.0 \(pid \d+\) has taken over: stamp\.\n/);
  assert.equal((await readStatus(daemon)).version, '0.2.0');
  await waitFor(() => !isThere(before), { what: 'the end of the one before', timeoutMs: PATIENCE_MS });
  const { sent, arrived } = await traffic.end();
  assert.deepEqual([arrived.received, arrived.missing, arrived.twice, arrived.unstamped], [sent, 0, 0, 0]);
  await endSuccessor(daemon, road.fw);
});

/** The package as it would be installed, with another number. */
async function install(folder: string, version: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const part of ['bin', 'dist', 'web', 'src/native/build/Release'])
    await cp(path.join(ROOT, part), path.join(folder, part), {
      recursive: true,
      filter: (file) => !/\/obj\.target(\/|$)/.test(file),
    });
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  const manifest = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8')) as object;
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ ...manifest, version }));
}
