/**
 * The figures of the chaos test are those of the packets: here for streams whose fate is known.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countLost, findOutages, longestOutageMs, type Sent } from '../../chaos/outages.ts';
import { Random } from '../../chaos/random.ts';

/** One datagram every 10 ms from 1000 ms on; the numbers in `lost` do not arrive. */
function stream(count: number, lost: readonly number[]): Sent {
  return {
    sentAtMs: Array.from({ length: count }, (_, number) => 1000 + 10 * number),
    hasArrived: (number) => !lost.includes(number),
  };
}

function range(from: number, until: number): number[] {
  return Array.from({ length: until - from }, (_, i) => from + i);
}

test('a stream of which all arrives was never away', () => {
  assert.deepEqual(findOutages(stream(100, []), 0, 9000), []);
  assert.equal(longestOutageMs([stream(100, [])], 0, 9000), 0);
  assert.equal(longestOutageMs([], 0, 9000), 0);
});

test('an outage lasts from the first datagram lost until the next that arrives', () => {
  assert.deepEqual(findOutages(stream(100, range(10, 20)), 0, 9000), [{ fromMs: 1100, untilMs: 1200 }]);
});

test('a stream that arrives in between for less than 200 ms was not back', () => {
  const flickering = [...range(10, 20), ...range(30, 40)];
  assert.deepEqual(findOutages(stream(100, flickering), 0, 9000), [{ fromMs: 1100, untilMs: 1400 }]);
  const twice = [...range(10, 20), ...range(40, 50)];
  assert.deepEqual(findOutages(stream(100, twice), 0, 9000), [
    { fromMs: 1100, untilMs: 1200 },
    { fromMs: 1400, untilMs: 1500 },
  ]);
});

test('every second datagram lost is one outage, not many short ones', () => {
  const half = range(0, 100).filter((number) => number % 2 === 1);
  assert.equal(longestOutageMs([stream(100, half)], 0, 2000), 990);
});

test('what was sent before or after the asked time does not count', () => {
  const flow = stream(100, range(0, 100));
  assert.deepEqual(findOutages(flow, 1200, 1300), [{ fromMs: 1200, untilMs: 1300 }]);
  assert.equal(countLost(flow, 1200, 1300), 10);
});

test('of several streams the one that was away longest counts', () => {
  assert.equal(longestOutageMs([stream(100, range(10, 20)), stream(100, range(50, 80))], 0, 9000), 300);
});

test('a seed gives the same choices again, and another seed others', () => {
  const draw = (seed: number) => {
    const random = new Random(seed);
    return [random.shuffle(range(0, 30)), random.pick(['a', 'b', 'c']), random.below(1000)];
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
  assert.deepEqual(
    (draw(0)[0] as number[]).toSorted((a, b) => a - b),
    range(0, 30),
  );
});
