/**
 * The error table against docs/errors.md, both ways, and the error class itself.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ERRORS, type ErrorCode, FirehookError, isFirehookError } from '../../src/errors.ts';

const CODES = Object.keys(ERRORS) as ErrorCode[];
const PAGE = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

describe('docs/errors.md', () => {
  const sections = [...PAGE.matchAll(/^### (FIREHOOK_\w+)\n\n(.*)\n\n([\s\S]*?)(?=\n#|$(?![\s\S]))/gm)];

  test('has a section for every code, and none for a code that is not there', () => {
    assert.deepEqual(sections.map(([, code]) => code).sort(), [...CODES].sort());
  });

  for (const [, code, facts = '', text = ''] of sections) {
    test(`says of ${code} what the table says, what it means and what to do`, () => {
      const { what, op, exitCode } = ERRORS[code as ErrorCode];
      assert.equal(facts, `“${what}: …” · operation \`${op}\` · exit code ${exitCode}`);
      assert.match(text, /^\S[\s\S]*\n\n\*\*What to do\.\*\* \S/);
    });
  }
});

describe('a FirehookError', () => {
  test('says what failed, on what, and what to do', () => {
    const error = new FirehookError('FIREHOOK_CONFIG_UNREADABLE', '/etc/x: no such file');
    assert.equal(
      error.message,
      'cannot read the configuration: /etc/x: no such file; check the path and its permissions',
    );
    assert.equal(error.op, 'config');
    assert.equal(error.exitCode, 2);
    assert.equal(error.name, 'FirehookError');
  });

  test('takes better advice from the place that knows it, and none where there is none', () => {
    assert.match(new FirehookError('FIREHOOK_CONFIG_UNREADABLE', 'x', { advice: 'do y' }).message, /: x; do y$/);
    assert.match(new FirehookError('FIREHOOK_CONFIG_UNREADABLE', 'x', { advice: '' }).message, /: x$/);
    assert.match(new FirehookError('FIREHOOK_USAGE', 'x').message, /: x$/);
  });

  test('carries its cause, hook and interface', () => {
    const cause = new Error('inner');
    const error = new FirehookError('FIREHOOK_USAGE', 'x', { cause, hook: 'h', interfaceName: 'eth0' });
    assert.equal(error.cause, cause);
    assert.equal(error.hook, 'h');
    assert.equal(error.interfaceName, 'eth0');
  });

  test('is known by its brand, also when it comes from a second copy of the module', async () => {
    const again = '../../src/errors.ts?second-copy';
    const copy = (await import(again)) as typeof import('../../src/errors.ts');
    const error = new copy.FirehookError('FIREHOOK_USAGE', 'x');
    assert.equal(error instanceof FirehookError, false);
    assert.ok(isFirehookError(error));
    for (const other of [new Error('x'), null, undefined, 'FirehookError', { name: 'FirehookError' }]) {
      assert.equal(isFirehookError(other), false);
    }
  });
});
