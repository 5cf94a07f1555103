/**
 * A chaos run is judged by what was promised, and its table has every figure once.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokenPromises, PROMISED_MS, rowsOf, table } from '../../chaos/report.ts';
import type { Run, Step } from '../../chaos/run.ts';

function step(names: readonly string[], figures: Partial<Step> = {}): Step {
  return {
    names,
    fromMs: 0,
    recoveryMs: 0,
    ailment: null,
    stood: null,
    isStatusWrong: false,
    unhooked: 0,
    duplicates: 0,
    unhookedOn: [],
    ...figures,
  };
}

function run(onDown: 'drop' | 'forward', steps: readonly Step[], rest: Partial<Run> = {}): Run {
  const options = { attach: 'host', driver: 'pcap', onDown, seed: 1, seconds: 1 } as const;
  return { options, steps, ownEnds: [], atTheEnd: [], sent: 0, ...rest };
}

test('one packet that passes unhooked breaks the promise of onDown: drop, and not that of forward', () => {
  const steps = [step(['a'], { unhooked: 1, unhookedOn: ['x to y'] })];
  assert.deepEqual(brokenPromises(run('drop', steps)), ['a: 1 packets unhooked (x to y)']);
  assert.deepEqual(brokenPromises(run('forward', steps)), []);
});

test('traffic that is away for too long breaks the promise of onDown: forward, and not that of drop', () => {
  const steps = [step(['a'], { recoveryMs: PROMISED_MS }), step(['b'], { recoveryMs: PROMISED_MS + 1 })];
  assert.deepEqual(brokenPromises(run('forward', steps)), ['b: traffic away for 1501 ms']);
  assert.deepEqual(brokenPromises(run('drop', steps)), []);
});

test('a packet that comes twice, a daemon that ends, and what is left behind break a promise in either case', () => {
  for (const onDown of ['drop', 'forward'] as const) {
    const found = run(
      onDown,
      [step(['a'], { duplicates: 2 }), step(['b'], { ailment: 'no traffic', isStatusWrong: true })],
      {
        ownEnds: [{ during: 'c', how: 'SIGSEGV', log: '' }],
        atTheEnd: ['left behind: fh2i0'],
      },
    );
    assert.deepEqual(brokenPromises(found), [
      'a: 2 packets twice',
      'b: packets pass unhooked, and the status says that the hooks are in force',
      'b: not well again in time: no traffic',
      'c: the daemon ended by itself: SIGSEGV',
      'left behind: fh2i0',
    ]);
  }
});

test('two disturbances at a time count in the row of each and once in the sum', () => {
  const found = run('drop', [
    step(['a'], { recoveryMs: 100 }),
    step(['b', 'a'], { recoveryMs: 300, unhooked: 5, duplicates: 1, ailment: 'x' }),
  ]);
  assert.deepEqual(rowsOf(found), [
    { disturbance: 'a', times: 2, unhooked: 5, duplicates: 1, medianMs: 200, maxMs: 300, notWell: 1 },
    { disturbance: 'b', times: 1, unhooked: 5, duplicates: 1, medianMs: 300, maxMs: 300, notWell: 1 },
    { disturbance: 'all', times: 2, unhooked: 5, duplicates: 1, medianMs: 200, maxMs: 300, notWell: 1 },
  ]);
  assert.match(table(found), /^a +2 +5 +1 +200 +300 +1$/m);
});
