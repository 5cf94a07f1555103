/**
 * From MiB or milliseconds to slots, and back to what `firehook status` shows.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../../src/config/schema.ts';
import type { Way } from '../../../src/lane/way.ts';
import type { Link } from '../../../src/plumbing/link.ts';
import { describeRings, planRings, type RingPlan, smallerRings } from '../../../src/supervisor/ring-plan.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';

const MTU_OF: Readonly<Record<string, number>> = { lan0: 1500, wan0: 9000 };
const LINKS = Object.keys(MTU_OF).map(
  (name, i): Link => ({
    ifindex: i + 2,
    name,
    mtu: MTU_OF[name] ?? 0,
    type: 'ether',
    mac: '',
    isUp: true,
    isPromiscuous: false,
    master: '',
    kind: '',
    parent: 0,
    masterKind: '',
    xdp: 0,
  }),
);

function way(name: string, inPort: number, recvInterfaceIndex: number, sendInterfaceIndex: number): Way {
  const rest = {
    from: '',
    to: '',
    side: 'in',
    zone: 0,
    outPort: -1,
    otherPort: -1,
    direction: 1,
    unicastType: 0,
    reject: 'count',
    rejectPort: -1,
  } as const;
  return { ...rest, name, inPort, recvInterfaceIndex, sendInterfaceIndex, otherIndex: 0 };
}

const IN = way('lan0 in', 4, 2, -1);
const OUT = way('wan0 out', 5, 0, 3);

function plan(ring: Config['ring'], speed = 10_000, groups: readonly number[] = []): [RingPlan, RingPlan, string] {
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', write: (line) => lines.push(line) });
  const [one, two] = planRings(ring, [IN, OUT], groups, LINKS, log, () => speed);
  assert.ok(one !== undefined && two !== undefined);
  return [one, two, lines.join('')];
}

test('without a size a ring has 32 MiB, and what that is worth goes by the MTU of the port', () => {
  const [one, two] = plan({});
  assert.deepEqual([one.port, one.slots, one.fanoutGroup], [4, 16_384, -1]);
  assert.deepEqual(describeRings([one, two], [one, two]), [
    // 10^7 bits a ms over (1500 + 38) x 8 = 12,304 bits a frame: 812.7 frames a ms.
    { way: 'lan0 in', mib: 32, slots: 16_384, lineRate: 10_000, ms: 20.2 },
    // A port that is left: its own MTU and speed. 9,038 octets a frame: 138.3 frames a ms.
    { way: 'wan0 out', mib: 32, slots: 16_384, lineRate: 10_000, ms: 118.5 },
  ]);
});

test('a size in MiB is that many, and each way gets its fanout group', () => {
  const [one, two] = plan({ mib: 5 }, 10_000, [7, 65_535]);
  assert.deepEqual([one.slots, one.fanoutGroup, two.slots, two.fanoutGroup], [2560, 7, 2560, 65_535]);
});

test('a size in milliseconds is as many full frames as arrive in them, in whole blocks of 128 slots', () => {
  // 20 x 812.74 = 16,255 frames, 127 blocks; 20 x 138.3 = 2,767 frames, 22 blocks.
  const [one, two, log] = plan({ ms: 20 });
  assert.deepEqual([one.slots, two.slots], [127 * 128, 22 * 128]);
  assert.equal(log, '');
  assert.equal(plan({ ms: 20 }, 25_000)[0].slots, 318 * 128);
});

test('a port without a speed counts as 10 Gbit/s, and the log says so', () => {
  for (const speed of [Number.NaN, -1, 0]) {
    const [one, , log] = plan({ ms: 20 }, speed);
    assert.deepEqual([one.slots, one.lineRate], [127 * 128, 10_000]);
    assert.match(log, /lan0: it has no speed; 10 Gbit\/s is taken/);
  }
});

test('a size in milliseconds stays between 1 MiB and 1024 MiB, and the log says what was cut', () => {
  const [small, , quiet] = plan({ ms: 1 }, 10);
  assert.deepEqual([small.slots, quiet], [512, '']);
  const [large, , log] = plan({ ms: 10_000 }, 100_000);
  assert.equal(large.slots, 524_288);
  assert.match(log, /lan0 in: ring\.ms: 10000 needs more than the largest ring; it is 1024 MiB \(64\.5 ms at 100 Gbit/);
});

test('a ring that came out smaller is told with both sizes, one as planned is not', () => {
  const [one, two] = plan({});
  const got = [
    { port: one.port, slots: 4096 },
    { port: two.port, slots: 16_384 },
  ];
  const [sentence = '', ...others] = smallerRings([one, two], got);
  assert.equal(others.length, 0);
  assert.match(
    sentence,
    /^lan0 in: .* a ring of 32 MiB \(20\.2 ms at 10 Gbit\/s\); it is 8 MiB \(5 ms at 10 Gbit\/s\)\./,
  );
});
