/**
 * A rule file made ready for packets: an index for each IP version, and what each rule says.
 *
 * ```
 *   RuleFile ─> names of interfaces ─> sets of values, by version ─> RuleIndex for IPv4 and for IPv6 ─> RuleFilter.judge(packet)
 * ```
 * Rule: everything is refused here that could only be found wrong on a packet.
 *
 * @module
 */

import type { Context, Packet, Verdict } from 'firehook';
import { Counters } from './counters.ts';
import { FieldSets, type RuleSets } from './fields.ts';
import { NO_RULE } from './layout.ts';
import { MAX_NODES, NodeStore, TooLarge } from './node-store.ts';
import type { RuleFile } from './rule.ts';
import { RuleIndex } from './rule-index.ts';
import { RuleError, show } from './words.ts';

/** Most interfaces that a file may name. */
const MAX_INTERFACES = 64;
const MIB = 1024 * 1024;

/** What a compiled file needs from its surroundings. */
export interface Surroundings {
  /** Index of an interface; null where it is not known. */
  interfaceIndex(name: string): number | null;
  /** The names of those that are known, for people. */
  readonly interfaces: string;
  /** By number of the rule, with reasons; the last one is what `default` says. @defaultValue as the file has them, without */
  readonly verdicts?: readonly Verdict[];
}

/** Rules that judge packets. */
export class RuleFilter {
  readonly counters: Counters;
  /** Rules that a packet of each version can match; what stands behind one without conditions is left out. */
  readonly sizes: readonly [ipv4: number, ipv6: number];
  /** Octets of the tables. */
  readonly octets: number;
  /** A rule asks for the state of a flow. */
  readonly hasStates: boolean;
  readonly #ipv4: RuleIndex;
  readonly #ipv6: RuleIndex;
  /** By number of the rule; the last one is what `default` says. */
  readonly #verdicts: Uint16Array;
  /** -1 for none. */
  readonly #countersOf: Int32Array;

  /**
   * @param limit - most numbers that the vectors may have, four octets each
   * @throws {@link RuleError} with the place of a rule that cannot be kept
   * @throws Error when the rules need more memory than there may be
   */
  constructor(file: RuleFile, surroundings: Surroundings, limit = MAX_NODES) {
    const { rules, name, counters, otherwise, otherwiseCounter } = file;
    this.hasStates = rules.some(({ states }) => states !== null);
    const interfaces = interfacesOf(file, surroundings);
    this.counters = new Counters(counters);
    const verdicts = surroundings.verdicts ?? [...rules.map(({ verdict }) => verdict), otherwise];
    this.#verdicts = Uint16Array.from(verdicts);
    this.#countersOf = Int32Array.from([...rules, { counter: otherwiseCounter }], ({ counter }) => counter);
    const nodes = new NodeStore(limit);
    try {
      const ipv4 = indexOf(4, file, interfaces, this.hasStates, nodes);
      const ipv6 = indexOf(6, file, interfaces, this.hasStates, nodes);
      const memory = nodes.finish();
      for (const { index } of [ipv4, ipv6]) index.useMemory(memory);
      this.#ipv4 = ipv4.index;
      this.#ipv6 = ipv6.index;
      this.sizes = [ipv4.size, ipv6.size];
      this.octets = memory.byteLength;
    } catch (error) {
      if (!(error instanceof TooLarge)) throw error;
      throw new Error(
        `${name}: the rules overlap so much that their tables would have more than ${(4 * limit) / MIB} MiB; ` +
          'write addresses that have the same rules as one group, or have fewer rules with different lists',
      );
    }
  }

  /** The verdict of the first rule that a packet matches. Counts it. Never allocates. */
  judge(packet: Packet, context: Context): Verdict {
    const rule = this.find(packet, context);
    const counter = this.#countersOf[rule] as number;
    if (counter >= 0) this.counters.add(counter, packet.length);
    return this.#verdicts[rule] as Verdict;
  }

  /** Number of the first rule that a packet matches, from 0; how many rules there are where it matches none. Never allocates. */
  find(packet: Packet, context: Context): number {
    const index = packet.version === 4 ? this.#ipv4 : this.#ipv6;
    const rule = index.find(packet, context);
    return rule === NO_RULE ? this.#verdicts.length - 1 : rule;
  }
}

interface NamedInterfaces {
  readonly names: readonly string[];
  readonly indexes: Int32Array;
}

function indexOf(
  version: 4 | 6,
  { rules }: RuleFile,
  { names, indexes }: NamedInterfaces,
  hasStates: boolean,
  nodes: NodeStore,
): { index: RuleIndex; size: number } {
  const fields = new FieldSets(version, names);
  const all: RuleSets[] = [];
  const numbers: number[] = [];
  let otherwise = NO_RULE;
  for (const [number, rule] of rules.entries()) {
    const sets = fields.of(rule);
    if (sets === null) continue;
    if (sets.every((set) => set === null)) {
      // It matches every packet: what stands behind it never does.
      otherwise = number;
      break;
    }
    all.push(sets);
    numbers.push(number);
  }
  const options = { version, rules: all, numbers, otherwise, sizes: fields.sizes, interfaces: indexes, hasStates };
  return { index: new RuleIndex(options, nodes), size: all.length + (otherwise === NO_RULE ? 0 : 1) };
}

/** @throws {@link RuleError} at an interface that nobody knows */
function interfacesOf({ rules, name }: RuleFile, surroundings: Surroundings): NamedInterfaces {
  const indexes = new Map<string, number>();
  for (const { arrival, departure } of rules) {
    for (const named of [...(arrival ?? []), ...(departure ?? [])]) {
      if (indexes.has(named.name)) continue;
      const shown = show({ text: named.name });
      const index = surroundings.interfaceIndex(named.name);
      if (index === null)
        throw new RuleError(name, named, `the interface ${shown} is not known; expected ${surroundings.interfaces}`);
      if (indexes.size === MAX_INTERFACES)
        throw new RuleError(name, named, `the rules name more than ${MAX_INTERFACES} interfaces`);
      indexes.set(named.name, index);
    }
  }
  return { names: [...indexes.keys()], indexes: Int32Array.from(indexes.values()) };
}
