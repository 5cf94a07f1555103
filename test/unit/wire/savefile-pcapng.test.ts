/**
 * The pcapng format on known octets: every kind of packet block, options, sections, and damage.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_SAVEFILE_INTERFACES } from '../../../src/wire/savefile-format.ts';
import { emitInterface, emitSection } from '../../../src/wire/savefile-pcapng.ts';
import { composeRecord, copyCapture, readCapture } from './savefile-captures.ts';

// Written by hand after the layouts in draft-ietf-opsawg-pcapng, section 4; little-endian.
const SECTION = '0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000';
const ETHERNET = '01000000 14000000 0100 0000 00000400 14000000';
// Raw IP, if_name "ab", if_tsresol 9, if_tsoffset -1, end of options.
const RAW_OPTIONS = '0200 0200 61620000 0900 0100 09000000 0e00 0800 ffffffffffffffff 0000 0000';
const RAW = `01000000 34000000 6500 0000 00000400 ${RAW_OPTIONS} 34000000`;
// Interface 0, 3 of 5 octets, comment "hi".
const ENHANCED =
  '06000000 30000000 00000000 01000000 02000000 03000000 05000000 aabbcc00 0100 0200 68690000 0000 0000 30000000';
const SIMPLE = '03000000 14000000 03000000 aabbcc00 14000000';
// Interface 0, 7 drops, no options.
const OBSOLETE = '02000000 24000000 0000 0700 01000000 02000000 03000000 05000000 aabbcc00 24000000';
const STATISTICS = '05000000 18000000 00000000 00000000 00000000 18000000';

function octets(...parts: string[]): Buffer {
  return Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');
}

describe('known octets', () => {
  test('section and interface blocks are constructed as they stand', () => {
    assert.deepEqual(emitSection(false), octets(SECTION));
    assert.deepEqual(emitInterface({ linktype: 1, snaplen: 262_144 }, false), octets(ETHERNET));
  });

  test('an interface made with resolution and offset is read back, in both byte orders', () => {
    for (const bigEndian of [false, true]) {
      const description = { linktype: 101, snaplen: 96, resolution: 0x8a, offsetSeconds: -5 };
      const capture = Buffer.concat([emitSection(bigEndian), emitInterface(description, bigEndian)]);
      const { interfaces, error } = readCapture(capture);
      assert.equal(error, null);
      assert.equal(interfaces[0]?.linktype, 101);
      assert.equal(interfaces[0].snaplen, 96);
      assert.deepEqual(interfaces[0].scale, { unitsPerSecond: 1024n, exactUnitsPerSecond: 1024, offsetSeconds: -5 });
    }
  });

  test('interface options are read by code, whatever stands between them', () => {
    const { interfaces, error } = readCapture(octets(SECTION, ETHERNET, RAW));
    assert.equal(error, null);
    const raw = interfaces[1];
    assert.deepEqual([raw?.id, raw?.idInSection, raw?.linktype], [1, 1, 101]);
    assert.deepEqual(raw?.scale, { unitsPerSecond: 10n ** 9n, exactUnitsPerSecond: 1e9, offsetSeconds: -1 });
    assert.deepEqual(raw?.block, octets(RAW));
  });

  test('an enhanced packet block is read with its options, and written again', () => {
    const capture = octets(SECTION, ETHERNET, ENHANCED);
    const { frames, error } = readCapture(capture);
    assert.equal(error, null);
    assert.deepEqual(frames, [
      {
        bytes: octets('aabbcc'),
        options: octets('0100 0200 68690000 0000 0000'),
        interfaceId: 0,
        originalLength: 5,
        high: 1,
        low: 2,
        seconds: 4294,
        nanoseconds: 967_298_000,
      },
    ]);
    assert.deepEqual(copyCapture(capture), capture);
  });

  test('an obsolete packet block is read as an enhanced one', () => {
    const { frames, error } = readCapture(octets(SECTION, ETHERNET, OBSOLETE));
    assert.equal(error, null);
    const { bytes, interfaceId, originalLength, high, low, options } = frames[0] ?? {};
    assert.deepEqual(
      { bytes, interfaceId, originalLength, high, low, options },
      {
        bytes: octets('aabbcc'),
        interfaceId: 0,
        originalLength: 5,
        high: 1,
        low: 2,
        options: Buffer.alloc(0),
      },
    );
  });

  test('a simple packet block is of interface 0 and has no time', () => {
    const { frames, error } = readCapture(octets(SECTION, ETHERNET, RAW, SIMPLE));
    assert.equal(error, null);
    const { bytes, interfaceId, originalLength, seconds, nanoseconds } = frames[0] ?? {};
    assert.deepEqual([bytes, interfaceId, originalLength, seconds, nanoseconds], [octets('aabbcc'), 0, 3, 0, 0]);
  });

  test('a simple packet block is written as it stands', () => {
    const section = { format: 'pcapng', bigEndian: false, header: octets(SECTION) } as const;
    assert.deepEqual(composeRecord(section, { bytes: octets('aabbcc'), isSimple: true }), octets(SIMPLE));
  });

  test('a simple packet block that was cut holds what the snaplen says, to within the padding', () => {
    const short = octets(ETHERNET);
    short.writeUInt32LE(3, 12);
    const cut = octets(SIMPLE.replace('14000000 03000000', '14000000 c8000000'));
    const frame = readCapture(Buffer.concat([octets(SECTION), short, cut])).frames[0];
    assert.deepEqual([frame?.bytes, frame?.originalLength], [octets('aabbcc'), 200]);
    short.writeUInt32LE(0, 12);
    assert.equal(readCapture(Buffer.concat([octets(SECTION), short, cut])).frames[0]?.bytes.length, 4);
    short.writeUInt32LE(2, 12);
    const whole = octets('03000000 18000000 08000000 0102030405060708 18000000');
    assert.equal(readCapture(Buffer.concat([octets(SECTION), short, whole])).frames[0]?.bytes.length, 8, 'a lie');
  });
});

describe('sections and other blocks', () => {
  test('interfaces count anew in each section, which may have another byte order', () => {
    const section = { format: 'pcapng', bigEndian: true, header: emitSection(true) } as const;
    const capture = Buffer.concat([
      octets(SECTION, ETHERNET, ENHANCED),
      section.header,
      emitInterface({ linktype: 101, snaplen: 0, resolution: 9 }, true),
      composeRecord(section, { bytes: octets('0102'), high: 0, low: 1_000_000_007 }),
    ]);
    for (const chunkOctets of [1, 1000]) {
      const { frames, interfaces, sections, error } = readCapture(capture, chunkOctets);
      assert.equal(error, null);
      assert.deepEqual(
        interfaces.map(({ id, idInSection, sectionIndex, linktype }) => [id, idInSection, sectionIndex, linktype]),
        [
          [0, 0, 0, 1],
          [1, 0, 1, 101],
        ],
      );
      assert.deepEqual(
        sections.map(({ bigEndian }) => bigEndian),
        [false, true],
      );
      assert.deepEqual(
        frames.map(({ interfaceId }) => interfaceId),
        [0, 1],
      );
      assert.deepEqual([frames[1]?.seconds, frames[1]?.nanoseconds], [1, 7]);
    }
  });

  test('a section header is kept as it stands', () => {
    const header = octets(SECTION.replace('ffffffffffffffff', '4400000000000000'));
    assert.deepEqual(readCapture(header).sections[0]?.header, header);
  });

  test('other blocks are shown as they stand, also across chunks', () => {
    const large = Buffer.alloc(100_000);
    large.writeUInt32LE(0x0bad, 0);
    large.writeUInt32LE(large.length, 4);
    large.writeUInt32LE(large.length, large.length - 4);
    const capture = Buffer.concat([octets(SECTION, STATISTICS, ETHERNET), large, octets(ENHANCED, STATISTICS)]);
    for (const chunkOctets of [7, 4096, 1_000_000]) {
      const { frames, blocks, error } = readCapture(capture, chunkOctets);
      assert.equal(error, null);
      assert.equal(frames.length, 1);
      assert.deepEqual(blocks, [octets(STATISTICS), large, octets(STATISTICS)]);
    }
    const cut = readCapture(Buffer.concat([octets(SECTION), large.subarray(0, -1)]));
    assert.match(String(cut.error), /truncated: "capture": after packet 0, in the part that starts at octet 28/);
    large.writeUInt32LE(1, large.length - 4);
    assert.match(String(readCapture(Buffer.concat([octets(SECTION), large])).error), /whose closing length differs/);
    large.writeUInt32LE(0xffff_fff0, 4);
    assert.match(String(readCapture(Buffer.concat([octets(SECTION), large])).error), /a block of 4294967280 octets/);
  });

  test('interfaces beyond the bound are refused, after the packets before them', () => {
    const one = octets(ETHERNET);
    const many = Buffer.concat([octets(SECTION), ...Array.from({ length: MAX_SAVEFILE_INTERFACES }, () => one)]);
    assert.equal(readCapture(Buffer.concat([many, octets(ENHANCED)])).error, null);
    const { frames, interfaces, error } = readCapture(Buffer.concat([many, octets(ENHANCED), one]));
    assert.match(String(error), /after packet 1, .*: more than 65536 interfaces/);
    assert.deepEqual([frames.length, interfaces.length], [1, MAX_SAVEFILE_INTERFACES]);
  });
});

describe('damage is named', () => {
  const cases: readonly [title: string, octets: Buffer, message: RegExp][] = [
    [
      'a packet of an interface that is not described',
      octets(SECTION, ENHANCED),
      /interface 0, which is not described/,
    ],
    ['a simple packet without an interface', octets(SECTION, SIMPLE), /interface 0, which is not described/],
    [
      'a frame longer than its block',
      octets(SECTION, ETHERNET, ENHANCED.replace('03000000 05000000', '11000000 05000000')),
      /after packet 0, at octet 48: a frame of 17 octets in a block with room for 16/,
    ],
    [
      'lengths that differ',
      octets(SECTION, ETHERNET, ENHANCED.replace(/30000000$/, '34000000')),
      /whose closing length differs/,
    ],
    ['a section header with lengths that differ', octets(SECTION.replace(/1c000000$/, '20000000')), /closing length/],
    ['a section header that is too short', octets('0a0d0d0a 10000000 4d3c2b1a 10000000'), /section header of 16/],
    ['a length that is no multiple of 4', octets(SECTION, '06000000 21000000 00000000'), /a block of 33 octets/],
    ['a length shorter than a block', octets(SECTION, '06000000 08000000 08000000'), /a block of 8 octets/],
    ['a section length shorter than a block', octets('0a0d0d0a 08000000 4d3c2b1a'), /a block of 8 octets/],
    ['a section header without its magic', octets('0a0d0d0a 1c000000 00000000'), /without a byte-order magic/],
    ['another major version', octets(SECTION.replace('0100 0000', '0200 0000')), /pcapng version 2\.0 is not read/],
    ['an interface block that is too short', octets(SECTION, '01000000 0c000000 0c000000'), /interface block of 12/],
    ['a packet block that is too short', octets(SECTION, ETHERNET, '06000000 0c000000 0c000000'), /block of 12/],
    ['a simple packet block that is too short', octets(SECTION, ETHERNET, '03000000 0c000000 0c000000'), /block of 12/],
    [
      'an option longer than its block',
      octets(SECTION, '01000000 18000000 0100 0000 00000000 0900 0500 18000000'),
      /option of 5 octets/,
    ],
  ];
  for (const [title, capture, message] of cases) {
    test(title, () => {
      const { frames, error } = readCapture(capture);
      assert.equal(frames.length, 0);
      assert.match(String(error), message);
    });
  }
});
