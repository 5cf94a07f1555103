/**
 * The host attach with the clients people use, IPv4 and IPv6, in and out: everything passes once, or is stopped as told.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPingCount, ETHERNET_HEADER, readStats, statsWhen, stockHook } from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { checkIpv4, checkIpv6, destination, icmp, source } from '../../support/packet-checker.ts';
import { fixtureHook, listen, socket, startSocket, watch, wayOf } from './live-host.ts';

const skip = rootOnly('ping');
const HOST = ['10.78.0.1', 'fd78::1'] as const;
const PEER = ['10.78.0.2', 'fd78::2'] as const;
const ATTACH = [{ host: 'eth0' }];
/** Nearly three megabytes in which no two places look the same. */
const PAGE = Array.from({ length: 400_000 }, (_, n) => n).join();
const MEGABYTES = 20;

test('ping and HTTP pass in both directions, each packet once', { skip: rootOnly('ping', 'curl') }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: ATTACH, driver: 'pcap', hooks: [stockHook('pass-all')] });
  await assertPingCount(ns.peer, 5, ...HOST);
  await assertPingCount(ns.host, 5, ...PEER);
  const pinged = await readStats(daemon);
  // Five requests and five answers, each way, each family: nothing else is unicast here, and nothing is seen twice.
  for (const way of ['eth0 in', 'eth0 out']) assert.equal(wayOf(pinged, way).ledger.forwarded, 20);

  for (const [server, client, addresses] of [
    [ns.host, ns.peer, HOST],
    [ns.peer, ns.host, PEER],
  ] as const) {
    const web = serveHttp(server);
    await waitFor(() => web.stdout.includes('listening'), { what: 'the web server' });
    for (const address of addresses) {
      const url = `http://${address.includes(':') ? `[${address}]` : address}:8080/`;
      const body = await client.output('curl', ['-sS', '--max-time', '20', url]);
      assert.ok(body === PAGE, `${url}: ${body.length} octets instead of the ${PAGE.length} that were sent`);
    }
    await web.stop();
  }
  const stats = await assertAddsUp(daemon);
  assert.equal(stats.total.received, stats.total.forwarded);
});

test('super-frames of bulk TCP pass in both directions', { skip: rootOnly('iperf3') }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: ATTACH, driver: 'pcap', hooks: [stockHook('pass-all')] });
  for (const address of HOST) {
    for (const direction of [[], ['-R']]) {
      // One server a run: it says that it is busy for a moment after each.
      const server = ns.host.spawn('iperf3', ['-s', '-1', '--forceflush']);
      await waitFor(() => server.stdout.includes('listening'), { what: 'iperf3' });
      const args = ['-c', address, '-n', `${MEGABYTES}M`, '-J', ...direction];
      const report = JSON.parse(await ns.peer.output('iperf3', args, { timeoutMs: 60_000 })) as IperfReport;
      assert.ok(report.end.sum_received !== undefined, `${address}: ${report.error}\n${server.stdout}`);
      // What is on its way when the sender has sent enough is not counted by the receiver.
      const { bytes } = report.end.sum_received;
      assert.ok(bytes > (MEGABYTES / 2) * 1024 * 1024, `${address} ${direction.join()}: ${bytes} octets`);
      await server.exited;
    }
  }
  const stats = await assertAddsUp(daemon);
  for (const way of ['eth0 in', 'eth0 out']) {
    const { ledger, port } = wayOf(stats, way);
    assert.ok(port !== null);
    assert.ok(port.stolen < port.offered, `${way}: no super-frame was stolen: ${port.stolen}, ${port.offered}`);
    assert.equal(ledger.lostTooLong, 0);
  }
});

test('a UDP payload is rewritten to another length in both directions', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const options = { protocol: 'udp', port: 7000, find: 'ping', replace: 'pong pong' };
  const daemon = await startDaemon(ns.host, {
    attach: ATTACH,
    driver: 'pcap',
    hooks: [stockHook('rewrite-payload', options)],
  });
  for (const [index, address] of HOST.entries()) {
    const inside = await listen(ns.host, 'udp-listen', address, '7000', '--answer');
    assert.equal(await ask(ns.peer, address, 'a ping'), 'a pong pong');
    assert.equal(fromHex(inside.stdout), 'a pong pong');
    const outside = await listen(ns.peer, 'udp-listen', PEER[index] ?? '', '7000', '--answer');
    assert.equal(await ask(ns.host, PEER[index] ?? '', 'ping out'), 'pong pong out');
    assert.equal(fromHex(outside.stdout), 'pong pong out');
  }
  const stats = await assertAddsUp(daemon);
  assert.equal(wayOf(stats, 'eth0 in').ledger.replaced, 2);
  assert.equal(wayOf(stats, 'eth0 out').ledger.replaced, 2);
});

