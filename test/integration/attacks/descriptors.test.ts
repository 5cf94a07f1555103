/**
 * No more file descriptors: the daemon lives, tries again, and has its lanes back when there are some.
 *
 * @see getrlimit(2), prlimit(1)
 * @module
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertPings, PATIENCE_MS, stockHook } from '../../support/live.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { lanesOf, linesOf } from './attack.ts';

const HOST = '10.78.0.1';

test('a lane that cannot be started for want of descriptors is started when there are some, and none leaks', {
  skip: rootOnly('ping', 'prlimit'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, {
    attach: [{ host: 'eth0' }],
    driver: 'afpacket',
    hooks: [stockHook('pass-all')],
  });
  const [pid = -1] = await lanesOf(daemon, 1);
  const open = (): number[] => readdirSync(`/proc/${daemon.pid}/fd`).map(Number);
  const before = open().length;
  const [, usual = ''] = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${daemon.pid}/limits`, 'utf8')) ?? [];
  const limit = (most: string | number): Promise<string> =>
    ns.host.output('prlimit', ['--pid', `${daemon.pid}`, `--nofile=${most}:`]);
  // None is left, for the lowest number that is free is out of bounds.
  const taken = new Set(open());
  let free = 0;
  while (taken.has(free)) free += 1;
  await limit(free);
  process.kill(pid, 'SIGKILL');
  const failures = (): number =>
    linesOf(daemon.log).filter(({ msg }) => /EMFILE|Too many open files|cannot be started/i.test(String(msg))).length;
  await waitFor(() => failures() >= 3, { what: 'three starts that fail', timeoutMs: PATIENCE_MS });
  assert.ok(daemon.isRunning);
  // Enough for the numbers of a lane, and not for its channel: what was opened is given back.
  const some = failures();
  await limit(free + 3);
  await waitFor(() => failures() > some, { what: 'a start that fails half way', timeoutMs: PATIENCE_MS });
  await limit(usual);
  await lanesOf(daemon, 1, pid);
  await assertPings(ns.peer, HOST);
  await waitFor(() => open().length <= before, { what: `${before} descriptors, as before`, timeoutMs: PATIENCE_MS });
  assert.equal(await daemon.stop(), 0);
});
