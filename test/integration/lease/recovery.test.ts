/**
 * A lane of a host is killed under traffic with `onDown: forward`: traffic goes on, and no packet comes twice.
 *
 * Between the last frame of the one lane and the first of the next the kernel forwards by itself, so at both changes a frame
 * could be forwarded by both. What is said of a bridge is in `bridge/lane-death.test.ts` and `afpacket/fence.test.ts`.
 *
 * Rule: pings from both sides run across every death: those of the peer come in at the port, those of the host go out.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPings, PATIENCE_MS, readStatus, stockHook } from '../../support/live.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';

const HOST = '10.78.0.1';
const PEER = '10.78.0.2';
const KILLS = 3;

for (const [driver, lanes] of [
  ['pcap', 1],
  ['afpacket', 1],
  ['afpacket', 2],
] as const) {
  test(`a killed lane of ${lanes} costs a host no answer twice (${driver}, onDown: forward)`, {
    skip: rootOnly('ping'),
  }, async (t) => {
    const { ns } = await hostLab(t);
    const config = {
      attach: [{ host: 'eth0' }],
      driver,
      lanes,
      hooks: [stockHook('pass-all')],
      policy: { onDown: 'forward' },
    };
    const daemon = await startDaemon(ns.host, config, { timeoutMs: PATIENCE_MS });
    const pings = [
      ns.peer.spawn('ping', ['-n', '-i', '0.01', HOST]),
      ns.host.spawn('ping', ['-n', '-i', '0.01', PEER]),
    ];
    const answers = (): readonly number[] => pings.map(({ stdout }) => stdout.split('\n').length);
    const untilMore = async (what: string): Promise<void> => {
      const before = answers();
      await waitFor(() => answers().every((count, i) => count > (before[i] ?? 0) + 20), {
        what,
        timeoutMs: PATIENCE_MS,
      });
    };
    await untilMore('answers at the start');
    for (let kill = 0; kill < KILLS; kill++) {
      const [pid = -1] = (await readStatus(daemon)).lane.pids;
      process.kill(pid, 'SIGKILL');
      await waitFor(
        async () => {
          const { state, lease, lane } = await readStatus(daemon);
          return state === 'running' && lease === 'held' && lane.pids.length === lanes && !lane.pids.includes(pid);
        },
        { what: 'another lane', timeoutMs: PATIENCE_MS },
      );
      await untilMore('answers through the new lane');
    }
    for (const ping of pings) {
      ping.kill('SIGINT');
      await ping.exited;
      assert.match(ping.stdout, /packets transmitted/);
      assert.doesNotMatch(ping.stdout, /DUP!|duplicates/);
    }
    assert.equal((await readStatus(daemon)).lane.restarts, KILLS);
    await assertPings(ns.peer, HOST, 'fd78::1');
    await assertAddsUp(daemon);
  });
}
