/**
 * Reloads under traffic: numbered datagrams through a bridge whose hook stamps each of them, while its configuration is loaded anew again and again.
 *
 * Rule: what is asked for is what arrives: each datagram once, each stamped, by one generation after the other.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS, readStatus } from '../../support/live.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';

const SCRIPT = fileURLToPath(new URL('../../support/stamped.py', import.meta.url));
const HOOK = fileURLToPath(new URL('../../fixtures/hooks/reload/stamp.ts', import.meta.url));
const SERVER = '10.77.0.2';
const skip = rootOnly();

interface Arrived {
  readonly received: number;
  readonly twice: number;
  readonly unstamped: number;
  readonly missing: number;
  readonly late: number;
  readonly stamps: Readonly<Record<string, number>>;
}

/** Faults that a configuration may have, and what is said of it. */
const BAD = [
  ['setup', /it does not want to/],
  ['packet', /it never works/],
] as const;

/** Tests reloads with a driver. */
export function testReloads(driver: 'pcap' | 'afpacket', lanes: number, reloads: number, rate: number): void {
  test(`${reloads} reloads with ${driver}, ${lanes} lanes, at ${rate} packets a second: none lost, none unhooked, none twice`, {
    skip,
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    const config = (stamp: number, fault?: string): Record<string, unknown> => ({
      attach: [{ bridge: ['lan0', 'wan0'] }],
      driver,
      lanes,
      hooks: [{ module: HOOK, options: { stamp, ...(fault === undefined ? {} : { fault }) } }],
    });
    const daemon = await startDaemon(ns.fw, config(1), { timeoutMs: PATIENCE_MS });
    const receiver = ns.server.spawn('python3', [SCRIPT, 'receive', SERVER, '7000']);
    await waitFor(() => receiver.stdout.startsWith('ready'), { what: 'the receiver' });
    const sender = ns.client.spawn('python3', [SCRIPT, 'send', SERVER, '7000', String(rate)]);
    const descriptors = (): number => readdirSync(`/proc/${daemon.pid}/fd`).length;
    const before = descriptors();
    let stamp = 1;
    for (let round = 0; round < reloads; round++) {
      const bad = round % 4 === 3 ? BAD[(round >> 2) % BAD.length] : undefined;
      await daemon.writeConfig(config(stamp + 1, bad?.[0]));
      const { code, stderr } = await daemon.cli('reload');
      if (bad !== undefined) {
        assert.match(stderr, bad[1]);
        assert.notEqual(code, 0);
      } else {
        assert.equal(code, 0, `${stderr}\n${daemon.log}`);
        stamp += 1;
      }
    }
    // Nothing of a generation stays when it has gone; a lane that retires has a moment for it.
    await waitFor(() => descriptors() <= before, {
      what: `the descriptors to be ${before} again`,
      timeoutMs: PATIENCE_MS,
    });
    sender.kill('SIGTERM');
    await sender.exited;
    receiver.kill('SIGTERM');
    await receiver.exited;
    const sent = Number(sender.stdout);
    const arrived = JSON.parse(receiver.stdout.split('\n')[1] ?? '') as Arrived;
    t.diagnostic(`${sent} sent; ${JSON.stringify({ ...arrived, stamps: Object.keys(arrived.stamps).length })}`);
    const stats = await assertAddsUp(daemon);
    // A busy machine may let a ring run full: then nobody ever had those datagrams. Nothing else may be missing.
    const { kernelDropped } = stats;
    t.diagnostic(`dropped by the kernel because a ring was full: ${kernelDropped}`);
    assert.equal(arrived.received, sent - kernelDropped);
    assert.deepEqual([arrived.missing, arrived.twice, arrived.unstamped], [kernelDropped, 0, 0]);
    assert.equal(Object.keys(arrived.stamps).length, stamp);
    const status = await readStatus(daemon);
    assert.equal(status.generation, stamp);
    assert.equal(status.lane.restarts, 0);
  });
}
