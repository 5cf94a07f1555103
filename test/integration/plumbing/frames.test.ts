/**
 * Which frames a host's port steals, frame by frame: with the lease lapsed and `onDown: drop`, what is stolen is counted and
 * gone, and what is on the exempt list goes on.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { PortCounters } from '../../../src/plumbing/port-counters.ts';
import { sendFrames, startCapture } from '../../support/frames.ts';
import { createLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { type Extension, ethernet, extension, icmpv6, ipv4, ipv6, octets, udp } from '../../support/packet-builder.ts';
import { RemotePlumbing } from './remote-plumbing.ts';

const PORT = Buffer.from('020000000101', 'hex');
const OTHER = Buffer.from('020000000999', 'hex');
const BROADCAST = Buffer.from('ffffffffffff', 'hex');
const GROUP4 = Buffer.from('01005e000001', 'hex');
const GROUP6 = Buffer.from('333300000001', 'hex');

const V4 = ipv4({ source: '10.77.0.2', destination: '10.77.0.1' }, udp());
const V6 = ipv6({ source: 'fd77::2', destination: 'fd77::1' }, udp());
/** Addresses of this host in frames of their own, and forms around them. */
const frame = (destination: Buffer, datagram: Buffer, tags: { id: number; type?: number }[] = []) =>
  ethernet({ destination, source: Buffer.from('020000000102', 'hex'), tags, padTo: 60 }, datagram);
const icmp6 = (
  type: number,
  hopLimit: number,
  source = 'fd77::2',
  destination = 'fd77::1',
  extensions: Extension[] = [],
) => ipv6({ source, destination, hopLimit, extensions }, icmpv6({ type }, Buffer.alloc(20)));
const alert = (): Extension => ({ type: 0, octets: Buffer.from('0000050200000100', 'hex') });

/** `stolen`, or exempt: `in` reaches the IP stack, `left` is not for it. */
type Fate = 'in' | 'left' | 'stolen';

