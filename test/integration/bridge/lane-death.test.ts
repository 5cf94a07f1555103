/**
 * A lane that is killed, hangs, ends itself or runs out of memory: `policy.onDown` holds, and another lane comes.
 *
 * Rule: a ping runs across every death. What it lost and got twice, and what nftables counted meanwhile, tells whether
 * `onDown` held; no test has to be quick enough to look into the gap.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { sendFrames } from '../../support/frames.ts';
import {
  assertAddsUp,
  assertPings,
  PATIENCE_MS,
  pingsAgain,
  readStats,
  readStatus,
  whileDown,
} from '../../support/live.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';
import {
  laneAfter,
  lanePid,
  liveHook,
  SERVER,
  SERVER6,
  startBridge,
  startPing,
  stopPing,
  toServer,
  udp4,
} from './bridge-daemon.ts';

const LOOP = 4108;
const EXIT = 4109;
const FILL_MEMORY = 4110;
const LOOP_IN_TIMER = 4111;
const HOOKS = [{ module: liveHook('trigger') }];
const skip = rootOnly('ping');

test('a lane has no rights left that hooks could use', { skip }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startBridge(ns.fw, { hooks: HOOKS });
  const { lane } = await readStatus(daemon);
  const status = await readFile(`/proc/${lane.pid}/status`, 'utf8');
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.trim();
  assert.notEqual(lane.uid, 0);
  assert.deepEqual(field('Uid')?.split('\t'), Array(4).fill(`${lane.uid}`), 'real, effective, saved, file system');
  const groups = field('Gid')?.split('\t') ?? [];
  assert.equal(new Set(groups).size, 1);
  assert.notEqual(groups[0], '0');
  assert.equal(field('Groups'), '');
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) assert.match(field(set) ?? '', /^0+$/, set);
  await assertPings(ns.client, SERVER, SERVER6);
  await assertAddsUp(daemon);
});

for (const onDown of ['drop', 'forward'] as const) {
  test(`a lane that dies is replaced, ever more slowly, and onDown: ${onDown} holds meanwhile`, { skip }, async (t) => {
    const { ns } = await bridgeLab(t);
    const daemon = await startBridge(ns.fw, { hooks: HOOKS, policy: { onDown } });
    await assertPings(ns.client, SERVER, SERVER6);

    await t.test('killed', async () => {
      const pinging = startPing(ns.client, SERVER);
      for (let kills = 0; kills < 3; kills += 1) {
        const pid = await lanePid(daemon);
        process.kill(pid, 'SIGKILL');
        await laneAfter(daemon, pid);
      }
      const { sent, received, duplicates } = await stopPing(pinging);
      assert.equal(duplicates, 0);
      assert.ok(whileDown(await readStats(daemon)) > 0, 'onDown decided');
      if (onDown === 'drop') assert.ok(received < sent, 'nothing passes without a lane');
      else assert.ok(received > 0);
      const delays = [...daemon.log.matchAll(/Another in (\d+) ms/g)].map((match) => Number(match[1]));
      assert.deepEqual(delays, [100, 200, 400]);
      await assertPings(ns.client, SERVER, SERVER6);
    });

    await t.test('hung in a hook: the lease lapses, and the lane is killed', async () => {
      const before = whileDown(await readStats(daemon));
      const pid = await lanePid(daemon);
      const pinging = startPing(ns.client, SERVER);
      await sendFrames(ns.client, 'eth0', [toServer(udp4(LOOP))]);
      await waitFor(() => /made no progress/.test(daemon.log), {
        what: 'the end of its patience',
        timeoutMs: PATIENCE_MS,
      });
      await laneAfter(daemon, pid);
      const { sent, received, duplicates } = await stopPing(pinging);
      assert.equal(duplicates, 0);
      const named = /no progress for 3 s while hook trigger was in onPacket/;
      assert.match(daemon.log, named);
      const { lane, health } = await readStatus(daemon);
      assert.match(lane.lastError ?? '', named);
      assert.match(health.lastError?.text ?? '', named);
      assert.ok(!health.ok && health.laneRestarts > 0, health.problems.join('; '));
      assert.ok(whileDown(await readStats(daemon)) - before > 10, 'onDown decided long before the lane was killed');
      // What was stolen before the lease lapsed, a second at most, is lost with the lane.
      if (onDown === 'forward') assert.ok(received > sent / 3, `${received} of ${sent}`);
      await assertPings(ns.client, SERVER, SERVER6);
    });

    await t.test('ended by a hook', async () => {
      const pid = await lanePid(daemon);
      await sendFrames(ns.client, 'eth0', [toServer(udp4(EXIT))]);
      await laneAfter(daemon, pid);
      assert.match(daemon.log, /it ended with exit code 3/);
      await pingsAgain(ns.client, SERVER);
      const { lane } = await readStatus(daemon);
      assert.equal(lane.restarts, 5);
      assert.match(lane.lastError ?? '', /exit code 3/);
      await assertAddsUp(daemon);
    });
  });
}

test('a hook that fills the memory, or does not return from a timer, costs its lane and is named', {
  skip,
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startBridge(ns.fw, { hooks: HOOKS });
  const pid = await lanePid(daemon);
  await sendFrames(ns.client, 'eth0', [toServer(udp4(FILL_MEMORY))]);
  await laneAfter(daemon, pid);
  assert.ok(daemon.isRunning);
  // On a busy machine the watchdog may be quicker than the limit of the heap.
  assert.match(daemon.log, /A lane ended: .* while hook trigger was in onPacket/);
  await pingsAgain(ns.client, SERVER);
  const second = await lanePid(daemon);
  await sendFrames(ns.client, 'eth0', [toServer(udp4(LOOP_IN_TIMER))]);
  await laneAfter(daemon, second);
  assert.match(daemon.log, /no progress for 3 s while hook trigger was in a timer or a promise/);
  await pingsAgain(ns.client, SERVER);
  await assertPings(ns.client, SERVER, SERVER6);
  await assertAddsUp(daemon);
});
