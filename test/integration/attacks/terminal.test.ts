/**
 * A daemon at root's terminal: a hook cannot type into it, nothing it says does anything to it, and a terminal that stands
 * (^S, a paused screen) costs log lines only.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Daemon } from '../../support/daemon.ts';
import { assertPings, PATIENCE_MS, readStatus } from '../../support/live.ts';
import { hostLab, type Namespace, type RunningProcess, rootOnly, waitFor } from '../../support/netns.ts';
import { FIREHOOKD, HOSTILE, lanesOf, loseLines, NOISY, order, writeConfig } from './attack.ts';

const PTY = fileURLToPath(new URL('terminal.py', import.meta.url));
const HOST = '10.78.0.1';
const TTY_FIELD = 6;

/** The daemon at a terminal; `terminal` is the process that reads it. */
async function startAtTerminal(
  ns: Namespace,
  hook: object,
): Promise<{ readonly daemon: Daemon; readonly terminal: RunningProcess }> {
  const config = { attach: [{ host: 'eth0' }], driver: 'afpacket', hooks: [hook] };
  const { folder, file, socket } = await writeConfig(ns, config, NOISY);
  const terminal = ns.spawn('python3', [PTY, FIREHOOKD, '-c', file], { env: { NO_COLOR: '1' } });
  const daemon = new Daemon(ns, terminal, folder, file, socket);
  await daemon.waitUntilRunning(PATIENCE_MS);
  return { daemon, terminal };
}

/** The number of the terminal of a process; 0 for none (proc(5)). */
function terminalOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 1).split(' ')[TTY_FIELD - 1]);
}

test('a lane has no terminal, and what it prints is harmless at one', { skip: rootOnly('bash') }, async (t) => {
  const { ns } = await hostLab(t);
  const { daemon } = await startAtTerminal(ns.host, HOSTILE);
  const [pid = -1] = await lanesOf(daemon, 1);
  const { pid: supervisor } = await readStatus(daemon);
  assert.notEqual(terminalOf(supervisor), 0, 'the daemon has one');
  assert.equal(terminalOf(pid), 0);
  await order(ns.peer, HOST, 'terminal');
  await waitFor(() => (daemon.log.match(/terminal \S+ (?:E|ERR_)\w+/g) ?? []).length === 4, {
    what: 'four refusals',
    timeoutMs: PATIENCE_MS,
  });
  assert.match(daemon.log, /terminal \/dev\/tty EACCES/);
  assert.doesNotMatch(daemon.log, /typed|owned/);
  await order(ns.peer, HOST, 'binary output');
  await order(ns.peer, HOST, 'failed with escapes');
  await lanesOf(daemon, 1, pid);
  await waitFor(() => daemon.log.includes('owned'), { what: 'the words of the lane', timeoutMs: PATIENCE_MS });
  // The terminal itself makes \r\n of \n; nothing else may be there that is no text.
  assert.doesNotMatch(daemon.log.replaceAll('\r\n', '\n').replaceAll('\n', ''), /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
});

test('a terminal that stands costs log lines, and not traffic, answers or the end', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const { daemon, terminal } = await startAtTerminal(ns.host, { module: './hook.ts' });
  const [pid = -1] = await lanesOf(daemon, 1);
  terminal.kill('SIGUSR1');
  const { pid: supervisor } = await readStatus(daemon);
  await loseLines(daemon);
  process.kill(pid, 'SIGKILL');
  await lanesOf(daemon, 1, pid);
  await assertPings(ns.peer, HOST);
  process.kill(supervisor, 'SIGTERM');
  await waitFor(() => !isThere(supervisor), { what: 'the end of the daemon', timeoutMs: PATIENCE_MS });
  assert.equal((await daemon.exited).code, 0);
});

function isThere(pid: number): boolean {
  try {
    // A process that has ended and was not waited for is a zombie.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
