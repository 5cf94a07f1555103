/**
 * The contract of the addon's exports (`native.d.ts`): a wrong argument is a TypeError, never an access outside.
 *
 * Not a test file by itself: `addon.test.ts` and `asan.test.ts` run it in a namespace with `p0` and `q0`. With a path as its
 * argument it takes the addon from there.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { loadNative } from '../../src/native/load-native.ts';
import type { NativeModule, NativeRing, NativeSender } from '../../src/native/native.d.ts';
import { waitFor } from '../support/wait-for.ts';

const SLOT = 2048;
const SLOTS = 128;
const VNET = 10;
const FRAME = 60;
const NONE = new Uint8Array(0);
const RING = 0;
const OVERFLOW = 1;
const MADE = 2;

type Anything = (...args: unknown[]) => unknown;

const file = process.argv[2];
const native = file === undefined ? loadNative() : (createRequire(import.meta.url)(file) as NativeModule);
const near = indexOf('p0');
const far = indexOf('q0');
/** No value that any export takes as its first argument, other handles apart. */
const WRONG = [undefined, null, 1, 'x', true, {}, [], () => undefined, new Uint8Array(8), Symbol('x'), 1n];

function indexOf(name: string): number {
  return Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8'));
}

function openRing(ifindex = near, overflowCount = 1): NativeRing {
  return native.openRing(ifindex, SLOT, SLOTS, overflowCount, -1, true, NONE);
}

/** Fails unless the export refuses these arguments, and says which export it was. */
function refuses(name: keyof NativeModule, ...args: unknown[]): void {
  const call = native[name] as Anything;
  assert.throws(() => call(...args), { name: 'TypeError', message: new RegExp(`^${name}`) }, shown(args));
}

/** Fails unless every wrong number of arguments and every wrong value of each is refused. */
function refusesEachWrong(
  name: keyof NativeModule,
  good: readonly unknown[],
  wrong: readonly (readonly unknown[])[],
): void {
  for (let count = 0; count < good.length; count++) refuses(name, ...good.slice(0, count));
  refuses(name, ...good, 1);
  for (const [index, values] of wrong.entries()) {
    for (const value of values) refuses(name, ...good.slice(0, index), value, ...good.slice(index + 1));
  }
}

function shown(args: readonly unknown[]): string {
  return args
    .map((value) => (typeof value === 'object' ? Object.prototype.toString.call(value) : String(value)))
    .join(', ');
}

/** Sends frames into the far end of the cable; they arrive at `p0`. */
function sendFrames(count: number): void {
  const ring = openRing(far, 0);
  const sender = native.openSender(far, 0);
  const made = new Uint8Array(VNET + FRAME).fill(2, VNET);
  const entries = new Uint32Array(count * 3);
  for (let i = 0; i < count; i++) entries.set([MADE, 0, VNET + FRAME], i * 3);
  assert.equal(native.send(sender, ring, entries, count, made, new Uint8Array(count)), 0);
  native.closeSender(sender);
  native.closeRing(ring);
}

/** Takes frames, and gives them back, until there were `count`. */
async function receiveAll(ring: NativeRing, count: number): Promise<void> {
  const fields = new Uint32Array(8 * 8);
  let seen = 0;
  await waitFor(
    () => {
      const got = native.receive(ring, fields, 8);
      native.release(ring, got);
      seen += got;
      return seen >= count;
    },
    { what: `${count} frames` },
  );
}

