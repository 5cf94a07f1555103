/**
 * The streaming reader and the record writer, over every variant of both formats.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { isFirehookError } from '../../../src/errors.ts';
import { SavefileReader } from '../../../src/wire/savefile.ts';
import { MAX_SAVEFILE_FRAME_LENGTH } from '../../../src/wire/savefile-format.ts';
import {
  type CaptureRecord,
  composeCapture,
  composeRecord,
  copyCapture,
  readCapture,
  sectionOf,
  VARIANTS,
  type Variant,
} from './savefile-captures.ts';

/** Lengths with every padding, an empty frame, a cut one, and one longer than it says it was. */
const RECORDS: readonly CaptureRecord[] = [
  { bytes: Buffer.alloc(60, 1), high: 1_767_225_600, low: 999_999 },
  { bytes: Buffer.alloc(61, 2), originalLength: 1500, high: 1_767_225_601, low: 0 },
  { bytes: Buffer.alloc(62, 3), high: 1_767_225_602, low: 1 },
  { bytes: Buffer.alloc(0), originalLength: 60, high: 0, low: 0 },
  { bytes: Buffer.alloc(63, 4), originalLength: 10, high: 0xffff_ffff, low: 0xffff_ffff },
];

const anyVariant = fc.constantFrom(...VARIANTS);
const anyWord = fc.nat(0xffff_ffff);
const anyRecord = fc.record(
  {
    bytes: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    originalLength: anyWord,
    high: anyWord,
    low: anyWord,
  },
  { noNullPrototype: true },
);

describe('what is read', () => {
  for (const variant of VARIANTS) {
    test(`has the octets, lengths and times of the file: ${variant.title}`, () => {
      const { frames, interfaces, error } = readCapture(composeCapture(variant, RECORDS, 276));
      assert.equal(error, null);
      assert.deepEqual(
        interfaces.map(({ linktype }) => linktype),
        variant.format === 'pcap' ? [276] : [276, 276],
      );
      assert.equal(frames.length, RECORDS.length);
      for (const [index, { bytes, originalLength = bytes.length, high, low }] of RECORDS.entries()) {
        const frame = frames[index];
        assert.deepEqual(frame?.bytes, bytes);
        assert.deepEqual([frame.originalLength, frame.high, frame.low], [originalLength, high, low]);
      }
    });

    test(`is written again octet by octet: ${variant.title}`, () => {
      const capture = composeCapture(variant, RECORDS);
      assert.deepEqual(copyCapture(capture), capture);
    });

    test(`is the same when the file comes octet by octet: ${variant.title}`, () => {
      const capture = composeCapture(variant, RECORDS);
      assert.deepEqual(readCapture(capture, 1), readCapture(capture));
    });

    test(`is a prefix, with an error unless a record ends there, wherever the file is cut: ${variant.title}`, () => {
      const capture = composeCapture(variant, RECORDS);
      const whole = readCapture(capture).frames;
      let cleanCuts = 0;
      for (let length = 0; length < capture.length; length += 1) {
        const { frames, error } = readCapture(capture.subarray(0, length));
        assert.ok(frames.length <= whole.length);
        assert.deepEqual(frames, whole.slice(0, frames.length), `cut at octet ${length}`);
        if (error === null) {
          cleanCuts += 1;
        } else {
          assert.ok(isFirehookError(error), `cut at octet ${length}`);
        }
      }
      // Behind the head, two interfaces for pcapng, and each record but the last.
      assert.equal(cleanCuts, RECORDS.length + (variant.format === 'pcap' ? 0 : 2));
    });

    test(`may be longer than 65,535 octets: ${variant.title}`, () => {
      const bytes = Buffer.alloc(200_000, 'long frame');
      const capture = composeCapture(variant, [{ bytes }, ...RECORDS]);
      const { frames, error } = readCapture(capture, 1000);
      assert.equal(error, null);
      assert.equal(frames.length, RECORDS.length + 1);
      assert.ok(frames[0]?.bytes.equals(bytes));
      assert.ok(copyCapture(capture).equals(capture));
    });
  }

  test('survives reading and writing, whatever the records are', () => {
    fc.assert(
      fc.property(anyVariant, fc.array(anyRecord, { maxLength: 20 }), fc.integer({ min: 1, max: 300 }), (...given) => {
        const [variant, records, chunkOctets] = given;
        const capture = composeCapture(variant, records);
        const { frames, error } = readCapture(capture, chunkOctets);
        assert.equal(error, null);
        assert.deepEqual(
          frames.map(({ bytes, originalLength, high, low }) => ({ bytes, originalLength, high, low })),
          records,
        );
        assert.deepEqual(copyCapture(capture), capture);
      }),
    );
  });

  test('comes to an end without a throw when octets of the file are damaged', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(anyVariant, damage, (variant, places) => {
        const capture = composeCapture(variant, RECORDS);
        for (const [place, octet] of places) {
          capture[place % capture.length] = octet;
        }
        const { frames, error } = readCapture(capture, 50);
        assert.ok(frames.length <= capture.length / 16);
        assert.ok(error === null || isFirehookError(error));
      }),
      { numRuns: 500 },
    );
  });
});

