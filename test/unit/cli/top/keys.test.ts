/**
 * The keys of `firehook top`: what each does, and that rubbish does nothing.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  helpLines,
  initialState,
  type KeyAction,
  type KeyState,
  LEAST_DELAY,
  MOST_DELAY,
  parseDelay,
  press,
  splitKeys,
} from '../../../../src/cli/top/keys.ts';
import { SORT_COLUMNS } from '../../../../src/cli/top/screen.ts';

function typed(text: string, state = initialState(2)): [KeyState, KeyAction[]] {
  const actions: KeyAction[] = [];
  for (const key of splitKeys(text)) {
    const [next, action] = press(state, key);
    state = next;
    actions.push(action);
  }
  return [state, actions];
}

describe('a key', () => {
  test('ends: q, and Ctrl-C wherever one is', () => {
    for (const keys of ['q', '\x03', 'h\x03', 'hq', 's\x03', 's1\x03'])
      assert.equal(typed(keys)[1].at(-1), 'quit', keys);
  });

  test('q is not taken while an interval is typed', () => {
    assert.deepEqual(typed('sq')[1], ['draw', 'none']);
  });

  test('space and Enter look at once, Ctrl-Z stops, h and ? help', () => {
    assert.deepEqual(typed(' \r\x1a')[1], ['look', 'look', 'stop']);
    for (const key of 'h?') {
      const [state] = typed(key);
      assert.equal(state.isHelp, true);
      assert.match(
        helpLines(state)
          .map(({ text }) => text)
          .join('\n'),
        /q, Ctrl-C/,
      );
      assert.equal(typed('x', state)[0].isHelp, false);
    }
  });

  test('s and d take an interval, with corrections, and refuse one that is none', () => {
    assert.equal(typed('s5\r')[0].delay, 5);
    assert.equal(typed('d12\x7f.5\r')[0].delay, 1.5);
    assert.equal(typed('d.5\r')[0].delay, 0.5);
    assert.equal(typed('s\r')[0].delay, 2);
    assert.equal(typed('s9\x1b')[0].delay, 2);
    for (const wrong of ['0', '0.01', '99999', '1.2.3', '.']) {
      const [state] = typed(`s${wrong}\r`);
      assert.equal(state.delay, 2, wrong);
      assert.match(state.message, /not taken, an interval is 0\.1 to 3600 seconds/);
      assert.equal(typed('<', state)[0].message, '');
    }
  });

  test('< and > move along the columns and stay at their ends, R turns round', () => {
    assert.equal(typed('>')[0].sorting.column, 'seen');
    assert.equal(typed('>><')[0].sorting.column, 'seen');
    assert.equal(typed('<')[0].sorting.column, 'order');
    assert.equal(typed('>'.repeat(20))[0].sorting.column, SORT_COLUMNS.at(-1));
    assert.equal(typed('R')[0].sorting.isReversed, true);
    assert.equal(typed('RR')[0].sorting.isReversed, false);
  });

  test('of several octets is one key: arrows scroll, and never above the first line', () => {
    assert.deepEqual(splitKeys('a\x1b[A\x1b[5~\x1bOBq'), ['a', '\x1b[A', '\x1b[5~', '\x1bOB', 'q']);
    assert.equal(typed('\x1b[B\x1b[B\x1bOB')[0].above, 3);
    assert.equal(typed('\x1b[6~\x1b[A')[0].above, 9);
    assert.equal(typed('\x1b[B\x1b[5~')[0].above, 0);
    assert.equal(typed('\x1b[6~\x1b[H')[0].above, 0);
  });

  test('that is rubbish leaves a state that can be shown', () => {
    const rubbish = fc.array(fc.constantFrom(...'sdqhR<>? \r\x1b\x1a\x7f01239.xé', '\x1b[A', '\x1b[6~', '\x1b[99;1Z'));
    fc.assert(
      fc.property(rubbish, (keys) => {
        const [state] = typed(keys.join(''));
        assert.ok(state.delay >= LEAST_DELAY && state.delay <= MOST_DELAY);
        assert.ok(state.above >= 0 && (state.typed ?? '').length <= 8);
        assert.ok(SORT_COLUMNS.includes(state.sorting.column));
      }),
      { seed: 12 },
    );
  });
});

test('an interval is a number of seconds within bounds, and nothing else', () => {
  for (const [text, seconds] of [
    ['1', 1],
    ['0.1', 0.1],
    ['3600', 3600],
    ['3601', null],
    ['-1', null],
    ['1e3', null],
    ['', null],
    ['Infinity', null],
    [' 1', null],
  ] as const)
    assert.equal(parseDelay(text), seconds, text);
});
