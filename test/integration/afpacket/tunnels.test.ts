/**
 * Tunnels under `driver: afpacket`: what a sender leaves to a card that knows tunnels cannot be said in the header that the
 * kernel gives with a frame, so the driver cuts and sums it itself before a hook sees it.
 *
 * VXLAN inside the labs: the only tunnel that every kernel of the tests has. Others: `test/unit/wire/tunnel.test.ts`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import * as sctpCodec from '../../../src/wire/sctp.ts';
import type { Daemon } from '../../support/daemon.ts';
import { hex, sendFrames, sendUdpSuperDatagram, startCapture } from '../../support/frames.ts';
import { assertAddsUp, assertPings, ETHERNET_HEADER, PATIENCE_MS, statsWhen } from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly } from '../../support/netns.ts';
import { pseudoSum, unfinished, VNET_HEADER } from '../../support/offloads.ts';
import { ethernet, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { CARRIERS, tunnel } from '../../support/tunnels.ts';
import { BODY, curl, KNOWS_UDP_SUPER, startAfpacket, startHttp } from './live-afpacket.ts';

const DIGEST = createHash('sha256').update(BODY).digest('hex');
/** Ends of the tunnel: the client's, the server's, and of each family. */
const INNER = { client: ['10.99.0.1', 'fd99::1'], server: ['10.99.0.2', 'fd99::2'] } as const;

/** Every packet goes out as a copy of itself; one that is longer than any frame would be said. */
const COPY = `
  import {
    defineHook, ExAllocatePoolWithTag, FORWARD, IPAllocBuff, NonPagedPool, SIZEOF_IPRCVBUF,
  } from 'firehook';
  export default defineHook({
    name: 'copy',
    onPacket(packet) {
      if (packet.length > 1500) throw new Error('longer than a frame: ' + packet.length);
      const made = ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
      if (made === null || IPAllocBuff(made, packet.length) !== 1) throw new Error('the pool is exhausted');
      packet.bytes.copy(made.ipr_buffer, 0, 0, packet.length);
      made.ipr_flags = packet.chain.ipr_flags;
      packet.replace(made);
      return FORWARD;
    },
  });`;

/** Of the tunnel: how its outer datagrams are addressed and summed. */
const KINDS = [
  { what: 'over IPv4 without a checksum', family: 0, options: 'noudpcsum' },
  { what: 'over IPv4 with a checksum', family: 0, options: 'udpcsum' },
  { what: 'over IPv6', family: 1, options: '' },
] as const;

for (const { what, family, options } of KINDS) {
  test(`a bridge passes VXLAN ${what}`, { skip: rootOnly('ping', 'curl') }, async (t) => {
    const { ns } = await bridgeLab(t);
    const daemon = await startAfpacket(ns.fw, { bridge: ['lan0', 'wan0'] }, [COPY]);
    const outer = (['10.77.0.', 'fd77::'] as const)[family];
    await addTunnel(ns.client, `${outer}1`, `${outer}2`, INNER.client, options);
    await addTunnel(ns.server, `${outer}2`, `${outer}1`, INNER.server, options);
    await passes(t, daemon, ns.client, ns.server);
  });

  test(`a host passes VXLAN ${what}`, { skip: rootOnly('ping', 'curl') }, async (t) => {
    const { ns } = await hostLab(t);
    const daemon = await startAfpacket(ns.host, { host: 'eth0' }, [COPY]);
    const outer = (['10.78.0.', 'fd78::'] as const)[family];
    await addTunnel(ns.peer, `${outer}2`, `${outer}1`, INNER.client, options);
    await addTunnel(ns.host, `${outer}1`, `${outer}2`, INNER.server, options);
    await passes(t, daemon, ns.peer, ns.host);
  });
}

