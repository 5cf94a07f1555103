/**
 * `firehook doctor` on hosts that lack one thing each: it names that thing, says what to do, and changes nothing.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { CheckResult } from '../../../src/cli/doctor/check.ts';
import type { DoctorReport } from '../../../src/cli/doctor.ts';
import { startDaemon } from '../../support/daemon.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly } from '../../support/netns.ts';

const FIREHOOK = fileURLToPath(new URL('../../../bin/firehook', import.meta.url));
const FIREHOOKD = fileURLToPath(new URL('../../../bin/firehookd', import.meta.url));
const HOOKS = fileURLToPath(new URL('../../../hooks/', import.meta.url));
const BRIDGE = { attach: [{ bridge: ['lan0', 'wan0'] }], hooks: [{ module: path.join(HOOKS, 'pass-all.ts') }] };
const TIMEOUT_MS = 120_000;

interface Answer extends DoctorReport {
  readonly code: number | null;
}

async function examine(ns: Namespace, args: readonly string[] = [], PATH = process.env['PATH']): Promise<Answer> {
  const command = [FIREHOOK, 'doctor', '--json', ...args];
  const { code, stdout, stderr } = await ns.run(process.execPath, command, { env: { PATH }, timeoutMs: TIMEOUT_MS });
  assert.equal(stderr, '', stdout);
  return { code, ...(JSON.parse(stdout) as DoctorReport) };
}

function find(answer: Answer, status: CheckResult['status'], name: string): CheckResult | undefined {
  return answer.checks.find((check) => check.status === status && check.name === name);
}

function failed(answer: Answer): string[] {
  return answer.checks.filter(({ status }) => status === 'fail').map(({ name, detail }) => `${name}: ${detail}`);
}

async function tempFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'firehook-doctor-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  return folder;
}

async function configFile(t: TestContext, config: object): Promise<string> {
  const file = path.join(await tempFolder(t), 'firehook.yaml');
  await writeFile(file, JSON.stringify(config));
  return file;
}

test('finds nothing to fail on a healthy machine, tries the real plumbing, and leaves nothing', {
  skip: rootOnly(),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const before = await ns.fw.output('ls', ['/sys/class/net']);
  const answer = await examine(ns.fw, ['-c', await configFile(t, BRIDGE)]);
  assert.deepEqual(failed(answer), []);
  assert.deepEqual([answer.code, answer.ok], [0, true]);
  for (const name of ['nft ingress', 'nft egress', 'tc redirect', 'host plumbing', 'bridge plumbing']) {
    assert.notEqual(find(answer, 'ok', name), undefined, `${name} was tried`);
  }
  assert.match(find(answer, 'ok', 'hooks')?.detail ?? '', /pass-all.*loaded as firehook/);
  assert.match(find(answer, 'ok', 'interface lan0')?.detail ?? '', /bridge, up, Ethernet, MTU 1500/);
  assert.equal(find(answer, 'ok', 'leftovers')?.detail, 'none');
  assert.equal(await ns.fw.output('ls', ['/sys/class/net']), before);
  assert.equal(await ns.fw.output('nft', ['list', 'tables']), '');
  assert.doesNotMatch(await ns.fw.output('ip', ['netns', 'list']), /firehook-doctor/);
});

test('prints one line a check for people, without colours in a pipe', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const { code, stdout } = await ns.fw.run(process.execPath, [FIREHOOK, 'doctor'], { timeoutMs: TIMEOUT_MS });
  assert.equal(code, 0, stdout);
  const [checks = '', summary = ''] = stdout.split('\n\n');
  for (const line of checks.split('\n')) assert.match(line, /^(ok {2}|warn|fail) {2}\S/);
  assert.match(summary, /^\d+ ok, \d+ to look at, 0 failed\n$/);
});

test('names nft and its package when PATH lacks it', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const folder = await tempFolder(t);
  for (const tool of ['ip', 'tc', 'ethtool', 'getent']) {
    const found = await ns.fw.output('sh', ['-c', `command -v ${tool}`]);
    await symlink(found.trim(), path.join(folder, tool));
  }
  const answer = await examine(ns.fw, [], folder);
  assert.deepEqual([answer.code, answer.ok], [1, false]);
  const nft = find(answer, 'fail', 'nft');
  assert.match(nft?.detail ?? '', /package nftables/);
  assert.notEqual(nft?.advice, '');
  assert.notEqual(find(answer, 'ok', 'tc'), undefined);
});

test('fails for an interface that is missing and for one that has no Ethernet header', {
  skip: rootOnly(),
}, async (t) => {
  const { ns } = await hostLab(t);
  const file = await configFile(t, { ...BRIDGE, attach: [{ host: 'eth7' }, { tap: 'lo' }] });
  const answer = await examine(ns.host, ['-c', file]);
  assert.equal(answer.code, 1);
  assert.match(find(answer, 'fail', 'interface eth7')?.detail ?? '', /no such interface/);
  assert.match(find(answer, 'fail', 'interface lo')?.detail ?? '', /no Ethernet header/);
  assert.equal(failed(answer).length, 2);
});

test('warns of what may surprise: MTU, addresses, a port that is down, policies', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  await ns.fw.output('ip', ['link', 'set', 'lan0', 'mtu', '9000']);
  await ns.fw.output('ip', ['address', 'add', '10.1.2.3/24', 'dev', 'lan0']);
  await ns.fw.output('ip', ['link', 'set', 'wan0', 'down']);
  const answer = await examine(ns.fw, ['-c', await configFile(t, { ...BRIDGE, policy: { nonIp: 'drop' } })]);
  assert.deepEqual(failed(answer), []);
  assert.equal(answer.code, 0);
  assert.match(find(answer, 'warn', 'MTU')?.detail ?? '', /lan0 has 9000, wan0 has 1500/);
  assert.match(find(answer, 'warn', 'addresses')?.detail ?? '', /lan0 has 10\.1\.2\.3\/24/);
  assert.equal(find(answer, 'warn', 'interface wan0')?.advice, 'ip link set wan0 up');
  assert.match(find(answer, 'warn', 'config')?.detail ?? '', /stops ARP/);
});

test('warns that a host with onDown: drop can lock its administrator out', { skip: rootOnly() }, async (t) => {
  const { ns } = await hostLab(t);
  const answer = await examine(ns.host, ['-c', await configFile(t, { ...BRIDGE, attach: [{ host: 'eth0' }] })]);
  assert.equal(answer.code, 0);
  assert.match(find(answer, 'warn', 'config')?.detail ?? '', /lock an administrator out/);
});

test('fails for a bridge port that belongs to a kernel bridge, and says how to free it', {
  skip: rootOnly(),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const made = await ns.fw.run('ip', ['link', 'add', 'br0', 'type', 'bridge']);
  if (made.code !== 0) return t.skip('needs bridges in the kernel');
  await ns.fw.output('ip', ['link', 'set', 'lan0', 'master', 'br0']);
  const answer = await examine(ns.fw, ['-c', await configFile(t, BRIDGE)]);
  assert.equal(answer.code, 1);
  assert.match(find(answer, 'fail', 'interface lan0')?.advice ?? '', /ip link set lan0 nomaster/);
});

test('names every problem of a configuration that is refused', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const answer = await examine(ns.fw, [
    '-c',
    await configFile(t, { ...BRIDGE, hocks: [], policy: { onDown: 'maybe' } }),
  ]);
  assert.equal(answer.code, 1);
  assert.equal(failed(answer).length, 2);
  assert.match(failed(answer).join('\n'), /hocks: unknown key; did you mean hooks\?/);
  assert.match(failed(answer).join('\n'), /policy\.onDown: "maybe" is not valid/);
});

test('fails when the user of the lanes is missing or cannot read an option file', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const file = await configFile(t, {
    ...BRIDGE,
    hooks: [
      { module: path.join(HOOKS, 'block-list.ts'), options: { file: './list.txt' }, allow: { files: ['./list.txt'] } },
    ],
  });
  const list = path.join(path.dirname(file), 'list.txt');
  await writeFile(list, '192.0.2.0/24\n', { mode: 0o600 });
  const unreadable = await examine(ns.fw, ['-c', file]);
  assert.equal(unreadable.code, 1);
  assert.match(find(unreadable, 'fail', 'hooks')?.detail ?? '', /list\.txt/);
  await chmod(list, 0o644);
  assert.deepEqual(failed(await examine(ns.fw, ['-c', file])), []);

  const stranger = await configFile(t, { ...BRIDGE, lane: { user: 'nosuchuser' } });
  const missing = await examine(ns.fw, ['-c', stranger]);
  assert.equal(missing.code, 1);
  assert.match(find(missing, 'fail', 'lane user')?.advice ?? '', /useradd .*nosuchuser/);
});

test('fails for a configuration that every user can write to', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const file = await configFile(t, BRIDGE);
  await chmod(file, 0o666);
  const answer = await examine(ns.fw, ['-c', file]);
  assert.equal(answer.code, 1);
  assert.equal(find(answer, 'fail', 'file modes')?.advice, `chmod go-w ${file}`);
});

test('tells a running daemon from what a killed one left, and names the way back', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startDaemon(ns.fw, BRIDGE, { timeoutMs: 60_000 });
  const running = await examine(ns.fw, ['-c', daemon.configFile]);
  assert.deepEqual(failed(running), []);
  assert.match(find(running, 'warn', 'attached')?.detail ?? '', /a firehookd runs on it/);
  assert.equal(find(running, 'ok', 'leftovers')?.detail, 'none');
  assert.equal((await daemon.status())['state'], 'running', 'being examined does not disturb it');

  await daemon.kill9();
  const killed = await examine(ns.fw, ['-c', daemon.configFile]);
  assert.equal(find(killed, 'warn', 'attached'), undefined);
  const left = killed.checks.filter(({ name }) => name === 'leftovers');
  assert.deepEqual(left.map(({ detail }) => detail.split(':')[0]).sort(), ['lan0', 'wan0']);
  for (const { status, advice } of left) {
    assert.equal(status, 'warn');
    assert.equal(advice, `take them back: firehookd -c ${daemon.configFile} --undo`);
  }

  await ns.fw.output(process.execPath, [FIREHOOKD, '-c', daemon.configFile, '--undo']);
  assert.equal(find(await examine(ns.fw), 'ok', 'leftovers')?.detail, 'none');
});
