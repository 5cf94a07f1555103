/**
 * Checksums of whole datagrams, computed anew and corrected.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readU16, writeU16 } from '../../../src/wire/bytes.ts';
import { completeTransportChecksum, fillChecksums, updateTransportChecksum16 } from '../../../src/wire/datagram.ts';
import { crc32c } from '../../../src/wire/sctp.ts';
import * as build from '../../support/packet-builder.ts';
import * as check from '../../support/packet-checker.ts';

const DATA = Buffer.from('abc');

/** Datagrams with wrong checksums, how to look at them, and where their transport checksum is. */
const WRONG = [
  {
    name: 'TCP over IPv4',
    at: 36,
    make: (v: number) => build.ipv4({ checksum: v }, build.tcp({ checksum: v }, DATA)),
    transport: check.tcp(),
  },
  {
    name: 'UDP over IPv4',
    at: 26,
    make: (v: number) => build.ipv4({ checksum: v }, build.udp({ checksum: v }, DATA)),
    transport: check.udp(),
  },
  {
    name: 'ICMP',
    at: 22,
    make: (v: number) => build.ipv4({ checksum: v }, build.icmpv4({ checksum: v }, DATA)),
    transport: check.icmp(8, 0),
  },
  {
    name: 'TCP over IPv6',
    at: 64,
    make: (v: number) => build.ipv6({ extensions: [build.extension(60)] }, build.tcp({ checksum: v }, DATA)),
    transport: check.tcp(),
  },
  {
    name: 'UDP over IPv6',
    at: 46,
    make: (v: number) => build.ipv6({}, build.udp({ checksum: v }, DATA)),
    transport: check.udp(),
  },
  {
    name: 'ICMPv6',
    at: 42,
    make: (v: number) => build.ipv6({}, build.icmpv6({ checksum: v }, DATA)),
    transport: check.icmp(128, 0),
  },
] as const;

function checkAny(bytes: Buffer, transport: check.Check): void {
  if (bytes.readUInt8(0) >>> 4 === 4) check.checkIpv4(bytes, transport);
  else check.checkIpv6(bytes, transport);
}

describe('fillChecksums', () => {
  for (const { name, make, transport } of WRONG) {
    test(`makes a wrong and a zero checksum right: ${name}`, () => {
      for (const value of [0x1234, 0]) {
        const bytes = make(value);
        assert.equal(fillChecksums(bytes, bytes.length), true);
        checkAny(bytes, transport);
      }
    });
  }

  test('leaves link padding and a longer buffer out of it', () => {
    const datagram = build.ipv4({ checksum: 0 }, build.udp({ checksum: 1 }, DATA));
    const padded = Buffer.concat([datagram, Buffer.alloc(9, 0xee)]);
    assert.equal(fillChecksums(padded, datagram.length + 4), true);
    check.checkIpv4(padded.subarray(0, datagram.length), check.udp());
    assert.equal(padded.toString('hex', datagram.length), 'ee'.repeat(9));
  });

  test('covers what the UDP length says, not what stands behind it', () => {
    const bytes = build.ipv4({}, build.udp({ length: 11, checksum: 1 }, Buffer.from('abcdef')));
    const same = build.ipv4({}, build.udp({}, DATA));
    fillChecksums(bytes, bytes.length);
    assert.equal(readU16(bytes, 26), readU16(same, 26));
  });

  test('writes a UDP checksum that comes out as zero as 0xffff', () => {
    const probe = build.ipv4({}, build.udp({}, Buffer.alloc(2)));
    // Data equal to the checksum over zero data brings the sum to 0xffff, of which the complement is 0.
    const bytes = build.ipv4({}, build.udp({}, probe.subarray(26, 28)));
    assert.equal(fillChecksums(bytes, bytes.length), true);
    assert.equal(readU16(bytes, 26), 0xffff);
  });

  test('leaves other transports alone and fills the IPv4 header', () => {
    const bytes = build.ipv4({ checksum: 0 }, build.octets(33, Buffer.alloc(12, 7)));
    assert.equal(fillChecksums(bytes, bytes.length), true);
    check.checkIpv4(bytes, check.protocol(33));
    assert.equal(bytes.toString('hex', 20), '07'.repeat(12));
  });

  test('computes the CRC32c of SCTP, where the header is whole', () => {
    for (const length of [12, 13, 40]) {
      const bytes = build.ipv4({}, build.octets(132, Buffer.alloc(length, 7)));
      assert.equal(fillChecksums(bytes, bytes.length), true);
      const zeroed = Buffer.alloc(length, 7).fill(0, 8, 12);
      assert.equal(bytes.readUInt32LE(28), crc32c(zeroed, 0, length));
    }
    const short = build.ipv4({}, build.octets(132, Buffer.alloc(11, 7)));
    assert.equal(fillChecksums(short, short.length), false, 'malformed');
    assert.equal(short.toString('hex', 20), '07'.repeat(11));
  });

  test('refuses fragments, malformed and cut datagrams, and changes nothing in them', () => {
    const whole = build.ipv4({ checksum: 0 }, build.udp({ checksum: 1 }, DATA));
    const refused = [
      build.ipv4({ checksum: 0, moreFragments: true }, build.udp({ checksum: 1 }, DATA)),
      build.ipv4({ checksum: 0, fragmentOffset: 16 }, build.octets(17, DATA)),
      build.ipv6({ extensions: [build.fragment(0, true)] }, build.udp({ checksum: 1 }, DATA)),
      build.ipv4({ checksum: 0, totalLength: 99 }, build.udp({ checksum: 1 }, DATA)),
      whole.subarray(0, whole.length - 1),
      Buffer.alloc(0),
    ];
    for (const bytes of refused) {
      const before = bytes.toString('hex');
      assert.equal(fillChecksums(bytes, bytes.length), false);
      assert.equal(completeTransportChecksum(bytes, bytes.length), false);
      assert.equal(bytes.toString('hex'), before);
    }
    assert.equal(fillChecksums(whole, whole.length + 1), false, 'longer than the buffer');
  });
});

