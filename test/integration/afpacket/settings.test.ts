/**
 * What the configuration says of lanes and rings, in the running system: CPUs, ring sizes, groups of two daemons.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DoctorReport } from '../../../src/cli/doctor.ts';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPings, PATIENCE_MS, readStatus, statsWhen, stockHook } from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly } from '../../support/netns.ts';
import { lanesOf, startAfpacket } from './live-afpacket.ts';

const FIREHOOK = fileURLToPath(new URL('../../../bin/firehook', import.meta.url));
const FIREHOOKD = fileURLToPath(new URL('../../../bin/firehookd', import.meta.url));
const BRIDGE = { bridge: ['lan0', 'wan0'] };
const TAP = { tap: 'eth0' };
const DATAGRAMS = 300;
/** Of a CPU that no machine has. */
const NO_CPU = 8191;

/** The CPUs that this process may use. */
async function ownCpus(): Promise<number[]> {
  const [list = ''] = await allowedCpus(process.pid);
  return list.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** Where the threads of a process may run, each answer once. */
async function allowedCpus(pid: number): Promise<string[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(
    threads.map(async (thread) => {
      const status = await readFile(`/proc/${pid}/task/${thread}/status`, 'utf8');
      return /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '';
    }),
  );
  return [...new Set(lists)];
}

async function configFile(t: TestContext, config: object): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'firehook-settings-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'firehook.yaml');
  await writeFile(file, JSON.stringify(config));
  return file;
}

