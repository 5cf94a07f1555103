/**
 * A sample of a daemon with something of everything: what it counts is what the reports say.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reports } from '../../../src/control/reports.ts';
import { sampleOf } from '../../../src/control/sample.ts';
import { emptyRow } from '../../../src/lane/ledger.ts';
import { wholeDaemon, wholeLane, wholeProgress } from '../../support/whole-daemon.ts';

test('a sample has the counts of the reports, and a cause for every packet that did not go on', async () => {
  const progress = wholeProgress(100, {
    ways: [
      {
        ...emptyRow(),
        received: 100,
        forwarded: 60,
        sent: 60,
        dropped: 35,
        droppedByHook: 20,
        droppedByFault: 5,
        droppedMalformed: 10,
        lost: 5,
        lostTooLong: 5,
      },
      emptyRow(),
    ],
    reasons: [{ hook: 0, text: 'tcp port 23', count: 9 }],
  });
  const hooks = progress.hooks.map((row, place) => ({ ...row, dropped: place === 0 ? 25 : 0 }));
  const reports = new Reports(wholeDaemon({ lanes: [wholeLane(0, process.pid, () => ({ ...progress, hooks }))] }));
  const stats = await reports.stats();
  const sample = sampleOf(stats, reports.hooks(), await reports.status(), 5);
  assert.equal(sample.atMs, 5);
  assert.equal(sample.addsUp, true, stats.problems.join());
  assert.equal(sample.total.received, 100);
  assert.deepEqual(
    sample.hooks.map(({ name, seen, dropped }) => [name, seen, dropped]),
    [
      ['block', 100, 25],
      ['nat', 100, 0],
      ['nat', 100, 0],
    ],
  );
  assert.deepEqual(sample.causes, [
    { cause: 'dropped: by block', count: 25 },
    { cause: 'dropped: malformed', count: 10 },
    { cause: 'lost: too long', count: 5 },
    { cause: 'lost: the lane was too slow', count: 1 },
  ]);
  assert.deepEqual(sample.reasons, [{ hook: 'block', reason: 'tcp port 23', count: 9 }]);
  assert.deepEqual(sample.flows, { now: 3, most: 100, made: 4, invalid: 0 });
  assert.doesNotThrow(() => JSON.stringify(sample));
});
