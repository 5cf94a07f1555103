/**
 * The guide to porting keeps its word: what it prints is in the driver or comes out of the command, and it names every function and
 * every bug check.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { IOCTL_RULES_ADD, IOCTL_RULES_QUERY } from '../../../hooks/drivers/rules-driver.ts';
import { parseConfig } from '../../../src/config/load-config.ts';
import { defaultSettings } from '../../../src/config/schema.ts';
import { type BugCheck, bugCheck } from '../../../src/ddk/bug-check.ts';
import * as ddk from '../../../src/ddk/index.ts';
import { FORWARD } from '../../../src/firewall/constants.ts';
import * as firehook from '../../../src/index.ts';
import { codeBlocks, ROOT } from '../../support/documents.ts';
import { runFirehook } from '../cli/run-firehook.ts';

const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');
const GUIDE = read('docs/porting.md');
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-porting-'));
// Started by root, replay has hooks read as another user.
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
}

test('the guide prints what stands in rules-driver, word for word', () => {
  const driver = read('hooks/drivers/rules-driver.ts');
  const blocks = codeBlocks(GUIDE, 'ts');
  assert.ok(blocks.length >= 7);
  for (const block of blocks) {
    // A block may have pieces from several places, with an empty line between them.
    for (const piece of block.trim().split(/\n\n(?=\S)/)) assert.ok(driver.includes(piece), piece);
  }
  assert.equal(codeBlocks(GUIDE, 'c').length, blocks.length);
});

test('the guide names every function', () => {
  const values: Readonly<Record<string, unknown>> = { ...ddk };
  const names = Object.keys(values).filter((name) => !(name in firehook) && isFunction(values[name]));
  assert.ok(names.length > 80);
  for (const name of [...names, 'FhStandAlone']) assert.ok(GUIDE.includes(`\`${name}\``), name);
});

test('the guide lists no function that is not there', () => {
  const values: Readonly<Record<string, unknown>> = { ...firehook, ...ddk };
  const [, section = ''] = /## What is there\n(.*?)\n## /s.exec(GUIDE) ?? [];
  const names = Array.from(section.matchAll(/`(\w+)`/g), ([, name = '']) => name);
  assert.ok(names.length > 80);
  assert.deepEqual(
    names.filter((name) => !(name in values)),
    [],
  );
});

test('the guide prints configurations that are valid, and names every key of the verifier', () => {
  const configs = codeBlocks(GUIDE, 'yaml');
  assert.equal(configs.length, 2);
  for (const config of configs) assert.ok(parseConfig(config, ROOT, 'firehook.yaml').config);
  const section = /## The verifier\n(.*?)\n## /s.exec(GUIDE)?.[1] ?? '';
  for (const key of [...Object.keys(defaultSettings().verifier), 'seed']) {
    assert.ok(section.includes(`\n| \`${key}\` |`), key);
  }
});

test('the guide prints the control codes that rules-driver has', () => {
  const printed = Array.from(GUIDE.matchAll(/firehook ioctl '\S+' (0x[0-9a-f]+)/g), ([, code]) => Number(code));
  assert.deepEqual(printed, [IOCTL_RULES_ADD, IOCTL_RULES_QUERY]);
});

test('the guide names every bug check that is thrown', () => {
  const folder = path.join(ROOT, 'src/ddk');
  const thrown = new Set<string>();
  for (const file of readdirSync(folder)) {
    const calls = read(path.join('src/ddk', file)).matchAll(/bugCheck\(\s*'([A-Z_]+)'/g);
    for (const [, name = ''] of calls) thrown.add(name);
  }
  assert.ok(thrown.size > 10);
  for (const name of thrown) {
    const number = /\((0x[0-9A-F]+)\)/.exec(bugCheck(name as BugCheck, '', '').message)?.[1];
    assert.ok(GUIDE.includes(`| \`${name}\` ${number} |`), name);
  }
});

test('the guide prints what a replay with the verifier says of the example, sound and with the fault', () => {
  const [example = ''] = codeBlocks(read('docs/windows-interface.md'), 'ts');
  const bothWays = example.replace('old === null || pContext?.Direction !== IP_TRANSMIT', 'old === null');
  const [config = ''] = codeBlocks(GUIDE, 'yaml').filter((block) => block.includes('verifier:'));
  const [shown = ''] = codeBlocks(GUIDE, 'console');
  const args = ['replay', path.join(ROOT, 'config/demo.pcap'), '-c', write('firehook.yaml', config)];
  write('my-driver.ts', bothWays);
  const sound = runFirehook(...args);
  assert.equal(sound.stdout, shown.slice(shown.indexOf('\n') + 1), sound.stderr);
  assert.equal(sound.code, 0);

  write('my-driver.ts', bothWays.replace('  copy.ipr_next = null;\n', ''));
  const faulty = runFirehook(...args);
  assert.equal(faulty.code, 1);
  const [line = ''] = codeBlocks(GUIDE, 'text');
  assert.ok(faulty.stderr.includes(line.trim().replace('/home/me', folder)), faulty.stderr);
});

test('the test of a driver that the guide prints runs', async () => {
  const [code = ''] = codeBlocks(GUIDE, 'js');
  const url = (file: string): string => `'${pathToFileURL(path.join(ROOT, file)).href}'`;
  const placed = code
    .replace("'firehook/ddk'", url('src/ddk/index.ts'))
    .replace("'./rules-driver.ts'", url('hooks/drivers/rules-driver.ts'));
  const file = write('test.mjs', `${placed}\nexport { leftovers, verdict };\n`);
  const { leftovers, verdict } = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  assert.equal(verdict, FORWARD);
  assert.deepEqual(leftovers, []);
});

function isFunction(value: unknown): boolean {
  return typeof value === 'function' && !/^class/.test(Function.prototype.toString.call(value));
}
