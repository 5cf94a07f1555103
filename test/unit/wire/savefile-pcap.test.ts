/**
 * The pcap format on known octets.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitPcapHeader, identifyPcap, parsePcapHeader } from '../../../src/wire/savefile-pcap.ts';
import { copyCapture, readCapture } from './savefile-captures.ts';

// Written by hand after the layout in draft-ietf-opsawg-pcap, section 4.
const LITTLE_HEADER = 'd4c3b2a1 0200 0400 00000000 00000000 00000400 01000000';
const BIG_NANO_HEADER = 'a1b23c4d 0002 0004 00000000 00000000 00040000 00000071';
// 2026-01-01T00:00:00.000002, 3 octets captured of 5.
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
    const { bigEndian, nanoseconds } = header;
    assert.deepEqual(identifyPcap(octets(hex), 0), { bigEndian, nanoseconds });
    assert.deepEqual(parsePcapHeader(octets(hex), 0, header), header);
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

test('refuses a version whose records are laid out otherwise', () => {
  for (const version of ['0200 0300', '0100 0400', '0300 0400']) {
    const { error } = readCapture(octets(LITTLE_HEADER.replace('0200 0400', version)));
    assert.match(String(error), /pcap version \d\.\d is not read/);
  }
});
