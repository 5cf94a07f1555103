/**
 * The UDP header and its zero checksum.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checksum, fold } from '../../../src/wire/checksum.ts';
import * as udp from '../../../src/wire/udp.ts';

/** Port 49152 to 53 with three octets of data; checksum computed by another program. */
const DATAGRAM = Buffer.from('c0000035' + '000b8f08' + '616263', 'hex');
/** 192.0.2.1 to 198.51.100.2, protocol 17, 11 octets. */
const PSEUDO_SUM = fold(0xc000 + 0x0201 + 0xc633 + 0x6402 + 17 + 11);

test('deconstructs a known datagram', () => {
  assert.equal(udp.sourcePort(DATAGRAM, 0), 49152);
  assert.equal(udp.destinationPort(DATAGRAM, 0), 53);
  assert.equal(udp.length(DATAGRAM, 0), 11);
  assert.equal(udp.checksum(DATAGRAM, 0), 0x8f08);
});

test('constructs the same octets', () => {
  const bytes = Buffer.alloc(DATAGRAM.length + 2, 0xee);
  assert.equal(udp.emit(bytes, 1, { sourcePort: 49152, destinationPort: 53, length: 11 }), 8);
  bytes.write('abc', 9);
  udp.fillChecksum(bytes, 1, DATAGRAM.length, PSEUDO_SUM);
  assert.equal(bytes.toString('hex'), `ee${DATAGRAM.toString('hex')}ee`);
});

test('rejects every shorter length', () => {
  assert.equal(udp.checkLength(DATAGRAM, 0, 8), true);
  for (let length = 0; length < 8; length++) {
    assert.equal(udp.checkLength(DATAGRAM, 0, length), false, `${length} octets`);
  }
  assert.equal(udp.checkLength(DATAGRAM, 4, 8), false, 'past the buffer');
});

test('takes a zero checksum for none and a wrong one for wrong', () => {
  const bytes = Buffer.from(DATAGRAM);
  assert.equal(udp.verifyChecksum(bytes, 0, bytes.length, PSEUDO_SUM), true);
  assert.equal(udp.verifyChecksum(bytes, 0, bytes.length, PSEUDO_SUM + 1), false);
  udp.setChecksum(bytes, 0, 0);
  assert.equal(udp.verifyChecksum(bytes, 0, bytes.length, PSEUDO_SUM + 1), true);
});

test('writes a computed zero as 0xffff', () => {
  const bytes = Buffer.from('00010002' + '00080000', 'hex');
  // A seed that makes all words add up to 0xffff, of which the complement is 0.
  const seed = 0xffff - (1 + 2 + 8);
  assert.equal(checksum(bytes, 0, 8, seed), 0);
  udp.fillChecksum(bytes, 0, 8, seed);
  assert.equal(udp.checksum(bytes, 0), 0xffff);
  assert.equal(udp.verifyChecksum(bytes, 0, 8, seed), true);
});

test('replaces each field alone', () => {
  const bytes = Buffer.alloc(8);
  udp.setSourcePort(bytes, 0, 0x0102);
  udp.setDestinationPort(bytes, 0, 0x0304);
  udp.setLength(bytes, 0, 0x0506);
  udp.setChecksum(bytes, 0, 0x0708);
  assert.equal(bytes.toString('hex'), '0102030405060708');
});

test('reads back what was emitted', () => {
  const short = fc.nat(0xffff);
  fc.assert(
    fc.property(short, short, short, short, (sourcePort, destinationPort, length, seed) => {
      const bytes = Buffer.alloc(8);
      udp.emit(bytes, 0, { sourcePort, destinationPort, length });
      udp.fillChecksum(bytes, 0, 8, seed);
      assert.deepEqual(
        [udp.sourcePort(bytes, 0), udp.destinationPort(bytes, 0), udp.length(bytes, 0)],
        [sourcePort, destinationPort, length],
      );
      assert.notEqual(udp.checksum(bytes, 0), 0);
      assert.equal(checksum(bytes, 0, 8, seed), 0);
    }),
  );
});
