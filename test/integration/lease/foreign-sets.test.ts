/**
 * Another program loads a block list of a million addresses into nf_tables: the lease is held, and a renewal costs the same.
 *
 * Rule: what a renewal costs is printed, not asserted. It is the processor time of the thread that renews, as the kernel
 * counts it, so what else runs on the machine is not in it.
 *
 * @see proc(5), `/proc/PID/task/TID/schedstat`: nanoseconds on a processor
 * @module
 */

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { PATIENCE_MS, readStatus, stockHook } from '../../support/live.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';
import { SteadyTraffic } from './steady.ts';

const FILL_SET = fileURLToPath(new URL('fill-set.py', import.meta.url));
const ELEMENTS = 1_000_000;
const IN_A_TRANSACTION = 20_000;
/** Renewals that are measured, five in a second. */
const MEASURED = 20;

/** Processor time of the thread that renews, in microseconds. */
async function leaseThreadUs(daemon: Daemon): Promise<number> {
  const tasks = `/proc/${daemon.pid}/task`;
  for (const task of await readdir(tasks)) {
    if ((await readFile(`${tasks}/${task}/comm`, 'utf8')).trim() !== 'firehook-lease') continue;
    return Number((await readFile(`${tasks}/${task}/schedstat`, 'utf8')).split(' ')[0]) / 1000;
  }
  throw new Error('no thread renews');
}

/** Prints what a renewal costs now. */
async function measure(t: TestContext, daemon: Daemon, when: string): Promise<void> {
  const before = (await readStatus(daemon)).leaseHistory.renewals;
  const beforeUs = await leaseThreadUs(daemon);
  const renewals = await waitFor(
    async () => {
      const count = (await readStatus(daemon)).leaseHistory.renewals - before;
      return count >= MEASURED && count;
    },
    { what: 'renewals', timeoutMs: PATIENCE_MS },
  );
  const us = (await leaseThreadUs(daemon)) - beforeUs;
  t.diagnostic(`${when}: ${(us / renewals).toFixed()} microseconds of processor time a renewal, over ${renewals}`);
}

test('the lease is held while a set of a million addresses is loaded, and beside it', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startDaemon(
    ns.fw,
    {
      attach: [{ bridge: ['lan0', 'wan0'] }],
      driver: 'afpacket',
      hooks: [stockHook('pass-all')],
      policy: { onDown: 'drop' },
    },
    { timeoutMs: PATIENCE_MS },
  );
  await measure(t, daemon, 'alone');
  const traffic = await SteadyTraffic.start(daemon, ns.client, '10.77.0.2');
  const loaded = await ns.fw.output('python3', [FILL_SET, `${ELEMENTS}`, `${IN_A_TRANSACTION}`], {
    timeoutMs: 120_000,
  });
  assert.match(loaded, new RegExp(`^${ELEMENTS} elements`));
  await measure(t, daemon, `beside ${ELEMENTS} elements`);
  const { leaseHistory } = await traffic.assertUndisturbed();
  t.diagnostic(`longest time between two renewals: ${leaseHistory.longestGapMs.toFixed()} ms`);
});