describe('an error in one line', () => {
  const [pcap, pcapng] = ['pcap', 'pcapng'].map((format) => VARIANTS.find((variant) => variant.format === format));
  assert.ok(pcap !== undefined && pcapng !== undefined);
  const cases: readonly [title: string, octets: Buffer, code: string, message: RegExp][] = [
    ['an empty file', Buffer.alloc(0), 'FORMAT', /"capture": empty file/],
    ['a file of three octets', Buffer.from('abc'), 'FORMAT', /only 3 octets/],
    ['text', Buffer.from('hello, world'), 'FORMAT', /starts with the octets 68656c6c/],
    ['gzip', gzipSync('hello'), 'FORMAT', /gzip-compressed: unpack it first$/],
    ['zstd', Buffer.from('28b52ffd00000000', 'hex'), 'FORMAT', /zstd-compressed/],
    ['a cut pcap header', composeCapture(pcap, []).subarray(0, 23), 'TRUNCATED', /inside the file header.* 23$/],
    ['a cut section header', composeCapture(pcapng, []).subarray(0, 27), 'TRUNCATED', /inside the file header/],
    [
      'a cut second record',
      composeCapture(pcap, RECORDS).subarray(0, 24 + 76 + 5),
      'TRUNCATED',
      /after packet 1, in the part that starts at octet 100; the file ends at octet 105$/,
    ],
  ];
  for (const [title, octets, code, message] of cases) {
    test(`tells ${title}`, () => {
      const { frames, error } = readCapture(octets);
      assert.ok(isFirehookError(error));
      assert.equal(error.code, `FIREHOOK_SAVEFILE_${code}`);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
      assert.equal(frames.length, code === 'TRUNCATED' && /record/.test(title) ? 1 : 0);
    });
  }

  for (const variant of [pcap, pcapng]) {
    test(`tells a record longer than the bound, after the frames before it: ${variant.title}`, () => {
      const capture = composeCapture(variant, [{ bytes: Buffer.alloc(60) }, { bytes: Buffer.alloc(60) }]);
      const record = capture.length - (variant.format === 'pcap' ? 76 : 92);
      const lengthAt = variant.format === 'pcap' ? record + 8 : record + 4;
      capture.writeUInt32LE(MAX_SAVEFILE_FRAME_LENGTH + 4 * 1024 * 1024, lengthAt);
      const { frames, error } = readCapture(capture);
      assert.equal(frames.length, 1);
      assert.match(String(error), new RegExp(`after packet 1, at octet ${record}: a (frame|block) of 71303168 octets`));
    });

    test(`keeps no more memory than octets came when a length lies within the bound: ${variant.title}`, () => {
      const capture = composeCapture(variant, [{ bytes: Buffer.alloc(60) }]);
      const record = capture.length - (variant.format === 'pcap' ? 76 : 92);
      capture.writeUInt32LE(MAX_SAVEFILE_FRAME_LENGTH, variant.format === 'pcap' ? record + 8 : record + 4);
      const reader = new SavefileReader('capture');
      reader.push(capture);
      while (reader.next() !== 'more') {
        assert.ok(reader.buffer.length < 4096);
      }
      assert.ok(reader.buffer.length < 4096);
      assert.match(String(reader.end()), /truncated/);
    });
  }
});

