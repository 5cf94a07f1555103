/**
 * `driver: afpacket` in a bridge and on a host: what real clients send arrives, super-frames pass whole, nothing is lost.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { Daemon } from '../../support/daemon.ts';
import { sendUdpSuperDatagram, startCapture } from '../../support/frames.ts';
import { assertAddsUp, assertPings, ETHERNET_HEADER, PATIENCE_MS, readStats } from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly } from '../../support/netns.ts';
import {
  BODY,
  curl,
  iperf,
  KNOWS_UDP_SUPER,
  LOG_SUPER,
  startAfpacket,
  startHttp,
  startIperf,
} from './live-afpacket.ts';

const DIGEST = createHash('sha256').update(BODY).digest('hex');

test('a bridge with afpacket passes what real clients send', {
  skip: rootOnly('ping', 'curl', 'iperf3'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, { bridge: ['lan0', 'wan0'] }, [LOG_SUPER]);
  await assertPings(ns.server, '10.77.0.1', 'fd77::1');
  await passes(t, daemon, ns.client, ns.server, ['10.77.0.2', 'fd77::2']);

  const cannot = KNOWS_UDP_SUPER ? false : 'the kernel drops it at the ring: docs/drivers.md';
  await t.test('a UDP super-datagram arrives whole', { skip: cannot }, async () => {
    const whole = Buffer.from(Array.from({ length: 20_000 }, (_, index) => index % 251));
    for (const [address, etherType, headers] of [
      ['10.77.0.2', 0x0800, 28],
      ['fd77::2', 0x86dd, 48],
    ] as const) {
      const capture = await startCapture(ns.server, 'eth0', {
        count: 1,
        etherTypes: [etherType],
        timeoutMs: PATIENCE_MS,
      });
      await sendUdpSuperDatagram(ns.client, address, 9, whole.length, 1000);
      // A capture at a veth sees what nobody has cut: the super-frame, or the datagrams where something had to.
      const [first] = await capture.frames();
      assert.ok(first !== undefined);
      const data = first.subarray(ETHERNET_HEADER + headers);
      assert.deepEqual(data, whole.subarray(0, data.length));
      assert.equal(data.length, whole.length);
    }
    await assertAddsUp(daemon);
  });
});

test('a host with afpacket passes what real clients send', { skip: rootOnly('ping', 'curl', 'iperf3') }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startAfpacket(ns.host, { host: 'eth0' }, [LOG_SUPER]);
  await assertPings(ns.host, '10.78.0.2', 'fd78::2');
  await passes(t, daemon, ns.peer, ns.host, ['10.78.0.1', 'fd78::1']);
});

async function passes(
  t: TestContext,
  daemon: Daemon,
  client: Namespace,
  server: Namespace,
  addresses: readonly string[],
): Promise<void> {
  await t.test('ping is answered once for each request', () => assertPings(client, ...addresses));

  await t.test('HTTP brings every octet, both ways', async () => {
    await startHttp(server);
    for (const address of addresses) {
      const host = address.includes(':') ? `[${address}]` : address;
      assert.equal(
        createHash('sha256')
          .update(await curl(client, host))
          .digest('hex'),
        DIGEST,
        host,
      );
      assert.equal(await curl(client, host, BODY), DIGEST, host);
    }
  });

  await t.test('TCP arrives in super-frames, both ways, and nothing is lost', async () => {
    await startIperf(server);
    for (const address of addresses) {
      for (const way of [[], ['-R']]) {
        assert.ok((await iperf(client, address, ...way)) > 40_000_000, `${address} ${way.join('')}`);
      }
    }
    assert.match(daemon.log, /saw a super-frame/);
    const { total } = await readStats(daemon);
    assert.equal(total.lost, 0);
    await assertAddsUp(daemon);
  });
}
