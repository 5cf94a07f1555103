/**
 * Bad input: one line that says what is wrong and what to do, the right exit code, and a kernel as it was.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPings, stockHook } from '../../support/live.ts';
import type { Namespace, Result } from '../../support/netns.ts';
import { hostLab, rootOnly } from '../../support/netns.ts';
import { AS_NOBODY } from '../../support/nobody.ts';
import { fixtureHook, kernelState } from './live-host.ts';

const skip = rootOnly();
const FIREHOOKD = fileURLToPath(new URL('../../../bin/firehookd', import.meta.url));
const NEEDS_TUN = 'an interface without an Ethernet header';
const HOST_ETH0 = [{ host: 'eth0' }];

/** A config that is refused, and how. */
interface Refusal {
  readonly title: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly code: number;
  /** Of the whole line. */
  readonly line: RegExp;
  /** True when `--check --no-interfaces` has to refuse it as well. */
  readonly isFound: boolean;
}

const REFUSALS: readonly Refusal[] = [
  {
    title: 'an interface that does not exist',
    config: { attach: [{ host: 'eth7' }] },
    code: 2,
    line: /"eth7": no such interface; ip link shows what there is/,
    isFound: false,
  },
  {
    title: 'an interface named twice',
    config: { attach: [{ host: 'eth0' }, { tap: 'eth0' }] },
    code: 2,
    line: /attach\[1\].*"eth0" is named twice \(attach\[0\] has it\)/,
    isFound: true,
  },
  {
    title: NEEDS_TUN,
    config: { attach: [{ host: 'tun0' }] },
    code: 2,
    line: /"tun0": it has no Ethernet header.*attach the Ethernet interface below it/,
    isFound: false,
  },
  {
    title: 'the loopback interface',
    config: { attach: [{ host: 'lo' }] },
    code: 2,
    line: /"lo": it has no Ethernet header/,
    isFound: false,
  },
  {
    title: 'more lanes than the driver can serve',
    config: { attach: HOST_ETH0, driver: 'pcap', lanes: 2 },
    code: 2,
    line: /lanes.*2 needs a driver that can share a port by flow.*use lanes: 1/,
    isFound: true,
  },
  {
    title: 'an unknown key',
    config: { attach: HOST_ETH0, polcy: {} },
    code: 2,
    line: /polcy.*unknown key; did you mean policy\?/,
    isFound: true,
  },
  {
    title: 'a value of the wrong type',
    config: { attach: HOST_ETH0, icmp: { code: 'thirteen' } },
    code: 2,
    line: /icmp\.code.*"thirteen" is not valid; expected a whole number, from 0 to 15/,
    isFound: true,
  },
  {
    title: 'a hook file that is not there',
    config: { attach: HOST_ETH0, hooks: [{ module: './nowhere.ts' }] },
    code: 2,
    line: /cannot read the hook: .*nowhere\.ts.*relative to the config file/,
    isFound: true,
  },
  {
    title: 'a hook that throws while it is loaded',
    config: { attach: HOST_ETH0, hooks: [fixtureHook('throws-at-load')] },
    code: 2,
    line: /throws-at-load\.ts.*no luck today/,
    isFound: true,
  },
  {
    title: 'an option file that the lane cannot read',
    config: {
      attach: HOST_ETH0,
      hooks: [{ ...stockHook('block-list', { file: './secret.txt' }), allow: { files: ['./secret.txt'] } }],
    },
    code: 2,
    line: /cannot read "\.\/secret\.txt".*make it readable by the user firehook: chmod o\+r/,
    isFound: true,
  },
  {
    title: 'a lane user that does not exist',
    config: { attach: HOST_ETH0, lane: { user: 'nobody-here' } },
    code: 2,
    line: /wrong lane\.user: "nobody-here": no such user; create it: useradd/,
    isFound: true,
  },
  {
    title: 'root as the lane user',
    config: { attach: HOST_ETH0, lane: { user: 'root' } },
    code: 2,
    line: /wrong lane\.user: "root": hooks never run with root's user or group/,
    isFound: true,
  },
];

test('refuses bad input with one line and changes nothing', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const { code: hasNoTun } = await ns.host.run('ip', ['tuntap', 'add', 'tun0', 'mode', 'tun']);
  if (hasNoTun) t.diagnostic('no tun devices here: the loopback interface alone shows the refusal');
  const before = await kernelState(ns.host);
  for (const { title, config, code, line, isFound } of REFUSALS) {
    if (hasNoTun && title === NEEDS_TUN) continue;
    await t.test(title, async (t) => {
      const file = await writeConfig(t, config);
      assertRefused(await ns.host.run(FIREHOOKD, ['-c', file]), code, line);
      assertRefused(await ns.host.run(FIREHOOKD, ['-c', file, '--check']), code, line);
      const elsewhere = await ns.host.run(FIREHOOKD, ['-c', file, '--check', '--no-interfaces']);
      if (isFound) assertRefused(elsewhere, code, line);
      else assert.match(elsewhere.stdout, /: ok; .*; the interfaces were not looked at\n$/, elsewhere.stderr);
      assert.equal(await kernelState(ns.host), before);
    });
  }
});

