/**
 * What the supervisor remembers of hooks that were taken out, and of hooks that end lanes.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LaneProgress } from '../../../src/lane/progress.ts';
import { BreakerMemory } from '../../../src/supervisor/breaker-memory.ts';
import { emptyRowOf, HOOK_COLUMNS } from '../../../src/telemetry/counters.ts';

const RULE = { faults: 3, windowSeconds: 10, retrySeconds: 30, trialPackets: 5 };
const HOOKS = [{ name: 'a' }, { name: 'b' }];
const HUNG = 'no progress for 3 s while hook b was in onPacket';
const DIED = 'it ended with exit code 1 while hook b was in a timer or a promise';

function numbers(...states: ('closed' | 'open' | 'half open')[]): LaneProgress {
  const hooks = states.map((state) => ({
    ...emptyRowOf(HOOK_COLUMNS),
    breakerOpen: state === 'open' ? 1 : 0,
    breakerHalfOpen: state === 'half open' ? 1 : 0,
  }));
  return { hooks } as unknown as LaneProgress;
}

test('a breaker that was open when its lane ended is open in the next one, until a lane has closed it', () => {
  const memory = new BreakerMemory(() => RULE);
  assert.equal(memory.laneEnded(HOOKS, numbers('closed', 'open'), null, 0), null);
  assert.deepEqual(memory.open, ['b']);
  memory.laneEnded(HOOKS, null, 'it was killed by SIGKILL', 1);
  assert.deepEqual(memory.open, ['b'], 'a lane that wrote no numbers says nothing');
  memory.laneEnded(HOOKS, numbers('closed', 'closed'), null, 2);
  assert.deepEqual(memory.open, []);
});

test('a hook in which three lanes end within a minute is taken out, whether they hung or died', () => {
  const memory = new BreakerMemory(() => RULE);
  assert.equal(memory.laneEnded(HOOKS, numbers('closed', 'closed'), HUNG, 1000), null);
  assert.equal(memory.laneEnded(HOOKS, numbers('closed', 'closed'), DIED, 5000), null);
  assert.deepEqual(memory.open, []);
  assert.equal(memory.laneEnded(HOOKS, numbers('closed', 'closed'), HUNG, 9000), 'b');
  assert.deepEqual(memory.open, ['b']);
  assert.deepEqual([memory.lanesHung, memory.lanesDead], [2, 1]);
});

test('deaths that lie further apart, in other hooks, or of nobody, take no hook out', () => {
  const memory = new BreakerMemory(() => RULE);
  for (let minute = 0; minute < 5; minute++) assert.equal(memory.laneEnded(HOOKS, null, HUNG, minute * 61_000), null);
  for (const name of ['c', 'd', 'e']) memory.laneEnded(HOOKS, null, `it died while hook ${name} was in setup`, 400_000);
  for (let count = 0; count < 5; count++) memory.laneEnded(HOOKS, null, 'it was killed by SIGKILL', 500_000);
  assert.deepEqual(memory.open, []);
});

test('a hook that ends a lane while it is tried is out again at once', () => {
  const memory = new BreakerMemory(() => RULE);
  assert.equal(memory.laneEnded(HOOKS, numbers('closed', 'half open'), DIED, 0), 'b');
  assert.deepEqual(memory.open, ['b']);
});

test('a command opens and closes', () => {
  const memory = new BreakerMemory(() => RULE);
  memory.set('a', true);
  assert.deepEqual(memory.open, ['a']);
  memory.set('a', false);
  assert.deepEqual(memory.open, []);
});

test('where hooks have no breakers none is taken out, and lanes are counted all the same', () => {
  const memory = new BreakerMemory(() => ({ ...RULE, faults: 0 }));
  for (let count = 0; count < 9; count++)
    assert.equal(memory.laneEnded(HOOKS, numbers('open', 'open'), HUNG, count), null);
  assert.deepEqual([memory.open, memory.lanesHung], [[], 9]);
});
