/**
 * Hooks that change packets under `driver: afpacket`: checksums that are not final and super-frames come out right.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startCapture } from '../../support/frames.ts';
import { assertAddsUp, ETHERNET_HEADER, isReached, PATIENCE_MS, statsWhen, stockHook } from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { BODY, curl, LOG_SUPER, ready, startAfpacket, startHttp } from './live-afpacket.ts';

const BRIDGE = { bridge: ['lan0', 'wan0'] };
/** Octet of the flags in a TCP header. */
const TCP_FLAGS = 13;
const SYN = 2;
const SERVER = '10.77.0.2';
const SERVER6 = 'fd77::2';
/** Prints each datagram that arrives at port 9000: with a wrong checksum the kernel would not hand it over. */
const UDP_PRINTER = `
  const { createSocket } = require('node:dgram');
  createSocket({ type: 'udp6', ipv6Only: false })
    .on('message', (data, { port }) => console.log(port + ' ' + data))
    .bind(9000, '::', () => console.log('ready'));`;
/** Turns the port 7000 of TCP packets into 8080, and back; \`forget\` leaves the checksum as it was. */
const turnPorts = (updates: boolean): string => `
  import { defineHook, FORWARD, updateTransportChecksum16 } from 'firehook';
  function turn(packet, at, from, to) {
    const place = packet.transportOffset + at;
    if (packet.bytes.readUInt16BE(place) !== from) return;
    packet.bytes.writeUInt16BE(to, place);
    if (${updates}) updateTransportChecksum16(packet.bytes, packet.transportOffset, packet.protocol, from, to);
  }
  export default defineHook({
    name: 'turn-ports',
    onPacket(packet) {
      if (packet.protocol !== 6 || packet.isFragment) return FORWARD;
      turn(packet, 2, 7000, 8080);
      turn(packet, 0, 8080, 7000);
      return FORWARD;
    },
  });`;

async function start(t: TestContext, ...hooks: readonly (string | object)[]) {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, BRIDGE, hooks);
  return { ns, daemon };
}

test('drop and reject hold both ways', { skip: rootOnly('ping', 'curl') }, async (t) => {
  const drop = (address: string) => `
    import { defineHook, DROP, FORWARD } from 'firehook';
    export default defineHook({
      name: 'drop-to',
      onPacket: (packet) => (packet.protocol === 1 && String(packet.destination) === '${address}' ? DROP : FORWARD),
    });`;
  for (const address of [SERVER, '10.77.0.1']) {
    await t.test(`what is dropped on the way to ${address} does not arrive, and IPv6 does`, async (own) => {
      const { ns, daemon } = await start(own, drop(address));
      assert.equal(await isReached(ns.client, SERVER), false);
      assert.equal(await isReached(ns.client, SERVER6), true);
      const { total } = await statsWhen(daemon, 'a drop', (stats) => stats.total.droppedByHook > 0);
      assert.equal(total.lost, 0);
      await assertAddsUp(daemon);
    });
  }
  await t.test('what is rejected is answered, from either side', async (own) => {
    const { ns, daemon } = await start(own, stockHook('reject-port', { protocol: 'udp', ports: [4000] }));
    for (const [from, to] of [
      [ns.client, SERVER],
      [ns.server, '10.77.0.1'],
      [ns.client, SERVER6],
    ] as const) {
      assert.match(await udpAsk(from, to), /EACCES|EHOSTUNREACH|ECONNREFUSED/, to);
    }
    const { total } = await statsWhen(daemon, 'three answers', (stats) => stats.total.icmpErrors >= 3);
    assert.equal(total.rejected, 3);
    await assertAddsUp(daemon);
  });
});

test('a UDP payload that became longer arrives', { skip: rootOnly() }, async (t) => {
  const options = { protocol: 'udp', port: 9000, find: 'plain', replace: 'rather ornate' };
  const { ns, daemon } = await start(t, stockHook('rewrite-payload', options));
  const printer = ns.server.node(['-e', UDP_PRINTER]);
  await ready(printer, 'ready');
  for (const to of [SERVER, SERVER6]) {
    const before = printer.stdout.length;
    await udpSend(ns.client, to, 'a plain text');
    await waitFor(() => printer.stdout.slice(before).includes('a rather ornate text'), { what: `a datagram at ${to}` });
  }
  await assertAddsUp(daemon);
});

