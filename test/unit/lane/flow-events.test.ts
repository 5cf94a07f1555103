/**
 * Events of flows that ended, from a real flow table through the ring to lines as Suricata has them.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type EveEvent, eveLine, eveOf } from '../../../src/events/eve.ts';
import { RING_OCTETS } from '../../../src/events/event-layout.ts';
import { RingReader } from '../../../src/events/ring-reader.ts';
import { DROP, FORWARD } from '../../../src/firewall/constants.ts';
import { HookEvents } from '../../../src/hook/hook-events.ts';
import { FlowEvents } from '../../../src/lane/flow-events.ts';
import { assertEve } from '../../support/eve-schema.ts';
import { loadedHook } from '../../support/loaded-hook.ts';
import { ethernet, ipv4, ipv6, tcp, udp } from '../../support/packet-builder.ts';
import { layRig, type Rig } from './lane-rig.ts';

/** Of the lane's clock: 2026-11-25T10:38:20Z. */
const EPOCH_MS = 1_795_603_100_000;
const CLIENT = '10.77.0.1';
const SERVER = '10.77.0.2';
const [FIN, SYN, RST, ACK] = [1, 2, 4, 16];

interface Told extends Rig {
  /** It is so late, on the lane's clock. */
  later(ms: number): void;
  events(): EveEvent[];
}

function layTold(
  t: TestContext,
  { oneIn = 1, onFlowEnd = () => undefined }: { oneIn?: number; onFlowEnd?: () => void } = {},
): Told {
  const memory = new ArrayBuffer(RING_OCTETS);
  const events = new HookEvents({ memory, now: () => 0n });
  const reader = new RingReader(memory);
  const time = { nowMs: 0 };
  const flowing = loadedHook({
    name: 'flows',
    flows: true,
    onPacket: ({ destinationPort }) => (destinationPort === 23 ? DROP : FORWARD),
    onFlowEnd,
  });
  const rig = layRig(t, { hooks: () => [flowing], now: () => time.nowMs, flows: { most: 64, timeouts: {} } });
  const { flows } = rig.chain;
  assert.ok(flows !== null);
  const told = new FlowEvents({ events, flows, sample: { oneIn, perSecond: 0 }, sinceEpochMs: () => EPOCH_MS });
  const { onEnd } = flows;
  flows.onEnd = () => {
    onEnd();
    told.ended();
  };
  return Object.assign(rig, {
    later(ms: number): void {
      time.nowMs = ms;
    },
    events() {
      const found: EveEvent[] = [];
      reader.read((event) => {
        const line = eveLine(eveOf(event, { lane: 1, hooks: [], nameOf: () => undefined }));
        assertEve(line);
        found.push(JSON.parse(line) as EveEvent);
      });
      assert.equal(reader.invalid, 0);
      return found;
    },
  });
}

const there = (flags: number, sequence: number, acknowledgement = 0, data = ''): Buffer =>
  ethernet(
    {},
    ipv4(
      { source: CLIENT, destination: SERVER },
      tcp(
        { sourcePort: 4000, destinationPort: 80, flags, sequence, acknowledgement, window: 60_000 },
        Buffer.from(data),
      ),
    ),
  );
const back = (flags: number, sequence: number, acknowledgement: number, data = ''): Buffer =>
  ethernet(
    {},
    ipv4(
      { source: SERVER, destination: CLIENT },
      tcp(
        { sourcePort: 80, destinationPort: 4000, flags, sequence, acknowledgement, window: 60_000 },
        Buffer.from(data),
      ),
    ),
  );

