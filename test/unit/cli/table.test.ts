/**
 * Columns for people: widths, sides, thousands.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fold, table } from '../../../src/cli/table.ts';

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

const LEDGER = [
  ['packets', 'lan0 > wan0', 'wan0 > lan0', 'total'],
  ['received', 1_234_567, 7_654_321, 8_888_888],
  ['  never handed to a lane', 1, 2, 3],
  ['met while no lane answered', 10, 20, 30],
] as const;
const HOOKS = [
  ['hook', 'priority', 'seen', 'forwarded', 'dropped', 'rejected', 'replaced', 'faults', 'module'],
  ['drop-port', 100, 12_345_678, 12_345_678, 0, 0, 0, 0, '/etc/firehook/hooks/a-folder-with-a-long-name/drop-port.ts'],
  ['clamp-mss (firewallHook)', 50, 1, 1, 0, 0, 0, 0, '/etc/firehook/hooks/clamp-mss.ts'],
] as const;
const STATUS = [
  ['state', 'running'],
  ['policy', 'onDown drop, onStop undo, onHookError drop, nonIp forward, unreadable drop'],
] as const;

for (const width of [40, 60, 80]) {
  test(`fits a terminal of ${width} columns and leaves nothing out`, () => {
    for (const rows of [LEDGER, HOOKS, STATUS]) {
      const lines = table(rows, width).split('\n');
      assert.ok(Math.max(...lines.map(({ length }) => length)) <= width, lines.join('\n'));
      const flat = lines.join('').replaceAll(' ', '');
      for (const cell of rows.flat()) {
        if (typeof cell === 'number') assert.ok(flat.includes(cell.toLocaleString('en-US')), `${cell}`);
      }
      // Every column begins somewhere, beside the column that says what the row is about.
      for (const head of rows[0])
        assert.equal(flat.split(String(head).replaceAll(' ', '')).length > 1, true, `${head}`);
    }
  });
}

test('shows the columns that do not fit below, beside the first column again', () => {
  assert.equal(
    table(
      [
        ['hook', 'seen', 'dropped', 'rejected'],
        ['drop-port', 33, 0, 1],
      ],
      26,
    ),
    ['hook       seen  dropped', 'drop-port    33        0', '', 'hook       rejected', 'drop-port         1'].join(
      '\n',
    ),
  );
});

test('lets words go on in the next line of their column, broken at spaces and after slashes', () => {
  assert.equal(
    table(
      [
        ['policy', 'onDown drop, onStop undo'],
        ['module', '/etc/firehook/hooks/drop-port.ts'],
      ],
      26,
    ),
    ['policy  onDown drop,', '        onStop undo', 'module  /etc/firehook/', '        hooks/drop-port.ts'].join('\n'),
  );
});

test('folds a sentence that is longer than the terminal, and leaves one that is not', () => {
  assert.equal(fold('  one two three four', 14), '  one two\n    three four');
  assert.equal(fold('one two\nthree four five', 14), 'one two\nthree four\n  five');
  assert.equal(fold('x'.repeat(30), 20), `${'x'.repeat(20)}\n  ${'x'.repeat(10)}`);
  assert.equal(fold('one two three four', Number.POSITIVE_INFINITY), 'one two three four');
});

test('is empty without rows', () => {
  assert.equal(table([]), '');
});
