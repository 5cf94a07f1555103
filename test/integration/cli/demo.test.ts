/**
 * `firehook demo` as `npm run demo` calls it: everything is observed, or it says what was not; nothing stays behind.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DemoReport } from '../../../src/cli/demo.ts';
import { rootOnly, waitFor } from '../../support/netns.ts';
import { AS_NOBODY } from '../../support/nobody.ts';
import { finish, type RunningProcess, startProcess } from '../../support/processes.ts';

const FIREHOOK = fileURLToPath(new URL('../../../bin/firehook', import.meta.url));
const TIMEOUT_MS = 120_000;

const BEFORE = [
  'HTTP passes',
  'telnet is answered',
  'an echo comes back as it was sent',
  'every datagram of a burst arrives',
];
const NAMES = [
  'HTTP passes',
  'a blocked port is refused with an ICMP error',
  'a rewritten payload arrives rewritten',
  'a rate limit bites',
  'the ledger adds up',
];

/** Names of the namespaces that the demo of a process has. */
function namespacesOf({ pid }: RunningProcess): string[] {
  const listed = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout;
  return listed.split('\n').filter((line) => line.startsWith(`firehook-demo-${pid}-`));
}

function demoFolders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('firehook-demo-'));
}

test('shows every scene on live traffic, prints the ledger, and ends with exit code 0', {
  skip: rootOnly(),
}, async () => {
  const foldersBefore = demoFolders();
  const running = startProcess(process.execPath, [FIREHOOK, 'demo']);
  const { code, stdout, stderr } = await finish(running, TIMEOUT_MS);
  assert.equal(code, 0, stdout + stderr);
  const seen = stdout.split('\n').filter((line) => line.startsWith('✓ '));
  assert.deepEqual(
    seen.map((line) => line.slice(2, line.indexOf(':'))),
    [...BEFORE, ...NAMES],
  );
  // The port that is refused afterwards has a server behind it, which is heard without firehook.
  assert.match(
    stdout,
    /^Without firehook.*\n(✓.*\n)*✓ telnet is answered: .*says "Hello from behind the firewall\."$/m,
  );
  assert.match(stdout, /came back as "the password is swordfish"$/m);
  assert.match(stdout, /of 200 datagrams 200 arrived$/m);
  assert.doesNotMatch(stdout, /✗/);
  assert.match(stdout, /got 200, "Hello from behind the firewall\."/);
  assert.match(stdout, /EHOSTUNREACH; ICMP type 3 code 13 /);
  assert.match(stdout, /^reject-port +0 +1$/m);
  assert.match(stdout, /^The ledger adds up\.$/m);
  assert.ok(!(stdout + stderr).includes('\u001b'), 'colours only on a terminal');
  assert.deepEqual(namespacesOf(running), []);
  assert.deepEqual(demoFolders(), foldersBefore);
});

test('works on a machine that has interfaces of the names that the demo uses', { skip: rootOnly() }, async (t) => {
  const machine = `fht-${process.pid}-machine`;
  t.after(() => spawnSync('ip', ['netns', 'del', machine]));
  for (const command of [`netns add ${machine}`, `-n ${machine} link add lan0 type veth peer name wan0`]) {
    assert.equal(spawnSync('ip', command.split(' ')).status, 0, command);
  }
  const running = startProcess('ip', ['netns', 'exec', machine, process.execPath, FIREHOOK, 'demo']);
  const { code, stdout, stderr } = await finish(running, TIMEOUT_MS);
  assert.equal(code, 0, stdout + stderr);
});

test('says the same as JSON', { skip: rootOnly() }, async () => {
  const { code, stdout, stderr } = await finish(
    startProcess(process.execPath, [FIREHOOK, 'demo', '--json']),
    TIMEOUT_MS,
  );
  assert.equal(code, 0, stdout + stderr);
  const report = JSON.parse(stdout) as DemoReport;
  assert.ok(report.mode === 'live');
  assert.equal(report.ok, true);
  assert.deepEqual(
    report.steps.map(({ name, ok }) => [name, ok]),
    NAMES.map((name) => [name, true]),
  );
  assert.deepEqual(
    report.before.map(({ name, ok }) => [name, ok]),
    BEFORE.map((name) => [name, true]),
  );
  assert.equal(report.ledger.addsUp, true);
  assert.equal(report.ledger.total.rejected, 1);
  assert.ok(report.ledger.total.droppedByHook > 0);
});

test('works without curl, and with a path that lacks the system folders', { skip: rootOnly() }, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-path-'));
  t.after(() => rmSync(folder, { recursive: true }));
  // Where getent and curl lie side by side, getent alone is to be found.
  symlinkSync(
    spawnSync('sh', ['-c', 'command -v getent'], { encoding: 'utf8' }).stdout.trim(),
    path.join(folder, 'getent'),
  );
  const running = startProcess(process.execPath, [FIREHOOK, 'demo'], { env: { PATH: folder } });
  const { code, stdout, stderr } = await finish(running, TIMEOUT_MS);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^✓ HTTP passes: fetch got 200/m);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`takes everything away on ${signal}`, { skip: rootOnly() }, async () => {
    const foldersBefore = demoFolders();
    const running = startProcess(process.execPath, [FIREHOOK, 'demo']);
    const inside = await waitFor(
      () => {
        const pids = namespacesOf(running).flatMap((line) =>
          spawnSync('ip', ['netns', 'pids', line.split(' ')[0] ?? ''], { encoding: 'utf8' }).stdout.split('\n'),
        );
        const found = pids.filter((pid) => pid !== '');
        return found.length >= 2 ? found : null;
      },
      { what: 'programs in the namespaces of the demo', timeoutMs: 30_000, intervalMs: 10 },
    );
    running.kill(signal);
    const { code } = await finish(running, TIMEOUT_MS);
    assert.equal(code, signal === 'SIGINT' ? 130 : 143);
    assert.deepEqual(namespacesOf(running), []);
    assert.deepEqual(demoFolders(), foldersBefore);
    await waitFor(() => inside.every((pid) => !existsSync(`/proc/${pid}`)), { what: 'the end of what ran inside' });
  });
}

test('without root says so, and replays the shipped capture through the same hooks', {
  skip: rootOnly('setpriv'),
}, async () => {
  const running = startProcess('setpriv', [...AS_NOBODY, process.execPath, FIREHOOK, 'demo']);
  const { code, stdout, stderr } = await finish(running, TIMEOUT_MS);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stderr, /^Not root/);
  assert.match(stdout, /^40 packets: 31 forwarded, 3 dropped, 6 rejected, 0 lost$/m);
  assert.match(stdout, /^The ledger adds up\.$/m);
});
