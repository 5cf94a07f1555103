/**
 * What the process that writes events may say: bounded counts and known numbers, and nothing else.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseWriterReport } from '../../../src/supervisor/event-messages.ts';

const REPORT = { written: 3, lost: 0, invalid: 1, emptied: [4, 5], error: '' };

test('a report is what it says', () => {
  assert.deepEqual(parseWriterReport(JSON.stringify(REPORT)), REPORT);
});

test('anything else is none', () => {
  const wrong: readonly object[] = [
    { ...REPORT, more: 1 },
    { ...REPORT, written: -1 },
    { ...REPORT, written: 0.5 },
    { ...REPORT, written: 2 ** 54 },
    { ...REPORT, written: null },
    { ...REPORT, emptied: ['4'] },
    { ...REPORT, emptied: Array(1025).fill(0) },
    { ...REPORT, error: 'x'.repeat(257) },
    { written: 1 },
    [],
  ];
  for (const one of wrong) assert.equal(parseWriterReport(JSON.stringify(one)), null, JSON.stringify(one).slice(0, 80));
  for (const text of ['', '{', 'null', '1', '"x"']) assert.equal(parseWriterReport(text), null);
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.equal(parseWriterReport(text), null);
    }),
    { numRuns: 2000, seed: 11 },
  );
});
