/**
 * The reader of the log stands still, or goes away: that costs lines, which are counted and said later, and nothing else.
 *
 * @module
 */

import assert from 'node:assert/strict';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { LogPipe } from '../../chaos/log-pipe.ts';
import type { Daemon } from '../../support/daemon.ts';
import { assertPingCount, PATIENCE_MS, readStatus } from '../../support/live.ts';
import { hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { FIREHOOKD, lanesOf, loseLines, NOISY, QUIET, startBy, writeConfig } from './attack.ts';

const HOST = '10.78.0.1';
const PINGS = 200;
async function startLogged(
  t: TestContext,
  source: string,
): Promise<{ readonly daemon: Daemon; readonly reader: LogPipe; readonly peer: Namespace }> {
  const { ns } = await hostLab(t);
  const config = await writeConfig(
    ns.host,
    {
      attach: [{ host: 'eth0' }],
      driver: 'afpacket',
      hooks: [{ module: './hook.ts' }],
    },
    source,
  );
  const fifo = path.join(config.folder, 'log');
  const reader = new LogPipe(fifo, () => undefined);
  ns.host.defer(async () => reader.close());
  const daemon = await startBy(ns.host, config, `exec "$1" -c "$2" 2>${fifo}`);
  await lanesOf(daemon, 1);
  return { daemon, reader, peer: ns.peer };
}

test('a reader that stands still costs lines, not packets; how many is said when it goes on', {
  skip: rootOnly('ping', 'mkfifo'),
}, async (t) => {
  const { daemon, reader, peer } = await startLogged(t, NOISY);
  reader.stand();
  await assertPingCount(peer, PINGS, HOST);
  assert.equal((await readStatus(daemon)).lease, 'held');
  await loseLines(daemon);
  const { logLinesLost } = await readStatus(daemon);
  assert.match((await daemon.cli('status')).stdout, /lines lost/);
  reader.read();
  await waitFor(() => reader.text.includes('The reader of the log stood still'), {
    what: 'the number of lost lines',
    timeoutMs: PATIENCE_MS,
  });
  assert.ok(Number(/"lines":(\d+)/.exec(reader.text)?.[1]) >= logLinesLost);
  assert.equal(await daemon.stop(), 0);
});

test('a daemon whose reader stands still ends on SIGTERM and takes everything back', {
  skip: rootOnly('ping', 'mkfifo'),
}, async (t) => {
  const { daemon, reader, peer } = await startLogged(t, NOISY);
  reader.stand();
  await loseLines(daemon);
  assert.equal(await daemon.stop(), 0);
  await assertPingCount(peer, 3, HOST);
});

test('a reader that goes away costs lines, and the next one hears of it', {
  skip: rootOnly('ping', 'mkfifo'),
}, async (t) => {
  const { daemon, reader, peer } = await startLogged(t, QUIET);
  const [pid = -1] = await lanesOf(daemon, 1);
  reader.leave();
  process.kill(daemon.pid, 'SIGHUP');
  process.kill(pid, 'SIGKILL');
  await lanesOf(daemon, 1, pid);
  await assertPingCount(peer, PINGS, HOST);
  reader.read();
  process.kill(daemon.pid, 'SIGHUP');
  await waitFor(() => reader.text.includes('lines were lost'), { what: 'the lost lines', timeoutMs: PATIENCE_MS });
  assert.ok(daemon.isRunning);
  assert.equal(await daemon.stop(), 0);
});

test('a start that is refused ends also where nobody reads why', { skip: rootOnly('mkfifo') }, async (t) => {
  const { ns } = await hostLab(t);
  const { folder, file } = await writeConfig(ns.host, { attach: [{ host: 'eth7' }] });
  const fifo = path.join(folder, 'log');
  const reader = new LogPipe(fifo, () => undefined);
  ns.host.defer(async () => reader.close());
  reader.stand();
  const { code } = await ns.host.run('sh', ['-c', `exec "$1" -c "$2" 2>${fifo}`, 'start', FIREHOOKD, file]);
  assert.equal(code, 2);
});
