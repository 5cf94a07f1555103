/**
 * `firehook init`: which names it takes, what it makes, and that it changes nothing that is there.
 *
 * What is made is run in `test/integration/cli/init.test.ts`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { sampleCapture } from '../../../src/cli/init/capture.ts';
import { ROOT } from '../../support/documents.ts';

const FIREHOOK = path.join(ROOT, 'bin/firehook');

function stage(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-init-'));
  t.after(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  return folder;
}

function init(cwd: string, ...args: string[]) {
  return spawnSync(process.execPath, [FIREHOOK, 'init', ...args], { cwd, encoding: 'utf8' });
}

/** Every file below a folder but for node_modules, with what is in it. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  return Object.fromEntries(files.map((file) => [path.relative(folder, file), readFileSync(file, 'latin1')]));
}

const FILES = ['.gitignore', 'README.md', 'capture.pcap', 'firehook.yaml', 'hook.test.js', 'package.json'];

describe('a new package', () => {
  test('has its files, and links to this installation in the place of one of its own', (t) => {
    const cwd = stage(t);
    const { status, stdout, stderr } = init(cwd, '@me/firehook-hook-telnet');
    assert.equal(status, 0, stderr);
    const folder = path.join(cwd, 'firehook-hook-telnet');
    assert.deepEqual(
      Object.keys(contents(folder)).sort(),
      [...FILES, 'hook.ts', 'packets.test.ts', 'tsconfig.json'].sort(),
    );
    const modules = path.join(folder, 'node_modules');
    assert.equal(path.resolve(readlinkSync(path.join(modules, 'firehook'))), ROOT.replace(/\/$/, ''));
    for (const name of ['firehook', 'zod']) assert.ok(existsSync(path.join(modules, name, 'package.json')));
    for (const name of ['firehook', 'firehookd']) assert.ok(existsSync(path.join(modules, '.bin', name)));
    // What to do next is said in commands that are there.
    const { scripts } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const commands = Array.from(stdout.matchAll(/^ {2}npm (?:run )?(\w+)/gm), ([, name = '']) => name);
    assert.deepEqual(commands, ['test', 'check', 'replay']);
    for (const name of commands) assert.ok(name in scripts, name);
    assert.match(stdout, /^ {2}cd firehook-hook-telnet$/m);
  });

  test('says in package.json with which firehook it works, and brings no second one', (t) => {
    const cwd = stage(t);
    init(cwd, '@me/telnet', '--js');
    const made = JSON.parse(readFileSync(path.join(cwd, 'telnet/package.json'), 'utf8')) as Record<string, unknown>;
    const own = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };
    assert.equal(made['name'], '@me/telnet');
    assert.deepEqual(made['peerDependencies'], { firehook: `^${own.version}` });
    assert.deepEqual(made['peerDependenciesMeta'], { firehook: { optional: true } });
    assert.deepEqual(made['devDependencies'], { firehook: `^${own.version}` });
    assert.equal(made['exports'], './hook.js');
    assert.deepEqual(
      Object.keys(contents(path.join(cwd, 'telnet'))).sort(),
      [...FILES, 'hook.js', 'packets.test.js'].sort(),
    );
  });

  for (const [name, hook] of [
    ['firehook-hook-telnet', 'telnet'],
    ['@me/firehook-hook-telnet', 'telnet'],
    ['firehook-hook-', 'firehook-hook-'],
    ['a.b_c', 'a-b-c'],
    ['0', '0'],
    ['x'.repeat(100), 'x'.repeat(64)],
  ] as const) {
    test(`${name.slice(0, 30)} has a hook named ${hook.slice(0, 30)}`, (t) => {
      const cwd = stage(t);
      assert.equal(init(cwd, name, '--js').status, 0);
      const text = readFileSync(path.join(cwd, path.basename(name), 'hook.js'), 'utf8');
      assert.ok(text.includes(`  name: '${hook}',`), text);
    });
  }
});

describe('a name', () => {
  for (const name of [
    'Telnet',
    '../telnet',
    '/tmp/telnet',
    'a/b',
    '@me',
    '',
    '.',
    'http',
    'node_modules',
    "a'b",
    'x\ny',
  ]) {
    test(`${JSON.stringify(name)} is refused, and nothing is made`, (t) => {
      const cwd = stage(t);
      const { status, stdout, stderr } = init(cwd, name);
      assert.equal(status, 2, stderr);
      assert.equal(stdout, '');
      assert.match(
        stderr,
        /^firehook: error \[FIREHOOK_USAGE\]: wrong usage: init: ".*" is (?:no name of an npm package|a name that)/,
      );
      assert.deepEqual(readdirSync(cwd), []);
    });
  }

  test('is needed', (t) => {
    const { status, stderr } = init(stage(t));
    assert.equal(status, 2);
    assert.match(stderr, /missing required argument 'name'; see firehook init --help/);
  });
});

describe('what is there', () => {
  test('is not written over, and nothing is written beside it', (t) => {
    const cwd = stage(t);
    mkdirSync(path.join(cwd, 'telnet'));
    writeFileSync(path.join(cwd, 'telnet/hook.ts'), 'mine');
    symlinkSync('nowhere', path.join(cwd, 'telnet/README.md'));
    const before = contents(cwd);
    const { status, stdout, stderr } = init(cwd, 'telnet');
    assert.equal(status, 1, stderr);
    assert.equal(stdout, '');
    assert.match(
      stderr,
      /\[FIREHOOK_INIT\]: cannot make the package: \/.*\/telnet\/hook\.ts is there already \(and 1 more\); nothing was/,
    );
    assert.deepEqual(contents(cwd), before);
    assert.deepEqual(readdirSync(path.join(cwd, 'telnet')).sort(), ['README.md', 'hook.ts']);
  });

  test('and is none of its files stays: a folder with a repository, an installation', (t) => {
    const cwd = stage(t);
    mkdirSync(path.join(cwd, 'telnet/.git'), { recursive: true });
    mkdirSync(path.join(cwd, 'telnet/node_modules/zod'), { recursive: true });
    writeFileSync(path.join(cwd, 'telnet/.git/HEAD'), 'mine');
    writeFileSync(path.join(cwd, 'telnet/node_modules/zod/package.json'), '{}');
    const { status, stderr } = init(cwd, 'telnet');
    assert.equal(status, 0, stderr);
    assert.equal(readFileSync(path.join(cwd, 'telnet/.git/HEAD'), 'utf8'), 'mine');
    assert.equal(readFileSync(path.join(cwd, 'telnet/node_modules/zod/package.json'), 'utf8'), '{}');
    const again = init(cwd, 'telnet');
    assert.equal(again.status, 1);
    assert.match(again.stderr, /package\.json is there already \(and 8 more\)/);
  });

  test('and is no folder is refused with what the system says', (t) => {
    const cwd = stage(t);
    writeFileSync(path.join(cwd, 'telnet'), 'mine');
    const { status, stderr } = init(cwd, 'telnet');
    assert.equal(status, 1, stderr);
    assert.match(stderr, /\[FIREHOOK_INIT\]: cannot make the package: \/.*\/telnet: /);
    assert.equal(readFileSync(path.join(cwd, 'telnet'), 'utf8'), 'mine');
  });
});

test('the capture is the same at each call, and small', () => {
  assert.ok(sampleCapture().equals(sampleCapture()));
  assert.ok(sampleCapture().length < 32 * 1024);
});
