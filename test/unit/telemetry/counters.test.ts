/**
 * The tables of counters: that what is made of them fits together.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Counter,
  columnOf,
  emptyRowOf,
  HOOK_COLUMNS,
  HOOK_COUNTERS,
  MOST_COUNTED,
  pickRow,
  rowFrom,
  shownOf,
  sumOfRows,
  WAY_COUNTERS,
  WAY_SUMS,
} from '../../../src/telemetry/counters.ts';

for (const [what, table] of [
  ['ways', WAY_COUNTERS],
  ['hooks', HOOK_COLUMNS],
] as const) {
  describe(`the counters of ${what}`, () => {
    test('have each its own name, and a sentence', () => {
      const names = table.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
      for (const { name, help } of table) assert.match(help, /^[A-Z].*\.$/, name);
    });

    test('are shown below what they are part of', () => {
      const shown = (table as readonly Counter[]).filter(({ label }) => label !== null);
      for (const [index, { name, depth }] of shown.entries()) {
        assert.ok(depth <= (shown[index - 1]?.depth ?? -1) + 1, name);
      }
    });

    test('come out of a row as they went in, and add up to what can be counted', () => {
      const numbers = Float64Array.from({ length: 3 * table.length }, (_, index) => index);
      const row: Record<string, number> = rowFrom(table as readonly Counter[], numbers, table.length);
      for (const [index, { name }] of table.entries()) assert.equal(row[name], table.length + index);
      const sum: Record<string, number> = sumOfRows(table as readonly Counter[], row, row);
      for (const { name } of table) assert.equal(sum[name], 2 * (row[name] ?? 0));
      const most = Object.fromEntries(table.map(({ name }) => [name, MOST_COUNTED]));
      assert.deepEqual(sumOfRows(table as readonly Counter[], most, row), most);
      assert.deepEqual(sumOfRows(table as readonly Counter[], emptyRowOf(table as readonly Counter[]), row), row);
    });
  });
}

test('a part of a sum stands below the whole, where both are shown', () => {
  for (const { whole, parts } of WAY_SUMS) {
    const at = columnOf<string>(WAY_COUNTERS, whole);
    assert.ok(at >= 0 && parts.length > 1);
    // What goes on or back is counted once, below `received`, and is most of what is sent.
    for (const part of parts.filter((name) => name !== 'forwarded' && name !== 'replied')) {
      assert.ok(columnOf<string>(WAY_COUNTERS, part) > at || whole === 'icmpDue', `${part} of ${whole}`);
    }
  }
});

test('a table shows what is always shown, and what was counted', () => {
  const names = (rows: readonly Readonly<Record<string, number | null>>[]): string[] =>
    shownOf<string>(HOOK_COUNTERS, rows).map(({ name }) => name);
  const row: Record<string, number | null> = emptyRowOf(HOOK_COUNTERS);
  const always = ['seen', 'forwarded', 'dropped', 'rejected', 'replaced', 'changed', 'faults'];
  assert.deepEqual(names([row]), always);
  assert.deepEqual(names([{ ...row, filtered: 1 }, row]), ['seen', 'filtered', ...always.slice(1)]);
  const untracked = { ...row, changed: null };
  assert.deepEqual(
    names([untracked]),
    always.filter((name) => name !== 'changed'),
  );
});

test('a row is cut down to the counters of a table', () => {
  const row = { ...emptyRowOf(HOOK_COLUMNS), seen: 7, outstanding: 9 };
  assert.deepEqual(pickRow(HOOK_COUNTERS, row), { ...emptyRowOf(HOOK_COUNTERS), seen: 7 });
});
