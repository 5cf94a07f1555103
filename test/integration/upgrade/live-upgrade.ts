/**
 * Upgrades under traffic: another firehookd takes over again and again, while numbered datagrams pass that its hook stamps.
 *
 * Rule: what is asked for is what arrives: each datagram once, each stamped, by one daemon after the other; and all of them are in the counters of
 * the last one.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { StatusReport } from '../../../src/control/reports.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS, readStatus } from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

const SCRIPT = fileURLToPath(new URL('../../support/stamped.py', import.meta.url));
export const STAMP = fileURLToPath(new URL('../../fixtures/hooks/reload/stamp.ts', import.meta.url));
const PORT = '7000';
const skip = rootOnly();

export type Driver = 'pcap' | 'afpacket';

/** Faults that a hook may have, and what is said of it. */
const BAD = [
  ['packet', /it never works/],
  ['setup', /it does not want to/],
] as const;

interface Arrived {
  readonly received: number;
  readonly twice: number;
  readonly unstamped: number;
  readonly missing: number;
  readonly late: number;
  readonly stamps: Readonly<Record<string, number>>;
}

/** Where the datagrams go. */
interface Road {
  readonly attach: Record<string, unknown>;
  readonly fw: Namespace;
  readonly from: Namespace;
  readonly to: Namespace;
  readonly address: string;
}

/** Numbered datagrams that pass a daemon. */
export async function startTraffic(
  { from, to, address }: Road,
  rate: number,
): Promise<{ end(): Promise<{ sent: number; arrived: Arrived }> }> {
  const receiver = to.spawn('python3', [SCRIPT, 'receive', address, PORT]);
  await waitFor(() => receiver.stdout.startsWith('ready'), { what: 'the receiver' });
  const sender = from.spawn('python3', [SCRIPT, 'send', address, PORT, String(rate)]);
  return {
    async end() {
      sender.kill('SIGTERM');
      await sender.exited;
      receiver.kill('SIGTERM');
      await receiver.exited;
      return { sent: Number(sender.stdout), arrived: JSON.parse(receiver.stdout.split('\n')[1] ?? '') as Arrived };
    },
  };
}

/** A bridge between two machines, and a host that one machine speaks to. */
export const ROADS = {
  bridge: async (t: Parameters<typeof bridgeLab>[0]): Promise<Road> => {
    const { ns } = await bridgeLab(t);
    return { attach: { bridge: ['lan0', 'wan0'] }, fw: ns.fw, from: ns.client, to: ns.server, address: '10.77.0.2' };
  },
  host: async (t: Parameters<typeof hostLab>[0]): Promise<Road> => {
    const { ns } = await hostLab(t);
    return { attach: { host: 'eth0' }, fw: ns.host, from: ns.peer, to: ns.host, address: '10.78.0.1' };
  },
} as const;

/** Tests upgrades on a road with a driver; one of four is refused, because a hook does not want to. */
export function testUpgrades(
  road: keyof typeof ROADS,
  driver: Driver,
  lanes: number,
  upgrades: number,
  rate: number,
): void {
  test(`${upgrades} upgrades, ${road} with ${driver}, ${lanes} lanes, at ${rate} packets a second: none lost, none unhooked, none twice`, {
    skip,
  }, async (t) => {
    const made = await ROADS[road](t);
    const config = (stamp: number, fault?: string): Record<string, unknown> => ({
      attach: [made.attach],
      driver,
      lanes,
      hooks: [{ module: STAMP, options: { stamp, ...(fault === undefined ? {} : { fault }) } }],
    });
    const daemon = await startDaemon(made.fw, config(1), { timeoutMs: PATIENCE_MS });
    const traffic = await startTraffic(made, rate);
    const pids = [daemon.pid];
    for (let round = 0; round < upgrades; round++) {
      const bad = round % 4 === 3 ? BAD[(round >> 2) % BAD.length] : undefined;
      await daemon.writeConfig(config(pids.length + 1, bad?.[0]));
      const { code, stderr } = await daemon.cli('upgrade', '--json');
      if (bad !== undefined) {
        assert.match(stderr, bad[1]);
        assert.notEqual(code, 0);
        assert.equal(await pidOf(daemon), pids.at(-1));
        continue;
      }
      assert.equal(code, 0, `${stderr}\n${daemon.log}`);
      const before = pids.at(-1) as number;
      pids.push(await pidOf(daemon));
      assert.notEqual(pids.at(-1), before);
      await waitFor(() => !isThere(before), { what: 'the end of the one before', timeoutMs: PATIENCE_MS });
    }
    const { sent, arrived } = await traffic.end();
    t.diagnostic(`${sent} sent; ${JSON.stringify({ ...arrived, stamps: Object.keys(arrived.stamps).length })}`);
    const stats = await assertAddsUp(daemon);
    // A busy machine may let a ring run full: then nobody ever had those datagrams. Nothing else may be missing.
    const { kernelDropped } = stats;
    t.diagnostic(`dropped by the kernel because a ring was full: ${kernelDropped}`);
    assert.deepEqual([arrived.missing, arrived.twice, arrived.unstamped], [kernelDropped, 0, 0]);
    assert.equal(arrived.received, sent - kernelDropped);
    assert.equal(Object.keys(arrived.stamps).length, pids.length);
    // No daemon has taken what it counted with it.
    assert.ok(stats.total.received >= sent - kernelDropped, `${stats.total.received} were received`);
    const status = await readStatus(daemon);
    assert.equal(status.generation, pids.length);
    assert.equal(status.lease, 'held');
    assert.equal(status.leaseHistory.lapses, 0);
    await endSuccessor(daemon, made.fw);
  });
}

/** Of the daemon that answers on the control socket. */
export async function pidOf(daemon: Daemon): Promise<number> {
  return ((await daemon.status()) as unknown as StatusReport).pid;
}

/** False for one that has ended, also where nobody has asked how. */
export function isThere(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Ends the daemon that has taken over, in order; nothing of it stays in the kernel. */
export async function endSuccessor(daemon: Daemon, fw: Namespace): Promise<void> {
  const pid = await pidOf(daemon);
  process.kill(pid, 'SIGTERM');
  await waitFor(() => !isThere(pid), { what: 'the end of the daemon', timeoutMs: PATIENCE_MS });
  assert.match(daemon.log, /Stopped; everything was taken back\./);
  assert.doesNotMatch((await fw.run('nft', ['list', 'tables'])).stdout, /firehook/);
  assert.doesNotMatch((await fw.run('ip', ['-br', 'link'])).stdout, /\bfh\d/);
}
