/**
 * The clock of a lab: what waits on it is called at its moment, however far a step goes.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabClock } from '../../../src/testing/lab-clock.ts';

const HOUR = 3_600_000_000_000n;
const START_MS = 1_800_000_000_000;

test('a timer that sets itself again is called every time, also in a step of many hours', () => {
  const clock = new LabClock(START_MS);
  const calls: number[] = [];
  const again = (): void => {
    calls.push(clock.ms - START_MS);
    clock.schedule(HOUR / 4n, again);
  };
  clock.schedule(HOUR / 4n, again);
  clock.advance(5n * HOUR);
  assert.deepEqual(
    calls,
    Array.from({ length: 20 }, (_, index) => (index + 1) * 900_000),
  );
  assert.equal(clock.ms, START_MS + 5 * 3_600_000);
});

test('timers are called in order, one that is cancelled not at all, and one that is due at the end is', () => {
  const clock = new LabClock(START_MS);
  const calls: string[] = [];
  clock.schedule(20n, () => calls.push('late'));
  const cancelled = clock.schedule(15n, () => calls.push('never'));
  clock.schedule(10n, () => {
    calls.push('early');
    cancelled.cancel();
  });
  clock.schedule(21n, () => calls.push('after'));
  clock.advance(20n);
  assert.deepEqual(calls, ['early', 'late']);
  assert.deepEqual(clock.frameTime, { seconds: START_MS / 1000, nanoseconds: 20 });
});

test('what a callback throws comes through, and the clock stands where it was', () => {
  const clock = new LabClock(START_MS);
  clock.schedule(5n * 1_000_000n, () => {
    throw new Error('no');
  });
  assert.throws(() => clock.advance(HOUR), /no/);
  assert.equal(clock.ms, START_MS + 5);
  clock.advance(1_000_000n);
  assert.equal(clock.ms, START_MS + 6);
});
