/**
 * Records of firehook's own in a ring that hooks can write: what cannot be is none, and whatever is taken makes one whole line.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type EventOrigin, eveLine, eveOf, MAX_LINE } from '../../../src/events/eve.ts';
import {
  AT_SECONDS,
  HEAD,
  RING_HEADER,
  RING_OCTETS,
  SLOT_OCTETS,
  TYPE_DROP,
  TYPE_FLOW,
} from '../../../src/events/event-layout.ts';
import { RingReader } from '../../../src/events/ring-reader.ts';
import { RingWriter } from '../../../src/events/ring-writer.ts';
import { assertEve } from '../../support/eve-schema.ts';

const ORIGIN: EventOrigin = { lane: 63, hooks: ['first'], ways: ['a > b'], nameOf: (index) => `if${index}` };

test('whatever a hook writes there, lines are whole, bounded, and as Suricata has them', () => {
  const memory = new ArrayBuffer(RING_OCTETS);
  const places = new Int32Array(memory, 0, RING_HEADER / 4);
  const slot = new Uint8Array(memory, RING_HEADER, SLOT_OCTETS);
  let taken = 0;
  const change = fc.tuple(fc.integer({ min: 0, max: 140 }), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(
      fc.constantFrom(TYPE_DROP, TYPE_FLOW),
      fc.boolean(),
      fc.uint8Array({ minLength: 128, maxLength: 128 }),
      fc.array(change, { maxLength: 6 }),
      (type, isIp, octets, changes) => {
        slot.fill(0);
        const view = new DataView(memory, RING_HEADER, SLOT_OCTETS);
        view.setUint16(0, type === TYPE_DROP ? 224 : 136, true);
        view.setUint8(4, type);
        view.setUint8(5, isIp || type === TYPE_FLOW ? 6 : 0);
        view.setUint8(6, 6);
        view.setUint32(AT_SECONDS, 1_795_603_100, true);
        if (type === TYPE_DROP) {
          view.setUint8(62, isIp ? 0 : 1);
          view.setInt32(88, 40, true);
          view.setInt32(92, 128, true);
          slot.set(octets, 96);
        }
        for (const [at, octet] of changes) slot[at] = octet;
        places[HEAD] = 1;
        places[16] = 0;
        new RingReader(memory).read((event) => {
          taken += 1;
          const line = eveLine(eveOf(event, ORIGIN));
          assert.ok(Buffer.byteLength(line) <= MAX_LINE);
          if (event.drop !== undefined || event.flowEnd !== undefined) assertEve(line);
        });
      },
    ),
    { numRuns: 5000, seed: 12 },
  );
  assert.ok(taken > 1000, `${taken} were taken`);
});

test('a drop and a flow leave no octet of the event before in their slot', () => {
  const memory = new ArrayBuffer(RING_OCTETS);
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  // Each slot of the ring, twice.
  for (let round = 0; round < 2 * 2048; round++) {
    assert.ok(writer.begin(0, 0));
    writer.time(1, 1);
    writer.text('secret', 'x'.repeat(200));
    writer.commit();
    reader.read(() => undefined);
  }
  assert.ok(writer.begin(0, TYPE_DROP));
  writer.time(1, 1);
  writer.octets(60, 2, 0, 1);
  writer.word(64, 0);
  writer.word(68, 14);
  writer.word(72, -1);
  writer.word(76, 0);
  writer.double(80, 0);
  writer.word(88, -1);
  writer.word(92, 2);
  writer.copy(96, Uint8Array.of(1, 2), 2);
  writer.endAt(98);
  writer.commit();
  const seen: number[][] = [];
  reader.read(({ drop }) => seen.push([...(drop?.octets ?? [])]));
  assert.deepEqual(seen, [[1, 2]]);
  assert.equal(reader.invalid, 0);
});
