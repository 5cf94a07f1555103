/**
 * The tables in the kernel: what nft reads there, whose they are, and what is left of them.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { bridgeTables } from '../../../src/plumbing/attach/bridge-tables.ts';
import { hostTables } from '../../../src/plumbing/attach/host-tables.ts';
import type { Link } from '../../../src/plumbing/link.ts';
import type { Detour, PortPlan } from '../../../src/plumbing/tables.ts';
import { createLab, type Namespace, rootOnly } from '../../support/netns.ts';
import { RemotePlumbing } from './remote-plumbing.ts';
import { normalise, tableText } from './table-text.ts';

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

for (const kind of ['host', 'host-by-group', 'bridge', 'bridge-at-port'] as const) {
  const isHost = kind === 'host' || kind === 'host-by-group';
  for (const onDown of ['drop', 'forward'] as const) {
    test(`nft reads in the tables of a ${kind} with onDown ${onDown} what the source says`, {
      skip: rootOnly(),
    }, async (t) => {
      const fw = await lab(t);
      const plumbing = new RemotePlumbing(fw, kind, ...(isHost ? ['lan0'] : ['lan0', 'wan0']));
      await plumbing.attach(onDown);
      const [port, other] = await plumbing.call<Link[]>({ method: 'find' });
      assert.ok(port !== undefined);
      const detours = await plumbing.call<Detour[]>({ method: 'detours' });
      const { ifindex, name } = port;
      const peer = other === undefined ? null : { ifindex: other.ifindex, name: other.name };
      const [inbound, outbound] = detours;
      const plan: PortPlan = {
        port: { ifindex, name },
        memory: {
          kind: isHost ? 'host' : 'bridge',
          peer: peer?.ifindex ?? 0,
          setPromiscuous: !isHost,
          unsetLro: false,
        },
        onDown,
        peer,
        takesAt: kind === 'bridge-at-port' ? 'port' : 'detour',
        knownBy: kind === 'host' ? 'mark' : 'group',
        deliveredMark: await plumbing.call<number>({ method: 'mark' }),
        detours: {
          ...(inbound === undefined ? {} : { in: inbound }),
          ...(outbound === undefined || !isHost ? {} : { out: outbound }),
        },
        tolerated: [],
        own: null,
        kept: null,
      };
      const numbers = new Map([port, ...(other === undefined ? [] : [other])].map((link) => [link.name, link.ifindex]));
      const { netdev, inet } = isHost ? hostTables(plan) : bridgeTables(plan);
      for (const table of [netdev, inet]) {
        const listed = await fw.output('nft', ['list', 'table', table.family, table.name]);
        assert.equal(normalise(listed, numbers), tableText(table));
      }
      assert.deepEqual(await plumbing.inspect(), []);
    });
  }
}

test('nobody else can change the tables while their owner lives; afterwards --undo can take them back', {
  skip: rootOnly(),
}, async (t) => {
  const fw = await lab(t);
  const plumbing = new RemotePlumbing(fw, 'host', 'lan0');
  await plumbing.attach();
  const before = await fw.output('nft', ['-s', 'list', 'ruleset']);
  await fw.run('nft', ['flush', 'ruleset']);
  const [port] = await plumbing.call<Link[]>({ method: 'find' });
  const table = `firehook_${port?.ifindex}`;
  assert.notEqual((await fw.run('nft', ['delete', 'table', 'netdev', table])).code, 0);
  assert.notEqual((await fw.run('nft', ['flush', 'chain', 'netdev', table, 'ingress'])).code, 0);
  assert.equal(await fw.output('nft', ['-s', 'list', 'ruleset']), before);
  assert.deepEqual(await plumbing.inspect(), []);

  const other = new RemotePlumbing(fw, 'host', 'lan0');
  await assert.rejects(other.call({ method: 'undo' }), /another process has these tables/);
  await plumbing.kill();
  const rules = (text: string) => text.replaceAll(/^\tflags .*\n| ?# progname.*$/gm, '');
  assert.equal(rules(await fw.output('nft', ['-s', 'list', 'ruleset'])), rules(before), 'a killed run leaves them');
  assert.deepEqual(await other.call({ method: 'leftovers' }), [port?.ifindex]);
  assert.deepEqual(await other.call({ method: 'undo' }), [true]);
  assert.equal(await fw.output('nft', ['list', 'tables']), '');
  assert.deepEqual(await other.call({ method: 'traces' }), []);
  assert.deepEqual(await other.call({ method: 'undo' }), [false]);
});

test('another run takes over what a killed one left, and remembers what it had switched', {
  skip: rootOnly(),
}, async (t) => {
  const fw = await lab(t);
  const killed = new RemotePlumbing(fw, 'bridge', 'lan0', 'wan0');
  await killed.attach();
  await killed.kill();
  const plumbing = new RemotePlumbing(fw, 'bridge', 'lan0', 'wan0');
  await plumbing.attach('forward');
  assert.deepEqual(await plumbing.inspect(), []);
  assert.match(await fw.output('ip', ['link', 'show', 'lan0']), /PROMISC/);
  assert.deepEqual(await plumbing.call({ method: 'undo' }), [true, true]);
  assert.doesNotMatch(await fw.output('ip', ['link', 'show']), /PROMISC|fh\d/);
  assert.equal(await fw.output('nft', ['list', 'tables']), '');
});

test('the tables of an earlier version without the wall are taken back too', { skip: rootOnly() }, async (t) => {
  const fw = await lab(t);
  const plumbing = new RemotePlumbing(fw, 'host', 'lan0');
  const [port] = await plumbing.call<Link[]>({ method: 'find' });
  const input = `table netdev firehook_${port?.ifindex} {\n comment "firehook1 host peer=0 promisc=1 lro=0"\n set alive {\n type iface_index\n flags timeout\n }\n}\n`;
  await fw.output('nft', ['-f', '-'], { input });
  await fw.output('ip', ['link', 'set', 'lan0', 'promisc', 'on']);
  await fw.output('ip', [
    'link',
    'add',
    `fh${port?.ifindex}i0`,
    'type',
    'veth',
    'peer',
    'name',
    `fh${port?.ifindex}i1`,
  ]);
  assert.deepEqual(await plumbing.call({ method: 'undo' }), [true]);
  assert.equal(await fw.output('nft', ['list', 'tables']), '');
  assert.doesNotMatch(await fw.output('ip', ['link', 'show']), /PROMISC|fh\d/);
});

test('to protect and to equip twice changes nothing the second time', { skip: rootOnly() }, async (t) => {
  const fw = await lab(t);
  const plumbing = new RemotePlumbing(fw, 'host', 'lan0');
  await plumbing.attach();
  // Handles and counters show whether anything was made anew.
  const state = () =>
    fw.output('sh', [
      '-c',
      'nft -a list ruleset; ip -d link; tc filter show dev $(ls /sys/class/net | grep i0) ingress',
    ]);
  const before = await state();
  await plumbing.attach();
  assert.equal(await state(), before);
});

test('disengaged tables do nothing, and still remember', { skip: rootOnly() }, async (t) => {
  const fw = await lab(t);
  const plumbing = new RemotePlumbing(fw, 'bridge', 'lan0', 'wan0');
  await plumbing.attach();
  await plumbing.call({ method: 'disengage' });
  assert.doesNotMatch(await fw.output('nft', ['list', 'ruleset']), /chain|inet/);
  await plumbing.call({ method: 'undo' });
  assert.doesNotMatch(await fw.output('ip', ['link', 'show']), /PROMISC|fh\d/);
});
