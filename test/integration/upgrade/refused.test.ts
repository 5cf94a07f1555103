/**
 * Upgrades that come to nothing: the daemon that runs goes on, and no other one is left.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Upgraded } from '../../../src/supervisor/upgrade/hand-on.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import {
  assertAddsUp,
  isReached,
  PATIENCE_MS,
  pingsAgain,
  readStats,
  readStatus,
  whileDown,
} from '../../support/live.ts';
import { rootOnly, waitFor } from '../../support/netns.ts';
import { endSuccessor, isThere, pidOf, ROADS, startTraffic } from './live-upgrade.ts';

const REMEMBER = fileURLToPath(new URL('../../fixtures/hooks/reload/remember.ts', import.meta.url));
const skip = rootOnly();

/** Takes long to set up where it is told to: somebody can come in between. */
const HOOK = `
import { defineHook, FORWARD } from 'firehook';
export default defineHook({
  name: 'patient',
  async setup({ slow }) {
    if (slow) await new Promise((resolve) => setTimeout(resolve, 30_000));
    return { onPacket: () => FORWARD };
  },
});
`;

function configOf(road: { readonly attach: object }, slow: boolean, policy: object = {}): Record<string, unknown> {
  return { attach: [road.attach], driver: 'afpacket', hooks: [{ module: './patient.ts', options: { slow } }], policy };
}

/** Processes of the daemon's own program that it has started. */
function successorsOf(pid: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1];
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      return parent === String(pid) && line.includes('bin/firehookd') ? [Number(name)] : [];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

/** Asks for an upgrade, and waits until its successor has lanes, whose hooks take their time. */
async function startSlowUpgrade(
  daemon: Daemon,
): Promise<{ readonly successor: number; readonly done: ReturnType<Daemon['cli']> }> {
  const done = daemon.cli('upgrade');
  const successor = await waitFor(() => successorsOf(daemon.pid)[0] ?? false, {
    what: 'the successor',
    timeoutMs: PATIENCE_MS,
  });
  await waitFor(() => childrenOf(successor).some((line) => line.includes('lane-process')), {
    what: 'its lane',
    timeoutMs: PATIENCE_MS,
  });
  return { successor, done };
}

function childrenOf(pid: number): string[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1];
      return parent === String(pid) ? [readFileSync(`/proc/${name}/cmdline`, 'utf8')] : [];
    } catch {
      return [];
    }
  });
}

test('a configuration that takes a restart, one that is none and one on trial refuse it, and nothing changes', {
  skip,
}, async (t) => {
  const road = await ROADS.bridge(t);
  const daemon = await startDaemon(road.fw, configOf(road, false), {
    files: { 'patient.ts': HOOK },
    timeoutMs: PATIENCE_MS,
  });
  const traffic = await startTraffic(road, 1_000);
  const refuses = async (pattern: RegExp): Promise<void> => {
    const { code, stderr } = await daemon.cli('upgrade');
    assert.notEqual(code, 0);
    assert.match(stderr, pattern);
    assert.deepEqual([await pidOf(daemon), successorsOf(daemon.pid)], [daemon.pid, []]);
  };
  await daemon.writeConfig(configOf(road, false, { onDown: 'forward' }));
  await refuses(/policy\.onDown takes a restart/);
  await daemon.writeConfig({ attach: [] });
  await refuses(/the configuration is not valid/);
  await daemon.writeConfig({
    ...configOf(road, false),
    hooks: [{ module: './patient.ts', options: { slow: false } }, { module: './none.ts' }],
  });
  await refuses(/none\.ts/);
  await daemon.writeConfig(configOf(road, false));
  await writeFile(path.join(daemon.folder, 'trial.yaml'), await readFile(daemon.configFile));
  assert.equal((await daemon.cli('apply', path.join(daemon.folder, 'trial.yaml'), '--confirm-within', '600')).code, 0);
  await refuses(/trial/);
  assert.equal((await daemon.cli('apply', '--cancel')).code, 0);
  const { sent, arrived } = await traffic.end();
  assert.deepEqual([arrived.received, arrived.missing, arrived.twice], [sent, 0, 0]);
  assert.equal((await readStatus(daemon)).leaseHistory.lapses, 0);
  await assertAddsUp(daemon);
  assert.equal(await daemon.stop(), 0);
});

test('a successor that is killed while it gets ready leaves the daemon as it was', { skip }, async (t) => {
  const road = await ROADS.bridge(t);
  const daemon = await startDaemon(road.fw, configOf(road, false), {
    files: { 'patient.ts': HOOK },
    timeoutMs: PATIENCE_MS,
  });
  const traffic = await startTraffic(road, 1_000);
  await daemon.writeConfig(configOf(road, true));
  const { successor, done } = await startSlowUpgrade(daemon);
  process.kill(successor, 'SIGKILL');
  const { code, stderr } = await done;
  assert.notEqual(code, 0);
  assert.match(stderr, /not upgraded: the other firehookd has ended/);
  await waitFor(() => successorsOf(daemon.pid).length === 0, { what: 'nobody else', timeoutMs: PATIENCE_MS });
  await daemon.writeConfig(configOf(road, false));
  assert.equal((await daemon.cli('reload')).code, 0);
  const { sent, arrived } = await traffic.end();
  assert.deepEqual([arrived.received, arrived.missing, arrived.twice], [sent, 0, 0]);
  const { lease, leaseHistory } = await readStatus(daemon);
  assert.deepEqual([lease, leaseHistory.lapses], ['held', 0]);
  await assertAddsUp(daemon);
  assert.equal(await daemon.stop(), 0);
});

