/**
 * What does not fit the way out under `driver: afpacket`: cut into fragments with right checksums, or refused, counted and
 * answered; never lost without a word.
 *
 * The client and its port have a longer MTU than the server and its port.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { sendFrames, startCapture } from '../../support/frames.ts';
import { assertAddsUp, PATIENCE_MS, readStats, statsWhen, stockHook } from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { type OffloadedSpec, offloaded, QINQ, VLAN } from '../../support/offloads.ts';
import { BODY, curl, ready, startAfpacket, startHttp } from './live-afpacket.ts';

const BRIDGE = { bridge: ['lan0', 'wan0'] };
const SERVER = '10.77.0.2';
const SERVER6 = 'fd77::2';
const MTU = 1500;
const PRINTER = `
  const { createSocket } = require('node:dgram');
  createSocket({ type: 'udp6', ipv6Only: false })
    .on('message', (data) => console.log(data.toString('latin1')))
    .bind(9000, '::', () => console.log('ready'));`;
/** Turns the first octet of the payload into an X, and leaves the checksum as it was. */
const EDIT = `
  import { defineHook, FORWARD } from 'firehook';
  export default defineHook({
    name: 'edit-payload',
    onPacket(packet) {
      if (packet.destinationPort === 9000) packet.bytes[packet.payloadOffset] = 0x58;
      return FORWARD;
    },
  });`;
/** Replaces every packet of IPv4 by one with four octets of options. */
const ADD_OPTIONS = `
  import {
    defineHook, ExAllocatePoolWithTag, FORWARD, fillChecksums, IPAllocBuff, NonPagedPool, SIZEOF_IPRCVBUF,
  } from 'firehook';
  export default defineHook({
    name: 'add-options',
    onPacket(packet) {
      if (packet.version !== 4) return FORWARD;
      const made = ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
      if (made === null || IPAllocBuff(made, packet.length + 4) !== 1) throw new Error('the pool is exhausted');
      const bytes = made.ipr_buffer;
      packet.bytes.copy(bytes, 0, 0, 20);
      bytes.fill(1, 20, 24);
      packet.bytes.copy(bytes, 24, 20, packet.length);
      bytes[0] = 0x46;
      bytes.writeUInt16BE(packet.length + 4, 2);
      fillChecksums(bytes, packet.length + 4);
      packet.replace(made);
      return FORWARD;
    },
  });`;

async function start(t: TestContext, ...hooks: readonly (string | object)[]) {
  const { ns } = await bridgeLab(t);
  for (const [host, name] of [
    [ns.client, 'eth0'],
    [ns.fw, 'lan0'],
  ] as const) {
    await host.output('ip', ['link', 'set', name, 'mtu', '4000']);
  }
  return { ns, daemon: await startAfpacket(ns.fw, BRIDGE, hooks) };
}

/** Sends a datagram; says what came back: the name of an error, or `timeout`. */
function sendUdp(ns: Namespace, address: string, text: string, mayFragment: boolean): Promise<string> {
  const is6 = address.includes(':');
  // IP_MTU_DISCOVER and IPV6_MTU_DISCOVER: 0 never sets DF, 2 always.
  const option = is6 ? '41, 23, 2' : `0, 10, ${mayFragment ? 0 : 2}`;
  const program = [
    'import socket, errno, sys',
    `s = socket.socket(socket.AF_INET${is6 ? '6' : ''}, socket.SOCK_DGRAM)`,
    `s.setsockopt(${option}); s.settimeout(${mayFragment ? 0.1 : 20}); s.connect(("${address}", 9000))`,
    's.send(sys.stdin.buffer.read())',
    'try: s.recv(10)',
    'except TimeoutError: print("timeout", end="")',
    'except OSError as e: print(errno.errorcode[e.errno], end="")',
  ];
  return ns.output('python3', ['-c', program.join('\n')], { input: text });
}

for (const [what, hook, first] of [
  ['nobody changed', stockHook('pass-all'), 'A'],
  ['a hook edited in place', EDIT, 'X'],
] as const) {
  test(`a datagram too long for the way out that ${what} arrives in fragments with a right checksum`, {
    skip: rootOnly(),
  }, async (t) => {
    const { ns, daemon } = await start(t, hook);
    const printer = ns.server.node(['-e', PRINTER]);
    await ready(printer, 'ready');
    assert.equal(await sendUdp(ns.client, SERVER, 'A'.repeat(3500), true), 'timeout');
    const wanted = `${first}${'A'.repeat(3499)}\n`;
    await waitFor(() => printer.stdout.includes(wanted), { what: 'the datagram', timeoutMs: PATIENCE_MS });
    const { total } = await assertAddsUp(daemon);
    assert.deepEqual([total.extraFragments, total.lost], [2, 0]);
  });
}

test('a replacement too long for the way out arrives in fragments, or is refused, counted and answered', {
  skip: rootOnly(),
}, async (t) => {
  const options = { protocol: 'udp', port: 9000, find: 'plain', replace: 'ornate '.repeat(300) };
  const { ns, daemon } = await start(t, stockHook('rewrite-payload', options));
  const printer = ns.server.node(['-e', PRINTER]);
  await ready(printer, 'ready');
  assert.equal(await sendUdp(ns.client, SERVER, 'a plain text', true), 'timeout');
  const wanted = `a ${options.replace} text\n`;
  await waitFor(() => printer.stdout.includes(wanted), { what: 'the datagram', timeoutMs: PATIENCE_MS });
  for (const address of [SERVER, SERVER6]) {
    assert.equal(await sendUdp(ns.client, address, 'a plain text', false), 'EMSGSIZE', address);
  }
  const { total } = await statsWhen(daemon, 'two answers', (stats) => stats.total.icmpErrors >= 2);
  assert.deepEqual([total.lostTooLong, total.lost, total.icmpErrors], [2, 2, 2]);
  assert.ok(total.extraFragments >= 1);
  await assertAddsUp(daemon);
});

