/**
 * Timers of hooks on both clocks: when they run, in which order, and whose fault it is when they fail.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { FileClock, LiveClock } from '../../../src/lane/hook-clock.ts';
import { HookTimers } from '../../../src/lane/hook-timers.ts';
import { waitFor } from '../../support/wait-for.ts';

function onFile(): { timers: HookTimers; faults: unknown[]; at: (seconds: number, nanoseconds?: number) => void } {
  const clock = new FileClock();
  const faults: unknown[] = [];
  const timers = new HookTimers({ clock, owner: 0, onFault: (error) => faults.push(error) });
  return { timers, faults, at: (seconds, nanoseconds = 0) => clock.advance(seconds, nanoseconds) };
}

describe('on the clock of a file', () => {
  test('they run before the first packet that is not earlier, in order', () => {
    const { timers, at } = onFile();
    const ran: string[] = [];
    at(1000);
    timers.after(2000, () => void ran.push('2 s'));
    timers.after(0.5, () => void ran.push('half a millisecond'));
    timers.every(1000, () => void ran.push('every'));
    at(1000, 499_999);
    assert.deepEqual(ran, []);
    at(1000, 500_000);
    assert.deepEqual(ran, ['half a millisecond']);
    at(1002);
    assert.deepEqual(ran, ['half a millisecond', 'every', '2 s', 'every']);
  });

  test('one that is cancelled, by itself too, does not run again', () => {
    const { timers, at } = onFile();
    let runs = 0;
    at(1);
    const cancelled = timers.after(10, () => assert.fail('was cancelled'));
    const repeated = timers.every(10, () => {
      runs += 1;
      if (runs === 3) timers.cancel(repeated);
    });
    timers.cancel(cancelled);
    timers.cancel(cancelled);
    at(2);
    assert.equal(runs, 3);
  });

  test('what fails is told, and the next one runs; after stop none does', async () => {
    const { timers, faults, at } = onFile();
    let runs = 0;
    at(1);
    timers.after(1, () => {
      throw new Error('thrown');
    });
    timers.after(2, () => Promise.reject(new Error('rejected')));
    timers.every(3, () => {
      runs += 1;
      throw new Error('again');
    });
    at(1, 7_000_000);
    await wait(0);
    assert.deepEqual(
      faults.map((error) => (error as Error).message),
      ['thrown', 'again', 'again', 'rejected'],
    );
    assert.equal(runs, 2);
    timers.stop();
    timers.after(1, () => assert.fail('after stop'));
    at(9);
    assert.equal(runs, 2);
  });

  test('times that are none, and too many, are refused', () => {
    const { timers, at } = onFile();
    at(1);
    for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY, 'soon' as never])
      assert.throws(() => timers.after(ms, () => undefined), RangeError);
    assert.throws(() => timers.every(0.5, () => undefined), RangeError);
    for (let count = 0; count < 10_000; count++) timers.after(1, () => undefined);
    assert.throws(() => timers.after(1, () => undefined), /10000 timers at most/);
  });
});

test('on the clock of a live lane they run by themselves', async () => {
  const timers = new HookTimers({ clock: new LiveClock(), owner: 0, onFault: (error) => assert.fail(String(error)) });
  const ran: number[] = [];
  timers.after(1, () => void ran.push(1));
  timers.every(1, () => void ran.push(2));
  await waitFor(() => ran.includes(1) && ran.length > 3, { what: 'timers' });
  timers.stop();
});
