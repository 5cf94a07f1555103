/**
 * The IPv4 header.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as ipv4 from '../../../src/wire/ipv4.ts';

/** A middle fragment with a router alert option; checksum computed by another program. */
const HEADER = Buffer.from('46b80020' + '12342005' + '3f11c7a0' + 'c0000201' + 'c6336402' + '94040000', 'hex');
const FIELDS = {
  source: Buffer.from('c0000201', 'hex'),
  destination: Buffer.from('c6336402', 'hex'),
  protocol: 17,
  totalLength: 32,
  ttl: 63,
  tos: 0xb8,
  identification: 0x1234,
  moreFragments: true,
  fragmentOffset: 40,
  options: Buffer.from('94040000', 'hex'),
};

test('deconstructs a known header', () => {
  assert.equal(ipv4.version(HEADER, 0), 4);
  assert.equal(ipv4.headerLength(HEADER, 0), 24);
  assert.equal(ipv4.tos(HEADER, 0), 0xb8);
  assert.equal(ipv4.totalLength(HEADER, 0), 32);
  assert.equal(ipv4.identification(HEADER, 0), 0x1234);
  assert.equal(ipv4.dontFragment(HEADER, 0), false);
  assert.equal(ipv4.moreFragments(HEADER, 0), true);
  assert.equal(ipv4.fragmentOffset(HEADER, 0), 40);
  assert.equal(ipv4.ttl(HEADER, 0), 63);
  assert.equal(ipv4.protocol(HEADER, 0), 17);
  assert.equal(ipv4.checksum(HEADER, 0), 0xc7a0);
  assert.equal(ipv4.source(HEADER, 0), 0xc0000201);
  assert.equal(ipv4.destination(HEADER, 0), 0xc6336402);
});

test('constructs the same octets', () => {
  const bytes = Buffer.alloc(26, 0xee);
  assert.equal(ipv4.emit(bytes, 1, FIELDS), 24);
  ipv4.fillChecksum(bytes, 1);
  assert.equal(bytes.toString('hex'), `ee${HEADER.toString('hex')}ee`);
});

test('rejects every shorter length, and a header length below five words', () => {
  assert.equal(ipv4.checkLength(HEADER, 0, HEADER.length), true);
  for (let length = 0; length < HEADER.length; length++) {
    assert.equal(ipv4.checkLength(HEADER, 0, length), false, `${length} octets`);
  }
  assert.equal(ipv4.checkLength(HEADER, 1, HEADER.length), false, 'past the buffer');
  const short = Buffer.from(HEADER);
  short[0] = 0x44;
  assert.equal(ipv4.checkLength(short, 0, short.length), false);
});

test('tells a wrong and a zero checksum from the right one', () => {
  const bytes = Buffer.from(HEADER);
  assert.equal(ipv4.verifyChecksum(bytes, 0), true);
  ipv4.setChecksum(bytes, 0, 0);
  assert.equal(ipv4.verifyChecksum(bytes, 0), false);
  ipv4.fillChecksum(bytes, 0);
  ipv4.setTtl(bytes, 0, 62);
  assert.equal(ipv4.verifyChecksum(bytes, 0), false);
});

test('replaces each field alone', () => {
  const bytes = Buffer.alloc(20);
  ipv4.setTos(bytes, 0, 1);
  ipv4.setTotalLength(bytes, 0, 0x0203);
  ipv4.setIdentification(bytes, 0, 0x0405);
  ipv4.setFragment(bytes, 0, true, false, 0x0608);
  ipv4.setTtl(bytes, 0, 7);
  ipv4.setProtocol(bytes, 0, 8);
  ipv4.setChecksum(bytes, 0, 0x090a);
  ipv4.setSource(bytes, 0, 0x0b0c0d0e);
  ipv4.setDestination(bytes, 0, 0xf0f1f2f3);
  assert.equal(bytes.toString('hex'), '0001020304054' + '0c1' + '0708090a' + '0b0c0d0e' + 'f0f1f2f3');
});

test('reads back what was emitted', () => {
  const address = fc.uint8Array({ minLength: 4, maxLength: 4 });
  const fields = fc.record({
    source: address,
    destination: address,
    protocol: fc.nat(255),
    totalLength: fc.nat(0xffff),
    ttl: fc.nat(255),
    tos: fc.nat(255),
    identification: fc.nat(0xffff),
    dontFragment: fc.boolean(),
    moreFragments: fc.boolean(),
    fragmentOffset: fc.nat(0x1fff).map((units) => 8 * units),
    options: fc.nat(10).map((words) => new Uint8Array(4 * words).fill(1)),
  });
  fc.assert(
    fc.property(fields, (fields) => {
      const bytes = Buffer.alloc(60);
      const length = ipv4.emit(bytes, 0, fields);
      ipv4.fillChecksum(bytes, 0);
      assert.equal(ipv4.checkLength(bytes, 0, length), true);
      assert.equal(ipv4.verifyChecksum(bytes, 0), true);
      const read = {
        source: Uint8Array.from(bytes.subarray(12, 16)),
        destination: Uint8Array.from(bytes.subarray(16, 20)),
        protocol: ipv4.protocol(bytes, 0),
        totalLength: ipv4.totalLength(bytes, 0),
        ttl: ipv4.ttl(bytes, 0),
        tos: ipv4.tos(bytes, 0),
        identification: ipv4.identification(bytes, 0),
        dontFragment: ipv4.dontFragment(bytes, 0),
        moreFragments: ipv4.moreFragments(bytes, 0),
        fragmentOffset: ipv4.fragmentOffset(bytes, 0),
        options: Uint8Array.from(bytes.subarray(20, ipv4.headerLength(bytes, 0))),
      };
      assert.deepEqual(read, { ...fields });
    }),
  );
});
