/**
 * Hooks in npm packages: which file it is, for which firehook it is, and what each refusal says.
 *
 * Rule under test: nothing of a package runs, and what comes out of it lies in it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { locateModule } from '../../../src/config/hook-module.ts';
import { type BundledHook, bundleModules } from '../../../src/hook/bundle-hook.ts';
import { loadHook } from '../../../src/hook/load-hook.ts';
import { HOOK_MODULE_NAMES, HOOK_MODULES } from '../../../src/hook-modules.ts';

const FITS = { firehook: '^0.1.0' };

const hookNamed = (name: string, more = 'api: 1,') =>
  `import { defineHook, FORWARD } from 'firehook';\nexport default defineHook({ name: '${name}', ${more} onPacket: () => FORWARD });\n`;

const manifest = (more: object) => JSON.stringify({ name: 'foo', version: '1.2.0', peerDependencies: FITS, ...more });

/** Makes a temporary folder with these files; an object is the package.json of a package. */
function stage(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-package-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

async function bundle(folder: string, text: string, version = '0.1.0'): Promise<BundledHook> {
  const [[hook] = []] = await bundleModules([locateModule(text, folder)], HOOK_MODULE_NAMES, { version });
  assert.ok(hook !== undefined);
  return hook;
}

const nameIn = (hook: BundledHook): string => loadHook(hook, HOOK_MODULES).name;

describe('the hook of a package', () => {
  test('is what exports has for import, not what it has for require, and each subpath is another', async (t) => {
    const folder = stage(t, {
      'node_modules/foo/package.json': manifest({
        exports: {
          '.': { types: './main.d.ts', require: './main.cjs', import: './main.js' },
          './strict': { default: './strict.ts' },
          './parts/*': './lib/*.js',
        },
        main: './old.js',
      }),
      'node_modules/foo/main.cjs': 'module.exports = 1;',
      'node_modules/foo/old.js': 'export default 1;',
      'node_modules/foo/main.js': hookNamed('main'),
      'node_modules/foo/strict.ts': hookNamed('strict'),
      'node_modules/foo/lib/one.js': hookNamed('one'),
    });
    for (const [text, file, subpath] of [
      ['foo', 'main.js', '.'],
      ['foo/strict', 'strict.ts', './strict'],
      ['foo/parts/one', 'lib/one.js', './parts/one'],
    ] as const) {
      const hook = await bundle(folder, text);
      assert.equal(hook.path, path.join(folder, 'node_modules/foo', file));
      assert.deepEqual(hook.package, { name: 'foo', subpath, version: '1.2.0' });
      assert.deepEqual(hook.warnings, []);
      assert.equal(nameIn(hook), path.parse(file).name);
    }
  });

  test('is what main names where there are no exports, and any file of the package is a subpath', async (t) => {
    const folder = stage(t, {
      'node_modules/@me/foo/package.json': manifest({ main: 'dist/hook' }),
      'node_modules/@me/foo/dist/hook.js': hookNamed('by-main'),
      'node_modules/@me/foo/other.mjs': hookNamed('by-file'),
      'node_modules/bar/package.json': manifest({}),
      'node_modules/bar/index.js': hookNamed('by-index'),
    });
    assert.equal(nameIn(await bundle(folder, '@me/foo')), 'by-main');
    assert.equal(nameIn(await bundle(folder, '@me/foo/other.mjs')), 'by-file');
    assert.equal(nameIn(await bundle(folder, 'bar')), 'by-index');
  });

  test('is found also in a package that says that it has no side effects', async (t) => {
    const folder = stage(t, {
      'node_modules/foo/package.json': manifest({ main: 'hook.js', sideEffects: false }),
      'node_modules/foo/hook.js': hookNamed('pure'),
    });
    assert.equal(nameIn(await bundle(folder, 'foo')), 'pure');
  });

  test('may be a link, as npm link and pnpm make them, and finds what it depends on where it lies', async (t) => {
    const imports = `import { name } from 'dep';\n${hookNamed('x').replace("'x'", 'name')}`;
    const folder = stage(t, {
      'checkout/foo/package.json': manifest({ main: 'hook.js' }),
      'checkout/foo/hook.js': imports,
      'checkout/foo/node_modules/dep/index.js': "export const name = 'linked';",
      'etc/node_modules/.pnpm/foo@1/node_modules/foo/package.json': manifest({ main: 'hook.js' }),
      'etc/node_modules/.pnpm/foo@1/node_modules/foo/hook.js': imports,
      'etc/node_modules/.pnpm/foo@1/node_modules/dep/index.js': "export const name = 'of-pnpm';",
    });
    const etc = path.join(folder, 'etc');
    symlinkSync('../../checkout/foo', path.join(etc, 'node_modules/linked'));
    symlinkSync('.pnpm/foo@1/node_modules/foo', path.join(etc, 'node_modules/foo'));
    const linked = await bundle(etc, 'linked');
    assert.equal(linked.path, path.join(folder, 'checkout/foo/hook.js'));
    assert.equal(nameIn(linked), 'linked');
    assert.equal(nameIn(await bundle(etc, 'foo')), 'of-pnpm');
  });

  test('comes with the id of its package.json, so that who else may write it is looked at', async (t) => {
    const folder = stage(t, {
      'node_modules/foo/package.json': manifest({ main: 'hook.js' }),
      'node_modules/foo/hook.js': hookNamed('foo'),
    });
    const { files } = await bundle(folder, 'foo');
    const read = files.filter(({ id }) => id !== '').map(({ path: file }) => path.relative(folder, file));
    assert.deepEqual(read.sort(), ['node_modules/foo/hook.js', 'node_modules/foo/package.json']);
  });

  test('of the Windows interface has the name of its package, and needs to say no version of firehook', async (t) => {
    const folder = stage(t, {
      'node_modules/@me/foo.bar/package.json': manifest({ exports: { '.': './dist/index.js', './b': './dist/b.js' } }),
      'node_modules/@me/foo.bar/dist/index.js': 'export function firewallHook() { return 0; }',
      'node_modules/@me/foo.bar/dist/b.js': 'export function DriverEntry() { return 0; }',
    });
    assert.equal(nameIn(await bundle(folder, '@me/foo.bar')), 'foo-bar');
    assert.equal(nameIn(await bundle(folder, '@me/foo.bar/b')), 'foo-bar-b');
  });
});

describe('the versions of firehook that a package works with', () => {
  const withRange = (t: TestContext, peerDependencies: unknown, more: object = {}): string =>
    stage(t, {
      'node_modules/foo/package.json': JSON.stringify({ version: '1.2.0', main: 'hook.js', peerDependencies, ...more }),
      'node_modules/foo/hook.js': hookNamed('foo'),
    });

  for (const [range, version] of [
    ['^0.1.0', '0.1.0'],
    ['^0.1.0', '0.1.9'],
    ['>=0.1.0 <2', '1.7.3'],
    ['0.1.x || 0.2.x', '0.2.5'],
    ['0.1 - 0.3', '0.3.9'],
    ['~1.2', '1.2.3'],
    ['*', '3.0.0'],
    ['', '3.0.0'],
    // One that is not released yet is judged as what it will be.
    ['^0.2.0-rc.1', '0.2.0-rc.2'],
    ['>=0.1.0', '0.2.0-rc.1'],
  ] as const) {
    test(`${version} is in ${range === '' ? 'the empty range' : range}`, async (t) => {
      assert.deepEqual((await bundle(withRange(t, { firehook: range }), 'foo', version)).warnings, []);
    });
  }

  for (const [range, version] of [
    ['^0.1.0', '0.2.0'],
    ['^0.2.0', '0.1.0'],
    ['^1.0.0', '2.0.0'],
    ['1.2.3', '1.2.4'],
    ['^0.1.0', '0.2.0-rc.1'],
  ] as const) {
    test(`${version} is not in ${range}, and the refusal has both and what to do`, async (t) => {
      const folder = withRange(t, { firehook: range });
      await assert.rejects(bundle(folder, 'foo', version), {
        code: 'FIREHOOK_HOOK_VERSION',
        hook: path.join(folder, 'node_modules/foo'),
        message: `the hook is for another version of firehook: package foo 1.2.0 works with firehook ${range} (peerDependencies in ${folder}/node_modules/foo/package.json), and this is firehook ${version}; install a version of foo that works with ${version}, or firehook ${range}`,
      });
    });
  }

  for (const peers of [undefined, null, {}, 'firehook', { other: '^1.0.0' }]) {
    test(`are not said by ${JSON.stringify(peers)}, which is warned of`, async (t) => {
      assert.deepEqual((await bundle(withRange(t, peers), 'foo')).warnings, [
        'package foo 1.2.0 does not say with which versions of firehook it works: its author should write into its package.json: "peerDependencies": { "firehook": "^0.1.0" }',
      ]);
    });
  }

  for (const range of ['workspace:^', 'latest', 7, { x: 1 }, `${'0.1.0 || '.repeat(99)}0.1.0`]) {
    test(`are not known from ${JSON.stringify(range).slice(0, 20)}, which is warned of`, async (t) => {
      const { warnings } = await bundle(withRange(t, { firehook: range }), 'foo', '0.1.0');
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] ?? '', /^package foo 1\.2\.0 says that it works with firehook .*no range/);
    });
  }

  test('are told without the version of a package that has none, or none that can be shown', async (t) => {
    for (const version of [undefined, 7, 'x\ny', '1'.repeat(65)]) {
      const { warnings } = await bundle(withRange(t, undefined, { version }), 'foo');
      assert.match(warnings[0] ?? '', /^package foo does not say/);
    }
  });
});

