/**
 * Integers in network byte order.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readU8, readU16, readU32, writeU16, writeU32 } from '../../../src/wire/bytes.ts';

test('reads known octets in network byte order', () => {
  const bytes = Buffer.from('00ff80010203', 'hex');
  assert.equal(readU8(bytes, 1), 0xff);
  assert.equal(readU16(bytes, 1), 0xff80);
  assert.equal(readU32(bytes, 1), 0xff800102);
});

test('writes the same octets and none beside them', () => {
  const bytes = Buffer.alloc(8, 0xaa);
  writeU16(bytes, 1, 0xff80);
  writeU32(bytes, 3, 0xff800102);
  assert.equal(bytes.toString('hex'), 'aaff80ff800102aa');
});

test('reads zero past the end, not NaN and not undefined', () => {
  const bytes = Buffer.alloc(0);
  assert.equal(readU8(bytes, 0), 0);
  assert.equal(readU16(bytes, 0), 0);
  assert.equal(readU32(bytes, 0), 0);
});

test('reads back what was written, as Buffer reads it', () => {
  fc.assert(
    fc.property(fc.nat(0xffff), fc.nat({ max: 0xffffffff }), fc.nat(4), (short, long, offset) => {
      const bytes = Buffer.alloc(10);
      writeU16(bytes, offset, short);
      writeU32(bytes, offset + 2, long);
      assert.equal(readU16(bytes, offset), short);
      assert.equal(readU32(bytes, offset + 2), long);
      assert.equal(readU32(bytes, offset), bytes.readUInt32BE(offset));
    }),
  );
});
