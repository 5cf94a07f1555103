/**
 * The fence of a ring: what the kernel may have sent on is never handed out, and what it certainly withheld is.
 *
 * Not a test file by itself: `addon.test.ts` and `asan.test.ts` run it in a namespace with `p0` and `q0`. With a path as its
 * argument it takes the addon from there.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { loadNative } from '../../src/native/load-native.ts';
import type { NativeModule, NativeRing } from '../../src/native/native.d.ts';
import { waitFor } from '../support/wait-for.ts';

/** So short that a frame of LONG octets comes through an overflow buffer. */
const SLOT = 256;
const SLOTS = 1024;
const VNET = 10;
const SHORT = 60;
const LONG = 1000;
const FIELDS = 8;
const BATCH = 64;
const HOUR_MS = 3_600_000;
const PATIENCE_MS = 30_000;
const TP_STATUS_USER = 1;
const MADE = 2;
const NONE = new Uint8Array(0);

const file = process.argv[2];
const native = file === undefined ? loadNative() : (createRequire(import.meta.url)(file) as NativeModule);
const [near, far] = ['p0', 'q0'].map((name) => Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8')));

/** The page as the process with the lease writes it; a lane has a descriptor that can only be read. */
class Fence {
  readonly laneFd: number;
  readonly #fd = native.createMemory('fence', 24);
  readonly #page = new BigUint64Array(3);

  constructor() {
    this.laneFd = openSync(`/proc/self/fd/${this.#fd}`, 'r');
  }

  extend(sinceNs: bigint, lastsMs: number): void {
    const [epoch = 0n, untilNs = 0n] = this.#page;
    this.#write(process.hrtime.bigint() < untilNs ? epoch : epoch + 1n, sinceNs + BigInt(lastsMs) * 1_000_000n);
  }

  close(): void {
    this.#write(this.#page[0] ?? 0n, 0n);
  }

  release(): void {
    closeSync(this.#fd);
    closeSync(this.laneFd);
  }

  #write(epoch: bigint, untilNs: bigint): void {
    this.#page.set([epoch, untilNs, epoch + untilNs]);
    writeSync(this.#fd, this.#page, 0, 24, 0);
  }
}

interface Rig {
  readonly fence: Fence;
  readonly ring: NativeRing;
  /** Frames that the ring hands out by and by: until then whatever was sent waits in it. */
  take(): Promise<Uint8Array[]>;
  /** Sends frames filled with one octet; they are in the ring when it returns. */
  send(fill: number, count: number, length?: number): void;
  /** Opens the fence for an hour. */
  open(): void;
  close(): void;
}

function nothingLost(): void {
  assert.fail('nothing is sent');
}

function openRing(): NativeRing {
  return native.openRing(near ?? 0, SLOT, SLOTS, BATCH, -1, true, NONE);
}

function sendFrames(fill: number, count: number, length: number): void {
  const ring = native.openRing(far ?? 0, SLOT, 1, 0, -1, true, NONE);
  const sender = native.openSender(far ?? 0, 0);
  new Uint8Array(sender.made).fill(fill, VNET, VNET + length);
  const queue = new Uint32Array(sender.queue);
  for (let left = count; left > 0; left -= BATCH) {
    const some = Math.min(left, BATCH);
    for (let i = 0; i < some; i++) queue.set([MADE, 0, VNET + length], 2 + i * 3);
    queue[0] = some;
    assert.equal(native.flush(sender, ring), 0);
  }
  native.closeSender(sender);
  native.closeRing(ring);
}

function rig(): Rig {
  const fence = new Fence();
  const ring = openRing();
  native.setFence(ring, fence.laneFd);
  const frames: Uint8Array[] = [];
  const onBatch = (count: number) => {
    const fields = new Uint32Array(ring.fields);
    for (let i = 0; i < count; i++) {
      const [start = 0, length = 0, , flags = 0] = fields.subarray(i * FIELDS);
      frames.push(new Uint8Array((flags & 4) === 0 ? ring.memory : ring.overflow, start, length).slice());
    }
  };
  native.watch(ring, onBatch, nothingLost);
  return {
    fence,
    ring,
    async take() {
      // A ring is looked at before each turn's immediates run.
      for (let turn = 0; waiting(ring) > 0 || turn < 2; turn++) await setImmediate();
      return frames.splice(0);
    },
    send(fill, count, length = SHORT) {
      const before = waiting(ring);
      sendFrames(fill, count, length);
      // Without a turn of the event loop, which would hand them out.
      const deadline = performance.now() + PATIENCE_MS;
      while (waiting(ring) < before + count) assert.ok(performance.now() < deadline, `${count} frames did not come`);
    },
    open: () => fence.extend(process.hrtime.bigint(), HOUR_MS),
    close() {
      native.closeRing(ring);
      fence.release();
    },
  };
}

/** Frames that the kernel has put into a ring and that were not given back: tp_status, the first word of a slot. */
function waiting(ring: NativeRing): number {
  const words = new Uint32Array(ring.memory);
  let count = 0;
  for (let at = 0; at < words.length; at += SLOT / 4) if (((words[at] ?? 0) & TP_STATUS_USER) !== 0) count += 1;
  return count;
}

/** The octet that each frame is filled with. */
function fills(frames: readonly Uint8Array[]): (number | undefined)[] {
  return frames.map((frame) => frame.at(-1));
}

describe('a ring with a fence', () => {
  test('hands out nothing while it is closed, gives everything back and counts it', async () => {
    const { ring, take, send, close } = rig();
    // More than the ring has slots: what is not given back would be dropped.
    for (let round = 0; round < 5; round++) {
      send(2, SLOTS / 4);
      assert.deepEqual(await take(), []);
    }
    assert.deepEqual([native.fenced(ring), native.dropped(ring)], [(SLOTS / 4) * 5, 0]);
    close();
  });

  test('hands out what came after the lease, and nothing of what came before', async () => {
    const { ring, take, send, open, close } = rig();
    send(2, 3);
    open();
    assert.equal(native.lookAtFence(ring), 1);
    send(4, 2);
    assert.deepEqual(fills(await take()), [4, 4]);
    assert.equal(native.fenced(ring), 3);
    close();
  });

  test('that meets the new epoch with frames in it gives them back: nobody knows when they came', async () => {
    const { ring, fence, take, send, open, close } = rig();
    open();
    native.lookAtFence(ring);
    send(2, 1);
    assert.deepEqual(fills(await take()), [2]);
    send(4, 3);
    fence.close();
    open();
    send(6, 1);
    assert.deepEqual(await take(), []);
    send(8, 1);
    assert.deepEqual(fills(await take()), [8]);
    assert.equal(native.fenced(ring), 4);
    close();
  });

  test('hands out nothing once its time is over', async () => {
    const { ring, fence, take, send, open, close } = rig();
    open();
    native.lookAtFence(ring);
    send(2, 2);
    fence.extend(process.hrtime.bigint() - 2_000_000n, 1);
    assert.deepEqual(await take(), []);
    assert.equal(native.fenced(ring), 2);
    close();
  });

  test('loses nothing when it is extended in time: what was captured before belongs to the same epoch', async () => {
    const { ring, take, send, open, close } = rig();
    open();
    native.lookAtFence(ring);
    send(2, 2);
    open();
    assert.equal(native.lookAtFence(ring), 1);
    send(4, 1);
    assert.deepEqual(fills(await take()), [2, 2, 4]);
    assert.equal(native.fenced(ring), 0);
    close();
  });

  test('keeps to the fence when the descriptor is closed, and stays closed when nobody opens it any more', async () => {
    const { ring, fence, take, send } = rig();
    fence.extend(process.hrtime.bigint(), HOUR_MS);
    native.lookAtFence(ring);
    fence.release();
    send(2, 1);
    assert.deepEqual(fills(await take()), [2]);
    native.setFence(ring, native.createMemory('fence', 24));
    send(4, 1);
    assert.deepEqual([await take(), native.lookAtFence(ring)], [[], 0]);
    native.closeRing(ring);
  });

  test('hands out nothing of what was captured before it had the fence', async () => {
    const { take, send, open, close, ring, fence } = rig();
    open();
    native.lookAtFence(ring);
    send(2, 3);
    native.setFence(ring, fence.laneFd);
    send(4, 1);
    assert.deepEqual(fills(await take()), [4]);
    assert.equal(native.fenced(ring), 3);
    close();
  });

  test('gives long frames back with their copies: the next one gets its own octets', async () => {
    const { ring, take, send, open, close } = rig();
    send(2, 3, LONG);
    assert.deepEqual(await take(), []);
    send(4, 2, LONG);
    open();
    native.lookAtFence(ring);
    send(6, 2, LONG);
    const frames = await take();
    assert.deepEqual(fills(frames), [6, 6]);
    assert.ok(frames.every(({ length }) => length === LONG));
    assert.equal(native.fenced(ring), 5);
    close();
  });

  test('hands out batch after batch of one epoch, whoever looks at the fence meanwhile', async () => {
    const fence = new Fence();
    const ring = openRing();
    native.setFence(ring, fence.laneFd);
    fence.extend(process.hrtime.bigint(), HOUR_MS);
    native.lookAtFence(ring);
    let seen = 0;
    const onBatch = (count: number) => {
      assert.equal(native.lookAtFence(ring), 1);
      seen += count;
    };
    native.watch(ring, onBatch, nothingLost);
    sendFrames(2, 3 * BATCH, SHORT);
    await waitFor(() => seen === 3 * BATCH, { what: 'three batches' });
    assert.equal(native.fenced(ring), 0);
    native.closeRing(ring);
    fence.release();
  });

  test('takes a page that is half written for a closed one', async () => {
    const fd = native.createMemory('fence', 24);
    const ring = openRing();
    writeSync(fd, new BigUint64Array([1n, 2n ** 63n, 2n ** 63n]), 0, 24, 0);
    native.setFence(ring, fd);
    sendFrames(2, 3, SHORT);
    native.watch(ring, () => assert.fail('the fence is closed'), nothingLost);
    await waitFor(() => native.fenced(ring) === 3, { what: 'the frames' });
    const short = native.createMemory('fence', 23);
    assert.throws(() => native.setFence(ring, short), { syscall: 'fstat', code: 'EINVAL' });
    native.closeRing(ring);
    for (const one of [fd, short]) closeSync(one);
  });

  test('refuses what is no ring, no descriptor and no file', () => {
    const { ring, fence, close } = rig();
    for (const name of ['setFence', 'fenced', 'lookAtFence'] as const) {
      const call = native[name] as (...args: unknown[]) => unknown;
      for (const wrong of [undefined, null, 1, {}, 'x', fence]) {
        assert.throws(() => call(wrong, fence.laneFd), { name: 'TypeError', message: new RegExp(`^${name}`) });
      }
      assert.throws(() => call(), { name: 'TypeError' });
    }
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 31, '4', null, undefined, 4n]) {
      assert.throws(() => native.setFence(ring, wrong as number), { name: 'TypeError', message: /^setFence/ });
    }
    assert.throws(() => native.setFence(ring, 0x7fff_ffff), { syscall: 'fstat', code: 'EBADF' });
    const folder = openSync('/dev', 'r');
    assert.throws(() => native.setFence(ring, folder), { syscall: 'fstat', code: 'EINVAL' });
    closeSync(folder);
    // A plain file can be cut while it is mapped.
    const plain = path.join(tmpdir(), `firehook-fence-${process.pid}`);
    const unsealed = openSync(plain, 'wx+', 0o600);
    writeSync(unsealed, Buffer.alloc(4096));
    rmSync(plain);
    assert.throws(() => native.setFence(ring, unsealed), { syscall: 'F_GET_SEALS', code: 'EINVAL' });
    closeSync(unsealed);
    close();
    assert.throws(() => native.setFence(ring, 0), { name: 'TypeError' });
    assert.throws(() => native.fenced(ring), { name: 'TypeError' });
  });
});
