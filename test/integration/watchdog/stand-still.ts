/**
 * What the tests of the watchdog share: lanes and a supervisor that stand still in every way, under pings, and what the kernel did.
 *
 * ```
 *   peer ── ping, fifty a second ──> port ── lane stands ─ counter down_in of nftables moves: onDown decides ─> hook named, lane replaced
 * ```
 * Rule: no test asserts a time. That `onDown` holds is the kernel's word, by its counter; how long it took is told as a diagnostic, and
 * docs/reliability.md has the figures.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPings, PATIENCE_MS, pingsAgain, readStatus } from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

const HANG = fileURLToPath(new URL('../../fixtures/hooks/live/hang.ts', import.meta.url));
const LOOP = 4201;
const LOOP_IN_TIMER = 4202;
const FORGE = 4203;
/** A lane that starves gets no processor for so long, time and again: less than what it is killed for. */
const STARVED_MS = 900;
const ROUNDS = 3;

/** A daemon between somebody who asks and somebody who answers. */
interface Guarded {
  readonly daemon: Daemon;
  /** Where the daemon runs. */
  readonly fw: Namespace;
  readonly peer: Namespace;
  readonly address: string;
  /** While `hang` lies in it, a lane does not get through its set-up. */
  readonly folder: string;
}

type Shape = 'bridge' | 'host';

async function guard(t: TestContext, shape: Shape, driver: 'pcap' | 'afpacket'): Promise<Guarded> {
  const lab = shape === 'bridge' ? (await bridgeLab(t)).ns : (await hostLab(t)).ns;
  const [fw, peer, address] = 'fw' in lab ? [lab.fw, lab.client, '10.77.0.2'] : [lab.host, lab.peer, '10.78.0.1'];
  const folder = await mkdtemp(path.join(os.tmpdir(), 'firehook-hang-'));
  // Lanes look into it as the user firehook.
  await chmod(folder, 0o755);
  fw.defer(() => rm(folder, { recursive: true, force: true }));
  const attach = shape === 'bridge' ? { bridge: ['lan0', 'wan0'] } : { host: 'eth0' };
  const hook = { module: HANG, options: { folder }, allow: { files: [folder] } };
  const daemon = await startDaemon(fw, { attach: [attach], driver, hooks: [hook] }, { timeoutMs: PATIENCE_MS });
  await assertPings(peer, address);
  return { daemon, fw, peer, address, folder };
}

