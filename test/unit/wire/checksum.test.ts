/**
 * The Internet checksum against the examples of its RFCs, and its properties.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { writeU16, writeU32 } from '../../../src/wire/bytes.ts';
import {
  checksum,
  fold,
  pseudoHeaderSumIpv4,
  pseudoHeaderSumIpv6,
  sum,
  updateChecksum16,
  updateChecksum32,
} from '../../../src/wire/checksum.ts';
import { ipv4, ipv6, octets } from '../../support/packet-builder.ts';

/** The example of RFC 1071 section 3. */
const RFC_1071 = Buffer.from('0001f203f4f5f6f7', 'hex');

describe('checksum', () => {
  test('agrees with the example of RFC 1071', () => {
    assert.equal(sum(RFC_1071, 0, RFC_1071.length), 0xddf2);
    assert.equal(checksum(RFC_1071, 0, RFC_1071.length), 0x220d);
  });

  test('takes an odd last octet for the high octet of a word', () => {
    assert.equal(sum(Buffer.from('0102ff', 'hex'), 0, 3), fold(0x0102 + 0xff00));
  });

  test('reads nothing outside of the range it is given', () => {
    const padded = Buffer.concat([Buffer.alloc(3, 0xff), RFC_1071, Buffer.alloc(3, 0xff)]);
    assert.equal(sum(padded, 3, RFC_1071.length), 0xddf2);
    assert.equal(sum(padded, 3, 0), 0);
  });

  test('does not overflow on the largest super-frame', () => {
    // Each word is 0xffff, which is 0 in one's complement, so one more word is all that is left.
    const bytes = Buffer.alloc(256 * 1024, 0xff);
    bytes.writeUInt16BE(0x1234, 200_000);
    assert.equal(sum(bytes, 0, bytes.length), 0x1234);
  });

  test('can be carried on from part to part', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(100), (bytes, half) => {
        const cut = Math.min(2 * half, bytes.length - (bytes.length % 2));
        const whole = sum(bytes, 0, bytes.length);
        assert.equal(sum(bytes, cut, bytes.length - cut, sum(bytes, 0, cut)), whole);
      }),
    );
  });

  test('is 0 over octets that include it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: 100 }), (bytes) => {
        writeU16(bytes, 0, 0);
        writeU16(bytes, 0, checksum(bytes, 0, bytes.length));
        assert.equal(checksum(bytes, 0, bytes.length), 0);
      }),
    );
  });
});

describe('updateChecksum', () => {
  test('agrees with the example of RFC 1624, where the older formula fails', () => {
    assert.equal(updateChecksum16(0xdd2f, 0x5555, 0x3285), 0x0000);
  });

  test('yields what computing anew yields, for one word and for two', () => {
    const changed = fc.uint8Array({ minLength: 20, maxLength: 60 });
    fc.assert(
      fc.property(changed, fc.nat(0xffff), fc.nat({ max: 0xffffffff }), (bytes, word, address) => {
        // A header has an octet that is not zero; only all zeros have two checksums.
        bytes[0] = 0x45;
        const before = Buffer.from(bytes);
        const old = checksum(before, 0, before.length);
        writeU16(bytes, 8, word);
        assert.equal(updateChecksum16(old, before.readUInt16BE(8), word), checksum(bytes, 0, bytes.length));
        const between = checksum(bytes, 0, bytes.length);
        writeU32(bytes, 12, address);
        assert.equal(updateChecksum32(between, before.readUInt32BE(12), address), checksum(bytes, 0, bytes.length));
      }),
    );
  });
});

describe('pseudo headers', () => {
  test('add both addresses, the protocol and the length for IPv4', () => {
    const datagram = ipv4({ source: '192.0.2.1', destination: '198.51.100.2' }, octets(17, Buffer.alloc(0)));
    const written = Buffer.from('c0000201c6336402001100f0', 'hex');
    assert.equal(pseudoHeaderSumIpv4(datagram, 0, 17, 240), sum(written, 0, written.length));
  });

  test('add both addresses, the length in 32 bits and the next header for IPv6', () => {
    const datagram = ipv6({ source: '2001:db8::1', destination: '2001:db8::2' }, octets(6, Buffer.alloc(0)));
    const addresses = '20010db800000000000000000000000120010db8000000000000000000000002';
    const written = Buffer.from(`${addresses}0001234500000006`, 'hex');
    assert.equal(pseudoHeaderSumIpv6(datagram, 0, 6, 0x12345), sum(written, 0, written.length));
  });
});
