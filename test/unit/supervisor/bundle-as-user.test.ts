/**
 * Bundling as another user: what that user may not read is in no bundle and in no error, whatever a hook tries.
 *
 * Rule under test: the real process, started by the real launcher as root, with a secret that only root may read. That each trick is
 * one is shown beside it: bundled with root's rights it has the secret, or fails for another reason.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { bundleHooks } from '../../../src/hook/bundle-hook.ts';
import { HOOK_MODULE_NAMES } from '../../../src/hook-modules.ts';
import { readAnswer } from '../../../src/supervisor/bundle-as-user.ts';
import { waitFor } from '../../support/wait-for.ts';

// The build: Landlock, and the folders that a user may not enter, are the launcher's business for what is built only.
const built = new URL('../../../dist/supervisor/bundle-as-user.js', import.meta.url).href;
const { bundleAs } = (await import(built)) as typeof import('../../../src/supervisor/bundle-as-user.ts');

/** Nobody has this number, so that its processes are those of these tests. */
const USER = { name: 'fh-bundler', uid: 47_111, gid: 47_111 };
const SECRET = 'y-j9T-only-root-may-read-this';
const skip = process.getuid?.() === 0 ? false : 'needs root: it becomes another user';

const asUser = (module: string, patienceMs = 20_000) =>
  bundleAs({ user: USER, modules: [{ module }], isRequired: true, patienceMs });

/** `folder/hook` for hooks, with these files, and `folder/secret` with files that only root may read. */
function stage(
  t: TestContext,
  files: Readonly<Record<string, string>>,
): { readonly hook: string; readonly secret: string } {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-bundler-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [hook, secret] = [path.join(folder, 'hook'), path.join(folder, 'secret')];
  for (const made of [hook, secret, path.join(secret, 'closed')]) mkdirSync(made, { mode: 0o755 });
  const write = (file: string, text: string, mode: number) => {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(file, text);
    chmodSync(file, mode);
  };
  write(path.join(secret, 'key.json'), JSON.stringify({ key: SECRET }), 0o600);
  write(path.join(secret, 'key.js'), `export default '${SECRET}';`, 0o600);
  write(path.join(secret, 'tsconfig.json'), JSON.stringify({ compilerOptions: { jsxFactory: SECRET } }), 0o600);
  write(path.join(secret, 'key'), SECRET, 0o600);
  // Readable itself, in a folder that is not.
  write(path.join(secret, 'closed/key.json'), JSON.stringify({ key: SECRET }), 0o644);
  write(path.join(secret, 'closed/index.js'), `export default '${SECRET}';`, 0o644);
  chmodSync(path.join(secret, 'closed'), 0o700);
  chmodSync(folder, 0o755);
  for (const [name, text] of Object.entries(files)) write(path.join(hook, name), text, 0o644);
  return { hook: path.join(hook, 'hook.ts'), secret };
}

/** One way to have a file read; the links are made from `hook/`. */
interface Trick {
  readonly files: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  /** True: with root's rights the secret is in the bundle. */
  readonly worksForRoot: boolean;
  /** What the refusal says; none where the bundle is made without the secret. */
  readonly says?: RegExp;
}

const importing = (specifier: string) => `import key from '${specifier}';\nexport default key;\n`;

