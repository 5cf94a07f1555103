/**
 * Where `module:` of a hook leads: to a path that is there, else to a package.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { locateModule } from '../../../src/config/hook-module.ts';
import { loadConfig } from '../../../src/config/load-config.ts';

/** A folder with these files, each with its own name as text. */
function stage(t: TestContext, ...files: string[]): { readonly folder: string; readonly at: (name: string) => string } {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-module-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const at = (name: string): string => path.join(folder, name);
  for (const name of files) {
    mkdirSync(path.dirname(at(name)), { recursive: true });
    writeFileSync(at(name), name);
  }
  return { folder, at };
}

describe('a module', () => {
  test('that is there as a path is a path, with a dot in front or without, also where a package has the name', (t) => {
    const { folder, at } = stage(
      t,
      'hooks/a.ts',
      'foo/index.ts',
      'node_modules/hooks/a.ts',
      'node_modules/foo/index.js',
    );
    for (const text of ['hooks/a.ts', './hooks/a.ts', at('hooks/a.ts'), 'foo', './foo', '.']) {
      assert.deepEqual(locateModule(text, folder), { module: path.resolve(folder, text) });
    }
  });

  test('that is not there as a path is a package of node_modules, the nearest one upwards', (t) => {
    const { folder, at } = stage(
      t,
      'node_modules/foo/package.json',
      'etc/node_modules/foo/package.json',
      'node_modules/@scope/bar/package.json',
      'etc/node_modules/@scope/other/package.json',
      'etc/node_modules/file',
      'node_modules/file/package.json',
    );
    const [foo, inner] = [at('node_modules/foo'), at('etc/node_modules/foo')];
    mkdirSync(at('etc/deep/deeper'), { recursive: true });
    assert.deepEqual(locateModule('foo', folder), { module: foo, package: { name: 'foo', subpath: '.' } });
    assert.deepEqual(locateModule('foo', at('etc')), { module: inner, package: { name: 'foo', subpath: '.' } });
    assert.deepEqual(locateModule('foo/strict', at('etc/deep/deeper')), {
      module: inner,
      package: { name: 'foo', subpath: './strict' },
    });
    assert.equal(locateModule('@scope/bar', at('etc')).module, at('node_modules/@scope/bar'));
    // No folder: no package.
    assert.equal(locateModule('file', at('etc')).module, at('node_modules/file'));
    // As in Node.js, node_modules itself has none.
    assert.equal(locateModule('foo', at('etc/node_modules')).module, inner);
  });

  test('of a package may be a link, and one that leads nowhere is passed over', (t) => {
    const { at } = stage(t, 'real/package.json', 'node_modules/foo/package.json', 'etc/node_modules/other/x');
    symlinkSync('../../real', at('etc/node_modules/linked'));
    symlinkSync('../../gone', at('etc/node_modules/foo'));
    assert.equal(locateModule('linked', at('etc')).module, at('etc/node_modules/linked'));
    assert.equal(locateModule('foo', at('etc')).module, at('node_modules/foo'));
  });

  test('that is neither is refused with both places', (t) => {
    const { folder } = stage(t, 'node_modules/foo/package.json');
    assert.throws(() => locateModule('hooks/a.ts', folder), {
      code: 'FIREHOOK_HOOK_UNREADABLE',
      message: `cannot read the hook: ${folder}/hooks/a.ts: no such file, and no package hooks in node_modules of ${folder} or of a folder above it; write ./ in front of a path; install a package in the folder of the configuration`,
    });
    assert.throws(() => locateModule('@scope/foo/strict', folder), /no package @scope\/foo in node_modules of/);
  });

  test('that can be no package is refused as a path', (t) => {
    const { folder } = stage(t, 'node_modules/foo/package.json', 'a.ts');
    for (const text of ['./foo', '../foo', '/nowhere/foo', 'Foo', 'foo/']) {
      assert.throws(() => locateModule(text, folder), {
        code: 'FIREHOOK_HOOK_UNREADABLE',
        message: `cannot read the hook: ${path.resolve(folder, text)}: no such file; module paths are relative to the config file`,
      });
    }
    symlinkSync('loop', path.join(folder, 'loop'));
    assert.throws(() => locateModule('loop', folder), /\/loop: ELOOP/);
    // There is a file where a folder would have to be.
    assert.throws(() => locateModule('a.ts/foo', folder), /no such file, and no package a\.ts in node_modules/);
  });
});

test('a configuration names packages and paths, each found from its own folder', (t) => {
  const { at } = stage(t, 'a.ts', 'node_modules/foo/package.json');
  writeFileSync(at('firehook.yaml'), 'attach: [{ tap: eth0 }]\nhooks:\n  - module: a.ts\n  - module: foo/strict\n');
  const { hooks } = loadConfig(at('firehook.yaml')).config;
  assert.deepEqual(
    hooks.map(({ module, package: entry }) => [module, entry]),
    [
      [at('a.ts'), undefined],
      [at('node_modules/foo'), { name: 'foo', subpath: './strict' }],
    ],
  );
});
