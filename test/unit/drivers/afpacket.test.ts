/**
 * The afpacket driver as far as it can be tested without traffic: what it asks the kernel for, and how it refuses.
 *
 * The real addon, on the loopback device; where the kernel has to refuse, a wrapper of the addon does it in its place.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { AfpacketDriver, type AfpacketOptions, openAfpacket } from '../../../src/drivers/afpacket.ts';
import type { Frame } from '../../../src/drivers/frame.ts';
import type { LiveDevice, LivePortOptions } from '../../../src/drivers/live-port.ts';
import { isFirehookError } from '../../../src/errors.ts';
import { loadNative } from '../../../src/native/load-native.ts';
import type { NativeModule } from '../../../src/native/native.d.ts';
import { rootOnly } from '../../support/netns.ts';

const LO: LiveDevice = { name: 'lo', ifindex: 1 };
const NONE: LiveDevice = { name: 'fhnone0', ifindex: 0x7fff_fff0 };
const PORT: LivePortOptions = {
  id: 0,
  capture: null,
  direction: 'any',
  send: null,
  maxFrameLength: 1514,
  captureLength: 1514,
};

/** The addon, with openRingSocket refused the first `times` times. */
function refusing(times: number, code: string): { readonly native: NativeModule; readonly asked: number[] } {
  const real = loadNative();
  const asked: number[] = [];
  const openRingSocket: NativeModule['openRingSocket'] = (ifindex, slotSize, slotCount, ...rest) => {
    asked.push((slotSize * slotCount) / 1024 / 1024);
    if (asked.length <= times) throw Object.assign(new Error(`PACKET_RX_RING: ${code}`), { code });
    return real.openRingSocket(ifindex, slotSize, slotCount, ...rest);
  };
  return { native: { ...real, openRingSocket }, asked };
}

function refused(error: unknown): boolean {
  assert.ok(isFirehookError(error));
  assert.equal(error.code, 'FIREHOOK_DRIVER_OPEN');
  return true;
}

/** Packet sockets of this process. */
function packetSockets(): number {
  return readFileSync('/proc/self/net/packet', 'utf8').split('\n').length;
}

test('a device that is not there is refused by name, for capture and for sending', { skip: rootOnly() }, () => {
  for (const port of [
    { ...PORT, capture: NONE },
    { ...PORT, send: NONE },
  ]) {
    assert.throws(
      () => openAfpacket({ ports: [port] }),
      (error) => refused(error) && isFirehookError(error) && error.interfaceName === 'fhnone0',
    );
  }
});

test('the right to send is given back, and nothing stays open, when a device is refused', { skip: rootOnly() }, () => {
  const before = [process.getegid?.(), packetSockets()];
  assert.throws(() =>
    openAfpacket({
      ports: [
        { ...PORT, capture: LO, send: LO },
        { ...PORT, id: 1, send: NONE },
      ],
    }),
  );
  assert.deepEqual([process.getegid?.(), packetSockets()], before);
});

test('a port that needs the fence is refused without one, and nothing stays open', { skip: rootOnly() }, () => {
  const before = packetSockets();
  for (const fenceFd of [undefined, -1, 0.5, 0x7fff_ffff]) {
    const options = fenceFd === undefined ? {} : { fenceFd };
    assert.throws(() => openAfpacket({ ports: [{ ...PORT, capture: LO, isFenced: true }], ...options }), refused);
  }
  assert.equal(packetSockets(), before);
});

test('a ring that the kernel has no memory for becomes a smaller one, and that can be read', {
  skip: rootOnly(),
}, () => {
  const { native, asked } = refusing(2, 'ENOMEM');
  const driver = new AfpacketDriver(native, { ports: [{ ...PORT, id: 3, capture: LO }] });
  assert.deepEqual([asked, driver.rings], [[32, 16, 8], [{ port: 3, slots: 4096 }]]);
  assert.deepEqual(driver.stats(), { droppedByKernel: 0, fenced: 0, epoch: 0 });
  driver.stop();
});

test('a ring of one MiB that is refused is an error, and so is another reason than memory', {
  skip: rootOnly(),
}, () => {
  const without = refusing(99, 'ENOMEM');
  const rings = [{ port: 0, slots: 2048, fanoutGroup: -1 }];
  assert.throws(() => new AfpacketDriver(without.native, { ports: [{ ...PORT, capture: LO }], rings }), refused);
  assert.deepEqual(without.asked, [4, 2, 1]);
  const other = refusing(99, 'EPERM');
  assert.throws(() => new AfpacketDriver(other.native, { ports: [{ ...PORT, capture: LO }] }), refused);
  assert.deepEqual(other.asked, [32]);
});

