/**
 * The IPv6 header and the walk over extension headers.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import * as ipv6 from '../../../src/wire/ipv6.ts';
import * as build from '../../support/packet-builder.ts';

const SOURCE = '20010db8000000000000000000000001';
const DESTINATION = '20010db8000000000000000000000002';
/** Traffic class 0xb8, flow label 0x12345, 24 octets of TCP, hop limit 63. */
const HEADER = Buffer.from(`6b812345${'0018063f'}${SOURCE}${DESTINATION}`, 'hex');
const FIELDS = {
  source: Buffer.from(SOURCE, 'hex'),
  destination: Buffer.from(DESTINATION, 'hex'),
  nextHeader: 6,
  payloadLength: 24,
  hopLimit: 63,
  trafficClass: 0xb8,
  flowLabel: 0x12345,
};

test('deconstructs a known header', () => {
  assert.equal(ipv6.version(HEADER, 0), 6);
  assert.equal(ipv6.trafficClass(HEADER, 0), 0xb8);
  assert.equal(ipv6.flowLabel(HEADER, 0), 0x12345);
  assert.equal(ipv6.payloadLength(HEADER, 0), 24);
  assert.equal(ipv6.nextHeader(HEADER, 0), 6);
  assert.equal(ipv6.hopLimit(HEADER, 0), 63);
});

test('constructs the same octets', () => {
  const bytes = Buffer.alloc(42, 0xee);
  assert.equal(ipv6.emit(bytes, 1, FIELDS), 40);
  assert.equal(bytes.toString('hex'), `ee${HEADER.toString('hex')}ee`);
});

test('rejects every shorter length', () => {
  assert.equal(ipv6.checkLength(HEADER, 0, HEADER.length), true);
  for (let length = 0; length < HEADER.length; length++) {
    assert.equal(ipv6.checkLength(HEADER, 0, length), false, `${length} octets`);
  }
  assert.equal(ipv6.checkLength(HEADER, 1, HEADER.length), false, 'past the buffer');
});

test('reads back what was emitted', () => {
  const address = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const fields = fc.record({
    source: address,
    destination: address,
    nextHeader: fc.nat(255),
    payloadLength: fc.nat(0xffff),
    hopLimit: fc.nat(255),
    trafficClass: fc.nat(255),
    flowLabel: fc.nat(0xfffff),
  });
  fc.assert(
    fc.property(fields, (fields) => {
      const bytes = Buffer.alloc(40);
      ipv6.emit(bytes, 0, fields);
      const read = {
        source: Uint8Array.from(bytes.subarray(8, 24)),
        destination: Uint8Array.from(bytes.subarray(24, 40)),
        nextHeader: ipv6.nextHeader(bytes, 0),
        payloadLength: ipv6.payloadLength(bytes, 0),
        hopLimit: ipv6.hopLimit(bytes, 0),
        trafficClass: ipv6.trafficClass(bytes, 0),
        flowLabel: ipv6.flowLabel(bytes, 0),
      };
      assert.equal(ipv6.version(bytes, 0), 6);
      assert.deepEqual(read, { ...fields });
    }),
  );
});

test('reads the fields of a fragment header', () => {
  const { octets } = build.fragment(1448, true, 0xdeadbeef);
  assert.equal(ipv6.fragmentOffset(octets, 0), 1448);
  assert.equal(ipv6.moreFragments(octets, 0), true);
  assert.equal(ipv6.fragmentIdentification(octets, 0), 0xdeadbeef);
  assert.equal(ipv6.moreFragments(build.fragment(0, false).octets, 0), false);
});

test('measures each kind of extension header', () => {
  assert.equal(ipv6.extensionLength(build.extension(ipv6.NEXT_HOP_BY_HOP, 24).octets, 0, ipv6.NEXT_HOP_BY_HOP), 24);
  assert.equal(
    ipv6.extensionLength(build.extension(ipv6.NEXT_AUTHENTICATION, 20).octets, 0, ipv6.NEXT_AUTHENTICATION),
    20,
  );
  // The octet where others have their length is reserved in a fragment header.
  assert.equal(ipv6.extensionLength(Buffer.from('06ff000000000000', 'hex'), 0, ipv6.NEXT_FRAGMENT), 8);
});

test('steps over the five extension headers that the kernel steps over, and no other', () => {
  const types = Array.from({ length: 256 }, (_, type) => type).filter(ipv6.isExtensionHeader);
  assert.deepEqual(types, [0, 43, 44, 51, 60]);
});

describe('findHeader', () => {
  const datagram = build.ipv6(
    { extensions: [build.extension(0), build.extension(51, 12), build.fragment(0, true), build.extension(60, 16)] },
    build.tcp(),
  );

  test('finds extension headers and the transport header in the chain', () => {
    assert.equal(ipv6.findHeader(datagram, 0, datagram.length, 0), 40);
    assert.equal(ipv6.findHeader(datagram, 0, datagram.length, 51), 48);
    assert.equal(ipv6.findHeader(datagram, 0, datagram.length, 44), 60);
    assert.equal(ipv6.findHeader(datagram, 0, datagram.length, 60), 68);
    assert.equal(ipv6.findHeader(datagram, 0, datagram.length, 6), 84);
    assert.equal(ipv6.findHeader(datagram, 0, datagram.length, 17), -1);
  });

  test('counts offsets in the buffer, not in the datagram', () => {
    const moved = Buffer.concat([Buffer.alloc(14), datagram]);
    assert.equal(ipv6.findHeader(moved, 14, datagram.length, 6), 98);
  });

  test('finds nothing past the end of what is there', () => {
    assert.equal(ipv6.findHeader(datagram, 0, 84, 6), -1);
    assert.equal(ipv6.findHeader(datagram, 0, 61, 60), -1);
  });

  test('looks at nothing behind the fragment header of a later fragment', () => {
    const later = build.ipv6({ extensions: [build.fragment(8, false)] }, build.octets(6, Buffer.alloc(20)));
    assert.equal(ipv6.findHeader(later, 0, later.length, 44), 40);
    assert.equal(ipv6.findHeader(later, 0, later.length, 6), -1);
  });

  test('follows nothing behind hop-by-hop options that do not come first', () => {
    const odd = build.ipv6({ extensions: [build.extension(60), build.extension(0)] }, build.tcp());
    assert.deepEqual(
      [0, 6, 60].map((type) => ipv6.findHeader(odd, 0, odd.length, type)),
      [-1, -1, 40],
    );
  });

  test('gives up on a chain longer than the bound', () => {
    const chainOf = (count: number) =>
      build.ipv6({ extensions: Array.from({ length: count }, () => build.extension(60)) }, build.tcp());
    const longest = chainOf(ipv6.MAX_EXTENSION_HEADERS);
    assert.equal(ipv6.findHeader(longest, 0, longest.length, 6), 40 + 8 * ipv6.MAX_EXTENSION_HEADERS);
    const longer = chainOf(ipv6.MAX_EXTENSION_HEADERS + 1);
    assert.equal(ipv6.findHeader(longer, 0, longer.length, 6), -1);
  });
});
