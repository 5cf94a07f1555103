/**
 * The senders of `src/drivers/raw-sender.ts` and `src/drivers/queued-sender.ts`, in a namespace, to a peer that looks at the
 * frames: what one of them promises about a datagram the other promises, too.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ETHERNET_HEADER } from '../../support/live.ts';
import { hostLab, rootOnly } from '../../support/netns.ts';
import { ipv4, ipv6, udp } from '../../support/packet-builder.ts';
import { watch } from '../host/live-host.ts';

const RAW = new URL('../../../src/drivers/raw-sender.ts', import.meta.url).href;
const QUEUED = new URL('../../../src/drivers/queued-sender.ts', import.meta.url).href;

for (const [name, opening] of [
  ['npm raw-socket', `const { RawSender } = await import('${RAW}'); const sender = new RawSender();`],
  ['the addon', `const sender = (await import('${QUEUED}')).openQueuedSender();`],
] as const) {
  test(
    `IPv4 and IPv6 datagrams leave with their headers as they are, through ${name}`,
    {
      skip: rootOnly('ping'),
    },
    (t) => leavesAsItIs(t, opening),
  );
}

test('a full queue is sent before another datagram is taken, and each refusal comes back with its tag', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const [here, there, nowhere] = ['10.78.0.1', '10.78.0.2', '198.51.100.9'];
  await ns.host.output('ping', ['-c', '1', '-W', '5', there]);
  const texts = [there, nowhere].map((destination) => ipv4({ source: here, destination }, udp({})).toString('hex'));
  const longest = ipv4({ source: here, destination: nowhere }, udp({}, Buffer.alloc(65_507))).toString('base64');
  const script = `
    const sender = (await import('${QUEUED}')).openQueuedSender();
    const [sent, refused] = ${JSON.stringify(texts)}.map((text) => Buffer.from(text, 'hex'));
    const longest = Buffer.from('${longest}', 'base64');
    let tags = [];
    sender.reportTo({ onRefused: (tag, length) => tags.push([tag, length]) });
    const say = (...values) => { console.log(JSON.stringify([...values, tags])); tags = []; };
    for (let i = 0; i < 256; i++) sender.send(i % 100 === 7 ? refused : sent, sent.length, -i);
    say();
    say(sender.send(refused, refused.length, 2 ** 31 - 1));
    say(sender.flush(), sender.flush());
    for (let i = 0; i < 8; i++) sender.send(longest, longest.length, i);
    say();
    say(sender.send(longest, longest.length, 8));
    sender.close();
    say();
    say(sender.send(sent, sent.length, 9), sender.flush());`;
  const printed = await ns.host.output(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
  const [short, long] = [28, 65_535];
  const eight = Array.from({ length: 8 }, (_, tag) => [tag, long]);
  assert.deepEqual(
    printed
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line)),
    [
      [[]],
      [
        true,
        [
          [-7, short],
          [-107, short],
          [-207, short],
        ],
      ],
      [1, 0, [[2 ** 31 - 1, short]]],
      [[]],
      [true, eight],
      [[[8, long]]],
      [true, 1, [[9, short]]],
    ],
  );
});

/** Fails unless datagrams arrive as they were given to the `sender` that `opening` makes. */
async function leavesAsItIs(t: TestContext, opening: string): Promise<void> {
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
    ${opening}
    const texts = ${JSON.stringify(datagrams.map((datagram) => datagram.toString('hex')))};
    const answers = texts.map((text) => sender.send(Buffer.from(text, 'hex'), text.length / 2, 0));
    sender.flush?.();
    const bad = ['', '45', '75'.repeat(20), '60'.repeat(39)].map((text) => Buffer.from(text, 'hex'));
    console.log(JSON.stringify([answers, bad.map((octets) => sender.send(octets, octets.length, 0))]));
    console.log(sender.send(Buffer.alloc(20, 0x45), 21, 0));
    sender.close();`;
  const args = ['--import', 'tsx', '--input-type=module', '-e', script];
  const printed = await ns.host.output(process.execPath, args);
  assert.equal(printed, '[[true,true,true,true],[false,false,false,false]]\nfalse\n');
  const isOurs = (frame: Buffer) => frame.includes(payload);
  assert.deepEqual(
    (await seen.frames()).filter(isOurs).map((frame) => frame.toString('hex', ETHERNET_HEADER)),
    datagrams.map((datagram) => datagram.toString('hex')),
  );
}
