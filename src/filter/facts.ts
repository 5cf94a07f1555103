/**
 * What is known at a place of a predicate, by the tests on the way to it: how far octets can be read, and which were seen.
 *
 * A packet that a guard refuses is out, so what a guard has found out holds for all that follows it.
 *
 * Floor 1. Values, never changed: a fact that is learnt makes new facts.
 *
 * @module
 */

import type { Load } from './tests.ts';

/** Bits of {@link Facts.versions}. */
const VERSION_4 = 1;
const VERSION_6 = 2;
const VERSION_OTHER = 4;

/** What is known. */
export interface Facts {
  /** Octets of the packet that are there at least. */
  readonly length: number;
  /** The link header is there. */
  readonly hasLink: boolean;
  /** Octets of the frame that are there at least, where `hasLink`. */
  readonly frameLength: number;
  /** IP versions that are possible yet. */
  readonly versions: number;
  /** Where the IPv4 header stands whose length is in `h`; -1 for none. */
  readonly header: number;
  /** Octets behind that header that are there at least. */
  readonly transportLength: number;
  /** Numbers that loads were found to be equal to. */
  readonly known: ReadonlyMap<string, number>;
}

/** Nothing is known. */
export const NO_FACTS: Facts = {
  length: 0,
  hasLink: false,
  frameLength: 0,
  versions: VERSION_4 | VERSION_6 | VERSION_OTHER,
  header: -1,
  transportLength: 0,
  known: new Map(),
};

/** True or false where the facts say it, null where they do not. */
export function isVersion({ versions }: Facts, version: 4 | 6): boolean | null {
  const bit = version === 4 ? VERSION_4 : VERSION_6;
  if ((versions & bit) === 0) return false;
  return versions === bit ? true : null;
}

/** The facts where the packet is of that version, or where it is not. */
export function withVersion(facts: Facts, version: 4 | 6, is: boolean): Facts {
  const bit = version === 4 ? VERSION_4 : VERSION_6;
  return { ...facts, versions: facts.versions & (is ? bit : ~bit) };
}

/** The number that a load is known to be; undefined for none. */
export function knownValue(facts: Facts, load: Load): number | undefined {
  return facts.known.get(keyOf(load));
}

/** The facts where a load is equal to that number. */
export function withValue(facts: Facts, load: Load, value: number): Facts {
  return { ...facts, known: new Map(facts.known).set(keyOf(load), value) };
}

/** What is known where ways meet: what is known on each of them. Null is a way that nobody goes. */
export function meet(one: Facts | null, other: Facts | null): Facts | null {
  if (one === null || other === null || one === other) return one ?? other;
  const isSameHeader = one.header === other.header;
  return {
    length: Math.min(one.length, other.length),
    hasLink: one.hasLink && other.hasLink,
    frameLength: Math.min(one.frameLength, other.frameLength),
    versions: one.versions | other.versions,
    header: isSameHeader ? one.header : -1,
    transportLength: isSameHeader ? Math.min(one.transportLength, other.transportLength) : 0,
    known: new Map(Array.from(one.known).filter(([key, value]) => other.known.get(key) === value)),
  };
}

function keyOf(load: Load): string {
  return `${load.from} ${load.from === 'transport' ? load.header : ''} ${load.offset} ${load.size}`;
}
