/**
 * The fields of a packet that rules ask for, each as one number, and a rule as a set of values for each of them.
 *
 * ```
 *   SOURCE, DESTINATION         addresses
 *   SOURCE_PORT                 0-65535, or NO_PORT
 *   UPPER                       destination port, NO_PORT, or NO_PORT + 1 + type * 256 + code of an ICMP message
 *   KIND                        protocol * 3 + fragment (0 whole, 1 first, 2 later); of TCP with flags 768 + fragment * 256 + flags
 *   WAY                         ((interface of arrival * 5) + state of the flow) * 2 + direction
 *   DEPARTURE                   interface that it leaves by
 * ```
 * Interfaces are 0 for any that the file does not name, and 1, 2 ... for those that it does. Rule: a packet matches a rule when each
 * of its seven numbers is in the rule's set; a set that is null has all numbers in it.
 *
 * @module
 */

import type { Prefix } from 'firehook';
import { PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, STATES } from './names.ts';
import {
  ANY_DIRECTION,
  ANY_FRAGMENT,
  type FlagTest,
  type IcmpTest,
  IPV4,
  IPV6,
  type NamedInterface,
  type NumberRange,
  type OneOf,
  type Rule,
} from './rule.ts';
import { type Value, type ValueSet, ValueSets } from './value-set.ts';

export const SOURCE = 0;
export const DESTINATION = 1;
export const SOURCE_PORT = 2;
export const UPPER = 3;
export const KIND = 4;
export const WAY = 5;
export const DEPARTURE = 6;
/** How many fields there are. */
export const FIELDS = 7;

/** Stands for the port of a packet that has none. */
export const NO_PORT = 65_536;
/** Number of a first ICMP type in {@link UPPER}, its code 0. */
export const FIRST_ICMP = NO_PORT + 1;
const UPPER_SIZE = FIRST_ICMP + 65_536;

const FRAGMENT_KINDS = 3;
/** Where the numbers of TCP with flags start in {@link KIND}. */
const FIRST_FLAGS = 256 * FRAGMENT_KINDS;
const KIND_SIZE = FIRST_FLAGS + 2 * 256;
const DIRECTIONS = 2;

/** {@link KIND} of a packet. @param fragment - 0 whole, 1 first, 2 later; @param flags - of TCP; -1 for none */
export function kindOf(protocol: number, fragment: number, flags: number): number {
  return flags >= 0 ? FIRST_FLAGS + (fragment << 8) + flags : protocol * FRAGMENT_KINDS + fragment;
}

/** {@link WAY} of a packet. @param arrival - number of the interface; @param state - 0 for none */
export function wayOf(arrival: number, state: number, direction: number): number {
  return (arrival * STATES.length + state) * DIRECTIONS + direction;
}

/** A rule as the sets of values that its fields may have; null for any value. */
export type RuleSets = readonly (ValueSet | null)[];

/** Makes sets of rules, for one IP version. */
export class FieldSets {
  /** How many values each field can have. */
  readonly sizes: readonly Value[];
  readonly #family: number;
  readonly #interfaces: readonly string[];
  readonly #sets: readonly ValueSets[];
  readonly #kindsByKey = new Map<string, ValueSet>();

  /**
   * @param version - 4 or 6
   * @param interfaces - names of interfaces in the file: number 1 is the first
   */
  constructor(version: 4 | 6, interfaces: readonly string[]) {
    const addresses = version === 4 ? 1n << 32n : 1n << 128n;
    const slots = interfaces.length + 1;
    this.sizes = [addresses, addresses, NO_PORT + 1, UPPER_SIZE, KIND_SIZE, wayOf(slots, 0, 0), slots];
    this.#family = version === 4 ? IPV4 : IPV6;
    this.#interfaces = interfaces;
    this.#sets = this.sizes.map((size) => new ValueSets(size));
  }

