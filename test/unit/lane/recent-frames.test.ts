/**
 * Frames that a lane copies for a trial: what is read is what was copied, and memory that means harm is no harm.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FRAME_SUPER, Frame } from '../../../src/drivers/frame.ts';
import { RECENT_OCTETS, RecentFrames, readRecentFrames } from '../../../src/lane/recent-frames.ts';

function frameOf(octets: Buffer, changes: Partial<Frame> = {}): Frame {
  return Object.assign(new Frame(octets), { length: octets.length, originalLength: octets.length, ...changes });
}

test('frames are read as they were copied, with the side that they were seen on', () => {
  const memory = new Uint8Array(RECENT_OCTETS);
  const frames = new RecentFrames(memory);
  for (let length = 60; length < 70; length++)
    assert.ok(frames.take(frameOf(Buffer.alloc(length, length)), length % 2 === 0));
  assert.ok(frames.take(frameOf(Buffer.alloc(1_000, 7), { flags: FRAME_SUPER, segmentSize: 500 }), false));
  const read = readRecentFrames(memory.slice(0, frames.octets));
  assert.equal(read.length, 11);
  for (const [index, { port, bytes }] of read.slice(0, 10).entries()) {
    assert.equal(port, index % 2 === 0 ? 1 : 0);
    assert.deepEqual(Buffer.from(bytes), Buffer.alloc(60 + index, 60 + index));
  }
  assert.deepEqual([read[10]?.flags, read[10]?.segmentSize], [FRAME_SUPER, 500]);
});

test('what is cut or too long is left out, and there is an end', () => {
  const memory = new Uint8Array(64 * 1024);
  const frames = new RecentFrames(memory);
  assert.ok(frames.take(frameOf(Buffer.alloc(60_000)), false));
  assert.ok(frames.take(frameOf(Buffer.alloc(60), { originalLength: 61 }), false));
  assert.equal(frames.octets, 0);
  let taken = 0;
  while (frames.take(frameOf(Buffer.alloc(1_500)), false)) taken += 1;
  assert.ok(taken > 40 && frames.octets <= memory.length);
  assert.equal(readRecentFrames(memory.slice(0, frames.octets)).length, taken);
});

test('whatever the memory holds, each frame lies within it', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 4_000, size: 'max' }),
      fc.integer({ min: 0, max: 300 }),
      (octets, length) => {
        const memory = Uint8Array.from(octets);
        if (memory.length >= 4) new DataView(memory.buffer).setUint32(0, length);
        for (const { bytes, port } of readRecentFrames(memory)) assert.ok(bytes.length <= memory.length && port <= 1);
      },
    ),
    { seed: 5, numRuns: 500 },
  );
});
