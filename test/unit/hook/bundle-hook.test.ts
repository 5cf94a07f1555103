/**
 * The bundler: what is a hook module, what ends up in a bundle, and what each refusal says.
 *
 * Rule under test: bundling executes no hook code and needs nothing but the hook's own folder.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isFirehookError } from '../../../src/errors.ts';
import { bundleHooks } from '../../../src/hook/bundle-hook.ts';
import { loadHook } from '../../../src/hook/load-hook.ts';
import { HOOK_MODULE_NAMES, HOOK_MODULES } from '../../../src/hook-modules.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/hooks/', import.meta.url));

/** A hook that says which file it came from. */
const hookNamed = (name: string) =>
  `import { defineHook, FORWARD } from 'firehook';\nexport default defineHook({ name: '${name}', onPacket: () => FORWARD });\n`;

/** Makes a temporary folder with these files. */
function folderOf(t: TestContext, files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-bundle-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

async function namesIn(modulePath: string): Promise<string[]> {
  return (await bundleHooks(modulePath, HOOK_MODULE_NAMES)).map((bundle) => loadHook(bundle, HOOK_MODULES).name);
}

describe('what a module path stands for', () => {
  test('a file is one hook, known by its absolute path', async () => {
    const file = path.join(FIXTURES, 'good/drop-telnet.ts');
    const bundles = await bundleHooks(path.relative(process.cwd(), file), HOOK_MODULE_NAMES);
    assert.deepEqual(
      bundles.map((bundle) => bundle.path),
      [file],
    );
  });

  test('a folder with an index is one hook of several files', async () => {
    assert.deepEqual(await namesIn(path.join(FIXTURES, 'good/several-files')), ['several-files']);
  });

  test('any other folder is a set of hooks in the order of their names, parts, tests and declarations left out', async (t) => {
    const folder = folderOf(t, {
      'zebra.ts': hookNamed('zebra'),
      'ant.mts': hookNamed('ant'),
      'Bee.js': hookNamed('Bee'),
      'cow.mjs': hookNamed('cow'),
      '_part.ts': 'throw new Error("a part was taken for a hook");',
      '.hidden.ts': 'throw new Error("a hidden file was taken for a hook");',
      'ant.test.ts': 'throw new Error("a test was taken for a hook");',
      'types.d.ts': 'export type T = 1;',
      'types.d.mts': 'export type T = 1;',
      'README.md': '# no hook',
      'list.json': '[]',
      'folder/deeper.ts': hookNamed('deeper'),
    });
    assert.deepEqual(await namesIn(folder), ['Bee', 'ant', 'cow', 'zebra']);
  });

  test('a folder without a hook is refused', async (t) => {
    const folder = folderOf(t, { '_part.ts': '', 'README.md': '' });
    await assert.rejects(bundleHooks(folder, HOOK_MODULE_NAMES), (error) => {
      assert.ok(isFirehookError(error));
      assert.equal(error.code, 'FIREHOOK_HOOK_UNREADABLE');
      assert.match(error.message, /no hook in this folder; a hook is a \.ts, \.mts, \.js or \.mjs file/);
      return true;
    });
  });

  test('a path that is not there is refused by name', async () => {
    await assert.rejects(bundleHooks('/nonexistent/hook.ts', HOOK_MODULE_NAMES), {
      code: 'FIREHOOK_HOOK_UNREADABLE',
      message:
        'cannot read the hook: /nonexistent/hook.ts: no such file or folder; module paths are relative to the config file',
    });
  });

  test('a file that is neither TypeScript nor JavaScript is refused', async () => {
    await assert.rejects(bundleHooks(path.join(FIXTURES, 'README.md'), HOOK_MODULE_NAMES), {
      code: 'FIREHOOK_HOOK_BUNDLE',
      message: /README\.md: a hook is a \.ts, \.mts, \.js or \.mjs file$/,
    });
  });
});

describe('what is in a bundle', () => {
  test('an npm package is found from the folder of the hook', async (t) => {
    const folder = folderOf(t, {
      'node_modules/tiny-names/package.json': '{ "name": "tiny-names", "version": "1.0.0", "main": "main.js" }',
      'node_modules/tiny-names/main.js': 'exports.given = "from-a-package";',
      'hook.ts': `import { given } from 'tiny-names';\n${hookNamed('x').replace("'x'", 'given')}`,
    });
    const bundles = await bundleHooks(path.join(folder, 'hook.ts'), HOOK_MODULE_NAMES);
    rmSync(path.join(folder, 'node_modules'), { recursive: true });
    assert.deepEqual(
      bundles.map((bundle) => loadHook(bundle, HOOK_MODULES).name),
      ['from-a-package'],
    );
  });

  test('the package firehook is the one of the runtime, from any folder', async (t) => {
    const folder = folderOf(t, {
      // Would win if the bundler looked for it.
      'node_modules/firehook/index.js': 'throw new Error("another firehook");',
      'hook.ts': hookNamed('any-folder'),
    });
    assert.deepEqual(await namesIn(folder), ['any-folder']);
  });

  test('a tsconfig.json above the hook changes nothing', async (t) => {
    const folder = folderOf(t, {
      'tsconfig.json':
        '{ "compilerOptions": { "paths": { "firehook": ["./other.ts"], "./part.ts": ["./other.ts"] } } }',
      '_other.ts': 'throw new Error("an import was sent elsewhere");',
      '_part.ts': 'export const name = "as-written";',
      'hook.ts': `import { name } from './_part.ts';\n${hookNamed('x').replace("'x'", 'name')}`,
    });
    assert.deepEqual(await namesIn(folder), ['as-written']);
  });

  test('bundling executes nothing of the hook', async () => {
    const [bundle] = await bundleHooks(path.join(FIXTURES, 'bad/nothing-exported.js'), HOOK_MODULE_NAMES);
    assert.match(bundle?.code ?? '', /undefinedHook/);
    assert.equal('undefinedHook' in globalThis, false);
  });

  test('the source map names the sources relative to the folder of the hook', async () => {
    const [bundle] = await bundleHooks(path.join(FIXTURES, 'good/several-files'), HOOK_MODULE_NAMES);
    const map = JSON.parse(bundle?.map ?? '') as { sources: string[] };
    // The first is what the names of firehook come from.
    assert.deepEqual(map.sources.sort(), ['index.ts', 'firehook:firehook', 'verdict.ts'].sort());
  });
});

describe('what cannot be bundled', () => {
  const refusals: Record<string, RegExp> = {
    'syntax-error.js': /syntax-error\.js:3:3: Expected "}" but found "onPacket"$/,
    'missing-package.js':
      /missing-package\.js:1:17: cannot find '@left\/pad\/twice': install it beside the hook: npm install @left\/pad$/,
    'missing-file.js': /missing-file\.js:1:23: cannot find '\.\/no-such-file\.js'$/,
    'top-level-await.js': /top-level-await\.js:1:15: top-level await is not possible in a hook; await in setup$/,
    'import-meta.js':
      /import-meta\.js:1:16: import\.meta is not available in a hook; runtime\.resolvePath in setup finds/,
    'subpath.js': /subpath\.js:1:25: firehook has no module 'firehook\/testing'; it has firehook/,
    'native-add-on.js': /native-add-on\.js:1:20: add-on\.node is a native add-on; hooks are JavaScript only/,
  };
  for (const [name, message] of Object.entries(refusals)) {
    test(`${name} is refused in one line with its place`, async () => {
      const file = path.join(FIXTURES, 'unbundled', name);
      await assert.rejects(bundleHooks(file, HOOK_MODULE_NAMES), (error) => {
        assert.ok(isFirehookError(error));
        assert.equal(error.code, 'FIREHOOK_HOOK_BUNDLE');
        assert.equal(error.hook, file);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        assert.ok(error.message.startsWith(`cannot bundle the hook: ${file}:`));
        return true;
      });
    });
  }

  test('what is no JavaScript, TypeScript or JSON is not taken into a hook, by whatever name it is imported', async (t) => {
    const secret = 'root:$y$j9T$secret';
    const imports = {
      'text.ts': "import secret from './secret.txt'; export default secret;",
      'style.ts': "import './secret.css';",
      'link.ts': "import secret from './link.ts2'; export default secret;",
      'linked.ts': "import secret from './linked.js'; export default secret;",
      'attribute.ts': "import secret from './data.json' with { type: 'text' }; export default secret;",
      'octets.ts': "import secret from './data.json' with { type: 'bytes' }; export default secret;",
      'page.ts': "import secret from './secret.html'; export default secret;",
      'markup.ts': "import secret from './part.jsx'; export default secret;",
    };
    const files = { ...imports, 'data.json': '"x"', 'part.jsx': secret };
    const folder = folderOf(t, {
      ...files,
      ...Object.fromEntries(['txt', 'css', 'ts2', 'html'].map((ending) => [`secret.${ending}`, secret])),
      shadow: secret,
    });
    symlinkSync('secret.ts2', path.join(folder, 'link.ts2'));
    symlinkSync('shadow', path.join(folder, 'linked.js'));
    for (const name of Object.keys(imports)) {
      await assert.rejects(bundleHooks(path.join(folder, name), HOOK_MODULE_NAMES), (error) => {
        assert.ok(isFirehookError(error));
        assert.equal(error.code, 'FIREHOOK_HOOK_BUNDLE');
        assert.match(
          error.message,
          /imports \.ts, \.js and \.json files and nothing else|No loader is configured/,
          name,
        );
        assert.doesNotMatch(error.message, /y\$j9T/);
        return true;
      });
    }
  });

  test('the number of further errors is said', async (t) => {
    const folder = folderOf(t, { 'hook.ts': 'import "./one.ts"; import "./two.ts"; import "./three.ts";' });
    await assert.rejects(bundleHooks(folder, HOOK_MODULE_NAMES), {
      message: /cannot find '\.\/one\.ts' \(and 2 more\)$/,
    });
  });

  test('a failure of one bundle leaves another under way alone', async () => {
    const [bad, good] = await Promise.allSettled([
      bundleHooks(path.join(FIXTURES, 'unbundled/syntax-error.js'), HOOK_MODULE_NAMES),
      bundleHooks(path.join(FIXTURES, 'good'), HOOK_MODULE_NAMES),
    ]);
    assert.equal(bad.status, 'rejected');
    assert.equal(good.status, 'fulfilled');
  });
});

test('no process of the bundler is left when it is done', () => {
  // The loader of the tests has an esbuild process of its own, so they are counted before and after.
  const script = `
    import { execFileSync } from 'node:child_process';
    import { setTimeout } from 'node:timers/promises';
    const { bundleHooks } = await import(${JSON.stringify(new URL('../../../src/hook/bundle-hook.ts', import.meta.url))});
    const { HOOK_MODULE_NAMES } = await import(${JSON.stringify(new URL('../../../src/hook-modules.ts', import.meta.url))});
    const services = () => execFileSync('ps', ['-o', 'stat=,comm=', '--ppid', String(process.pid)], { encoding: 'utf8' })
      .split('\\n').filter((line) => line.includes('esbuild') && !line.startsWith('Z')).length;
    const before = services();
    const done = bundleHooks(${JSON.stringify(path.join(FIXTURES, 'good'))}, HOOK_MODULE_NAMES);
    const during = services();
    await done;
    while (services() > before) await setTimeout(20);
    console.log(JSON.stringify({ started: during - before, left: services() - before }));`;
  const result = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(result.status, 0, result.stderr);
  assert.deepEqual(JSON.parse(result.stdout), { started: 1, left: 0 });
});

describe('what is no regular file of a bounded size', () => {
  const pipe = (file: string) => spawnSync('mkfifo', [file]);
  const code = (expected: string, words: RegExp) => (error: unknown) => {
    assert.ok(isFirehookError(error), String(error));
    assert.equal(error.code, expected);
    assert.match(error.message, words);
    assert.ok(!error.message.includes('\n'));
    return true;
  };

  test('a named pipe is refused as a hook, not waited for', async (t) => {
    const file = path.join(folderOf(t, {}), 'hook.ts');
    pipe(file);
    await assert.rejects(
      bundleHooks(file, HOOK_MODULE_NAMES),
      code('FIREHOOK_HOOK_UNREADABLE', /hook\.ts: not a regular file but a named pipe/),
    );
  });

  test('a device is refused as a hook', async (t) => {
    const file = path.join(folderOf(t, {}), 'zero.js');
    symlinkSync('/dev/zero', file);
    await assert.rejects(
      bundleHooks(file, HOOK_MODULE_NAMES),
      code('FIREHOOK_HOOK_UNREADABLE', /zero\.js: not a regular file but a device/),
    );
  });

  test('a link that leads to itself is refused', async (t) => {
    const file = path.join(folderOf(t, {}), 'loop.ts');
    symlinkSync('loop.ts', file);
    await assert.rejects(bundleHooks(file, HOOK_MODULE_NAMES), code('FIREHOOK_HOOK_UNREADABLE', /loop\.ts: ELOOP/));
  });

  test('a huge file is refused before it is read', async (t) => {
    const file = path.join(folderOf(t, { 'huge.js': hookNamed('huge') }), 'huge.js');
    truncateSync(file, 2 ** 40);
    await assert.rejects(
      bundleHooks(file, HOOK_MODULE_NAMES),
      code('FIREHOOK_HOOK_UNREADABLE', /1,099,511,627,776 octets; .* at most 16 MiB/),
    );
  });

  test('a named pipe among the hooks of a folder is refused and named', async (t) => {
    const folder = folderOf(t, { 'a.ts': hookNamed('a') });
    pipe(path.join(folder, 'b.ts'));
    await assert.rejects(
      bundleHooks(folder, HOOK_MODULE_NAMES),
      code('FIREHOOK_HOOK_BUNDLE', /b\.ts: not a regular file but a named pipe/),
    );
  });

  test('a named pipe, a device and a huge file are refused as imports too', async (t) => {
    const folder = folderOf(t, { 'huge.json': '{}' });
    pipe(path.join(folder, 'pipe.ts'));
    symlinkSync('/dev/zero', path.join(folder, 'zero.ts'));
    truncateSync(path.join(folder, 'huge.json'), 2 ** 40);
    for (const [name, words] of [
      ['pipe.ts', /pipe\.ts: not a regular file but a named pipe/],
      ['zero.ts', /\/dev\/zero: not a regular file but a device/],
      ['huge.json', /huge\.json: .* at most 16 MiB/],
    ] as const) {
      const file = path.join(folder, 'hook.js');
      writeFileSync(file, `import './${name}';\n${hookNamed('hook')}`);
      await assert.rejects(bundleHooks(file, HOOK_MODULE_NAMES), code('FIREHOOK_HOOK_BUNDLE', words));
    }
  });

  test('many files that are too much together are refused', async (t) => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const imports = names.map((name) => `import './${name}.js';`).join('\n');
    const folder = folderOf(t, { 'hook.js': `${imports}\n${hookNamed('hook')}` });
    const filler = `// ${'x'.repeat(15 * 2 ** 20)}\n`;
    for (const name of names) writeFileSync(path.join(folder, `${name}.js`), filler);
    const words = /with it the hook has more than 64 MiB/;
    await assert.rejects(
      bundleHooks(path.join(folder, 'hook.js'), HOOK_MODULE_NAMES),
      code('FIREHOOK_HOOK_BUNDLE', words),
    );
  });

  test('what the bundler itself waits for ends it, and it can bundle again', async (t) => {
    // esbuild reads package.json by itself.
    const folder = folderOf(t, { 'hook.ts': hookNamed('hook') });
    pipe(path.join(folder, 'package.json'));
    const file = path.join(folder, 'hook.ts');
    await assert.rejects(
      bundleHooks(file, HOOK_MODULE_NAMES, { patienceMs: 500 }),
      code('FIREHOOK_HOOK_BUNDLE', /hook\.ts: not done after 0\.5 s/),
    );
    rmSync(path.join(folder, 'package.json'));
    assert.deepEqual(await namesIn(file), ['hook']);
  });
});

