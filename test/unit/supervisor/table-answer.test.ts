/**
 * What the process that builds a table may say: nothing of it is believed beyond its bounds.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildPrefixTable } from '../../../src/prefix/build-table.ts';
import { TableAnswer } from '../../../src/supervisor/table-answer.ts';
import { parseCidr } from '../../../src/wire/address.ts';

const TABLE = Buffer.from(
  buildPrefixTable(
    ['192.0.2.0/24', '2001:db8::/32'].map((text) => ({ ...(parseCidr(text) ?? assert.fail()), value: 3 })),
  ),
);

function lineFor(said: object): Buffer {
  return Buffer.from(`${JSON.stringify(said)}\n`);
}

function whole(changes: object = {}): Buffer {
  return Buffer.concat([lineFor({ octets: TABLE.length, entries: 2, unused: ['XX'], ...changes }), TABLE]);
}

/** What it is refused for; null where it is taken. */
function refusalOf(...pieces: readonly Buffer[]): string | null {
  const answer = new TableAnswer();
  for (const piece of pieces) {
    const fault = answer.take(piece);
    if (fault !== null) return fault;
  }
  try {
    answer.end('list');
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

test('a table comes whole, in whatever pieces', () => {
  const text = whole();
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: text.length })), (cuts) => {
      const answer = new TableAnswer();
      let from = 0;
      for (const cut of [...cuts.sort((a, b) => a - b), text.length]) {
        const piece = Buffer.from(text.subarray(from, cut));
        assert.equal(answer.take(piece), null);
        from = cut;
      }
      const { memory, entries, unused } = answer.end('list');
      assert.ok(Buffer.from(memory).equals(TABLE));
      assert.deepEqual([entries, unused], [2, ['XX']]);
    }),
  );
});

test('an error is the one that it names, and only one of those that a list can have', () => {
  assert.equal(
    refusalOf(lineFor({ error: { code: 'FIREHOOK_TABLE_INVALID', message: 'list:1: \u001b[2J' } })),
    'list:1: \\x1b[2J',
  );
  assert.equal(refusalOf(lineFor({ error: { code: 'FIREHOOK_INTERNAL', message: 'x' } })), 'its answer is none');
  assert.equal(
    refusalOf(Buffer.concat([lineFor({ error: { code: 'FIREHOOK_TABLE_INVALID', message: 'x' } }), TABLE])),
    'it said more than it promised',
  );
});

test('what is no answer is refused', () => {
  const built = 'cannot build a table: list: the process that builds it:';
  assert.equal(refusalOf(), `${built} it said nothing`);
  assert.equal(refusalOf(Buffer.from('{"octets": 96')), `${built} it said nothing`);
  for (const line of ['null\n', '\n', '{}\n', '[]\n', 'x\n', '{"octets":96}\n'])
    assert.equal(refusalOf(Buffer.from(line)), 'its answer is none');
  for (const octets of [-1, 0, 95, 2 ** 40, 1.5, '96', null])
    assert.equal(refusalOf(whole({ octets })), 'its answer is none');
  for (const change of [{ entries: -1 }, { unused: Array(17).fill('x') }, { unused: ['x'.repeat(257)] }, { more: 1 }])
    assert.equal(refusalOf(whole(change)), 'its answer is none');
  assert.equal(refusalOf(Buffer.alloc(16 * 1024, 'x'), Buffer.alloc(1)), 'it said more than 16384 octets in a line');
  assert.equal(refusalOf(whole(), Buffer.alloc(1)), 'it said more than it promised');
  assert.equal(
    refusalOf(whole({ octets: TABLE.length + 4 })),
    `${built} ${TABLE.length} of ${TABLE.length + 4} octets came`,
  );
  assert.equal(
    refusalOf(Buffer.concat([lineFor({ octets: 4096, entries: 0, unused: [] }), Buffer.alloc(4096)])),
    `${built} what it made is no table: it is no prefix table`,
  );
});

test('a table with any octet changed is refused, or is one', () => {
  fc.assert(
    fc.property(fc.nat(TABLE.length - 1), fc.nat(255), (at, octet) => {
      const text = whole();
      text[text.length - TABLE.length + at] = octet;
      const refusal = refusalOf(text);
      assert.ok(refusal === null || refusal.includes('what it made is no table'), `${refusal}`);
    }),
    { numRuns: 2_000 },
  );
});
