/**
 * The guide to porting keeps its word: what it prints is in the driver, and it names every function and every bug check.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { IOCTL_RULES_ADD, IOCTL_RULES_QUERY } from '../../../hooks/drivers/rules-driver.ts';
import { parseConfig } from '../../../src/config/load-config.ts';
import { defaultSettings } from '../../../src/config/schema.ts';
import * as ddk from '../../../src/ddk/index.ts';
import * as firehook from '../../../src/index.ts';
import { codeBlocks, ROOT } from '../../support/documents.ts';

const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');
const GUIDE = read('docs/porting.md');

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
  for (const name of thrown) assert.ok(GUIDE.includes(`\`${name}\``), name);
});

function isFunction(value: unknown): boolean {
  return typeof value === 'function' && !/^class/.test(Function.prototype.toString.call(value));
}
