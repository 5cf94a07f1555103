/**
 * `packet.keep`: the copy that a hook may hold beyond its call, through a whole lane.
 *
 * The memory driver overwrites a frame as soon as its batch is over, so a copy that borrowed anything is found out.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FRAME_CHECKSUM_PARTIAL } from '../../../src/drivers/frame.ts';
import { DROP, FORWARD, IPR_FLAG_CHECKSUM_OFFLOAD } from '../../../src/firewall/constants.ts';
import type { IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import type { Pool } from '../../../src/firewall/pool.ts';
import type { LoadedHook } from '../../../src/hook/load-hook.ts';
import { ethernet, extension, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { chainOf, hook, layRig } from '../lane/lane-rig.ts';

const SIZEOF_DESCRIPTOR = 64;
const UDP_CHECKSUM = 26;

/** Keeps every packet, and lets it pass. */
function keepAll(kept: (IPRcvBuf | null)[]): LoadedHook {
  return hook('keep', (packet) => {
    kept.push(packet.keep());
    return FORWARD;
  });
}

function numbered(number: number): Buffer {
  return ipv4({ identification: number }, udp({}, Buffer.alloc(number, number)));
}

/** The octets of a copy: it is one buffer. */
function contents(chain: IPRcvBuf | null | undefined): Buffer {
  assert.ok(chain != null);
  assert.equal(chain.ipr_next, null);
  return Buffer.from(chain.ipr_buffer?.subarray(0, chain.ipr_size) ?? []);
}

function freeAll(pool: Pool, kept: readonly (IPRcvBuf | null)[]): void {
  for (const chain of kept) if (chain !== null) pool.freeChain(chain);
}

describe('a kept packet', () => {
  test('stays as it was after the memory of its frame holds others', async (t) => {
    const kept: (IPRcvBuf | null)[] = [];
    const rig = layRig(t, { hooks: () => [keepAll(kept)] });
    const datagrams = Array.from({ length: 40 }, (_, i) => numbered(i + 1));
    for (const datagram of datagrams) await rig.pass(ethernet({ padTo: 60 }, datagram));
    assert.deepEqual(kept.map(contents), datagrams);
    freeAll(rig.pool, kept);
  });

  test('is booked on its hook under a tag of its own, and leaves the books when it is freed', async (t) => {
    const kept: (IPRcvBuf | null)[] = [];
    const rig = layRig(t, { hooks: () => [hook('other', () => FORWARD, 1), keepAll(kept)] });
    const datagram = numbered(30);
    await rig.pass(ethernet({}, datagram), ethernet({}, datagram));
    const inUse = 2 * (SIZEOF_DESCRIPTOR + datagram.length);
    assert.deepEqual(rig.pool.ownerUsage(1), { outstanding: 4, bytes: inUse, faults: 0 });
    assert.equal(rig.pool.ownerUsage(0).outstanding, 0);
    const row = (tag: string) => rig.pool.usage().find((one) => one.tag === tag);
    assert.deepEqual([row('Keep')?.diff, row('TCPb')?.diff], [2, 2]);
    freeAll(rig.pool, kept);
    assert.deepEqual(rig.pool.ownerUsage(1), { outstanding: 0, bytes: 0, faults: 0 });
    assert.deepEqual([row('Keep')?.diff, row('TCPb')?.diff], [0, 0]);
  });

  test('is null once the pool is exhausted, with nothing left behind, and the traffic goes on', async (t) => {
    const kept: (IPRcvBuf | null)[] = [];
    // After the last slab there is room for a descriptor, but for no buffer.
    const rig = layRig(t, { hooks: () => [keepAll(kept)], poolBytes: 305_000 });
    await rig.pass(...Array.from({ length: 1000 }, () => ethernet({}, numbered(255))));
    const copies = kept.filter((one) => one !== null);
    assert.ok(copies.length > 0 && copies.length < 1000, `${copies.length} of 1000`);
    assert.equal(rig.pool.ownerUsage(0).outstanding, 2 * copies.length);
    assert.equal(rig.row().forwarded, 1000);
    assert.deepEqual([rig.row().lost, rig.row().hookFaults], [0, 0]);
    freeAll(rig.pool, kept);
    const again: (IPRcvBuf | null)[] = kept.splice(0);
    await rig.pass(ethernet({}, numbered(9)));
    assert.equal(again.length, 1000);
    assert.deepEqual(kept.map(contents), [numbered(9)]);
    freeAll(rig.pool, kept);
  });

  test('shows what an earlier hook put in its place, as one buffer, and what was edited since', async (t) => {
    const kept: (IPRcvBuf | null)[] = [];
    const datagram = ipv6({}, udp({}, Buffer.from('another')));
    const rig = layRig(t, {
      hooks: (pool) => [
        hook('replace', (packet) => {
          packet.replace(chainOf(pool, datagram.subarray(0, 40), datagram.subarray(40, 50), datagram.subarray(50)));
          return FORWARD;
        }),
        hook('edit', (packet) => {
          packet.bytes[7] = 9;
          return FORWARD;
        }),
        keepAll(kept),
      ],
    });
    await rig.pass(ethernet({}, ipv6({}, udp({}, Buffer.from('one')))));
    const edited = Buffer.from(datagram);
    edited[7] = 9;
    assert.deepEqual(kept.map(contents), [edited]);
    freeAll(rig.pool, kept);
  });

  test('can take the place of its own packet, and of two that were handed over the other is freed', async (t) => {
    const rig = layRig(t, {
      hooks: () => [
        hook('copy-twice', (packet) => {
          for (const ttl of [1, 2]) {
            const kept = packet.keep();
            if (kept === null || kept.ipr_buffer === null) return DROP;
            kept.ipr_buffer[8] = ttl;
            packet.replace(kept);
          }
          return FORWARD;
        }),
      ],
    });
    const frame = ethernet({}, numbered(7));
    await rig.pass(frame);
    frame[14 + 8] = 2;
    assert.deepEqual(rig.sent(), [frame]);
    assert.equal(rig.row().replaced, 1);
    assert.deepEqual(rig.faults, []);
  });

  test('goes out in the place of a later packet', async (t) => {
    const kept: IPRcvBuf[] = [];
    const rig = layRig(t, {
      hooks: () => [
        hook('delay', (packet) => {
          const before = kept.pop();
          const now = packet.keep();
          if (now !== null) kept.push(now);
          if (before === undefined) return DROP;
          packet.replace(before);
          return FORWARD;
        }),
      ],
    });
    const frames = [1, 2, 3].map((number) => ethernet({}, numbered(number)));
    await rig.pass(...frames);
    assert.deepEqual(rig.sent(), frames.slice(0, 2));
    freeAll(rig.pool, kept);
  });
});

