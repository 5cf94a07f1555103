/**
 * A bridge with a hook that forwards: what real clients send arrives, over IPv4 and IPv6, with offloads on.
 *
 * Rule: both ends are ordinary programs of the system; what arrived is compared with what was sent.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { sendUdpSuperDatagram, startCapture } from '../../support/frames.ts';
import { assertAddsUp, assertPings, ETHERNET_HEADER, PATIENCE_MS, statsWhen, stockHook } from '../../support/live.ts';
import type { Namespace, RunningProcess } from '../../support/netns.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';
import { checkIpv4, checkIpv6, destinationPort, udp } from '../../support/packet-checker.ts';
import { hush, IPV4, IPV6, SERVER, SERVER6, startBridge } from './bridge-daemon.ts';

const BODY = 'All work and no play makes Jack a dull boy.\n'.repeat(25_000);
const DIGEST = createHash('sha256').update(BODY).digest('hex');

/** Answers GET with the body and POST with the digest of what was sent. */
const HTTP_SERVER = `
  const body = 'All work and no play makes Jack a dull boy.\\n'.repeat(25000);
  const hash = require('node:crypto').createHash;
  require('node:http').createServer((request, response) => {
    if (request.method === 'GET') return response.end(body);
    const digest = hash('sha256');
    request.on('data', (part) => digest.update(part)).on('end', () => response.end(digest.digest('hex')));
  }).listen(8080, '::', () => console.log('ready'));`;

test('a bridge passes what real clients send', {
  skip: rootOnly('ping', 'curl', 'iperf3', 'dig', 'dnsmasq'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  assert.match(await ns.client.output('ethtool', ['-k', 'eth0']), /^tcp-segmentation-offload: on/m);
  const daemon = await startBridge(ns.fw, { hooks: [stockHook('pass-all')] });

  await t.test('ping is answered once for each request', async () => {
    await assertPings(ns.client, SERVER, SERVER6);
    await assertPings(ns.server, '10.77.0.1', 'fd77::1');
    await hush(ns.client, ns.server);
  });

  await t.test('HTTP brings every octet, both ways', async () => {
    await ready(ns.server.node(['-e', HTTP_SERVER]), 'ready');
    for (const host of [SERVER, `[${SERVER6}]`]) {
      const url = `http://${host}:8080/`;
      const got = await ns.client.output('curl', ['-sS', '-m', '30', url]);
      assert.equal(createHash('sha256').update(got).digest('hex'), DIGEST, url);
      const digest = await ns.client.output('curl', ['-sS', '-m', '30', '--data-binary', '@-', url], { input: BODY });
      assert.equal(digest, DIGEST, url);
    }
  });

  await t.test('TCP in super-frames arrives whole, both ways', async () => {
    await ready(ns.server.spawn('iperf3', ['-s', '--forceflush']), 'Server listening');
    for (const address of [SERVER, SERVER6]) {
      for (const way of [[], ['-R']]) {
        assert.ok((await iperf(ns.client, address, way)) > 15_000_000, `${address} ${way.join('')}`);
      }
    }
  });

  await t.test('DNS over UDP is answered, A and AAAA', async () => {
    const address = ['--address=/firehook.test/192.0.2.53', '--address=/firehook.test/2001:db8::53'];
    const quiet = ['--no-daemon', '--no-resolv', '--no-hosts', '--conf-file=/dev/null', '--user=root', '--pid-file='];
    await ready(ns.server.spawn('dnsmasq', [...quiet, ...address]), 'started');
    for (const server of [SERVER, SERVER6]) {
      const ask = (type: string) =>
        ns.client.output('dig', ['+short', '+tries=5', '+time=3', `@${server}`, 'firehook.test', type]);
      assert.equal(await ask('A'), '192.0.2.53\n', server);
      assert.equal(await ask('AAAA'), '2001:db8::53\n', server);
    }
  });

  await t.test('a UDP super-datagram arrives as its datagrams, each with its checksum', async () => {
    const whole = Buffer.from(Array.from({ length: 20_000 }, (_, index) => index % 251));
    for (const [address, etherType, headers, check] of [
      [SERVER, IPV4, 28, checkIpv4],
      [SERVER6, IPV6, 48, checkIpv6],
    ] as const) {
      const capture = await startCapture(ns.server, 'eth0', {
        count: 20,
        etherTypes: [etherType],
        timeoutMs: PATIENCE_MS,
      });
      await sendUdpSuperDatagram(ns.client, address, 9, whole.length, 1000);
      const datagrams = (await capture.frames()).map((frame) => frame.subarray(ETHERNET_HEADER));
      assert.equal(datagrams.length, 20);
      // The kernel left these checksums to the interface; the detour has completed them.
      for (const datagram of datagrams) check(datagram, udp(destinationPort(9)));
      assert.deepEqual(Buffer.concat(datagrams.map((datagram) => datagram.subarray(headers))), whole);
    }
  });

  await t.test('nothing was lost, and the ledger adds up', async () => {
    // On a machine that has no time for the lane the ring may overflow; the kernel counts that, and TCP sends again.
    const { total, ways } = await statsWhen(
      daemon,
      'what was stolen to be booked',
      ({ ways, kernelDropped }) => ways.reduce((sum, { port }) => sum + (port?.neverHanded ?? 0), 0) === kernelDropped,
    );
    assert.equal(total.lost, 0);
    assert.equal(total.forwarded, total.received);
    // A super-frame is stolen once and offered in pieces.
    assert.ok(ways.some(({ port }) => port !== null && port.offered > port.stolen));
    await assertAddsUp(daemon);
  });
});

/** Octets that the receiver of an iperf3 run of 20 MB counted. */
async function iperf(client: Namespace, address: string, way: readonly string[]): Promise<number> {
  const report = await client.output('iperf3', ['-c', address, '-n', '20M', '-J', ...way], { timeoutMs: 60_000 });
  return (JSON.parse(report) as { end: { sum_received: { bytes: number } } }).end.sum_received.bytes;
}

async function ready(server: RunningProcess, word: string): Promise<void> {
  await waitFor(() => server.stdout.includes(word) || server.stderr.includes(word), {
    what: `${server.title.slice(0, 60)} to be ready`,
    timeoutMs: PATIENCE_MS,
  });
}
