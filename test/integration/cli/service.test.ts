/**
 * firehookd as a service of `Type=notify`: ready when inline is proven, the watchdog fed while packets get verdicts, stopping at its end.
 *
 * Rule: what counts is the order of messages; no time is asserted.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { PATIENCE_MS, readStatus } from '../../support/live.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { manage } from '../../support/notified.ts';

const HOOKED = 'STATUS=running; the hooks decide about eth0';
const DOWN = 'STATUS=lane-down; they do not about eth0';

test('the manager hears that inline is proven, that packets get verdicts, and of the end', {
  skip: rootOnly('python3'),
}, async (t) => {
  const { ns } = await hostLab(t);
  // An abstract name is one of its network namespace.
  const address = path.join(tmpdir(), `firehook-service-${process.pid}`);
  t.after(() => rm(address, { force: true }));
  const manager = await manage(address);
  t.after(() => manager.process.kill('SIGKILL'));
  const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: '400000' };
  const daemon = await startDaemon(
    ns.host,
    { attach: [{ host: 'eth0' }], driver: 'afpacket' },
    { env, timeoutMs: PATIENCE_MS },
  );
  const heard = async (what: string, from = 0): Promise<number> => {
    await waitFor(() => manager.messages.indexOf(what, from) !== -1, { what, timeoutMs: PATIENCE_MS });
    return manager.messages.indexOf(what, from);
  };
  await heard('WATCHDOG=1');
  assert.match(manager.messages[0] ?? '', /^READY=1\nSTATUS=running; the hooks decide about eth0$/);
  const { attaches, lane } = await readStatus(daemon);
  assert.ok(attaches[0]?.proven, 'ready only when it is proven');

  process.kill(lane.pid ?? 0, 'SIGSTOP');
  const downAt = await heard(DOWN);
  const backAt = await heard(HOOKED, downAt);
  assert.ok(!manager.messages.slice(downAt, backAt).includes('WATCHDOG=1'), 'not fed while nothing gets a verdict');
  await heard('WATCHDOG=1', backAt);

  assert.equal(await daemon.stop(), 0);
  const endAt = await heard('STOPPING=1\nSTATUS=Stopping');
  assert.deepEqual(manager.messages.slice(endAt + 1), []);
});
