/**
 * The contract of the addon's exports (`native.d.ts`): a wrong argument is a TypeError, never an access outside.
 *
 * Not a test file by itself: `addon.test.ts` and `asan.test.ts` run it in a namespace with `p0` and `q0`. With a path as its
 * argument it takes the addon from there.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer } from 'node:net';
import { constants } from 'node:os';
import { describe, test } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { assemble, takeMarked } from '../../src/drivers/classic-bpf.ts';
import { loadNative } from '../../src/native/load-native.ts';
import type { NativeModule, NativeRing, NativeSender } from '../../src/native/native.d.ts';
import { ipv4, ipv6, udp } from '../support/packet-builder.ts';
import { waitFor } from '../support/wait-for.ts';

const SLOT = 2048;
const SLOTS = 128;
const VNET = 10;
const FRAME = 60;
const NONE = new Uint8Array(0);
const RING = 0;
const OVERFLOW = 1;
const MADE = 2;
const PORT = { sourcePort: 7001, destinationPort: 7002 };

type Anything = (...args: unknown[]) => unknown;

const file = process.argv[2];
const native = file === undefined ? loadNative() : (createRequire(import.meta.url)(file) as NativeModule);
const near = indexOf('p0');
const far = indexOf('q0');
/** No value that any export takes as its first argument, other handles apart. */
const WRONG = [undefined, null, 1, 'x', true, {}, [], () => undefined, new Uint8Array(8), Symbol('x'), 1n];

function ignore(): void {}

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

/** Takes memory that is the addon's away from JavaScript. Node 24 and 26 do not let it go, which is as good. */
function detach(array: ArrayBuffer): void {
  try {
    structuredClone(array, { transfer: [array] });
  } catch (error) {
    assert.equal((error as Error).name, 'DataCloneError');
  }
}

/** Puts entries (space, start, length) into the queue of a sender and flushes it; frames not sent. */
function send(sender: NativeSender, ring: NativeRing, entries: readonly (readonly number[])[]): number {
  const queue = new Uint32Array(sender.queue);
  queue.set(entries.flat(), 2);
  queue[0] = entries.length;
  return native.flush(sender, ring);
}

/** Sends frames into the far end of the cable; they arrive at `p0`. */
function sendFrames(count: number, mark = 0): void {
  const ring = openRing(far, 0);
  const sender = native.openSender(far, mark);
  new Uint8Array(sender.made).fill(2, VNET, VNET + FRAME);
  assert.equal(send(sender, ring, Array<number[]>(count).fill([MADE, 0, VNET + FRAME])), 0);
  native.closeSender(sender);
  native.closeRing(ring);
}

/** Watches the ring; the number of frames it has handed out so far. */
function count(ring: NativeRing): () => number {
  let seen = 0;
  const onLost = () => assert.fail('nothing is sent');
  native.watch(
    ring,
    (frames) => {
      seen += frames;
    },
    onLost,
  );
  return () => seen;
}

/** Raw IP sockets of this namespace. */
function rawSockets(): number {
  const lines = ['raw', 'raw6'].map(
    (table) => readFileSync(`/proc/self/net/${table}`, 'utf8').trim().split('\n').length,
  );
  return lines.reduce((sum, count) => sum + count - 1, 0);
}

/** Datagrams in one memory, and where each stands. */
function packed(datagrams: readonly Buffer[]): { readonly memory: Uint8Array; readonly entries: Uint32Array } {
  let start = 0;
  const entries = datagrams.flatMap(({ length }) => {
    start += length;
    return [start - length, length];
  });
  return { memory: new Uint8Array(Buffer.concat(datagrams)), entries: Uint32Array.from(entries) };
}

