/**
 * A lab with hooks that answer, reset and follow flows.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DROP, defineHook, FORWARD, REPLY, RESET } from '../../../src/index.ts';
import {
  ACK,
  assertDropped,
  assertForwarded,
  assertNoAllocation,
  assertRejected,
  assertReplied,
  assertReset,
  fields,
  ipv4,
  ipv6,
  openLab,
  SYN,
  tcp,
  udp,
} from '../../../src/testing/index.ts';

const answers = defineHook({
  name: 'answers',
  onPacket(packet) {
    if (packet.destinationPort === 53) {
      packet.ip.swap();
      return REPLY;
    }
    return packet.destinationPort === 23 ? RESET : FORWARD;
  },
});

for (const attach of ['bridge', 'host'] as const) {
  test(`a reply and a reset go back, at a ${attach}`, async (t) => {
    const lab = await openLab(answers, { attach });
    t.after(() => lab.close());
    const query = ipv4({}, udp({ destinationPort: 53 }, 'question'));
    assertReplied(
      await lab.send(query),
      'answers',
      fields({ source: '198.51.100.2', destination: '192.0.2.1', text: 'question' }),
    );
    const segment = tcp({ destinationPort: 23, flags: ACK }, 'data');
    for (const datagram of [ipv4({}, segment), ipv6({}, segment)]) {
      const outcome = await lab.send(datagram);
      assertReset(outcome, 'answers');
      assert.equal(outcome.out.length, 1);
    }
    assertReset(await lab.send(ipv4({}, tcp({ destinationPort: 23, flags: SYN }))));
    assertRejected(await lab.send(ipv4({}, udp({ destinationPort: 23 }))), 'answers');
    assert.equal(lab.counters('answers').replied, 1);
  });
}

test('flows start, are told of their side, and end when their time is over', async (t) => {
  const seen: string[] = [];
  const follows = defineHook({
    name: 'follows',
    flows: true,
    onFlow(_packet, { side, from }) {
      seen.push(`${from} ${side}`);
      return side === 'in' ? DROP : FORWARD;
    },
    onFlowEnd: () => void seen.push('end'),
  });
  const lab = await openLab(follows, { flows: { timeouts: { udpNewMs: 1000 } } });
  t.after(() => lab.close());
  const out = ipv4({}, udp());
  assertForwarded(await lab.send(out));
  assertForwarded(
    await lab.send(
      ipv4({ source: '198.51.100.2', destination: '192.0.2.1' }, udp({ sourcePort: 53, destinationPort: 49152 })),
      { from: 'b' },
    ),
  );
  assertDropped(await lab.send(ipv4({ source: '203.0.113.9' }, udp()), { from: 'b' }), 'follows');
  assert.deepEqual(seen, ['a out', 'b in']);
  await lab.tick(200_000);
  assert.ok(seen.includes('end'));
  assertForwarded(await lab.send(out));
  assert.equal(seen.at(-1), 'a out');
});

test('flows and verdicts leave no garbage', async (t) => {
  const follows = defineHook({
    name: 'follows',
    flows: true,
    onPacket: ({ flow }) => (flow === null ? DROP : FORWARD),
  });
  const lab = await openLab([answers, follows]);
  t.after(() => lab.close());
  assertNoAllocation(lab, [ipv4({}, tcp({ destinationPort: 23, flags: ACK })), ipv6({}, udp({ destinationPort: 99 }))]);
});

test('timers of a hook run when time passes, and what they do wrong is its fault', async (t) => {
  const beats = defineHook({
    name: 'beats',
    setup(_, { after, every, send }) {
      let count = 0;
      every(1000, () => {
        count += 1;
        send(ipv4({ id: count }, udp({}, 'beat')));
      });
      after(2500, () => {
        throw new Error('no more');
      });
      return { onPacket: () => FORWARD };
    },
  });
  const lab = await openLab(beats, { attach: 'host' });
  t.after(() => lab.close());
  assert.deepEqual((await lab.send(ipv4({}, udp()))).sent, []);
  const { sent, faults } = await lab.tick(3000);
  assert.deepEqual(
    sent,
    [1, 2, 3].map((id) => ipv4({ id }, udp({}, 'beat'))),
  );
  assert.equal(faults.length, 1);
  assert.equal(lab.counters('beats').faults, 1);
  lab.expectFaults(/^beats: threw in a timer: no more/);
  assert.equal((await lab.tick(3_600_000)).sent.length, 3600);
});
