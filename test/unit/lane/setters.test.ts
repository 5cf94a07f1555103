/**
 * Packets that hooks edit through setters and splices, through a real lane: what goes out, what later hooks see, and what is freed.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FRAME_CHECKSUM_PARTIAL, FRAME_SUPER } from '../../../src/drivers/frame.ts';
import { DROP, FORWARD, ICMP_ON_DROP } from '../../../src/firewall/constants.ts';
import { parseAddress } from '../../../src/wire/address.ts';
import { ethernet, ipv4, ipv6, tcp, udp } from '../../support/packet-builder.ts';
import { hook, layRig } from './lane-rig.ts';

const DATA = Buffer.from('the payload');
const framed = (datagram: Buffer): Buffer => ethernet({ tags: [{ id: 7 }] }, datagram);
const PLAIN = framed(ipv4({}, udp({}, DATA)));
const NEW_SOURCE = parseAddress('203.0.113.77') as Uint8Array;
const ICMP_QUOTE = 18 + 20 + 8;

describe('setters', () => {
  test('change the frame that goes out, and what the later hook sees', async (t) => {
    const seen: string[] = [];
    const rig = layRig(t, {
      hooks: () => [
        hook('writes', ({ ip, udp: header }) => {
          ip.source.set(NEW_SOURCE);
          if (header !== null) header.destinationPort = 5353;
          return FORWARD;
        }),
        hook('reads', ({ source, destinationPort, bytes }) => {
          seen.push(`${source} ${destinationPort} ${bytes.readUInt16BE(22)}`);
          return FORWARD;
        }),
        hook('writes octets', (packet) => {
          packet.bytes[8] = 9;
          packet.ip.ttl = 9;
          return FORWARD;
        }),
        hook('writes behind', ({ ip }) => {
          ip.ttl = 8;
          return FORWARD;
        }),
      ],
    });
    await rig.pass(PLAIN);
    assert.deepEqual(seen, ['203.0.113.77 5353 5353']);
    // The octet that a hook wrote by hand is the one thing whose checksum nobody corrected.
    const expected = framed(ipv4({ source: '203.0.113.77', ttl: 8 }, udp({ destinationPort: 5353 }, DATA)));
    const off = Buffer.from(rig.sent()[0] as Buffer);
    const by = (expected.readUInt16BE(18 + 10) - off.readUInt16BE(18 + 10) + 0xffff) % 0xffff;
    expected.copy(off, 18 + 10, 18 + 10, 18 + 12);
    assert.deepEqual(off, expected);
    assert.equal(by, (64 - 9) << 8, 'of the TTL that was written without it');
    assert.equal(rig.row().replaced, 0);
  });

  test('leave the datagram as it came in the ICMP error', async (t) => {
    const rig = layRig(t, {
      icmpPerSecond: 10,
      hooks: () => [
        hook('writes and rejects', ({ ip, payload }) => {
          ip.source.set(NEW_SOURCE);
          payload.setU8(0, 0);
          return ICMP_ON_DROP;
        }),
      ],
    });
    await rig.pass(PLAIN);
    const [answer] = rig.sent();
    assert.deepEqual(answer?.subarray(ICMP_QUOTE), PLAIN.subarray(18));
  });

  test('leave a checksum that is not final to whoever completes it', async (t) => {
    const edit = hook('writes', ({ ip, tcp: header, payload }) => {
      ip.source.set(NEW_SOURCE);
      if (header !== null) header.sourcePort = 7;
      payload.setU16(1, 0xffff);
      return FORWARD;
    });
    const rig = layRig(t, { hooks: () => [edit] });
    const datagram = ipv4({}, tcp({}, DATA));
    datagram.writeUInt16BE(0xdead, 20 + 16);
    await rig.pass({ port: 0, bytes: framed(datagram), flags: FRAME_CHECKSUM_PARTIAL });
    const changed = Buffer.from(DATA);
    changed.writeUInt16BE(0xffff, 1);
    assert.deepEqual(rig.sent(), [framed(ipv4({ source: '203.0.113.77' }, tcp({ sourcePort: 7 }, changed)))]);
  });
});

describe('splice', () => {
  for (const [name, wrap] of [
    ['IPv4', (data: Buffer) => framed(ipv4({}, udp({}, data)))],
    ['IPv6', (data: Buffer) => framed(ipv6({}, udp({}, data)))],
  ] as const) {
    test(`changes the length of what goes out over ${name}, twice, and is seen by the later hook`, async (t) => {
      const seen: string[] = [];
      const rig = layRig(t, {
        hooks: () => [
          hook('splices', ({ payload }) => {
            assert.ok(payload.splice(0, 3, Buffer.from('another')));
            assert.ok(payload.splice(payload.length, 0, Buffer.from(' twice')));
            return FORWARD;
          }),
          hook('reads', ({ payload, bytes, length }) => {
            seen.push(payload.text(), bytes.subarray(length - 5, length).toString());
            return FORWARD;
          }),
          hook('splices again', ({ payload }) => (payload.splice(0, 8, Buffer.alloc(0)) ? FORWARD : DROP)),
        ],
      });
      await rig.pass(wrap(DATA));
      assert.deepEqual(seen, ['another payload twice', 'twice']);
      assert.deepEqual(rig.sent(), [wrap(Buffer.from('payload twice'))]);
      assert.deepEqual([rig.hook(0).replaced, rig.hook(2).replaced, rig.row().replaced], [1, 1, 1]);
    });
  }

  test('is freed where the hook drops the packet', async (t) => {
    const rig = layRig(t, {
      hooks: () => [hook('splices', ({ payload }) => (payload.splice(0, 1, DATA) ? DROP : FORWARD))],
    });
    await rig.pass(PLAIN);
    assert.equal(rig.row().droppedByHook, 1);
  });

  test('of a hook that then fails is not what the later hook sees', async (t) => {
    const seen: string[] = [];
    const rig = layRig(t, {
      onHookError: 'forward',
      hooks: () => [
        hook('replaces', ({ payload }) => (payload.splice(0, 3, Buffer.from('one')) ? FORWARD : DROP)),
        hook('fails', ({ payload }) => {
          payload.splice(0, 3, Buffer.from('two, which is longer'));
          throw new Error('of this hook');
        }),
        hook('reads', ({ payload }) => {
          seen.push(payload.text());
          return FORWARD;
        }),
      ],
    });
    await rig.pass(PLAIN);
    const first = layRig(t, {
      onHookError: 'forward',
      hooks: () => [
        hook('fails', ({ payload }) => {
          payload.splice(0, 3, Buffer.from('two, which is longer'));
          throw new Error('of this hook');
        }),
        hook('reads', ({ payload }) => {
          seen.push(payload.text());
          return FORWARD;
        }),
      ],
    });
    await first.pass(PLAIN);
    assert.deepEqual(seen, ['one payload', 'the payload']);
    assert.deepEqual(first.sent(), [PLAIN]);
  });

  test('leaves everything as it is where the pool is exhausted', async (t) => {
    const rig = layRig(t, {
      poolBytes: 0,
      hooks: () => [hook('splices', ({ payload }) => (payload.splice(0, 1, DATA) ? DROP : FORWARD))],
    });
    await rig.pass(PLAIN);
    assert.deepEqual(rig.sent(), [PLAIN]);
  });

  test('is refused for a super-frame, whose pieces it would shift', async (t) => {
    const rig = layRig(t, {
      hooks: () => [hook('splices', ({ payload }) => (payload.splice(0, 1, DATA) ? DROP : FORWARD))],
    });
    await rig.pass({ port: 0, bytes: PLAIN, flags: FRAME_SUPER });
    assert.equal(rig.hook(0).forwarded, 1);
  });
});
