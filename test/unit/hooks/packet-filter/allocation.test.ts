/**
 * Thousands of rules leave nothing on the heap: through a lane, over packets of all kinds, by each way of finding a rule.
 *
 * Rule: measured as in `../allocation.test.ts`, on the heap and without a clock.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DROP, FORWARD } from '../../../../src/firewall/constants.ts';
import { Pool } from '../../../../src/firewall/pool.ts';
import { HookChain } from '../../../../src/hook/hook-chain.ts';
import { Random } from '../../../chaos/random.ts';
import { frameOf } from '../../../support/frame-of.ts';
import { heapGrowth, SMALLEST_LEAK } from '../../../support/heap-growth.ts';
import { ethernet } from '../../../support/packet-builder.ts';
import { datagramOf, randomPacket, randomRule, ruleText } from '../../../support/rule-sets.ts';
import { hook, quietLane } from '../../lane/lane-rig.ts';
import { compile } from './rule-rig.ts';

const random = new Random(31);

/** Rules that few packets match, so that many are looked at. */
const NARROW = Array.from({ length: 60_000 }, () => randomRule(random, { ways: true }))
  .filter(({ from, to }) => from?.not === false && to?.not === false)
  .slice(0, 5_000)
  .map((rule) => ruleText({ ...rule, count: `c${random.below(50)}` }));

/** Vectors that are full, so that they are gone through word by word. */
const FULL = Array.from({ length: 3_000 }, (_, index) => {
  const first = (index * 17) % 30_000;
  return `drop udp from port ${first}-${first + 35_000} to port ${index % 500}-${40_000 + (index % 9_000)} fragment first`;
});

for (const [what, lines] of [
  ['narrow rules', NARROW],
  ['full vectors', FULL],
] as const) {
  test(`${lines.length} ${what} leave nothing on the heap`, () => {
    const filter = compile(lines.join('\n'));
    const chain = new HookChain({
      hooks: [hook('packet-filter', (packet, context) => (filter.judge(packet, context) === FORWARD ? FORWARD : DROP))],
      onHookError: 'drop',
      pool: new Pool(1 << 20),
      onFault: (_hook, reason) => assert.fail(reason),
    });
    const lane = quietLane(chain);
    const frames = Array.from({ length: 64 }, () => ethernet({ padTo: 60 }, datagramOf(randomPacket(random))));
    const shared = Buffer.alloc(2048);
    const handed = frameOf(shared);
    const grown = heapGrowth((packets) => {
      for (let index = 0; index < packets; index++) {
        const frame = frames[index & 63] as Buffer;
        shared.set(frame);
        handed.length = frame.length;
        handed.originalLength = frame.length;
        lane.onFrame(handed);
      }
    });
    assert.ok(grown < SMALLEST_LEAK, `${grown} octets a packet`);
    assert.ok((chain.counters[0] ?? 0) > 0, 'the hook saw packets');
  });
}
