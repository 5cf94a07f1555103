/**
 * Names of packages, and the module of a package that a text names.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { packageNameProblem, parsePackageEntry } from '../../../src/config/package-name.ts';

describe('a text names a module of a package', () => {
  const entries: Readonly<Record<string, readonly [string, string]>> = {
    'firehook-hook-foo': ['firehook-hook-foo', '.'],
    '@scope/foo': ['@scope/foo', '.'],
    'foo/strict': ['foo', './strict'],
    '@scope/foo/parts/strict.js': ['@scope/foo', './parts/strict.js'],
    'hooks/a.ts': ['hooks', './a.ts'],
    'a.ts': ['a.ts', '.'],
  };
  for (const [text, [name, subpath]] of Object.entries(entries)) {
    test(text, () => assert.deepEqual(parsePackageEntry(text), { name, subpath }));
  }

  for (const text of [
    ...['', '.', '..', './a.ts', '../a.ts', '/a.ts', '.hidden', '_part.ts', '~/a.ts', '#imports', 'node:fs'],
    ...['foo/', 'foo//bar', 'foo/../bar', 'foo/./bar', 'foo/..', '@scope', '@scope/', '@/foo', 'Foo', 'a b', 'a\nb'],
    ...['node_modules', 'node_modules/foo', 'x'.repeat(215)],
  ]) {
    test(`and ${JSON.stringify(text)} does not`, () => assert.equal(parsePackageEntry(text), null));
  }

  test('and never one outside of its package, whatever the text', () => {
    const step = fc.constantFrom('foo', '@scope', 'a.ts', '.', '..', '', '.x', 'node_modules', 'strict');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
        const text = steps.join('/');
        const entry = parsePackageEntry(text);
        if (entry === null) return;
        assert.equal(packageNameProblem(entry.name), '');
        assert.equal(entry.name + entry.subpath.slice(1), text);
        assert.ok(!entry.subpath.slice(2).split('/').includes('..'));
      }),
      { seed: 7, numRuns: 2000 },
    );
  });
});

describe('a new package', () => {
  for (const name of ['firehook-hook-telnet', '@me/telnet', 'a', '0', 'a.b_c-d', 'x'.repeat(214)]) {
    test(`may be called ${name}`, () => assert.equal(packageNameProblem(name), ''));
  }

  const refused: Readonly<Record<string, RegExp>> = {
    '': /^is no name of an npm package; expected small letters/,
    Telnet: /is no name/,
    '../telnet': /is no name/,
    '/tmp/telnet': /is no name/,
    '@me': /is no name/,
    'a/b': /is no name/,
    '.a': /is no name/,
    _a: /is no name/,
    "it's": /is no name/,
    node_modules: /npm or Node\.js keeps for itself/,
    'favicon.ico': /npm or Node\.js keeps for itself/,
    http: /npm or Node\.js keeps for itself/,
    ['x'.repeat(215)]: /has 215 characters; npm takes at most 214/,
  };
  for (const [name, problem] of Object.entries(refused)) {
    test(`may not be called ${JSON.stringify(name)}`, () => assert.match(packageNameProblem(name), problem));
  }
});