test('a ring has the slots that were asked for, not rounded to a power of two', { skip: rootOnly() }, () => {
  const rings = [{ port: 0, slots: 5 * 128, fanoutGroup: -1 }];
  const driver = openAfpacket({ ports: [{ ...PORT, capture: LO }], rings });
  assert.deepEqual(driver.rings, [{ port: 0, slots: 640 }]);
  driver.stop();
});

test('a group that is used in another way is refused by its number, with what to do', { skip: rootOnly() }, () => {
  const open = (direction: LivePortOptions['direction']) =>
    openAfpacket({
      ports: [{ ...PORT, direction, capture: LO }],
      rings: [{ port: 0, slots: 512, fanoutGroup: 0xf1f1 }],
    });
  const first = open('inbound');
  try {
    const second = open('inbound');
    second.stop();
    assert.throws(
      () => open('outbound'),
      (error) => refused(error) && isFirehookError(error) && /fanout group 61937.*start again/.test(error.message),
    );
  } finally {
    first.stop();
  }
});

test('a port without a device sends nothing, says so, and can be stopped twice', async () => {
  const driver = openAfpacket({ ports: [PORT, { ...PORT, id: 1 }] });
  assert.deepEqual(driver.ports, [
    { id: 0, linktype: 1, maxFrameLength: 0 },
    { id: 1, linktype: 1, maxFrameLength: 0 },
  ]);
  assert.deepEqual(driver.capabilities, { live: true, sharesPort: true, offloads: true });
  for (const port of [0, 1, 2, -1]) assert.equal(driver.transmit(port, Buffer.alloc(60), 60), false);
  const done = driver.start({
    onFrame: () => assert.fail('there is nothing to receive'),
    onBatchEnd: () => undefined,
  });
  driver.stop();
  driver.stop();
  await done;
  assert.deepEqual(driver.stats(), { droppedByKernel: 0, fenced: 0, epoch: 0 });
  await driver.start({ onFrame: () => assert.fail('it has been stopped'), onBatchEnd: () => undefined });
});

test('interests narrow the ports of a tap, and no other', { skip: rootOnly() }, (t) => {
  const real = loadNative();
  const filters: number[] = [];
  const native: NativeModule = {
    ...real,
    setFilter: (ring, filter) => {
      filters.push(filter.length);
      real.setFilter(ring, filter);
    },
  };
  const open = (ports: LivePortOptions[]) => {
    const driver = new AfpacketDriver(native, { ports });
    t.after(() => driver.stop());
    return driver;
  };
  const interests = [{ versions: [4] as const }];
  const tooLong = [{ protocols: [6], ports: Array.from({ length: 1000 }, (_, index) => 2 * index) }];
  const stealing = open([
    { ...PORT, capture: LO },
    { ...PORT, id: 1, capture: LO, send: LO },
  ]);
  assert.equal(stealing.narrow(interests), false);
  assert.deepEqual(filters, []);

  const tap = open([
    { ...PORT, capture: LO, direction: 'inbound' },
    { ...PORT, id: 1, capture: LO, direction: 'outbound' },
    { ...PORT, id: 2, capture: LO, send: LO },
  ]);
  assert.equal(tap.narrow(tooLong), false);
  assert.equal(tap.narrow(interests), true);
  const [inbound = 0, outbound = 0] = filters;
  // What leaves is told by three instructions more.
  assert.deepEqual([filters.length, outbound - inbound], [2, 24]);
});

test('a filter that the kernel refuses is refused with the name of the device', { skip: rootOnly() }, (t) => {
  const native: NativeModule = {
    ...loadNative(),
    setFilter: () => {
      throw Object.assign(new Error('SO_ATTACH_FILTER: ENOMEM'), { code: 'ENOMEM' });
    },
  };
  const driver = new AfpacketDriver(native, {
    ports: [{ ...PORT, capture: LO, direction: 'inbound' }],
  });
  t.after(() => driver.stop());
  assert.throws(
    () => driver.narrow([{}]),
    (error) => refused(error) && isFirehookError(error) && error.interfaceName === 'lo',
  );
});

