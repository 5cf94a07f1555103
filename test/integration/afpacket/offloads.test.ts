/**
 * Offload state under `driver: afpacket`: what a frame's virtio-net header says passes through untouched, and what a hook
 * edits or replaces goes out right.
 *
 * The reference is a cable: a frame sent straight from client to server, without anything of firehook in between.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { hex, sendFrames, startCapture } from '../../support/frames.ts';
import { assertAddsUp, PATIENCE_MS, statsWhen, stockHook } from '../../support/live.ts';
import { createLab, type Lab, type Namespace, rootOnly } from '../../support/netns.ts';
import {
  assertRight,
  completed,
  type OffloadedSpec,
  offloaded,
  QINQ,
  VLAN,
  VNET_HEADER,
} from '../../support/offloads.ts';
import { startAfpacket } from './live-afpacket.ts';

type OffloadLab = Lab<'client' | 'fw' | 'server'>;

const BRIDGE = { bridge: ['lan0', 'wan0'] };
const ETHER_TYPES = [0x0800, 0x86dd, VLAN[0], QINQ[0]];
/** Has the kernel complete checksums and cut super-frames on the way into a veth. */
const CUT = 'tx off tso off gso off tx-udp-segmentation off gro off';
const TAGS = [[], [VLAN], [QINQ, VLAN]] as const;
/** A slot of the ring holds 2,048 octets: the header of the ring, the frame and its tag. */
const LENGTHS = [
  { what: 'short', length: 33, segment: 0 },
  { what: 'super-frame that fits a slot', length: 1400, segment: 500 },
  { what: 'super-frame longer than a slot', length: 9001, segment: 1300 },
] as const;

/** The ends say nothing by themselves. `direct` is a cable beside the bridge. */
function lab(t: TestContext, mtu = 1500): Promise<OffloadLab> {
  return createLab(
    t,
    {
      namespaces: { client: {}, fw: {}, server: {} },
      links: [
        [
          { in: 'client', name: 'eth0' },
          { in: 'fw', name: 'lan0' },
        ],
        [
          { in: 'fw', name: 'wan0' },
          { in: 'server', name: 'eth0' },
        ],
        [
          { in: 'client', name: 'direct' },
          { in: 'server', name: 'direct' },
        ],
      ],
    },
    { mtu },
  );
}

function octets(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => index % 251));
}

/** Every version, protocol, stack of tags and length. */
function everyKind(): OffloadedSpec[] {
  const specs: OffloadedSpec[] = [];
  for (const version of [4, 6] as const) {
    for (const protocol of ['tcp', 'udp'] as const) {
      for (const tags of TAGS) {
        for (const { length, segment } of LENGTHS) {
          specs.push({ version, protocol, tags, segment, payload: octets(length), dontFragment: protocol === 'tcp' });
        }
      }
    }
  }
  return specs;
}

/** What arrives at `device` of `to`, virtio-net header first, when `from` sends out of its device of that name. */
async function seen(
  from: Namespace,
  to: Namespace,
  device: string,
  frames: readonly Buffer[],
  count: number,
): Promise<Buffer[]> {
  const capture = await startCapture(to, device, {
    count,
    etherTypes: ETHER_TYPES,
    timeoutMs: PATIENCE_MS,
    vnet: true,
  });
  await sendFrames(from, device, frames, { vnet: true });
  return capture.frames();
}

test('what a virtio-net header says arrives as through a cable, both ways', { skip: rootOnly() }, async (t) => {
  const { ns } = await lab(t, 3000);
  const daemon = await startAfpacket(ns.fw, BRIDGE, [stockHook('pass-all')]);
  const frames = everyKind().map(offloaded);
  // Longer than a slot and not to be cut, and checksums that are final.
  for (const version of [4, 6] as const) {
    frames.push(offloaded({ version, protocol: 'udp', payload: octets(2500), tags: [VLAN] }));
    frames.push(offloaded({ version, protocol: 'udp', payload: octets(2500), isPartial: false }));
  }
  for (const [from, to] of [
    [ns.client, ns.server],
    [ns.server, ns.client],
  ] as const) {
    const cable = await seen(from, to, 'direct', frames, frames.length);
    assert.equal(cable.length, frames.length);
    // The cable itself keeps what it is given.
    assert.deepEqual(
      hex(cable.map((frame) => frame.subarray(VNET_HEADER))),
      hex(frames.map((frame) => frame.subarray(VNET_HEADER))),
    );
    assert.deepEqual(hex(await seen(from, to, 'eth0', frames, frames.length)), hex(cable));
  }
  const { total } = await statsWhen(daemon, 'all frames', (stats) => stats.total.received >= 2 * frames.length);
  assert.equal(total.forwarded, 2 * frames.length);
  await assertAddsUp(daemon);
});

