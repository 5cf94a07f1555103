/**
 * The ring of events: what a writer puts in comes out as it was, and whatever else stands in the memory never comes out as an event that cannot be.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  EVENT_TYPES,
  HEAD,
  MAX_TEXT,
  RING_HEADER,
  RING_OCTETS,
  SLOT_OCTETS,
  SLOTS,
  TAIL,
} from '../../../src/events/event-layout.ts';
import { type EventRecord, FIELD_NAME, RingReader } from '../../../src/events/ring-reader.ts';
import { RingWriter } from '../../../src/events/ring-writer.ts';

interface Ring {
  readonly memory: ArrayBuffer;
  readonly writer: RingWriter;
  readonly reader: RingReader;
}

function layRing(whenFull?: () => void): Ring {
  const memory = new ArrayBuffer(RING_OCTETS);
  return { memory, writer: new RingWriter(memory, whenFull), reader: new RingReader(memory) };
}

function readAll(reader: RingReader): EventRecord[] {
  const events: EventRecord[] = [];
  reader.read((event) => events.push(event));
  return events;
}

function write(writer: RingWriter, seconds: number): boolean {
  if (!writer.begin(0, 0)) return false;
  writer.time(seconds, 0);
  writer.commit();
  return true;
}

const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/);
const text = fc.string({ unit: 'binary', maxLength: 400 });
const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));
const fields = fc.array(fc.tuple(name, fc.oneof(text, number)), { maxLength: 12 });
const port = fc.integer({ min: -1, max: 65_535 });

/** What is left of a text: the characters that are whole within so many octets. */
function cut(value: string, octets: number): string {
  let kept = '';
  for (const character of value) {
    if (Buffer.byteLength(kept + character) > octets) break;
    kept += character;
  }
  return kept;
}

/** The fields that have room, as a slot has it: the model of the writer. */
function modelOf(given: readonly (readonly [string, string | number])[]): {
  fields: (readonly [string, string | number])[];
  isCut: boolean;
} {
  let room = SLOT_OCTETS - 60;
  let isCut = false;
  const kept: [string, string | number][] = [];
  for (const [key, value] of given) {
    const head = 2 + key.length + (typeof value === 'number' ? 8 : 2);
    if (head > room) {
      isCut = true;
      continue;
    }
    room -= head;
    if (typeof value === 'number') kept.push([key, value]);
    else {
      const whole = Buffer.from(value).toString();
      const part = cut(whole, Math.min(MAX_TEXT, room));
      isCut ||= part !== whole;
      room -= Buffer.byteLength(part);
      kept.push([key, part]);
    }
  }
  return { fields: kept, isCut };
}

describe('what is written', () => {
  test('is read as it was, as far as a slot has room', () => {
    const { writer, reader } = layRing();
    fc.assert(
      fc.property(
        fc.nat(65_535),
        fc.nat(EVENT_TYPES.length - 1),
        fields,
        port,
        port,
        fc.nat(255),
        fc.nat(2 ** 32 - 1),
        fc.nat(999_999_999),
        fc.integer({ min: -1, max: 2 ** 31 - 1 }),
        (hook, type, given, sourcePort, destinationPort, protocol, seconds, nanoseconds, interfaceIndex) => {
          assert.ok(writer.begin(hook, type));
          writer.time(seconds, nanoseconds);
          writer.arrival(interfaceIndex);
          writer.ends(4, protocol, sourcePort, destinationPort);
          writer.addressWord(true, 0, 0x0a4d0001);
          writer.addressWord(false, 0, 0xcb007102 | 0);
          for (const [key, value] of given) {
            if (typeof value === 'number') writer.number(key, value);
            else writer.text(key, value);
          }
          writer.commit();
          const model = modelOf(given);
          assert.deepEqual(readAll(reader), [
            {
              type: EVENT_TYPES[type],
              hook,
              seconds,
              nanoseconds,
              interfaceIndex,
              ends: {
                version: 4,
                protocol,
                source: '10.77.0.1',
                destination: '203.0.113.2',
                sourcePort,
                destinationPort,
              },
              isCut: model.isCut,
              fields: model.fields,
            },
          ]);
        },
      ),
      { numRuns: 3000, seed: 11 },
    );
    assert.equal(reader.invalid, 0);
  });

  test('comes in order, around the end of the ring and of the numbers', () => {
    const { memory, writer: _, reader: __ } = layRing();
    const places = new Int32Array(memory);
    // Just before the counters turn negative.
    places[HEAD] = 2 ** 31 - 3;
    places[TAIL] = 2 ** 31 - 3;
    const writer = new RingWriter(memory);
    const reader = new RingReader(memory);
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < SLOTS; index++) assert.ok(write(writer, index));
      assert.equal(write(writer, 0), false);
      assert.deepEqual(
        readAll(reader).map(({ seconds }) => seconds),
        Array.from({ length: SLOTS }, (_value, index) => index),
      );
    }
    assert.equal(reader.invalid, 0);
  });

  test('is not overwritten where nobody reads, and goes on when somebody does', () => {
    const { writer, reader } = layRing();
    for (let index = 0; index < SLOTS; index++) assert.ok(write(writer, index));
    for (let index = 0; index < 10; index++) assert.equal(write(writer, 99), false);
    assert.equal(readAll(reader)[0]?.seconds, 0);
    assert.ok(write(writer, 7));
    assert.deepEqual(
      readAll(reader).map(({ seconds }) => seconds),
      [7],
    );
  });

  test('has room at once where the reader is asked to make it', () => {
    const seen: number[] = [];
    const memory = new ArrayBuffer(RING_OCTETS);
    const reader = new RingReader(memory);
    const writer = new RingWriter(memory, () => reader.read(({ seconds }) => seen.push(seconds)));
    for (let index = 0; index < 3 * SLOTS; index++) assert.ok(write(writer, index));
    reader.read(({ seconds }) => seen.push(seconds));
    assert.deepEqual(
      seen,
      Array.from({ length: 3 * SLOTS }, (_, index) => index),
    );
  });

  test('is there for another reader where the first has left off', () => {
    const { memory, writer, reader } = layRing();
    for (let index = 0; index < 5; index++) write(writer, index);
    assert.equal(readAll(reader).length, 5);
    for (let index = 5; index < 8; index++) write(writer, index);
    assert.deepEqual(
      readAll(new RingReader(memory)).map(({ seconds }) => seconds),
      [5, 6, 7],
    );
  });

  test('that was not finished is not there', () => {
    const { writer, reader } = layRing();
    assert.ok(writer.begin(0, 0));
    writer.text('secret', 'x');
    assert.deepEqual(readAll(reader), []);
    assert.ok(write(writer, 3));
    assert.deepEqual(readAll(reader)[0]?.fields, []);
  });
});

