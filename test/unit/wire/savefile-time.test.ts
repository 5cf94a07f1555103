/**
 * Timestamps of capture files: exact where the file is no finer than a nanosecond, rounded down where it is.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTimestampScale, decodeTimestamp, encodeTimestamp } from '../../../src/wire/savefile-time.ts';

const BILLION = 1_000_000_000n;

function decode(count: bigint, resolution: number, offsetSeconds = 0): [seconds: number, nanoseconds: number] {
  const timestamp = {
    timestampHigh: Number(count >> 32n),
    timestampLow: Number(count & 0xffff_ffffn),
    seconds: -1,
    nanoseconds: -1,
  };
  decodeTimestamp(timestamp, createTimestampScale(resolution, offsetSeconds));
  return [timestamp.seconds, timestamp.nanoseconds];
}

test('known counts become the right times', () => {
  assert.deepEqual(decode(1_767_225_600_123_456n, 6), [1_767_225_600, 123_456_000]);
  assert.deepEqual(decode(1_767_225_600_123_456_789n, 9), [1_767_225_600, 123_456_789]);
  assert.deepEqual(decode(1_767_225_600_999_999_999_999n, 12), [1_767_225_600, 999_999_999]);
  assert.deepEqual(decode(42n, 0), [42, 0]);
  assert.deepEqual(decode(1_767_225_600n * 1024n + 1n, 0x80 + 10), [1_767_225_600, 976_562]);
  assert.deepEqual(decode(5_000_000n, 6, -3), [2, 0]);
  assert.deepEqual(decode(5n, 0x7f), [0, 0]);
});

test('every resolution and count agrees with exact arithmetic', () => {
  const anyResolution = fc.oneof(fc.nat(12), fc.integer({ min: 0x80, max: 0x80 + 40 }), fc.nat(255));
  const anyCount = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  fc.assert(
    fc.property(anyResolution, anyCount, (resolution, count) => {
      const { unitsPerSecond } = createTimestampScale(resolution, 0);
      const [seconds, nanoseconds] = decode(count, resolution);
      assert.equal(seconds, Number(count / unitsPerSecond));
      assert.equal(BigInt(nanoseconds), ((count % unitsPerSecond) * BILLION) / unitsPerSecond);
    }),
    { numRuns: 2000 },
  );
});

test('a decimal time that was read becomes the same count again', () => {
  const anyTime = fc.bigInt({ min: 0n, max: 2n ** 52n });
  fc.assert(
    fc.property(fc.nat(9), anyTime, fc.integer({ min: -1000, max: 1000 }), (resolution, count, offset) => {
      const scale = createTimestampScale(resolution, offset);
      assert.equal(encodeTimestamp(scale, ...decode(count, resolution, offset)), count);
    }),
  );
});

test('a time is rounded down to a coarser resolution and held within 64 bits', () => {
  assert.equal(encodeTimestamp(createTimestampScale(6, 0), 1, 1999), 1_000_001n);
  assert.equal(encodeTimestamp(createTimestampScale(6, 10), 1, 0), 0n);
  assert.equal(encodeTimestamp(createTimestampScale(12, 0), 1e9, 0), 2n ** 64n - 1n);
});
