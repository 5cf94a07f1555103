/**
 * A start says that it runs only after frames of firehook's own have come through, and `status` says what they have shown.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPings, PATIENCE_MS, readStatus } from '../../support/live.ts';
import { bridgeLab, hostLab, rootOnly, waitFor } from '../../support/netns.ts';

const skip = rootOnly('nft', 'ping');

for (const driver of ['pcap', 'afpacket'] as const) {
  for (const shape of ['bridge', 'host'] as const) {
    test(`${shape}, ${driver}: status says what was shown, and shows it again after the port has changed`, {
      skip,
    }, async (t) => {
      const isBridge = shape === 'bridge';
      const lab = isBridge ? (await bridgeLab(t)).ns : (await hostLab(t)).ns;
      const [fw, port, peer, address] =
        'fw' in lab ? [lab.fw, 'lan0', lab.client, '10.77.0.2'] : [lab.host, 'eth0', lab.peer, '10.78.0.1'];
      const attach = isBridge ? { bridge: ['lan0', 'wan0'] } : { host: 'eth0' };
      const daemon = await startDaemon(fw, { attach: [attach], driver }, { timeoutMs: PATIENCE_MS });
      const { proven } = (await readStatus(daemon)).attaches[0] ?? {};
      const hasRing = isBridge && driver === 'afpacket';
      assert.match(proven?.shown ?? '', hasRing ? /the kernel has confirmed/ : /came through every detour/);
      assert.match(proven?.unshown ?? '', /firehook selftest/);
      const { stdout } = await daemon.cli('status');
      assert.match(stdout, /^proven +\S+.*, \d+ s ago: /m);
      await fw.output('ip', ['link', 'set', port, 'mtu', '1400']);
      await waitFor(() => /it is attached anew/.test(daemon.log), { what: 'the change', timeoutMs: PATIENCE_MS });
      await waitFor(async () => (await readStatus(daemon)).attaches[0]?.proven != null, {
        what: 'another proof',
        timeoutMs: PATIENCE_MS,
      });
      await assertPings(peer, address);
      // The probes are in no sum of the ledger.
      await assertAddsUp(daemon);
      assert.equal(await daemon.stop(), 0);
    });
  }
}

test('a port that is down keeps no start from running, and is not shown to be anything', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  await ns.host.output('ip', ['link', 'set', 'eth0', 'down']);
  const config = { attach: [{ host: 'eth0' }], driver: 'afpacket' };
  const daemon = await startDaemon(ns.host, config, { timeoutMs: PATIENCE_MS });
  assert.equal((await readStatus(daemon)).attaches[0]?.proven, null);
  await ns.host.output('ip', ['link', 'set', 'eth0', 'up']);
  await waitFor(async () => (await readStatus(daemon)).attaches[0]?.proven !== null, {
    what: 'a proof',
    timeoutMs: PATIENCE_MS,
  });
  await assertPings(ns.peer, '10.78.0.1');
  assert.equal(await daemon.stop(), 0);
});
