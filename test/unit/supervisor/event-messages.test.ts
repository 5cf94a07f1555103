/**
 * What the process that writes events may say: bounded counts, known sinks and known numbers, and nothing else.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseWriterReport } from '../../../src/supervisor/event-messages.ts';

const SINK = { sink: 'file', written: 3, lost: 0, isGone: false, problem: '' };
const REPORT = { sinks: [SINK, { ...SINK, sink: 'socket', isGone: true }], invalid: 1, emptied: [4, 5] };

test('a report is what it says', () => {
  assert.deepEqual(parseWriterReport(JSON.stringify(REPORT)), REPORT);
});

test('anything else is none', () => {
  const withSink = (change: object): object => ({ ...REPORT, sinks: [{ ...SINK, ...change }] });
  const wrong: readonly object[] = [
    { ...REPORT, more: 1 },
    { ...REPORT, invalid: -1 },
    { ...REPORT, emptied: ['4'] },
    { ...REPORT, emptied: Array(1025).fill(0) },
    { ...REPORT, sinks: [SINK, SINK, SINK, SINK] },
    withSink({ more: 1 }),
    withSink({ sink: 'printer' }),
    withSink({ written: -1 }),
    withSink({ written: 0.5 }),
    withSink({ lost: 2 ** 54 }),
    withSink({ isGone: 1 }),
    withSink({ problem: 'x'.repeat(257) }),
    { sinks: [] },
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