test('a bridge finishes the inner checksums of tunnels and the CRC of SCTP', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, { bridge: ['lan0', 'wan0'] }, [COPY]);
  const finished: Buffer[] = [];
  const given: Buffer[] = [];
  for (const carrier of CARRIERS) {
    for (const inner of [ipv4({}, tcp({}, Buffer.from('abc'))), ipv6({}, udp({}, Buffer.from('abcde')))]) {
      const frame = tunnel(carrier, { outer: 4 }, inner);
      const isTcp = inner.length === 20 + 20 + 3;
      const start = frame.length - inner.length + (isTcp ? 20 : 40);
      finished.push(frame);
      given.push(unfinished(frame, start, isTcp ? 16 : 6, pseudoSum(inner)));
    }
  }
  const chunks = Buffer.from('0bb80bb800000007000000000b00000401020304', 'hex');
  sctpCodec.fillChecksum(chunks, 0, chunks.length);
  finished.push(ethernet({}, ipv4({}, octets(132, chunks))));
  const withoutCrc = Buffer.from(chunks).fill(0, 8, 12);
  given.push(unfinished(ethernet({}, ipv4({}, octets(132, withoutCrc))), ETHERNET_HEADER + 20, 8, 0));
  const capture = await startCapture(ns.server, 'eth0', {
    count: given.length,
    etherTypes: [0x0800],
    timeoutMs: PATIENCE_MS,
    vnet: true,
  });
  await sendFrames(ns.client, 'eth0', given, { vnet: true });
  const final = finished.map((frame) => Buffer.concat([Buffer.alloc(VNET_HEADER), frame]));
  assert.deepEqual(hex(await capture.frames()), hex(final));
  await assertAddsUp(daemon);
});

/** Every octet arrives both ways, whole super-frames were cut on the way, and nothing is lost. */
async function passes(t: TestContext, daemon: Daemon, client: Namespace, server: Namespace): Promise<void> {
  await assertPings(client, ...INNER.server);
  await startHttp(server);
  for (const address of INNER.server) {
    await t.test(`HTTP with ${address}`, async () => {
      const host = address.includes(':') ? `[${address}]` : address;
      const got = await curl(client, host);
      assert.equal(createHash('sha256').update(got).digest('hex'), DIGEST);
      assert.equal(await curl(client, host, BODY), DIGEST);
    });
  }
  const cannot = KNOWS_UDP_SUPER ? false : 'the kernel drops it at the ring: docs/drivers.md';
  await t.test('a UDP super-datagram', { skip: cannot }, async () => {
    const whole = Buffer.from(Array.from({ length: 20_000 }, (_, index) => index % 251));
    const capture = await startCapture(server, 'vx0', { count: 20, etherTypes: [0x0800], timeoutMs: PATIENCE_MS });
    await sendUdpSuperDatagram(client, INNER.server[0], 9, whole.length, 1000);
    const got = (await capture.frames()).map((frame) => frame.subarray(ETHERNET_HEADER + 28));
    assert.deepEqual(Buffer.concat(got), whole);
  });
  // A frame of the moment is offered before the lane has counted it; one of the moment when the lane started may have been sent on by the kernel.
  const { ways } = await statsWhen(
    daemon,
    'the lane to have all that was offered',
    (stats) => stats.ways.reduce((sum, { port }) => sum + (port?.neverHanded ?? 0), 0) === stats.fenced,
  );
  for (const { name, ledger } of ways) {
    assert.ok(ledger.extraSegments > 100, `${name}: ${ledger.extraSegments} segments`);
    assert.equal(ledger.lost, 0, name);
  }
  await assertAddsUp(daemon);
}

async function addTunnel(
  ns: Namespace,
  local: string,
  remote: string,
  [v4, v6]: readonly [string, string],
  options: string,
): Promise<void> {
  const commands = [
    `link add vx0 type vxlan id 7 dstport 4789 local ${local} remote ${remote} ${options}`,
    `address add ${v4}/24 dev vx0`,
    `address add ${v6}/64 dev vx0 nodad`,
    'link set vx0 up',
  ];
  await ns.output('ip', ['-batch', '-'], { input: commands.join('\n') });
}
