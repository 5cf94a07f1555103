/**
 * What a hook sees of a stream: the octets at any place, over the bounds of chunks, and -1 beyond.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { randomNumbers } from '../flow/flow-rig.ts';
import { pattern, StreamRig } from './stream-rig.ts';

/** Three chunks and a part of a fourth. */
const LENGTH = 7_000;
const CHUNK = 2_048;

function shown(text = pattern(0, LENGTH)) {
  const rig = new StreamRig();
  rig.syn();
  // Taken in turns with another stream, so that chunks do not lie one behind the other.
  const other = rig.open(2, 0, 1);
  for (let at = 0; at < text.length; at += 1_000) {
    rig.data(at, text.slice(at, at + 1_000));
    rig.table.startAt(other, 5);
    rig.table.feed(other, Buffer.alloc(1_000, 0x2e), 0, 1_000, 5 + at, 16, rig.nowMs);
  }
  return { rig, other, view: rig.table.show(rig.stream) };
}

describe('numbers', () => {
  test('are read at every place, and are -1 where not all octets are there', () => {
    const { view } = shown();
    const octets = Buffer.from(pattern(0, LENGTH), 'latin1');
    assert.equal(view.length, LENGTH);
    for (let at = 0; at < LENGTH; at++) {
      assert.equal(view.u8(at), octets[at]);
      assert.equal(view.u16(at), at + 2 <= LENGTH ? octets.readUInt16BE(at) : -1);
      assert.equal(view.u32(at), at + 4 <= LENGTH ? octets.readUInt32BE(at) : -1);
    }
    for (const at of [-1, LENGTH, 2 ** 31, -(2 ** 31), Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.deepEqual([view.u8(at), view.u16(at), view.u32(at)], [-1, -1, -1], String(at));
    }
  });

  test('of octets behind a gap are not shown', () => {
    const rig = new StreamRig();
    rig.syn();
    rig.data(0, 'abc');
    rig.data(4, 'efg');
    const view = rig.table.show(rig.stream);
    assert.deepEqual([view.u8(2), view.u8(3), view.u8(4)], [0x63, -1, -1]);
    assert.deepEqual([view.text(), view.indexOf(Buffer.from('e')), view.copyTo(Buffer.alloc(9))], ['abc', -1, 3]);
  });
});

describe('indexOf', () => {
  test('finds what a Buffer finds, in streams that look alike everywhere', () => {
    const random = randomNumbers(11);
    for (let round = 0; round < 300; round++) {
      const letters = 1 + random(3);
      const text = Array.from({ length: 1 + random(2 * CHUNK + 20) }, () => 'abc'[random(letters)]).join('');
      const { view } = shown(text);
      const octets = Buffer.from(text);
      for (let search = 0; search < 10; search++) {
        const from = random(text.length + 2);
        const start = random(text.length);
        const needle = octets.subarray(start, start + random(40));
        const found = octets.indexOf(needle, from);
        const isPast = needle.length > 0 || from <= text.length;
        assert.equal(view.indexOf(needle, from), isPast ? found : -1, `${needle.toString()} from ${from}`);
      }
    }
  });

  test('finds needles over the bound of a chunk, at both ends, and not beyond', () => {
    const { view, rig } = shown();
    const octets = Buffer.from(pattern(0, LENGTH), 'latin1');
    for (const at of [0, CHUNK - 1, CHUNK - 3, CHUNK, 2 * CHUNK - 2, LENGTH - 8]) {
      assert.equal(view.indexOf(octets.subarray(at, at + 8), at), at);
      if (at > 0) assert.notEqual(view.indexOf(octets.subarray(at, at + 8), at + 1), at);
    }
    assert.equal(view.indexOf(octets), 0);
    assert.equal(view.indexOf(octets.subarray(CHUNK - 5, 2 * CHUNK + 5)), CHUNK - 5);
    assert.equal(view.indexOf(Buffer.concat([octets.subarray(LENGTH - 4), Buffer.of(0)])), -1);
    assert.equal(view.indexOf(Buffer.alloc(LENGTH + 1)), -1);
    assert.equal(view.indexOf(octets.subarray(0, 4), Number.NaN), 0);
    assert.equal(view.indexOf(octets.subarray(0, 4), -5), 0);
    assert.equal(view.indexOf(octets.subarray(0, 4), Number.POSITIVE_INFINITY), -1);
    rig.data(LENGTH, 'END');
    assert.equal(view.indexOf(Buffer.from('END')), -1, 'what came after it was shown');
    assert.equal(rig.table.show(rig.stream).indexOf(Buffer.from('END')), LENGTH);
  });

  test('looks at each octet a bounded number of times where a needle almost fits everywhere', () => {
    const looks = { count: 0 };
    const needle = new Proxy(Buffer.from(`${'a'.repeat(1_000)}b`), {
      get(target, key) {
        if (typeof key === 'string' && /^\d+$/.test(key)) looks.count += 1;
        return Reflect.get(target, key, target) as unknown;
      },
    });
    const { view } = shown('a'.repeat(LENGTH));
    assert.equal(view.indexOf(needle), -1);
    assert.ok(looks.count < 5 * (LENGTH + needle.length), `${looks.count} looks`);
  });
});

describe('startsWith, text and copyTo', () => {
  test('startsWith compares the start, also over chunks', () => {
    const { view } = shown();
    const octets = Buffer.from(pattern(0, LENGTH), 'latin1');
    for (const length of [0, 1, 63, 64, CHUNK, CHUNK + 1, LENGTH]) {
      assert.ok(view.startsWith(octets.subarray(0, length)), String(length));
      if (length === 0) continue;
      const other = Buffer.from(octets.subarray(0, length));
      other[length - 1] = (other[length - 1] ?? 0) ^ 1;
      assert.ok(!view.startsWith(other), String(length));
    }
    assert.ok(!view.startsWith(Buffer.concat([octets, Buffer.of(0)])));
  });

  test('text is cut at the end, and empty where nothing is', () => {
    const { view } = shown();
    const text = pattern(0, LENGTH);
    assert.equal(view.text(), text);
    for (const [from, to] of [
      [0, 5],
      [2_040, 2_060],
      [100, LENGTH + 100],
      [LENGTH - 1, LENGTH],
      [50, 50],
    ] as const) {
      assert.equal(view.text(from, to), text.slice(from, to));
    }
    assert.equal(view.text(10), text.slice(10));
    assert.equal(view.text(-5, 5), text.slice(0, 5));
    for (const [from, to] of [
      [5, 2],
      [LENGTH, LENGTH + 9],
      [0, Number.NaN],
    ] as const) {
      assert.equal(view.text(from, to), '');
    }
  });

  test('copyTo copies as much as is there and fits', () => {
    const { view } = shown();
    const octets = Buffer.from(pattern(0, LENGTH), 'latin1');
    const target = Buffer.alloc(LENGTH + 50, 0xff);
    assert.equal(view.copyTo(target), LENGTH);
    assert.deepEqual(target.subarray(0, LENGTH), octets);
    assert.deepEqual(target.subarray(LENGTH), Buffer.alloc(50, 0xff));
    const small = new Uint8Array(10);
    assert.equal(view.copyTo(small, CHUNK - 5), 10);
    assert.deepEqual(Buffer.from(small), octets.subarray(CHUNK - 5, CHUNK + 5));
    assert.equal(view.copyTo(small, LENGTH - 3), 3);
    assert.equal(view.copyTo(small, LENGTH), 0);
    for (const at of [-1, LENGTH + 1, Number.NaN]) assert.equal(view.copyTo(small, at), -1);
    small.fill(0);
    assert.equal(view.u8(CHUNK), octets[CHUNK], 'a copy is a copy');
  });
});

describe('the view', () => {
  test('is one object, and says whose stream it shows', () => {
    const { rig, other, view } = shown();
    assert.ok(view.isClient);
    assert.equal(rig.table.show(other), view);
    assert.ok(!view.isClient);
    assert.equal(view.text(0, 4), '....');
    assert.ok(!view.isEnded);
  });

  test('shows nothing when its stream is closed, and does not mind another one', () => {
    const { rig, other, view } = shown();
    rig.table.close(other);
    assert.equal(view.length, LENGTH);
    rig.table.close(rig.stream);
    const empty = [view.length, view.u8(0), view.text(), view.indexOf(Buffer.of(1)), view.copyTo(Buffer.alloc(1))];
    assert.deepEqual(empty, [0, -1, '', -1, 0]);
    assert.equal(rig.table.show(-1).length, 0);
    assert.equal(rig.table.show(999).length, 0);
  });

  test('holds nothing that leads to the memory', () => {
    const { view } = shown();
    for (const key of Reflect.ownKeys(view)) {
      assert.match(typeof Reflect.get(view, key), /^(?:number|boolean)$/, String(key));
    }
  });
});
