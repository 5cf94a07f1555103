/**
 * What a hook keeps of a packet beyond its call: never the memory that the driver sends from, and dead when the batch ends.
 *
 * Rule: through a real lane and a driver that sends from the memory it received in, as the ring does.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DROP, FORWARD, ICMP_ON_DROP } from '../../../src/firewall/constants.ts';
import type { IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import type { Packet } from '../../../src/hook/packet/packet-contract.ts';
import { ethernet, ipv4, ipv6, tcp, udp } from '../../support/packet-builder.ts';
import { callback, hook, layRig } from '../lane/lane-rig.ts';

const framed = (text: string): Buffer => ethernet({}, ipv4({}, udp({}, Buffer.from(text))));
const FIRST = framed('the first of them, long enough that no padding follows it');
const SECOND = framed('number two, as long as the frame before it, and not a jot');

/** Each way to get at octets, with the octets that it gives. */
const WAYS: readonly (readonly [string, (packet: Packet) => Buffer])[] = [
  ['bytes', (packet) => packet.bytes],
  ['chain', (packet) => packet.chain.ipr_buffer as Buffer],
  ['a part of bytes', (packet) => packet.bytes.subarray(4, 12)],
  ['a DataView', ({ bytes }) => Buffer.from(new DataView(bytes.buffer as ArrayBuffer, bytes.byteOffset, 8).buffer)],
  ['the ArrayBuffer', (packet) => Buffer.from(packet.bytes.buffer as ArrayBuffer)],
];

for (const [what, take] of WAYS) {
  describe(`what a hook keeps by ${what}`, () => {
    test('shows no other packet that is in the memory of the driver', async (t) => {
      const texts: string[] = [];
      const rig = layRig(t, {
        hooks: () => [
          hook('keeper', (packet) => {
            texts.push(Buffer.from(take(packet).buffer as ArrayBuffer).toString('latin1'));
            return FORWARD;
          }),
        ],
      });
      await rig.pass(FIRST, SECOND);
      assert.equal(texts.length, 2);
      assert.doesNotMatch(texts[0] as string, /number two/);
      assert.doesNotMatch(texts[1] as string, /the first/);
    });

    test('is dead when the batch has ended, and writing into it changes nothing', async (t) => {
      const kept: Buffer[] = [];
      const rig = layRig(t, {
        hooks: () => [
          hook('keeper', (packet) => {
            if (kept.length === 0) kept.push(take(packet));
            return FORWARD;
          }),
        ],
      });
      await rig.pass(FIRST);
      assert.ok(kept[0] !== undefined);
      assert.equal(kept[0].length, 0);
      kept[0][0] = 1;
      await rig.pass(SECOND);
      assert.deepEqual(rig.sent(), [FIRST, SECOND]);
    });
  });
}

test('a view that is kept rewrites no packet that all hooks judged, also within its batch', async (t) => {
  const kept: [Buffer, IPRcvBuf][] = [];
  const rig = layRig(t, {
    hooks: () => [
      hook('keeper', (packet) => {
        for (const [bytes, chain] of kept) {
          bytes.fill(0xff);
          chain.ipr_buffer?.fill(0xff);
        }
        kept.push([packet.bytes, packet.chain]);
        return kept.length === 1 ? FORWARD : DROP;
      }),
    ],
  });
  await rig.pass(FIRST, SECOND);
  assert.deepEqual(rig.sent(), [FIRST]);
});

test('a descriptor that is kept has no octets while no hook asked for them', async (t) => {
  let kept: IPRcvBuf | null = null;
  const seen: (number | null)[] = [];
  const rig = layRig(t, {
    hooks: () => [
      hook('keeper', (packet) => {
        if (kept === null) kept = packet.chain;
        else seen.push(kept.ipr_buffer === null ? null : kept.ipr_buffer.length);
        return FORWARD;
      }),
    ],
  });
  await rig.pass(FIRST, SECOND);
  assert.deepEqual(seen, [null]);
});

test('a tail that a hook puts behind a kept descriptor is a fault of that hook, and the packet is as it came', async (t) => {
  let kept: IPRcvBuf | null = null;
  const rig = layRig(t, {
    onHookError: 'forward',
    hooks: () => [
      hook('keeper', (packet) => {
        if (kept === null) kept = packet.chain;
        else kept.ipr_size = 20;
        return FORWARD;
      }),
      hook('reader', (packet) => (packet.length === FIRST.length - 14 ? FORWARD : DROP)),
    ],
  });
  await rig.pass(FIRST, SECOND);
  assert.deepEqual(rig.sent(), [FIRST, SECOND]);
  assert.deepEqual(rig.faults, ['keeper: changed the descriptor of a packet that it was not handed']);
});

test('octets behind the datagram are zeros, and not those of a longer packet before it', async (t) => {
  const behind: boolean[] = [];
  const rig = layRig(t, {
    hooks: () => [
      hook('reader', ({ bytes, length }) => {
        behind.push(bytes.subarray(length).every((octet) => octet === 0));
        return FORWARD;
      }),
    ],
  });
  const long = ethernet({}, ipv4({}, udp({}, Buffer.alloc(1400, 'x'))));
  const longest = ethernet({}, ipv4({}, tcp({}, Buffer.alloc(60_000, 'y'))));
  await rig.pass(long, FIRST, longest, FIRST, long, ethernet({ padTo: 60 }, ipv4({}, udp())));
  assert.deepEqual(behind, Array(6).fill(true));
});

