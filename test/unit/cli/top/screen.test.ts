/**
 * What `firehook top` shows of two samples: rates of their differences, and nothing that a terminal would obey.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { goneLines, type ScreenState, SORT_COLUMNS, screenLines } from '../../../../src/cli/top/screen.ts';
import type { Sample } from '../../../../src/control/sample.ts';
import { counts, hook, sample } from './samples.ts';

const STATE: ScreenState = { sorting: { column: 'order', isReversed: false }, delay: 2 };

function textOf(before: Sample | null, now: Sample, state = STATE): string {
  return screenLines(before, now, state)
    .map(({ text }) => text)
    .join('\n');
}

/** First words of the rows below a head. */
function namesBelow(text: string, head: RegExp): string[] {
  const rows = text.split('\n');
  const start = rows.findIndex((row) => head.test(row)) + 1;
  const end = rows.indexOf('', start);
  return rows.slice(start, end === -1 ? undefined : end).map((row) => row.split('  ')[0] ?? '');
}

describe('a screen', () => {
  test('of the first look shows averages since the start, and says so', () => {
    const total = counts({ received: 5000, forwarded: 4500, dropped: 500 });
    const text = textOf(null, sample({ total, ways: [{ name: 'a > b', isWouldBe: false, ...total }] }));
    assert.match(text, /^packets\/s: 50 in, 45 forwarded, 5 dropped, 0 rejected, .*since the start/m);
    assert.match(text, /^a > b +50 +0\.00 +45 +5 +0 +0 +5,000$/m);
  });

  test('of two looks shows what happened between them', () => {
    const way = (received: number): Sample['ways'] => [
      { name: 'a > b', isWouldBe: true, ...counts({ received, receivedOctets: received * 1000 }) },
    ];
    const before = sample({ atMs: 1000, ways: way(1000), total: counts({ received: 1000 }) });
    const now = sample({ atMs: 3000, ways: way(4000), total: counts({ received: 4000 }) });
    const text = textOf(before, now);
    assert.match(text, /^packets\/s: 1,500 in, .*\(in 2\.0 s, every 2 s\)$/m);
    assert.match(text, /^a > b \(NOT enforced\) +1,500 +12\.00 /m);
  });

  test('never shows a negative rate, and begins anew with another daemon', () => {
    const before = sample({ atMs: 1000, total: counts({ received: 9000 }), hooks: [hook('x', { seen: 9000 })] });
    const less = { atMs: 2000, total: counts({ received: 100 }), hooks: [hook('x', { seen: 100 })] };
    assert.match(textOf(before, sample(less)), /^packets\/s: 0 in/m);
    assert.match(textOf(before, sample({ ...less, pid: 8 })), /^packets\/s: 1 in.*since the start/m);
    assert.doesNotMatch(textOf(before, sample(less)), /-\d/);
    assert.match(textOf(before, sample({ ...less, atMs: 1000 })), /since the start/);
  });

  test('tells hooks of one name apart by their turn, and counts a new one from nothing', () => {
    const before = sample({ atMs: 0, hooks: [hook('nat', { seen: 10 }), hook('nat', { seen: 100 })] });
    const hooks = [hook('nat', { seen: 20 }), hook('nat', { seen: 400 }), hook('new', { seen: 7 })];
    const text = textOf(before, sample({ atMs: 1000, hooks }));
    assert.match(text, /^nat +0 +10 .* 20 +0$/m);
    assert.match(text, /^nat +0 +300 .* 400 +0$/m);
    assert.match(text, /^new +0 +7 /m);
  });

  test('has the hooks in running order, or by each column, both ways round', () => {
    const hooks = [
      hook('one', { seen: 3, dropped: 1, rejected: 2, faults: 1, meanNs: 100, p99Ns: 900 }),
      hook('two', { seen: 2, dropped: 3, rejected: 1, faults: 2, meanNs: 300, p99Ns: null }),
      hook('six', { seen: 1, dropped: 2, rejected: 3, faults: 3 }),
    ];
    const ordered = (column: (typeof SORT_COLUMNS)[number], isReversed: boolean): string => {
      const text = textOf(null, sample({ hooks, uptimeSeconds: 1 }), { sorting: { column, isReversed }, delay: 2 });
      return namesBelow(text, /HOOK/).join(' ');
    };
    const expected = {
      order: 'one two six',
      seen: 'one two six',
      dropped: 'two six one',
      rejected: 'six one two',
      faults: 'six two one',
      mean: 'two one six',
      p99: 'two one six',
    };
    for (const column of SORT_COLUMNS) {
      assert.equal(ordered(column, false), expected[column], column);
      assert.equal(ordered(column, true), expected[column].split(' ').reverse().join(' '), column);
    }
  });

  test('has the causes and reasons that move most first', () => {
    const before = sample({ atMs: 0, causes: [{ cause: 'dropped: by x', count: 1_000_000 }] });
    const causes = [
      { cause: 'dropped: by x', count: 1_000_000 },
      { cause: 'lost: too long', count: 4 },
    ];
    const reasons = [{ hook: 'x', reason: 'tcp port 23', count: 5 }];
    const text = textOf(before, sample({ atMs: 1000, causes, reasons }));
    assert.deepEqual(namesBelow(text, /WHY NOT/), ['lost: too long', 'dropped: by x']);
    assert.match(text, /^x: tcp port 23 +5 +5$/m);
  });

  test('shows at most three problems, in red, and how many more there are', () => {
    const lines = screenLines(null, sample({ addsUp: false, problems: ['a', 'b', 'c', 'd'] }), STATE);
    const red = lines.filter(({ style }) => style === 'red').map(({ text }) => text);
    assert.deepEqual(red, [
      'the ledger does NOT add up: see firehook stats',
      'a',
      'b',
      'c',
      'and 1 more: see firehook status',
    ]);
  });

  test('holds no control character, whatever the daemon, a hook or a packet is called', () => {
    const hostile = '\x1b]0;owned\x07\r\n\x9b2J\u202edrop';
    const now = sample({
      state: hostile,
      lease: hostile,
      driver: hostile,
      problems: [hostile],
      ways: [{ name: hostile, isWouldBe: false, ...counts() }],
      hooks: [hook(hostile)],
      causes: [{ cause: hostile, count: 1 }],
      reasons: [{ hook: hostile, reason: hostile, count: 1 }],
      flows: { now: 1, most: 2, made: 3, invalid: 4 },
    });
    for (const { text } of [...screenLines(null, now, STATE), ...goneLines(hostile, 2)])
      assert.doesNotMatch(text, /[\p{Cc}\u202a-\u202e]/u);
  });
});