const TRICKS: Readonly<Record<string, Trick>> = {
  'an import of a JSON file of root': {
    files: { 'hook.ts': importing('../secret/key.json') },
    worksForRoot: true,
    says: /hook\.ts:1:17: .*secret\/key\.json: the user fh-bundler may not read it: chmod o\+r \/.*\/secret\/key\.json$/,
  },
  'an import of a script of root': {
    files: { 'hook.ts': importing('../secret/key.js') },
    worksForRoot: true,
    says: /key\.js: the user fh-bundler may not read it: chmod o\+r/,
  },
  'a symbolic link to it': {
    files: { 'hook.ts': importing('./part.json') },
    links: { 'part.json': '../secret/key.json' },
    worksForRoot: true,
    says: /secret\/key\.json: the user fh-bundler may not read it/,
  },
  'a link to a folder that may not be entered': {
    files: { 'hook.ts': importing('./lib/key.json') },
    links: { lib: '../secret/closed' },
    worksForRoot: true,
    says: /hook\.ts:1:17: cannot find '\.\/lib\/key\.json': .*: the user fh-bundler may not read it: chmod o\+rx .*\/secret\/closed$/,
  },
  'a file in a folder that may not be entered': {
    files: { 'hook.ts': importing('../secret/closed/key.json') },
    worksForRoot: true,
    says: /secret\/closed: the user fh-bundler may not read it: chmod o\+rx .*secret\/closed/,
  },
  'a hard link': {
    files: { 'hook.ts': importing('./hard.json') },
    worksForRoot: true,
    says: /hard\.json: the user fh-bundler may not read it/,
  },
  require: {
    files: { 'hook.ts': "export default require('../secret/key.json');" },
    worksForRoot: true,
    says: /may not read it/,
  },
  'a dynamic import': {
    files: { 'hook.ts': "export default async () => import('../secret/key.json');" },
    worksForRoot: true,
    says: /may not read it/,
  },
  'a pattern of file names': {
    files: { 'hook.ts': "export default (name: string) => require('../secret/' + name + '.json');" },
    worksForRoot: true,
    says: /may not read it/,
  },
  'a link as node_modules': {
    files: { 'hook.ts': importing('closed') },
    links: { node_modules: '../secret' },
    worksForRoot: true,
    says: /cannot find 'closed'/,
  },
  'a link as a package': {
    files: { 'hook.ts': importing('inner'), 'node_modules/other/index.js': '' },
    links: { 'node_modules/inner': '../../secret/closed' },
    worksForRoot: true,
    says: /cannot find 'inner'/,
  },
  'main of a package': {
    files: {
      'hook.ts': importing('inner'),
      'node_modules/inner/package.json': '{ "main": "../../../secret/key.js" }',
    },
    worksForRoot: true,
    says: /secret\/key\.js: the user fh-bundler may not read it/,
  },
  'browser of a package': {
    files: {
      'hook.ts': importing('inner'),
      'node_modules/inner/package.json': '{ "main": "./m.js", "browser": { "./m.js": "../../../secret/key.js" } }',
      'node_modules/inner/m.js': 'export default 1;',
    },
    worksForRoot: false,
  },
  'exports of a package that leads out of it': {
    files: {
      'hook.ts': importing('inner'),
      'node_modules/inner/package.json': '{ "exports": "./../../../secret/key.js" }',
    },
    worksForRoot: false,
    says: /hook\.ts:1:17: /,
  },
  'exports of a package over a link in it': {
    files: { 'hook.ts': importing('inner'), 'node_modules/inner/package.json': '{ "exports": "./out.js" }' },
    links: { 'node_modules/inner/out.js': '../../../secret/key.js' },
    worksForRoot: true,
    says: /secret\/key\.js: the user fh-bundler may not read it/,
  },
  'imports of a package': {
    files: { 'hook.ts': importing('#key'), 'package.json': '{ "imports": { "#key": "./out.json" } }' },
    links: { 'out.json': '../secret/key.json' },
    worksForRoot: true,
    says: /secret\/key\.json: the user fh-bundler may not read it/,
  },
  'paths of a tsconfig': {
    files: {
      'hook.ts': importing('./part.ts'),
      'part.ts': 'export default 1;',
      'tsconfig.json': '{ "compilerOptions": { "baseUrl": ".", "paths": { "./part.ts": ["../secret/key.json"] } } }',
    },
    worksForRoot: false,
  },
  'extends of a tsconfig': {
    files: { 'hook.ts': 'export default 1;', 'tsconfig.json': '{ "extends": "../secret/tsconfig.json" }' },
    worksForRoot: false,
  },
  'a source map': {
    files: {
      'hook.ts': importing('./part.js'),
      'part.js': 'export default 1;\n//# sourceMappingURL=../secret/key.json\n',
    },
    worksForRoot: false,
    says: /secret\/key\.json: the user fh-bundler may not read it/,
  },
  'a file that is read as text': {
    files: { 'hook.ts': "import key from '../secret/key.json' with { type: 'text' };\nexport default key;" },
    worksForRoot: false,
    says: /may not read it/,
  },
  'a file that is read as octets': {
    files: { 'hook.ts': "import key from '../secret/key.json' with { type: 'bytes' };\nexport default key;" },
    worksForRoot: false,
    says: /may not read it/,
  },
  'a file that is read as JSON': {
    files: { 'hook.ts': "import key from '../secret/key.json' with { type: 'json' };\nexport default key;" },
    worksForRoot: true,
    says: /may not read it/,
  },
  'a file of no known kind': {
    files: { 'hook.ts': importing('../secret/key') },
    worksForRoot: false,
    says: /may not read it/,
  },
  'a file by URL': {
    files: { 'hook.ts': "export default new URL('../secret/key.json', import.meta.url);" },
    worksForRoot: false,
    says: /import\.meta is not available in a hook/,
  },
  'a data URL': {
    files: {
      'hook.ts': `import key from 'data:text/javascript,export { default } from "/etc/shadow"';\nexport default key;`,
    },
    worksForRoot: false,
    says: /hook\.ts: cannot find '\/etc\/shadow'/,
  },
  'what the kernel says of another process': {
    files: { 'hook.ts': importing('./environ.json') },
    links: { 'environ.json': '/proc/1/environ' },
    worksForRoot: false,
    says: /cannot find|may not|nothing else/,
  },
};

