/**
 * Frames of `firehook top`: of whatever lines, they fit the terminal and move nothing but the cursor.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { frameOf, visibleLines } from '../../../../src/cli/top/frame.ts';
import { initialState } from '../../../../src/cli/top/keys.ts';
import type { Line } from '../../../../src/cli/top/screen.ts';

function plain(texts: readonly string[]): Line[] {
  return texts.map((text) => ({ text, style: 'plain' }));
}

const TEN = plain(Array.from({ length: 10 }, (_, index) => `line ${index}`));
const KEYS = initialState(2);

describe('a frame', () => {
  test('has all lines where there is room, and says how many more there are where there is none', () => {
    assert.deepEqual(visibleLines(TEN, KEYS, { columns: 80, rows: 24 })[0], TEN);
    const [lines] = visibleLines(TEN, KEYS, { columns: 80, rows: 4 });
    assert.deepEqual(
      lines.map(({ text }) => text),
      ['line 0', 'line 1', 'line 2', '... 7 more lines: down'],
    );
  });

  test('does not go beyond the last line', () => {
    const [lines, above] = visibleLines(TEN, { ...KEYS, above: 1000 }, { columns: 80, rows: 4 });
    assert.equal(above, 6);
    assert.equal(lines.at(-1)?.text, 'line 9');
  });

  test('has what is typed in its last line', () => {
    const [lines] = visibleLines(TEN.slice(0, 2), { ...KEYS, typed: '1.' }, { columns: 80, rows: 6 });
    assert.equal(lines.length, 6);
    assert.equal(lines.at(-1)?.text, 'seconds from one look to the next (now 2): 1.');
  });

  test('fits every terminal, and its lines hold no control character', () => {
    const text = fc.string({ unit: 'binary', maxLength: 60 });
    const size = fc.record({ columns: fc.integer({ min: 1, max: 90 }), rows: fc.integer({ min: 1, max: 30 }) });
    fc.assert(
      fc.property(fc.array(text, { maxLength: 40 }), size, fc.nat(50), (texts, room, above) => {
        const [lines] = visibleLines(plain(texts), { ...KEYS, above }, room);
        assert.ok(lines.length <= room.rows);
        assert.ok(lines.every((line) => [...line.text].length <= room.columns));
        const frame = frameOf(lines, false);
        assert.ok(frame.startsWith('\x1b[H') && frame.endsWith('\x1b[J'));
        const inside = frame.slice(3, -3).replaceAll('\x1b[K', '').split('\r\n');
        for (const line of inside) assert.doesNotMatch(line, /[\p{Cc}\u202a-\u202e]/u);
      }),
      { seed: 12 },
    );
  });

  test('has colours only where there are to be any', () => {
    const lines: Line[] = [{ text: 'bad', style: 'red' }];
    assert.equal(frameOf(lines, false), '\x1b[Hbad\x1b[K\x1b[J');
    assert.ok(frameOf(lines, true).includes('\x1b[31mbad\x1b[39m'));
  });
});
