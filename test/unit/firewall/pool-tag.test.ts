/**
 * Pool tags: what is written, what is stored, what is shown.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PoolTag } from '../../../src/firewall/pool-tag.ts';
import { formatTag, parseTag, TAG_DATA, TAG_DESCRIPTOR, TAG_KEPT } from '../../../src/firewall/pool-tag.ts';

test("the characters 'fPCT' are the number 0x66504354, shown as TCPf (DOC-ALLOC-7, DOC-POOL-4)", () => {
  assert.equal(parseTag('fPCT'), 0x66504354);
  assert.equal(parseTag(0x66504354), 0x66504354);
  assert.equal(formatTag(0x66504354), 'TCPf');
  assert.equal(TAG_DESCRIPTOR, 0x66504354);
  assert.equal(formatTag(TAG_DATA), 'TCPb');
  assert.equal(formatTag(TAG_KEPT), 'Keep');
});

test('a tag shows as the octets of a little-endian ULONG', () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)),
        minLength: 4,
        maxLength: 4,
      }),
      (tag) => {
        const memory = Buffer.alloc(4);
        memory.writeUInt32LE(parseTag(tag));
        assert.equal(formatTag(parseTag(tag)), memory.toString('latin1'));
        assert.equal(parseTag(parseTag(tag)), parseTag(tag));
      },
    ),
  );
});

test("the published example 'Fred' shows as derF (DOC-POOL-4)", () => {
  assert.equal(formatTag(parseTag('Fred')), 'derF');
});

test('tags that differ in the case of a letter are two (DOC-POOL-3)', () => {
  assert.notEqual(parseTag('kooH'), parseTag('kooh'));
});

test('a tag may be shorter than four characters (DOC-POOL-2)', () => {
  assert.equal(parseTag('a'), 0x61);
  assert.equal(parseTag('ab'), 0x6162);
  assert.equal(formatTag(parseTag('abc')), 'cba');
});

test('a tag with no character, too many, or one outside 0x20-0x7e is refused (DOC-POOL-2)', () => {
  const bad: PoolTag[] = [
    '',
    'abcde',
    'ab\n',
    'ab\x7f',
    'é',
    0,
    -1,
    1.5,
    Number.NaN,
    0x1f,
    0x66005054,
    0x7f414141,
    2 ** 32 + 0x66504354,
  ];
  for (const tag of bad) assert.equal(parseTag(tag), 0, String(tag));
  assert.equal(parseTag(null as never), 0);
});