test('each lane has its CPU for all its threads, and the one that replaces it has it again', {
  skip: rootOnly('ping', 'taskset'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const [first = 0, second = first] = await ownCpus();
  // Not in the order in which the kernel would hand them out.
  const cpus = [second, first];
  const daemon = await startAfpacket(ns.fw, BRIDGE, [stockHook('pass-all')], { lanes: 3, lane: { cpus } });
  const wanted = [second, first, second];
  await lanesOf(daemon, 3);
  const { lanes } = await readStatus(daemon);
  assert.deepEqual(
    lanes.map(({ cpu }) => cpu),
    wanted,
  );
  for (const { pid, cpu } of lanes) assert.deepEqual(await allowedCpus(pid), [String(cpu)]);
  assert.deepEqual(await allowedCpus(daemon.pid), await allowedCpus(process.pid), 'the supervisor runs where it did');
  const shown = (await daemon.cli('status')).stdout;
  for (const { pid, cpu } of lanes) assert.match(shown, new RegExp(`^lane .*${pid} on CPU ${cpu}`, 'm'));

  const killed = lanes[1]?.pid ?? -1;
  process.kill(killed, 'SIGKILL');
  await lanesOf(daemon, 3, killed);
  const after = (await readStatus(daemon)).lanes;
  const added = after.find(({ pid }) => !lanes.some((lane) => lane.pid === pid));
  assert.equal(added?.cpu, first);
  assert.deepEqual(await allowedCpus(added?.pid ?? -1), [String(first)]);
  await assertPings(ns.client, '10.77.0.2');
  await assertAddsUp(daemon);
});

test('a lane of driver: pcap can be pinned too', { skip: rootOnly('ping', 'taskset') }, async (t) => {
  const { ns } = await bridgeLab(t);
  const cpu = (await ownCpus()).at(-1) ?? 0;
  const config = { attach: [BRIDGE], driver: 'pcap', hooks: [stockHook('pass-all')], lane: { cpus: [cpu] } };
  const daemon = await startDaemon(ns.fw, config, { timeoutMs: PATIENCE_MS });
  const [lane] = (await readStatus(daemon)).lanes;
  assert.deepEqual([lane?.cpu, lane?.rings], [cpu, []]);
  assert.deepEqual(await allowedCpus(lane?.pid ?? -1), [String(cpu)]);
  await assertPings(ns.client, '10.77.0.2');
});

test('a CPU that cannot be had is refused at the start, by --check and by doctor, before anything is changed', {
  skip: rootOnly('taskset'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const config = { attach: [BRIDGE], driver: 'afpacket', lane: { cpus: [NO_CPU] } };
  const daemon = await startDaemon(ns.fw, config, { waitUntilRunning: false });
  assert.deepEqual(await daemon.exited, { code: 2, signal: null });
  assert.match(daemon.log, /wrong lane\.cpus: CPU 8191: this machine runs with CPUs \d/);
  assert.equal(await ns.fw.output('nft', ['list', 'tables']), '');
  assert.doesNotMatch(await ns.fw.output('ip', ['link']), /fh\d/);

  const file = await configFile(t, config);
  const checked = await ns.fw.run(process.execPath, [FIREHOOKD, '-c', file, '--check'], { timeoutMs: PATIENCE_MS });
  assert.equal(checked.code, 2);
  const { code, advice } = await judged(ns.fw, file);
  assert.equal(code, 1);
  assert.match(advice, /change lane\.cpus/);
});

test('a CPU that the daemon is kept from is refused, and doctor says so', {
  skip: rootOnly('taskset') || ((await ownCpus()).length < 2 && 'needs two CPUs'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const [first = 0, second = 0] = await ownCpus();
  const file = await configFile(t, { attach: [BRIDGE], driver: 'afpacket', lane: { cpus: [first, second] } });
  const args = ['--cpu-list', String(first), process.execPath, FIREHOOKD, '-c', file];
  const { code, stderr } = await ns.fw.run('taskset', args, { timeoutMs: PATIENCE_MS });
  assert.equal(code, 2, stderr);
  assert.match(stderr, new RegExp(`CPU ${second}: this process may use CPUs ${first} only`));
  assert.match((await judged(ns.fw, file)).detail, new RegExp(`^lane 1 on CPU ${first}$`));
  const kept = await judged(ns.fw, file, ['taskset', '--cpu-list', String(first)]);
  assert.match(kept.detail, new RegExp(`CPU ${second}: this process may use CPUs ${first} only`));
});

test('rings have the size of the configuration, and status shows what each way got', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  await ns.fw.output('ip', ['link', 'set', 'wan0', 'mtu', '3000']);
  await ns.server.output('ip', ['link', 'set', 'eth0', 'mtu', '3000']);
  const config = { lanes: 2, ring: { ms: 5 } };
  const daemon = await startAfpacket(ns.fw, BRIDGE, [stockHook('pass-all')], config);
  await lanesOf(daemon, 2);
  const { lanes } = await readStatus(daemon);
  assert.equal(lanes.length, 2);
  for (const { rings } of lanes) {
    // A veth says 10 Gbit/s: 812.7 frames of MTU 1,500 a millisecond, 411.5 of MTU 3,000.
    assert.deepEqual(rings, [
      { way: 'lan0 > wan0', mib: 8, slots: 4096, lineRate: 10_000, ms: 5 },
      { way: 'wan0 > lan0', mib: 4.25, slots: 2176, lineRate: 10_000, ms: 5.3 },
    ]);
  }
  const shown = (await daemon.cli('status')).stdout;
  assert.match(shown, /^ring +lan0 > wan0: 8 MiB, 4,096 slots, 5 ms at 10 Gbit\/s, in each lane$/m);
  await assertPings(ns.client, '10.77.0.2');
  await assertAddsUp(daemon);
});

test('two daemons with several lanes tap one interface, and each sees every packet', {
  skip: rootOnly(),
}, async (t) => {
  const { ns } = await hostLab(t);
  const hooks = [stockHook('drop-port', { protocol: 'udp', ports: [9] })];
  const [one, two] = await Promise.all([
    startAfpacket(ns.host, TAP, hooks, { lanes: 2 }),
    startAfpacket(ns.host, TAP, hooks, { lanes: 2 }),
  ]);
  const daemons = [one, two];
  for (const daemon of daemons) await lanesOf(daemon, 2);
  await send(ns.peer, 1000);
  await assertSeen(DATAGRAMS);

  // A lane that is replaced comes back to its own daemon's packets.
  const [killed = -1] = (await readStatus(one)).lane.pids;
  process.kill(killed, 'SIGKILL');
  await lanesOf(one, 2, killed);
  const before = await Promise.all(daemons.map(dropped));
  await send(ns.peer, 3000);
  for (const [i, daemon] of daemons.entries()) {
    await statsWhen(daemon, 'every packet', ({ total }) => total.droppedByHook === (before[i] ?? 0) + DATAGRAMS);
    const { lanes } = await assertAddsUp(daemon);
    assert.ok(lanes.every(({ packets }) => packets > 0));
  }

  async function assertSeen(count: number): Promise<void> {
    for (const daemon of daemons) {
      await statsWhen(daemon, `${count} packets`, ({ total }) => total.droppedByHook >= count);
    }
    assert.deepEqual(await Promise.all(daemons.map(dropped)), [count, count]);
  }
});

async function dropped(daemon: Parameters<typeof assertAddsUp>[0]): Promise<number> {
  return (await assertAddsUp(daemon)).total.droppedByHook;
}

/** Datagrams to UDP port 9, each of a flow of its own. */
async function send(ns: Namespace, firstPort: number): Promise<void> {
  const program = [
    'import socket',
    `for port in range(${firstPort}, ${firstPort + DATAGRAMS}):`,
    '    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)',
    '    s.bind(("10.78.0.2", port)); s.sendto(b"?", ("10.78.0.1", 9)); s.close()',
  ];
  await ns.output('python3', ['-c', program.join('\n')]);
}

/** What doctor says of the CPUs of a configuration. */
async function judged(
  ns: Namespace,
  file: string,
  prefix: readonly string[] = [],
): Promise<{ readonly code: number | null; readonly detail: string; readonly advice: string }> {
  const [command = '', ...args] = [...prefix, process.execPath, FIREHOOK, 'doctor', '--json', '-c', file];
  const { code, stdout, stderr } = await ns.run(command, args, { timeoutMs: 120_000 });
  assert.equal(stderr, '');
  const { checks } = JSON.parse(stdout) as DoctorReport;
  const result = checks.find(({ name }) => name === 'lane CPUs');
  return { code, detail: result?.detail ?? '', advice: result?.advice ?? '' };
}