/** How a hook that changes octets in place keeps the checksums right; the header of IPv4 is right in any case. */
const WAYS_TO_UPDATE = {
  'word by word': 'each(packet, edits)',
  anew: 'write(packet, edits); fillChecksums(packet.bytes, packet.length)',
  'not at all': 'write(packet, edits); if (packet.version === 4) fillHeader(packet.bytes)',
} as const;

/** Edits the last word of the destination, port 9000, the first word of the payload and the time to live. */
const editor = (update: string): string => `
  import { defineHook, FORWARD, fillChecksums, updateChecksum16, updateTransportChecksum16 } from 'firehook';
  const HEADER_CHECKSUM = 10;
  function fillHeader(bytes) {
    bytes.writeUInt16BE(0, HEADER_CHECKSUM);
    let sum = 0;
    for (let at = 0; at < 20; at += 2) sum += bytes.readUInt16BE(at);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    bytes.writeUInt16BE(sum ^ 0xffff, HEADER_CHECKSUM);
  }
  function write({ bytes }, edits) {
    for (const [at, word] of edits) bytes.writeUInt16BE(word, at);
  }
  function each(packet, edits) {
    const { bytes, protocol, transportOffset, version } = packet;
    for (const [at, word, isCovered] of edits) {
      const old = bytes.readUInt16BE(at);
      bytes.writeUInt16BE(word, at);
      if (isCovered) updateTransportChecksum16(bytes, transportOffset, protocol, old, word);
      if (version === 4 && at < transportOffset) {
        bytes.writeUInt16BE(updateChecksum16(bytes.readUInt16BE(HEADER_CHECKSUM), old, word), HEADER_CHECKSUM);
      }
    }
  }
  export default defineHook({
    name: 'edit-all',
    onPacket(packet) {
      if (packet.destinationPort !== 9000) return FORWARD;
      const isIpv4 = packet.version === 4;
      const life = isIpv4 ? 8 : 6;
      const edits = [
        [packet.transportOffset - 2, 9, true],
        [packet.transportOffset + 2, 9001, true],
        [packet.payloadOffset, 0xffee, true],
        // Its octet stands first in the word of IPv4, second in that of IPv6.
        [life, packet.bytes.readUInt16BE(life) - (isIpv4 ? 0x100 : 1), false],
      ];
      ${update};
      return FORWARD;
    },
  });`;

/** What {@link editor} makes of a frame. */
function edited(spec: OffloadedSpec): OffloadedSpec {
  const payload = Buffer.from(spec.payload);
  payload.writeUInt16BE(0xffee, 0);
  return { ...spec, payload, port: 9001, ttl: 63, destination: spec.version === 4 ? '10.77.0.9' : 'fd77::9' };
}

/** Datagrams that a frame is cut into. */
function segmentsOf({ payload, segment = 0 }: OffloadedSpec): number {
  return segment === 0 ? 1 : Math.ceil(payload.length / segment);
}

/** Fails unless `given` arrives behind the bridge as `wanted` does behind the cable, cut and with right checksums. */
async function assertArrives(
  ns: OffloadLab['ns'],
  given: readonly OffloadedSpec[],
  wanted: readonly OffloadedSpec[],
): Promise<void> {
  const count = wanted.reduce((sum, spec) => sum + segmentsOf(spec), 0);
  const cable = await seen(ns.client, ns.server, 'direct', wanted.map(offloaded), count);
  for (const frame of cable) assertRight(frame);
  const bridged = await seen(ns.client, ns.server, 'eth0', given.map(offloaded), count);
  assert.deepEqual(withoutState(bridged), withoutState(cable));
}

/** The frames as they are on a wire: the checksums of all of them are final. */
function withoutState(frames: readonly Buffer[]): string[] {
  return hex(frames.map(completed));
}

/** Super-frames are cut and checksums completed behind the bridge and in the cable. */
async function cutBehind(ns: OffloadLab['ns']): Promise<void> {
  await ns.fw.output('sh', ['-c', `ethtool -K wan0 ${CUT}`]);
  await ns.client.output('sh', ['-c', `ethtool -K direct ${CUT}`]);
}

for (const [how, update] of Object.entries(WAYS_TO_UPDATE)) {
  test(`what a hook edits in place goes out right when it updates checksums ${how}`, {
    skip: rootOnly(),
  }, async (t) => {
    const { ns } = await lab(t);
    const daemon = await startAfpacket(ns.fw, BRIDGE, [editor(update)]);
    await cutBehind(ns);
    const specs = everyKind();
    await assertArrives(ns, specs, specs.map(edited));
    const { total } = await assertAddsUp(daemon);
    assert.equal(total.forwarded, specs.length);
    assert.equal(total.hookFaults, 0);
  });
}

