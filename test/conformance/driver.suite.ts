/**
 * The promises of the driver contract, as one suite that every driver passes.
 *
 * Place: `<driver>.test.ts` beside it calls {@link driverConformance} with a set-up for its driver. The suite sends
 * Ethernet frames of 60 to 1514 octets with the ethertype for local experiments (0x88b5), so that it also runs on live
 * links; frames of any other ethertype are somebody else's and are not looked at. Rule: a promise is left out with a
 * reason or kept; there is nothing in between.
 *
 * @see `src/drivers/contract.ts`
 *
 * @module
 */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import { type Driver, type FrameSink, OFFLOAD_OCTETS } from '../../src/drivers/contract.ts';
import { Frame } from '../../src/drivers/frame.ts';

const ETHERTYPE_EXPERIMENTAL = 0x88b5;
const MIN_FRAME_LENGTH = 60;
const MAX_FRAME_LENGTH = 1514;
const MANY = 1000;
/** 2001-09-09: a time before it is not a time of arrival but a field that was never filled in. */
const PLAUSIBLE_SECONDS = 1_000_000_000;

/** A driver with two ends: one to send frames into its ports, one to see what comes out of them. */
export interface DriverUnderTest {
  /** Ports 0 and, unless the promise about several ports is left out, 1: Ethernet. The suite reads it after `send`. */
  readonly driver: Driver;
  /**
   * Sends frames to a port. Called before `driver.start`; a live set-up holds them until `idle`, when it is running.
   *
   * Ownership: borrows `frames`, which stay as they are.
   */
  send(portId: number, frames: readonly Buffer[]): void | Promise<void>;
  /** What came out of a port so far, in order. Called after `start` has settled. */
  received(portId: number): Promise<readonly Buffer[]>;
  /** Waits until everything that was sent was handed out. Called only for live drivers: the others end by themselves. */
  idle(): Promise<void>;
  /** Gives back what the set-up took. The driver has been stopped. */
  close(): void | Promise<void>;
}

/** Makes a fresh driver for one promise. */
export type DriverSetup = () => DriverUnderTest | Promise<DriverUnderTest>;

/** What {@link driverConformance} takes besides the driver. */
export interface DriverConformanceOptions {
  /** Title of a promise to the reason, a sentence, why this driver cannot keep it. A title that is none fails. */
  readonly leaveOut?: Readonly<Record<string, string>>;
}

