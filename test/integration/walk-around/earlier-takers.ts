/**
 * Promise: what takes frames of a port before firehook gets them is refused at the start, and opens nothing where it comes
 * later: an ifb shaper, whose redirect brings frames back behind the chains of the port, and a macvlan, which takes the
 * frames of its own MAC address.
 *
 * Rule: as in `host.ts`, with a hook that drops all. Each test shows first that the way around is one: without
 * firehook the frames arrive by it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import type { Target } from '../../support/frame-generator.ts';
import { isExempt } from '../../support/frame-generator.ts';
import { PATIENCE_MS } from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { assertNone, HOOKS, linkLocalOf, silence, startWalk, walk, walkFrames } from './walk.ts';

const skip = rootOnly();
const MACVLAN_MAC = '02:00:00:00:77:77';
const VIRTUAL4 = '10.78.0.9';
const VIRTUAL6 = 'fd78::9';

async function lab(t: TestContext) {
  const { ns } = await hostLab(t);
  await silence(ns.peer);
  const target: Target = {
    mac: '02:00:00:00:01:02',
    senderMac: '02:00:00:00:01:01',
    own4: '10.78.0.1',
    own6: 'fd78::1',
    ownLinkLocal: await linkLocalOf(ns.host, 'eth0'),
    sender4: '10.78.0.2',
    sender6: 'fd78::2',
    senderLinkLocal: await linkLocalOf(ns.peer, 'eth0'),
    subnetBroadcast: '10.78.0.255',
  };
  return { ns, target, course: { sender: ns.peer, receiver: ns.host, kind: 'sockets' } as const };
}

/** What sqm, wondershaper and their kin do to shape what comes in. */
async function addShaper(host: Namespace): Promise<void> {
  await host.output('ip', ['link', 'add', 'ifb0', 'type', 'ifb']);
  await host.output('ip', ['link', 'set', 'ifb0', 'up']);
  const qdiscs = await host.output('tc', ['qdisc', 'show', 'dev', 'eth0']);
  if (!qdiscs.includes('ingress')) await host.output('tc', ['qdisc', 'add', 'dev', 'eth0', 'ingress']);
  // Before the filter that firehook may have there.
  const filter =
    'filter add dev eth0 ingress protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev ifb0';
  await host.output('tc', filter.split(' '));
}

async function addMacvlan(host: Namespace): Promise<void> {
  await host.output('ip', `link add mv0 link eth0 address ${MACVLAN_MAC} type macvlan mode bridge`.split(' '));
  await host.output('ip', ['link', 'set', 'mv0', 'up']);
  await host.output('ip', ['address', 'add', `${VIRTUAL4}/32`, 'dev', 'mv0']);
  await host.output('ip', ['address', 'add', `${VIRTUAL6}/128`, 'dev', 'mv0', 'nodad']);
}

/** The addresses that the macvlan has for itself. */
function macvlanTarget(target: Target): Target {
  return { ...target, mac: MACVLAN_MAC, own4: VIRTUAL4, own6: VIRTUAL6 };
}

/** Registers the tests for a driver: a file each, so that none takes long. */
export function walkByTakers(driver: 'afpacket' | 'pcap'): void {
  test(`a shaper that is set up under a running firewall opens nothing with ${driver}`, { skip }, async (t) => {
    const { ns, target, course } = await lab(t);
    const frames = walkFrames(target);
    const daemon = await startWalk(ns.host, 'drop.js', { host: 'eth0' }, driver);
    await addShaper(ns.host);
    // The marker is redirected too, and may not be allowed to come out: the shaper says when all went through.
    const all = frames.reduce((sum, frame) => sum + frame.frames.length, 1);
    const arrived = await walk(course, frames, undefined, async () => {
      const isThrough = async () => (await shaped(ns.host)) >= all;
      await waitFor(isThrough, { what: 'the frames to go through the shaper', timeoutMs: PATIENCE_MS });
    });
    await daemon.stop();
    assertNone(
      'came by the shaper',
      frames.filter((frame) => arrived.has(frame.number) && !isExempt(frame)),
    );
    const free = await walk(course, frames);
    assert.ok(free.size > 500, `without firehook ${free.size} frames come by the shaper`);
  });

  test(`a macvlan that is made under a running firewall opens nothing with ${driver}`, { skip }, async (t) => {
    const { ns, target, course } = await lab(t);
    const frames = walkFrames(macvlanTarget(target));
    const daemon = await startWalk(ns.host, 'drop.js', { host: 'eth0' }, driver);
    await addMacvlan(ns.host);
    await waitFor(async () => JSON.stringify(await daemon.status()).includes('mv0'), {
      what: 'firehook status to say that mv0 takes frames',
    });
    const arrived = await walk(course, frames);
    await daemon.stop();
    assertNone(
      'came by the macvlan',
      frames.filter((frame) => arrived.has(frame.number) && !isExempt(frame)),
    );
    const free = await walk(course, frames);
    assert.ok(free.size > 500, `without firehook ${free.size} frames come by the macvlan`);
  });
}

/** Registers the test of the start, which is the same with every driver. */
export function refuseAtStart(): void {
  test('the start is refused where something takes the frames of a port before firehook', { skip }, async (t) => {
    for (const [name, add] of [
      ['ifb0', addShaper],
      ['mv0', addMacvlan],
    ] as const) {
      await t.test(name, async (t) => {
        const { ns } = await lab(t);
        await add(ns.host);
        const config = { attach: [{ host: 'eth0' }], hooks: [{ module: './drop.js' }] };
        const daemon = await startDaemon(ns.host, config, { files: HOOKS, waitUntilRunning: false });
        await waitFor(() => !daemon.isRunning, { what: 'the daemon to refuse', timeoutMs: PATIENCE_MS });
        const { code } = await daemon.exited;
        assert.ok(code !== 0 && code !== null, `exit code ${code}`);
        assert.match(daemon.log, new RegExp(`eth0.*${name}|${name}.*eth0`), 'it names what takes the frames');
      });
    }
  });
}

/** Frames that have come out of the shaper. */
async function shaped(host: Namespace): Promise<number> {
  return Number(await host.output('cat', ['/sys/class/net/ifb0/statistics/tx_packets']));
}