test('what is out of range is refused by name before the addon is asked', () => {
  const untouched = () => assert.fail('the addon was asked');
  const native: NativeModule = { ...loadNative(), openRingSocket: untouched, openSenderSocket: untouched };
  const port = { ...PORT, capture: LO, send: LO };
  const wrong: readonly (readonly [string, AfpacketOptions])[] = [
    ...[0, -1, 1.5, Number.NaN, 2 ** 31].map(
      (ifindex) => ['lo: ifindex', { ports: [{ ...port, capture: { ...LO, ifindex } }] }] as const,
    ),
    ['lo: ifindex', { ports: [{ ...port, send: { ...LO, ifindex: 0 } }] }],
    ...[0, -1, 512.5, 2 ** 20 + 1, Number.POSITIVE_INFINITY].map(
      (slots) => ['port 0: slots', { ports: [port], rings: [{ port: 0, slots, fanoutGroup: -1 }] }] as const,
    ),
    ...[-2, 0.5, 65_536].map(
      (fanoutGroup) =>
        ['port 0: fanoutGroup', { ports: [port], rings: [{ port: 0, slots: 512, fanoutGroup }] }] as const,
    ),
    ['port', { ports: [{ ...port, id: -1 }] }],
    ['port 0: maxFrameLength', { ports: [{ ...port, maxFrameLength: Number.NaN }] }],
  ];
  for (const [what, options] of wrong) {
    assert.throws(
      () => new AfpacketDriver(native, options),
      (error) => refused(error) && error instanceof Error && error.message.includes(`${what}: `),
      what,
    );
  }
});

/** A driver whose addon hands out one frame, a super-frame with a final checksum, and notes what it is to send. */
function withOneFrame(act: (driver: AfpacketDriver, frame: Frame) => void): readonly Buffer[] {
  const sent: Buffer[] = [];
  const memory = new ArrayBuffer(4096);
  const overflow = new ArrayBuffer(0);
  const fields = new ArrayBuffer(32);
  // Frame at octet 100 of 60 octets, its virtio-net header ten octets before: super-frame of TCP over IPv4, 40 a segment.
  new Uint32Array(fields).set([100, 60, 60, 2, 0, 0, 0, 90]);
  new Uint8Array(memory).set([0, 1, 54, 0, 40, 0, 0, 0, 0, 0], 90);
  const sender = {
    queue: new ArrayBuffer(4 * (2 + 256 * 3)),
    failed: new ArrayBuffer(256),
    made: new ArrayBuffer(4096),
  };
  const queue = new Uint32Array(sender.queue);
  const flush = (): number => {
    for (let i = 0; i < (queue[0] ?? 0); i++) {
      const [space, start = 0, length = 0] = queue.subarray(2 + i * 3);
      sent.push(Buffer.from(new Uint8Array(space === 2 ? sender.made : memory)).subarray(start, start + length));
    }
    queue[0] = 0;
    return 0;
  };
  const native: NativeModule = {
    ...loadNative(),
    adoptRing: () => ({ memory, overflow, fields }),
    adoptSender: () => sender,
    watch: (_ring, onBatch) => {
      onBatch(1);
      flush();
    },
    dropped: () => 0,
    closeRing: () => undefined,
    closeSender: () => undefined,
    flush,
  };
  const driver = new AfpacketDriver(native, {
    ports: [{ ...PORT, capture: LO, send: LO }],
    sockets: { rings: [{ port: 0, fd: 0, slots: 512 }], senders: [{ port: 0, fd: 0 }] },
  });
  void driver.start({ onFrame: (frame) => act(driver, frame), onBatchEnd: () => undefined });
  driver.stop();
  return sent;
}

test('a length that the frame does not have is not sent', { skip: rootOnly() }, () => {
  const sent = withOneFrame((driver, { octets }) => {
    for (const given of [octets, Buffer.alloc(60)]) {
      for (const length of [-1, given.length + 1, Number.NaN, 2 ** 32]) {
        assert.equal(driver.transmit(0, given, length), false, String(length));
        assert.equal(driver.transmitSuper(0, given, length, 34), false, String(length));
      }
    }
    for (const start of [-1, 43, 0x1_0000, Number.NaN]) {
      assert.equal(driver.transmitSuper(0, Buffer.alloc(60), 60, start), false, String(start));
    }
    assert.equal(driver.transmit(0, octets, 60), true);
  });
  assert.deepEqual(
    sent.map(({ length }) => length),
    [70],
  );
});

test('what stands for a super-frame says where its checksum is, also where that of the frame was final', {
  skip: rootOnly(),
}, () => {
  const sent = withOneFrame((driver, frame) => {
    assert.equal(frame.segmentSize, 40);
    assert.equal(frame.checksumStart, -1);
    assert.equal(driver.transmitSuper(0, Buffer.alloc(200), 200, 34), true);
  });
  assert.deepEqual(
    sent.map((frame) => [...frame.subarray(0, 10)]),
    [[1, 1, 0, 0, 40, 0, 34, 0, 16, 0]],
  );
});