/** Registers the suite for one driver. */
export function driverConformance(
  name: string,
  setup: DriverSetup,
  { leaveOut = {} }: DriverConformanceOptions = {},
): void {
  const excuses = new Map(Object.entries(leaveOut));

  describe(`${name} keeps the driver contract`, () => {
    promise('hands out frames in order, from octet 0, octets and lengths unchanged', async (under) => {
      const frames = [60, 1514, 61, 600, 1513].map((length, index) => frameOf(length, index));
      await under.send(0, frames);
      const sink = new CollectingSink();
      await run(under, sink);
      assertSameFrames(sink.framesOf(0), frames);
      assert.deepEqual(
        sink.arrivals.map(({ originalLength }) => originalLength),
        frames.map(({ length }) => length),
      );
    });

    promise('gives every frame a plausible time, none before that of the frame ahead', async (under) => {
      await under.send(0, framesOf(50));
      const sink = new CollectingSink();
      await run(under, sink);
      assert.equal(sink.arrivals.length, 50);
      let previous = 0n;
      for (const { seconds, nanoseconds } of sink.arrivals) {
        assert.ok(Number.isInteger(seconds) && seconds >= PLAUSIBLE_SECONDS, `${seconds} s`);
        assert.ok(Number.isInteger(nanoseconds) && nanoseconds >= 0 && nanoseconds <= 999_999_999, `${nanoseconds} ns`);
        const time = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
        assert.ok(time >= previous, `${time} comes after ${previous}`);
        previous = time;
      }
    });

    promise('ends a batch after the last frame and before start settles', async (under) => {
      await under.send(0, framesOf(3));
      const sink = new CollectingSink();
      await run(under, sink);
      assert.equal(sink.arrivals.length, 3);
      assert.ok(sink.batchesTotal > 0, 'no batch was ended');
      assert.equal(sink.framesSinceBatch, 0);
    });

    promise('sends the very octets that transmit is given from inside onFrame', async (under) => {
      const frames = framesOf(20);
      await under.send(0, frames);
      const out = lastPort(under.driver);
      const sink = new CollectingSink((frame, length) => under.driver.transmit(out, frame, length));
      await run(under, sink);
      assert.deepEqual(
        sink.answers,
        frames.map(() => true),
      );
      assertSameFrames(ours(await under.received(out)), frames);
    });

    promise('sends a frame that was changed in place as it is now, and only its first octets', async (under) => {
      const frames = framesOf(5, 200);
      await under.send(0, frames);
      const out = lastPort(under.driver);
      const sink = new CollectingSink((frame) => {
        frame[100] = 0x5a;
        return under.driver.transmit(out, frame, 150);
      });
      await run(under, sink);
      const expected = frames.map((frame) => {
        const changed = Buffer.from(frame.subarray(0, 150));
        changed[100] = 0x5a;
        return changed;
      });
      assertSameFrames(ours(await under.received(out)), expected);
    });

    promise('answers false, and throws nothing, for a frame longer than the port takes', async (under) => {
      await under.send(0, framesOf(1));
      const port = under.driver.ports[0];
      assert.ok(port !== undefined);
      const tooLong = port.maxFrameLength + 1;
      const long = Buffer.alloc(Math.min(tooLong, 1024 * 1024));
      const sink = new CollectingSink(() => under.driver.transmit(0, long, tooLong));
      await run(under, sink);
      assert.deepEqual(sink.answers, [false]);
      assertSameFrames(ours(await under.received(0)), []);
    });

    promise('answers false, and throws nothing, for a port that does not exist', async (under) => {
      await under.send(0, framesOf(1));
      const sink = new CollectingSink((frame, length) =>
        [99, -1].some((port) => under.driver.transmit(port, frame, length)),
      );
      await run(under, sink);
      assert.deepEqual(sink.answers, [false]);
      assertSameFrames(ours(await under.received(0)), []);
    });

    promise('several ports do not mix', async (under) => {
      const there = framesOf(10, 100, 0);
      const back = framesOf(10, 300, 500);
      await under.send(0, there);
      await under.send(1, back);
      const sink = new CollectingSink((frame, length, port) => under.driver.transmit(1 - port, frame, length));
      await run(under, sink);
      assertSameFrames(sink.framesOf(0), there);
      assertSameFrames(sink.framesOf(1), back);
      assertSameFrames(ours(await under.received(1)), there);
      assertSameFrames(ours(await under.received(0)), back);
    });

    promise('sends what was made or kept when a batch is over, from a promise of the sink too', async (under) => {
      const { driver } = under;
      const there = framesOf(40, 100, 0);
      const back = framesOf(40, 300, 500);
      await under.send(0, there);
      await under.send(1, back);
      const made = framesOf(40, 200, 1000);
      const answers: boolean[] = [];
      const sink = new CollectingSink((frame, length, port) => {
        const own = made[sink.arrivals.length - 1] ?? Buffer.alloc(0);
        // It runs when the batch has been handed out, and before it has been sent.
        void Promise.resolve().then(() => {
          if (port === 0) answers.push(driver.transmit(1, own, own.length));
          else answers.push(sendKept(driver, 0, own));
        });
        return driver.transmit(1 - port, frame, length);
      });
      await run(under, sink);
      const known = new Set(made.map((frame) => frame.toString('hex')));
      const isMade = (frame: Buffer): boolean => known.has(frame.toString('hex'));
      const [first, second] = [ours(await under.received(0)), ours(await under.received(1))];
      assertSameFrames(
        second.filter((frame) => !isMade(frame)),
        there,
      );
      assertSameFrames(
        first.filter((frame) => !isMade(frame)),
        back,
      );
      assert.equal([...first, ...second].filter(isMade).length, Math.min(made.length, answers.filter(Boolean).length));
      assert.ok(answers.slice(0, made.length).every(Boolean));
    });

    promise('an exception of the sink rejects start', async (under) => {
      await under.send(0, framesOf(3));
      const fault = new Error('the sink failed');
      const sink = new CollectingSink(() => {
        throw fault;
      });
      await assert.rejects(run(under, sink), fault);
      assert.equal(sink.arrivals.length, 1);
    });

    promise('ends start when stop is called from inside onFrame, and takes a second stop', async (under) => {
      await under.send(0, framesOf(100));
      const sink = new CollectingSink(() => {
        under.driver.stop();
        return true;
      });
      const running = under.driver.start(sink);
      if (under.driver.capabilities.live) {
        await Promise.race([running, under.idle()]);
      }
      await running;
      under.driver.stop();
      assert.equal(sink.arrivals.length, 1);
      assert.equal(under.driver.transmit(0, frameOf(60, 0), 60), false);
    });

    promise('takes stop without start', (under) => {
      under.driver.stop();
      under.driver.stop();
    });

    promise('counts in numbers', async (under) => {
      await under.send(0, framesOf(1));
      await run(under, new CollectingSink());
      for (const [counter, value] of Object.entries(under.driver.stats())) {
        assert.ok(Number.isInteger(value) && value >= 0, `${counter} is ${value}`);
      }
    });

    promise('a thousand frames arrive and leave intact', async (under, context) => {
      const seed = randomInt(2 ** 32);
      context.diagnostic(`seed ${seed}`);
      const frames = randomLengths(seed, MANY).map(frameOf);
      await under.send(0, frames);
      const out = lastPort(under.driver);
      const sink = new CollectingSink((frame, length) => under.driver.transmit(out, frame, length));
      await run(under, sink);
      assertSameFrames(sink.framesOf(0), frames);
      assertSameFrames(ours(await under.received(out)), frames);
    });

    test('is excused only from promises of this suite', () => {
      assert.deepEqual([...excuses.keys()], []);
    });
  });

  function promise(title: string, keep: (under: DriverUnderTest, context: TestContext) => void | Promise<void>): void {
    const reason = excuses.get(title);
    excuses.delete(title);
    if (reason !== undefined) return;
    test(title, async (context) => {
      const under = await setup();
      try {
        await keep(under, context);
      } finally {
        under.driver.stop();
        await under.close();
      }
    });
  }
}