test('a daemon that is killed meanwhile takes its successor with it: onDown holds, and the next start has the ports', {
  skip,
}, async (t) => {
  const road = await ROADS.bridge(t);
  const daemon = await startDaemon(road.fw, configOf(road, false), {
    files: { 'patient.ts': HOOK },
    timeoutMs: PATIENCE_MS,
  });
  await daemon.writeConfig(configOf(road, true));
  const { successor, done } = await startSlowUpgrade(daemon);
  await daemon.kill9();
  assert.notEqual((await done).code, 0);
  await waitFor(() => !isThere(successor), { what: 'the end of the successor', timeoutMs: PATIENCE_MS });
  // The kernel has ended the lease by itself; nobody has opened it again.
  await waitFor(async () => !(await isReached(road.from, road.address)), { what: 'onDown', timeoutMs: PATIENCE_MS });
  const next = await startDaemon(road.fw, configOf(road, false), {
    files: { 'patient.ts': HOOK },
    timeoutMs: PATIENCE_MS,
  });
  await pingsAgain(road.from, road.address);
  assert.equal(await next.stop(), 0);
});

test('a control socket that cannot be opened any more costs the answers, and no packet', { skip }, async (t) => {
  const road = await ROADS.bridge(t);
  const daemon = await startDaemon(road.fw, configOf(road, false), {
    files: { 'patient.ts': HOOK },
    timeoutMs: PATIENCE_MS,
  });
  const traffic = await startTraffic(road, 1_000);
  const done = daemon.cli('upgrade', '--json');
  const successor = await waitFor(() => successorsOf(daemon.pid)[0] ?? false, {
    what: 'the successor',
    timeoutMs: PATIENCE_MS,
    intervalMs: 5,
  });
  // Whoever has asked has his connection already.
  await rename(daemon.socket, `${daemon.socket}.old`);
  await mkdir(daemon.socket);
  const { code, stdout, stderr } = await done;
  assert.equal(code, 0, stderr);
  const { pid, notes } = JSON.parse(stdout) as Upgraded;
  assert.equal(pid, successor);
  assert.match(notes.join(), /is there, and is no socket/);
  const { sent, arrived } = await traffic.end();
  assert.deepEqual([arrived.received, arrived.missing, arrived.twice], [sent, 0, 0]);
  process.kill(pid, 'SIGTERM');
  await waitFor(() => !isThere(pid), { what: 'the end of the successor', timeoutMs: PATIENCE_MS });
  assert.match(daemon.log, /Stopped; everything was taken back/);
});

test('a successor that is killed when it has taken over is a daemon that is killed: onDown holds', {
  skip,
}, async (t) => {
  const road = await ROADS.bridge(t);
  const daemon = await startDaemon(road.fw, configOf(road, false), {
    files: { 'patient.ts': HOOK },
    timeoutMs: PATIENCE_MS,
  });
  assert.equal((await daemon.cli('upgrade')).code, 0);
  const successor = await pidOf(daemon);
  process.kill(successor, 'SIGKILL');
  await waitFor(() => !isThere(successor), { what: 'the end of the successor', timeoutMs: PATIENCE_MS });
  await waitFor(async () => !(await isReached(road.from, road.address)), { what: 'onDown', timeoutMs: PATIENCE_MS });
  const next = await startDaemon(road.fw, configOf(road, false), {
    files: { 'patient.ts': HOOK },
    timeoutMs: PATIENCE_MS,
  });
  await pingsAgain(road.from, road.address);
  assert.equal(await next.stop(), 0);
});

for (const driver of ['afpacket', 'pcap'] as const)
  test(`${driver}: a hook that hangs where packets change hands is named, and the lanes before go on where they stood`, {
    skip,
  }, async (t) => {
    const road = await ROADS.bridge(t);
    const config = (fault?: string): Record<string, unknown> => ({
      attach: [road.attach],
      driver,
      hooks: [{ module: REMEMBER, options: { generation: 1, ...(fault === undefined ? {} : { fault }) } }],
    });
    const daemon = await startDaemon(road.fw, config(), { timeoutMs: PATIENCE_MS });
    const traffic = await startTraffic(road, 500);
    await waitFor(async () => (await readStats(daemon)).total.received > 100, { what: 'traffic' });
    await daemon.writeConfig(config('hang'));
    const { code, stderr } = await daemon.cli('upgrade');
    assert.notEqual(code, 0);
    assert.match(stderr, /did not adopt: no answer within 1\.5 s while hook remember was in adopt/);
    assert.equal(await pidOf(daemon), daemon.pid);
    await waitFor(() => successorsOf(daemon.pid).length === 0, { what: 'nobody else', timeoutMs: PATIENCE_MS });
    // Another one takes over as if nothing had been.
    await daemon.writeConfig(config());
    assert.equal((await daemon.cli('upgrade')).code, 0);
    assert.notEqual(await pidOf(daemon), daemon.pid);
    const { sent, arrived } = await traffic.end();
    // For a moment nobody had the packets: they waited, or the kernel counted what found no room. With pcap they went with the lane that hung
    // (docs/reload.md), and are those that no lane has had.
    const stats = await assertAddsUp(daemon);
    const never = stats.ways.reduce((sum, { port }) => sum + (port?.neverHanded ?? 0), 0);
    const lost = stats.kernelDropped + whileDown(stats) + (driver === 'pcap' ? never : 0);
    assert.deepEqual([arrived.twice, arrived.received], [0, sent - lost]);
    await endSuccessor(daemon, road.fw);
  });
