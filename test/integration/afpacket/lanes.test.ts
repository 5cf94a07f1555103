/**
 * Several lanes at one port: a flow keeps to one of them, one that dies is replaced, and the numbers stay whole.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertAddsUp,
  assertPings,
  pingsAgain,
  readStats,
  readStatus,
  stockHook,
  whileDown,
} from '../../support/live.ts';
import { bridgeLab, rootOnly } from '../../support/netns.ts';
import { LOG_FLOWS, meetFlows, startEcho } from './flows.ts';
import { iperf, lanesOf, startAfpacket, startIperf } from './live-afpacket.ts';

const BRIDGE = { bridge: ['lan0', 'wan0'] };
/** Of 50 MB: what four senders still have in their buffers at the end of a run, up to 4 MB each, is not counted as received. */
const MOST_OCTETS = 30_000_000;
/** Says what it runs for, and in which of how many lanes. */
const TELLS = `
  import { defineHook, FORWARD } from 'firehook';
  export default defineHook({
    name: 'tells',
    checkable: true,
    setup(_options, { mode, lane, lanes, log }) { log('info', mode + ' in lane ' + lane + ' of ' + lanes); },
    onPacket: () => FORWARD,
  });`;

test('both directions of a flow meet the same lane, and every lane has its share', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, BRIDGE, [LOG_FLOWS], { lanes: 2 });
  const pids = await lanesOf(daemon, 2);
  assert.equal(new Set(pids).size, 2);
  await startEcho(ns.server);
  const flows = await meetFlows(daemon, ns.client, '10.77.0.1', '10.77.0.2');
  for (const [port, lanes] of flows) {
    assert.deepEqual([...lanes.values()], [3], `flow ${port} met ${JSON.stringify([...lanes])}`);
  }
  const used = new Set([...flows.values()].flatMap((lanes) => [...lanes.keys()]));
  assert.deepEqual([...used].sort(), [...pids].sort());
  const { lanes, total } = await assertAddsUp(daemon);
  assert.equal(
    lanes.reduce((sum, lane) => sum + lane.total.received, 0),
    total.received,
  );
  assert.ok(lanes.every((lane) => lane.packets > 0));
  assert.equal(total.lost, 0);
});

test('a lane that is killed leaves its share to the other, and another one starts', {
  skip: rootOnly('ping', 'iperf3'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, BRIDGE, [stockHook('pass-all'), TELLS], { lanes: 2 });
  await startIperf(ns.server);
  const [first = -1, second = -1] = await lanesOf(daemon, 2);
  assert.ok((await iperf(ns.client, '10.77.0.2', '-P', '4')) > MOST_OCTETS);
  for (const killed of [first, second]) {
    process.kill(killed, 'SIGKILL');
    // Each ping has an identifier of its own and so may be any lane's.
    for (let i = 0; i < 4; i++) await pingsAgain(ns.client, '10.77.0.2');
    assert.ok(!(await lanesOf(daemon, 2, killed)).includes(killed));
  }
  assert.ok((await iperf(ns.client, 'fd77::2', '-P', '4')) > MOST_OCTETS);
  await assertPings(ns.client, '10.77.0.2', 'fd77::2');
  assert.equal((await readStatus(daemon)).lane.restarts, 2);
  assert.match(daemon.log, /2 of 2 lanes run/);
  // One that takes the place of another has its number.
  const told = Array.from(daemon.log.matchAll(/Hook tells: (live in lane \d of 2)\./g), ([, place]) => place);
  assert.deepEqual(
    told.sort(),
    [0, 0, 1, 1].map((lane) => `live in lane ${lane} of 2`),
  );
  await assertAddsUp(daemon);
  assert.equal(await daemon.stop(), 0);
});

test('under flood the lease is kept and stats answers', { skip: rootOnly('ping', 'iperf3') }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, BRIDGE, [stockHook('pass-all')], { policy: { onDown: 'drop' } });
  await startIperf(ns.server);
  // While firehook starts, a port may already meet a frame that the kernel sends by itself, such as an MLD report.
  const atStart = whileDown(await readStats(daemon));
  const flood = ns.client.spawn('iperf3', ['-c', '10.77.0.2', '-u', '-b', '0', '-l', '64', '-t', '6', '-P', '2']);
  let answers = 0;
  while (flood.isRunning) {
    const { lease } = await readStatus(daemon);
    assert.equal(lease, 'held');
    await readStats(daemon);
    answers += 1;
  }
  assert.ok(answers > 1);
  const { total, ways } = await assertAddsUp(daemon);
  assert.ok(total.received > 10_000);
  assert.equal((await readStatus(daemon)).lane.restarts, 0);
  assert.equal(whileDown({ ways }), atStart, 'no frame met a lapsed lease');
  await assertPings(ns.client, '10.77.0.2');
});
