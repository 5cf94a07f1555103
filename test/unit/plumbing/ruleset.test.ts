/**
 * The nftables text of a port: what it says, what it remembers, and that the real nft takes it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  detourNames,
  emptyRuleset,
  lapseLine,
  leaseLine,
  type PortRules,
  portRuleset,
  readMemory,
  removalRuleset,
  tableName,
} from '../../../src/plumbing/ruleset.ts';
import { createLab, type Namespace, rootOnly } from '../../support/netns.ts';
import { waitFor } from '../../support/wait-for.ts';

const NO_MEMORY = { peer: 0, setPromiscuous: false, unsetLro: false };

const bridge = (onDown: 'drop' | 'forward', ifindex = 7): PortRules => ({
  takesAt: 'detour',
  ifindex,
  name: 'lan0',
  memory: { kind: 'bridge', peer: 8, setPromiscuous: true, unsetLro: false },
  onDown,
  peerName: 'wan0',
});

const bridgeAtPort = (onDown: 'drop' | 'forward', ifindex = 7): PortRules => ({
  ...bridge(onDown, ifindex),
  takesAt: 'port',
});

const host = (onDown: 'drop' | 'forward', ifindex = 7): PortRules => ({
  takesAt: 'detour',
  ifindex,
  name: 'lan0',
  memory: { kind: 'host', ...NO_MEMORY },
  onDown,
  peerName: '',
});

/** The rules of a chain, without its declaration. */
function chainOf(ruleset: string, name: string): string[] {
  const body = new RegExp(`chain ${name} \\{\\n([^}]*?)\\n  \\}`).exec(ruleset.replaceAll(/\{ ([^}\n]*) \}/g, '($1)'));
  const lines = body?.[1]?.split('\n').map((line) => line.trim()) ?? [];
  return lines.slice(1);
}

