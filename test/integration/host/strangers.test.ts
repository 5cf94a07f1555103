/**
 * Promise: only what was stolen at the port meets the hooks, and only what the lane sends comes back. What another program puts
 * into an end of a detour goes nowhere, whatever mark it has, with either driver.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { sendFrames } from '../../support/frames.ts';
import { ifindexOf, PATIENCE_MS, readStats, statsWhen } from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';

const PASS = `import { defineHook } from 'firehook';
export default defineHook({ name: 'pass', onPacket: () => 0 });
`;
const PORT = 7711;
const FRAMES = 20;
/** None, what the lane's frames had in earlier versions, all ones, and what a user may give ping. */
const MARKS = [0, 0x66685449, 0xffff_ffff, 1];
/** Before the wall. */
const SEEN = `table inet seen {
  counter arrived { }
  chain pre { type filter hook prerouting priority -1100; udp dport ${PORT} counter name arrived; }
}`;

async function seen(ns: Namespace): Promise<number> {
  const [, packets = ''] =
    /packets (\d+)/.exec(await ns.output('nft', ['list', 'counters', 'table', 'inet', 'seen'])) ?? [];
  return Number(packets);
}

async function macOf(ns: Namespace): Promise<Buffer> {
  const [, mac = ''] = /link\/ether (\S+)/.exec(await ns.output('ip', ['link', 'show', 'eth0'])) ?? [];
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

for (const driver of ['afpacket', 'pcap'] as const) {
  test(`what strangers send into the ends of a detour goes nowhere, with ${driver}`, {
    skip: rootOnly(),
  }, async (t) => {
    const { ns } = await hostLab(t);
    const config = { attach: [{ host: 'eth0' }], driver, hooks: [{ module: './pass.js' }] };
    const daemon = await startDaemon(ns.host, config, { files: { 'pass.js': PASS }, timeoutMs: PATIENCE_MS });
    await ns.host.output('nft', [SEEN]);
    const ifindex = await ifindexOf(ns.host, 'eth0');
    const datagram = ipv4({ source: '10.78.0.2', destination: '10.78.0.1' }, udp({ destinationPort: PORT }));
    const frame = ethernet({ destination: await macOf(ns.host), source: await macOf(ns.peer), padTo: 60 }, datagram);
    const received = async () => (await readStats(daemon)).ways.map(({ ledger }) => ledger.received);
    const before = await received();
    for (const end of ['i0', 'i1', 'o0', 'o1']) {
      for (const mark of MARKS) {
        const frames = Array<Buffer>(FRAMES).fill(frame);
        // A frame that a chain at the egress drops is ENOBUFS for who sends it.
        await sendFrames(ns.host, `fh${ifindex}${end}`, frames, { mark }).catch(() => undefined);
      }
    }
    // Behind all of them, one that comes by the port: it is the only one.
    await sendFrames(ns.peer, 'eth0', [frame]);
    await statsWhen(
      daemon,
      'the frame that came by the port',
      ({ ways }) => (ways[0]?.ledger.received ?? 0) > (before[0] ?? 0),
    );
    await waitFor(async () => (await seen(ns.host)) > 0, { what: 'the one that the hooks let in' });
    // The host answers it: nobody listens there.
    await statsWhen(daemon, 'the answer', ({ ways }) => (ways[1]?.ledger.received ?? 0) > (before[1] ?? 0));
    assert.deepEqual(
      await received(),
      before.map((count) => count + 1),
    );
    assert.equal(await seen(ns.host), 1);
  });
}