describe('what only root may read', { skip }, () => {
  for (const [title, { files, links = {}, worksForRoot, says }] of Object.entries(TRICKS)) {
    test(`is not read by ${title}`, async (t) => {
      const { hook, secret } = stage(t, files);
      for (const [name, target] of Object.entries(links)) symlinkSync(target, path.join(path.dirname(hook), name));
      if (title === 'a hard link') linkSync(path.join(secret, 'key.json'), path.join(path.dirname(hook), 'hard.json'));
      const [asRoot] = await Promise.allSettled([bundleHooks(hook, HOOK_MODULE_NAMES)]);
      assert.equal(inspect(asRoot, { depth: 9, maxStringLength: null }).includes(SECRET), worksForRoot);

      const [result] = await Promise.allSettled([asUser(hook)]);
      assert.ok(!inspect(result, { depth: 9, maxStringLength: null }).includes(SECRET));
      if (says === undefined) assert.equal(result.status, 'fulfilled', inspect(result));
      else {
        assert.ok(result.status === 'rejected', 'it was bundled');
        assert.match((result.reason as Error).message, says);
      }
    });
  }

  test('is no hook, and the error has the command that would make it one', async (t) => {
    const { secret } = stage(t, {});
    const file = path.join(secret, 'key.js');
    await assert.rejects(asUser(file), {
      code: 'FIREHOOK_HOOK_BUNDLE',
      message: `cannot bundle the hook: ${file}: ${file}: the user fh-bundler may not read it: chmod o+r ${file}`,
    });
    const closed = path.join(secret, 'closed');
    await assert.rejects(asUser(closed), {
      code: 'FIREHOOK_HOOK_UNREADABLE',
      message: `cannot read the hook: ${closed}: the user fh-bundler may not read it: chmod o+rx ${closed}`,
    });
    await assert.rejects(asUser(path.join(closed, 'index.js')), {
      code: 'FIREHOOK_HOOK_UNREADABLE',
      message: `cannot read the hook: ${closed}/index.js: the user fh-bundler may not enter ${closed}: chmod o+x ${closed}, or keep the hooks where it may`,
    });
  });
});

