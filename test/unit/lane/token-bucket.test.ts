/**
 * The token bucket that limits ICMP errors.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBucket } from '../../../src/lane/token-bucket.ts';

/** Tokens that can be taken at one moment. */
function drain(bucket: TokenBucket, nowMs: number): number {
  let taken = 0;
  while (taken < 1000 && bucket.take(nowMs)) taken += 1;
  return taken;
}

test('starts with one second’s worth and holds no more', () => {
  const bucket = new TokenBucket(10);
  assert.equal(drain(bucket, 5_000_000), 10);
  assert.equal(drain(bucket, 5_000_000), 0);
  assert.equal(drain(bucket, 9_000_000), 10);
});

test('fills with time, fractions of a token included', () => {
  const bucket = new TokenBucket(10);
  drain(bucket, 0);
  assert.equal(bucket.take(99), false);
  assert.equal(bucket.take(100), true);
  assert.equal(drain(bucket, 350), 2);
  assert.equal(bucket.take(399), false);
  assert.equal(bucket.take(401), true);
});

test('a clock that jumps back gives nothing and goes on from there', () => {
  const bucket = new TokenBucket(10);
  drain(bucket, 10_000);
  assert.equal(bucket.take(0), false);
  assert.equal(drain(bucket, 200), 2);
});

test('a rate of 0 gives none ever', () => {
  const bucket = new TokenBucket(0);
  assert.equal(drain(bucket, 0) + drain(bucket, 1_000_000), 0);
});