  /** The sets of a rule; null where no packet of this IP version can match. */
  of(rule: Rule): RuleSets | null {
    if ((rule.families & this.#family) === 0) return null;
    const sets = [
      this.#addresses(SOURCE, rule.source),
      this.#addresses(DESTINATION, rule.destination),
      this.#ports(SOURCE_PORT, rule.sourcePorts),
      rule.icmp === null ? this.#ports(UPPER, rule.destinationPorts) : this.#icmp(rule.icmp),
      this.#kinds(rule),
      this.#ways(rule),
      this.#departures(rule),
    ].map((set, field) => (set === null || this.#setsOf(field).isAll(set) ? null : set));
    return sets.some((set) => set?.starts.length === 0) ? null : sets;
  }

  #setsOf(field: number): ValueSets {
    return this.#sets[field] as ValueSets;
  }

  #addresses(field: number, list: OneOf<Prefix> | null): ValueSet | null {
    return list === null ? null : this.#setsOf(field).ofPrefixes(list, this.#family === IPV4 ? 4 : 16);
  }

  #ports(field: number, list: OneOf<NumberRange> | null): ValueSet | null {
    return list === null ? null : this.#setsOf(field).ofNumbers(list, NO_PORT);
  }

  #icmp({ types, codes }: IcmpTest): ValueSet {
    const isType = octetsIn(types);
    const items: NumberRange[] = [];
    for (const { first, last } of rangesIn(octetsIn(codes))) {
      for (let type = 0; type < 256; type++) {
        const base = FIRST_ICMP + (type << 8);
        if (isType[type] === 1) items.push({ first: base + first, last: base + last });
      }
    }
    return this.#setsOf(UPPER).ofNumbers({ isNot: false, items }, UPPER_SIZE);
  }

  #kinds(rule: Rule): ValueSet | null {
    const { protocols, fragments, flags } = rule;
    if (protocols === null && fragments === ANY_FRAGMENT) return null;
    const numbers = protocols?.filter(({ families }) => (families & this.#family) !== 0).map(({ number }) => number);
    const key = `${numbers?.join()} ${fragments} ${flags?.set} ${flags?.mask}`;
    const known = this.#kindsByKey.get(key);
    if (known !== undefined) return known;
    const set = this.#setsOf(KIND).ofMarks(kindMarks(numbers ?? null, fragments, flags));
    this.#kindsByKey.set(key, set);
    return set;
  }

  #ways({ arrival, directions, states }: Rule): ValueSet | null {
    if (arrival === null && directions === ANY_DIRECTION && states === null) return null;
    const isIn = this.#slots(arrival);
    const marks = new Uint8Array(this.sizes[WAY] as number);
    for (let slot = 0; slot < isIn.length; slot++) {
      for (let state = 0; state < STATES.length; state++) {
        for (let direction = 0; direction < DIRECTIONS; direction++) {
          const isMeant =
            isIn[slot] === 1 &&
            (states === null || ((states.mask >> state) & 1) === 1) &&
            ((directions >> direction) & 1) === 1;
          if (isMeant) marks[wayOf(slot, state, direction)] = 1;
        }
      }
    }
    return this.#setsOf(WAY).ofMarks(marks);
  }

  #departures({ departure }: Rule): ValueSet | null {
    return departure === null ? null : this.#setsOf(DEPARTURE).ofMarks(this.#slots(departure));
  }

  /** A place for each interface of the file, and one in front for all others: 1 where it is meant. */
  #slots(names: readonly NamedInterface[] | null): Uint8Array {
    const slots = new Uint8Array(this.#interfaces.length + 1);
    if (names === null) return slots.fill(1);
    for (const { name } of names) slots[this.#interfaces.indexOf(name) + 1] = 1;
    return slots;
  }
}

/** Protocol number that ICMP has in this version. */
export function icmpOf(version: 4 | 6): number {
  return version === 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
}

/** The {@link KIND} of every packet that is meant. @param protocols - numbers; null for any */
function kindMarks(protocols: readonly number[] | null, fragments: number, flags: FlagTest | null): Uint8Array {
  const marks = new Uint8Array(KIND_SIZE);
  for (let protocol = 0; protocol < 256; protocol++) {
    if (protocols !== null && !protocols.includes(protocol)) continue;
    for (let fragment = 0; fragment < FRAGMENT_KINDS; fragment++) {
      if (((fragments >> fragment) & 1) === 0) continue;
      if (flags === null) marks[kindOf(protocol, fragment, -1)] = 1;
      // A later fragment shows no flags.
      if (protocol !== PROTOCOL_TCP || fragment === 2) continue;
      for (let own = 0; own < 256; own++) {
        if (flags === null || (own & flags.mask) === flags.set) marks[kindOf(protocol, fragment, own)] = 1;
      }
    }
  }
  return marks;
}

function octetsIn(ranges: readonly NumberRange[]): Uint8Array {
  const octets = new Uint8Array(256);
  for (const { first, last } of ranges) octets.fill(1, first, last + 1);
  return octets;
}

/** Runs of octets that are marked. */
function rangesIn(octets: Uint8Array): NumberRange[] {
  const ranges: NumberRange[] = [];
  for (let first = 0; first < octets.length; first++) {
    if (octets[first] === 0) continue;
    let last = first;
    while (octets[last + 1] === 1) last++;
    ranges.push({ first, last });
    first = last;
  }
  return ranges;
}
