/**
 * What a lane may print, live: lines are bounded, counted and harmless, and nobody waits for who holds its output open.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertPings, PATIENCE_MS } from '../../support/live.ts';
import { hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { assertHarmless, HOSTILE, lanesOf, linesOf, memoryOf, order } from './attack.ts';

const HOST = '10.78.0.1';
/** Far below what it would take to keep what is printed, far above what a garbage collector leaves for later. */
const MOST_KIB = 150 * 1024;
const LINE = 4096;

async function attacked(t: TestContext): Promise<{ readonly daemon: Daemon; readonly peer: Namespace }> {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: [{ host: 'eth0' }], driver: 'afpacket', hooks: [HOSTILE] });
  await lanesOf(daemon, 1);
  return { daemon, peer: ns.peer };
}

for (const [attack, isSaid] of [
  ['output without end', (line: Record<string, unknown>) => line['cut'] === true],
  ['output flood', (line: Record<string, unknown>) => Number(line['suppressed']) > 1_000_000],
] as const) {
  test(`${attack} costs log lines, and neither memory nor traffic`, { skip: rootOnly('ping', 'bash') }, async (t) => {
    const { daemon, peer } = await attacked(t);
    const before = memoryOf(daemon.pid);
    await order(peer, HOST, attack);
    await assertPings(peer, HOST);
    await waitFor(() => linesOf(daemon.log).some(isSaid), { what: 'the flood in the log', timeoutMs: PATIENCE_MS });
    await assertPings(peer, HOST);
    assert.ok(memoryOf(daemon.pid) - before < MOST_KIB);
    const lines = linesOf(daemon.log).filter(({ name }) => name === 'lane');
    assert.ok(lines.length < 1000, `${lines.length} lines`);
    for (const { msg } of lines) assert.ok(String(msg).length <= LINE);
    for (const text of daemon.log.split('\n')) assertHarmless(text);
    await lanesOf(daemon, 1);
    assert.equal(await daemon.stop(), 0);
  });
}

test('binary output and escapes come into the log as text', { skip: rootOnly('bash') }, async (t) => {
  const { daemon, peer } = await attacked(t);
  await order(peer, HOST, 'binary output');
  await waitFor(
    () => /owned/.test(daemon.log) && linesOf(daemon.log).some(({ suppressed }) => Number(suppressed) > 0),
    {
      what: 'the octets in the log',
      timeoutMs: PATIENCE_MS,
    },
  );
  for (const text of daemon.log.split('\n')) assertHarmless(text);
  await lanesOf(daemon, 1);
  assert.equal(await daemon.stop(), 0);
});

test('a lane may close its output and go on', { skip: rootOnly('ping', 'bash') }, async (t) => {
  const { daemon, peer } = await attacked(t);
  const before = await lanesOf(daemon, 1);
  await order(peer, HOST, 'closed output');
  await assertPings(peer, HOST);
  assert.deepEqual(await lanesOf(daemon, 1), before);
  assert.equal(await daemon.stop(), 0);
});

test('a lane that is killed leaves nobody who holds its output open, and another takes its place', {
  skip: rootOnly('ping', 'bash'),
}, async (t) => {
  const { daemon, peer } = await attacked(t);
  const [pid = -1] = await lanesOf(daemon, 1);
  await order(peer, HOST, 'output held open');
  await lanesOf(daemon, 1, pid);
  await assertPings(peer, HOST);
  assert.equal(await daemon.stop(), 0);
});
