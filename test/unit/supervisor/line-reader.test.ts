/**
 * Lines out of a stream of a lane: however it is cut, and however long it is, no more is kept than one line may be.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineReader } from '../../../src/supervisor/line-reader.ts';

const LIMIT = 8;

function linesOf(parts: readonly Buffer[]): [string, boolean][] {
  const lines: [string, boolean][] = [];
  const reader = new LineReader(LIMIT, (line, isCut) => lines.push([line, isCut]));
  for (const part of parts) reader.take(part);
  reader.end();
  return lines;
}

test('lines come whole, however the stream is cut, and a longer one comes once, cut', () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '{'), maxLength: 3 * LIMIT });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.array(fc.nat(60), { maxLength: 6 }), (lines, cuts) => {
      const text = Buffer.from(lines.map((one) => `${one}\n`).join(''));
      const places = [0, ...[...cuts].sort((a, b) => a - b), text.length];
      const parts = places.slice(1).map((end, index) => text.subarray(places[index], end));
      const wanted = lines.map((one) => [one.slice(0, LIMIT), one.length > LIMIT]);
      assert.deepEqual(linesOf(parts), wanted);
    }),
  );
});

test('a stream without end gives one line, and what comes after it is read', () => {
  const flood = Array.from({ length: 1000 }, () => Buffer.alloc(65_536, 'x'));
  assert.deepEqual(linesOf([...flood, Buffer.from('\nnext\n')]), [
    ['xxxxxxxx', true],
    ['next', false],
  ]);
});

test('what has no newline at the end is a line too', () => {
  assert.deepEqual(linesOf([Buffer.from('last')]), [['last', false]]);
});

test('what is skipped is counted by its newlines, and the line after it comes whole', () => {
  const lines: [string, boolean][] = [];
  const reader = new LineReader(LIMIT, (line, isCut) => lines.push([line, isCut]));
  reader.take(Buffer.from('begun'));
  assert.equal(reader.skip(Buffer.from(' and ended\n\nmore\nlast')), 3);
  assert.equal(reader.skip(Buffer.from('ly')), 0);
  reader.take(Buffer.from('\n'));
  assert.deepEqual(lines, [['lastly', false]]);
  reader.take(Buffer.from('a line that is too long'));
  assert.equal(reader.skip(Buffer.from(', far too long\none\n')), 1, 'the cut line has come already');
  assert.deepEqual(lines.slice(1), [['a line t', true]]);
});