describe('a package is refused', () => {
  const refused = async (folder: string, text: string, message: RegExp): Promise<void> => {
    await assert.rejects(bundle(folder, text), { code: 'FIREHOOK_HOOK_UNREADABLE', message });
  };

  test('that exports no such module, or disabled it, or exports it for require only', async (t) => {
    const exports = { './strict': './strict.js', './closed': null, './old': { require: './old.cjs' } };
    const folder = stage(t, {
      'node_modules/foo/package.json': manifest({ exports }),
      'node_modules/foo/strict.js': hookNamed('strict'),
      'node_modules/foo/inner.js': hookNamed('inner'),
      'node_modules/foo/old.cjs': '',
    });
    await refused(folder, 'foo', /package foo 1\.2\.0: The path "\." is not exported by package "foo"$/);
    await refused(folder, 'foo/inner.js', /The path "\.\/inner\.js" is not exported by package "foo"$/);
    await refused(folder, 'foo/closed', /explicitly disabled by the package author/);
    await refused(folder, 'foo/old', /The path "\.\/old" is not currently exported by package "foo"$/);
  });

  test('whose file is not there: it was not built', async (t) => {
    const folder = stage(t, {
      'node_modules/foo/package.json': manifest({ exports: './dist/hook.js' }),
      'node_modules/bar/package.json': manifest({ main: './dist/hook.js' }),
    });
    await refused(folder, 'foo', /The module "\.\/dist\/hook\.js" was not found on the file system; was it built\?$/);
    await refused(folder, 'bar', /node_modules\/bar: package bar 1\.2\.0 has no file for "\."; was it built\?$/);
    await refused(folder, 'bar/strict.js', /has no file for "\.\/strict\.js"; was it built\?$/);
  });

  test('that leads out of itself, by main or by a link', async (t) => {
    const folder = stage(t, {
      'node_modules/foo/package.json': manifest({ main: '../../hook.js' }),
      'node_modules/bar/package.json': manifest({ exports: './hook.js' }),
      'node_modules/builtin/package.json': manifest({ main: 'node:fs' }),
      'hook.js': hookNamed('outside'),
    });
    symlinkSync('../../hook.js', path.join(folder, 'node_modules/bar/hook.js'));
    for (const name of ['foo', 'bar'])
      await refused(
        folder,
        name,
        new RegExp(`package ${name} 1\\.2\\.0 leads to ${folder}/hook\\.js, which is not in`),
      );
    await refused(folder, 'builtin', /has no file for/);
  });

  test('whose package.json is not there, is no JSON object, or is no file; what it has in it is not quoted', async (t) => {
    const folder = stage(t, {
      'node_modules/none/index.js': hookNamed('none'),
      'node_modules/text/package.json': 'root:x:0:0:root',
      'node_modules/number/package.json': '7',
      'node_modules/pipe/index.js': '',
      'node_modules/folder/package.json/x': '',
    });
    execFileSync('mkfifo', [path.join(folder, 'node_modules/pipe/package.json')]);
    await refused(folder, 'none', /node_modules\/none\/package\.json: no such file$/);
    for (const name of ['text', 'number'])
      await refused(
        folder,
        name,
        new RegExp(`${name}/package\\.json: is no JSON object, as a package\\.json has to be$`),
      );
    await refused(folder, 'pipe', /pipe\/package\.json: not a regular file but a named pipe$/);
    await refused(folder, 'folder', /folder\/package\.json: not a regular file but a folder$/);
  });
});
