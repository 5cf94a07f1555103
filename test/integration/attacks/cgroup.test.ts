/**
 * Promise: each lane lives alone in a cgroup where firehookd may make one, and nothing of it outlives the lane or the daemon.
 *
 * Rule: cgroup v2 is mounted for the daemon alone, in the mount namespace that `ip netns exec` gives it; cgroups that the test makes it
 * removes.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Daemon } from '../../support/daemon.ts';
import { assertPings } from '../../support/live.ts';
import { hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { lanesOf, startBy, writeConfig } from './attack.ts';

const MOUNT = 'mount -t cgroup2 none /sys/fs/cgroup';
const CONFIG = { attach: [{ host: 'eth0' }], lanes: 2 };
const LIMIT_MIB = 512;

/** A line of a shell in which cgroup v2 can be seen. */
function shell(ns: Namespace, line: string): Promise<string> {
  return ns.output('sh', ['-c', `${MOUNT} && ${line}`]);
}

/** Cgroups below `folder`, as the machine shows them. */
async function cgroupsBelow(ns: Namespace, folder: string): Promise<string[]> {
  return (await shell(ns, `find ${folder} -mindepth 1 -maxdepth 1 -type d -printf '%f\\n'`)).trim().split('\n').sort();
}

/** Where a process is, by the kernel. */
function cgroupOf(pid: number): string {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? '';
}

async function cgroupsInStatus(daemon: Daemon): Promise<(string | null)[]> {
  const { lanes } = (await daemon.status()) as { lanes: readonly { cgroup: string | null }[] };
  return lanes.map(({ cgroup }) => cgroup);
}

test('in a cgroup that was delegated to it, the daemon moves aside and each lane has one', {
  skip: rootOnly('ping', 'python3'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const name = `firehook-test-${process.pid}`;
  const own = `/sys/fs/cgroup/${name}`;
  const delegate = `python3 -c 'import os; os.setxattr("${own}", "user.delegate", b"1")'`;
  const remove = `find ${own} -depth -type d -exec rmdir {} +`;
  ns.host.defer(async () => {
    await shell(ns.host, `test ! -d ${own} || ${remove}`);
  });
  const written = await writeConfig(ns.host, { ...CONFIG, lane: { memoryMiB: LIMIT_MIB } });
  const enter = `${MOUNT} && mkdir ${own} && ${delegate} && echo $$ > ${own}/cgroup.procs && exec "$1" -c "$2"`;
  const daemon = await startBy(ns.host, written, enter);
  const pids = await lanesOf(daemon, 2);
  assert.equal(cgroupOf(daemon.pid), `/${name}/supervisor`);
  assert.deepEqual(pids.map(cgroupOf), [`/${name}/lane-1`, `/${name}/lane-2`]);
  assert.deepEqual(await cgroupsInStatus(daemon), [`${own}/lane-1`, `${own}/lane-2`]);
  assert.deepEqual((await shell(ns.host, `cat ${own}/lane-1/cgroup.procs`)).trim(), String(pids[0]));
  // Which controllers a machine has left for cgroup v2 is its own business.
  const controllers = (await shell(ns.host, `cat ${own}/cgroup.controllers`)).trim().split(' ');
  const enabled = (await shell(ns.host, `cat ${own}/cgroup.subtree_control`)).trim().split(' ');
  for (const [controller, file, value] of [
    ['pids', 'pids.max', 256],
    ['memory', 'memory.max', (LIMIT_MIB + 64) * 2 ** 20],
  ] as const) {
    assert.equal(enabled.includes(controller), controllers.includes(controller), controller);
    if (!enabled.includes(controller)) continue;
    assert.equal(Number(await shell(ns.host, `cat ${own}/lane-1/${file}`)), value);
  }
  await assertPings(ns.peer, '10.78.0.1');

  process.kill(pids[0] as number, 'SIGKILL');
  const others = await lanesOf(daemon, 2, pids[0]);
  // A lane that was just started is where the supervisor is, until it is put into its own.
  await waitFor(() => others.every((pid) => cgroupOf(pid) !== `/${name}/supervisor`), {
    what: 'the cgroup of the lane',
  });
  assert.deepEqual(others.map(cgroupOf).sort(), [`/${name}/lane-2`, `/${name}/lane-3`]);
  assert.deepEqual(await cgroupsBelow(ns.host, own), ['lane-2', 'lane-3', 'supervisor']);
  assert.equal(await daemon.stop(), 0);
  assert.deepEqual(await cgroupsBelow(ns.host, own), ['supervisor']);
});

test('in the root nothing is left, and what a killed daemon left goes with the next', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const written = await writeConfig(ns.host, CONFIG);
  const enter = `${MOUNT} && echo $$ > /sys/fs/cgroup/cgroup.procs && exec "$1" -c "$2"`;
  const ours = async (pid: number): Promise<string[]> =>
    (await cgroupsBelow(ns.host, '/sys/fs/cgroup')).filter((name) => name.startsWith(`firehook-${pid}-`));
  const first = await startBy(ns.host, written, enter);
  const lanes = await lanesOf(first, 2);
  assert.deepEqual(
    lanes.map(cgroupOf).map((one) => path.basename(one)),
    await ours(first.pid),
  );
  const before = await shell(ns.host, 'cat /sys/fs/cgroup/cgroup.subtree_control');
  await first.kill9();
  await waitFor(() => lanes.every((pid) => !isAlive(pid)), { what: 'the end of the lanes' });
  const second = await startBy(ns.host, written, enter);
  await lanesOf(second, 2);
  assert.deepEqual(await ours(first.pid), []);
  assert.equal((await ours(second.pid)).length, 2);
  assert.equal(await shell(ns.host, 'cat /sys/fs/cgroup/cgroup.subtree_control'), before);
  await assertPings(ns.peer, '10.78.0.1');
  assert.equal(await second.stop(), 0);
  assert.deepEqual(await ours(second.pid), []);
});

test('where another program made the cgroup, lanes have none and the log says so', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const own = `/sys/fs/cgroup/firehook-test-other-${process.pid}`;
  ns.host.defer(async () => {
    await shell(ns.host, `test ! -d ${own} || rmdir ${own}`);
  });
  const written = await writeConfig(ns.host, CONFIG);
  const daemon = await startBy(
    ns.host,
    written,
    `${MOUNT} && mkdir ${own} && echo $$ > ${own}/cgroup.procs && exec "$1" -c "$2"`,
  );
  const pids = await lanesOf(daemon, 2);
  assert.deepEqual(new Set([daemon.pid, ...pids].map(cgroupOf)), new Set([own.replace('/sys/fs/cgroup', '')]));
  assert.deepEqual(await cgroupsInStatus(daemon), [null, null]);
  assert.match(daemon.log, /Lanes have no cgroups of their own: .* was not delegated to firehookd/);
  await assertPings(ns.peer, '10.78.0.1');
  assert.equal(await daemon.stop(), 0);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
