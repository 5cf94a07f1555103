/**
 * Frames that hooks send out of interfaces, in a lane on a table: where they go, what is refused, and how both are booked.
 *
 * Rule: the rig looks at the ledger of every way after each test, and counts the frames that left.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FORWARD } from '../../../src/firewall/constants.ts';
import type { Lane } from '../../../src/lane/lane.ts';
import { pppoe } from '../../support/links.ts';
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';
import { bridgeWay, ethernetPort, hook, layRig, type RigOptions } from './lane-rig.ts';

const FRAME = ethernet({}, ipv4({}, udp({}, Buffer.from('made by a hook'))));
const PACKET = ethernet({}, ipv4({}, udp({}, Buffer.from('of somebody'))));
const PORTS = [0, 1, 2].map((id) => ethernetPort(id));
const OUTLETS = new Map([['ids0', 2]]);
const WAYS = [
  bridgeWay(),
  bridgeWay({ name: 'b > a', from: 'b', to: 'a', side: 'in', inPort: 1, outPort: 0, otherPort: 1, rejectPort: 1 }),
];
const TAP = bridgeWay({
  name: 'eth0 in',
  from: 'eth0',
  to: 'local',
  inPort: 1,
  outPort: -1,
  otherPort: -1,
  reject: 'count',
  rejectPort: -1,
});

/** A rig whose hook does something with the lane for each packet. */
function rigWith(t: Parameters<typeof layRig>[0], act: (lane: Lane) => void, more: RigOptions = {}) {
  let lane: Lane | null = null;
  const rig = layRig(t, {
    ports: PORTS,
    outlets: OUTLETS,
    hooks: () => [
      hook('acts', () => {
        if (lane !== null) act(lane);
        return FORWARD;
      }),
    ],
    ...more,
  });
  lane = rig.lane;
  return rig;
}

test('a frame goes out of the interface that is named, from within a packet and outside of any', async (t) => {
  const rig = rigWith(t, (lane) => assert.ok(lane.injectFrame('a', FRAME)), { ways: WAYS });
  await rig.pass(PACKET);
  assert.ok(rig.lane.injectFrame('ids0', FRAME));
  assert.deepEqual(
    rig.driver.sent.map(({ port }) => port),
    [0, 1, 2],
  );
  assert.deepEqual(rig.sent(), [FRAME, PACKET, FRAME]);
  assert.equal(rig.row(0).injected, 2);
});

test('an interface that is not there, a frame that is none, and one that is too long are refused and counted', (t) => {
  const rig = rigWith(t, () => undefined, { failingPorts: [1] });
  const { lane } = rig;
  assert.equal(lane.injectFrame('nowhere0', FRAME), false);
  assert.equal(lane.injectFrame('ids0', FRAME.subarray(0, 13)), false);
  assert.equal(lane.injectFrame('ids0', Buffer.alloc(1515)), false);
  assert.equal(lane.injectFrame('ids0', Buffer.alloc(70_000)), false);
  assert.equal(lane.injectFrame('b', FRAME), false);
  assert.deepEqual([rig.row().injected, rig.row().injectRefused], [0, 5]);
});

test('nothing is booked on a tap, no copy of its packets goes out, and a copy needs a packet', async (t) => {
  const rig = rigWith(t, (lane) => assert.equal(lane.mirror('ids0', 9999), false), { ways: [TAP, bridgeWay()] });
  await rig.pass({ port: 1, bytes: PACKET });
  assert.ok(rig.lane.injectFrame('b', FRAME));
  assert.deepEqual([rig.row(0).injectRefused, rig.row(0).sent, rig.row(1).injected], [1, 0, 1]);
  assert.throws(() => rig.lane.mirror('ids0', 9999), /mirror: there is no packet at hand/);
});

test('a copy is booked on the way of its packet, and taken back there where it was not sent after all', async (t) => {
  const rig = rigWith(t, (lane) => assert.ok(lane.mirror('ids0', 9999)), { ways: WAYS });
  await rig.pass({ port: 1, bytes: PACKET });
  assert.deepEqual([rig.row(0).injected, rig.row(1).injected], [0, 1]);
  const copies = rig.driver.sent.filter(({ port }) => port === 2);
  assert.deepEqual(copies[0]?.bytes, PACKET);
});

test('what the driver took and did not send is booked as refused, in the row that it was booked on', (t) => {
  const purposes: number[] = [];
  const rig = rigWith(t, () => undefined, { ways: WAYS });
  const transmit = rig.driver.transmit.bind(rig.driver);
  t.mock.method(rig.driver, 'transmit', (...taken: Parameters<typeof transmit> | [number, Buffer, number, number]) => {
    purposes.push(taken[3] ?? -1);
    return true;
  });
  assert.ok(rig.lane.injectFrame('ids0', FRAME));
  // A batch of the other port was under way.
  rig.lane.onSendFailed(1, purposes[0] ?? 0, FRAME.length);
  const { injected, injectRefused, sent, sentOctets } = rig.row(0);
  assert.deepEqual([injected, injectRefused, sent, sentOctets], [0, 1, 0, 0]);
  assert.equal(rig.row(1).injectRefused, 0);
});

test('a copy out of a PPPoE session says how long the datagram is', async (t) => {
  const datagram = ipv4({}, udp({}, Buffer.from('within a session')));
  const session = pppoe({}, datagram);
  // Padding behind the datagram is not copied.
  const padded = Buffer.concat([session, Buffer.alloc(20)]);
  const rig = rigWith(t, (lane) => assert.ok(lane.mirror('ids0', 9999)));
  await rig.pass(padded);
  const [copy] = rig.driver.sent.filter(({ port }) => port === 2);
  assert.deepEqual(copy?.bytes, session);
});
