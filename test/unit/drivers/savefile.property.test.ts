/**
 * Captures of every shape, drawn at random, through the savefile driver: what is forwarded unchanged comes out octet for
 * octet, what is dropped is all that is missing.
 *
 * The octets are put together here by hand, not by the code under test. The seed stands in the output of a failure.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { openSavefile } from '../../../src/drivers/savefile.ts';

const folder = mkdtempSync(join(tmpdir(), 'firehook-'));
after(() => rmSync(folder, { recursive: true }));

const RUNS = 300;
const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const OBSOLETE_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
/** Name resolution, interface statistics, systemd journal, decryption secrets, custom (copied, not copied), unknown. */
const OTHER_BLOCKS = [4, 5, 9, 10, 0xbad, 0x4000_0bad, 0x7777];

/** A part of a file; a packet says whether it is one. */
interface Part {
  readonly octets: Buffer;
  readonly isPacket: boolean;
}

function word(value: number, bigEndian: boolean): Buffer {
  const out = Buffer.alloc(4);
  if (bigEndian) out.writeUInt32BE(value);
  else out.writeUInt32LE(value);
  return out;
}

function half(value: number, bigEndian: boolean): Buffer {
  return bigEndian ? Buffer.of(value >>> 8, value & 0xff) : Buffer.of(value & 0xff, value >>> 8);
}

/** Fills up to four octets, with something else than the zeros that most writers take. */
function padded(octets: Buffer, filler: number): Buffer {
  return Buffer.concat([octets, Buffer.alloc((4 - (octets.length % 4)) % 4, filler)]);
}

function block(type: number, body: Buffer, bigEndian: boolean): Buffer {
  const length = word(12 + body.length, bigEndian);
  return Buffer.concat([word(type, bigEndian), length, body, length]);
}

const anyOctets = fc.uint8Array({ maxLength: 70 }).map((octets) => Buffer.from(octets));
const anyWord = fc.nat(0xffff_ffff);
/** Options as no reader has to understand them, in a well-formed list. */
const anyOptions = fc.array(fc.tuple(fc.nat(0xffff), anyOctets), { maxLength: 3 });
const anyPacket = fc.record({
  kind: fc.constantFrom('enhanced', 'simple', 'obsolete', 'other'),
  type: fc.constantFrom(...OTHER_BLOCKS),
  frame: anyOctets,
  cut: fc.nat(2000),
  port: fc.nat(3),
  high: anyWord,
  low: anyWord,
  drops: fc.nat(0xffff),
  filler: fc.nat(255),
  options: anyOptions,
});
const anySection = fc.record({
  bigEndian: fc.boolean(),
  isMeasured: fc.boolean(),
  options: anyOptions,
  leading: fc.array(fc.tuple(fc.constantFrom(...OTHER_BLOCKS), anyOctets), { maxLength: 2 }),
  interfaces: fc.array(fc.record({ linktype: fc.constantFrom(1, 101, 113, 147), resolution: fc.nat(255) }), {
    minLength: 1,
    maxLength: 4,
  }),
  packets: fc.array(anyPacket, { maxLength: 12 }),
});

type Drawn<Arbitrary> = Arbitrary extends fc.Arbitrary<infer Value> ? Value : never;

function emitOptions(options: readonly (readonly [number, Buffer])[], bigEndian: boolean): Buffer {
  // 0 would end the list, 9 and 14 of an interface say how its times count.
  const parts = options.map(([code, value]) =>
    Buffer.concat([half(code < 20 ? code + 20 : code, bigEndian), half(value.length, bigEndian), padded(value, 0)]),
  );
  return parts.length === 0 ? Buffer.alloc(0) : Buffer.concat([...parts, half(0, bigEndian), half(0, bigEndian)]);
}

function emitPacket(packet: Drawn<typeof anyPacket>, ports: number, bigEndian: boolean): Part {
  const { kind, type, frame, cut, port, high, low, drops, filler, options } = packet;
  const end = emitOptions(options, bigEndian);
  const times = [word(high, bigEndian), word(low, bigEndian)];
  const lengths = [word(frame.length, bigEndian), word(frame.length + cut, bigEndian)];
  const id = port % ports;
  switch (kind) {
    case 'enhanced': {
      const body = [word(id, bigEndian), ...times, ...lengths, padded(frame, filler), end];
      return { octets: block(ENHANCED_PACKET, Buffer.concat(body), bigEndian), isPacket: true };
    }
    case 'obsolete': {
      const body = [half(id, bigEndian), half(drops, bigEndian), ...times, ...lengths, padded(frame, filler), end];
      return { octets: block(OBSOLETE_PACKET, Buffer.concat(body), bigEndian), isPacket: true };
    }
    case 'simple': {
      const body = [word(frame.length + cut, bigEndian), padded(frame, filler)];
      return { octets: block(SIMPLE_PACKET, Buffer.concat(body), bigEndian), isPacket: true };
    }
    default:
      return { octets: block(type, padded(frame, filler), bigEndian), isPacket: false };
  }
}

