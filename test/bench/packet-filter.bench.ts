/**
 * The stock hook `packet-filter` alone, in this process: nanoseconds for a packet, by number and kind of rules.
 *
 * ```
 *   node --import tsx test/bench/packet-filter.bench.ts [--rules 10,1000,10000] [--kind TEXT] [--rounds N]      no root
 *   rules of a kind ─> RuleFilter ─> packets made to match a rule drawn at random, and packets that match none
 * ```
 * Packets are different ones in random order, as many as do not fit the first caches: a look-up then waits for memory, as behind a busy
 * link. What it takes to show a packet to a hook is measured alone and taken off. All numbers of rules take turns within a round; a figure
 * is the median over the rounds, of processor time. Rule: only differences within a run say something.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { RuleFilter } from '../../hooks/_packet-filter/compile.ts';
import { parseRules } from '../../hooks/_packet-filter/parse.ts';
import { widenInlining } from '../../src/lane/engine.ts';
import { Random } from '../chaos/random.ts';
import { datagramOf, type ListSpec, type PacketSpec, prefixOf, type RuleSpec, ruleText } from '../support/rule-sets.ts';
import { Viewer } from '../unit/hooks/packet-filter/rule-rig.ts';
import { median } from './measure.ts';

const PACKETS = 100_000;
/** Packets of a kind. */
const POOL = 4_096;
const SERVICES = [22, 25, 53, 80, 110, 123, 143, 389, 443, 445, 993, 3306, 5432, 6379, 8080, 8443];

widenInlining();
const { values } = parseArgs({
  options: {
    rules: { type: 'string', default: '10,1000,10000' },
    kind: { type: 'string', default: '' },
    rounds: { type: 'string', default: '15' },
  },
});
const sizes = values.rules.split(',').map(Number);
const rounds = Number(values.rounds);

/** A kind of rules: number `index` of `count`. */
type MakeRule = (random: Random, index: number, count: number) => RuleSpec;

const drop = { action: 'drop' } as const;
const one = <Item>(item: Item) => ({ not: false, items: [item] });
const port = (number: number) => one<[number, number]>([number, number]);

const KINDS: Readonly<Record<string, MakeRule>> = {
  'access list': (random) => ({
    ...drop,
    protocols: [random.pick(['tcp', 'tcp', 'udp'])],
    ...(random.once(3) ? {} : { from: one(prefixOf(address4(random), random.pick([16, 24, 24, 32, 32]))) }),
    to: one(prefixOf(address4(random), random.pick([20, 24, 32, 32]))),
    ...(random.once(4) ? {} : { toPorts: port(random.pick(SERVICES)) }),
  }),
  'access list, IPv6': (random) => ({
    ...drop,
    protocols: [random.pick(['tcp', 'tcp', 'udp'])],
    ...(random.once(3) ? {} : { from: one(prefixOf(address6(random), random.pick([32, 48, 64, 128]))) }),
    to: one(prefixOf(address6(random), random.pick([48, 64, 128, 128]))),
    ...(random.once(4) ? {} : { toPorts: port(random.pick(SERVICES)) }),
  }),
  'block list, from and to in turns': (random, index) => {
    const list = one(prefixOf(address4(random), random.pick([24, 32, 32, 32])));
    return index % 2 === 0 ? { ...drop, from: list } : { ...drop, to: list };
  },
  'ports of hosts': (_, index) => ({
    ...drop,
    protocols: ['tcp'],
    to: one(`10.0.${(index >> 11) & 255}.${(index >> 3) & 255}`),
    toPorts: port(SERVICES[index & 7] ?? 0),
  }),
  'overlapping ranges of ports': (random) => {
    const range = (): [number, number] => {
      const first = random.below(65_000);
      return [first, Math.min(65_535, first + random.below(4_000))];
    };
    return { ...drop, protocols: ['udp'], fromPorts: one(range()), toPorts: one(range()) };
  },
  'nested prefixes': (random, index) => ({
    ...drop,
    protocols: ['tcp'],
    from: one(prefixOf('192.0.2.77', index % 33)),
    to: one(prefixOf('198.51.100.200', Math.floor(index / 33) % 33)),
    toPorts: port(random.below(65_536)),
  }),
  'services between zones, shuffled': (random) => ({
    ...drop,
    protocols: ['tcp'],
    from: one(`10.${random.below(10)}.0.0/16`),
    to: one(`10.${random.below(10)}.0.0/16`),
    fromPorts: port(random.below(10)),
    toPorts: port(random.below(10)),
  }),
  // Each rule has the packet's value in all fields but one, and a value of its own in each, so that no two are alike and none can
  // be told apart: full vectors whose "and" is empty in the last field only.
  'hostile: full vectors with no rule in common': (random, index) => {
    const missing = index % 5;
    const own = (field: number, value: string): ListSpec<string> => ({
      not: false,
      items: field === missing ? [address4(random)] : [value, address4(random)],
    });
    const ports = (field: number): ListSpec<readonly [number, number]> => {
      const other = 1 + random.below(60_000);
      const others: [number, number] = [other, other];
      return { not: false, items: field === missing ? [others] : [[65_000, 65_000], others] };
    };
    return {
      ...drop,
      protocols: missing === 4 ? ['udp'] : ['tcp', 'udp'],
      from: own(0, HOSTILE_SOURCE),
      to: own(1, HOSTILE_DESTINATION),
      fromPorts: ports(2),
      toPorts: ports(3),
    };
  },
};