describe('a name that firehook does not have', () => {
  const write = (t: TestContext, text: string, name = 'hook.ts') => path.join(folderOf(t, { [name]: text }), name);
  const refused = (message: RegExp) => (error: unknown) => {
    assert.ok(isFirehookError(error), String(error));
    assert.match(error.message, message);
    return true;
  };

  test('is refused where it is imported, with the closest one', async (t) => {
    for (const [text, message] of [
      [
        "import { FORWARDS } from 'firehook';\nexport const firehookHook = () => FORWARDS;",
        /hook\.ts:1:10: firehook has no FORWARDS; did you mean FORWARD\?$/,
      ],
      [
        "import { IPAlocBuff } from 'firehook';\nexport const firewallHook = () => IPAlocBuff();",
        /firehook has no IPAlocBuff; did you mean IPAllocBuff\?$/,
      ],
      [
        "import { NdisAllocateMemory } from 'firehook';\nexport const firewallHook = () => NdisAllocateMemory();",
        /firehook has no NdisAllocateMemory$/,
      ],
      [
        "import * as fh from 'firehook';\nexport const firewallHook = () => fh.DROPS;",
        /hook\.ts:2:38: firehook has no DROPS; did you mean DROP\?$/,
      ],
      ["import fh from 'firehook';\nexport const firewallHook = () => fh.DROP;", /firehook has no default$/],
      [
        "import { KeQuerySystemTime } from 'firehook';\nexport const firewallHook = () => KeQuerySystemTime();",
        /firehook has no KeQuerySystemTime; firehook\/ddk has it$/,
      ],
      ["export { DROPS } from 'firehook';", /firehook has no DROPS; did you mean DROP\?$/],
      ["import 'firehook/nothing';", /firehook has no module 'firehook\/nothing'; it has firehook/],
    ] as const) {
      const name = text.startsWith('export') ? 'hook.js' : 'hook.ts';
      await assert.rejects(bundleHooks(write(t, text, name), HOOK_MODULE_NAMES), refused(message));
    }
  });

  test('in a file that the hook imports is refused as well', async (t) => {
    const file = write(t, "import { helper } from './helper.ts';\nexport const firewallHook = () => helper();");
    writeFileSync(
      path.join(path.dirname(file), 'helper.ts'),
      "import { DRPO } from 'firehook';\nexport const helper = () => DRPO;",
    );
    await assert.rejects(
      bundleHooks(file, HOOK_MODULE_NAMES),
      refused(/helper\.ts:1:10: firehook has no DRPO; did you mean DROP\?$/),
    );
  });

  test('that is asked for by require is refused when it is asked for', async (t) => {
    const [early] = await bundleHooks(
      write(t, "const { FORWARDS } = require('firehook');", 'early.js'),
      HOOK_MODULE_NAMES,
    );
    assert.ok(early !== undefined);
    assert.throws(() => loadHook(early, HOOK_MODULES), refused(/firehook has no FORWARDS; did you mean FORWARD\?/));
    const text =
      "const fh = require('firehook');\nmodule.exports = { firewallHook: () => (fh.FORWARD === 0 ? fh.DROPS : 7) };";
    const [late] = await bundleHooks(write(t, text, 'late.js'), HOOK_MODULE_NAMES);
    assert.ok(late !== undefined);
    const hook = loadHook(late, HOOK_MODULES);
    assert.ok(hook.kind === 'callback');
    assert.throws(() => (hook.callback as () => unknown)(), { message: /firehook has no DROPS; did you mean DROP\?/ });
  });

  test('is no matter where it is a type', async (t) => {
    const text =
      "import { FORWARD, Packet, IPPacketFirewallPtr } from 'firehook';\nexport const firewallHook: IPPacketFirewallPtr = () => FORWARD;\nexport type P = Packet;";
    assert.deepEqual(await namesIn(write(t, text)), ['hook']);
  });
});
