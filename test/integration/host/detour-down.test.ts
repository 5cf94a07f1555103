/**
 * Promise: whoever sets an end of a detour down takes the traffic away for a moment, and firehook brings it back, with either
 * driver.
 *
 * Rule: both ends of both directions. libpcap's handle at a device that was down is dead for the event loop; the lane has
 * to notice.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { PATIENCE_MS } from '../../support/live.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';

const PASS = `import { defineHook } from 'firehook';
export default defineHook({ name: 'pass', onPacket: () => 0 });
`;
const PING = ['-c', '1', '-W', '1'];

for (const driver of ['afpacket', 'pcap'] as const) {
  test(`traffic comes back after any end of a detour was set down, with ${driver}`, {
    skip: rootOnly('ping'),
  }, async (t) => {
    const { ns } = await hostLab(t);
    const config = { attach: [{ host: 'eth0' }], driver, hooks: [{ module: './pass.js' }] };
    await startDaemon(ns.host, config, { files: { 'pass.js': PASS }, timeoutMs: PATIENCE_MS });
    const links = await ns.host.output('ip', ['-o', 'link', 'show', 'type', 'veth']);
    const ends = Array.from(links.matchAll(/ (fh\d+[io][01])@/g), ([, end = '']) => end);
    assert.equal(ends.length, 4, links);
    for (const end of ends) {
      await ns.host.output('ip', ['link', 'set', end, 'down']);
      // From the host and to it: one goes through both directions, and a lane that lost one of them answers nothing.
      const isBack = async () => {
        const isUp = / UP /.test(await ns.host.output('ip', ['-br', 'link', 'show', end]));
        return isUp && (await ns.peer.run('ping', [...PING, '10.78.0.1'])).code === 0;
      };
      await waitFor(isBack, { what: `an answer after ${end} was down`, timeoutMs: PATIENCE_MS });
    }
  });
}
