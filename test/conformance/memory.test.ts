/**
 * The memory driver under the conformance suite, and the promises only it makes.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDriver, type MemoryFrame } from '../../src/drivers/memory.ts';
import { driverConformance } from './driver.suite.ts';

const PORTS = [0, 1].map((id) => ({ id, linktype: 1, maxFrameLength: 1518 }));

driverConformance('memory', () => {
  const frames: MemoryFrame[] = [];
  const driver = new MemoryDriver({ ports: PORTS, frames });
  return {
    driver,
    send(port, sent) {
      frames.push(...sent.map((bytes) => ({ port, bytes, seconds: 1_767_225_600, nanoseconds: 1 })));
    },
    received: (port) => Promise.resolve(driver.sent.filter((sent) => sent.port === port).map(({ bytes }) => bytes)),
    idle: () => Promise.resolve(),
    close: () => undefined,
  };
});

test('memory: passes on flags, original length and time, and refuses to send on a failing port', async () => {
  const frames = [{ port: 0, bytes: Buffer.alloc(60), originalLength: 1500, flags: 1, seconds: 7, nanoseconds: 8 }];
  const driver = new MemoryDriver({ ports: PORTS, frames, failingPorts: [1] });
  const seen: number[] = [];
  const answers: boolean[] = [];
  await driver.start({
    onFrame({ octets: frame, length, originalLength, port, flags, seconds, nanoseconds }) {
      seen.push(length, originalLength, port, flags, seconds, nanoseconds);
      answers.push(driver.transmit(0, frame, 60), driver.transmit(1, frame, 60));
    },
    onBatchEnd: () => undefined,
  });
  assert.deepEqual(seen, [60, 1500, 0, 1, 7, 8]);
  assert.deepEqual(answers, [true, false]);
  assert.deepEqual(driver.sent, [{ port: 0, bytes: Buffer.alloc(60) }]);
});

test('memory: overwrites a frame once its batch is over, and leaves the array alone', async () => {
  const bytes = Buffer.alloc(5000, 0x11);
  const driver = new MemoryDriver({ ports: PORTS, frames: [{ port: 0, bytes }] });
  const kept: Buffer[] = [];
  await driver.start({
    onFrame({ octets: frame, length }) {
      frame[0] = 0x22;
      kept.push(frame.subarray(0, length));
    },
    onBatchEnd() {
      assert.equal(kept[0]?.[0], 0x22);
    },
  });
  assert.deepEqual(kept[0], Buffer.alloc(5000, 0xdd));
  assert.deepEqual(bytes, Buffer.alloc(5000, 0x11));
});

test('memory: lets the event loop turn, so that a stop from outside gets through', async () => {
  const frames = Array.from({ length: 1000 }, () => ({ port: 0, bytes: Buffer.alloc(60) }));
  const driver = new MemoryDriver({ ports: PORTS, frames });
  let handedOut = 0;
  setImmediate(() => driver.stop());
  await driver.start({
    onFrame: () => {
      handedOut += 1;
    },
    onBatchEnd: () => undefined,
  });
  assert.ok(handedOut > 0 && handedOut < frames.length, `${handedOut} frames`);
});