describe('libpcap agrees', () => {
  const hasTcpdump = spawnSync('tcpdump', ['--version']).status === 0;
  const options = hasTcpdump ? {} : { skip: 'tcpdump is not installed' };
  for (const variant of VARIANTS) {
    test(`on frames and times of what is written: ${variant.title}`, options, () => {
      const folder = mkdtempSync(join(tmpdir(), 'firehook-'));
      try {
        const path = join(folder, 'capture');
        const records = [60, 61, 1514, 70_000].map((length, index) => ({
          bytes: Buffer.alloc(length, index),
          // A year that tcpdump prints, in each unit.
          high: (variant.resolution < 0x80 ? 400_000 : 400) + index,
          low: 123_456,
        }));
        const capture = composeCapture(variant, records);
        writeFileSync(path, capture);
        const { status, stdout, stderr } = spawnSync('tcpdump', ['-r', path, '-nn', '-tt', '-q', '-e', '--nano'], {
          encoding: 'utf8',
        });
        assert.equal(status, 0, stderr);
        const lines = stdout.split('\n').filter((line) => /^\d+\.\d{9} /.test(line));
        assert.deepEqual(
          lines.map((line) => line.split(' ')[0]),
          readCapture(capture).frames.map(
            ({ seconds, nanoseconds }) => `${seconds}.${String(nanoseconds).padStart(9, '0')}`,
          ),
        );
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }

  const old: readonly [name: string, magic: number, major: number, minor: number, originalFirst: boolean][] = [
    ['2.0', 0xa1b2c3d4, 2, 0, true],
    ['2.2', 0xa1b2c3d4, 2, 2, true],
    ['2.3, lengths turned', 0xa1b2c3d4, 2, 3, true],
    ['2.3', 0xa1b2c3d4, 2, 3, false],
    ['543.0', 0xa1b2c3d4, 543, 0, true],
    ['modified, 2.4', 0xa1b2cd34, 2, 4, false],
    ['modified, 2.2', 0xa1b2cd34, 2, 2, true],
  ];
  for (const [name, magic, major, minor, originalFirst] of old) {
    test(`on both lengths and the times of an old file: ${name}`, options, () => {
      const recordHeaderLength = magic === 0xa1b2cd34 ? 24 : 16;
      const section = { ...sectionOf(VARIANTS[0] as Variant), originalFirst, recordHeaderLength };
      section.header.writeUInt32LE(magic, 0);
      section.header.writeUInt16LE(major, 4);
      section.header.writeUInt16LE(minor, 6);
      const records = [60, 61, 62].map((length) =>
        composeRecord(section, {
          bytes: Buffer.alloc(length, 0x88),
          originalLength: 1000 + length,
          high: 400_000,
          low: length,
        }),
      );
      const capture = Buffer.concat([section.header, ...records]);
      const { status, stdout, stderr } = spawnSync('tcpdump', ['-r', '-', '-nn', '-tt', '-e', '-xx'], {
        input: capture,
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
      const { frames, error } = readCapture(capture);
      assert.equal(error, null);
      const packets = stdout.split(/^(?=\d)/m).map((text) => {
        const [time] = text.split(' ');
        const octets = [...text.matchAll(/^\s+0x[0-9a-f]+:\s+(.*)$/gm)].map(([, hex = '']) => hex.replaceAll(' ', ''));
        return [time, Number(/length (\d+)/.exec(text)?.[1]), octets.join('').length / 2];
      });
      assert.deepEqual(
        packets,
        frames.map(({ seconds, nanoseconds, originalLength, bytes }) => [
          `${seconds}.${String(nanoseconds / 1000).padStart(6, '0')}`,
          originalLength,
          bytes.length,
        ]),
      );
    });
  }
});
