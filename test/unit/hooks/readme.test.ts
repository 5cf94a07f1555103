/**
 * The hook author's guide keeps its word: its hooks compile and load, its options are taken, no stock hook is left out.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { bundleHooks } from '../../../src/hook/bundle-hook.ts';
import type { DefinedHook } from '../../../src/hook/contract.ts';
import { loadHook } from '../../../src/hook/load-hook.ts';
import { HOOK_MODULE_NAMES, HOOK_MODULES } from '../../../src/hook-modules.ts';
import { codeBlocks, compilerProblems, ROOT } from '../../support/documents.ts';
import { driveHook } from './drive-hook.ts';

const HOOKS = path.join(ROOT, 'hooks');
const README = readFileSync(path.join(HOOKS, 'README.md'), 'utf8');

const stockHooks = readdirSync(HOOKS)
  .filter((name) => /^[^_].*\.ts$/.test(name))
  .map((name) => path.parse(name).name);
const hookBlocks = codeBlocks(README, 'ts').filter((code) => /defineHook|firewallHook/.test(code));
const [listBlock = '', rulesBlock = ''] = codeBlocks(README, 'text');

describe('hooks/README.md', () => {
  // A folder beside the stock hooks' copies, so that the examples import them as an author would.
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-readme-'));
  const files = hookBlocks.map((_, index) => path.join(folder, `example-${index}.ts`));

  before(() => {
    cpSync(HOOKS, folder, { recursive: true });
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
    writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
    for (const [index, file] of files.entries()) writeFileSync(file, hookBlocks[index] ?? '');
    writeFileSync(path.join(folder, 'blocked.txt'), listBlock);
    writeFileSync(path.join(folder, 'rules.txt'), rulesBlock);
  });
  after(() => rmSync(folder, { recursive: true }));

  test('shows hooks of both doors', () => {
    assert.ok(hookBlocks.length >= 5);
    assert.ok(hookBlocks.some((code) => code.includes('export const firewallHook')));
  });

  test('has every section in its contents', () => {
    const [contents = ''] = /(?:^- .*\n)+/m.exec(README) ?? [];
    for (const [, heading = ''] of README.matchAll(/^## (.*)$/gm)) {
      const anchor = heading
        .toLowerCase()
        .replaceAll(/[^a-z -]/g, '')
        .replaceAll(' ', '-');
      assert.ok(contents.includes(`(#${anchor})`), heading);
    }
  });

  test('has examples that the compiler takes', () => {
    assert.deepEqual(compilerProblems(files), []);
  });

  for (const [index, file] of files.entries()) {
    test(`has an example ${index} that loads as a hook`, async () => {
      const [bundle] = await bundleHooks(file, HOOK_MODULE_NAMES);
      assert.ok(bundle);
      assert.ok(loadHook(bundle, HOOK_MODULES).name);
    });
  }

  test('has configs whose options every stock hook takes', async () => {
    const entries = codeBlocks(README, 'yaml')
      .flatMap((code) => (parse(code) as { hooks: { module: string; options?: unknown }[] }).hooks)
      .filter(({ module }) => module.startsWith('./hooks/'));
    const named = entries.map(({ module }) => path.parse(module).name);
    assert.deepEqual([...new Set(named)].sort(), stockHooks.toSorted());
    for (const { module, options } of entries) {
      const { default: hook } = (await import(path.join(ROOT, module))) as { default: DefinedHook };
      await driveHook(hook, options, folder);
    }
  });

  for (const name of stockHooks) {
    test(`gives ${name} a section, and ${name} has a test of its own`, () => {
      const lines = README.split('\n');
      assert.ok(lines.includes(`### ${name}`));
      assert.ok(lines.some((line) => line.startsWith(`| [\`${name}\`](#${name}) `)));
      assert.ok(readdirSync(import.meta.dirname).includes(`${name}.test.ts`));
    });
  }
});