function emitSection(section: Drawn<typeof anySection>): Part[] {
  const { bigEndian, isMeasured, options, leading, interfaces, packets } = section;
  const parts = [
    ...leading.map(([type, body]) => ({ octets: block(type, padded(body, 1), bigEndian), isPacket: false })),
    ...interfaces.map(({ linktype, resolution }) => {
      const tsresol = [half(9, bigEndian), half(1, bigEndian), Buffer.of(resolution, 0, 0, 0), word(0, bigEndian)];
      const body = [half(linktype, bigEndian), half(0, bigEndian), word(0, bigEndian), ...tsresol];
      return { octets: block(INTERFACE, Buffer.concat(body), bigEndian), isPacket: false };
    }),
    ...packets.map((packet) => emitPacket(packet, interfaces.length, bigEndian)),
  ];
  const size = parts.reduce((sum, { octets }) => sum + octets.length, 0);
  const measured = bigEndian ? [word(0, true), word(size, true)] : [word(size, false), word(0, false)];
  const length = isMeasured ? Buffer.concat(measured) : Buffer.alloc(8, 0xff);
  const head = [word(0x1a2b3c4d, bigEndian), half(1, bigEndian), half(0, bigEndian), length];
  const body = Buffer.concat([...head, emitOptions(options, bigEndian)]);
  return [{ octets: block(SECTION, body, bigEndian), isPacket: false }, ...parts];
}

function emitPcap(bigEndian: boolean, magic: number, version: number, packets: Drawn<typeof anyPacket>[]): Part[] {
  const head = [word(magic, bigEndian), half(2, bigEndian), half(version, bigEndian), Buffer.alloc(8, 7)];
  const isModified = magic === 0xa1b2cd34;
  return [
    { octets: Buffer.concat([...head, word(65_535, bigEndian), word(1, bigEndian)]), isPacket: false },
    ...packets.map(({ frame, cut, high, low }) => {
      const lengths = [word(frame.length, bigEndian), word(frame.length + cut, bigEndian)];
      if (version < 3) lengths.reverse();
      const added = isModified ? Buffer.alloc(8, 0x5a) : Buffer.alloc(0);
      const octets = Buffer.concat([word(high, bigEndian), word(low, bigEndian), ...lengths, added, frame]);
      return { octets, isPacket: true };
    }),
  ];
}

const anyCapture = fc.oneof(
  { weight: 3, arbitrary: fc.array(anySection, { minLength: 1, maxLength: 3 }).map((all) => all.flatMap(emitSection)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.boolean(),
        fc.constantFrom(0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34),
        fc.nat(5),
        fc.array(anyPacket, { maxLength: 12 }),
      )
      .map((drawn) => emitPcap(...drawn)),
  },
);

/** What comes out when packet n is forwarded if `isKept(n)`. */
async function forward(parts: readonly Part[], isKept: (index: number) => boolean): Promise<Buffer> {
  const [input, output] = [join(folder, 'in'), join(folder, 'out')];
  writeFileSync(input, Buffer.concat(parts.map(({ octets }) => octets)));
  const driver = openSavefile({ input, output });
  let index = 0;
  await driver.start({
    onFrame({ octets, length, port }) {
      if (isKept(index)) assert.equal(driver.transmit(port, octets, length), true);
      index += 1;
    },
    onBatchEnd: () => undefined,
  });
  assert.equal(index, parts.filter(({ isPacket }) => isPacket).length);
  return readFileSync(output);
}

/** A section whose length is given loses it when a packet of it is missing. */
function withOpenLengths(parts: readonly Part[], isMissing: (index: number) => boolean): Buffer {
  const kept: Buffer[] = [];
  let packets = 0;
  let header: Buffer | null = null;
  for (const { octets, isPacket } of parts) {
    if (octets.readUInt32BE() === SECTION) header = Buffer.from(octets);
    if (isPacket && isMissing(packets)) header?.fill(0xff, 16, 24);
    else kept.push(octets.readUInt32BE() === SECTION && header !== null ? header : octets);
    if (isPacket) packets += 1;
  }
  return Buffer.concat(kept);
}

test('a capture that is forwarded whole is the same octets again', async () => {
  await fc.assert(
    fc.asyncProperty(anyCapture, async (parts) => {
      const expected = Buffer.concat(parts.map(({ octets }) => octets));
      assert.equal((await forward(parts, () => true)).toString('hex'), expected.toString('hex'));
    }),
    { numRuns: RUNS },
  );
});

test('a capture of which packets are dropped has everything else, in its place', async () => {
  await fc.assert(
    fc.asyncProperty(anyCapture, fc.nat(0xffff), async (parts, mask) => {
      const isKept = (index: number): boolean => ((mask >>> (index % 16)) & 1) === 1;
      const expected = withOpenLengths(parts, (index) => !isKept(index));
      assert.equal((await forward(parts, isKept)).toString('hex'), expected.toString('hex'));
    }),
    { numRuns: RUNS },
  );
});