describe('the text', () => {
  test('of a bridge port steals everything while alive, and else forwards to the other port or drops', () => {
    assert.deepEqual(chainOf(portRuleset(bridge('forward')), 'ingress'), [
      'iif @alive counter name stolen_in fwd to "fh7i0"',
      'counter name down_in fwd to "wan0"',
    ]);
    assert.deepEqual(chainOf(portRuleset(bridge('drop')), 'ingress'), [
      'iif @alive counter name stolen_in fwd to "fh7i0"',
      'counter name down_in drop',
    ]);
    assert.doesNotMatch(portRuleset(bridge('drop')), /chain (egress|marks|detour_out)/);
  });

  test('of a bridge port that is captured at the port itself drops what the lane has a copy of, and knows no detour', () => {
    assert.deepEqual(chainOf(portRuleset(bridgeAtPort('forward')), 'ingress'), [
      'iif @alive counter name stolen_in drop',
      'counter name down_in fwd to "wan0"',
    ]);
    assert.deepEqual(chainOf(portRuleset(bridgeAtPort('drop')), 'ingress').at(-1), 'counter name down_in drop');
    assert.doesNotMatch(portRuleset(bridgeAtPort('drop')), /fh7|offered|chain (egress|marks|detour)/);
  });

  test('of a host port steals unicast IP only, after what the lane delivers and what links live by', () => {
    const text = portRuleset(host('forward'));
    const ingress = chainOf(text, 'ingress');
    assert.match(ingress[0] ?? '', /^meta mark \d+ meta mark set 0 accept$/);
    assert.equal(ingress[1], 'meta pkttype != host accept');
    assert.deepEqual(ingress.slice(-2), [
      'ether type (ip, ip6) iif @alive counter name stolen_in fwd to "fh7i0"',
      'ether type (ip, ip6) counter name down_in accept',
    ]);
    const egress = chainOf(text, 'egress');
    assert.match(egress[0] ?? '', /^meta skgid \d+ accept$/);
    assert.deepEqual(egress.slice(-2), [
      'ether type (ip, ip6) oif @alive counter name stolen_out fwd to "fh7o0"',
      'ether type (ip, ip6) counter name down_out accept',
    ]);
    for (const chain of [ingress, egress]) {
      assert.ok(chain.some((rule) => rule.includes('nd-neighbor-solicit') && rule.endsWith('accept')));
    }
    const [, mark] = /^meta mark (\d+)/.exec(ingress[0] ?? '') ?? [];
    assert.deepEqual(chainOf(text, 'marks'), [`meta mark set ${mark}`], 'what is taken off is what was put on');
    assert.ok(
      chainOf(portRuleset(host('drop')), 'egress')
        .at(-1)
        ?.endsWith('down_out drop'),
    );
  });

  test('lets nothing that came out of a detour reach the host a second time', () => {
    assert.deepEqual(chainOf(portRuleset(host('drop')), 'detour_in'), ['counter name offered_in drop']);
    assert.deepEqual(chainOf(portRuleset(host('drop')), 'detour_out'), ['counter name offered_out drop']);
    assert.match(portRuleset(host('drop')), /chain detour_out \{\n.*hook ingress device "fh7o1" priority -500/);
  });

  test('replaces the table of a port, whether there is one or not, and no other', () => {
    for (const text of [portRuleset(bridge('drop')), removalRuleset(7)]) {
      assert.ok(text.startsWith('add table netdev firehook_7\ndelete table netdev firehook_7\n'));
      assert.doesNotMatch(text, /flush ruleset|firehook_(?!7)/);
    }
  });

  test('has names that fit an interface, whatever the ifindex', () => {
    assert.deepEqual(detourNames(7, 'in'), { near: 'fh7i0', far: 'fh7i1' });
    assert.deepEqual(detourNames(7, 'out'), { near: 'fh7o0', far: 'fh7o1' });
    const { near, far } = detourNames(0x7fffffff, 'out');
    assert.ok(near.length <= 15 && far.length <= 15);
  });

  test('remembers what has to be put back', () => {
    for (const kind of ['bridge', 'host'] as const) {
      for (const flags of [0, 1, 2, 3]) {
        const memory = { kind, peer: flags * 11, setPromiscuous: (flags & 1) === 1, unsetLro: (flags & 2) === 2 };
        assert.deepEqual(readMemory(portRuleset({ ...bridge('drop'), memory })), memory);
        assert.deepEqual(readMemory(emptyRuleset(7, memory)), memory);
      }
    }
    assert.equal(readMemory('table netdev firehook_7 { }'), null);
    assert.equal(readMemory('comment "firehook2 bridge peer=1 promisc=0 lro=0"'), null);
  });
});

describe('the real nft', () => {
  const skip = rootOnly();

  /** A namespace with the port, its peer, and both detours. */
  async function lay(t: Parameters<typeof createLab>[0]): Promise<{ ns: Namespace; ifindex: number }> {
    const { ns } = await createLab(t, {
      namespaces: { fw: {} },
      links: [
        [
          { in: 'fw', name: 'lan0' },
          { in: 'fw', name: 'wan0' },
        ],
      ],
    });
    const ifindex = Number(await ns.fw.output('cat', ['/sys/class/net/lan0/ifindex']));
    for (const direction of ['in', 'out'] as const) {
      const { near, far } = detourNames(ifindex, direction);
      await ns.fw.output('ip', ['link', 'add', near, 'type', 'veth', 'peer', 'name', far]);
    }
    return { ns: ns.fw, ifindex };
  }

  const feed = (ns: Namespace, input: string, ...args: string[]) => ns.output('nft', [...args, '-f', '-'], { input });

  for (const [kind, rules] of Object.entries({ bridge, 'captured bridge': bridgeAtPort, host })) {
    for (const onDown of ['drop', 'forward'] as const) {
      test(`takes the table of a ${kind} port with onDown ${onDown}, again and again, and gives it back`, {
        skip,
      }, async (t) => {
        const { ns, ifindex } = await lay(t);
        const text = portRuleset(rules(onDown, ifindex));
        await feed(ns, text, '-c');
        assert.equal(await ns.output('nft', ['list', 'tables']), '', 'a check changes nothing');
        await feed(ns, text);
        await feed(ns, text);
        const listed = await ns.output('nft', ['list', 'table', 'netdev', tableName(ifindex)]);
        assert.deepEqual(readMemory(listed), rules(onDown, ifindex).memory);
        await feed(ns, emptyRuleset(ifindex, rules(onDown, ifindex).memory));
        const emptied = await ns.output('nft', ['list', 'table', 'netdev', tableName(ifindex)]);
        assert.deepEqual(readMemory(emptied), rules(onDown, ifindex).memory);
        assert.doesNotMatch(emptied, /chain/);
        await feed(ns, removalRuleset(ifindex));
        await feed(ns, removalRuleset(ifindex));
        assert.equal(await ns.output('nft', ['list', 'tables']), '');
      });
    }
  }

  test('renews a lease that lives or has lapsed, and ends it at once or by itself', { skip }, async (t) => {
    const { ns, ifindex } = await lay(t);
    const listAlive = () => ns.output('nft', ['-n', 'list', 'set', 'netdev', tableName(ifindex), 'alive']);
    const isHeld = async () => (await listAlive()).includes('elements');
    await feed(ns, portRuleset(bridge('drop', ifindex)));
    assert.equal(await isHeld(), false);
    await feed(ns, `${leaseLine(ifindex)}\n`);
    await feed(ns, `${leaseLine(ifindex)}\n`);
    assert.match(await listAlive(), /timeout 1s/);
    await feed(ns, `${leaseLine(ifindex)}\n${lapseLine(ifindex)}\n`);
    assert.equal(await isHeld(), false, 'ended at once');
    await feed(ns, `${leaseLine(ifindex)}\n`);
    await waitFor(async () => !(await isHeld()), { what: 'the lease to lapse by itself' });
    await feed(ns, `${leaseLine(ifindex)}\n`);
    await waitFor(async () => !(await isHeld()), { what: 'the lease to lapse again' });
  });
});