test('a dropped packet does not arrive, inbound and outbound', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, {
    attach: ATTACH,
    driver: 'pcap',
    hooks: [stockHook('drop-port', { protocol: 'udp', ports: [7100] })],
  });
  for (const [index, address] of HOST.entries()) {
    const inside = await listen(ns.host, 'udp-listen', address, '7100');
    const outside = await listen(ns.peer, 'udp-listen', PEER[index] ?? '', '7100');
    const passed = await listen(ns.host, 'udp-listen', address, '7101');
    await socket(ns.peer, 'udp-send', address, '7100', '00');
    await socket(ns.host, 'udp-send', PEER[index] ?? '', '7100', '00');
    await socket(ns.peer, 'udp-send', address, '7101', '01');
    await waitFor(() => passed.stdout === '01\n', { what: 'the datagram that may pass' });
    await statsWhen(daemon, 'both drops', ({ total }) => total.dropped === 2 * (index + 1));
    assert.equal(inside.stdout + outside.stdout, '');
  }
  const stats = await assertAddsUp(daemon);
  assert.equal(wayOf(stats, 'eth0 in').ledger.droppedByHook, 2);
  assert.equal(wayOf(stats, 'eth0 out').ledger.droppedByHook, 2);
});

test('a rejected connection fails at once with the reason, inbound and outbound', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, {
    attach: ATTACH,
    driver: 'pcap',
    hooks: [stockHook('reject-port', { protocol: 'tcp', ports: [7200] })],
  });
  const seen = await watch(ns.peer, ns.host);
  for (const [client, [ipv4, ipv6]] of [
    [ns.peer, HOST],
    [ns.host, PEER],
  ] as const) {
    // A listener at the other end would take the connection: it is the hook that refuses it.
    const serverSide = client === ns.peer ? ns.host : ns.peer;
    await listen(serverSide, 'tcp-serve', '::', '7200');
    // ETIMEDOUT would mean that the ICMP error got lost.
    assert.equal(await socket(client, 'tcp-connect', ipv4, '7200', '--timeout', '25'), 'EHOSTUNREACH');
    assert.equal(await socket(client, 'tcp-connect', ipv6, '7200', '--timeout', '25'), 'EACCES');
  }
  const errors = (await seen.frames()).filter(isUnreachable).map((frame) => frame.subarray(ETHERNET_HEADER));
  assert.equal(errors.length, 2);
  checkIpv4(errors[0] ?? Buffer.alloc(0), source(HOST[0]), destination(PEER[0]), icmp(3, 13));
  checkIpv6(errors[1] ?? Buffer.alloc(0), source(HOST[1]), destination(PEER[1]), icmp(1, 1));
  const stats = await assertAddsUp(daemon);
  for (const way of ['eth0 in', 'eth0 out']) {
    // One SYN a family: a sender that is told does not try again.
    assert.equal(wayOf(stats, way).ledger.rejected, 2);
    assert.equal(wayOf(stats, way).ledger.icmpErrors, 2);
  }
});

test('a local TCP connection survives the loss of packets it sends', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, {
    attach: ATTACH,
    driver: 'pcap',
    hooks: [fixtureHook('drop-every-fifth')],
  });
  await listen(ns.peer, 'tcp-serve', '::', '7300');
  const lines = 40;
  for (const address of PEER) {
    const client = startSocket(ns.host, 'tcp-trickle', address, '7300', `${lines}`, '--timeout', '60');
    await client.exited;
    assert.equal(client.stdout.trimEnd().split('\n').at(-1), `${lines}`, client.stdout + client.stderr);
  }
  const stats = await assertAddsUp(daemon);
  assert.ok(wayOf(stats, 'eth0 out').ledger.droppedByHook >= 2 * (lines / 5), 'hardly anything was dropped');
});

/** The part of `iperf3 -J` that is looked at. */
interface IperfReport {
  readonly error?: string;
  readonly end: { readonly sum_received?: { readonly bytes: number } };
}

/** A web server on port 8080, both families, whose one page is longer than any window. */
function serveHttp(ns: Namespace) {
  const script = `const page = Array.from({ length: 400_000 }, (_, n) => n).join();
    require('node:http').createServer((_, response) => response.end(page))
    .listen(8080, '::', () => console.log('listening'))`;
  return ns.node(['-e', script]);
}

async function ask(ns: Namespace, address: string, text: string): Promise<string> {
  return fromHex(await socket(ns, 'udp-ask', address, '7000', Buffer.from(text).toString('hex')));
}

function fromHex(text: string): string {
  return Buffer.from(text.trim(), 'hex').toString();
}

/** True for ICMP type 3 and ICMPv6 type 1: neighbour discovery goes on beside them. */
function isUnreachable(frame: Buffer): boolean {
  const isIpv4 = frame.readUInt16BE(12) === 0x0800;
  const [protocol, type] = isIpv4 ? [frame[23], frame[34]] : [frame[20], frame[54]];
  return isIpv4 ? protocol === 1 && type === 3 : protocol === 58 && type === 1;
}
