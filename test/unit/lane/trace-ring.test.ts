/**
 * The ring of traces: what is written is read, in order; what was overwritten is counted; and what a hostile lane writes is nothing.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { parseTrace } from '../../../src/lane/read-trace.ts';
import { MAX_TRACE_RECORD, TRACE_OCTETS, TraceRingReader, TraceRingWriter } from '../../../src/lane/trace-ring.ts';

const AT = 24;

/** A writer whose memory the reader sees when it is published. */
function ring(t: TestContext): { writer: TraceRingWriter; memory: Buffer; publish: () => void; fd: number } {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-ring-'));
  const fd = openSync(path.join(folder, 'ring'), 'w+');
  t.after(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  const memory = Buffer.alloc(TRACE_OCTETS);
  const publish = (): void => void writeSync(fd, memory, 0, TRACE_OCTETS, AT);
  publish();
  return { writer: new TraceRingWriter(memory), memory, publish, fd };
}

test('records are read in order and once; those that were overwritten are lost', (t) => {
  const { writer, publish, fd } = ring(t);
  writer.write(1, 'before the reader');
  publish();
  const reader = new TraceRingReader(fd, AT);
  let next = 0;
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 0, max: 3 }), (count, skipped) => {
      const texts = Array.from({ length: count }, () => `record ${next++} größer`);
      for (const text of texts) assert.ok(writer.write(7, text));
      for (let index = 0; index < skipped; index++) writer.skip();
      publish();
      const batch = reader.read(7);
      assert.deepEqual(batch.texts, texts.slice(-32));
      assert.equal(batch.lost, Math.max(0, count - 32) + skipped);
      assert.deepEqual(reader.read(7), { texts: [], lost: 0 });
    }),
    { seed: 12 },
  );
});

test('a record of another trace is none of this one, and one without room is lost', (t) => {
  const { writer, publish, fd } = ring(t);
  const reader = new TraceRingReader(fd, AT);
  writer.write(1, 'old');
  writer.write(2, 'x'.repeat(MAX_TRACE_RECORD));
  assert.equal(writer.write(2, 'x'.repeat(MAX_TRACE_RECORD + 1)), false);
  publish();
  const { texts, lost } = reader.read(2);
  assert.deepEqual([texts.map(({ length }) => length), lost], [[MAX_TRACE_RECORD], 1]);
});

test('whatever stands in the memory, reading it ends, and gives texts of bounded length and number', (t) => {
  const { memory, publish, fd } = ring(t);
  const reader = new TraceRingReader(fd, AT);
  const word = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 0, max: 70 }));
  fc.assert(
    fc.property(fc.array(word, { minLength: 40, maxLength: 40 }), word, (words, head) => {
      for (const [slot, value] of words.entries()) memory.writeUInt32LE(value, (slot * 1024 * 3) % (TRACE_OCTETS - 4));
      memory.writeUInt32LE(head, 0);
      publish();
      const { texts, lost } = reader.read(1);
      assert.ok(texts.length <= 32 && lost >= 0);
      for (const text of texts) assert.ok(Buffer.byteLength(text) <= 3 * MAX_TRACE_RECORD);
    }),
    { seed: 12, numRuns: 300 },
  );
});

const RECORD = {
  number: 1,
  seconds: 1,
  nanoseconds: 2,
  from: 'lan0',
  to: 'wan0',
  length: 60,
  ends: { version: 4, protocol: 6, source: '192.0.2.1', destination: '192.0.2.2', sourcePort: 1, destinationPort: 2 },
  resumed: false,
  hooks: [
    {
      hook: 'a',
      skipped: null,
      verdict: 'DROP',
      released: false,
      reason: 'telnet',
      ns: 100,
      changed: { octets: 1, first: 8, length: 40 },
      replaced: false,
      faults: 0,
    },
  ],
  fate: 'dropped',
  cause: 'droppedByHook',
  by: 'a',
  reason: 'telnet',
  counted: { received: 1, dropped: 1 },
  cut: false,
};

test('a record is what it says, and everything else is none', () => {
  assert.deepEqual(parseTrace(JSON.stringify(RECORD)), RECORD);
  for (const [what, changes] of [
    ['a key more', { more: 1 }],
    ['a negative time', { seconds: -1 }],
    ['an address that is none', { ends: { ...RECORD.ends, source: '\u001b[2J' } }],
    ['a reason with a control character', { reason: 'a\u001bb' }],
    ['a verdict that is none', { fate: 'accepted' }],
    ['a counter that is none', { counted: { nothing: 1 } }],
    ['a counter that is no number', { counted: { received: '1' } }],
    ['too many hooks', { hooks: Array(65).fill(RECORD.hooks[0]) }],
    ['a name that is too long', { from: 'x'.repeat(257) }],
  ] as const)
    assert.equal(parseTrace(JSON.stringify({ ...RECORD, ...changes })), null, what);
  for (const text of ['', 'null', '{', '[]', '{"__proto__":1}']) assert.equal(parseTrace(text), null, text);
});
