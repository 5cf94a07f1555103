/**
 * The ICMP header of IPv6.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fold } from '../../../src/wire/checksum.ts';
import * as icmpv6 from '../../../src/wire/icmpv6.ts';

/** Echo request 0x1234, number 7, with three octets of data; checksum computed by another program. */
const MESSAGE = Buffer.from('80004da7' + '12340007' + '616263', 'hex');
/** 2001:db8::1 to 2001:db8::2, next header 58, 11 octets. */
const PSEUDO_SUM = fold(2 * (0x2001 + 0x0db8) + 1 + 2 + 58 + 11);

test('deconstructs a known message', () => {
  assert.equal(icmpv6.type(MESSAGE, 0), icmpv6.ECHO_REQUEST);
  assert.equal(icmpv6.code(MESSAGE, 0), 0);
  assert.equal(icmpv6.checksum(MESSAGE, 0), 0x4da7);
  assert.equal(icmpv6.rest(MESSAGE, 0), 0x12340007);
});

test('constructs the same octets', () => {
  const bytes = Buffer.alloc(MESSAGE.length + 2, 0xee);
  assert.equal(icmpv6.emit(bytes, 1, { type: 128, code: 0, rest: 0x12340007 }), 8);
  bytes.write('abc', 9);
  icmpv6.fillChecksum(bytes, 1, MESSAGE.length, PSEUDO_SUM);
  assert.equal(bytes.toString('hex'), `ee${MESSAGE.toString('hex')}ee`);
});

test('rejects every shorter length', () => {
  assert.equal(icmpv6.checkLength(MESSAGE, 0, 8), true);
  for (let length = 0; length < 8; length++) {
    assert.equal(icmpv6.checkLength(MESSAGE, 0, length), false, `${length} octets`);
  }
  assert.equal(icmpv6.checkLength(MESSAGE, 4, 8), false, 'past the buffer');
});

test('tells a wrong and a zero checksum from the right one', () => {
  const bytes = Buffer.from(MESSAGE);
  assert.equal(icmpv6.verifyChecksum(bytes, 0, bytes.length, PSEUDO_SUM), true);
  icmpv6.setCode(bytes, 0, 1);
  assert.equal(icmpv6.verifyChecksum(bytes, 0, bytes.length, PSEUDO_SUM), false);
  icmpv6.setChecksum(bytes, 0, 0);
  assert.equal(icmpv6.verifyChecksum(bytes, 0, bytes.length, PSEUDO_SUM), false);
});

test('names the types that no error may answer', () => {
  const types = Array.from({ length: 256 }, (_, type) => type).filter(icmpv6.isError);
  assert.deepEqual(types, [...Array.from({ length: 128 }, (_, type) => type), 137]);
});

test('reads back what was emitted', () => {
  const octet = fc.nat(255);
  fc.assert(
    fc.property(octet, octet, fc.nat({ max: 0xffffffff }), (type, code, rest) => {
      const bytes = Buffer.alloc(8);
      icmpv6.emit(bytes, 0, { type, code, rest });
      icmpv6.fillChecksum(bytes, 0, 8, PSEUDO_SUM);
      assert.deepEqual([icmpv6.type(bytes, 0), icmpv6.code(bytes, 0), icmpv6.rest(bytes, 0)], [type, code, rest]);
      assert.equal(icmpv6.verifyChecksum(bytes, 0, 8, PSEUDO_SUM), true);
    }),
  );
});