/** What may never be wrong with an event, whoever wrote the memory. */
function assertSound(event: EventRecord): void {
  assert.ok([...EVENT_TYPES, 'drop'].includes(event.type));
  assert.ok(event.hook >= 0 && event.hook <= 65_535);
  assert.ok(event.nanoseconds < 1_000_000_000 && event.seconds < 2 ** 32);
  let octets = 0;
  for (const [key, value] of event.fields) {
    assert.match(key, FIELD_NAME);
    if (typeof value === 'number') assert.ok(Number.isFinite(value));
    else {
      // Of octets that are no UTF-8 each may have become a character of three.
      assert.ok(Buffer.byteLength(value) <= 3 * MAX_TEXT);
      octets += value.length;
    }
  }
  assert.ok(octets <= SLOT_OCTETS);
  if (event.ends === null) return;
  assert.ok(event.ends.sourcePort >= -1 && event.ends.sourcePort <= 65_535);
  assert.match(event.ends.source, /^[0-9a-f.:]+$/);
}

describe('a hostile writer', () => {
  test('gets no event out that cannot be, and costs no more than a ring of them', () => {
    const { memory } = layRing();
    const octets = Buffer.from(memory);
    const noise = fc.uint8Array({ minLength: SLOT_OCTETS, maxLength: SLOT_OCTETS });
    fc.assert(
      fc.property(fc.array(noise, { minLength: 1, maxLength: 4 }), fc.integer(), fc.integer(), (slots, head, tail) => {
        for (let slot = 0; slot < SLOTS; slot++)
          octets.set(slots[slot % slots.length] as Uint8Array, RING_HEADER + slot * SLOT_OCTETS);
        octets.writeInt32LE(tail, 4 * TAIL);
        const reader = new RingReader(memory);
        octets.writeInt32LE(head, 4 * HEAD);
        let count = 0;
        const looked = reader.read((event) => {
          count += 1;
          assertSound(event);
        });
        assert.ok(looked <= SLOTS && count + reader.invalid >= looked);
        assert.equal(
          reader.read(() => assert.fail('it has been read')),
          0,
        );
      }),
      { numRuns: 300, seed: 11 },
    );
  });

  test('that changes single octets of an honest slot changes single events, or makes them none', () => {
    const { memory, writer, reader } = layRing();
    const octets = Buffer.from(memory);
    fc.assert(
      fc.property(
        fields,
        fc.array(fc.tuple(fc.nat(SLOT_OCTETS - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (given, changes) => {
          const slot = octets.readInt32LE(4 * HEAD) % SLOTS;
          assert.ok(writer.begin(1, 1));
          writer.time(1, 1);
          writer.ends(6, 17, 1, 2);
          for (const [key, value] of given) {
            if (typeof value === 'number') writer.number(key, value);
            else writer.text(key, value);
          }
          writer.commit();
          for (const [at, value] of changes) octets[RING_HEADER + slot * SLOT_OCTETS + at] = value;
          const before = reader.invalid;
          const events = readAll(reader);
          for (const event of events) assertSound(event);
          assert.equal(events.length + reader.invalid - before, 1);
        },
      ),
      { numRuns: 5000, seed: 11 },
    );
  });

  test('that moves the tail moves no reader', () => {
    const { memory, writer, reader } = layRing();
    for (let index = 0; index < 5; index++) write(writer, index);
    new Int32Array(memory)[TAIL] = 1_000_000;
    assert.equal(readAll(reader).length, 5);
  });
});