test('refuses an interface and a control socket that another daemon has, which goes on', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: HOST_ETH0, hooks: [stockHook('pass-all')] });
  const before = await stateWithoutCounters(ns.host);
  const sameInterface = await writeConfig(t, { attach: HOST_ETH0 });
  assertRefused(
    await ns.host.run(FIREHOOKD, ['-c', sameInterface]),
    1,
    /already attached: "eth0": another firehookd is attached to it; stop the other firehookd first/,
  );
  const sameSocket = await writeConfig(t, { attach: [{ tap: 'eth0' }] }, daemon.socket);
  assertRefused(
    await ns.host.run(FIREHOOKD, ['-c', sameSocket]),
    1,
    /cannot open the control socket: .*another firehookd answers there; stop it, or give this one another/,
  );
  assert.equal(await stateWithoutCounters(ns.host), before);
  await assertPings(ns.peer, '10.78.0.1');
  await assertAddsUp(daemon);
});

test('refuses to run without root, and lets anybody check a config', { skip: rootOnly('setpriv') }, async (t) => {
  const { ns } = await hostLab(t);
  const before = await kernelState(ns.host);
  const file = await writeConfig(t, { attach: HOST_ETH0, hooks: [stockHook('pass-all')] });
  const asNobody = (...args: string[]) => ns.host.run('setpriv', [...AS_NOBODY, FIREHOOKD, '-c', file, ...args]);
  assertRefused(await asNobody(), 4, /not permitted: .*; run as root/);
  assertRefused(await asNobody('--undo'), 4, /not permitted: .*; run as root/);
  for (const checked of [await asNobody('--check'), await ns.host.run(FIREHOOKD, ['-c', file, '--check'])]) {
    assert.equal(checked.code, 0, checked.stderr);
    const hooks = 'hooks in running order: pass-all (0); each met 102 sample packets';
    assert.equal(checked.stdout, `${file}: ok; ${hooks}; interfaces: eth0\n`);
  }
  assert.equal(await kernelState(ns.host), before);
});

test('refuses to start where it could not end a lane', { skip: rootOnly('setpriv') }, async (t) => {
  const { ns } = await hostLab(t);
  const before = await kernelState(ns.host);
  const file = await writeConfig(t, { attach: HOST_ETH0, hooks: [stockHook('pass-all')] });
  const withoutKill = ['--bounding-set=-kill', FIREHOOKD, '-c', file];
  for (const args of [withoutKill, [...withoutKill, '--check']]) {
    assertRefused(
      await ns.host.run('setpriv', args),
      1,
      /the lane failed: firehookd may not end it \(kill: EPERM\); give firehookd CAP_KILL/,
    );
  }
  assert.equal(await kernelState(ns.host), before);
});

function assertRefused({ code, stdout, stderr }: Result, expected: number, line: RegExp): void {
  // What it warns of beforehand is not the refusal: lines of the log, and of `--check`.
  const said = stderr.split('\n').filter((text) => !/^(\{"level":"warn"|firehookd: warning: )/.test(text));
  assert.deepEqual(said.slice(1), [''], stderr);
  assert.match(reasonOf(said[0] ?? ''), line);
  assert.equal(code, expected, stderr);
  assert.equal(stdout, '');
}

/** Of the last line of a log, which is JSON, or of the line of a command. */
function reasonOf(said: string): string {
  const [, code, reason = ''] = /^firehookd: error \[(\w+)\]: (.*)/.exec(said) ?? [];
  if (code !== undefined) return reason;
  const { level, code: logged, msg } = JSON.parse(said) as Record<string, unknown>;
  assert.equal(level, 'fatal');
  assert.match(String(logged), /^FIREHOOK_/);
  return String(msg);
}

/** Writes a config into a folder of its own, with a file beside it that only root can read. */
async function writeConfig(
  t: TestContext,
  config: Readonly<Record<string, unknown>>,
  socket?: string,
): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'firehook-refused-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  await writeFile(path.join(folder, 'secret.txt'), '192.0.2.1\n', { mode: 0o600 });
  const file = path.join(folder, 'firehook.yaml');
  const control = { socket: socket ?? path.join(folder, 'firehook.sock') };
  // Every JSON text is a YAML text.
  await writeFile(file, JSON.stringify({ control, ...config }));
  return file;
}

/** The state of the kernel under a running daemon, less what a moment changes. */
async function stateWithoutCounters(ns: Namespace): Promise<string> {
  return (await kernelState(ns)).replaceAll(/packets \d+ bytes \d+|expires \w+/g, '');
}