test('what hooks write is sent, whatever the length; what they do not write stays', async (t) => {
  const rig = layRig(t, {
    hooks: () => [
      hook('ttl', ({ bytes, version }) => {
        bytes[version === 4 ? 8 : 7] = 9;
        return FORWARD;
      }),
      hook('reader', ({ bytes, payload }) => (bytes.length > 0 && payload.length >= 0 ? FORWARD : DROP)),
    ],
  });
  const frames = [0, 1, 67, 68, 69, 500, 1400].flatMap((size) => [
    ethernet({}, ipv4({}, udp({}, Buffer.alloc(size, 'z')))),
    ethernet({}, ipv6({}, udp({}, Buffer.alloc(size, 'z')))),
  ]);
  const expected = frames.map((frame) => {
    const copy = Buffer.from(frame);
    copy[14 + (copy[14] === 0x45 ? 8 : 7)] = 9;
    return copy;
  });
  await rig.pass(...frames);
  assert.deepEqual(rig.sent(), expected);
});

test('a later hook sees through its fields what an earlier one wrote', async (t) => {
  const ports: number[] = [];
  const rig = layRig(t, {
    hooks: () => [
      hook('first', (packet) => {
        ports.push(packet.destinationPort);
        packet.bytes.writeUInt16BE(4711, packet.transportOffset + 2);
        ports.push(packet.destinationPort);
        return FORWARD;
      }),
      callback('second', (pData) => {
        ports.push(pData.value?.ipr_buffer?.readUInt16BE(22) ?? -1);
        return FORWARD;
      }),
      hook('third', (packet) => {
        ports.push(packet.destinationPort);
        return FORWARD;
      }),
    ],
  });
  await rig.pass(ethernet({}, ipv4({}, udp({ destinationPort: 53 }, Buffer.from('x')))));
  assert.deepEqual(ports, [53, 4711, 4711, 4711]);
});

describe('a hook that gives the memory of a packet away', () => {
  const give = ({ bytes }: Packet): void => {
    structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
  };
  test('is at fault; the packet is dropped, the next one is whole', async (t) => {
    let count = 0;
    const rig = layRig(t, {
      onHookError: 'forward',
      hooks: () => [
        hook('giver', (packet) => {
          count += 1;
          if (count === 1) give(packet);
          return FORWARD;
        }),
        hook('reader', ({ payload }) => (payload.length === 0 ? DROP : FORWARD)),
      ],
    });
    await rig.pass(FIRST, SECOND);
    assert.deepEqual(rig.sent(), [SECOND]);
    assert.deepEqual(rig.faults, ['giver: broke the chain that stands for the packet']);
  });

  test('of the pool harms itself only: the slot has memory for who gets it next', async (t) => {
    let count = 0;
    const rig = layRig(t, {
      hooks: () => [
        hook('giver', (packet) => {
          const kept = packet.keep();
          const memory = kept?.ipr_buffer?.buffer as ArrayBuffer;
          if (count++ === 0) structuredClone(memory, { transfer: [memory] });
          if (kept !== null) rig.pool.freeChain(kept);
          return memory.byteLength === 0 ? FORWARD : ICMP_ON_DROP;
        }),
      ],
    });
    await rig.pass(...Array.from({ length: 2_000 }, () => FIRST));
    assert.equal(rig.hook(0).faults, 0);
    assert.equal(rig.hook(0).forwarded, 1);
    assert.equal(rig.hook(0).rejected, 1_999);
  });
});

test('the objects that hooks are handed cannot be changed, nor asked for what the runtime knows', async (t) => {
  const refused: string[] = [];
  const attempt = (what: string, action: () => unknown): void => {
    try {
      action();
    } catch (error) {
      if (error instanceof TypeError) refused.push(what);
    }
  };
  const unknown: unknown[] = [];
  const rig = layRig(t, {
    hooks: () => [
      hook('patcher', (packet, context) => {
        const { source } = packet;
        attempt('field', () => Object.defineProperty(packet, 'destinationPort', { get: () => 1 }));
        attempt('getter', () => Object.defineProperty(Object.getPrototypeOf(packet), 'protocol', { get: () => 1 }));
        attempt('method', () => Object.assign(Object.getPrototypeOf(packet) as object, { keep: () => null }));
        attempt('address', () => Object.assign(source, { length: 3 }));
        attempt('address method', () => Object.assign(Object.getPrototypeOf(source) as object, { word: () => 0 }));
        attempt('context', () => Object.assign(context, { direction: 7 }));
        attempt('context getter', () =>
          Object.defineProperty(Object.getPrototypeOf(context), 'direction', { value: 7 }),
        );
        attempt('property of the octets', () => Object.assign(packet.bytes, { copy: () => 0 }));
        for (const name of ['load', 'begin', 'arrival', 'abandoned', 'clearReplacement', 'replacement', 'open'])
          unknown.push((packet as unknown as Record<string, unknown>)[name]);
        return FORWARD;
      }),
    ],
  });
  await rig.pass(FIRST);
  assert.deepEqual(refused, [
    'field',
    'getter',
    'method',
    'address',
    'address method',
    'context',
    'context getter',
    'property of the octets',
  ]);
  assert.deepEqual(new Set(unknown), new Set([undefined]));
});
