/**
 * A hook on a bridge that counts and writes events, live: its numbers in the reports, its lines in the file, over lanes that die, over a file that
 * is rotated, and over a writer that is killed.
 *
 * Rule: the kernel's own ping says how many packets there were, and every number has to fit it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { EveEvent } from '../../../src/events/eve.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS, pingsAgain, readStats, readStatus } from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

const HOOK = `
  import { FORWARD, defineHook } from 'firehook';
  export default defineHook({
    name: 'watch',
    flows: true,
    setup(options, runtime) {
      const seen = runtime.counter('echo_requests', 'Echo requests.');
      const octets = runtime.counter('echo_octets');
      let last = 0;
      runtime.gauge('last_octets', () => last, 'Octets of the last one.');
      return {
        onPacket(packet) {
          if (packet.icmp?.type !== 8) return FORWARD;
          last = packet.length;
          seen.add();
          octets.add(packet.length / 2);
          runtime.event('alert', packet, { signature: 'a\\n"ping"', octets: packet.length, lane: runtime.lane });
          return FORWARD;
        },
      };
    },
  });`;
const PING_OCTETS = 84;
const SERVER = '10.77.0.2';
const skip = rootOnly('ping');

interface Watched {
  readonly daemon: Daemon;
  readonly client: Namespace;
  readonly file: string;
}

async function watched(t: TestContext, config: object = {}): Promise<Watched> {
  const { ns } = await bridgeLab(t);
  const attach = [{ bridge: ['lan0', 'wan0'] }];
  const options = { attach, hooks: [{ module: './watch.ts' }], events: { file: 'events.json' }, ...config };
  const daemon = await startDaemon(ns.fw, options, { files: { 'watch.ts': HOOK } });
  // Neighbours are found before anything is counted.
  await pingsAgain(ns.client, SERVER);
  return { daemon, client: ns.client, file: path.join(daemon.folder, 'events.json') };
}

/** Sends so many, one after the other; all of them are answered. */
async function ping(client: Namespace, count: number): Promise<void> {
  const said = await client.output('ping', ['-c', `${count}`, '-i', '0.02', '-W', '5', SERVER]);
  assert.match(said, new RegExp(`${count} packets transmitted, ${count} received`));
}

function linesOf(file: string): EveEvent[] {
  const text = readFileSync(file, 'utf8');
  assert.ok(text === '' || text.endsWith('\n'), 'lines are whole');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as EveEvent);
}

/** The counter, of the report that has it. */
async function counted(daemon: Daemon, name = 'echo_requests'): Promise<number> {
  const { metrics } = await readStats(daemon);
  return metrics.find((metric) => metric.hook === 'watch' && metric.name === name)?.value ?? -1;
}

async function countedIs(daemon: Daemon, wanted: number): Promise<void> {
  await waitFor(async () => (await counted(daemon)) === wanted, { what: `${wanted} counted`, timeoutMs: PATIENCE_MS });
}

for (const driver of ['afpacket', 'pcap'])
  test(`${driver}: counters, a gauge, events and flows are reported, and kept when lanes die`, { skip }, async (t) => {
    const { daemon, client, file } = await watched(t, { driver });
    const before = await counted(daemon);
    await ping(client, 30);
    await countedIs(daemon, before + 30);
    assert.equal(await counted(daemon, 'echo_octets'), ((before + 30) * PING_OCTETS) / 2);
    const isGauge = async (): Promise<boolean> => (await counted(daemon, 'last_octets')) === PING_OCTETS;
    await waitFor(isGauge, { what: 'the gauge', timeoutMs: PATIENCE_MS });
    const { flows, lanes } = await readStatus(daemon);
    assert.ok(flows !== null && flows.now >= 1 && flows.made >= 2 && flows.most === 65_536, JSON.stringify(flows));
    await waitFor(() => linesOf(file).length >= before + 30, { what: 'the lines', timeoutMs: PATIENCE_MS });
    const [line] = linesOf(file);
    assert.deepEqual(
      { ...line, timestamp: '' },
      {
        timestamp: '',
        event_type: 'alert',
        in_iface: 'lan0',
        src_ip: '10.77.0.1',
        dest_ip: SERVER,
        proto: 'ICMP',
        ip_v: 4,
        alert: { signature: 'a\n"ping"', octets: PING_OCTETS, lane: 0 },
        firehook: { hook: 'watch', lane: 0 },
      },
    );
    for (let death = 1; death <= 2; death++) {
      const [pid = -1] = lanes.length === 0 ? [] : (await readStatus(daemon)).lane.pids;
      process.kill(pid, 'SIGKILL');
      await waitFor(async () => (await readStatus(daemon)).lane.restarts === death, {
        what: 'another',
        timeoutMs: PATIENCE_MS,
      });
      await pingsAgain(client, SERVER);
      // What the lane counted in its last moments may be missing, and nothing else.
      const now = await counted(daemon);
      assert.ok(now >= before + 30, `${now}`);
      await client.run('ping', ['-c', '10', '-i', '0.02', '-W', '5', SERVER]);
      await waitFor(async () => (await counted(daemon)) > now, { what: 'more', timeoutMs: PATIENCE_MS });
    }
    const total = await counted(daemon);
    const stats = await assertAddsUp(daemon);
    assert.deepEqual([stats.events.lost, stats.events.sink?.failed, stats.events.sink?.invalid], [0, 0, 0]);
    const { stdout } = await daemon.cli('hooks');
    assert.match(stdout, /watch +echo_requests +[\d,]+ +Echo requests\./);
    assert.equal(await daemon.stop(), 0);
    // Each event is written, those of lanes that were killed too.
    assert.ok(linesOf(file).length >= total, `${linesOf(file).length} of ${total}`);
  });