describe('completeTransportChecksum', () => {
  for (const { name, at, make } of WRONG) {
    test(`computes the transport checksum and touches nothing else: ${name}`, () => {
      const bytes = make(0x1234);
      const expected = make(0x1234);
      fillChecksums(expected, expected.length);
      const before = Buffer.from(bytes);
      assert.equal(completeTransportChecksum(bytes, bytes.length), true);
      assert.equal(readU16(bytes, at), readU16(expected, at));
      before.copy(bytes, at, at, at + 2);
      assert.deepEqual(bytes, before);
    });
  }
});

describe('updateTransportChecksum16', () => {
  test('yields what computing anew yields, for TCP, UDP, ICMP and ICMPv6', () => {
    fc.assert(
      fc.property(fc.constantFrom(...WRONG), fc.nat(0xffff), ({ make, at }, word) => {
        const bytes = make(0);
        fillChecksums(bytes, bytes.length);
        const isIpv6 = bytes.readUInt8(0) >>> 4 === 6;
        const protocol = isIpv6 ? (at === 64 ? 6 : bytes.readUInt8(6)) : bytes.readUInt8(9);
        const transportOffset = isIpv6 ? (at === 64 ? 48 : 40) : 20;
        // The first word of a port or of type and code.
        updateTransportChecksum16(bytes, transportOffset, protocol, readU16(bytes, transportOffset), word);
        writeU16(bytes, transportOffset, word);
        const expected = Buffer.from(bytes);
        fillChecksums(expected, expected.length);
        assert.deepEqual(bytes, expected);
      }),
    );
  });

  test('keeps a UDP checksum of zero, which says that there is none', () => {
    const bytes = build.ipv4({}, build.udp({ checksum: 0 }));
    updateTransportChecksum16(bytes, 20, 17, 53, 5353);
    assert.equal(readU16(bytes, 26), 0);
  });

  test('turns a result of zero into 0xffff for UDP and not for TCP', () => {
    // RFC 1624 section 4: 0xdd2f corrected for 0x5555 to 0x3285 is 0x0000.
    const datagram = build.ipv4({}, build.udp({ checksum: 0xdd2f }));
    updateTransportChecksum16(datagram, 20, 17, 0x5555, 0x3285);
    assert.equal(readU16(datagram, 26), 0xffff);
    const segment = build.ipv4({}, build.tcp({ checksum: 0xdd2f }));
    updateTransportChecksum16(segment, 20, 6, 0x5555, 0x3285);
    assert.equal(readU16(segment, 36), 0);
  });

  test('leaves other protocols alone', () => {
    const bytes = build.ipv4({}, build.octets(132, Buffer.alloc(20, 7)));
    updateTransportChecksum16(bytes, 20, 132, 1, 2);
    assert.equal(bytes.toString('hex', 20), '07'.repeat(20));
  });
});