test('a TCP payload rewritten in super-frames arrives octet for octet', { skip: rootOnly('curl') }, async (t) => {
  const rewrite = stockHook('rewrite-payload', { protocol: 'tcp', port: 8080, find: 'xyzzy', replace: 'plugh' });
  const { ns, daemon } = await start(t, LOG_SUPER, rewrite);
  // One a page: none spans two packets but by chance, and then the text is one that the test accepts as it is.
  const page = `${'-'.repeat(4091)}xyzzy`;
  const whole = page.repeat(256);
  await serve(ns.server, page, 256);
  for (const host of [SERVER, `[${SERVER6}]`]) {
    const got = await curl(ns.client, host);
    assert.equal(got.length, whole.length);
    assert.equal(got.replaceAll('plugh', 'xyzzy'), whole);
    assert.ok(got.split('plugh').length > 128, 'most were rewritten');
  }
  assert.match(daemon.log, /saw a super-frame/);
  const { total } = await assertAddsUp(daemon);
  assert.ok(total.replaced > 0);
  assert.equal(total.lost, 0);
});

test('clamp-mss lowers what offloaded SYNs offer, and the connection works', { skip: rootOnly('curl') }, async (t) => {
  const { ns, daemon } = await start(t, stockHook('clamp-mss', { mss: 1000 }));
  await startHttp(ns.server);
  for (const [host, etherType, header, at] of [
    [SERVER, 0x0800, 20, 9],
    [`[${SERVER6}]`, 0x86dd, 40, 6],
  ] as const) {
    // Neighbours are asked for first.
    const capture = await startCapture(ns.server, 'eth0', {
      count: 20,
      etherTypes: [etherType],
      timeoutMs: PATIENCE_MS,
    });
    assert.equal(await curl(ns.client, host), BODY);
    const tcp = ETHERNET_HEADER + header;
    const syn = (await capture.frames()).find(
      (frame) => frame[tcp + TCP_FLAGS] === SYN && frame[tcp - header + at] === 6,
    );
    // The option of the largest segment is the first one that Linux writes.
    assert.deepEqual(syn?.subarray(tcp + 20, tcp + 24), Buffer.from([2, 4, 1000 >> 8, 1000 & 255]));
  }
  const { total } = await assertAddsUp(daemon);
  assert.equal(total.lost, 0);
});

for (const updates of [true, false]) {
  const title = `ports edited in place arrive right when the hook ${updates ? 'updates' : 'forgets'} the checksum`;
  test(title, { skip: rootOnly('curl') }, async (t) => {
    const { ns, daemon } = await start(t, turnPorts(updates), LOG_SUPER);
    await startHttp(ns.server);
    for (const host of [SERVER, `[${SERVER6}]`]) {
      const got = await ns.client.output('curl', ['-sS', '-m', '30', `http://${host}:7000/`]);
      assert.equal(got, BODY);
    }
    await assertAddsUp(daemon);
    assert.match(daemon.log, /saw a super-frame/);
  });
}

/** Serves a body made of `count` copies of a page. */
async function serve(ns: Namespace, page: string, count: number): Promise<void> {
  const program = `
    const body = ${JSON.stringify(page)}.repeat(${count});
    require('node:http').createServer((_, response) => response.end(body)).listen(8080, '::', () => console.log('ready'));`;
  await ready(ns.node(['-e', program]), 'ready');
}

async function udpSend(ns: Namespace, address: string, text: string): Promise<void> {
  const program = `
    const socket = require('node:dgram').createSocket('udp${address.includes(':') ? 6 : 4}');
    socket.send(${JSON.stringify(text)}, 9000, '${address}', () => socket.close());`;
  const { code, stderr } = await ns.run(process.execPath, ['-e', program]);
  assert.equal(code, 0, stderr);
}

/** The name of the error that a connected UDP socket gets back. */
function udpAsk(ns: Namespace, address: string): Promise<string> {
  const program = [
    'import socket, errno',
    `s = socket.socket(socket.AF_INET${address.includes(':') ? '6' : ''}, socket.SOCK_DGRAM)`,
    `s.settimeout(20); s.connect(("${address}", 4000)); s.send(b"?")`,
    'try: s.recv(10)',
    'except OSError as e: print(errno.errorcode.get(e.errno, "none"))',
  ];
  return ns.output('python3', ['-c', program.join('\n')]);
}
