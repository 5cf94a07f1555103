/**
 * Timed apply on a live bridge: a configuration that nobody confirms goes away by itself, with no packet lost, and whatever happens to the daemon.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS, readStatus } from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

const SCRIPT = fileURLToPath(new URL('../../support/stamped.py', import.meta.url));
const STAMP = fileURLToPath(new URL('../../fixtures/hooks/reload/stamp.ts', import.meta.url));
const FIREHOOKD = fileURLToPath(new URL('../../../bin/firehookd', import.meta.url));
const SERVER = '10.77.0.2';
const skip = rootOnly();

/** A bridge whose hook is a file beside the configuration. */
function config(module: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { attach: [{ bridge: ['lan0', 'wan0'] }], driver: 'afpacket', hooks: [{ module }], ...more };
}

function passing(name: string): string {
  return `import { defineHook, FORWARD } from 'firehook';
export default defineHook({ name: '${name}', checkable: true, setup: () => ({ onPacket: () => FORWARD }) });
`;
}

/** Writes a configuration beside the daemon's own. @returns its path */
async function beside(daemon: Daemon, name: string, content: Readonly<Record<string, unknown>>): Promise<string> {
  const file = path.join(daemon.folder, name);
  await writeFile(file, JSON.stringify({ ...content, control: { socket: daemon.socket } }));
  return file;
}

/** Starts another daemon with the same configuration, where one was killed. */
async function startAgain(ns: Namespace, daemon: Daemon): Promise<void> {
  const running = ns.spawn(FIREHOOKD, ['-c', daemon.configFile]);
  ns.defer(async () => {
    await running.stop(PATIENCE_MS);
  });
  await waitFor(
    async () => (await daemon.cli('status', '--json')).code === 0 && (await readStatus(daemon)).state === 'running',
    {
      what: 'the daemon to be back',
      timeoutMs: PATIENCE_MS,
    },
  );
}

async function hooksOf(daemon: Daemon): Promise<readonly string[]> {
  return (await readStatus(daemon)).hooks;
}

test('what nobody confirms goes back by itself, without its files, and no packet is lost', { skip }, async (t) => {
  const { ns } = await bridgeLab(t);
  const source = await readFile(STAMP, 'utf8');
  const stamping = (module: string, stamp: number) => ({ ...config(module), hooks: [{ module, options: { stamp } }] });
  const daemon = await startDaemon(ns.fw, stamping('./former.ts', 1), {
    timeoutMs: PATIENCE_MS,
    files: { 'former.ts': source, 'new.ts': source },
  });
  const file = await beside(daemon, 'new.yaml', stamping('./new.ts', 2));
  const before = await readFile(daemon.configFile, 'utf8');
  const receiver = ns.server.spawn('python3', [SCRIPT, 'receive', SERVER, '7000']);
  await waitFor(() => receiver.stdout.startsWith('ready'), { what: 'the receiver' });
  const sender = ns.client.spawn('python3', [SCRIPT, 'send', SERVER, '7000', '20000']);
  const { code, stdout, stderr } = await daemon.cli('apply', file, '--confirm-within', '3');
  assert.equal(code, 0, `${stderr}\n${daemon.log}`);
  assert.match(stdout, /In 3 s the former configuration comes back, unless you say: firehook confirm/);
  const { trial } = await readStatus(daemon);
  assert.deepEqual([trial?.file, trial?.former.generation, trial?.former.hooks], [file, 1, ['stamp']]);
  assert.match((await daemon.cli('status')).stdout, /new\.yaml for [123] s more: firehook confirm keeps it/);
  await rm(path.join(daemon.folder, 'former.ts'));
  await waitFor(async () => (await readStatus(daemon)).trial === null, { what: 'the end', timeoutMs: PATIENCE_MS });
  const { generation, lastTrial, lane } = await readStatus(daemon);
  assert.deepEqual([generation, lastTrial?.end, lane.restarts], [3, 'expired', 0]);
  assert.match(
    daemon.log,
    /Went back from .*new\.yaml, which nobody confirmed: generation 3 is in force; packets waited/,
  );
  sender.kill('SIGTERM');
  await sender.exited;
  receiver.kill('SIGTERM');
  await receiver.exited;
  const arrived = JSON.parse(receiver.stdout.split('\n')[1] ?? '') as Record<string, number> & { stamps: object };
  const { kernelDropped } = await assertAddsUp(daemon);
  t.diagnostic(`${sender.stdout.trim()} sent; ${JSON.stringify(arrived)}; dropped by the kernel: ${kernelDropped}`);
  assert.deepEqual([arrived['missing'], arrived['twice'], arrived['unstamped']], [kernelDropped, 0, 0]);
  assert.deepEqual(Object.keys(arrived.stamps).sort(), ['1', '2']);
  assert.equal(await readFile(daemon.configFile, 'utf8'), before);
});

test('a killed supervisor comes back with the former configuration, and after a confirmation with the new one', {
  skip,
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startDaemon(ns.fw, config('./former.ts'), {
    timeoutMs: PATIENCE_MS,
    files: { 'former.ts': passing('former'), 'new.ts': passing('new') },
  });
  const file = await beside(daemon, 'new.yaml', config('./new.ts'));
  const restarting = await beside(daemon, 'restart.yaml', config('./new.ts', { driver: 'pcap' }));
  const refused = await daemon.cli('apply', restarting);
  assert.deepEqual([refused.code, /driver takes a restart/.test(refused.stderr)], [2, true], refused.stderr);
  assert.equal((await readStatus(daemon)).generation, 1);

  assert.equal((await daemon.cli('apply', file, '--confirm-within', '600')).code, 0, daemon.log);
  assert.deepEqual(await hooksOf(daemon), ['new']);
  for (const words of [['reload'], ['apply', file]]) {
    const { code, stderr } = await daemon.cli(...words);
    assert.equal(code, 1);
    assert.match(stderr, /new\.yaml is in force until it is confirmed/);
  }
  assert.equal((await daemon.cli('apply', '--cancel')).code, 0, daemon.log);
  assert.deepEqual(await hooksOf(daemon), ['former']);
  assert.match((await daemon.cli('confirm')).stderr, /no configuration is in force for a while only/);

  assert.equal((await daemon.cli('apply', file, '--confirm-within', '600')).code, 0, daemon.log);
  await daemon.kill9();
  await startAgain(ns.fw, daemon);
  assert.deepEqual(await hooksOf(daemon), ['former']);
  assert.equal((await readStatus(daemon)).trial, null);

  assert.equal((await daemon.cli('apply', file, '--confirm-within', '600')).code, 0);
  const { code, stdout } = await daemon.cli('confirm', '--json');
  assert.deepEqual([code, (JSON.parse(stdout) as { hooks: unknown }).hooks], [0, ['new']]);
  assert.equal((await readStatus(daemon)).lastTrial?.end, 'confirmed');
  assert.equal(await readFile(daemon.configFile, 'utf8'), await readFile(file, 'utf8'));
  process.kill((await readStatus(daemon)).pid, 'SIGKILL');
  await waitFor(async () => (await daemon.cli('status')).code !== 0, { what: 'the end of firehookd' });
  await startAgain(ns.fw, daemon);
  assert.deepEqual(await hooksOf(daemon), ['new']);
});
