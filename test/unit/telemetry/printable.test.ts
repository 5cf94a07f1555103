/**
 * What reaches a terminal: no character that it would obey, and nothing lost of the rest.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { printable, printableJson } from '../../../src/telemetry/printable.ts';

const OBEYED = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

test('text keeps what can be printed and shows the rest as escapes', () => {
  assert.equal(printable('grün \u{1f525} 日本'), 'grün \u{1f525} 日本');
  assert.equal(printable('\x1b[2J\x9b\x7f\n\u202e\u2066'), '\\x1b[2J\\x9b\\x7f\\x0a\\u202e\\u2066');
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => assert.doesNotMatch(printable(text), OBEYED)));
});

test('a JSON text stays the same to a parser', () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: 'binary' }), (json) => {
      const safe = printableJson(json);
      assert.doesNotMatch(safe, OBEYED);
      assert.deepEqual(JSON.parse(safe), JSON.parse(json));
    }),
  );
});
