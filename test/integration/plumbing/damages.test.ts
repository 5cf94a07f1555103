/**
 * Every way in which somebody can spoil the plumbing of a running attach: it is found, and repaired.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Link } from '../../../src/plumbing/link.ts';
import { createLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { RemotePlumbing } from './remote-plumbing.ts';

async function lab(t: TestContext): Promise<Namespace> {
  const { ns } = await createLab(t, {
    namespaces: { fw: {}, client: {}, server: {} },
    links: [
      [
        { in: 'fw', name: 'lan0' },
        { in: 'client', name: 'eth0' },
      ],
      [
        { in: 'fw', name: 'wan0' },
        { in: 'server', name: 'eth0' },
      ],
    ],
  });
  return ns.fw;
}

/** Commands of a damage on a host's port of this number, and what is said of it. */
const HOST_DAMAGES: readonly (readonly [command: string, expected: RegExp])[] = [
  ['tc qdisc del dev fhNi0 ingress', /^redirect: fhNi0/],
  ['tc filter del dev fhNi0 ingress', /^redirect: fhNi0/],
  [
    'tc filter add dev fhNi0 ingress protocol all prio 9 u32 match u32 0 0 action mirred egress redirect dev lo',
    /^redirect: fhNi0/,
  ],
  ['tc qdisc del dev fhNi1 clsact', /^redirect: fhNi1/],
  ['tc filter del dev fhNi1 egress', /^redirect: fhNi1/],
  ...['fhNi1 ingress', 'fhNi1 egress', 'fhNo0 egress', 'fhNo1 ingress'].map((place): [string, RegExp] => [
    `tc qdisc add dev ${place.split(' ')[0]} clsact || true; tc filter add dev ${place} protocol all prio 9 u32 match u32 0 0 action mirred egress redirect dev lo`,
    new RegExp(`^redirect: ${place.split(' ')[0]}`),
  ]),
  ['ip link set fhNi0 down', /^detour: fhNi0: it is down/],
  ['ip link set fhNo1 down', /^detour: fhNo1: it is down/],
  ['ip link set fhNi0 address 02:00:00:00:00:77', /^detour: fhNi0: its MAC address/],
  ['ip link set fhNi1 mtu 1400', /^detour: fhNi1: its MTU/],
  ['ip link set fhNo0 arp on', /^detour: fhNo0: ARP is on/],
  ['ethtool -K fhNo0 tx on tso on', /^offload: fhNo0: .*tx-tcp-segmentation/],
  ['ethtool -K fhNi1 gro on', /^offload: fhNi1: rx-gro/],
  ['ip link del fhNo1', /^detour: lan0: the detour fhNo0, fhNo1 is gone/],
  ['ip link set fhNi0 down && ip link set fhNi0 name strange0', /^detour: lan0: the detour fhNi0, fhNi1 is gone/],
  [
    'ip link del fhNi0 && ip link add fhNi0 type veth peer name strange1 && ip link add fhNi1 type veth peer name strange2',
    /^detour: lan0: the detour fhNi0, fhNi1 is gone/,
  ],
];

test('each damage to a host is found, said in words, and repaired by another equip', {
  skip: rootOnly(),
}, async (t) => {
  const fw = await lab(t);
  const plumbing = new RemotePlumbing(fw, 'host', 'lan0');
  await plumbing.attach();
  const [port] = await plumbing.call<Link[]>({ method: 'find' });
  const number = `fh${port?.ifindex}`;
  for (const [command, expected] of HOST_DAMAGES) {
    assert.deepEqual(await plumbing.inspect(), [], `before ${command}`);
    await fw.output('sh', ['-ec', command.replaceAll('fhN', number)]);
    const damages = await plumbing.inspect();
    const pattern = new RegExp(expected.source.replaceAll('fhN', number));
    assert.ok(
      damages.some((text) => pattern.test(text)),
      `${command}: ${damages.join('; ')}`,
    );
    await plumbing.call({ method: 'equip', superFrames: 'cut' });
  }
  assert.deepEqual(await plumbing.inspect(), []);
});