const FRAMES: readonly (readonly [what: string, frame: Buffer, fate: Fate])[] = [
  ['IPv4', frame(PORT, V4), 'stolen'],
  ['IPv6', frame(PORT, V6), 'stolen'],
  ['IPv4 behind a tag of id 0', frame(PORT, V4, [{ id: 0 }]), 'stolen'],
  ['IPv6 behind an 802.1ad tag of id 0', frame(PORT, V6, [{ id: 0, type: 0x88a8 }]), 'stolen'],
  ['IPv4 behind two tags of id 0', frame(PORT, V4, [{ id: 0 }, { id: 0 }]), 'stolen'],
  [
    'IPv4 behind five tags of id 0',
    frame(
      PORT,
      V4,
      Array.from({ length: 5 }, () => ({ id: 0 })),
    ),
    'stolen',
  ],
  ['IPv4 behind tags of ids 0 and 5', frame(PORT, V4, [{ id: 0 }, { id: 5 }]), 'stolen'],
  ['IPv4 of VLAN 5', frame(PORT, V4, [{ id: 5 }]), 'left'],
  ['IPv4 of VLAN 5 by 802.1ad', frame(PORT, V4, [{ id: 5, type: 0x88a8 }]), 'left'],
  ['IPv4 behind tags of ids 5 and 0', frame(PORT, V4, [{ id: 5 }, { id: 0 }]), 'left'],
  ['IPv4 for another MAC', frame(OTHER, V4), 'left'],
  ['unicast IPv4 in a broadcast frame', frame(BROADCAST, V4), 'stolen'],
  ['unicast IPv4 in a multicast frame', frame(GROUP4, V4), 'stolen'],
  ['unicast IPv6 in a multicast frame', frame(GROUP6, V6), 'stolen'],
  [
    'IPv4 multicast in a group frame',
    frame(GROUP4, ipv4({ source: '10.77.0.2', destination: '224.0.0.1' }, udp())),
    'in',
  ],
  [
    'IPv4 multicast in a unicast frame',
    frame(PORT, ipv4({ source: '10.77.0.2', destination: '224.0.0.1' }, udp())),
    'stolen',
  ],
  [
    'IPv4 broadcast in a broadcast frame',
    frame(BROADCAST, ipv4({ source: '10.77.0.2', destination: '255.255.255.255' }, udp())),
    'in',
  ],
  [
    'directed IPv4 broadcast',
    frame(BROADCAST, ipv4({ source: '10.77.0.2', destination: '10.77.0.255' }, udp())),
    'stolen',
  ],
  ['IPv6 multicast in a group frame', frame(GROUP6, ipv6({ source: 'fd77::2', destination: 'ff02::1' }, udp())), 'in'],
  [
    'IPv6 multicast in a unicast frame',
    frame(PORT, ipv6({ source: 'fd77::2', destination: 'ff02::1' }, udp())),
    'stolen',
  ],
  [
    'IPv6 multicast in a group frame behind a tag of id 0',
    frame(GROUP6, ipv6({ source: 'fd77::2', destination: 'ff02::1' }, udp()), [{ id: 0 }]),
    'in',
  ],
  ['neighbour solicitation', frame(PORT, icmp6(135, 255)), 'in'],
  ['router advertisement', frame(PORT, icmp6(134, 255, 'fe80::9')), 'in'],
  ['redirect', frame(PORT, icmp6(137, 255, 'fe80::9')), 'in'],
  ['neighbour solicitation with hop limit 254', frame(PORT, icmp6(135, 254)), 'stolen'],
  [
    'neighbour solicitation behind destination options',
    frame(PORT, icmp6(135, 255, 'fd77::2', 'fd77::1', [extension(60)])),
    'stolen',
  ],
  ['echo request with hop limit 255', frame(PORT, icmp6(128, 255)), 'stolen'],
  ['listener query with router alert', frame(PORT, icmp6(130, 1, 'fe80::9', 'fd77::1', [alert()])), 'in'],
  ['listener report of version 2', frame(PORT, icmp6(143, 1, 'fe80::9')), 'in'],
  ['listener query from a global address', frame(PORT, icmp6(130, 1, 'fd77::2')), 'stolen'],
  ['listener query with hop limit 64', frame(PORT, icmp6(130, 64, 'fe80::9')), 'stolen'],
  ['from link-local to link-local', frame(PORT, ipv6({ source: 'fe80::9', destination: 'fe80::1' }, udp())), 'in'],
  [
    'from link-local to a global address',
    frame(PORT, ipv6({ source: 'fe80::9', destination: 'fd77::1' }, udp())),
    'stolen',
  ],
  [
    'from a global address to link-local',
    frame(PORT, ipv6({ source: 'fd77::2', destination: 'fe80::1' }, udp())),
    'stolen',
  ],
  [
    'IPv4 that is no UDP',
    frame(PORT, ipv4({ source: '10.77.0.2', destination: '10.77.0.1' }, octets(253, Buffer.alloc(8)))),
    'stolen',
  ],
  [
    'ARP',
    ethernet(
      { destination: BROADCAST, etherType: 0x0806, padTo: 60 },
      Buffer.from('0001080006040001020000000102', 'hex'),
    ),
    'left',
  ],
  [
    'a probe frame of a stranger',
    ethernet({ destination: PORT, etherType: 0x88b6, padTo: 60 }, Buffer.from('firehook probe\0\0')),
    'left',
  ],
];

/** Counts what comes behind the wall. */
const PROBE =
  'table inet seen { counter arrived { }; chain pre { type filter hook prerouting priority -900; iif "eth0" counter name arrived; }; }';

async function lab(t: TestContext) {
  const { ns } = await createLab(t, {
    namespaces: { fw: {}, client: {} },
    links: [
      [
        { in: 'fw', name: 'eth0', addresses: ['10.77.0.1/24', 'fd77::1/64', 'fe80::1/64'] },
        { in: 'client', name: 'eth0' },
      ],
    ],
  });
  return ns;
}

async function seen(fw: Namespace): Promise<number> {
  return Number(/packets (\d+)/.exec(await fw.output('nft', ['list', 'counter', 'inet', 'seen', 'arrived']))?.[1]);
}

async function inbound(plumbing: RemotePlumbing): Promise<PortCounters> {
  const counters = await plumbing.call<Record<string, PortCounters>>({ method: 'counters' });
  const [found] = Object.entries(counters).filter(([key]) => key.endsWith(' in'));
  assert.ok(found !== undefined);
  return found[1];
}