/** Puts a chain of three buffers in the place of every packet to port 9000; octets are added at the end, or taken away. */
const replacer = (change: number, settle: string): string => `
  import {
    defineHook, DROP, ExAllocatePoolWithTag, FORWARD, fillChecksums, IPAllocBuff, NonPagedPool, SIZEOF_IPRCVBUF,
  } from 'firehook';
  function allocate(data) {
    const descriptor = ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
    if (descriptor === null || IPAllocBuff(descriptor, data.length) !== 1) throw new Error('the pool is exhausted');
    data.copy(descriptor.ipr_buffer);
    return descriptor;
  }
  export default defineHook({
    name: 'replace-all',
    onPacket(packet) {
      if (packet.destinationPort !== 9000) return FORWARD;
      const length = packet.length + (${change});
      const made = Buffer.alloc(length, 0x7a);
      packet.bytes.copy(made, 0, 0, Math.min(length, packet.length));
      if (packet.version === 4) made.writeUInt16BE(length, 2);
      else made.writeUInt16BE(length - 40, 4);
      if (packet.protocol === 17) made.writeUInt16BE(length - packet.transportOffset, packet.transportOffset + 4);
      fillChecksums(made, length);
      const head = allocate(made.subarray(0, packet.payloadOffset));
      head.ipr_next = allocate(made.subarray(packet.payloadOffset, packet.payloadOffset + 7));
      head.ipr_next.ipr_next = allocate(made.subarray(packet.payloadOffset + 7));
      ${settle};
      packet.replace(head);
      return FORWARD;
    },
  });`;

/** What {@link replacer} makes of a frame. */
function replaced(spec: OffloadedSpec, change: number): OffloadedSpec {
  const payload = Buffer.alloc(spec.payload.length + change, 0x7a);
  payload.set(spec.payload.subarray(0, payload.length));
  return { ...spec, payload };
}

const IS_FINAL = '';
/** The descriptor says that the checksum is not final, so that the field may hold anything. */
const IS_NOT_FINAL = `
  head.ipr_flags = 2;
  head.ipr_buffer.writeUInt16BE(0xbad, packet.transportOffset + (packet.protocol === 6 ? 16 : 6))`;

for (const [change, settle] of [
  [700, IS_FINAL],
  [700, IS_NOT_FINAL],
  [-21, IS_FINAL],
  [-690, IS_NOT_FINAL],
] as const) {
  const title = `a chain ${Math.abs(change)} octets ${change > 0 ? 'longer' : 'shorter'} goes out right`;
  test(`${title}, its checksum ${settle === '' ? '' : 'not '}final`, { skip: rootOnly() }, async (t) => {
    const { ns } = await lab(t);
    const daemon = await startAfpacket(ns.fw, BRIDGE, [replacer(change, settle)]);
    await cutBehind(ns);
    const specs = everyKind().filter(({ payload }) => payload.length + change > 7);
    for (const version of [4, 6] as const) {
      specs.push({ version, protocol: 'tcp', payload: octets(4000), segment: 1000, isPartial: false });
    }
    await assertArrives(
      ns,
      specs,
      specs.map((spec) => replaced(spec, change)),
    );
    const { total } = await assertAddsUp(daemon);
    assert.deepEqual([total.replaced, total.forwarded, total.hookFaults], [specs.length, specs.length, 0]);
  });
}

/** Puts a datagram of UDP in the place of every packet to port 9000. */
const BECOME_UDP = `
  import {
    defineHook, ExAllocatePoolWithTag, FORWARD, fillChecksums, IPAllocBuff, NonPagedPool, SIZEOF_IPRCVBUF,
  } from 'firehook';
  export default defineHook({
    name: 'become-udp',
    onPacket(packet) {
      if (packet.destinationPort !== 9000) return FORWARD;
      const length = packet.transportOffset + 8 + 900;
      const made = ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
      if (made === null || IPAllocBuff(made, length) !== 1) throw new Error('the pool is exhausted');
      const bytes = made.ipr_buffer;
      bytes.fill(0x75, 0, length);
      packet.bytes.copy(bytes, 0, 0, packet.transportOffset + 4);
      if (packet.version === 4) bytes.writeUInt16BE(length, 2);
      else bytes.writeUInt16BE(length - 40, 4);
      bytes[packet.version === 4 ? 9 : 6] = 17;
      bytes.writeUInt16BE(908, packet.transportOffset + 4);
      fillChecksums(bytes, length);
      packet.replace(made);
      return FORWARD;
    },
  });`;

test('a super-frame of TCP that becomes one datagram of UDP goes out as that', { skip: rootOnly() }, async (t) => {
  const { ns } = await lab(t);
  const daemon = await startAfpacket(ns.fw, BRIDGE, [BECOME_UDP]);
  await cutBehind(ns);
  const given: OffloadedSpec[] = [];
  for (const version of [4, 6] as const) {
    for (const tags of TAGS) given.push({ version, tags, protocol: 'tcp', payload: octets(1400), segment: 500 });
  }
  const wanted = given.map((spec): OffloadedSpec => {
    return { ...spec, protocol: 'udp', payload: Buffer.alloc(900, 0x75), segment: 0 };
  });
  await assertArrives(ns, given, wanted);
  const { total } = await assertAddsUp(daemon);
  assert.deepEqual([total.forwarded, total.lost], [given.length, 0]);
});
