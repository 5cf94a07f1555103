/**
 * The kernel filter of a tap, made of the filters of its hooks: what nobody wants never reaches the lane.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { sendFrames } from '../../support/frames.ts';
import { assertAddsUp, assertPings, readStatus, statsWhen, stockHook } from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly } from '../../support/netns.ts';
import {
  ethernet,
  extension,
  fragment,
  icmpv4,
  icmpv6,
  ipv4,
  ipv6,
  octets,
  tcp,
  udp,
} from '../../support/packet-builder.ts';
import { startAfpacket } from './live-afpacket.ts';

const TAP = { tap: 'eth0' };
const WAYS = ['eth0 in', 'eth0 out'] as const;
const REPEATS = 50;
const skip = rootOnly('ping');

/** Would drop what it is called with: what is forwarded was captured, and is outside of the filter. */
const DROP_5000 = `
  import { defineHook, DROP } from 'firehook';
  export default defineHook({ name: 'drop-5000', filter: 'udp port 5000', onPacket: () => DROP });`;

const PASS_ALL = `
  import { defineHook, FORWARD } from 'firehook';
  export default defineHook({ name: 'no-filter', onPacket: () => FORWARD });`;

const WANTED = udp({ sourcePort: 9, destinationPort: 5000 }, Buffer.from('wanted'));
const ANSWER = udp({ sourcePort: 5000, destinationPort: 9 }, Buffer.from('wanted'));
const OTHER = udp({ sourcePort: 9, destinationPort: 5001 }, Buffer.from('other'));
const OPTIONS = Buffer.alloc(40, 1);
const TAGS = [[], [{ type: 0x8100, id: 7 }], [{ type: 0x88a8, id: 8 }, { id: 9 }]];

/** In every nesting of tags; addressed to nobody here, so that nobody answers. */
function tagged(datagrams: readonly Buffer[]): Buffer[] {
  return TAGS.flatMap((tags) => datagrams.map((datagram) => ethernet({ tags, padTo: 60 }, datagram)));
}

const INTERESTING = tagged([
  ipv4({}, WANTED),
  ipv4({}, ANSWER),
  ipv4({ options: OPTIONS }, WANTED),
  ipv4({ moreFragments: true }, WANTED),
  ipv6({}, WANTED),
  ipv6({}, ANSWER),
]);
const UNINTERESTING = [
  ...tagged([
    ipv4({}, OTHER),
    ipv4({ options: OPTIONS }, OTHER),
    ipv4({ moreFragments: true }, OTHER),
    ipv4({ fragmentOffset: 1480 }, octets(6, Buffer.alloc(32))),
    ipv4({}, tcp({ destinationPort: 5000 })),
    ipv4({}, icmpv4({})),
    ipv6({}, OTHER),
    ipv6({}, tcp({ destinationPort: 5000 })),
    ipv6({}, icmpv6({})),
  ]),
  ethernet({ etherType: 0x0806 }, Buffer.alloc(46)),
];
/** The kernel hands it over, because a port may be behind its extension header or in its first fragment; the filter does not take it. */
const IN_DOUBT = tagged([
  ipv4({ fragmentOffset: 1480 }, octets(17, Buffer.alloc(32))),
  ipv6({ extensions: [extension(0)] }, tcp({ destinationPort: 9 })),
  ipv6({ extensions: [extension(60, 16)] }, WANTED),
  ipv6({ extensions: [fragment(0, true)] }, WANTED),
  ipv6({ extensions: [fragment(1480, false)] }, octets(17, Buffer.alloc(32))),
]);

/** A host and its peer that say nothing of themselves: only what a test sends is there to count. */
async function quietLab(t: TestContext) {
  const { ns } = await hostLab(t);
  for (const one of [ns.host, ns.peer]) await one.output('sysctl', ['-qw', 'net.ipv6.conf.eth0.disable_ipv6=1']);
  return ns;
}

async function bothWays(ns: { readonly host: Namespace; readonly peer: Namespace }, frames: readonly Buffer[]) {
  for (const one of [ns.peer, ns.host]) await sendFrames(one, 'eth0', frames);
}

for (const lanes of [1, 2]) {
  const title = `only what is of interest reaches the lane of a tap, both ways, ${lanes} lane(s)`;
  test(title, { skip }, async (t) => {
    const ns = await quietLab(t);
    const daemon = await startAfpacket(ns.host, TAP, [DROP_5000], { lanes });
    assert.equal((await readStatus(daemon)).kernelFilter, 'IP protocol 17 port 5000');
    assert.match((await daemon.cli('status')).stdout, /^filter +tap: the kernel hands over IP protocol 17 port 5000$/m);

    // What came before the filter was set lies in the rings ahead of these.
    await bothWays(ns, INTERESTING);
    const count = INTERESTING.length;
    const before = await statsWhen(daemon, 'the first packets of interest', ({ ways }) =>
      ways.every(({ ledger }) => ledger.droppedByHook === count),
    );
    for (let i = 0; i < REPEATS; i++) await bothWays(ns, UNINTERESTING);
    await bothWays(ns, IN_DOUBT);
    await bothWays(ns, INTERESTING);
    const after = await statsWhen(daemon, 'the last packets of interest', ({ ways }) =>
      ways.every(({ ledger }) => ledger.droppedByHook === 2 * count),
    );
    for (const name of WAYS) {
      const [was, is] = [before, after].map(({ ways }) => ways.find((way) => way.name === name)?.ledger);
      assert.ok(was && is);
      assert.equal(is.received - was.received, count + IN_DOUBT.length, name);
      assert.equal(is.forwarded - was.forwarded, IN_DOUBT.length, name);
    }
    assert.equal(after.kernelDropped, 0);
    await assertAddsUp(daemon);
  });
}

test('a hook without a filter beside the others sees everything', { skip }, async (t) => {
  const ns = await quietLab(t);
  const daemon = await startAfpacket(ns.host, TAP, [PASS_ALL, DROP_5000]);
  assert.equal((await readStatus(daemon)).kernelFilter, null);
  assert.doesNotMatch((await daemon.cli('status')).stdout, /^filter/m);
  await bothWays(ns, UNINTERESTING);
  await statsWhen(daemon, 'all of them', ({ ways }) =>
    ways.every(({ ledger }) => ledger.forwarded >= UNINTERESTING.length),
  );
  await assertAddsUp(daemon);
});

test('a bridge carries what no hook is interested in: its frames are stolen, and each must be sent on', {
  skip,
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const hooks = [stockHook('drop-port', { protocol: 'tcp', ports: [23] }), stockHook('clamp-mss', { mss: 1000 })];
  const daemon = await startAfpacket(ns.fw, { bridge: ['lan0', 'wan0'] }, hooks);
  assert.equal((await readStatus(daemon)).kernelFilter, null);
  await assertPings(ns.client, '10.77.0.2', 'fd77::2');
  await assertAddsUp(daemon);
});
