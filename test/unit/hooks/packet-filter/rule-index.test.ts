/**
 * Which rule a packet matches: the index says what a look at one rule after the other says, for any rules and any packets.
 *
 * Random sets with a fixed seed, of few values, so that packets hit; large ones, so that there are several groups, chunks and
 * summaries of chunks; and hostile ones, made to fill the vectors.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Random } from '../../../chaos/random.ts';
import {
  datagramOf,
  firstMatch,
  type ListSpec,
  type PacketSpec,
  prefixOf,
  type Range,
  type RuleOptions,
  type RuleSpec,
  randomExtensions,
  randomPacket,
  randomRule,
  ruleText,
} from '../../../support/rule-sets.ts';
import { compile, Viewer } from './rule-rig.ts';

const SETS = 240;
const PACKETS = 2_000;
/** Sets that share their packets. */
const SHARED = 24;
const viewer = new Viewer();

const UDP = { action: 'drop', protocols: ['udp'] } as const;
const TCP = { protocols: ['tcp'] } as const;

function one<Item>(item: Item): ListSpec<Item> {
  return { not: false, items: [item] };
}

function range(first: number, last: number): ListSpec<Range> {
  return one([first, last]);
}

interface Sample {
  readonly spec: PacketSpec;
  readonly datagram: Buffer;
}

/** A UDP packet with these fields. */
function sample(random: Random, fields: Partial<PacketSpec>): Sample {
  const ports = { sourcePort: random.below(65_536), destinationPort: random.below(65_536) };
  const ways = { arrival: 'lan0', departure: 'wan0', direction: 'in' } as const;
  const base = { version: 4, source: '10.0.0.1', destination: '10.0.0.2', protocol: 17, flags: -1, icmp: -1 } as const;
  const spec: PacketSpec = { ...base, ...ports, ...ways, fragment: 0, ...fields };
  return { spec, datagram: datagramOf(spec) };
}

function samples(random: Random, count: number): Sample[] {
  return Array.from({ length: count }, () => {
    const spec = randomPacket(random);
    const extensions = spec.version === 6 && random.once(4) ? randomExtensions(random) : [];
    return { spec, datagram: datagramOf(spec, extensions) };
  });
}

/** Fails where the index finds another rule; returns how many packets matched one. */
function agrees(rules: readonly RuleSpec[], packets: readonly Sample[], label: string): number {
  const filter = compile(rules.map((rule) => ruleText(rule)).join('\n'));
  let hits = 0;
  for (const { spec, datagram } of packets) {
    viewer.show(datagram, spec);
    const found = filter.find(viewer.packet, viewer.context);
    const expected = firstMatch(rules, spec);
    if (found !== expected) {
      const lines = [found, expected].map((index) => `${index} ${ruleText(rules[index] ?? { action: 'pass' })}`);
      assert.fail(`${label}: found ${lines[0]}; expected ${lines[1]}; ${JSON.stringify(spec)}`);
    }
    if (found < rules.length) hits += 1;
  }
  return hits;
}