test('exactly the exempt list reaches the stack of a host while no lane answers', { skip: rootOnly() }, async (t) => {
  const { fw, client } = await lab(t);
  const plumbing = new RemotePlumbing(fw, 'host', 'eth0');
  await plumbing.attach('drop');
  await fw.output('nft', [PROBE]);
  const fates: string[] = [];
  for (const [what, bytes] of FRAMES) {
    const [before, seenBefore] = [await inbound(plumbing), await seen(fw)];
    const capture = await startCapture(fw, 'eth0', { count: 1, timeoutMs: 5000, etherTypes: [bytes.readUInt16BE(12)] });
    await sendFrames(client, 'eth0', [bytes]);
    await capture.frames();
    const [after, seenAfter] = [await inbound(plumbing), await seen(fw)];
    const stolen = after.whileDown - before.whileDown;
    fates.push(`${what}: ${stolen > 0 ? 'stolen' : seenAfter > seenBefore ? 'in' : 'left'}`);
    assert.equal(after.unhooked, before.unhooked, what);
  }
  assert.deepEqual(
    fates,
    FRAMES.map(([what, , fate]) => `${what}: ${fate}`),
  );
});

for (const [what, command] of [
  [
    'redirected through an ifb',
    'tc qdisc add dev eth0 ingress; ip link add ifb0 type ifb; ip link set ifb0 up; tc filter add dev eth0 ingress protocol all u32 match u32 0 0 action mirred egress redirect dev ifb0',
  ],
  [
    'of a port that was renamed',
    'ip link set eth0 down; ip link set eth0 name eth9; ip link set eth9 up; ip address add 10.77.0.1/24 dev eth9 || true',
  ],
] as const) {
  test(`frames ${what} stop at the wall, and with onDown: forward are counted and let in`, {
    skip: rootOnly(),
  }, async (t) => {
    for (const onDown of ['drop', 'forward'] as const) {
      const { fw, client } = await lab(t);
      const plumbing = new RemotePlumbing(fw, 'host', 'eth0');
      await plumbing.attach(onDown);
      await fw.output('sh', ['-c', command]);
      await fw.output('nft', [
        'table inet seen { counter arrived { }; chain pre { type filter hook prerouting priority -900; ip daddr 10.77.0.1 counter name arrived; }; }',
      ]);
      await waitFor(
        async () => {
          await sendFrames(client, 'eth0', [frame(PORT, V4)]);
          return (await inbound(plumbing)).unhooked > 0;
        },
        { what: 'a frame at the wall' },
      );
      assert.equal((await seen(fw)) > 0, onDown === 'forward');
    }
  });
}

for (const kind of ['host', 'host-by-group'] as const) {
  test(`what strangers send into a detour of a ${kind} goes nowhere and is not counted`, {
    skip: rootOnly(),
  }, async (t) => {
    const { fw } = await lab(t);
    const plumbing = new RemotePlumbing(fw, kind, 'eth0');
    await plumbing.attach('forward');
    await fw.output('nft', [
      'table inet seen { counter arrived { }; chain pre { type filter hook prerouting priority -900; counter name arrived; }; }',
    ]);
    const [port] = await plumbing.call<{ ifindex: number }[]>({ method: 'find' });
    for (const end of ['i0', 'i1', 'o0', 'o1']) {
      const name = `fh${port?.ifindex}${end}`;
      const other = `${name.slice(0, -1)}${end.endsWith('0') ? 1 : 0}`;
      const capture = await startCapture(fw, other, { count: 1, timeoutMs: 500 });
      // A frame that the chain at the egress drops is ENOBUFS for who sends it.
      await sendFrames(fw, name, [frame(PORT, V4), frame(BROADCAST, V4)]).catch(() => undefined);
      const seenAtOtherEnd = await capture.frames();
      // The ring of a lane that is known by its marks does not take such a frame (test/integration/host/strangers).
      if (kind === 'host-by-group') assert.deepEqual(seenAtOtherEnd, [], name);
    }
    assert.equal(await seen(fw), 0);
    for (const { offered } of Object.values(
      await plumbing.call<Record<string, PortCounters>>({ method: 'counters' }),
    )) {
      assert.equal(offered, 0);
    }
  });
}
