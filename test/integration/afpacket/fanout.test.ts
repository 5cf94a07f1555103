/**
 * Two lanes share the ports of one attach: also after several starts, and after each of them was replaced, both directions
 * of every flow meet one lane.
 *
 * The kernel gives a flow to the member of a fanout group that its hash picks, by the order in which members joined. The two
 * directions are two groups, so the order has to be the same in both.
 *
 * @see packet(7), PACKET_FANOUT
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Daemon } from '../../support/daemon.ts';
import { assertAddsUp } from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly } from '../../support/netns.ts';
import { LOG_FLOWS, meetFlows, startEcho } from './flows.ts';
import { lanesOf, startAfpacket } from './live-afpacket.ts';

/** Of a bridge; in one of four the order was once another one in each direction. */
const STARTS = 4;
/** Of a host, whose two directions are two detours. */
const HOST_STARTS = 2;
const LANES = 2;

interface Path {
  readonly client: Namespace;
  readonly from: string;
  readonly to: string;
}

/** Fails unless each flow met one lane in both directions, and both lanes had flows. */
async function assertWhole(daemon: Daemon, path: Path, pids: readonly number[], round: number): Promise<void> {
  const flows = await meetFlows(daemon, path.client, path.from, path.to, round);
  for (const [port, lanes] of flows) {
    assert.deepEqual([...lanes.values()], [3], `flow ${port} met ${JSON.stringify([...lanes])}`);
  }
  const used = new Set([...flows.values()].flatMap((lanes) => [...lanes.keys()]));
  assert.deepEqual([...used].sort(), [...pids].sort());
}

async function assertOverStarts(fw: Namespace, attach: object, path: Path, starts: number): Promise<void> {
  for (let start = 0; start < starts; start++) {
    const daemon = await startAfpacket(fw, attach, [LOG_FLOWS], { lanes: LANES });
    let pids = await lanesOf(daemon, LANES);
    await assertWhole(daemon, path, pids, 0);
    // Once the lane that joined first, then the one that joined last; after that the order is another than at the start.
    for (const [round, place] of (start === 0 ? [0, LANES - 1] : []).entries()) {
      const killed = pids[place] ?? -1;
      process.kill(killed, 'SIGKILL');
      pids = await lanesOf(daemon, LANES, killed);
      await assertWhole(daemon, path, pids, 1 + round);
    }
    await assertAddsUp(daemon);
    assert.equal(await daemon.stop(), 0);
  }
}

test('both directions of every flow of a bridge meet one lane, in every start, and after lanes were replaced', {
  skip: rootOnly(),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  await startEcho(ns.server);
  await assertOverStarts(
    ns.fw,
    { bridge: ['lan0', 'wan0'] },
    { client: ns.client, from: '10.77.0.1', to: '10.77.0.2' },
    STARTS,
  );
});

test('both directions of every flow of a host meet one lane, in every start, and after lanes were replaced', {
  skip: rootOnly(),
}, async (t) => {
  const { ns } = await hostLab(t);
  await startEcho(ns.host);
  await assertOverStarts(
    ns.host,
    { host: 'eth0' },
    { client: ns.peer, from: '10.78.0.2', to: '10.78.0.1' },
    HOST_STARTS,
  );
});