describe('the addon', () => {
  const numbers = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, ...WRONG.filter((one) => one !== 1)];

  test('openRing refuses wrong types and numbers out of range', () => {
    refusesEachWrong(
      'openRing',
      [near, SLOT, SLOTS, 1, -1, true, NONE],
      [
        [...numbers, 0, 2 ** 31],
        [...numbers, 0, 16, 255, 257, 2 ** 21],
        [...numbers, 0, 2 ** 20 + 1],
        [...numbers, 4097],
        [-2, 0.5, Number.NaN, 65_536, ...WRONG.filter((one) => one !== 1)],
        WRONG.filter((one) => one !== true),
        [
          ...WRONG.filter((one) => !(one instanceof Uint8Array)),
          new Uint8Array(7),
          new Uint16Array(8),
          new Uint8Array(8 * 4097),
        ],
      ],
    );
    refuses('openRing', near, 2 ** 20, 2 ** 12, 0, -1, true, NONE);
  });

  test('openRing says which system call failed on a device that is not there, and leaves nothing open', () => {
    const before = readFileSync('/proc/self/net/packet', 'utf8').split('\n').length;
    assert.throws(() => openRing(0x7fff_fff0), { name: 'Error', syscall: 'bind', code: 'ENODEV', errno: 19 });
    assert.throws(() => native.openRing(near, SLOT, SLOTS, 0, -1, true, new Uint8Array(8).fill(255)), {
      syscall: 'SO_ATTACH_FILTER',
      code: 'EINVAL',
    });
    assert.equal(readFileSync('/proc/self/net/packet', 'utf8').split('\n').length, before);
  });

  test('setFilter refuses what is no filter, and the kernel what is no program; then the old one holds', () => {
    const ring = openRing();
    const none = new Uint8Array([6, 0, 0, 0, 0, 0, 0, 0]);
    refusesEachWrong(
      'setFilter',
      [ring, none],
      [WRONG, [...WRONG.filter((one) => !(one instanceof Uint8Array)), NONE, new Uint8Array(7), new Uint16Array(8)]],
    );
    refuses('setFilter', ring, new Uint8Array(8 * 4097));
    refuses('setFilter', native.openSender(near, 0), none);
    assert.throws(() => native.setFilter(ring, new Uint8Array(8).fill(255)), {
      syscall: 'SO_ATTACH_FILTER',
      code: 'EINVAL',
      errno: 22,
    });
    native.closeRing(ring);
    refuses('setFilter', ring, none);
  });

  test('a filter that is set later keeps frames back from then on, and another takes its place', async () => {
    const ring = openRing();
    sendFrames(3);
    await receiveAll(ring, 3);
    // ret #0, and ret #-1.
    native.setFilter(ring, new Uint8Array([6, 0, 0, 0, 0, 0, 0, 0]));
    sendFrames(3);
    native.setFilter(ring, new Uint8Array([6, 0, 0, 0, 255, 255, 255, 255]));
    sendFrames(2);
    await receiveAll(ring, 2);
    assert.equal(native.receive(ring, new Uint32Array(8 * 8), 8), 0);
    native.closeRing(ring);
  });

  test('openSender refuses wrong types and numbers out of range', () => {
    refusesEachWrong('openSender', [near, 0], [[...numbers, 0, 2 ** 31], numbers]);
    assert.throws(() => native.openSender(0x7fff_fff0, 0), { syscall: 'bind', code: 'ENODEV' });
  });

  test('a handle of the other kind, and what only looks like one, is refused everywhere', () => {
    const ring = openRing();
    const sender = native.openSender(near, 0);
    const likeRing = { memory: ring.memory, overflow: ring.overflow };
    const heir = Object.create(ring) as NativeRing;
    const fields = new Uint32Array(8);
    for (const foreign of [...WRONG, sender, likeRing, heir]) {
      refuses('receive', foreign, fields, 1);
      refuses('next', foreign, fields, 1, 0);
      refuses('release', foreign, 1);
      refuses('dropped', foreign);
      refuses('watch', foreign, () => undefined);
      refuses('setWatching', foreign, true);
      refuses('closeRing', foreign);
      refuses('send', sender, foreign, new Uint32Array(3), 0, NONE, NONE);
    }
    for (const foreign of [...WRONG, ring]) {
      refuses('send', foreign, ring, new Uint32Array(3), 0, NONE, NONE);
      refuses('closeSender', foreign);
    }
    native.closeRing(ring);
    native.closeSender(sender);
  });

  test('receive refuses more frames than the array has room for', () => {
    const ring = openRing();
    refusesEachWrong(
      'receive',
      [ring, new Uint32Array(16), 2],
      [[], [...WRONG, new Uint32Array(15), new Int32Array(16), new DataView(new ArrayBuffer(64))], [...numbers, 3]],
    );
    const detached = new Uint32Array(16);
    structuredClone(detached, { transfer: [detached.buffer] });
    refuses('receive', ring, detached, 1);
    assert.equal(native.receive(ring, detached, 0), 0);
    native.closeRing(ring);
  });

  test('next refuses what receive and release refuse, and does the work of both', async () => {
    const ring = openRing();
    refusesEachWrong(
      'next',
      [ring, new Uint32Array(16), 2, 0],
      [[], [...WRONG, new Uint32Array(15), new Int32Array(16)], [...numbers, 3], numbers],
    );
    sendFrames(3);
    const fields = new Uint32Array(8 * 2);
    let seen = 0;
    let out = 0;
    await waitFor(
      () => {
        // A turn that is over gives back what is out and takes nothing.
        out = Math.max(0, native.next(ring, fields, 2, out));
        seen += out;
        return seen === 3;
      },
      { what: 'three frames' },
    );
    assert.equal(native.next(ring, fields, 2, 0), 0);
    native.closeRing(ring);
    refuses('next', ring, fields, 2, 0);
  });

  test('release gives back no more than is out', async () => {
    const ring = openRing();
    refusesEachWrong('release', [ring, 0], [[], numbers]);
    native.release(ring, 1000);
    // More than the ring has slots: what was given back too early would be received twice or never.
    for (let round = 0; round < 3; round++) {
      sendFrames(SLOTS - 1);
      await receiveAll(ring, SLOTS - 1);
      native.release(ring, 1000);
    }
    assert.equal(native.receive(ring, new Uint32Array(8), 1), 0);
    assert.equal(native.dropped(ring), 0);
    native.closeRing(ring);
  });

  test('dropped counts what found the ring full', async () => {
    const ring = openRing();
    // A ring has whole blocks, so somewhat more slots than were asked for.
    const slots = ring.memory.byteLength / SLOT;
    for (let sent = 0; sent < slots + 50; sent += 50) sendFrames(50);
    await waitFor(() => native.dropped(ring) > 0, { what: 'a drop' });
    refusesEachWrong('dropped', [ring], []);
    native.closeRing(ring);
  });

  test('send refuses entries that point outside, at no header or at no memory', () => {
    const ring = openRing();
    const sender = native.openSender(near, 0);
    const made = new Uint8Array(100);
    const failed = new Uint8Array(4);
    const send =
      (...entry: number[]) =>
      () =>
        native.send(sender, ring, Uint32Array.from(entry), 1, made, failed);
    const sizes = { [RING]: ring.memory.byteLength, [OVERFLOW]: ring.overflow.byteLength, [MADE]: made.length };
    for (const space of [RING, OVERFLOW, MADE] as const) {
      const size = sizes[space];
      for (const [start, length] of [
        [size, VNET],
        [size + 1, VNET],
        [0, size + 1],
        [1, size],
        [0, VNET - 1],
        [0, 0],
        [2 ** 32 - 1, VNET],
        [VNET, 2 ** 32 - 1],
      ] as const) {
        assert.throws(send(space, start, length), { name: 'TypeError' }, `${space}, ${start}, ${length}`);
      }
    }
    assert.throws(send(3, 0, 20), { name: 'TypeError' });
    assert.throws(send(2 ** 32 - 1, 0, 20), { name: 'TypeError' });
    refusesEachWrong(
      'send',
      [sender, ring, Uint32Array.of(MADE, 0, 74), 1, made, failed],
      [
        [],
        [],
        [...WRONG, new Uint32Array(2), new Float64Array(3)],
        [...numbers, 2, 257],
        [...WRONG.filter((one) => !(one instanceof Uint8Array)), new Int8Array(100)],
        [...WRONG.filter((one) => !(one instanceof Uint8Array)), NONE],
      ],
    );
    native.closeRing(ring);
    native.closeSender(sender);
  });

  test('send refuses memory that was detached', () => {
    const ring = openRing();
    const sender = native.openSender(near, 0);
    for (const which of [2, 4, 5]) {
      const args: unknown[] = [sender, ring, Uint32Array.of(MADE, 0, 74), 1, new Uint8Array(100), new Uint8Array(1)];
      const { buffer } = args[which] as Uint8Array;
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
      refuses('send', ...args);
    }
    native.closeRing(ring);
    native.closeSender(sender);
  });

  test('send marks each frame that did not go, and sends the others', () => {
    const ring = openRing();
    const sender = native.openSender(near, 0);
    const made = new Uint8Array(VNET + 3000);
    const entries = Uint32Array.of(MADE, 0, VNET + FRAME, MADE, 0, VNET + 3000, MADE, 0, VNET, MADE, 0, VNET + FRAME);
    const failed = new Uint8Array(4).fill(7);
    assert.equal(native.send(sender, ring, entries, 4, made, failed), 2);
    assert.deepEqual([...failed], [0, 1, 1, 0]);
    native.closeRing(ring);
    native.closeSender(sender);
  });

  test('a closed sender sends nothing and may be closed again', () => {
    const ring = openRing();
    const sender: NativeSender = native.openSender(near, 0);
    native.closeSender(sender);
    native.closeSender(sender);
    const failed = new Uint8Array(1);
    assert.equal(native.send(sender, ring, Uint32Array.of(MADE, 0, 70), 1, new Uint8Array(70), failed), 1);
    assert.equal(failed[0], 1);
    native.closeRing(ring);
  });

  test('a closed ring is refused everywhere, has no memory, and may be closed again', () => {
    const ring = openRing();
    const sender = native.openSender(near, 0);
    const view = new Uint8Array(ring.memory);
    assert.ok(view.length > 0 && ring.overflow.byteLength > 0);
    native.closeRing(ring);
    native.closeRing(ring);
    assert.deepEqual([view.length, ring.memory.byteLength, ring.overflow.byteLength], [0, 0, 0]);
    refuses('receive', ring, new Uint32Array(8), 1);
    refuses('release', ring, 1);
    refuses('dropped', ring);
    refuses('watch', ring, () => undefined);
    refuses('setWatching', ring, true);
    refuses('send', sender, ring, new Uint32Array(3), 0, NONE, NONE);
    native.closeSender(sender);
  });

  test('watch takes one function a ring, and setWatching a boolean', () => {
    const ring = openRing();
    for (const wrong of WRONG) if (typeof wrong !== 'function') refuses('watch', ring, wrong);
    native.setWatching(ring, true);
    native.watch(ring, () => undefined);
    refuses('watch', ring, () => undefined);
    for (const wrong of WRONG) if (typeof wrong !== 'boolean') refuses('setWatching', ring, wrong);
    native.closeRing(ring);
  });

  test('a ring may be closed from within its own callback', async () => {
    const ring = openRing();
    let calls = 0;
    native.watch(ring, () => {
      calls += 1;
      native.closeRing(ring);
    });
    sendFrames(3);
    await waitFor(() => calls > 0, { what: 'the callback' });
    await setImmediate();
    assert.equal(calls, 1);
    assert.equal(ring.memory.byteLength, 0);
  });

  test('setWatching ends the calls and takes them up again', async () => {
    const ring = openRing();
    let calls = 0;
    native.watch(ring, () => {
      calls += 1;
      native.setWatching(ring, false);
    });
    sendFrames(1);
    await waitFor(() => calls === 1, { what: 'the first call' });
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    assert.equal(calls, 1);
    native.setWatching(ring, true);
    await waitFor(() => calls === 2, { what: 'the second call' });
    native.closeRing(ring);
  });

  test('a ring that nobody holds any more is given back', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const sockets = () => readFileSync('/proc/self/net/packet', 'utf8').split('\n').length;
    const before = sockets();
    for (let i = 0; i < 3; i++) openRing();
    assert.equal(sockets(), before + 3);
    await waitFor(
      () => {
        collect();
        return sockets() <= before;
      },
      { what: 'three rings to be given back' },
    );
  });
});