/** Sends a frame as one that was handed out at port 0 and kept, with everything final. */
function sendKept(driver: Driver, port: number, octets: Buffer): boolean {
  const kept = new Frame(octets);
  kept.length = octets.length;
  kept.originalLength = octets.length;
  driver.resume?.(kept, new Uint8Array(OFFLOAD_OCTETS));
  const isSent = driver.transmit(port, octets, octets.length);
  driver.endResumed?.();
  return isSent;
}

/** What a {@link CollectingSink} notes of a frame. */
interface Arrival {
  readonly port: number;
  /** A copy: the frame itself is borrowed. */
  readonly bytes: Buffer;
  readonly originalLength: number;
  readonly seconds: number;
  readonly nanoseconds: number;
}

type Answer = (frame: Buffer, length: number, port: number) => boolean;

class CollectingSink implements FrameSink {
  readonly arrivals: Arrival[] = [];
  /** What `answer` said to each frame, for example the result of a transmit. */
  readonly answers: boolean[] = [];
  framesSinceBatch = 0;
  batchesTotal = 0;
  readonly #answer: Answer;

  constructor(answer: Answer = () => true) {
    this.#answer = answer;
  }

  onFrame({ octets: frame, length, originalLength, port, seconds, nanoseconds }: Frame): void {
    if (!isOurs(frame)) {
      return;
    }
    this.framesSinceBatch += 1;
    this.arrivals.push({ port, bytes: Buffer.from(frame.subarray(0, length)), originalLength, seconds, nanoseconds });
    this.answers.push(this.#answer(frame, length, port));
  }

  onBatchEnd(): void {
    this.framesSinceBatch = 0;
    this.batchesTotal += 1;
  }

  framesOf(port: number): Buffer[] {
    return this.arrivals.filter((arrival) => arrival.port === port).map(({ bytes }) => bytes);
  }
}

/** Runs the driver until all that was sent was handed out. */
async function run({ driver, idle }: DriverUnderTest, sink: FrameSink): Promise<void> {
  const running = driver.start(sink);
  if (driver.capabilities.live) {
    // A rejection that comes while `idle` still waits is not unhandled: it is awaited below.
    running.catch(() => undefined);
    await idle();
    driver.stop();
  }
  await running;
}

function lastPort(driver: Driver): number {
  return driver.ports.length - 1;
}

/** Frames of one length, or of growing lengths. */
function framesOf(count: number, length?: number, firstNumber = 0): Buffer[] {
  return Array.from({ length: count }, (_, index) =>
    frameOf(length ?? MIN_FRAME_LENGTH + 7 * index, firstNumber + index),
  );
}

/** An Ethernet frame whose every octet depends on its number, so that frames cannot be mistaken for each other. */
function frameOf(length: number, number: number): Buffer {
  const frame = Buffer.alloc(length);
  for (let index = 18; index < length; index += 1) {
    frame[index] = (number * 31 + index * 7) & 0xff;
  }
  frame.set([0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01]);
  frame.writeUInt16BE(ETHERTYPE_EXPERIMENTAL, 12);
  frame.writeUInt32BE(number, 14);
  return frame;
}

/** Lengths from 60 to 1514; the generator is Marsaglia's xorshift of 32 bits, so that a seed tells all of them. */
function randomLengths(seed: number, count: number): number[] {
  let state = seed | 1;
  return Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return MIN_FRAME_LENGTH + ((state >>> 0) % (MAX_FRAME_LENGTH - MIN_FRAME_LENGTH + 1));
  });
}

function isOurs(frame: Buffer): boolean {
  return frame.length >= 14 && frame.readUInt16BE(12) === ETHERTYPE_EXPERIMENTAL;
}

function ours(frames: readonly Buffer[]): Buffer[] {
  return frames.filter(isOurs);
}

/** Compares one by one: the message names the frame that differs, not a thousand that do not. */
function assertSameFrames(actual: readonly Buffer[], expected: readonly Buffer[]): void {
  assert.equal(actual.length, expected.length, `${actual.length} frames instead of ${expected.length}`);
  for (const [index, frame] of expected.entries()) {
    assert.equal(actual[index]?.toString('hex'), frame.toString('hex'), `frame ${index}`);
  }
}
