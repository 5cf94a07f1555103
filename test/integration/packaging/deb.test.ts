/**
 * Promise: `npm run deb` makes a Debian package that dpkg takes apart again: the program, the unit, the user, the manual, completions;
 * and what is in it runs.
 *
 * It was installed by hand on fresh roots of Debian 12 and 13 (docs/operations.md); here it is unpacked, which changes nothing.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { finish, startProcess } from '../../support/processes.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TIMEOUT_MS = 150_000;
const COMMANDS = ['status', 'stats', 'hooks', 'pool', 'ioctl', 'replay', 'init', 'doctor', 'demo'];

async function succeed(command: string, args: readonly string[], cwd = ROOT): Promise<string> {
  // A runner of tests that is started by another one would report to it.
  const started = startProcess(command, [...args], { cwd, env: { NODE_TEST_CONTEXT: undefined } });
  const { code, stdout, stderr } = await finish(started, TIMEOUT_MS);
  assert.equal(code, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

test('the Debian package', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'firehook-deb-'));
  // Hooks are read by the user of the lanes.
  chmodSync(folder, 0o755);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const deb = /^(\S+\.deb): /m.exec(await succeed('packaging/deb/build', [folder]))?.[1] ?? '';
  const tree = path.join(folder, 'tree');
  await succeed('dpkg-deb', ['--extract', deb, tree]);
  const read = (name: string): string => readFileSync(path.join(tree, name), 'utf8');
  const page = (name: string): string => gunzipSync(readFileSync(path.join(tree, 'usr/share/man', name))).toString();

  await t.test('says what it needs, and belongs to root', async () => {
    assert.match(await succeed('dpkg-deb', ['--field', deb, 'Depends']), /nodejs \(>= 20\.19\), libc6 \(>= 2\.3\d\)/);
    const files = (await succeed('dpkg-deb', ['--contents', deb])).trim().split('\n');
    assert.deepEqual(
      files.filter((line) => !/^\S+ root\/root /.test(line)),
      [],
    );
    // Nobody but root may change what root runs.
    assert.deepEqual(
      files.filter((line) => /^[-d].{4}w|^[-d].{7}w/.test(line)),
      [],
    );
  });

  await t.test('has the unit, the user and no path of this machine', () => {
    assert.match(read('usr/lib/systemd/system/firehook.service'), /^ExecStart=\/usr\/sbin\/firehookd -c /m);
    assert.match(read('usr/lib/sysusers.d/firehook.conf'), /^u firehook - /m);
    for (const name of ['bridge', 'host', 'tap']) {
      assert.match(read(`usr/share/doc/firehook/examples/${name}.yaml`), /module: \/usr\/lib\/firehook\/hooks\//);
    }
  });

  await t.test('its manual and completions have every command and every key', () => {
    const manual = page('man1/firehook.1.gz');
    for (const command of COMMANDS) {
      assert.match(manual, new RegExp(`^\\.SS ${command}$`, 'm'));
      assert.match(read('usr/share/bash-completion/completions/firehook'), new RegExp(`^ +${command}\\) words=`, 'm'));
      assert.match(read('usr/share/fish/vendor_completions.d/firehook.fish'), new RegExp(` -a ${command} `));
    }
    assert.match(page('man8/firehookd.8.gz'), /^\.B .*\\-\\-check/m);
    for (const key of ['attach', 'driver', 'policy.onDown', 'hooks[].module']) {
      assert.ok(page('man5/firehook.yaml.5.gz').includes(`\n.B ${key}\n`), key);
    }
  });

  await t.test('bash completes commands, options and choices', async () => {
    const script = path.join(tree, 'usr/share/bash-completion/completions/firehook');
    const complete = async (...words: string[]): Promise<string> => {
      const line = `source '${script}'; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _firehook; echo "\${COMPREPLY[@]}"`;
      return (await succeed('bash', ['-c', line])).trim();
    };
    assert.equal(await complete('firehook', 'do'), 'doctor');
    assert.equal(await complete('firehook', 'replay', '--dir'), '--direction');
    assert.equal(await complete('firehook', 'replay', '--direction', ''), 'in out');
  });

  await t.test('zsh completes commands, options and choices', async () => {
    const script = fileURLToPath(new URL('complete.zsh', import.meta.url));
    const folder = path.join(tree, 'usr/share/zsh/vendor-completions');
    const complete = (line: string, pattern: string): Promise<string> =>
      succeed('zsh', ['-f', script, folder, line, pattern]);
    await complete('firehook ', '*demo*doctor*status*what the daemon is doing*');
    await complete('firehook replay --d', '*--direction*');
    await complete('firehook replay --direction ', '*--direction *in*out*');
    await complete('firehookd --', '*--check*--undo*');
  });

  await t.test('what is in it runs', async () => {
    const firehook = path.join(tree, 'usr/bin/firehook');
    const hook = path.join(tree, 'usr/lib/firehook/hooks/reject-port.ts');
    const capture = path.join(tree, 'usr/lib/firehook/config/demo.pcap');
    assert.match(
      await succeed(firehook, ['replay', capture, '--hook', hook.replace('reject-port', 'pass-all')]),
      /40 packets: 40 forwarded/,
    );
  });

  await t.test('init makes a package with it, whose test passes', async () => {
    await succeed(path.join(tree, 'usr/bin/firehook'), ['init', 'made'], folder);
    assert.match(await succeed(process.execPath, ['--test'], path.join(folder, 'made')), /^# pass [14]$/m);
  });
});
