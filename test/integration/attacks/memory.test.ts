/**
 * A hook that takes memory without end meets the limit of its lane, and the lane goes on.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertPings, PATIENCE_MS } from '../../support/live.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { HOSTILE, lanesOf, memoryOf, order } from './attack.ts';

const LIMIT_MIB = 512;

test('what a hook cannot have is refused before the machine is short of it', {
  skip: rootOnly('bash', 'ping'),
}, async (t) => {
  const { ns } = await hostLab(t);
  for (const driver of ['afpacket', 'pcap']) {
    const daemon = await startDaemon(ns.host, {
      attach: [{ host: 'eth0' }],
      driver,
      lane: { memoryMiB: LIMIT_MIB },
      hooks: [HOSTILE],
    });
    const [pid = -1] = await lanesOf(daemon, 1);
    await order(ns.peer, '10.78.0.1', 'memory');
    const [, taken, error] = await waitFor(() => /memory refused after (\d+) MiB: (\w+)/.exec(daemon.log), {
      what: 'the refusal',
      timeoutMs: PATIENCE_MS,
    });
    assert.ok(Number(taken) > 0 && Number(taken) < LIMIT_MIB, `${taken} MiB`);
    assert.equal(error, 'RangeError');
    // The lane may have been silent for so long that the lease ended, on a machine that is busy.
    assert.deepEqual(await lanesOf(daemon, 1), [pid]);
    await assertPings(ns.peer, '10.78.0.1');
    // The ring is shared memory with the kernel and comes on top.
    assert.ok(memoryOf(pid) < (LIMIT_MIB + 256) * 1024);
    assert.equal(await daemon.stop(), 0);
  }
});