describe('the index finds the first rule', () => {
  test(`of ${SETS} random sets, for ${PACKETS} packets each`, () => {
    const random = new Random(20_261);
    let packets: Sample[] = [];
    let hits = 0;
    const sizes = [0, 1, 2, 5, 12, 30, 31, 32, 33, 70];
    for (let set = 0; set < SETS; set++) {
      if (set % SHARED === 0) packets = samples(random, PACKETS);
      const options: RuleOptions = { ways: set % 3 === 0, states: set % 5 === 0 };
      const rules = Array.from({ length: random.pick(sizes) }, () => randomRule(random, options));
      hits += agrees(rules, packets, `set ${set}`);
    }
    // Both answers have to be common, or little was tried.
    const share = hits / (SETS * PACKETS);
    assert.ok(share > 0.3 && share < 0.95, `${share} of the packets matched a rule`);
  });

  test('of large sets, in several groups and chunks', () => {
    const random = new Random(7);
    const packets = samples(random, 600);
    for (const size of [127, 128, 129, 500, 1_024, 1_025, 3_000]) {
      // Narrow rules only: otherwise the first few match everything.
      const rules = Array.from({ length: 30 * size }, () => randomRule(random, { ways: true }))
        .filter(({ from, to, toPorts }) => from?.not === false && to?.not === false && toPorts !== undefined)
        .slice(0, size);
      assert.equal(rules.length, size);
      assert.ok(agrees(rules, packets, `${size} rules`) > 50);
    }
  });

  test('of sets in which one field alone tells the rules apart, and another one in another part of the file', () => {
    const random = new Random(8);
    const host = (index: number): ListSpec<string> => one(`10.${index >> 8}.${index & 255}.1`);
    const rules = Array.from({ length: 2_000 }, (_, index): RuleSpec => {
      const list = host(random.below(3_000));
      return { action: 'drop', ...(index % 2 === 0 ? { from: list } : { to: list }), ...(index % 7 === 0 ? TCP : {}) };
    });
    const packets = Array.from({ length: 1_500 }, () =>
      sample(random, {
        source: host(random.below(3_000)).items[0] ?? '',
        destination: host(random.below(3_000)).items[0] ?? '',
      }),
    );
    const hits = agrees(rules, packets, 'block list');
    assert.ok(hits > 500 && hits < 1_400, `${hits} packets matched`);
  });

  test('of more rules than one summary has chunks for', () => {
    const random = new Random(9);
    const host = (): string => `10.${random.below(2)}.${random.below(256)}.${random.below(256)}`;
    const rules = Array.from(
      { length: 36_000 },
      (): RuleSpec => ({ action: 'drop', from: one(host()), to: one(host()) }),
    );
    const some = Array.from({ length: 60 }, () => {
      const rule = random.pick(rules);
      return sample(random, { source: rule.from?.items[0] ?? '', destination: rule.to?.items[0] ?? '' });
    });
    const others = Array.from({ length: 20 }, () => sample(random, { source: host(), destination: host() }));
    assert.ok(agrees(rules, [...some, ...others], '36,000 rules') >= some.length);
  });
});

describe('the index finds the first rule of hostile sets', () => {
  const random = new Random(10);
  const around = (): Partial<PacketSpec> => ({
    source: random.pick(['192.0.2.77', '192.0.2.76', '192.0.34.77', '64.0.2.77']),
    destination: random.pick(['198.51.100.200', '198.51.100.201', '198.51.0.1', '10.0.0.1']),
    protocol: 17,
    sourcePort: random.below(65_536),
    destinationPort: random.below(65_536),
  });
  const packets = Array.from({ length: 500 }, () => sample(random, around()));

  for (const [what, make] of [
    [
      'prefixes of every length around one address, on both sides',
      (index: number): RuleSpec => ({
        ...UDP,
        from: one(prefixOf('192.0.2.77', 32 - (index % 33))),
        to: one(prefixOf('198.51.100.200', 32 - (Math.floor(index / 33) % 33))),
        toPorts: range(index % 300, (index % 300) + 50),
      }),
    ],
    [
      'ranges of ports that overlap',
      (index: number): RuleSpec => ({
        ...UDP,
        fromPorts: range((index * 131) % 60_000, ((index * 131) % 60_000) + 500),
        toPorts: range((index * 977) % 50_000, ((index * 977) % 50_000) + (index % 15_000)),
      }),
    ],
    ['one rule, again and again', (): RuleSpec => ({ ...UDP, from: one('192.0.2.0/24'), toPorts: range(0, 10) })],
    [
      'lists that have the packet in every field but one',
      (index: number): RuleSpec => ({
        action: 'drop',
        protocols: index % 5 === 4 ? ['tcp'] : ['tcp', 'udp'],
        from: { not: false, items: [`10.${index & 127}.0.${index >> 7}`, ...(index % 5 === 0 ? [] : ['192.0.2.77'])] },
        to: {
          not: false,
          items: [`11.${index & 127}.0.${index >> 7}`, ...(index % 5 === 1 ? [] : ['198.51.100.200'])],
        },
        fromPorts: {
          not: false,
          items:
            index % 5 === 2
              ? [[7, 7]]
              : [
                  [0, 30_000],
                  [40_000 + index, 65_535],
                ],
        },
        toPorts: { not: false, items: index % 5 === 3 ? [[7, 7]] : [[0, 30_000 + index]] },
      }),
    ],
    [
      'all but one address, all but one port',
      (index: number): RuleSpec => ({
        ...UDP,
        from: { not: true, items: [prefixOf('192.0.2.77', index % 32)] },
        fromPorts: { not: true, items: [[0, 65_535 - (index % 900)]] },
      }),
    ],
  ] as const) {
    test(what, () => {
      const rules = Array.from({ length: 2_500 }, (_, index) => make(index));
      agrees(rules, packets, what);
    });
  }
});
