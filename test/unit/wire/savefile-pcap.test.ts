/**
 * The pcap format on known octets.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { emitPcapHeader, identifyPcap, parsePcapHeader } from '../../../src/wire/savefile-pcap.ts';
import { copyCapture, readCapture } from './savefile-captures.ts';

// Written by hand after the layout in draft-ietf-opsawg-pcap, section 4.
const LITTLE_HEADER = 'd4c3b2a1 0200 0400 00000000 00000000 00000400 01000000';
const BIG_NANO_HEADER = 'a1b23c4d 0002 0004 00000000 00000000 00040000 00000071';
// 2026-01-01T00:00:00.000002, 3 octets captured of 5.
// Interface 2, protocol 0x0800, outgoing.
const MODIFIED_RECORD = '00b95569 02000000 03000000 05000000 02000000 0008 04 00 aabbcc';
const BIG_MODIFIED_RECORD = '6955b900 00000002 00000003 00000005 00000002 0800 04 00 aabbcc';
const LITTLE_RECORD = '00b95569 02000000 03000000 05000000 aabbcc';

function octets(...parts: string[]): Buffer {
  return Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');
}

test('deconstructs and constructs known headers', () => {
  const little = { bigEndian: false, nanoseconds: false, linktype: 1, snaplen: 262_144 };
  const big = { bigEndian: true, nanoseconds: true, linktype: 113, snaplen: 262_144 };
  for (const [hex, header] of [
    [LITTLE_HEADER, little],
    [BIG_NANO_HEADER, big],
  ] as const) {
    const variant = { bigEndian: header.bigEndian, nanoseconds: header.nanoseconds, isModified: false };
    assert.deepEqual(identifyPcap(octets(hex), 0), variant);
    assert.deepEqual(parsePcapHeader(octets(hex), 0, variant), { ...header, ...variant, lengthOrder: 'captured' });
    assert.deepEqual(emitPcapHeader(header), octets(hex));
  }
  assert.equal(identifyPcap(octets('0a0d0d0a'), 0), null);
});

test('reads a known record and writes it again', () => {
  const capture = octets(LITTLE_HEADER, LITTLE_RECORD);
  const { frames, error } = readCapture(capture);
  assert.equal(error, null);
  assert.equal(frames.length, 1);
  assert.deepEqual(frames[0], {
    bytes: octets('aabbcc'),
    options: Buffer.alloc(0),
    interfaceId: 0,
    originalLength: 5,
    high: 1_767_225_600,
    low: 2,
    seconds: 1_767_225_600,
    nanoseconds: 2000,
  });
  assert.deepEqual(copyCapture(capture), capture);
});

test('takes FCS length and reserved bits off the linktype, and keeps them in a copy', () => {
  const capture = octets(LITTLE_HEADER);
  capture.writeUInt32LE(0x2c00_0001, 20);
  assert.equal(readCapture(capture).interfaces[0]?.linktype, 1);
  assert.deepEqual(copyCapture(capture), capture);
});

test('reads frames longer than the snaplen says', () => {
  const capture = octets(LITTLE_HEADER, LITTLE_RECORD);
  capture.writeUInt32LE(1, 16);
  assert.deepEqual(readCapture(capture).frames[0]?.bytes, octets('aabbcc'));
  assert.deepEqual(copyCapture(capture), capture);
});

test('carries a fraction of more than a second over, and keeps it in a copy', () => {
  const capture = octets(LITTLE_HEADER, LITTLE_RECORD);
  capture.writeUInt32LE(2_500_000, 28);
  const frame = readCapture(capture).frames[0];
  assert.deepEqual([frame?.seconds, frame?.nanoseconds], [1_767_225_602, 500_000_000]);
  assert.deepEqual(copyCapture(capture), capture);
});

describe('old and modified files', () => {
  // Three octets captured of five, with each of the two lengths in front.
  const CAPTURED_FIRST = LITTLE_RECORD;
  const ORIGINAL_FIRST = '00b95569 02000000 05000000 03000000 aabbcc';
  const versions: readonly [version: string, record: string][] = [
    ['0200 0000', ORIGINAL_FIRST],
    ['0200 0100', ORIGINAL_FIRST],
    ['0200 0200', ORIGINAL_FIRST],
    ['1f02 0000', ORIGINAL_FIRST],
    ['0200 0300', ORIGINAL_FIRST],
    ['0200 0300', CAPTURED_FIRST],
    ['0200 0400', CAPTURED_FIRST],
    ['0200 0500', CAPTURED_FIRST],
  ];
  for (const [version, record] of versions) {
    const order = record === ORIGINAL_FIRST ? 'original' : 'captured';
    test(`version ${version} is read with the ${order} length in front`, () => {
      const { frames, error } = readCapture(octets(LITTLE_HEADER.replace('0200 0400', version), record, record));
      assert.equal(error, null);
      assert.deepEqual(
        frames.map(({ bytes, originalLength, high, low }) => [bytes, originalLength, high, low]),
        Array.from({ length: 2 }, () => [octets('aabbcc'), 5, 1_767_225_600, 2]),
      );
    });
  }

  test('a frame of an old version is written with its lengths in the order of the file', () => {
    const capture = octets(LITTLE_HEADER.replace('0200 0400', '0200 0200'), ORIGINAL_FIRST);
    assert.deepEqual(copyCapture(capture), capture);
  });

  const modified: readonly [name: string, octets: Buffer][] = [
    ['little', octets(LITTLE_HEADER.replace('d4c3b2a1', '34cdb2a1'), MODIFIED_RECORD, MODIFIED_RECORD)],
    ['big', octets('a1b2cd34 0002 0004 00000000 00000000 00040000 00000001', BIG_MODIFIED_RECORD)],
  ];
  for (const [name, capture] of modified) {
    test(`records of the modified format are read and written with what they add: ${name}-endian`, () => {
      for (const chunk of [1, 1000]) {
        const { frames, error } = readCapture(capture, chunk);
        assert.equal(error, null);
        const { bytes, originalLength, options, seconds, nanoseconds } = frames.at(-1) ?? {};
        assert.deepEqual(
          [bytes, originalLength, options?.length, seconds, nanoseconds],
          [octets('aabbcc'), 5, 8, 1_767_225_600, 2000],
        );
      }
      assert.deepEqual(copyCapture(capture), capture);
    });
  }

  test('other versions are refused', () => {
    for (const version of ['0100 0400', '0300 0400', '1f02 0100']) {
      const { error } = readCapture(octets(LITTLE_HEADER.replace('0200 0400', version)));
      assert.match(String(error), /pcap version \d+\.\d is not read, only 2\.0 to 2\.4 and 543\.0/);
    }
  });

  for (const [magic, owner] of [
    ['cd34b2a1', 'Mesquita'],
    ['a12b3c4d', 'Navtel'],
    ['1c0001ac', 'IXIA hardware'],
    ['ab01001c', 'IXIA software'],
    ['736e6f6f', 'snoop'],
    ['474d4255', 'Network Monitor'],
  ]) {
    test(`files of others are refused by name: ${owner}`, () => {
      const { error } = readCapture(octets(LITTLE_HEADER.replace('d4c3b2a1', magic ?? '')));
      assert.match(String(error), new RegExp(`it is .*${owner}.*, which is not read`));
    });
  }
});
