/**
 * What the bench makes of its numbers: medians, differences within a round, targets, and the file in between.
 *
 * Rule: invented numbers; nothing is measured here.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { addedRoundTrip, furtherHook } from '../../bench/derive.ts';
import { median } from '../../bench/measure.ts';
import { readResults, writeResults } from '../../bench/results.ts';
import { ratio, type Series } from '../../bench/rounds.ts';
import { outcomes } from '../../bench/targets.ts';

const OURS = 'firehook afpacket, 1 hook';

function series(metric: string, unit: string, values: Series['values']): Series {
  return { metric, unit, attach: 'bridge', values, references: ['C afpacket'] };
}

function reached(one: Series, what: string): boolean | null | undefined {
  return outcomes([one]).find((outcome) => outcome.what === what)?.isReached;
}

test('a turn that gave no number does not move the median', () => {
  assert.equal(median([3, Number.NaN, 1, 2]), 2);
  assert.equal(median([Number.NaN, 4, 2]), 3);
  assert.ok(Number.isNaN(median([Number.NaN])));
});

test('a ratio is the median of the ratios of the rounds', () => {
  const one = series('64-byte frames', 'kpps', { [OURS]: [100, 300, 30], 'C afpacket': [100, 100, 10] });
  assert.equal(ratio(one, OURS, 'C afpacket'), 3);
});

test('a further hook costs the difference of CPU times over the hooks in between', () => {
  const found = furtherHook(
    series('CPU a packet at 100 kpps, by hooks', 'us', {
      'firehook pcap, 0 hooks': [1],
      'firehook pcap, 1 hook': [2, 4],
      'firehook pcap, 5 hooks': [2.1, 4.1],
      'firehook pcap, 20 hooks': [2.4, 4.4],
    }),
  );
  assert.equal(found.metric, 'each further hook, from CPU a packet at 100 kpps');
  assert.equal(found.unit, 'ns');
  assert.deepEqual(
    Object.entries(found.values).map(([name, turns]) => [name, Math.round(median(turns))]),
    [
      ['firehook pcap, 1 to 5 hooks', 25],
      ['firehook pcap, 5 to 20 hooks', 20],
    ],
  );
});

test('a further hook costs the difference of the times a packet takes under flood', () => {
  const found = furtherHook(
    series('64-byte frames, by hooks', 'kpps', {
      'firehook afpacket, 1 hook': [1000],
      'firehook afpacket, 5 hooks': [500],
    }),
  );
  assert.equal(found.values['firehook afpacket, 1 to 5 hooks']?.[0], 250);
});

test('an added round trip is what lies beyond the kernel alone in the same round', () => {
  const one = series('round trip idle, p50', 'us', { [OURS]: [50, 90], 'kernel bridge': [20, 30] });
  assert.deepEqual(addedRoundTrip(one)?.values, { [OURS]: [30, 60] });
  assert.equal(addedRoundTrip(series('round trip idle, p50', 'us', { [OURS]: [50] })), null);
});

test('a target that was not measured is neither reached nor missed', () => {
  for (const outcome of outcomes([])) assert.equal(outcome.isReached, null, outcome.what);
});

test('a target is reached on its side of the bound only', () => {
  const cpu = (ours: number): Series => series('CPU a packet at 100 kpps', 'us', { [OURS]: [ours], 'C afpacket': [1] });
  const what = 'CPU a packet at the fixed rate, 64 bytes, against C';
  assert.equal(reached(cpu(1.1), what), true);
  assert.equal(reached(cpu(1.11), what), false);
  const kpps = (ours: number): Series =>
    series('64-byte frames', 'kpps', { [OURS]: [ours], 'daqtest afpacket': [100] });
  assert.equal(reached(kpps(115), 'the same, against libdaq'), true);
  assert.equal(reached(kpps(114), 'the same, against libdaq'), false);
});

test('the longest pause counts when it was looked for during a minute or more', () => {
  const what = 'longest round trip at 50 kpps, over a minute';
  const pause = (seconds: number): Series =>
    series(`longest round trip, ${seconds} s under 50 kpps`, 'ms', { [OURS]: [9] });
  assert.equal(reached(pause(3), what), null);
  assert.equal(reached(pause(60), what), true);
  assert.equal(reached(pause(120), what), true);
});

test('what could not be measured is still missing after the file', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'bench.json');
  const one = series('64-byte frames', 'kpps', { [OURS]: [1, Number.NaN, 2] });
  writeResults(file, { machine: {}, peers: [], settings: {}, minutes: 1, warnings: [], series: [one] });
  assert.deepEqual(readResults(file).series, [one]);
});
