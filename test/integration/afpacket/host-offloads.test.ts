/**
 * Offload state of a host's own traffic under `driver: afpacket`: super-datagrams, and local TCP whose addresses a hook edits.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { detourNames } from '../../../src/plumbing/names.ts';
import { sendUdpSuperDatagram, startCapture } from '../../support/frames.ts';
import { assertAddsUp, ifindexOf, PATIENCE_MS } from '../../support/live.ts';
import { hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { assertRight, NEEDS_CHECKSUM } from '../../support/offloads.ts';
import { BODY, curl, KNOWS_UDP_SUPER, LOG_SUPER, ready, startAfpacket, startHttp } from './live-afpacket.ts';

const HOST = { host: 'eth0' };
const PEER_MAC = '02:00:00:00:01:01';
const HOST_MAC = '02:00:00:00:01:02';
const ETHER_TYPES = [0x0800, 0x86dd];
const DIGEST = createHash('sha256').update(BODY).digest('hex');
/** Prints the length and the first octet of each datagram. */
const LENGTHS = `
  const { createSocket } = require('node:dgram');
  createSocket({ type: 'udp6', ipv6Only: false })
    .on('message', (data) => console.log(data.length + ':' + data[0] + ' '))
    .bind(9000, '::', () => console.log('ready'));`;

test('UDP super-datagrams arrive whole at a host with afpacket, and leave it', { skip: rootOnly() }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startAfpacket(ns.host, HOST, [LOG_SUPER]);
  // Nobody asks for a neighbour, neither now nor while a capture waits for one frame.
  await knows(ns.peer, HOST_MAC, '10.78.0.1', 'fd78::1');
  await knows(ns.host, PEER_MAC, '10.78.0.2', 'fd78::2');
  // One that fits a slot of the ring, and one that does not; octets count up to 250.
  const cases = [
    { size: 1300, segment: 500, wanted: ['500:0', '500:249', '300:247'] },
    { size: 3000, segment: 1000, wanted: ['1000:0', '1000:247', '1000:243'] },
  ];
  for (const [from, to, addresses] of [
    [ns.peer, ns.host, ['10.78.0.1', 'fd78::1']],
    [ns.host, ns.peer, ['10.78.0.2', 'fd78::2']],
  ] as const) {
    const printer = to.node(['-e', LENGTHS]);
    await ready(printer, 'ready');
    for (const address of addresses) {
      for (const { size, segment, wanted } of cases) {
        const capture = KNOWS_UDP_SUPER
          ? await startCapture(to, 'eth0', {
              count: 1,
              etherTypes: [address.includes(':') ? 0x86dd : 0x0800],
              timeoutMs: PATIENCE_MS,
              vnet: true,
            })
          : null;
        const before = printer.stdout.length;
        await sendUdpSuperDatagram(from, address, 9000, size, segment);
        const text = () => printer.stdout.slice(before).trim().split(/\s+/);
        await waitFor(() => text().length === wanted.length, { what: `${address} ${size}`, timeoutMs: PATIENCE_MS });
        assert.deepEqual(text(), wanted);
        for (const frame of (await capture?.frames()) ?? []) {
          assertRight(frame);
          assert.deepEqual([frame[0], frame[1], frame.readUInt16BE(4)], [NEEDS_CHECKSUM, 5, segment]);
        }
      }
    }
  }
  if (KNOWS_UDP_SUPER) assert.match(daemon.log, /saw a super-frame/);
  const { total } = await assertAddsUp(daemon);
  assert.equal(total.lost, 0);
});

test('what a packet socket has no word for is cut on the way into a detour', {
  skip: rootOnly('ethtool'),
}, async (t) => {
  const { ns } = await hostLab(t);
  await startAfpacket(ns.host, HOST, [LOG_SUPER]);
  const ifindex = await ifindexOf(ns.host, 'eth0');
  for (const direction of ['in', 'out'] as const) {
    const features = await ns.host.output('ethtool', ['-k', detourNames(ifindex, direction).near]);
    assert.match(features, /^tx-sctp-segmentation: off$/m);
    assert.match(features, KNOWS_UDP_SUPER ? /^tx-udp-segmentation: on$/m : /^tx-udp-segmentation: off$/m);
    assert.match(features, /^tcp-segmentation-offload: on$/m);
  }
});

