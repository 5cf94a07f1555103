/**
 * What a lane may write into its progress file, live: `status`, `stats`, `hooks` and `pool` answer, with bounded numbers.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { PATIENCE_MS } from '../../support/live.ts';
import { hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { assertHarmless, HOSTILE, lanesOf, order } from './attack.ts';

const HOST = '10.78.0.1';
const MOST = 2 ** 53;
const REPORTS = ['status', 'stats', 'hooks', 'pool'] as const;

interface Attacked {
  readonly daemon: Daemon;
  readonly peer: Namespace;
}

async function attacked(t: TestContext): Promise<Attacked> {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: [{ host: 'eth0' }], driver: 'afpacket', hooks: [HOSTILE] });
  await lanesOf(daemon, 1);
  return { daemon, peer: ns.peer };
}

/** Every number in an answer. */
function numbersOf(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersOf) : [];
}

async function assertBounded({ daemon, peer }: Attacked): Promise<void> {
  for (const report of REPORTS) {
    const answer = await peer.output('curl', ['-sSf', '--unix-socket', daemon.socket, `http://firehook/${report}`]);
    // JSON has neither NaN nor infinity: they would come as null.
    assert.doesNotMatch(answer, /"(received|seen|bytes\w*|allocs|frees|diff|perAlloc|packets)":\s*null/);
    const numbers = numbersOf(JSON.parse(answer));
    assert.ok(numbers.length > 0);
    for (const number of numbers) assert.ok(number >= -1 && number <= MOST, `${report}: ${number}`);
  }
}

test('the file of the numbers keeps its size, whatever a hook wants', { skip: rootOnly('bash', 'curl') }, async (t) => {
  const { daemon, peer } = await attacked(t);
  await order(peer, HOST, 'size of the numbers');
  const said = await waitFor(
    () => {
      const found = [...daemon.log.matchAll(/ftruncate (\d+): (\w+)/g)];
      return found.length === 3 && found;
    },
    { what: 'three tries', timeoutMs: PATIENCE_MS },
  );
  for (const [, size, outcome] of said) assert.equal(outcome, 'EPERM', size);
  await assertBounded({ daemon, peer });
  assert.equal(await daemon.stop(), 0);
});

test('numbers that are none, negative, huge or forged are reported within bounds', {
  skip: rootOnly('bash', 'curl'),
}, async (t) => {
  const { daemon, peer } = await attacked(t);
  for (const attack of ['NaN', 'Infinity', 'negative', 'huge', 'forged counts']) {
    // What cannot be true costs the lane, a moment later.
    await lanesOf(daemon, 1);
    await order(peer, HOST, attack);
    await assertBounded({ daemon, peer });
  }
  // What a lane that has died said of itself goes into the sums of the run, time and again.
  for (let lane = 0; lane < 2; lane++) {
    const [pid = -1] = await lanesOf(daemon, 1);
    await order(peer, HOST, 'huge');
    await waitFor(async () => ((await daemon.stats()) as { kernelDropped: number }).kernelDropped === MOST, {
      what: 'the forged number',
      timeoutMs: PATIENCE_MS,
    });
    await lanesOf(daemon, 1, pid);
    await assertBounded({ daemon, peer });
  }
  assert.match(daemon.log, /A lane is killed: it says that it took packets that the kernel has not counted/);
  for (const report of REPORTS) {
    const { code, stdout } = await daemon.cli(report);
    assert.equal(code, 0);
    for (const line of stdout.split('\n')) assertHarmless(line);
    assert.doesNotMatch(stdout, /NaN|Infinity|∞/);
  }
  assert.equal(await daemon.stop(), 0);
});

test('a lane whose numbers can never be read whole is replaced', { skip: rootOnly('bash', 'curl') }, async (t) => {
  const { daemon, peer } = await attacked(t);
  const [pid = -1] = await lanesOf(daemon, 1);
  await order(peer, HOST, 'torn');
  await lanesOf(daemon, 1, pid);
  assert.match(daemon.log, /A lane ended: the lane failed: its numbers cannot be read\./);
  assert.equal(await daemon.stop(), 0);
});
