/**
 * The clock of a file: what waits is called between two packets, at its time, and never without end.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileClock } from '../../../src/lane/hook-clock.ts';

const MILLISECOND = 1_000_000n;

test('what waits is called before the first packet that is not earlier, in order, each at its own time', () => {
  const clock = new FileClock();
  const called: [string, bigint][] = [];
  const after = (ms: bigint, name: string) => clock.schedule(ms * MILLISECOND, () => called.push([name, clock.now()]));
  after(20n, 'late');
  after(10n, 'early');
  after(15n, 'never').cancel();
  clock.advance(100, 0);
  assert.deepEqual(called, [], 'what was scheduled before the first packet counts from it');
  clock.advance(100, 10_000_000);
  assert.deepEqual(called, [['early', 100_010_000_000n]]);
  clock.advance(101, 0);
  assert.deepEqual(called.at(-1), ['late', 100_020_000_000n]);
  assert.deepEqual([clock.now(), clock.elapsed()], [101_000_000_000n, 1_000_000_000n]);
  clock.advance(5, 0);
  assert.equal(clock.now(), 101_000_000_000n, 'a file that goes back does not turn it back');
});

test('a gap of years is passed in one step, with one call of what comes again and again', () => {
  const clock = new FileClock();
  let calls = 0;
  const again = (): void => {
    calls += 1;
    clock.schedule(MILLISECOND, again);
  };
  clock.advance(1, 0);
  again();
  clock.advance(1_767_225_600, 0);
  assert.equal(calls, 2);
  clock.advance(1_767_225_600, 3_000_000);
  assert.equal(calls, 5);
});
