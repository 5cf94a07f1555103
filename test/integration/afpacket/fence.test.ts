/**
 * A bridge that takes its frames at the ports: whatever stops, dies or hangs, no frame is sent twice, and none is uncounted.
 *
 * ```
 *   sender ─> numbered datagrams, without pause ─> lan0 [ lane | kernel: onDown forward ] wan0 ─> receiver: which came twice?
 * ```
 * Rule: `onDown: forward`, or nothing could be sent twice. A flood and a ping run across every fault.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { Daemon } from '../../support/daemon.ts';
import {
  assertAddsUp,
  assertPings,
  PATIENCE_MS,
  pingsAgain,
  readStats,
  readStatus,
  statsWhen,
  stockHook,
  whileDown,
} from '../../support/live.ts';
import { bridgeLab, type Namespace, type RunningProcess, rootOnly, waitFor } from '../../support/netns.ts';
import { lanesOf, ready, startAfpacket } from './live-afpacket.ts';

const BRIDGE = { bridge: ['lan0', 'wan0'] };
const SERVER = '10.77.0.2';
const PASS = [stockHook('pass-all')];
const FORWARD = { policy: { onDown: 'forward' } };
/** As many as a short fault needs to fill a ring, and no more than the machine carries beside its other work. */
const DATAGRAMS_PER_SECOND = 5000;

const SENDER = `
import signal, socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
running = True
def stop(*_):
    global running
    running = False
signal.signal(signal.SIGINT, stop)
sent = 0
start = time.monotonic()
print("ready", flush=True)
while running:
    for _ in range(50):
        s.sendto(struct.pack("!I", sent), ("${SERVER}", 9))
        sent += 1
    ahead = sent / ${DATAGRAMS_PER_SECOND} - (time.monotonic() - start)
    if ahead > 0: time.sleep(ahead)
print("sent", sent, flush=True)`;
const RECEIVER = `
import signal, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
s.bind(("0.0.0.0", 9))
s.settimeout(0.2)
running = True
def stop(*_):
    global running
    running = False
signal.signal(signal.SIGINT, stop)
seen = set()
twice = 0
print("ready", flush=True)
while True:
    try: number = struct.unpack("!I", s.recv(100))[0]
    except socket.timeout:
        if running: continue
        break
    if number in seen: twice += 1
    seen.add(number)
print("seen", len(seen), "twice", twice, flush=True)`;

/** What crosses the bridge during a fault. */
class Traffic {
  readonly #sender: RunningProcess;
  readonly #receiver: RunningProcess;
  readonly #ping: RunningProcess;

  constructor(client: Namespace, server: Namespace) {
    this.#receiver = server.spawn('python3', ['-c', RECEIVER]);
    this.#sender = client.spawn('python3', ['-c', SENDER]);
    this.#ping = client.spawn('ping', ['-n', '-i', '0.01', SERVER]);
  }

