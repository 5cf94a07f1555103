/**
 * Columns for people: widths, sides, thousands.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { table } from '../../../src/cli/table.ts';

test('sets words to the left and numbers to the right, by the widest cell of a column', () => {
  const text = table([
    ['hook', 'seen'],
    ['drop-port', 7],
    ['x', 12_345],
  ]);
  assert.deepEqual(text.split('\n'), ['hook         seen', 'drop-port       7', 'x          12,345']);
});

test('leaves no white space at the end of a line', () => {
  assert.equal(
    table([
      ['a', 'long head'],
      ['b', 'c'],
    ]),
    'a  long head\nb  c',
  );
});

test('is empty without rows', () => {
  assert.equal(table([]), '');
});
