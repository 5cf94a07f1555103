/**
 * The time of hooks: which calls are measured, where they are counted, and what is told of them.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DROP, FORWARD } from '../../../src/firewall/constants.ts';
import { CallTimes } from '../../../src/hook/call-times.ts';
import {
  addTimes,
  callsOf,
  NO_TIMES,
  SAMPLED_EVERY,
  summaryOf,
  TIME_BUCKETS,
  TIME_SUM,
  TIME_WIDTH,
} from '../../../src/telemetry/hook-times.ts';
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';
import { hook, layRig } from '../lane/lane-rig.ts';

const FRAME = ethernet({}, ipv4({}, udp()));
const MANY = 200 * SAMPLED_EVERY;

function rowOf(times: CallTimes, hookIndex: number): number[] {
  return Array.from(times.numbers.subarray(hookIndex * TIME_WIDTH, (hookIndex + 1) * TIME_WIDTH));
}

describe('which calls are measured', () => {
  test('is one packet in so many on average, at distances that differ, each hook in its turn', () => {
    const times = new CallTimes(3);
    const turns = [0, 0, 0];
    const distances = new Set<number>();
    let sum = 0;
    for (let count = 0; count < 30_000; count++) {
      const place = times.next(3);
      turns[place] = (turns[place] ?? 0) + 1;
      assert.ok(times.left >= 1 && times.left <= 2 * SAMPLED_EVERY);
      distances.add(times.left);
      sum += times.left;
    }
    assert.deepEqual(turns, [10_000, 10_000, 10_000]);
    assert.equal(distances.size, 2 * SAMPLED_EVERY);
    assert.ok(Math.abs(sum / 30_000 - SAMPLED_EVERY) < SAMPLED_EVERY / 20, `${sum / 30_000}`);
  });

  test('are of hooks that are called, and of no others', async (t) => {
    const { chain, pass } = layRig(t, {
      hooks: () => [hook('first', () => FORWARD), hook('drops', () => DROP), hook('never', () => FORWARD)],
    });
    await pass(...Array<Buffer>(MANY).fill(FRAME));
    const calls = [0, 1, 2].map((index) => callsOf(rowOf(chain.times, index)));
    assert.ok((calls[0] ?? 0) > 20 && (calls[1] ?? 0) > 20, `${calls}`);
    assert.equal(calls[2], 0);
    assert.ok(rowOf(chain.times, 0)[TIME_SUM] !== 0);
  });

  test('are counted where a hook throws, too', async (t) => {
    const { chain, pass } = layRig(t, {
      hooks: () => [
        hook('throws', () => {
          throw new Error('no');
        }),
      ],
    });
    await pass(...Array<Buffer>(MANY).fill(FRAME));
    assert.ok(callsOf(rowOf(chain.times, 0)) > 50);
  });

  test('are none where there is no hook', async (t) => {
    const { chain, pass } = layRig(t, { hooks: () => [] });
    await pass(...Array<Buffer>(MANY).fill(FRAME));
    assert.equal(chain.times.numbers.length, 0);
  });
});

describe('a time', () => {
  test('is counted in the first bucket that it is within, and in the sum', (t) => {
    let nowMs = 0;
    t.mock.method(performance, 'now', () => nowMs);
    for (const [column, { nanoseconds }] of TIME_BUCKETS.entries()) {
      const times = new CallTimes(2);
      times.begin();
      nowMs += nanoseconds / 1e6 - 1e-7;
      times.end(1);
      times.begin();
      nowMs += nanoseconds / 1e6 + 1e-4;
      times.end(1);
      const row = rowOf(times, 1);
      assert.deepEqual([row[column], row[column + 1], callsOf(row)], [1, 1, 2], `${nanoseconds}`);
      assert.ok(Math.abs((row[TIME_SUM] ?? 0) - 2 * nanoseconds) < 200);
      assert.equal(callsOf(rowOf(times, 0)), 0);
    }
  });
});

describe('what is told of a row', () => {
  const row = (counts: Readonly<Record<number, number>>, sum: number): number[] =>
    NO_TIMES.map((_, column) => (column === TIME_SUM ? sum : (counts[column] ?? 0)));

  test('is nothing where nothing was measured', () => {
    assert.equal(summaryOf(NO_TIMES), null);
    assert.equal(summaryOf([]), null);
  });

  test('is the mean, and the bounds that half and 99 of 100 are within', () => {
    assert.deepEqual(summaryOf(row({ 0: 98, 2: 1, 4: 1 }, 100_000)), {
      calls: 100,
      mean: 1000,
      p50: 1_000,
      p99: 5_000,
    });
    assert.deepEqual(summaryOf(row({ 12: 1 }, 5e8)), { calls: 1, mean: 5e8, p50: null, p99: null });
  });

  test('of two lanes is the sum of both', () => {
    assert.deepEqual(addTimes(row({ 0: 1, 3: 2 }, 7), row({ 3: 5, 12: 1 }, 8)), row({ 0: 1, 3: 7, 12: 1 }, 15));
  });
});

test('the bounds are those that are written', () => {
  assert.equal(TIME_BUCKETS.length, 12);
  for (const { le, nanoseconds } of TIME_BUCKETS) assert.ok(Math.abs(Number(le) * 1e9 - nanoseconds) < 1e-3, le);
  assert.deepEqual(
    TIME_BUCKETS.map(({ nanoseconds }) => nanoseconds),
    [...TIME_BUCKETS].map(({ nanoseconds }) => nanoseconds).sort((a, b) => a - b),
  );
});