  async start(): Promise<void> {
    for (const running of [this.#receiver, this.#sender]) await ready(running, 'ready');
  }

  /** Ends it; fails when anything came twice, or nothing at all. */
  async stop(): Promise<{ readonly sent: number; readonly seen: number }> {
    for (const running of [this.#sender, this.#ping]) await interrupt(running);
    await interrupt(this.#receiver);
    const [, sent] = /sent (\d+)/.exec(this.#sender.stdout) ?? [];
    const [, seen, twice] = /seen (\d+) twice (\d+)/.exec(this.#receiver.stdout) ?? [];
    assert.equal(twice, '0', 'datagrams that arrived twice');
    assert.match(this.#ping.stdout, /packets transmitted/);
    assert.doesNotMatch(this.#ping.stdout, /DUP!|duplicates/);
    assert.ok(Number(seen) > 0, 'some arrived');
    return { sent: Number(sent), seen: Number(seen) };
  }
}

async function interrupt(running: RunningProcess): Promise<void> {
  running.kill('SIGINT');
  await running.exited;
}

interface Rig {
  readonly fw: Namespace;
  readonly daemon: Daemon;
  readonly client: Namespace;
  readonly traffic: Traffic;
  /** Frames that met the ports while the daemon started. */
  readonly early: number;
}

async function start(t: TestContext, config: object = {}): Promise<Rig> {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, BRIDGE, PASS, { ...FORWARD, ...config });
  const early = whileDown(await readStats(daemon));
  await assertPings(ns.client, SERVER);
  const traffic = new Traffic(ns.client, ns.server);
  await traffic.start();
  return { fw: ns.fw, daemon, client: ns.client, traffic, early };
}

/** Whether the kernel steals: none of the processes under test has to answer for it. */
async function isStealing(fw: Namespace): Promise<boolean> {
  return (await fw.output('nft', ['list', 'ruleset'])).includes('expires');
}

async function untilLapsed(fw: Namespace): Promise<void> {
  await waitFor(async () => !(await isStealing(fw)), { what: 'the lease to lapse', timeoutMs: PATIENCE_MS });
}

/**
 * Fails unless each frame that met a port is in the ledger, was left to onDown unread, or was dropped before the ring.
 *
 * @param early - frames that came while the daemon started: those that came before the ring was open are in no count of the lane's
 */
async function assertAllCounted(daemon: Daemon, early: number): Promise<void> {
  const { fenced } = await statsWhen(daemon, 'every frame to be accounted for', (stats) => {
    const met = stats.ways.reduce((sum, { port }) => sum + (port?.stolen ?? 0), whileDown(stats));
    const missing = met - (stats.total.received + stats.fenced + stats.kernelDropped);
    return stats.addsUp && met > 0 && missing >= 0 && missing <= early;
  });
  assert.ok(fenced > 0, 'frames met the fence');
}

const skip = rootOnly('ping');

test('a bridge takes its frames at the ports: there is no detour, and the port is left as it is', {
  skip,
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const before = await ns.fw.output('ethtool', ['-k', 'lan0']);
  const daemon = await startAfpacket(ns.fw, BRIDGE, PASS);
  assert.doesNotMatch(await ns.fw.output('ip', ['-o', 'link']), /fh\d+[io][01]/);
  assert.match(await ns.fw.output('nft', ['list', 'ruleset']), /iif @alive counter name "stolen_in" drop/);
  assert.equal(await ns.fw.output('ethtool', ['-k', 'lan0']), before);
  await assertPings(ns.client, SERVER, 'fd77::2');
  await assertAddsUp(daemon);
});

test('a lane that stood still sends nothing of what the kernel has forwarded meanwhile', { skip }, async (t) => {
  const { fw, daemon, traffic, early } = await start(t);
  const [lane = -1] = await lanesOf(daemon);
  for (let round = 0; round < 3; round++) {
    process.kill(lane, 'SIGSTOP');
    await untilLapsed(fw);
    process.kill(lane, 'SIGCONT');
    await lanesOf(daemon);
  }
  await traffic.stop();
  assert.deepEqual(await lanesOf(daemon), [lane], 'it was never replaced');
  await assertAllCounted(daemon, early);
});

test('nothing is sent twice when the supervisor stands still', { skip }, async (t) => {
  const { fw, daemon, traffic, early } = await start(t);
  for (let round = 0; round < 3; round++) {
    process.kill(daemon.pid, 'SIGSTOP');
    await untilLapsed(fw);
    process.kill(daemon.pid, 'SIGCONT');
    await lanesOf(daemon);
  }
  await traffic.stop();
  await assertAllCounted(daemon, early);
});

test('nothing is sent twice when a port is renamed and named back, or gets another MTU', { skip }, async (t) => {
  const { fw, daemon, client, traffic } = await start(t);
  for (const [from, to] of [
    ['lan0', 'other0'],
    ['other0', 'lan0'],
  ] as const) {
    await fw.output('ip', ['link', 'set', from, 'name', to]);
    const state = to === 'lan0' ? 'running' : 'waiting-for-interface';
    await waitFor(async () => (await readStatus(daemon)).state === state, { what: state, timeoutMs: PATIENCE_MS });
  }
  const [lane = -1] = await lanesOf(daemon);
  await fw.output('ip', ['link', 'set', 'wan0', 'mtu', '1400']);
  await lanesOf(daemon, 1, lane);
  await pingsAgain(client, SERVER);
  await traffic.stop();
  await assertAddsUp(daemon);
});

/** It runs no more; whoever has to may not have collected it yet. */
function isDead(pid: number): boolean {
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
}

for (const lanes of [1, 2]) {
  test(`nothing is sent twice when one of ${lanes} lanes is killed, or hangs until it is`, { skip }, async (t) => {
    const { daemon, client, traffic } = await start(t, { lanes });
    const [killed = -1] = await lanesOf(daemon, lanes);
    process.kill(killed, 'SIGKILL');
    const [hung = -1] = await lanesOf(daemon, lanes, killed);
    process.kill(hung, 'SIGSTOP');
    assert.ok(!(await lanesOf(daemon, lanes, hung)).includes(hung));
    const { sent, seen } = await traffic.stop();
    assert.ok(seen > sent / 4, `${seen} of ${sent}`);
    await pingsAgain(client, SERVER);
    await assertAddsUp(daemon);
  });
}

test('nothing is sent twice when the supervisor is killed, and another run takes over at once', { skip }, async (t) => {
  const { fw, daemon, client, traffic } = await start(t);
  const [lane = -1] = await lanesOf(daemon);
  // A lane that stands still cannot notice the end of its supervisor: the kernel ends it.
  process.kill(lane, 'SIGSTOP');
  await daemon.kill9();
  const next = await startAfpacket(fw, BRIDGE, PASS, FORWARD);
  assert.ok(isDead(lane));
  await lanesOf(next);
  await pingsAgain(client, SERVER);
  await traffic.stop();
  await assertAddsUp(next);
});

test('nothing is sent twice when another program flushes the ruleset, or the daemon is stopped and started', {
  skip,
}, async (t) => {
  const { fw, daemon, client, traffic } = await start(t);
  await fw.output('nft', ['flush', 'ruleset']);
  // Tables that are owned stay; on an older kernel they are made again.
  await lanesOf(daemon);
  await pingsAgain(client, SERVER);
  assert.equal(await daemon.stop(), 0);
  const next = await startAfpacket(fw, BRIDGE, PASS, FORWARD);
  await pingsAgain(client, SERVER);
  await traffic.stop();
  await assertAddsUp(next);
});
