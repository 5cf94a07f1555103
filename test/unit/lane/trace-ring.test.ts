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

const SLOTS = 512;
const PART = 4096 - 20;

/** So many octets, each of which tells which one it is and of what record. */
function octetsOf(record: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (at * 7 + record * 31) & 0xff));
}

test('records are read in order and once; those that were overwritten are lost', (t) => {
  const { writer, publish, fd } = ring(t);
  writer.write(1, Buffer.from('before the reader'));
  publish();
  const reader = new TraceRingReader(fd, AT);
  let next = 0;
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: PART - 1, max: 40 * PART })), {
        maxLength: 40,
      }),
      fc.integer({ min: 0, max: 3 }),
      (lengths, skipped) => {
        const written = lengths.map((length) => octetsOf(next++, length));
        for (const octets of written) assert.ok(writer.write(7, octets));
        for (let index = 0; index < skipped; index++) writer.skip();
        publish();
        // What the last slots of the ring hold whole.
        let slots = 0;
        const kept = written
          .toReversed()
          .filter((octets) => {
            slots += Math.max(1, Math.ceil(octets.length / PART));
            return slots <= SLOTS;
          })
          .toReversed();
        const { records, lost } = reader.read(7);
        assert.deepEqual(records, kept);
        assert.equal(lost, written.length - kept.length + skipped);
        assert.deepEqual(reader.read(7), { records: [], lost: 0 });
      },
    ),
    { seed: 12, numRuns: 200 },
  );
});

test('a record of another trace is none of this one, and one without room is lost', (t) => {
  const { writer, publish, fd } = ring(t);
  const reader = new TraceRingReader(fd, AT);
  writer.write(1, Buffer.from('old'));
  writer.write(2, Buffer.alloc(MAX_TRACE_RECORD));
  assert.equal(writer.write(2, Buffer.alloc(MAX_TRACE_RECORD + 1)), false);
  publish();
  const { records, lost } = reader.read(2);
  assert.deepEqual([records.map(({ length }) => length), lost], [[MAX_TRACE_RECORD], 1]);
});

test('a record that is overwritten while it is read is lost, and those behind it are not', (t) => {
  const { writer, memory, publish, fd } = ring(t);
  const reader = new TraceRingReader(fd, AT);
  for (let record = 0; record < 3; record++) writer.write(1, octetsOf(record, 3 * PART));
  // The second part of the second record is under way.
  memory.writeUInt32LE(0, 16 + 4 * 4096);
  publish();
  assert.deepEqual(reader.read(1), { records: [octetsOf(0, 3 * PART), octetsOf(2, 3 * PART)], lost: 1 });
});

test('whatever stands in the memory, reading it ends, and gives texts of bounded length and number', (t) => {
  const { memory, publish, fd } = ring(t);
  const reader = new TraceRingReader(fd, AT);
  const word = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 0, max: 600 }));
  fc.assert(
    fc.property(
      fc.array(fc.array(word, { minLength: 5, maxLength: 5 }), { maxLength: 30 }),
      word,
      word,
      (slots, head, count) => {
        for (const [slot, words] of slots.entries())
          for (const [place, value] of words.entries())
            memory.writeUInt32LE(place === 0 ? slot + 1 : value, 16 + slot * 4096 + place * 4);
        memory.writeUInt32LE(head, 0);
        memory.writeUInt32LE(count, 8);
        publish();
        const { records, lost } = reader.read(1);
        assert.ok(lost >= 0);
        assert.ok(records.reduce((sum, { length }) => sum + length, 0) <= TRACE_OCTETS);
      },
    ),
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