test('two lanes are added up', { skip }, async (t) => {
  const { daemon, client, file } = await watched(t, { driver: 'afpacket', lanes: 2 });
  const before = await counted(daemon);
  await ping(client, 20);
  await countedIs(daemon, before + 20);
  const { flows } = await readStatus(daemon);
  assert.equal(flows?.most, 2 * 65_536);
  await waitFor(() => linesOf(file).length === before + 20, { what: 'the lines', timeoutMs: PATIENCE_MS });
  assert.equal(await daemon.stop(), 0);
});

test('a file that is renamed is followed by another, and a writer that is killed by another', { skip }, async (t) => {
  const { daemon, client, file } = await watched(t);
  await ping(client, 5);
  const before = await counted(daemon);
  await waitFor(() => linesOf(file).length >= before, { what: 'the first lines', timeoutMs: PATIENCE_MS });
  renameSync(file, `${file}.1`);
  const isThere = (): boolean => statSync(file, { throwIfNoEntry: false }) !== undefined;
  await waitFor(isThere, { what: 'another file', timeoutMs: PATIENCE_MS });
  await ping(client, 5);
  await waitFor(() => linesOf(file).length === 5, { what: 'lines in it', timeoutMs: PATIENCE_MS });
  const [writer = -1] = childrenOf(daemon.pid).filter((pid) => commandOf(pid).includes('event-process'));
  process.kill(writer, 'SIGKILL');
  await ping(client, 5);
  await waitFor(() => linesOf(file).length === 10, { what: 'lines of another writer', timeoutMs: PATIENCE_MS });
  assert.equal(linesOf(`${file}.1`).length, before);
  assert.match(daemon.log, /Events are not written: it ended with SIGKILL\. Another writer in 1 s\./);
  const isWell = async (): Promise<boolean> => (await readStats(daemon)).events.sink?.problem === null;
  await waitFor(isWell, { what: 'the report of another writer', timeoutMs: PATIENCE_MS });
  assert.equal((await readStats(daemon)).events.lost, 0);
  assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.equal(await daemon.stop(), 0);
});

/** Fills its own ring with whatever comes to mind, by the descriptor that it shares with its lane. */
const HOSTILE = `
  import { readdirSync, readlinkSync, writeSync } from 'node:fs';
  import { FORWARD, defineHook } from 'firehook';
  const ring = readdirSync('/proc/self/fd').map(Number).find((fd) => {
    try { return readlinkSync('/proc/self/fd/' + fd).includes('firehook-events'); } catch { return false; }
  });
  let seed = 11;
  const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0);
  export default defineHook({
    name: 'hostile',
    setup(options, runtime) {
      const made = runtime.counter('attacks');
      return {
        onPacket(packet) {
          if (ring === undefined || packet.icmp?.type !== 8) return FORWARD;
          const noise = Buffer.from(Uint32Array.from({ length: 4096 }, random).buffer);
          for (let at = 128; at < 1048576; at += noise.length) writeSync(ring, noise, 0, noise.length, at);
          const forged = Buffer.from('\\n{"event_type":"alert","forged":true}\\n');
          writeSync(ring, forged, 0, forged.length, 128 + (random() & 2047) * 512 + 80);
          // The head, the tail, or both.
          writeSync(ring, noise, 0, 4, (random() & 1) * 64);
          made.add();
          return FORWARD;
        },
      };
    },
  });`;

test('a hook that writes into the ring itself forges no line, and stops neither its lane nor the others', {
  skip,
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const attach = [{ bridge: ['lan0', 'wan0'] }];
  const hooks = [{ module: './watch.ts' }, { module: './hostile.ts' }];
  const files = { 'watch.ts': HOOK, 'hostile.ts': HOSTILE };
  const daemon = await startDaemon(ns.fw, { attach, hooks, events: { file: 'events.json' } }, { files });
  await pingsAgain(ns.client, SERVER);
  const file = path.join(daemon.folder, 'events.json');
  await ping(ns.client, 50);
  const isSeen = async (): Promise<boolean> => {
    const { metrics, events } = await readStats(daemon);
    const attacks = metrics.find(({ name }) => name === 'attacks')?.value ?? 0;
    return attacks >= 50 && (events.sink?.invalid ?? 0) > 0;
  };
  await waitFor(isSeen, { what: 'attacks that were counted', timeoutMs: PATIENCE_MS });
  for (const line of linesOf(file)) {
    assert.ok(!('forged' in line));
    assert.ok(['watch', 'hostile', 'unknown'].includes(line.firehook.hook ?? 'unknown'));
    assert.match(line.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+0000$/);
  }
  const { lane, health } = await readStatus(daemon);
  assert.deepEqual([lane.restarts, health.hookFaults], [0, 0]);
  await assertAddsUp(daemon);
  assert.equal(await daemon.stop(), 0);
});

test('a start is refused where the file cannot be opened, before anything is changed', { skip }, async (t) => {
  const { ns } = await bridgeLab(t);
  const config = { attach: [{ bridge: ['lan0', 'wan0'] }], events: { file: 'missing/events.json' } };
  const daemon = await startDaemon(ns.fw, config, { waitUntilRunning: false });
  assert.equal((await daemon.exited).code, 2);
  assert.match(daemon.log, /FIREHOOK_EVENTS_FILE.*cannot write the file for events: .*missing\/events\.json: ENOENT/);
});

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter((text) => text !== '')
      .map(Number),
  );
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
}