test('a TCP connection that was closed is told of with its books, as Suricata tells of it', async (t) => {
  const rig = layTold(t);
  await rig.pass(there(SYN, 100), back(SYN | ACK, 500, 101), there(ACK, 101, 501), there(ACK, 101, 501, 'question'));
  rig.later(1_500);
  await rig.pass(
    back(ACK, 501, 109, 'a longer answer'),
    there(FIN | ACK, 109, 516),
    back(FIN | ACK, 516, 110),
    there(ACK, 110, 517),
  );
  rig.later(60_000);
  rig.lane.onIdle();
  const [event, ...others] = rig.events();
  assert.deepEqual(others, []);
  assert.deepEqual(event, {
    timestamp: '2026-11-25T10:39:20.000000+0000',
    flow_id: event?.flow_id,
    event_type: 'flow',
    src_ip: CLIENT,
    src_port: 4000,
    dest_ip: SERVER,
    dest_port: 80,
    proto: 'TCP',
    ip_v: 4,
    flow: {
      pkts_toserver: 5,
      pkts_toclient: 3,
      bytes_toserver: 5 * 40 + 'question'.length,
      bytes_toclient: 3 * 40 + 'a longer answer'.length,
      start: '2026-11-25T10:38:20.000000+0000',
      end: '2026-11-25T10:38:21.500000+0000',
      age: 1,
      state: 'closed',
      reason: 'timeout',
      alerted: false,
    },
    tcp: { tcp_flags: '13', tcp_flags_ts: '13', tcp_flags_tc: '13', syn: true, fin: true, ack: true, state: 'closed' },
    firehook: { lane: 1 },
  });
});

test('a reset is told of, and who began whichever address is lower', async (t) => {
  const rig = layTold(t);
  const syn = ethernet(
    {},
    ipv6(
      { source: 'fd77::2', destination: 'fd77::1' },
      tcp({ sourcePort: 5, destinationPort: 6, flags: SYN, sequence: 9 }),
    ),
  );
  const refused = ethernet(
    {},
    ipv6(
      { source: 'fd77::1', destination: 'fd77::2' },
      tcp({ sourcePort: 6, destinationPort: 5, flags: RST | ACK, sequence: 0, acknowledgement: 10 }),
    ),
  );
  await rig.pass(syn, refused);
  rig.later(60_000);
  rig.lane.onIdle();
  const [event] = rig.events();
  assert.deepEqual([event?.src_ip, event?.src_port, event?.dest_ip, event?.dest_port], ['fd77::2', 5, 'fd77::1', 6]);
  assert.deepEqual([event?.tcp?.['rst'], event?.tcp?.['syn'], event?.flow?.['state']], [true, true, 'closed']);
});

test('flows without an answer, one that never began, and what the sample leaves out', async (t) => {
  let ended = 0;
  const rig = layTold(t, {
    oneIn: 3,
    onFlowEnd: () => {
      ended += 1;
    },
  });
  const packet = (port: number): Buffer =>
    ethernet({}, ipv4({ source: CLIENT, destination: SERVER }, udp({ sourcePort: 1, destinationPort: port })));
  await rig.pass(packet(23), ...[1, 2, 3, 4, 5].map(packet));
  rig.later(31_000);
  rig.lane.onIdle();
  const events = rig.events();
  assert.deepEqual(
    events.map(({ dest_port, firehook }) => [dest_port, firehook.suppressed]),
    [
      [1, undefined],
      [4, 2],
    ],
  );
  assert.deepEqual(
    [events[0]?.proto, events[0]?.flow?.['state'], events[0]?.flow?.['reason'], events[0]?.tcp],
    ['UDP', 'new', 'timeout', undefined],
  );
  // The hooks are told of each, whatever the sample does.
  assert.equal(ended, 5);
});

test('a full table forces flows out, which is told', async (t) => {
  const rig = layTold(t);
  for (let port = 1; port <= 70; port++)
    await rig.pass(
      ethernet({}, ipv4({ source: CLIENT, destination: SERVER }, udp({ sourcePort: port, destinationPort: 9 }))),
    );
  const reasons = rig.events().map(({ flow }) => flow?.['reason']);
  assert.deepEqual(
    reasons,
    Array.from({ length: 6 }, () => 'forced'),
  );
});
