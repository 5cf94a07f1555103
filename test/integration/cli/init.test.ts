/**
 * What `firehook init` makes, run as its author would: its test, the check, the replay, the compiler, and the way into a configuration as an
 * npm package.
 *
 * Rule: no network and no installation. The links that init makes are this checkout; the compiler is that of this checkout.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { ReplayReport } from '../../../src/cli/replay-report.ts';
import { ROOT } from '../../support/documents.ts';
import { finish, startProcess } from '../../support/processes.ts';

const TIMEOUT_MS = 120_000;
const FIREHOOK = path.join(ROOT, 'bin/firehook');
const FIREHOOKD = path.join(ROOT, 'bin/firehookd');
const NAME = '@me/firehook-hook-telnet';

async function run(command: string, args: readonly string[], cwd: string) {
  // A runner of tests that is started by another one would report to it.
  return finish(startProcess(command, [...args], { cwd, env: { NODE_TEST_CONTEXT: undefined } }), TIMEOUT_MS);
}

async function succeed(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, cwd);
  assert.equal(code, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

function stage(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-init-'));
  t.after(() => rmSync(folder, { recursive: true }));
  // Started by root, hooks are read by another user.
  chmodSync(folder, 0o755);
  return folder;
}

/** Makes a package, and returns its folder. */
async function make(t: TestContext, ...options: string[]): Promise<string> {
  const cwd = stage(t);
  await succeed(process.execPath, [FIREHOOK, 'init', NAME, ...options], cwd);
  return path.join(cwd, 'firehook-hook-telnet');
}

for (const [language, ...options] of [['TypeScript'], ['JavaScript', '--js']] as const) {
  describe(`a package in ${language}`, () => {
    test('passes its own test, by npm and by node alone, also in another folder than its own', async (t) => {
      const folder = await make(t, ...options);
      for (const said of [
        await succeed('npm', ['test'], folder),
        await succeed(process.execPath, ['--test'], folder),
      ]) {
        // Node.js before 22.18 leaves out what is in TypeScript.
        assert.match(said, language === 'TypeScript' ? /^# pass [14]$/m : /^# pass 4$/m);
        assert.match(said, /^# fail 0$/m);
      }
      await succeed(process.execPath, ['--test', path.join(folder, 'hook.test.js')], ROOT);
    });

    test('has a test that fails when the hook does something else', async (t) => {
      const folder = await make(t, ...options);
      const file = path.join(folder, language === 'TypeScript' ? 'hook.ts' : 'hook.js');
      writeFileSync(file, readFileSync(file, 'utf8').replace('? DROP : FORWARD', '? FORWARD : DROP'));
      const { code, stdout } = await run(process.execPath, ['--test'], folder);
      assert.equal(code, 1);
      assert.match(stdout, /^# fail [1-3]$/m);
    });

    test('is accepted by firehookd --check, and replays its capture', async (t) => {
      const folder = await make(t, ...options);
      const config = path.join(folder, 'firehook.yaml');
      const checked = await run(process.execPath, [FIREHOOKD, '-c', config, '--check', '--no-interfaces'], ROOT);
      assert.equal(checked.code, 0, checked.stderr);
      assert.match(checked.stdout, /ok; hooks in running order: telnet \(0\); each met \d+ sample packets/);
      assert.equal(checked.stderr, '');
      assert.equal(
        await succeed('npm', ['run', '--silent', 'check'], folder),
        checked.stdout.replace(config, 'firehook.yaml'),
      );

      const capture = path.join(folder, 'capture.pcap');
      const report = await succeed(process.execPath, [FIREHOOK, 'replay', capture, '-c', config, '--json'], ROOT);
      const { hooks, packets, addsUp } = JSON.parse(report) as ReplayReport;
      assert.deepEqual([hooks[0]?.name, hooks[0]?.dropped, hooks[0]?.faults, addsUp], ['telnet', 2, 0, true]);
      assert.match(await succeed('npm', ['run', '--silent', 'replay'], folder), new RegExp(`^${packets} packets: `));
    });

    test('is packed by npm, and runs by its name where it is installed', async (t) => {
      const folder = await make(t, ...options);
      symlinkSync(path.join(ROOT, 'node_modules/typescript/bin/tsc'), path.join(folder, 'node_modules/.bin/tsc'));
      const [packed] = JSON.parse(await succeed('npm', ['pack', '--json', '--silent'], folder)) as {
        readonly filename: string;
        readonly files: readonly { readonly path: string }[];
      }[];
      const code = language === 'TypeScript' ? ['dist/hook.d.ts', 'dist/hook.js'] : ['hook.js'];
      assert.deepEqual(packed?.files.map((file) => file.path).sort(), ['README.md', ...code, 'package.json'].sort());

      const etc = stage(t);
      const installed = path.join(etc, 'node_modules', NAME);
      mkdirSync(installed, { recursive: true });
      await succeed('tar', ['-xzf', path.join(folder, packed.filename), '-C', installed, '--strip-components=1'], etc);
      // What npm would install beside it.
      cpSync(path.join(ROOT, 'node_modules/zod'), path.join(etc, 'node_modules/zod'), { recursive: true });
      await succeed('chmod', ['-R', 'go+rX,go-w', etc], etc);
      await succeed('chown', ['-R', String(process.getuid?.()), etc], etc);
      const config = path.join(etc, 'firehook.yaml');
      const hook = { module: NAME, options: { ports: [23] } };
      writeFileSync(config, JSON.stringify({ attach: [{ bridge: ['lan0', 'wan0'] }], hooks: [hook] }), { mode: 0o644 });
      const args = [FIREHOOKD, '-c', config, '--check', '--no-interfaces'];
      const checked = await run(process.execPath, args, etc);
      assert.equal(checked.code, 0, checked.stderr);
      assert.match(checked.stdout, /telnet \(0\)/);
      // No warning: it says with which firehook it works.
      assert.equal(checked.stderr, '');

      const manifest = path.join(installed, 'package.json');
      const text = readFileSync(manifest, 'utf8');
      writeFileSync(manifest, text.replaceAll(/"firehook": "\^[^"]+"/g, '"firehook": "^99.0.0"'));
      const refused = await run(process.execPath, args, etc);
      assert.equal(refused.code, 2, refused.stdout);
      assert.match(refused.stderr, /\[FIREHOOK_HOOK_VERSION\].*works with firehook \^99\.0\.0/);
    });
  });
}

test('the test in TypeScript passes with a loader, where Node.js needs one', async (t) => {
  const folder = await make(t);
  const args = ['--import', import.meta.resolve('tsx'), '--test', 'packets.test.ts'];
  assert.match(await succeed(process.execPath, args, folder), /^# pass 3$/m);
});

test('the compiler takes a package in TypeScript, and refuses another version of the interface', async (t) => {
  const folder = await make(t);
  const tsc = [path.join(ROOT, 'node_modules/typescript/bin/tsc')];
  await succeed(process.execPath, tsc, folder);
  const file = path.join(folder, 'hook.ts');
  writeFileSync(file, readFileSync(file, 'utf8').replace('api: 1', 'api: 2'));
  const { code, stdout } = await run(process.execPath, tsc, folder);
  assert.notEqual(code, 0);
  assert.match(stdout, /hook\.ts.*Type '2' is not assignable to type '1'/);
});
