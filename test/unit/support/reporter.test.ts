/**
 * The reporter counts what the real runner reports about real files; here each file is written for one promise.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
const RUN_FILES = path.join(CHECKOUT, 'test/support/run-files.ts');
const folder = mkdtempSync(path.join(os.tmpdir(), 'firehook-reporter-'));
after(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly lastLine: string | undefined;
}

/** Runs the given files, name to source, through the real command. */
function runFiles(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}): Outcome {
  for (const [name, source] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), source);
  }
  const loader = path.join(CHECKOUT, 'node_modules/tsx/dist/loader.mjs');
  const { status, stdout } = spawnSync(process.execPath, ['--import', loader, RUN_FILES, ...Object.keys(files)], {
    cwd: folder,
    env: { ...process.env, CI: '', FIREHOOK_NO_SKIP: '', NODE_TEST_CONTEXT: undefined, ...env },
    encoding: 'utf8',
  });
  return { code: status, output: stdout, lastLine: stdout.trimEnd().split('\n').at(-1) };
}

const HEAD = "import { before, describe, it, test } from 'node:test'; import assert from 'node:assert/strict';\n";

test('counts leaves only, however they are nested', () => {
  const source = `${HEAD}
    describe('suite', () => { it('one', () => {}); describe('inner', () => { it('two', () => {}); }); });
    test('parent', async (t) => { await t.test('three', () => {}); await t.test('four', () => {}); });
    test('five', () => {});`;
  const { code, lastLine } = runFiles({ 'nested.test.mjs': source });
  assert.equal(lastLine, '5 passed, 0 failed, 0 skipped');
  assert.equal(code, 0);
});

test('fails with the name, the difference and the output when an assertion fails', () => {
  const source = `${HEAD}console.log('said by the file');
    describe('suite', () => { it('differs', () => assert.equal(1, 2)); it('holds', () => {}); });`;
  const { code, output, lastLine } = runFiles({ 'wrong.test.mjs': source });
  assert.equal(lastLine, '1 passed, 1 failed, 0 skipped');
  assert.equal(code, 1);
  assert.match(output, /suite > differs/);
  assert.match(output, /1 !== 2/);
  assert.match(output, /said by the file/);
});

test('counts a file that reports no test as a failure, whatever its exit code', () => {
  const { code, output, lastLine } = runFiles({
    'crashes-at-import.test.mjs': "throw new Error('at import');",
    'does-not-parse.test.mjs': 'export {',
    'leaves-early.test.mjs': "import 'node:test'; process.exit(0);",
    'holds-no-test.test.mjs': 'export {};',
    'holds-an-empty-suite.test.mjs': `${HEAD}describe('empty', () => {});`,
  });
  assert.equal(lastLine, '0 passed, 5 failed, 0 skipped');
  assert.equal(output.match(/^FAIL .*\(0 passed, 1 failed/gm)?.length, 5);
  assert.match(output, /Error: at import/);
  assert.equal(code, 1);
});

test('counts a process that ends badly after good tests as a failure', () => {
  const source = `${HEAD}test('good', () => {}); process.on('exit', () => { process.exitCode = 3; });`;
  const { code, lastLine } = runFiles({ 'late.test.mjs': source });
  assert.equal(lastLine, '1 passed, 1 failed, 0 skipped');
  assert.equal(code, 1);
});

test('counts an error thrown outside every test as a failure', () => {
  const source = `${HEAD}test('good', () => {}); setTimeout(() => { throw new Error('stray'); }, 50);`;
  const { code, output } = runFiles({ 'stray.test.mjs': source });
  assert.equal(code, 1);
  assert.match(output, /stray/);
});

test('counts a suite whose hook fails as failed, whatever its tests would have said', () => {
  const source = `${HEAD}describe('suite', () => { before(() => { throw new Error('hook'); }); it('never', () => {}); });`;
  const { code, output } = runFiles({ 'hook.test.mjs': source });
  assert.equal(code, 1);
  assert.match(output, /Error: hook/);
});

test('says why tests are skipped, suites and todos included', () => {
  const source = `${HEAD}
    test('one', { skip: 'needs a moon' }, () => {});
    describe('suite', { skip: 'needs a sun' }, () => { it('never', () => {}); });
    it.todo('later');
    test('good', () => {});`;
  const { code, output, lastLine } = runFiles({ 'skips.test.mjs': source });
  assert.equal(lastLine, '1 passed, 0 failed, 3 skipped');
  assert.equal(code, 0);
  assert.match(output, /skipped: one: needs a moon/);
  assert.match(output, /skipped: suite: needs a sun/);
  assert.match(output, /skipped: later: todo/);
});

test('fails for root when a test is skipped where nothing may be missing', {
  skip: process.getuid?.() !== 0 && 'the rule is for root only',
}, () => {
  const source = `${HEAD}test('one', { skip: 'needs a moon' }, () => {}); test('good', () => {});`;
  for (const env of [{ CI: 'true' }, { FIREHOOK_NO_SKIP: '1' }]) {
    const { code, output, lastLine } = runFiles({ 'no-skips.test.mjs': source }, env);
    assert.equal(lastLine, '1 passed, 0 failed, 1 skipped');
    assert.equal(code, 1);
    assert.match(output, /must not skip: no-skips.test.mjs: one: needs a moon/);
  }
});

test('fails when no test was executed', () => {
  const only = `${HEAD}test('one', { skip: 'needs a moon' }, () => {});`;
  for (const files of [{}, { 'only-skips.test.mjs': only }]) {
    const { code, output } = runFiles(files);
    assert.equal(code, 1);
    assert.match(output, /no test was executed/);
  }
});

test('runs the files of test/integration one at a time and after all others', () => {
  const source = (name: string) => `${HEAD}
    import { appendFileSync } from 'node:fs';
    appendFileSync('order.log', 'begin ${name}\\n');
    test('takes a while', () => new Promise((resolve) => setTimeout(resolve, 200)));
    process.on('exit', () => appendFileSync('order.log', 'end ${name}\\n'));`;
  const { lastLine } = runFiles({
    'test/integration/a.test.mjs': source('a'),
    'test/integration/b.test.mjs': source('b'),
    'test/unit/c.test.mjs': source('c'),
  });
  assert.equal(lastLine, '3 passed, 0 failed, 0 skipped');
  const order = readFileSync(path.join(folder, 'order.log'), 'utf8');
  assert.equal(order, 'begin c\nend c\nbegin a\nend a\nbegin b\nend b\n');
});

test('attributes the tests of a shared suite to the file that was run', () => {
  const suite = `${HEAD}export function shared() { test('shared', () => {}); }`;
  writeFileSync(path.join(folder, 'suite.mjs'), suite);
  const source = "import { shared } from './suite.mjs'; shared();";
  const { output } = runFiles({ 'first.test.mjs': source, 'second.test.mjs': source });
  assert.match(output, /first.test.mjs \(1 passed/);
  assert.match(output, /second.test.mjs \(1 passed/);
});
