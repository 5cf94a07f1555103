/**
 * The raw sender of `src/drivers/raw-sender.ts`, in a namespace, to a peer that looks at the frames.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostLab, rootOnly } from '../../support/netns.ts';
import { ipv4, ipv6, udp } from '../../support/packet-builder.ts';
import { watch } from '../host/live-host.ts';

const ETHERNET_HEADER = 14;
const MODULE = new URL('../../../src/drivers/raw-sender.ts', import.meta.url).href;

test('IPv4 and IPv6 datagrams leave with their headers as they are', { skip: rootOnly('ping') }, async (t) => {
  const { ns } = await hostLab(t);
  const [here4, peer4, here6, peer6] = ['10.78.0.1', '10.78.0.2', 'fd78::1', 'fd78::2'];
  const payload = Buffer.from('a datagram of its own making');
  const datagrams = [
    // Nothing the kernel would choose itself: type of service, identification, don't fragment, TTL, a foreign source.
    ipv4(
      { source: '192.0.2.77', destination: peer4, tos: 0x28, identification: 0xbeef, dontFragment: true, ttl: 7 },
      udp({}, payload),
    ),
    // Router alert (RFC 2113).
    ipv4(
      { source: here4, destination: peer4, identification: 1, options: Buffer.from('94040000', 'hex') },
      udp({}, payload),
    ),
    ipv6({ source: here6, destination: peer6, trafficClass: 0x28, flowLabel: 0xabcde, hopLimit: 9 }, udp({}, payload)),
    ipv6(
      // Destination options that say nothing (PadN, RFC 8200 4.2).
      { source: here6, destination: peer6, extensions: [{ type: 60, octets: Buffer.from('0000010400000000', 'hex') }] },
      udp({}, payload),
    ),
  ];
  // Whom the neighbour is has to be known: else the kernel holds the datagrams back and may change their order.
  for (const address of [peer4, peer6]) await ns.host.output('ping', ['-c', '1', '-W', '5', address]);
  const seen = await watch(ns.peer, ns.host);
  const script = `
    import { RawSender } from ${JSON.stringify(MODULE)};
    const sender = new RawSender();
    const texts = ${JSON.stringify(datagrams.map((datagram) => datagram.toString('hex')))};
    const answers = texts.map((text) => sender.send(Buffer.from(text, 'hex'), text.length / 2));
    const bad = ['', '45', '75'.repeat(20), '60'.repeat(39)].map((text) => Buffer.from(text, 'hex'));
    console.log(JSON.stringify([answers, bad.map((octets) => sender.send(octets, octets.length))]));
    console.log(sender.send(Buffer.alloc(20, 0x45), 21));
    sender.close();`;
  const args = ['--import', 'tsx', '--input-type=module', '-e', script];
  const printed = await ns.host.output(process.execPath, args);
  assert.equal(printed, '[[true,true,true,true],[false,false,false,false]]\nfalse\n');
  const isOurs = (frame: Buffer) => frame.includes(payload);
  assert.deepEqual(
    (await seen.frames()).filter(isOurs).map((frame) => frame.toString('hex', ETHERNET_HEADER)),
    datagrams.map((datagram) => datagram.toString('hex')),
  );
});
