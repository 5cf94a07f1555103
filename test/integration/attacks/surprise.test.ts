/**
 * An error that nobody expected ends the daemon in one logged line, with the tables in force; stray signals end nothing.
 *
 * The error is a real one in the real daemon: Node itself loads a script into it beforehand (`NODE_OPTIONS`), which throws when
 * the daemon is sent a signal that it does not know.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertPings, isReached, PATIENCE_MS, pingsAgain, stockHook } from '../../support/live.ts';
import { hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { lanesOf, linesOf } from './attack.ts';

const HOST = '10.78.0.1';
const SIGNAL = 'SIGWINCH';
const SURPRISES = {
  thrown: 'throw new Error("nobody \\u001b[2J expected this")',
  rejected: 'Promise.reject(new Error("nobody \\u001b[2J expected this"))',
  'thrown and no error': 'throw Object.create(null)',
} as const;

function start(ns: Namespace, onDown: 'drop' | 'forward', surprise: string): Promise<Daemon> {
  const script = `process.on('${SIGNAL}', () => { ${surprise} })`;
  return startDaemon(
    ns,
    { attach: [{ host: 'eth0' }], driver: 'afpacket', hooks: [stockHook('pass-all')], policy: { onDown } },
    { env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` } },
  );
}

for (const [what, surprise] of Object.entries(SURPRISES)) {
  test(`an error that is ${what} is one line and exit code 1, and onDown: drop holds`, {
    skip: rootOnly('ping'),
  }, async (t) => {
    const { ns } = await hostLab(t);
    const daemon = await start(ns.host, 'drop', surprise);
    await lanesOf(daemon, 1);
    const before = linesOf(daemon.log).length;
    process.kill(daemon.pid, SIGNAL);
    assert.deepEqual(await daemon.exited, { code: 1, signal: null });
    const lines = daemon.log.trimEnd().split('\n').slice(before);
    assert.equal(lines.length, 1, daemon.log);
    // That lanes go with it needs no line of its own.
    const { level, code, msg } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    assert.deepEqual([level, code], ['fatal', 'FIREHOOK_INTERNAL']);
    assert.match(String(msg), /^An unexpected error: .*The daemon ends; policy\.onDown stays in force\.$/s);
    assert.equal(await isReached(ns.peer, HOST), false, 'nothing comes without a hook');
    // What is left is taken over by the next run.
    const next = await startDaemon(ns.host, { attach: [{ host: 'eth0' }], hooks: [stockHook('pass-all')] });
    await assertPings(ns.peer, HOST);
    assert.equal(await next.stop(), 0);
  });
}

test('with onDown: forward traffic goes on after an error that nobody expected', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await start(ns.host, 'forward', SURPRISES.thrown);
  await lanesOf(daemon, 1);
  process.kill(daemon.pid, SIGNAL);
  assert.equal((await daemon.exited).code, 1);
  await pingsAgain(ns.peer, HOST);
  assert.match(await ns.host.output('nft', ['list', 'tables']), /firehook/);
});

test('signals that are no order to stop end nothing, and none of them opens a debugger', {
  skip: rootOnly('ping', 'ss'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: [{ host: 'eth0' }], hooks: [stockHook('pass-all')] });
  const signals = [
    ['SIGHUP', 'generation 2 is in force'],
    ['SIGUSR1', 'SIGUSR1 ignored'],
    ['SIGUSR2', 'SIGUSR2 ignored'],
  ] as const;
  for (const [signal, said] of signals) {
    process.kill(daemon.pid, signal);
    await waitFor(() => daemon.log.includes(said), {
      what: `${signal} in the log`,
      timeoutMs: PATIENCE_MS,
    });
  }
  assert.equal((await ns.host.output('ss', ['-Hltn'])).trim(), '');
  await assertPings(ns.peer, HOST);
  assert.equal(await daemon.stop(), 0);
});
