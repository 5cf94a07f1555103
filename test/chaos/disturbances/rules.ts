/**
 * Other programs at work on the rules in the kernel: a firewall that starts anew, an administrator's slip.
 *
 * Rule: a rule set is never listed as a whole, because nftables 1.0.6 does not end with chains on many devices. Where the
 * kernel refuses, since the tables have an owner, the disturbance has done nothing, and that is fine.
 *
 * @see nft(8)
 * @module
 */

import type { Random } from '../random.ts';
import type { Stage } from '../stage.ts';
import type { Disturbance } from './contract.ts';

const FAMILIES = ['netdev', 'inet'] as const;
type Family = (typeof FAMILIES)[number];

const flushRuleset: Disturbance = {
  name: 'nft flush ruleset',
  group: 'rules',
  clock: 'start',
  async apply(stage) {
    await stage.command('nft', ['flush', 'ruleset']);
  },
  isMended: hasTables,
};

const flushSet: Disturbance = {
  name: 'a set of netdev flushed',
  group: 'rules',
  clock: 'start',
  async apply(stage, random) {
    await withPart(stage, random, 'netdev', 'set', (set) => `flush set ${set}`);
  },
  isPossible: hasTables,
  isMended: hasTables,
};

/** Everything about the tables of one family. */
function ofFamily(family: Family): Disturbance[] {
  const isPossible = async (stage: Stage) => (await tables(stage, family)).length > 0;
  const onChain = (stage: Stage, random: Random, commands: (chain: string) => string) =>
    withPart(stage, random, family, 'chain', commands);
  return [
    {
      name: `a table of ${family} deleted`,
      group: 'rules',
      clock: 'start',
      async apply(stage, random) {
        await stage.command('nft', ['delete', 'table', family, random.pick(await tables(stage, family))]);
      },
      isPossible,
      isMended: isPossible,
    },
    {
      name: `a chain of ${family} flushed`,
      group: 'rules',
      clock: 'start',
      apply: (stage, random) => onChain(stage, random, (chain) => `flush chain ${chain}`),
      isPossible,
      isMended: isPossible,
    },
    {
      name: `a chain of ${family} deleted`,
      group: 'rules',
      clock: 'start',
      apply: (stage, random) => onChain(stage, random, (chain) => `flush chain ${chain}\ndelete chain ${chain}`),
      isPossible,
      isMended: isPossible,
    },
    {
      name: `a rule of another put first in a chain of ${family}`,
      group: 'rules',
      clock: 'start',
      apply: (stage, random) => onChain(stage, random, (chain) => `insert rule ${chain} accept`),
      isPossible,
      isMended: isPossible,
    },
  ];
}

/** Disturbances of the rules. */
export const RULES: readonly Disturbance[] = [flushRuleset, flushSet, ...FAMILIES.flatMap(ofFamily)];

async function hasTables(stage: Stage): Promise<boolean> {
  return (await tables(stage, 'netdev')).length > 0;
}

async function tables(stage: Stage, family: Family): Promise<string[]> {
  const { stdout } = await stage.command('nft', ['list', 'tables', family]);
  return Array.from(stdout.matchAll(/(firehook_\d+)/g), ([, name = '']) => name);
}

/** Does something to a chain or a set of one of the tables. */
async function withPart(
  stage: Stage,
  random: Random,
  family: Family,
  kind: 'chain' | 'set',
  commands: (part: string) => string,
): Promise<void> {
  const names = await tables(stage, family);
  if (names.length === 0) return;
  const table = random.pick(names);
  const { stdout } = await stage.command('nft', ['list', 'table', family, table]);
  const parts = Array.from(stdout.matchAll(/^\s*(chain|set) (\S+) \{/gm)).flatMap(([, found, name = '']) =>
    found === kind ? [name] : [],
  );
  if (parts.length === 0) return;
  await stage.command('nft', ['-f', '-'], `${commands(`${family} ${table} ${random.pick(parts)}`)}\n`);
}
