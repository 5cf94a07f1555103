/**
 * `docs/testing.md` keeps its word: its files compile, its tests pass, its failure is printed as it is, its tables are complete.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { HookUnderTest } from '../../../src/testing/index.ts';
import * as testing from '../../../src/testing/index.ts';
import { codeBlocks, compilerProblems, ROOT, tableRows } from '../../support/documents.ts';

const PAGE = readFileSync(path.join(ROOT, 'docs/testing.md'), 'utf8');
const CONTRACT = readFileSync(path.join(ROOT, 'src/testing/lab-contract.ts'), 'utf8');

/** Texts by the name that stands in their first line. */
const files = new Map(
  codeBlocks(PAGE, 'ts').map((code) => [/^\/\/ ([\w-]+(?:\.test)?\.ts)\n/.exec(code)?.[1] ?? '', code]),
);

/** Members of an interface of the contract. */
function membersOf(name: string): string[] {
  const body = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n(.*?)^\\}`, 'ms').exec(CONTRACT)?.[1] ?? '';
  return Array.from(body.matchAll(/^ {2}(?:readonly )?(\w+)\??[(:]/gm), ([, member = '']) => member);
}

describe('docs/testing.md', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-testing-'));

  before(() => {
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
    writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
    const source = (file: string): string[] => [path.join(ROOT, 'src', file)];
    const paths = { firehook: source('index.ts'), 'firehook/testing': source('testing/index.ts') };
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: { paths } }));
    for (const [name, text] of files) writeFileSync(path.join(folder, name), text);
  });
  after(() => rmSync(folder, { recursive: true }));

  test('prints whole files, each with a name', () => {
    assert.ok(files.size >= 6);
    assert.equal(files.size, codeBlocks(PAGE, 'ts').length);
    assert.ok(!files.has(''));
  });

  test('prints files that the compiler takes', () => {
    assert.deepEqual(compilerProblems([...files.keys()].map((name) => path.join(folder, name))), []);
  });

  test('prints tests that pass', () => {
    const tests = [...files.keys()].filter((name) => name.endsWith('.test.ts'));
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', path.join(ROOT, 'node_modules/tsx/dist/loader.mjs'), '--test', '--test-reporter=tap', ...tests],
      { cwd: folder, encoding: 'utf8', env },
    );
    const expected = [...files.values()].join('\n').match(/^test\(/gm)?.length;
    assert.equal(/^# pass (\d+)$/m.exec(stdout)?.[1], String(expected), stdout + stderr);
    assert.match(stdout, /^# fail 0$/m);
  });

  test('prints what a test that fails says', async () => {
    const { defineHook, ICMP_ON_DROP } = await import('../../../src/index.ts');
    const hook: HookUnderTest = defineHook({ name: 'guard', onPacket: () => ICMP_ON_DROP });
    const lab = await testing.openLab(hook);
    const outcome = await lab.send(testing.ipv4({}, testing.tcp({ destinationPort: 23 })));
    await lab.close();
    const [shown = ''] = codeBlocks(PAGE, 'text');
    assert.throws(() => testing.assertForwarded(outcome), { message: shown.trimEnd() });
  });

  test('has every option of a lab and every member of an outcome, and no other', () => {
    const named = (head: string): string[] =>
      tableRows(PAGE, head)
        .flatMap(([cell = '']) => cell.split(', '))
        .sort();
    assert.deepEqual(named('option'), membersOf('LabOptions').sort());
    assert.deepEqual(named('of the outcome'), [...membersOf('Outcome'), ...membersOf('Passage')].sort());
  });

  test('names every function that is exported', () => {
    const functions = Object.entries(testing).filter(([, value]) => typeof value === 'function');
    for (const [name] of functions)
      if (name !== 'showPacket') assert.ok(PAGE.includes(`\`${name}`) || PAGE.includes(`${name}(`), name);
  });

  test('has every section in its contents', () => {
    const [contents = ''] = /(?:^- .*\n)+/m.exec(PAGE) ?? [];
    for (const [, heading = ''] of PAGE.matchAll(/^## (.*)$/gm))
      assert.ok(contents.includes(`(#${heading.toLowerCase().replaceAll(' ', '-')})`), heading);
  });
});