/**
 * Nobody has .9 and ::9: to the host they are the peer, to the peer they are the host. Packets that a connection through
 * them is made of have one end or the other at port 8080.
 */
const translator = (updates: boolean): string => `
  import { defineHook, FORWARD, IP_TRANSMIT, parseAddress, updateChecksum16, updateTransportChecksum16 } from 'firehook';
  const NOBODY = { 4: parseAddress('10.78.0.9'), 6: parseAddress('fd78::9') };
  const HOST = { 4: parseAddress('10.78.0.1'), 6: parseAddress('fd78::1') };
  const PEER = { 4: parseAddress('10.78.0.2'), 6: parseAddress('fd78::2') };
  function turn(packet, at, to) {
    const { bytes, protocol, transportOffset, version } = packet;
    for (let index = 0; index < to.length; index += 2) {
      const old = bytes.readUInt16BE(at + index);
      const word = to[index] * 256 + to[index + 1];
      bytes.writeUInt16BE(word, at + index);
      if (${updates}) updateTransportChecksum16(bytes, transportOffset, protocol, old, word);
      if (version === 4) bytes.writeUInt16BE(updateChecksum16(bytes.readUInt16BE(10), old, word), 10);
    }
  }
  export default defineHook({
    name: 'translate',
    onPacket(packet, context) {
      if (packet.protocol !== 6) return FORWARD;
      const { version } = packet;
      const size = version === 4 ? 4 : 16;
      const source = version === 4 ? 12 : 8;
      const isOut = context.direction === IP_TRANSMIT;
      // The server is at the peer: its address is the one that nobody has. At the host it is the other way round.
      if (isOut && packet.destination.equals(NOBODY[version])) turn(packet, source + size, PEER[version]);
      else if (!isOut && packet.destination.equals(NOBODY[version])) turn(packet, source + size, HOST[version]);
      else if (packet.sourcePort === 8080) turn(packet, source, NOBODY[version]);
      return FORWARD;
    },
  });`;

for (const updates of [true, false]) {
  const title = `local TCP whose addresses a hook edits works both ways when it ${updates ? 'updates' : 'forgets'} the checksum`;
  test(title, { skip: rootOnly('curl') }, async (t) => {
    const { ns } = await hostLab(t);
    const daemon = await startAfpacket(ns.host, HOST, [LOG_SUPER, translator(updates)]);
    for (const [client, server, mac] of [
      [ns.host, ns.peer, PEER_MAC],
      [ns.peer, ns.host, HOST_MAC],
    ] as const) {
      await startHttp(server);
      await knows(client, mac, '10.78.0.9', 'fd78::9');
      const get = async (host: string) => assert.equal(await curl(client, host), BODY);
      const post = async (host: string) => assert.equal(await curl(client, host, BODY), DIGEST);
      for (const host of ['10.78.0.9', '[fd78::9]']) {
        // The transfer out of the host first, to be looked at: the kernel takes its own word for what comes in.
        const capture = await startCapture(ns.peer, 'eth0', {
          count: 12,
          etherTypes: ETHER_TYPES,
          timeoutMs: PATIENCE_MS,
          vnet: true,
        });
        for (const transfer of client === ns.host ? [post, get] : [get, post]) await transfer(host);
        const frames = await capture.frames();
        // The kernel sums what it answers for a closed connection itself: there a hook that forgets the checksum breaks it.
        for (const frame of frames) if (isTcp(frame) && (updates || frame[0] === NEEDS_CHECKSUM)) assertRight(frame);
        assert.ok(frames.some((frame) => isTcp(frame) && frame[0] === NEEDS_CHECKSUM && frame[1] !== 0));
      }
    }
    assert.match(daemon.log, /saw a super-frame/);
    const { total } = await assertAddsUp(daemon);
    assert.equal(total.hookFaults, 0);
  });
}

/** Tells a host the link address of others, for good. */
async function knows(ns: Namespace, mac: string, ...addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    await ns.output('ip', ['neigh', 'replace', address, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent']);
  }
}

/** An untagged frame behind its virtio-net header. */
function isTcp(frame: Buffer): boolean {
  const datagram = frame.subarray(24);
  return datagram[datagram.readUInt8(0) >> 4 === 4 ? 9 : 6] === 6;
}
