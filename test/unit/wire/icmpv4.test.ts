/**
 * The ICMP header of IPv4.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as icmpv4 from '../../../src/wire/icmpv4.ts';

/** Echo request 0x1234, number 7, with three octets of data; checksum computed by another program. */
const MESSAGE = Buffer.from('08002162' + '12340007' + '616263', 'hex');

test('deconstructs a known message', () => {
  assert.equal(icmpv4.type(MESSAGE, 0), icmpv4.ECHO_REQUEST);
  assert.equal(icmpv4.code(MESSAGE, 0), 0);
  assert.equal(icmpv4.checksum(MESSAGE, 0), 0x2162);
  assert.equal(icmpv4.rest(MESSAGE, 0), 0x12340007);
});

test('constructs the same octets', () => {
  const bytes = Buffer.alloc(MESSAGE.length + 2, 0xee);
  assert.equal(icmpv4.emit(bytes, 1, { type: 8, code: 0, rest: 0x12340007 }), 8);
  bytes.write('abc', 9);
  icmpv4.fillChecksum(bytes, 1, MESSAGE.length);
  assert.equal(bytes.toString('hex'), `ee${MESSAGE.toString('hex')}ee`);
});

test('rejects every shorter length', () => {
  assert.equal(icmpv4.checkLength(MESSAGE, 0, 8), true);
  for (let length = 0; length < 8; length++) {
    assert.equal(icmpv4.checkLength(MESSAGE, 0, length), false, `${length} octets`);
  }
  assert.equal(icmpv4.checkLength(MESSAGE, 4, 8), false, 'past the buffer');
});

test('tells a wrong and a zero checksum from the right one', () => {
  const bytes = Buffer.from(MESSAGE);
  assert.equal(icmpv4.verifyChecksum(bytes, 0, bytes.length), true);
  icmpv4.setCode(bytes, 0, 1);
  assert.equal(icmpv4.verifyChecksum(bytes, 0, bytes.length), false);
  icmpv4.setChecksum(bytes, 0, 0);
  assert.equal(icmpv4.verifyChecksum(bytes, 0, bytes.length), false);
});

test('names the types that no error may answer', () => {
  const types = Array.from({ length: 256 }, (_, type) => type).filter(icmpv4.isError);
  assert.deepEqual(types, [3, 4, 5, 11, 12]);
});

test('reads back what was emitted', () => {
  const octet = fc.nat(255);
  fc.assert(
    fc.property(octet, octet, fc.nat({ max: 0xffffffff }), (type, code, rest) => {
      const bytes = Buffer.alloc(8);
      icmpv4.emit(bytes, 0, { type, code, rest });
      icmpv4.fillChecksum(bytes, 0, 8);
      assert.deepEqual([icmpv4.type(bytes, 0), icmpv4.code(bytes, 0), icmpv4.rest(bytes, 0)], [type, code, rest]);
      assert.equal(icmpv4.verifyChecksum(bytes, 0, 8), true);
    }),
  );
});