/** Collects what arrives at a UDP port of this host. */
async function hear(type: 'udp4' | 'udp6', address: string): Promise<{ readonly texts: string[]; close(): void }> {
  const socket = createSocket(type);
  const texts: string[] = [];
  socket.on('message', (message) => texts.push(message.toString()));
  socket.bind(PORT.destinationPort, address);
  await once(socket, 'listening');
  return { texts, close: () => socket.close() };
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
    const seen = count(ring);
    sendFrames(3);
    await waitFor(() => seen() === 3, { what: 'three frames' });
    // ret #0, and ret #-1.
    native.setFilter(ring, new Uint8Array([6, 0, 0, 0, 0, 0, 0, 0]));
    sendFrames(3);
    native.setFilter(ring, new Uint8Array([6, 0, 0, 0, 255, 255, 255, 255]));
    sendFrames(2);
    // They come after what was kept back: that would be here by then.
    await waitFor(() => seen() >= 5, { what: 'two more' });
    assert.equal(seen(), 5);
    native.closeRing(ring);
  });

  test('a sender marks its frames, and a ring that asks for a mark leaves all others alone', async () => {
    const ring = openRing();
    native.setFilter(ring, assemble(takeMarked(0xfedc_ba98)));
    const seen = count(ring);
    for (const mark of [0, 1, 0x98ba_dcfe, 0xfedc_ba99]) sendFrames(5, mark);
    sendFrames(3, 0xfedc_ba98);
    await waitFor(() => seen() >= 3, { what: 'the marked frames' });
    assert.equal(seen(), 3);
    native.closeRing(ring);
  });

  test('openSender refuses wrong types and numbers out of range', () => {
    refusesEachWrong('openSender', [near, 0], [[...numbers, 0, 2 ** 31], numbers]);
    assert.throws(() => native.openSender(0x7fff_fff0, 0), { syscall: 'bind', code: 'ENODEV' });
  });

  test('the exports that change the identity refuse wrong types and numbers out of range', () => {
    const before = [process.getegid?.(), process.getuid?.(), process.getgroups?.()];
    // The last one would mean "leave it".
    refusesEachWrong('setEffectiveGroup', [0], [[...numbers, 2 ** 32 - 1]]);
    refusesEachWrong(
      'becomeUser',
      [0, 0],
      [
        [...numbers, 2 ** 32 - 1],
        [...numbers, 2 ** 32 - 1],
      ],
    );
    assert.deepEqual([process.getegid?.(), process.getuid?.(), process.getgroups?.()], before);
  });

  test('a handle of the other kind, and what only looks like one, is refused everywhere', () => {
    const ring = openRing();
    const sender = native.openSender(near, 0);
    const likeRing = { memory: ring.memory, overflow: ring.overflow, fields: ring.fields };
    const heir = Object.create(ring) as NativeRing;
    for (const foreign of [...WRONG, sender, likeRing, heir]) {
      refuses('dropped', foreign);
      refuses('watch', foreign, ignore, ignore);
      refuses('closeRing', foreign);
      refuses('flush', sender, foreign);
    }
    const sockets = native.openDatagramSender();
    for (const foreign of [...WRONG, ring, sockets]) {
      refuses('flush', foreign, ring);
      refuses('closeSender', foreign);
    }
    for (const foreign of [...WRONG, ring, sender, { hasIpv6: true }, Object.create(sockets)]) {
      refuses('sendDatagrams', foreign, NONE, new Uint32Array(2), 0, NONE);
      refuses('closeDatagramSender', foreign);
    }
    native.closeRing(ring);
    native.closeSender(sender);
    native.closeDatagramSender(sockets);
  });

  test('a batch is given back when its call returns, whatever became of the array of its numbers', async () => {
    const ring = openRing();
    const seen = count(ring);
    detach(ring.fields);
    // More than the ring has slots, several times: what was given back too early or not at all would be lost or seen twice.
    const slots = ring.memory.byteLength / SLOT;
    let sent = 0;
    while (sent < 3 * slots) {
      sendFrames(100);
      sent += 100;
      await waitFor(() => seen() >= sent, { what: `${sent} frames` });
    }
    assert.equal(seen(), sent);
    assert.equal(native.dropped(ring), 0);
    native.closeRing(ring);
  });

  test('numbers that a hook forges in the headers of slots lead nowhere outside the ring', async () => {
    // Status and length of a frame, captured length, where it starts, VLAN tag: linux/if_packet.h, struct tpacket2_hdr.
    const [USER, COPY, VLAN] = [1, 2, 0x10];
    const statuses = [USER, USER | COPY, USER | VLAN, 0xffff_ffff, 0xffff_ffff & ~COPY];
    const places = [0, 1, 13, 14, SLOT - 15, SLOT - 14, SLOT - 13, SLOT, 0xffff];
    const lengths = [0, 1, SLOT, 0x7fff_ffff, 0xffff_ffff];
    for (const mac of places) {
      const ring = openRing();
      const view = new DataView(ring.memory);
      for (let slot = 0, at = 0; at < view.byteLength; slot += 1, at += SLOT) {
        view.setUint32(at, statuses[slot % statuses.length] ?? 0, true);
        view.setUint32(at + 4, 0xffff_ffff, true);
        view.setUint32(at + 8, lengths[Math.floor(slot / statuses.length) % lengths.length] ?? 0, true);
        view.setUint16(at + 12, mac, true);
      }
      const rows = new Uint32Array(ring.fields);
      let seen = 0;
      native.watch(
        ring,
        (frames) => {
          for (let at = 0; at < frames * 8; at += 8) {
            const [start = 0, length = 0, , flags = 0] = rows.subarray(at, at + 8);
            const size = (flags & 4) === 0 ? ring.memory.byteLength : ring.overflow.byteLength;
            assert.ok(start + length <= size, `${start} + ${length} of ${size}`);
            assert.ok((rows[at + 7] ?? 0) + VNET === start);
          }
          seen += frames;
          if (seen >= SLOTS) native.closeRing(ring);
        },
        () => undefined,
      );
      await waitFor(() => seen >= SLOTS, { what: `forged frames at ${mac}` });
    }
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

  test('what points outside its memory, at no header or at no memory is not sent, and the others are', () => {
    const ring = openRing();
    const sender = native.openSender(near, 0);
    const sizes = {
      [RING]: ring.memory.byteLength,
      [OVERFLOW]: ring.overflow.byteLength,
      [MADE]: sender.made.byteLength,
    };
    const good = [MADE, 0, VNET + FRAME];
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
        assert.equal(send(sender, ring, [good, [space, start, length], good]), 1, `${space}, ${start}, ${length}`);
        assert.deepEqual([...new Uint8Array(sender.failed).subarray(0, 3)], [0, 1, 0]);
        assert.deepEqual([...new Uint32Array(sender.queue).subarray(0, 2)], [0, 1]);
      }
    }
    for (const space of [3, 2 ** 32 - 1]) assert.equal(send(sender, ring, [[space, 0, 20]]), 1);
    refusesEachWrong('flush', [sender, ring], []);
    native.closeRing(ring);
    native.closeSender(sender);
  });

  test('a queue that says it is longer than it can be sends what it can hold', () => {
    const ring = openRing();
    const sender = native.openSender(near, 0);
    const queue = new Uint32Array(sender.queue);
    for (let at = 2; at < queue.length; at += 3) queue.set([MADE, 0, VNET + FRAME], at);
    queue[0] = 2 ** 32 - 1;
    assert.equal(native.flush(sender, ring), 0);
    assert.equal(queue[0], 0);
    native.closeRing(ring);
    native.closeSender(sender);
  });

  test('a queue whose arrays were detached sends what it last held, and closes', () => {
    const ring = openRing();
    const sender = native.openSender(near, 0);
    for (const array of [sender.queue, sender.failed, sender.made]) detach(array);
    assert.equal(native.flush(sender, ring), 0);
    native.closeSender(sender);
    native.closeRing(ring);
  });

  test('each frame that did not go is marked, and the others are sent', () => {
    const ring = openRing();
    const sender = native.openSender(near, 0);
    const lengths = [FRAME, 3000, 0, FRAME];
    assert.equal(
      send(
        sender,
        ring,
        lengths.map((length) => [MADE, 0, VNET + length]),
      ),
      2,
    );
    assert.deepEqual([...new Uint8Array(sender.failed).subarray(0, 4)], [0, 1, 1, 0]);
    native.closeRing(ring);
    native.closeSender(sender);
  });

  test('what is queued in a batch goes out when its call returns, and what does not is told', async () => {
    const ring = openRing();
    const back = openRing(far, 0);
    const sender = native.openSender(near, 0);
    const arrived = count(back);
    const told: number[] = [];
    native.watch(
      ring,
      () => {
        const queue = new Uint32Array(sender.queue);
        queue.set([MADE, 0, VNET + FRAME, MADE, 0, VNET + 3000], 2);
        queue[0] = 2;
      },
      () => told.push(...new Uint8Array(sender.failed).subarray(0, 2)),
    );
    sendFrames(1);
    await waitFor(() => arrived() === 1, { what: 'the frame' });
    assert.deepEqual(told, [0, 1]);
    for (const handle of [ring, back]) native.closeRing(handle);
    native.closeSender(sender);
  });

  test('a closed sender has no arrays, sends nothing and may be closed again', () => {
    const ring = openRing();
    const sender: NativeSender = native.openSender(near, 0);
    new Uint32Array(sender.queue)[0] = 1;
    native.closeSender(sender);
    native.closeSender(sender);
    assert.deepEqual([sender.queue.byteLength, sender.failed.byteLength, sender.made.byteLength], [0, 0, 0]);
    assert.equal(native.flush(sender, ring), 0);
    native.closeRing(ring);
  });

  test('openDatagramSender opens a socket a family', () => {
    const before = rawSockets();
    const sockets = native.openDatagramSender();
    assert.equal(sockets.hasIpv6, true);
    assert.equal(rawSockets(), before + 2);
    native.closeDatagramSender(sockets);
    native.closeDatagramSender(sockets);
    assert.equal(rawSockets(), before);
  });

  test('sendDatagrams refuses entries that point outside, and more of them than there are', () => {
    const sockets = native.openDatagramSender();
    const memory = new Uint8Array(100);
    const failed = new Uint8Array(4);
    for (const [start, length] of [
      [100, 1],
      [101, 0],
      [0, 101],
      [1, 100],
      [2 ** 32 - 1, 1],
      [1, 2 ** 32 - 1],
    ] as const) {
      refuses('sendDatagrams', sockets, memory, Uint32Array.of(0, 20, start, length), 2, failed);
    }
    refusesEachWrong(
      'sendDatagrams',
      [sockets, memory, Uint32Array.of(0, 20), 1, failed],
      [
        [],
        [...WRONG.filter((one) => !(one instanceof Uint8Array)), new Int8Array(100), NONE],
        [...WRONG, new Uint32Array(1), new Int32Array(2)],
        [...numbers, 2, 257],
        [...WRONG.filter((one) => !(one instanceof Uint8Array)), NONE],
      ],
    );
    for (const which of [1, 2, 4]) {
      const args: unknown[] = [sockets, new Uint8Array(100), Uint32Array.of(0, 20), 1, new Uint8Array(1)];
      const { buffer } = args[which] as Uint8Array;
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
      refuses('sendDatagrams', ...args);
    }
    native.closeDatagramSender(sockets);
  });

  test('sendDatagrams marks each that did not go, and sends the others in order to the address they name', async () => {
    const sockets = native.openDatagramSender();
    const text = (number: number) => Buffer.from(`number ${number}`);
    const to4 = (destination: string, number: number) =>
      ipv4({ source: destination, destination }, udp(PORT, text(number)));
    const to6 = (destination: string, number: number) =>
      ipv6({ source: destination, destination }, udp(PORT, text(number)));
    const datagrams = [
      to4('127.0.0.1', 0),
      // No route, no header, no version, a header that ends too early, nothing at all.
      to4('192.0.2.1', 1),
      to4('127.0.0.1', 2).subarray(0, 19),
      Buffer.alloc(60, 0x75),
      to6('::1', 3),
      to6('::1', 4).subarray(0, 39),
      to6('2001:db8::1', 5),
      Buffer.alloc(0),
      to6('::1', 6),
      to4('127.0.0.1', 7),
    ];
    const heard = [await hear('udp4', '127.0.0.1'), await hear('udp6', '::1')] as const;
    const failed = new Uint8Array(datagrams.length).fill(7);
    const { memory, entries } = packed(datagrams);
    assert.equal(native.sendDatagrams(sockets, memory, entries, datagrams.length, failed), 6);
    const { EINVAL, ENETUNREACH } = constants.errno;
    assert.deepEqual([...failed], [0, ENETUNREACH, EINVAL, EINVAL, 0, EINVAL, ENETUNREACH, EINVAL, 0, 0]);
    await waitFor(() => heard[0].texts.length >= 2 && heard[1].texts.length >= 2, { what: 'four datagrams' });
    assert.deepEqual(
      [heard[0].texts, heard[1].texts],
      [
        ['number 0', 'number 7'],
        ['number 3', 'number 6'],
      ],
    );
    for (const { close } of heard) close();
    native.closeDatagramSender(sockets);
  });

  test('a closed datagram sender sends nothing', () => {
    const sockets = native.openDatagramSender();
    native.closeDatagramSender(sockets);
    const { memory, entries } = packed([ipv4({ source: '127.0.0.1', destination: '127.0.0.1' }, udp(PORT))]);
    const failed = new Uint8Array(1);
    assert.equal(native.sendDatagrams(sockets, memory, entries, 1, failed), 1);
    assert.equal(failed[0], constants.errno.EBADF);
  });

  test('a datagram sender that nobody holds any more is given back', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const before = rawSockets();
    for (let i = 0; i < 3; i++) native.openDatagramSender();
    assert.equal(rawSockets(), before + 6);
    await waitFor(
      () => {
        collect();
        return rawSockets() <= before;
      },
      { what: 'six sockets to be given back' },
    );
  });

  test('a closed ring is refused everywhere, has no memory, and may be closed again', () => {
    const ring = openRing();
    const sender = native.openSender(near, 0);
    const view = new Uint8Array(ring.memory);
    assert.ok(view.length > 0 && ring.overflow.byteLength > 0);
    native.closeRing(ring);
    native.closeRing(ring);
    const sizes = [view.length, ring.memory.byteLength, ring.overflow.byteLength, ring.fields.byteLength];
    assert.deepEqual(sizes, [0, 0, 0, 0]);
    refuses('dropped', ring);
    refuses('watch', ring, ignore, ignore);
    refuses('flush', sender, ring);
    native.closeSender(sender);
  });

  test('watch takes two functions a ring, once', () => {
    const ring = openRing();
    const wrong = WRONG.filter((one) => typeof one !== 'function');
    refusesEachWrong('watch', [ring, ignore, ignore], [[], wrong, wrong]);
    native.watch(ring, ignore, ignore);
    refuses('watch', ring, ignore, ignore);
    native.closeRing(ring);
  });

  test('a ring may be closed from within its own callback', async () => {
    const ring = openRing();
    let calls = 0;
    native.watch(
      ring,
      () => {
        calls += 1;
        native.closeRing(ring);
      },
      ignore,
    );
    sendFrames(3);
    await waitFor(() => calls > 0, { what: 'the callback' });
    await setImmediate();
    assert.equal(calls, 1);
    assert.equal(ring.memory.byteLength, 0);
  });

  test('what a batch leaves for later runs: promises before the next batch, immediates, timers, sockets and children', async () => {
    const ring = openRing();
    const order: string[] = [];
    const server = createServer((socket) => socket.end('x')).listen(0, '::1');
    const ends: Promise<unknown>[] = [];
    const onBatch = (frames: number) => {
      if (order.length > 0) return;
      order.push(`batch ${frames > 0}`);
      process.nextTick(() => order.push('tick'));
      ends.push(Promise.resolve().then(() => order.push('promise')));
      ends.push(setImmediate().then(() => order.push('immediate')));
      ends.push(setTimeout(5).then(() => order.push('timer')));
      ends.push(once(connect((server.address() as AddressInfo).port, '::1').resume(), 'end'));
      ends.push(once(spawn('true'), 'exit'));
      ends.push(readFile('/proc/self/status'));
    };
    native.watch(ring, onBatch, ignore);
    await setImmediate();
    sendFrames(1);
    await waitFor(() => ends.length > 0, { what: 'the batch' });
    await Promise.all(ends);
    assert.deepEqual(order, ['batch true', 'tick', 'promise', 'immediate', 'timer']);
    native.closeRing(ring);
    server.close();
  });

  test('the event loop gets its turn while frames never cease', async () => {
    const ring = openRing();
    const flood = native.openSender(far, 0);
    const source = openRing(far, 0);
    new Uint8Array(flood.made).fill(2, VNET, VNET + FRAME);
    let isOver = false;
    let turns = 0;
    // Every batch brings the next one.
    const again = (): number => send(flood, source, [[MADE, 0, VNET + FRAME]]);
    const onBatch = () => {
      if (!isOver) again();
    };
    native.watch(ring, onBatch, ignore);
    again();
    await waitFor(
      () => {
        turns += 1;
        return turns === 20;
      },
      { what: 'twenty turns', intervalMs: 1 },
    );
    isOver = true;
    for (const handle of [ring, source]) native.closeRing(handle);
    native.closeSender(flood);
  });

  test('rings that are watched together are all heard, and one may close the other', async () => {
    const [first, second, third] = [openRing(), openRing(), openRing()];
    const seen = [0, 0, 0];
    const hear = (which: number) => () => {
      seen[which] = 1;
    };
    native.watch(first, hear(0), ignore);
    const closeBoth = () => {
      seen[1] = 1;
      native.closeRing(first);
      native.closeRing(second);
    };
    native.watch(second, closeBoth, ignore);
    native.watch(third, hear(2), ignore);
    sendFrames(5);
    await waitFor(() => seen.every((one) => one === 1), { what: 'a batch of each' });
    native.closeRing(third);
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
