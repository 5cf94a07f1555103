/**
 * Blocks of a record: firehook's own reader reads back what was written, interfaces stand before their packets, and comments are one line that
 * says who decided and why.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { commentOf, RecordBlocks } from '../../../src/cli/record-blocks.ts';
import type { FrameLine, PacketLine } from '../../../src/control/trace-control.ts';
import type { TracedHook } from '../../../src/lane/packet-tracer.ts';
import { PURPOSES } from '../../../src/lane/purposes.ts';
import { readCapture } from '../../support/read-capture.ts';

type Told = PacketLine['packet'];

const CALLED: TracedHook = {
  hook: 'a',
  skipped: null,
  verdict: 'FORWARD',
  released: false,
  reason: null,
  ns: 100,
  changed: null,
  replaced: false,
  faults: 0,
};

const PACKET: Told = {
  number: 1,
  seconds: 1,
  nanoseconds: 2,
  from: 'lan0',
  to: 'wan0',
  length: 60,
  ends: null,
  resumed: false,
  hooks: [CALLED],
  fate: 'forwarded',
  cause: null,
  by: null,
  reason: null,
  counted: { received: 1, forwarded: 1 },
  cut: false,
};

test('a comment says the hook, its verdict and its reason, what hooks changed, and what became of the packet', () => {
  const dropped = { fate: 'dropped', cause: 'droppedByHook', by: 'b' } as const;
  const byFirehook = { fate: 'dropped', cause: 'droppedMalformed', hooks: [] } as const;
  const changed = { octets: 2, first: 8, length: 66 };
  for (const [changes, comment] of [
    [{}, 'forwarded'],
    [
      { ...dropped, reason: 'telnet', hooks: [CALLED, { ...CALLED, hook: 'b', verdict: 'DROP' }] },
      'hook b: verdict DROP, reason telnet; dropped',
    ],
    [{ ...dropped, hooks: [{ ...CALLED, hook: 'b', verdict: 'DROP' }] }, 'hook b: verdict DROP; dropped'],
    [byFirehook, 'dropped (malformed)'],
    [{ hooks: [{ ...CALLED, changed }] }, 'hook a: changed 2 octets from 8 on, 66 afterwards; forwarded'],
    [{ hooks: [{ ...CALLED, replaced: true }] }, 'hook a: replaced; forwarded'],
    [{ hooks: [{ ...CALLED, faults: 1 }] }, 'hook a: FORWARD (fault); forwarded'],
    [{ resumed: true }, 'had waited; forwarded'],
    [{ resumed: true, hooks: [{ ...CALLED, released: true }] }, 'hook a: released: FORWARD; had waited; forwarded'],
    [
      { ...dropped, hooks: [{ ...CALLED, hook: 'b\u001b[2J', verdict: 'DROP' }], by: 'b\u001b[2J' },
      'hook b\\x1b[2J: verdict DROP; dropped',
    ],
  ] as const)
    assert.equal(commentOf({ ...PACKET, ...changes } as Told), comment);
});

const NAMES = ['lan0', 'wan0', 'local', 'routes'];

test('whatever frames there are, the file has them, with their interfaces, times, directions and ids', () => {
  const out = fc.record({
    kind: fc.constantFrom(...PURPOSES),
    name: fc.constantFrom(...NAMES),
    linktype: fc.constantFrom(1, 101),
    seconds: fc.integer({ min: 0, max: 0xffff_ffff }),
    nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
    octets: fc.uint8Array({ maxLength: 200 }),
    more: fc.integer({ min: 0, max: 70_000 }),
  });
  fc.assert(
    fc.property(fc.array(fc.array(out, { minLength: 1, maxLength: 5 }), { maxLength: 12 }), (packets) => {
      const blocks = new RecordBlocks(262_144);
      const lines = packets.map((frames) =>
        frames.map(({ octets, more, ...frame }, index): FrameLine => {
          const kind = index === 0 ? 'in' : frame.kind;
          return { ...frame, kind, length: octets.length + more, octets: Buffer.from(octets).toString('base64') };
        }),
      );
      const parts = lines.map((frames) => blocks.blocksOf({ lane: 0, packet: PACKET, frames }));
      // A file ends whole behind each packet.
      for (let count = 0; count <= parts.length; count++) {
        const read = readCapture(Buffer.concat([blocks.head, ...parts.slice(0, count)]));
        assert.equal(read.length, lines.slice(0, count).flat().length);
      }
      assert.deepEqual(
        readCapture(Buffer.concat([blocks.head, ...parts])),
        lines.flatMap((frames, packet) =>
          frames.map(({ kind, name, linktype, seconds, nanoseconds, length, octets }) => {
            const direction = kind === 'in' ? 'in' : 'out';
            return {
              interfaceName: `${name} ${direction}`,
              linktype,
              octets: Buffer.from(octets, 'base64'),
              originalLength: length,
              nanoseconds: BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds),
              comment: kind === 'in' || kind === 'forwarded' ? 'forwarded' : `${kind}; forwarded`,
              direction,
              packetId: BigInt(packet + 1),
            };
          }),
        ),
      );
    }),
    { seed: 12, numRuns: 200 },
  );
});