/** Frames that `onDown` has decided about, as nftables itself says. */
async function down({ fw }: Guarded): Promise<number> {
  const text = await fw.output('nft', ['list', 'counters']);
  const found = [...text.matchAll(/counter down_(?:in|out) \{\s+packets (\d+)/g)];
  assert.ok(found.length > 0, text);
  return found.reduce((sum, [, packets]) => sum + Number(packets), 0);
}

/** Makes something stand still under pings, and waits until `onDown` decides; milliseconds. */
async function untilDown(t: TestContext, guarded: Guarded, what: string, stand: () => unknown): Promise<void> {
  const before = await down(guarded);
  const startMs = performance.now();
  await stand();
  await waitFor(async () => (await down(guarded)) > before, { what: 'onDown', timeoutMs: PATIENCE_MS, intervalMs: 5 });
  t.diagnostic(`${what}: onDown after ${Math.round(performance.now() - startMs)} ms`);
}

/** A datagram that tells the hook what to do. */
async function order({ peer, address }: Guarded, port: number): Promise<void> {
  await peer.output('bash', ['-c', `printf x >/dev/udp/${address}/${port}`]);
}

async function pidOf({ daemon }: Guarded): Promise<number> {
  return (await laneWhen(daemon, (pid) => pid !== null)) as number;
}

async function laneWhen(daemon: Daemon, isWanted: (pid: number | null) => boolean): Promise<number | null> {
  const found = await waitFor(
    async () => {
      const { state, lease, lane } = await readStatus(daemon);
      return state === 'running' && lease === 'held' && isWanted(lane.pid) && lane;
    },
    { what: 'a lane with the traffic', timeoutMs: PATIENCE_MS },
  );
  return found.pid;
}

/** Waits for the next lane, and that it has the traffic. */
async function replaced(guarded: Guarded, pid: number): Promise<void> {
  await laneWhen(guarded.daemon, (now) => now !== null && now !== pid);
  await pingsAgain(guarded.peer, guarded.address);
}

/** The hook is named in `status` while the lane stands. */
async function namedInStatus({ daemon }: Guarded, activity: string): Promise<void> {
  const named = `while hook hang was in ${activity}`;
  await waitFor(async () => (await readStatus(daemon)).lanes.some(({ stalled }) => stalled?.endsWith(named) === true), {
    what: `"${named}" in status`,
    timeoutMs: PATIENCE_MS,
    intervalMs: 20,
  });
  const { health } = await readStatus(daemon);
  assert.ok(!health.ok && health.problems.length > 0);
}

async function loops(t: TestContext, guarded: Guarded): Promise<void> {
  const pid = await pidOf(guarded);
  await untilDown(t, guarded, 'a packet handler that does not return', () => order(guarded, LOOP));
  await namedInStatus(guarded, 'onPacket');
  await replaced(guarded, pid);
  assert.match(guarded.daemon.log, /The lease lapsed \(a lane made no progress while hook hang was in onPacket\)/);
}

async function loopsInTimer(t: TestContext, guarded: Guarded): Promise<void> {
  const pid = await pidOf(guarded);
  await untilDown(t, guarded, 'a timer that does not return', () => order(guarded, LOOP_IN_TIMER));
  await namedInStatus(guarded, 'a timer or a promise');
  await replaced(guarded, pid);
  assert.match(guarded.daemon.log, /made no progress while hook hang was in a timer or a promise/);
}

async function loopsInSetup(t: TestContext, guarded: Guarded): Promise<void> {
  const pid = await pidOf(guarded);
  await writeFile(path.join(guarded.folder, 'hang'), '');
  await untilDown(t, guarded, 'a new lane that does not get ready', () => process.kill(pid, 'SIGKILL'));
  await namedInStatus(guarded, 'setup');
  await rm(path.join(guarded.folder, 'hang'));
  await replaced(guarded, pid);
}

async function stopsLane(t: TestContext, guarded: Guarded): Promise<void> {
  const pid = await pidOf(guarded);
  await untilDown(t, guarded, 'a lane that was stopped', () => process.kill(pid, 'SIGSTOP'));
  await replaced(guarded, pid);
}

/** It is not killed: what it did in its time is worth more than what a new one would do. */
async function starves(t: TestContext, guarded: Guarded): Promise<void> {
  const pid = await pidOf(guarded);
  for (let round = 0; round < ROUNDS; round++) {
    assert.equal(await pidOf(guarded), pid);
    await untilDown(t, guarded, 'a lane without processor time', () => process.kill(pid, 'SIGSTOP'));
    await delay(STARVED_MS);
    process.kill(pid, 'SIGCONT');
  }
  assert.equal(await pidOf(guarded), pid);
  await pingsAgain(guarded.peer, guarded.address);
}

async function forges(t: TestContext, guarded: Guarded): Promise<void> {
  const pid = await pidOf(guarded);
  await order(guarded, FORGE);
  await pingsAgain(guarded.peer, guarded.address);
  await untilDown(t, guarded, 'a hook that forges progress and does not return', () => order(guarded, LOOP));
  await namedInStatus(guarded, 'onPacket');
  await replaced(guarded, pid);
  assert.match(
    guarded.daemon.log,
    /lease is taken away \(a lane takes no packet though packets wait while hook hang was in onPacket\)/,
  );
  assert.match(guarded.daemon.log, /killed: it has taken no packet for 3 s while packets waited while hook hang/);
}

async function stopsSupervisor(t: TestContext, guarded: Guarded): Promise<void> {
  const { daemon, peer, address } = guarded;
  await untilDown(t, guarded, 'a supervisor that was stopped', () => process.kill(daemon.pid, 'SIGSTOP'));
  process.kill(daemon.pid, 'SIGCONT');
  await pingsAgain(peer, address);
}

const CASES = [
  ['a packet handler that does not return', loops],
  ['a timer that does not return', loopsInTimer],
  ['a lane that was stopped', stopsLane],
  ['a lane that starves', starves],
  ['progress that is forged while packets wait', forges],
  ['a supervisor that was stopped', stopsSupervisor],
  ['a set-up that does not return', loopsInSetup],
] as const;

/** Every way to stand still, on one daemon. */
export function testStandStill(shape: Shape, driver: 'pcap' | 'afpacket'): void {
  test(`${shape}, ${driver}: whatever stands still, onDown holds, the hook is named, and traffic comes back`, {
    skip: rootOnly('bash', 'nft', 'ping'),
  }, async (t) => {
    const guarded = await guard(t, shape, driver);
    const pinging = guarded.peer.spawn('ping', ['-n', '-q', '-i', '0.02', guarded.address]);
    for (const [what, run] of CASES) await t.test(what, (inner) => run(inner, guarded));
    pinging.kill('SIGINT');
    await pinging.exited;
    assert.doesNotMatch(pinging.stdout, /duplicates/);
    await assertPings(guarded.peer, guarded.address);
    await assertAddsUp(guarded.daemon);
    assert.equal(await guarded.daemon.stop(), 0);
  });
}