const HOSTILE_SOURCE = '192.0.2.1';
const HOSTILE_DESTINATION = '198.51.100.2';

function address4(random: Random): string {
  return [1 + random.below(223), random.below(256), random.below(256), random.below(256)].join('.');
}

function address6(random: Random): string {
  const group = () => random.below(65_536).toString(16);
  return `2001:db8:${random.below(64).toString(16)}:${[group(), group(), group(), group(), group()].join(':')}`;
}

interface Pool {
  readonly label: string;
  readonly datagrams: readonly Buffer[];
}

/** Packets in random order: half of a pool is made to match rules, or none of it. */
function pools(rules: readonly RuleSpec[], random: Random): Pool[] {
  const hits = Array.from({ length: POOL }, () => datagramOf(packetFor(random.pick(rules), random)));
  const misses = Array.from({ length: POOL }, () => datagramOf(packetFor(null, random, rules[1])));
  return [
    { label: 'hits', datagrams: hits },
    { label: 'misses', datagrams: misses },
  ];
}

/** @param rule - that the packet matches; null for one that is drawn without a look at the rules */
function packetFor(rule: RuleSpec | null, random: Random, like: RuleSpec | null = rule): PacketSpec {
  const isSix = [...(like?.from?.items ?? []), ...(like?.to?.items ?? [])].some((item) => item.includes(':'));
  const address = (prefix: string | undefined): string =>
    prefix === undefined ? (isSix ? address6(random) : address4(random)) : (prefix.split('/')[0] ?? '');
  const within = (range: readonly [number, number] | undefined): number => range?.[0] ?? 1024 + random.below(60_000);
  const isHostile = rule === null && (like?.from?.items ?? []).length > 1;
  const protocol = { tcp: 6, udp: 17 }[like?.protocols?.[0] ?? 'tcp'] ?? 6;
  return {
    version: isSix ? 6 : 4,
    source: isHostile ? HOSTILE_SOURCE : address(rule?.from?.items[0]),
    destination: isHostile ? HOSTILE_DESTINATION : address(rule?.to?.items[0]),
    protocol,
    sourcePort: isHostile ? 65_000 : within(rule?.fromPorts?.items[0]),
    destinationPort: isHostile ? 65_000 : within(rule?.toPorts?.items[0]),
    flags: protocol === 6 ? 16 : -1,
    icmp: -1,
    fragment: 0,
    arrival: '',
    departure: '',
    direction: 'in',
  };
}

interface Work {
  readonly size: number;
  readonly filter: RuleFilter | null;
  readonly pool: Pool;
  readonly times: number[];
}

const viewer = new Viewer();

function measure({ filter, pool: { datagrams } }: Work): number {
  let sum = 0;
  const start = process.cpuUsage();
  for (let index = 0; index < PACKETS; index++) {
    // A stride that meets all of them, far from each other.
    viewer.show(datagrams[(index * 1_597) & (POOL - 1)] as Buffer);
    if (filter !== null) sum += filter.judge(viewer.packet, viewer.context);
  }
  if (sum < 0) throw new Error('no verdict is negative');
  return (1000 * process.cpuUsage(start).user) / PACKETS;
}

for (const [kind, make] of Object.entries(KINDS)) {
  if (!kind.includes(values.kind)) continue;
  const random = new Random(4_711);
  const works: Work[] = [];
  const notes: string[] = [];
  for (const size of sizes) {
    const rules = Array.from({ length: size }, (_, index) => make(random, index, size));
    const text = rules.map((rule) => ruleText(rule)).join('\n');
    const start = process.cpuUsage();
    const filter = new RuleFilter(parseRules(text, 'rules'), { interfaceIndex: () => null, interfaces: '' });
    notes.push(
      `${size} rules: set-up ${Math.round(process.cpuUsage(start).user / 1000)} ms, ${(filter.octets / 2 ** 20).toFixed(1)} MiB`,
    );
    for (const pool of pools(rules, random)) {
      works.push({ size, filter, pool, times: [] });
      works.push({ size, filter: null, pool, times: [] });
    }
  }
  for (let round = 0; round < 2 * rounds; round++) {
    for (const work of works) {
      const time = measure(work);
      // The first half is warm-up.
      if (round >= rounds) work.times.push(time);
    }
  }
  console.log(`${kind} (${notes.join('; ')})`);
  for (const label of ['hits', 'misses']) {
    const own = works.filter(({ pool, filter }) => pool.label === label && filter !== null);
    const shown = own.map(({ size, pool, times }) => {
      const bare = works.find((other) => other.filter === null && other.pool === pool)?.times ?? [];
      return `${size}: ${(median(times) - median(bare)).toFixed(0)} ns`;
    });
    console.log(`  ${label.padEnd(7)} ${shown.join('   ')}`);
  }
}