describe('what does not end', { skip }, () => {
  const processes = () =>
    spawnSync('ps', ['-o', 'stat=,args=', '-u', String(USER.uid)], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter((line) => line !== '' && !line.startsWith('Z'));
  const nobodyIsLeft = () => waitFor(() => processes().length === 0, { what: `the end of ${processes().join('; ')}` });

  test('a hook that has the bundler wait is named, and nothing of it is left', async (t) => {
    const { hook } = stage(t, { 'hook.ts': 'export default 1;' });
    execFileSync('mkfifo', ['-m', '644', path.join(path.dirname(hook), 'package.json')]);
    await assert.rejects(asUser(hook, 1_000), { message: new RegExp(`${hook}: not done after 1 s`) });
    await nobodyIsLeft();
  });

  test('a bundler that does not answer is killed, with what it started', async (t) => {
    const { hook } = stage(t, { 'hook.ts': 'export default 1;' });
    execFileSync('mkfifo', ['-m', '644', path.join(path.dirname(hook), 'package.json')]);
    const given = bundleAs({
      user: USER,
      modules: [{ module: hook }],
      isRequired: true,
      patienceMs: 600_000,
      limitMs: 4_000,
    });
    await assert.rejects(given, {
      code: 'FIREHOOK_HOOK_BUNDLE',
      message: new RegExp(`${hook}: the process that bundles hooks: not done after 4 s; it was killed`),
    });
    await nobodyIsLeft();
  });

  test('a bundler whose daemon was killed ends with it, and esbuild too', async (t) => {
    const { hook } = stage(t, { 'hook.ts': 'export default 1;' });
    execFileSync('mkfifo', ['-m', '644', path.join(path.dirname(hook), 'package.json')]);
    const script = `const { bundleAs } = await import('${built}');
      await bundleAs({ user: ${JSON.stringify(USER)}, modules: [{ module: '${hook}' }], isRequired: true });`;
    const daemon = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    t.after(() => daemon.kill('SIGKILL'));
    await waitFor(() => processes().some((line) => line.includes('bin/esbuild')), { what: 'esbuild to start' });
    daemon.kill('SIGKILL');
    await nobodyIsLeft();
  });

  test('a file without an end costs the bundler, and no more memory than it may have', async (t) => {
    const { hook } = stage(t, { 'hook.ts': 'export default 1;' });
    symlinkSync('/dev/zero', path.join(path.dirname(hook), 'package.json'));
    await assert.rejects(asUser(hook), { message: /hook\.ts: esbuild ended early: the hook is too large, or reads/ });
    await nobodyIsLeft();
  });

  test('pipes, devices, huge files and circles of links are refused, as hooks and as imports', async (t) => {
    const { hook } = stage(t, { 'hook.ts': 'export default 1;', 'huge.js': '' });
    const folder = path.dirname(hook);
    execFileSync('mkfifo', ['-m', '644', path.join(folder, 'pipe.js')]);
    truncateSync(path.join(folder, 'huge.js'), 2 ** 40);
    for (const [name, target] of [
      ['zero.js', '/dev/zero'],
      ['loop.js', 'loop.js'],
      ['node_modules', '.'],
      ['map.js.map', 'pipe.js'],
    ] as const) {
      symlinkSync(target, path.join(folder, name));
    }
    for (const [name, words] of [
      ['pipe.js', /not a regular file but a named pipe/],
      ['zero.js', /not a regular file but a device/],
      ['huge.js', /at most 16 MiB/],
      ['loop.js', /ELOOP/],
    ] as const) {
      await assert.rejects(asUser(path.join(folder, name)), { message: words });
    }
    for (const [text, words] of [
      ["import './pipe.js';", /pipe\.js: not a regular file but a named pipe/],
      ["import './loop.js';", /hook\.ts:1:8: cannot find '\.\/loop\.js'/],
      ["import 'node_modules/node_modules/missing';", /cannot find/],
      ["import './lib.js';", /map\.js\.map: not a regular file but a named pipe/],
    ] as const) {
      writeFileSync(hook, text);
      writeFileSync(path.join(folder, 'lib.js'), '1;\n//# sourceMappingURL=map.js.map');
      await assert.rejects(asUser(hook), { message: words });
    }
  });
});

test('the hooks of several modules come in order, with the files that were read', { skip }, async (t) => {
  const { hook } = stage(t, {
    'hook.ts': "import { part } from './part.ts';\nexport default part;",
    'part.ts': 'export const part = 1;',
    'more/a.js': 'export default 2;',
    'more/b.js': 'export default 3;',
  });
  const folder = path.dirname(hook);
  const bundles = await bundleAs({
    user: USER,
    modules: [{ module: path.join(folder, 'more') }, { module: hook }],
    isRequired: true,
  });
  assert.deepEqual(
    bundles.map((hooks) => hooks.map(({ path: file }) => path.relative(folder, file))),
    [['more/a.js', 'more/b.js'], ['hook.ts']],
  );
  const read = bundles[1]?.[0]?.files.filter(({ id }) => id !== '').map(({ path: file }) => path.basename(file));
  assert.deepEqual(read?.sort(), ['hook.ts', 'part.ts']);
});

describe('an npm package', { skip }, () => {
  const inner = { 'node_modules/inner/package.json': '{ "version": "1.0.0", "main": "./main.js" }' };
  const asked = (hook: string) => ({
    module: path.join(path.dirname(hook), 'node_modules/inner'),
    package: { name: 'inner', subpath: '.' },
  });
  const bundled = (hook: string) => bundleAs({ user: USER, modules: [asked(hook)], isRequired: true });

  test('is bundled as the user, and what its package.json says comes back', async (t) => {
    const { hook } = stage(t, { ...inner, 'node_modules/inner/main.js': "import 'dep';\nexport default 1;" });
    mkdirSync(path.join(path.dirname(hook), 'real'), { mode: 0o755 });
    writeFileSync(path.join(path.dirname(hook), 'real/index.js'), 'export default 2;', { mode: 0o644 });
    symlinkSync('../real', path.join(path.dirname(hook), 'node_modules/dep'));
    const [[made] = []] = await bundled(hook);
    assert.equal(made?.path, path.join(asked(hook).module, 'main.js'));
    assert.deepEqual(made.package, { name: 'inner', subpath: '.', version: '1.0.0' });
    assert.equal(made.warnings.length, 1);
    const read = made.files.filter(({ id }) => id !== '').map(({ path: file }) => path.basename(file));
    assert.deepEqual(read.sort(), ['index.js', 'main.js', 'package.json']);
  });

  const tricks: Readonly<Record<string, readonly [Readonly<Record<string, string>>, RegExp]>> = {
    'its package.json': [
      { 'inner/package.json': '../../../secret/key.json' },
      /inner\/package\.json: the user fh-bundler may not read it: chmod o\+r \/.*\/secret\/key\.json$/,
    ],
    'its own name': [
      { inner: '../../secret/closed' },
      /the user fh-bundler may not enter .*\/secret\/closed: chmod o\+x/,
    ],
    'its main file': [
      { 'inner/package.json': '../../manifest.json', 'inner/main.js': '../../../secret/key.js' },
      /package inner 1\.0\.0 leads to .*\/secret\/key\.js, which is not in/,
    ],
  };
  for (const [title, [links, says]] of Object.entries(tricks)) {
    test(`has nothing read for it by a link as ${title}`, async (t) => {
      const { hook, secret } = stage(t, { 'manifest.json': inner['node_modules/inner/package.json'] });
      const modules = path.join(path.dirname(hook), 'node_modules');
      for (const [name, target] of Object.entries(links)) {
        mkdirSync(path.dirname(path.join(modules, name)), { recursive: true, mode: 0o755 });
        symlinkSync(target, path.join(modules, name));
      }
      const [result] = await Promise.allSettled([bundled(hook)]);
      assert.ok(result.status === 'rejected', 'it was bundled');
      assert.ok(!inspect(result, { depth: 9, maxStringLength: null }).includes(SECRET), secret);
      assert.match((result.reason as Error).message, says);
    });
  }

  test('for another version of firehook is refused as such', async (t) => {
    const { hook } = stage(t, {
      'node_modules/inner/package.json': '{ "main": "main.js", "peerDependencies": { "firehook": "^99.0.0" } }',
      'node_modules/inner/main.js': 'export default 1;',
    });
    await assert.rejects(bundled(hook), { code: 'FIREHOOK_HOOK_VERSION', message: /works with firehook \^99\.0\.0/ });
  });
});

test('it works where /proc shows a user only its own processes, as the systemd unit has it', { skip }, (t) => {
  const { hook } = stage(t, { 'hook.ts': 'export default 1;' });
  const ask = `const { bundleAs } = await import(${JSON.stringify(built)});
const [[{ path }]] = await bundleAs(${JSON.stringify({ user: USER, modules: [{ module: hook }], isRequired: true })});
process.stdout.write(path);`;
  // The mount is seen by this process alone, and goes with it.
  const script = 'mount -t proc -o hidepid=invisible proc /proc && exec "$0" --input-type=module --eval "$1"';
  const args = ['--mount', 'sh', '-c', script, process.execPath, ask];
  const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
  assert.equal(stdout, hook, stderr);
});

describe('an answer of the process that bundles', () => {
  const hook = { path: '/h/a.ts', code: '', map: '', files: [], warnings: [] };
  const wrong: Readonly<Record<string, unknown>> = {
    'without a hook': { bundles: [[]] },
    'with too few modules': { bundles: [] },
    'with too many modules': { bundles: [[hook], [hook]] },
    'for another file': { bundles: [[{ ...hook, path: '/etc/a.ts' }]] },
    'with a file of a relative path': { bundles: [[{ ...hook, files: [{ path: 'a', id: '' }] }]] },
    'with more than was asked for': { bundles: [[{ ...hook, needs: {} }]] },
    'for a package': { bundles: [[{ ...hook, package: { name: 'a', subpath: '.', version: '' } }]] },
    'with a code of another error': { error: { code: 'FIREHOOK_PERMISSION', message: '' } },
    'with a message without end': { error: { code: 'FIREHOOK_HOOK_BUNDLE', message: 'x'.repeat(2 ** 20) } },
    'that is nothing': null,
  };
  for (const [title, answer] of Object.entries(wrong)) {
    test(`${title} is refused`, () => {
      assert.throws(() => readAnswer(JSON.stringify(answer), [{ module: '/h/a.ts' }]), {
        code: 'FIREHOOK_HOOK_BUNDLE',
        message: /\/h\/a\.ts: the process that bundles hooks: its answer is not what was asked for$/,
      });
    });
  }

  test('about a package is one of that package, from its own folder', () => {
    const asked = [{ module: '/n/node_modules/foo', package: { name: 'foo', subpath: '.' } }];
    const origin = { ...asked[0]?.package, version: '1.0.0' };
    const answer = (more: object) =>
      readAnswer(JSON.stringify({ bundles: [[{ ...hook, package: origin, ...more }]] }), asked);
    assert.ok('bundles' in answer({ path: '/n/node_modules/foo/dist/a.js' }));
    for (const more of [
      { path: '/n/node_modules/foo' },
      { path: '/n/node_modules/foobar/a.js' },
      { path: '/etc/a.js' },
      { path: '/n/node_modules/foo/a.js', package: undefined },
      { path: '/n/node_modules/foo/a.js', package: { ...origin, name: 'bar' } },
      { path: '/n/node_modules/foo/a.js', package: { ...origin, subpath: './strict' } },
    ]) {
      assert.throws(() => answer(more), { message: /its answer is not what was asked for$/ });
    }
  });

  test('that is cut off is refused, and one to what was asked is taken', () => {
    assert.throws(() => readAnswer('{"bundles":[[', [{ module: '/h/a.ts' }]), { message: /its answer is not JSON/ });
    assert.ok('bundles' in readAnswer(JSON.stringify({ bundles: [[hook]] }), [{ module: '/h/a.ts' }]));
    assert.ok('bundles' in readAnswer(JSON.stringify({ bundles: [[hook]] }), [{ module: '/h' }]));
  });
});
