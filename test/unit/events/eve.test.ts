/**
 * Lines of events: one JSON text each, whatever a hook has put into it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type EventOrigin, eveLine, eveOf, MAX_LINE } from '../../../src/events/eve.ts';
import { EVENT_TYPES, RING_OCTETS } from '../../../src/events/event-layout.ts';
import { type EventRecord, RingReader } from '../../../src/events/ring-reader.ts';
import { RingWriter } from '../../../src/events/ring-writer.ts';

const ORIGIN: EventOrigin = { lane: 3, hooks: ['first', 'dns'], nameOf: (index) => (index === 7 ? 'lan0' : undefined) };
const EVENT: EventRecord = {
  type: 'dns',
  hook: 1,
  seconds: 1_795_603_100,
  nanoseconds: 199_120_999,
  interfaceIndex: 7,
  ends: {
    version: 4,
    protocol: 17,
    source: '10.77.0.1',
    destination: '10.77.0.2',
    sourcePort: 40_112,
    destinationPort: 53,
  },
  isCut: false,
  fields: [
    ['rrname', 'example.org'],
    ['octets', 61],
  ],
};

test('a line has the envelope of EVE, and the fields of the hook below the type', () => {
  assert.equal(
    eveLine(eveOf(EVENT, ORIGIN)),
    '{"timestamp":"2026-11-25T10:38:20.199120+0000","event_type":"dns","in_iface":"lan0","src_ip":"10.77.0.1","src_port":40112,' +
      '"dest_ip":"10.77.0.2","dest_port":53,"proto":"UDP","ip_v":4,"dns":{"rrname":"example.org","octets":61},' +
      '"firehook":{"hook":"dns","lane":3}}\n',
  );
});

test('what there is not is left out', () => {
  const { ends } = EVENT;
  assert.ok(ends !== null);
  const noPorts = eveOf({ ...EVENT, ends: { ...ends, protocol: 89, sourcePort: -1, destinationPort: -1 } }, ORIGIN);
  assert.ok(!('src_port' in noPorts) && !('dest_port' in noPorts));
  assert.equal(noPorts.proto, '089');
  const alone = eveOf({ ...EVENT, ends: null, interfaceIndex: -1, isCut: true, hook: 9 }, ORIGIN);
  assert.deepEqual(Object.keys(alone), ['timestamp', 'event_type', 'dns', 'firehook']);
  assert.deepEqual(alone.firehook, { hook: 'unknown', lane: 3, cut: true });
});

test('no text of a hook ends a line, forges a field, moves a cursor or makes a line longer than it may be', () => {
  const memory = new ArrayBuffer(RING_OCTETS);
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  const nasty = fc.constantFrom(
    '\n',
    '\r\n',
    '"},"x":"',
    '\u0000',
    '\u001b[2J',
    '\u2028',
    '\u202e',
    '\u009b',
    '\ud800',
    '\\',
  );
  const text = fc
    .array(fc.oneof(nasty, fc.string({ unit: 'binary' })), { maxLength: 60 })
    .map((parts) => parts.join(''));
  const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/);
  fc.assert(
    fc.property(fc.nat(EVENT_TYPES.length - 1), fc.array(fc.tuple(name, text), { maxLength: 5 }), (type, fields) => {
      assert.ok(writer.begin(0, type));
      writer.time(1, 1);
      for (const [key, value] of fields) writer.text(key, value);
      writer.commit();
      reader.read((event) => {
        const line = eveLine(eveOf(event, ORIGIN));
        assert.ok(line.endsWith('}\n') && line.indexOf('\n') === line.length - 1);
        assert.ok(Buffer.byteLength(line) <= MAX_LINE, `${Buffer.byteLength(line)} octets`);
        assert.doesNotMatch(line.slice(0, -1), /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u);
        const parsed = JSON.parse(line) as Record<string, unknown>;
        const kind = EVENT_TYPES[type] as string;
        assert.deepEqual(Object.keys(parsed), ['timestamp', 'event_type', kind, 'firehook']);
        assert.deepEqual(parsed[kind], Object.fromEntries(event.fields));
      });
    }),
    { numRuns: 3000, seed: 11 },
  );
  assert.equal(reader.invalid, 0);
});
