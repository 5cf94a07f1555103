/**
 * Datagrams that a hook sends by the routes of the machine, with attaches that have no way of their own for that.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS, statsWhen } from '../../support/live.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';
import { ipv4, udp } from '../../support/packet-builder.ts';

const SENT = ipv4(
  { source: '127.0.0.1', destination: '127.0.0.1' },
  udp({ sourcePort: 4000, destinationPort: 9999 }, Buffer.from('from a hook')),
);

const HOOK = `
  import { defineHook, FORWARD } from 'firehook';
  const datagram = Buffer.from('${SENT.toString('hex')}', 'hex');
  export default defineHook({
    name: 'sends',
    setup: (_options, runtime) => {
      runtime.every(100, () => {
        if (runtime.mode === 'live') runtime.log('info', 'sent ' + runtime.send(datagram));
      });
      return { onPacket: () => FORWARD };
    },
  });`;

const LISTENER = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 9999))
print('ready', flush=True)
print(s.recv(100).decode(), flush=True)
`;

for (const driver of ['afpacket', 'pcap'] as const) {
  for (const attach of [{ bridge: ['lan0', 'wan0'] }, { tap: 'lan0' }]) {
    const isTap = 'tap' in attach;
    const what = isTap ? 'a tap sends nothing' : 'a bridge sends by the routes of its machine';
    test(`${what}: ${driver}`, { skip: rootOnly('python3', 'ip') }, async (t) => {
      const { ns } = await bridgeLab(t);
      await ns.fw.run('ip', ['link', 'set', 'lo', 'up']);
      const listener = ns.fw.spawn('python3', ['-c', LISTENER]);
      await waitFor(() => listener.stdout.includes('ready'), { what: 'a listener', timeoutMs: PATIENCE_MS });
      const config = { attach: [attach], driver, hooks: [{ module: './sends.ts' }] };
      const daemon = await startDaemon(ns.fw, config, { files: { 'sends.ts': HOOK }, timeoutMs: PATIENCE_MS });
      if (isTap) {
        await statsWhen(daemon, 'what is refused', ({ total }) => total.injectRefused > 1);
        assert.ok(!listener.stdout.includes('from a hook'));
        await listener.stop(1000);
      } else {
        await waitFor(() => listener.stdout.includes('from a hook'), { what: 'the datagram', timeoutMs: PATIENCE_MS });
        await statsWhen(daemon, 'what was sent', ({ total }) => total.injected > 0 && total.injectRefused === 0);
      }
      await assertAddsUp(daemon);
      assert.equal(await daemon.stop(), 0);
    });
  }
}