describe('a kept packet whose checksum was left to the network card', () => {
  const whole = ipv4({}, udp({}, Buffer.from('the data')));
  const open = Buffer.from(whole);
  open.writeUInt16BE(0x1234, UDP_CHECKSUM);

  test('is completed, and the packet itself is left as it was', async (t) => {
    const kept: (IPRcvBuf | null)[] = [];
    const seen: Buffer[] = [];
    const rig = layRig(t, {
      hooks: () => [
        keepAll(kept),
        hook('look', (packet) => {
          seen.push(Buffer.from(packet.bytes.subarray(0, packet.length)));
          assert.equal(packet.chain.ipr_flags, IPR_FLAG_CHECKSUM_OFFLOAD);
          return FORWARD;
        }),
      ],
    });
    await rig.pass({ port: 0, bytes: ethernet({}, open), flags: FRAME_CHECKSUM_PARTIAL });
    assert.deepEqual(kept.map(contents), [whole]);
    assert.equal(kept[0]?.ipr_flags, 0);
    assert.deepEqual(seen, [open]);
    freeAll(rig.pool, kept);
  });

  test('is completed behind IPv6 extension headers too', async (t) => {
    const kept: (IPRcvBuf | null)[] = [];
    const rig = layRig(t, { hooks: () => [keepAll(kept)] });
    const datagram = ipv6({ extensions: [extension(60, 16)] }, tcp({}, Buffer.from('odd')));
    const partial = Buffer.from(datagram);
    partial.writeUInt16BE(0x1234, 56 + 16);
    await rig.pass({ port: 0, bytes: ethernet({}, partial), flags: FRAME_CHECKSUM_PARTIAL });
    assert.deepEqual(kept.map(contents), [datagram]);
    freeAll(rig.pool, kept);
  });

  test('says so still where it cannot be completed: a fragment', async (t) => {
    const kept: (IPRcvBuf | null)[] = [];
    const rig = layRig(t, { hooks: () => [keepAll(kept)] });
    const fragment = ipv4({ moreFragments: true }, octets(17, Buffer.alloc(16, 3)));
    await rig.pass({ port: 0, bytes: ethernet({}, fragment), flags: FRAME_CHECKSUM_PARTIAL });
    assert.deepEqual(kept.map(contents), [fragment]);
    assert.equal(kept[0]?.ipr_flags, IPR_FLAG_CHECKSUM_OFFLOAD);
    freeAll(rig.pool, kept);
  });
});
