/**
 * The metrics of a running daemon: at both doors, legal, true, and never going back when a lane dies.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { lintExposition, type ReadFamily, readExposition } from '../../support/exposition.ts';
import { assertAddsUp, assertPingCount, assertPings, pingsAgain, stockHook } from '../../support/live.ts';
import { bridgeLab, rootOnly } from '../../support/netns.ts';
import { laneAfter, lanePid, SERVER, startBridge } from '../bridge/bridge-daemon.ts';

const LISTEN = '127.0.0.1:9477';
const URL = `http://${LISTEN}/metrics`;
const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0';
const skip = rootOnly('ping', 'curl');

function counters(families: readonly ReadFamily[]): Map<string, number> {
  const counted = families.filter(({ type }) => type === 'counter' || type === 'histogram');
  return new Map(
    counted.flatMap(({ samples }) =>
      samples.map(({ name, labels, value }): [string, number] => [`${name}${JSON.stringify([...labels])}`, value]),
    ),
  );
}

function sumOf(families: readonly ReadFamily[], name: string, labels: Record<string, string> = {}): number {
  const samples = families.flatMap((family) => family.samples).filter((sample) => sample.name === name);
  const meant = samples.filter((sample) =>
    Object.entries(labels).every(([label, value]) => sample.labels.get(label) === value),
  );
  assert.notEqual(meant.length, 0, name);
  return meant.reduce((sum, { value }) => sum + value, 0);
}

test('a daemon tells its numbers at both doors, and a lane that dies takes none of them back', { skip }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startBridge(ns.fw, {
    metrics: { listen: LISTEN },
    hooks: [stockHook('drop-port', { protocol: 'tcp', ports: [23] })],
  });
  await pingsAgain(ns.client, SERVER);
  await assertPingCount(ns.client, 30, SERVER);
  const { total } = await assertAddsUp(daemon);

  const told = await daemon.cli('metrics');
  assert.equal(told.code, 0, told.stderr);
  const families = readExposition(told.stdout, 'text');
  assert.deepEqual(lintExposition(families), []);
  assert.ok(sumOf(families, 'firehook_packets_total', { outcome: 'forwarded' }) >= total.forwarded);
  assert.ok(sumOf(families, 'firehook_hook_seen_packets_total', { hook: 'drop-port' }) >= 60);
  for (const name of ['firehook_lease_held', 'firehook_ledger_adds_up', 'firehook_lanes'])
    assert.equal(sumOf(families, name), 1, name);
  assert.equal(sumOf(families, 'firehook_port_protected'), 2);
  assert.ok(sumOf(families, 'process_open_fds', { process: 'lane 0' }) > 3);

  const both = await daemon.cli('metrics', '--openmetrics');
  readExposition(both.stdout, 'openmetrics');
  const curled = await ns.fw.output('curl', ['-sS', '-H', `Accept: ${OPEN_METRICS}`, URL]);
  readExposition(curled, 'openmetrics');
  readExposition(await ns.fw.output('curl', ['-sS', '--unix-socket', daemon.socket, 'http://x/metrics']), 'text');
  const rebound = await ns.fw.output('curl', [
    '-sS',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    '-H',
    'Host: evil.example',
    URL,
  ]);
  assert.equal(rebound, '403');

  let before = counters(readExposition(curled, 'openmetrics'));
  const pid = await lanePid(daemon);
  const next = laneAfter(daemon, pid);
  process.kill(pid, 'SIGKILL');
  let isReplaced = false;
  const replaced = next.then(() => {
    isReplaced = true;
  });
  // Again and again while the lane ends and another comes.
  while (!isReplaced) {
    const now = counters(
      readExposition(await ns.fw.output('curl', ['-sS', '-H', `Accept: ${OPEN_METRICS}`, URL]), 'openmetrics'),
    );
    for (const [series, value] of before) {
      const told = now.get(series);
      // A process that is not there has no numbers; when another one has its name they go on.
      if (told === undefined) assert.match(series, /^process_\w+.*"lane 0"/);
      else assert.ok(told >= value, series);
    }
    before = new Map([...before, ...now]);
  }
  await replaced;
  await assertPings(ns.client, SERVER);
  await assertAddsUp(daemon);
  const after = readExposition(await ns.fw.output('curl', ['-sS', URL]), 'text');
  assert.equal(sumOf(after, 'firehook_lane_restarts_total'), 1);
  assert.ok(sumOf(after, 'firehook_hook_seen_packets_total') > sumOf(families, 'firehook_hook_seen_packets_total'));
});

test('a daemon whose port is taken does not start, and says what to do', { skip }, async (t) => {
  const { ns } = await bridgeLab(t);
  await startBridge(ns.fw, { metrics: { listen: LISTEN } });
  const tap = await startDaemon(
    ns.fw,
    { attach: [{ tap: 'lan0' }], metrics: { listen: LISTEN } },
    { waitUntilRunning: false },
  );
  const { code } = await tap.exited;
  assert.equal(code, 1);
  assert.match(tap.log, /FIREHOOK_METRICS_ADDRESS.*127\.0\.0\.1:9477: another program listens there/);
  assert.match(tap.log, /give metrics\.listen another port/);
});
