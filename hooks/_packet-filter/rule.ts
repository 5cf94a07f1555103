/**
 * What a rule file says, as data: the answer of parse.ts, and all that the rest of this folder knows of the text.
 *
 * ```
 *   text ─ words.ts ─> words ─ parse.ts ─> RuleFile ─ fields.ts ─> sets of values ─ compile.ts ─> RuleFilter
 * ```
 * Not a hook: nothing below `_packet-filter` is. Rule: what a rule does not say is null, or a mask with every bit set, and means any.
 *
 * @module
 */

import type { Prefix, Verdict } from 'firehook';

/** Where something stands in a rule file; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Whole numbers from `first` to `last`, both included. */
export interface NumberRange {
  readonly first: number;
  readonly last: number;
}

/** A value is one of these, or none of these. */
export interface OneOf<Item> {
  readonly isNot: boolean;
  /** One at least. A group that stands alone is its own array, so that rules which name it share it. */
  readonly items: readonly Item[];
}

/** Addresses, and the IP versions that they are of: bits {@link IPV4} and {@link IPV6}. */
export interface AddressList extends OneOf<Prefix> {
  readonly families: number;
}

/** An interface, by the name that the rule has for it. */
export interface NamedInterface extends Place {
  readonly name: string;
}

/** Bits of {@link Rule.families}. */
export const IPV4 = 1;
export const IPV6 = 2;

/** Bits of {@link Rule.fragments}: not a fragment, the first one of a datagram, a later one. */
export const WHOLE = 1;
export const FIRST_FRAGMENT = 2;
export const LATER_FRAGMENT = 4;
export const ANY_FRAGMENT = 7;

/** Bits of {@link Rule.directions}, by the number that `context.direction` has: to this host or through it, and from it. */
export const OUT = 1;
export const IN = 2;
export const ANY_DIRECTION = 3;

/** A protocol number, and the IP versions in which the rule means it. */
export interface Protocol {
  readonly number: number;
  readonly families: number;
}

/** TCP flags: of those in `mask` exactly those in `set` are there. */
export interface FlagTest {
  readonly set: number;
  readonly mask: number;
}

/** Types of ICMP or ICMPv6, and of each of them the codes. */
export interface IcmpTest {
  readonly types: readonly NumberRange[];
  readonly codes: readonly NumberRange[];
}

/** One rule. */
export interface Rule extends Place {
  readonly verdict: Verdict;
  /** Index into {@link RuleFile.counters}; -1 where the rule counts nothing. */
  readonly counter: number;
  /** IP versions of packets that can match; {@link IPV4}, {@link IPV6} or both. */
  readonly families: number;
  readonly protocols: readonly Protocol[] | null;
  readonly source: AddressList | null;
  readonly destination: AddressList | null;
  readonly sourcePorts: OneOf<NumberRange> | null;
  readonly destinationPorts: OneOf<NumberRange> | null;
  readonly icmp: IcmpTest | null;
  readonly flags: FlagTest | null;
  readonly fragments: number;
  readonly directions: number;
  readonly arrival: readonly NamedInterface[] | null;
  readonly departure: readonly NamedInterface[] | null;
  /** States of the flow, with where they stand; null for any. */
  readonly states: StateTest | null;
}

/** States of a flow that a rule is for. */
export interface StateTest extends Place {
  /** Bit n for state n of `STATES` in names.ts. */
  readonly mask: number;
}

/** A whole file. */
export interface RuleFile {
  /** As it is named in errors. */
  readonly name: string;
  readonly rules: readonly Rule[];
  /** For packets that no rule is about. */
  readonly otherwise: Verdict;
  /** Index into {@link RuleFile.counters} of what `default` counts; -1 where it counts nothing. */
  readonly otherwiseCounter: number;
  /** Names that stand behind `count`, in the order in which they came first. */
  readonly counters: readonly string[];
}