test('promiscuity taken from a port of a bridge is found and given back', { skip: rootOnly() }, async (t) => {
  const fw = await lab(t);
  const plumbing = new RemotePlumbing(fw, 'bridge-at-port', 'lan0', 'wan0');
  await plumbing.attach();
  assert.deepEqual(await plumbing.inspect(), []);
  await fw.output('ip', ['link', 'set', 'wan0', 'promisc', 'off']);
  assert.deepEqual(await plumbing.inspect(), ['promiscuity: wan0: promiscuity was switched off']);
  await plumbing.call({ method: 'equip', superFrames: 'whole' });
  assert.deepEqual(await plumbing.inspect(), []);
});

test('a port renamed, made again under its name, or gone is found', { skip: rootOnly() }, async (t) => {
  const fw = await lab(t);
  const plumbing = new RemotePlumbing(fw, 'host', 'lan0');
  await plumbing.attach();
  const rename = (from: string, to: string) =>
    fw.output('sh', ['-ec', `ip link set ${from} down; ip link set ${from} name ${to}; ip link set ${to} up`]);
  await rename('lan0', 'other0');
  assert.match((await plumbing.inspect()).join(), /^table: lan0: lan0 \(number \d+\) is gone, or has another name/);
  await rename('other0', 'lan0');
  assert.match((await plumbing.inspect()).join(), /^table: lan0: a device of its tables had another name/);
  await plumbing.attach();
  assert.deepEqual(await plumbing.inspect(), []);
  await fw.output('sh', ['-ec', 'ip link del lan0; ip link add lan0 type veth peer name peer0; ip link set lan0 up']);
  assert.match((await plumbing.inspect()).join(), /^table: lan0: lan0 \(number \d+\) is gone/);
});

test('word comes when interfaces change', { skip: rootOnly() }, async (t) => {
  const fw = await lab(t);
  const plumbing = new RemotePlumbing(fw, 'host', 'lan0');
  const heard = await plumbing.call<number>({ method: 'changes' });
  await fw.output('sh', ['-ec', 'ip link add strange0 type veth peer name strange1']);
  await waitFor(async () => (await plumbing.call<number>({ method: 'changes' })) > heard, {
    what: 'word of the new links',
  });
});

test('what takes frames first is found; what only copies is not in the way', {
  skip: rootOnly(),
}, async (t) => {
  const fw = await lab(t);
  const plumbing = new RemotePlumbing(fw, 'host', 'lan0');
  const takers = async (...tolerated: string[]) =>
    (
      await plumbing.call<{ kind: string; text: string; isTolerated: boolean }[]>({
        method: 'earlierTakers',
        tolerated,
      })
    ).map(({ kind, isTolerated }) => `${kind}${isTolerated ? ' tolerated' : ''}`);
  const filter = 'tc filter add dev lan0 ingress protocol all u32 match u32 0 0 action';
  const reset = 'tc qdisc del dev lan0 ingress; tc qdisc add dev lan0 ingress';
  const cases: readonly (readonly [command: string, expected: readonly string[]])[] = [
    ['tc qdisc add dev lan0 ingress', []],
    [`${filter} mirred egress mirror dev wan0`, []],
    [`${reset}; ip link add ifb0 type ifb; ip link set ifb0 up; ${filter} mirred egress redirect dev ifb0`, ['tc']],
    [`${reset}; ${filter} mirred egress mirror dev wan0 pipe action mirred ingress redirect dev wan0`, ['tc']],
    ['tc qdisc del dev lan0 ingress; ip link add mv0 link lan0 type macvlan mode bridge', ['macvlan']],
    ['ip link del mv0; ip link add br0 type bridge; ip link set lan0 master br0', ['master']],
    ['ip link set lan0 nomaster', []],
  ];
  for (const [command, expected] of cases) {
    await fw.output('sh', ['-ec', command]);
    assert.deepEqual(await takers(), expected, command);
    assert.deepEqual(
      await takers('tc', 'macvlan', 'master'),
      expected.map((kind) => `${kind} tolerated`),
      command,
    );
  }
});