/** A super-frame whose full segments make datagrams of `length` octets. */
function superFrame(version: 4 | 6, protocol: 'tcp' | 'udp', length: number, tags: OffloadedSpec['tags'] = []): Buffer {
  const segment = length - (version === 4 ? 20 : 40) - (protocol === 'tcp' ? 20 : 8);
  // Nobody there has the destination: what arrives is not answered.
  const destination = version === 4 ? '10.77.0.9' : 'fd77::9';
  return offloaded({ version, protocol, segment, tags, destination, payload: Buffer.alloc(3 * segment, 0x61) });
}

const KINDS = [
  [4, 'tcp'],
  [4, 'udp'],
  [6, 'tcp'],
  [6, 'udp'],
] as const;

test('a super-frame whose segments do not fit the way out is refused, counted and answered', {
  skip: rootOnly(),
}, async (t) => {
  const { ns, daemon } = await start(t, stockHook('pass-all'));
  const fitting = KINDS.flatMap(([version, protocol]) => [
    superFrame(version, protocol, MTU),
    superFrame(version, protocol, MTU, [VLAN]),
    superFrame(version, protocol, MTU - 8, [QINQ, VLAN]),
  ]);
  const tooLong = KINDS.flatMap(([version, protocol]) => [
    superFrame(version, protocol, MTU + 1),
    superFrame(version, protocol, 3000, [VLAN]),
  ]);
  const answers = await startCapture(ns.client, 'eth0', { count: tooLong.length, timeoutMs: PATIENCE_MS });
  await sendFrames(ns.client, 'eth0', [...fitting, ...tooLong], { vnet: true });
  const { total } = await statsWhen(
    daemon,
    'all answers',
    (stats) => stats.total.icmpErrors >= tooLong.length && stats.total.forwarded >= fitting.length,
  );
  assert.deepEqual([total.lostTooLong, total.lost, total.icmpErrors], [8, 8, 8]);
  const got = await answers.frames();
  assert.equal(got.filter((frame) => isTooBig(frame)).length, tooLong.length);
  await assertAddsUp(daemon);
});

/** An ICMP error that names the MTU of the way out, behind a tag or none. */
function isTooBig(frame: Buffer): boolean {
  const at = 14 + (frame.readUInt16BE(12) === VLAN[0] ? 4 : 0);
  const isIpv4 = frame.readUInt8(at) >> 4 === 4;
  const icmp = frame.subarray(at + (isIpv4 ? 20 : 40));
  return icmp.readUInt16BE(0) === (isIpv4 ? 0x0304 : 0x0200) && icmp.readUInt32BE(4) === MTU;
}

test('a replacement of a super-frame goes out as long as its segments fit, and is refused when they do not', {
  skip: rootOnly(),
}, async (t) => {
  const { ns, daemon } = await start(t, ADD_OPTIONS);
  const capture = await startCapture(ns.server, 'eth0', { count: 2, etherTypes: [0x0800], timeoutMs: PATIENCE_MS });
  const frames = [MTU, MTU - 4].flatMap((length) => [superFrame(4, 'tcp', length), superFrame(4, 'udp', length)]);
  await sendFrames(ns.client, 'eth0', frames, { vnet: true });
  assert.deepEqual(
    (await capture.frames()).map((frame) => frame.length),
    [14 + 24 + 20 + 3 * (MTU - 44), 14 + 24 + 8 + 3 * (MTU - 32)],
  );
  const { total } = await statsWhen(daemon, 'two answers', (stats) => stats.total.icmpErrors >= 2);
  assert.deepEqual([total.lostTooLong, total.lost], [2, 2]);
  await assertAddsUp(daemon);
});

test('super-frames of BIG TCP, too long for a packet socket, are lost and counted; the rest of a connection goes on', {
  skip: rootOnly('curl'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  await setLongestSuperFrame(ns.client, 185_000);
  const daemon = await startAfpacket(ns.fw, BRIDGE, []);
  await startHttp(ns.server);
  // How long they get is up to the kernel, which watches how the connection does.
  const { total } = await waitFor(
    async () => {
      await curl(ns.client, `[${SERVER6}]`, BODY);
      const stats = await readStats(daemon);
      return stats.total.lost > 0 ? stats : null;
    },
    { what: 'a super-frame of BIG TCP', timeoutMs: PATIENCE_MS },
  );
  assert.equal(total.lost, total.lostTruncated + total.lostTooLong);
  await setLongestSuperFrame(ns.client, 65_536);
  const { total: before } = await assertAddsUp(daemon);
  await curl(ns.client, `[${SERVER6}]`, BODY);
  const { total: after } = await assertAddsUp(daemon);
  assert.equal(after.lost, before.lost);
  assert.ok(after.forwarded > before.forwarded);
});

/** What is longer than 64 KiB is BIG TCP, which only IPv6 has by this setting. */
async function setLongestSuperFrame(ns: Namespace, octets: number): Promise<void> {
  await ns.output('ip', ['link', 'set', 'eth0', 'gso_max_size', String(octets)]);
}
