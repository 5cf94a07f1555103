/**
 * The frames of recorded packets: what came and what went out stand in the record, octet by octet, for every verdict; what has no room is cut and
 * counted; and what a hostile lane writes is no record.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { DROP, FORWARD, ICMP_ON_DROP } from '../../../src/firewall/constants.ts';
import { REPLY, RESET } from '../../../src/hook/contract.ts';
import { HookReasons } from '../../../src/hook/hook-reasons.ts';
import { BY_ROUTES } from '../../../src/lane/frame-recorder.ts';
import { LaneTrace } from '../../../src/lane/lane-trace.ts';
import { parseRecord, type RecordedPacket } from '../../../src/lane/read-trace.ts';
import { MAX_TRACE_RECORD, TRACE_OCTETS, TraceRingReader, TraceRingWriter } from '../../../src/lane/trace-ring.ts';
import { hex } from '../../support/frames.ts';
import { ethernet, ipv4, tcp, udp } from '../../support/packet-builder.ts';
import { bridgeWay, chainOf, ethernetPort, hook, layRig, type Rig, type RigOptions } from './lane-rig.ts';

const UDP = ethernet({}, ipv4({}, udp({}, Buffer.from('some octets of a datagram'))));
const TCP = ethernet({}, ipv4({}, tcp({ flags: 0x10 }, Buffer.from('of a connection'))));

/** A rig that is recorded. */
function recorded(
  t: TestContext,
  options: RigOptions,
  order: { expression?: string; octets?: number } = {},
): {
  rig: Rig;
  stop: () => void;
  read: () => { packets: RecordedPacket[]; lost: number };
  raw: () => readonly Buffer[];
} {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-record-'));
  const fd = openSync(path.join(folder, 'ring'), 'w+');
  t.after(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  const memory = Buffer.alloc(TRACE_OCTETS);
  const publish = (): void => void writeSync(fd, memory, 0, TRACE_OCTETS, 0);
  publish();
  const rig = layRig(t, options);
  const { lane, chain } = rig;
  const trace = new LaneTrace({
    lane,
    loaded: { chain, reasons: new HookReasons() },
    ring: new TraceRingWriter(memory),
    linktypeOf: () => 1,
    outlets: options.outlets ?? new Map(),
    now: () => 0,
    wall: () => Date.now(),
  });
  const reader = new TraceRingReader(fd, 0);
  trace.set({ id: 3, expression: order.expression ?? '', octets: order.octets ?? 262_144 });
  const batch = (): { records: readonly Buffer[]; lost: number } => {
    publish();
    return reader.read(3);
  };
  return {
    rig,
    stop: () => trace.set(null),
    raw: () => batch().records,
    read: () => {
      const { records, lost } = batch();
      const packets = records.map(parseRecord);
      assert.ok(packets.every((packet) => packet !== null));
      return { packets: packets as RecordedPacket[], lost };
    },
  };
}

const kinds = ({ frames }: RecordedPacket): string[] => frames.map(({ kind, name }) => `${kind} ${name}`);
const out = (packets: readonly RecordedPacket[]): string[] =>
  hex(packets.flatMap(({ frames }) => frames.slice(1).map(({ octets }) => octets)));

for (const [what, frame, verdict, expected] of [
  ['forwarded', UDP, () => FORWARD, ['in a', 'forwarded b']],
  ['dropped', UDP, () => DROP, ['in a']],
  ['rejected', UDP, () => ICMP_ON_DROP, ['in a', 'ICMP error a']],
  ['replied', UDP, () => REPLY, ['in a', 'reply a']],
  ['reset', TCP, () => RESET, ['in a', 'reset a', 'reset b']],
] as const)
  test(`a packet that is ${what}: the frame that came, and those that went out`, async (t) => {
    const { rig, read } = recorded(t, { hooks: () => [hook('one', verdict)] });
    await rig.pass(frame);
    const { packets, lost } = read();
    assert.deepEqual([packets.map(kinds), lost], [[expected], 0]);
    assert.deepEqual(packets[0]?.frames[0]?.octets, frame);
    assert.deepEqual(out(packets), hex(rig.sent()));
    assert.equal(packets[0]?.packet.fate, what);
  });

test('what came stands there as it came, whatever a hook writes; what went out as it went', async (t) => {
  const { rig, read } = recorded(t, {
    hooks: () => [
      hook('writes', (packet) => {
        packet.ip.ttl = 3;
        return FORWARD;
      }),
    ],
  });
  await rig.pass(UDP);
  const { packets } = read();
  assert.deepEqual(packets[0]?.frames[0]?.octets, UDP);
  assert.equal(packets[0]?.frames[1]?.octets[22], 3);
  assert.deepEqual(out(packets), hex(rig.sent()));
});

test('fragments are all there, the first one as forwarded', async (t) => {
  const data = Buffer.from(Array.from({ length: 3000 }, (_, at) => at % 251));
  const { rig, read } = recorded(t, {
    ports: [ethernetPort(0), ethernetPort(1, 600)],
    hooks: (pool) => [
      hook('longer', (packet) => {
        packet.replace(chainOf(pool, ipv4({}, udp({}, data))));
        return FORWARD;
      }),
    ],
  });
  await rig.pass(UDP);
  const { packets } = read();
  assert.deepEqual(packets.map(kinds), [['in a', 'forwarded b', ...Array.from({ length: 5 }, () => 'fragment b')]]);
  assert.deepEqual(out(packets), hex(rig.sent()));
});

test('datagrams by the routes of the host are raw IP', async (t) => {
  const sent: Buffer[] = [];
  const sender = {
    send: (datagram: Buffer, length: number) => {
      sent.push(Buffer.from(datagram.subarray(0, length)));
      return true;
    },
  };
  const { rig, read } = recorded(t, {
    ways: [bridgeWay({ reject: 'raw', rejectPort: -1 })],
    hooks: () => [hook('no', () => ICMP_ON_DROP)],
    sender,
  });
  await rig.pass(UDP);
  const { packets } = read();
  assert.deepEqual(
    packets[0]?.frames.slice(1).map(({ kind, name, linktype }) => [kind, name, linktype]),
    [['ICMP error', BY_ROUTES, 101]],
  );
  assert.deepEqual(out(packets), hex(sent));
});

test('packets outside of the filter are none of it, and after the end nothing is kept', async (t) => {
  const { rig, read, stop } = recorded(t, { hooks: () => [hook('one', () => FORWARD)] }, { expression: 'tcp' });
  await rig.pass(UDP, TCP, UDP);
  assert.deepEqual(
    read().packets.map(({ frames }) => frames.map(({ octets }) => octets.length)),
    [[TCP.length, TCP.length]],
  );
  stop();
  await rig.pass(TCP);
  assert.deepEqual(read(), { packets: [], lost: 0 });
  assert.equal(rig.sent().length, 4);
});

test('frames are cut at the wanted octets and say how many they had; packets over the bound of a second are counted', async (t) => {
  const { rig, read } = recorded(t, { hooks: () => [hook('one', () => FORWARD)] }, { octets: 64 });
  await rig.pass(UDP);
  assert.deepEqual(
    read().packets.map(({ frames }) => frames.map(({ octets, length }) => [octets.length, length])),
    [
      [
        [64, UDP.length],
        [64, UDP.length],
      ],
    ],
  );
  let told = 1;
  let lost = 0;
  for (let round = 0; round < 30; round++) {
    await rig.pass(...Array.from({ length: 100 }, () => UDP));
    const batch = read();
    told += batch.packets.length;
    lost += batch.lost;
  }
  assert.deepEqual([told, lost], [1000, 2001]);
});

test('a record that is changed anywhere is none, or one within all bounds', async (t) => {
  const { rig, raw } = recorded(t, { hooks: () => [hook('one', () => ICMP_ON_DROP)] });
  await rig.pass(UDP);
  const whole = Buffer.from(raw()[0] as Buffer);
  assert.ok(parseRecord(whole) !== null);
  const textEnd = 4 + whole.readUInt32LE(0);
  const at = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: textEnd, max: whole.length - 1 }));
  const change = fc.record({ at, octet: fc.integer({ min: 0, max: 255 }) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), fc.integer({ min: 0, max: whole.length }), (changes, length) => {
      const record = Buffer.from(whole);
      for (const { at: place, octet } of changes) record[place] = octet;
      const read = parseRecord(record.subarray(0, length));
      if (read === null) return;
      for (const [index, frame] of read.frames.entries()) {
        assert.ok(frame.octets.length <= frame.length && frame.nanoseconds < 1e9);
        assert.equal(frame.kind === 'in', index === 0);
        assert.ok(['a', 'b'].includes(frame.name));
      }
    }),
    { seed: 12, numRuns: 3000 },
  );
  for (const [what, place, value] of [
    ['a text longer than the record', 0, MAX_TRACE_RECORD],
    ['more octets than there are', textEnd + 4, 0xffff],
    ['more octets than the frame had', textEnd + 8, 1],
    ['a nanosecond too many', textEnd + 16, 1_000_000_000],
    ['an interface that is not described', textEnd, 255 + (9 << 16)],
    ['a purpose that is none', textEnd, 8],
  ] as const) {
    const record = Buffer.from(whole);
    record.writeUInt32LE(value, place);
    assert.equal(parseRecord(record), null, what);
  }
});
