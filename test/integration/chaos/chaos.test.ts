/**
 * What happens under traffic while things go wrong around firehookd: a short run of `npm run chaos` for each pair of attach
 * and `onDown`.
 *
 * The seed is printed; `CHAOS_SEED=n` repeats the order, and `npm run chaos` with the same seed goes on from there. How long
 * traffic was away is printed and not judged here: a test machine is shared.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeStep } from '../../chaos/report.ts';
import { runChaos } from '../../chaos/run.ts';
import { rootOnly } from '../../support/netns.ts';

const { CHAOS_SEED } = process.env;
const SEED = Number(CHAOS_SEED ?? Date.now() % 1_000_000);
const SECONDS = 15;
/** More than a start of firehookd takes on a busy machine. */
const WELL_AGAIN_MS = 30_000;

const RUNS = [
  { attach: 'bridge', onDown: 'drop', driver: 'afpacket' },
  { attach: 'host', onDown: 'drop', driver: 'pcap' },
  { attach: 'bridge', onDown: 'forward', driver: 'pcap' },
  { attach: 'host', onDown: 'forward', driver: 'afpacket' },
] as const;

for (const [index, options] of RUNS.entries()) {
  const { attach, onDown, driver } = options;
  const promise = onDown === 'drop' ? 'no packet passes unhooked, none comes twice' : 'no packet comes twice';
  test(`whatever goes wrong around ${attach} with ${driver} and onDown: ${onDown}, ${promise}, and traffic comes back`, {
    skip: rootOnly('unshare', 'nsenter', 'prlimit', 'mkfifo'),
  }, async (t) => {
    const seed = SEED + index;
    t.diagnostic(`seed ${seed}`);
    const run = await runChaos({
      ...options,
      seed,
      seconds: SECONDS,
      wellAgainMs: WELL_AGAIN_MS,
      endsWhenNotWell: true,
      onStep: (step) => t.diagnostic(describeStep(step)),
    });
    const hurt = run.steps.filter(
      ({ unhooked, duplicates, ailment, isStatusWrong }) =>
        (onDown === 'drop' && unhooked > 0) || duplicates > 0 || ailment !== null || isStatusWrong,
    );
    const log = run.ownEnds.map(({ log }) => log).join('\n');
    assert.deepEqual(hurt.map(describeStep), [], `seed ${seed}`);
    assert.deepEqual(
      run.ownEnds.map(({ during, how }) => `${during}: ${how}`),
      [],
      `seed ${seed}\n${log}`,
    );
    assert.deepEqual(run.atTheEnd, [], `seed ${seed}`);
  });
}
