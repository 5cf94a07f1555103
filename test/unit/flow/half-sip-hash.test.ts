/**
 * The keyed hash, against the vectors of the reference implementation's algorithm.
 *
 * The vectors are HalfSipHash-1-3 with the key 00 01 ... 07 over 00 01 02 ..., as the kernel's own test has them
 * (lib/test_siphash.c, `test_vectors_hsiphash` of 32-bit machines): facts about the function, taken at 3, 7, 11 ... octets.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { halfSipHash } from '../../../src/flow/half-sip-hash.ts';

const KEY = [0x0302_0100, 0x0706_0504] as const;
const VECTORS = [
  [3, 0x0153_9939],
  [7, 0x9d38_d9d6],
  [11, 0x9592_46ee],
  [15, 0xd025_7b04],
  [19, 0x522a_ca67],
  [23, 0x6251_2deb],
  [27, 0xab64_afd3],
  [31, 0x08d8_791a],
  [35, 0x9b98_51cc],
  [39, 0xfcc9_aa1b],
] as const;

test('the hash is HalfSipHash-1-3', () => {
  const octets = Uint8Array.from({ length: 40 }, (_, index) => index);
  const words = new Int32Array(octets.buffer);
  for (const [length, expected] of VECTORS) {
    const count = length >> 2;
    const rest = (words[count] as number) & 0xff_ffff;
    assert.equal(halfSipHash(words, count, rest, ...KEY) >>> 0, expected, `${length} octets`);
  }
});

test('another key gives another hash', () => {
  const words = Int32Array.of(1, 2, 3);
  const hashes = new Set(Array.from({ length: 1_000 }, (_, key) => halfSipHash(words, 3, 0, key, 0)));
  assert.equal(hashes.size, 1_000);
});
