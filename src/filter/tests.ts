/**
 * What a filter asks of the octets of a packet: the form between the tree and JavaScript.
 *
 * Floor 1. Plain data, numbers only. Rule: the order is the order of evaluation. A read outside of the captured octets
 * refuses the packet, whatever stands around it, so the order is part of the meaning.
 *
 * @module
 */

import type { Operator } from './syntax.ts';

/** Where octets are read from. */
export type Place =
  /** Octet `offset` of the frame, link header included, where that is kept apart from the datagram. */
  | { readonly from: 'frame'; readonly offset: number }
  /** Octet `offset` of what the predicate is given as its packet. */
  | { readonly from: 'packet'; readonly offset: number }
  /** `offset` octets behind the IPv4 header that stands at octet `header` of the packet. */
  | { readonly from: 'transport'; readonly header: number; readonly offset: number };

/** Octets that are read as one number. */
export type Load = Place & { readonly size: 1 | 2 | 4 };

/** A computed number of 32 bits. */
export type Value =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'length' }
  /** Octets at a place that the index is added to. */
  | { readonly kind: 'octets'; readonly at: Place; readonly index: Value; readonly size: 1 | 2 | 4 }
  | { readonly kind: 'negative'; readonly of: Value }
  | { readonly kind: 'operation'; readonly operator: Operator; readonly left: Value; readonly right: Value };

/** A question with the answer yes or no. */
export type Test =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'all' | 'any'; readonly of: readonly Test[] }
  | { readonly kind: 'not'; readonly of: Test }
  /** The first four bits of the packet are that IP version. */
  | { readonly kind: 'version'; readonly version: 4 | 6 }
  /** The packet came with a link header. */
  | { readonly kind: 'link' }
  /** The octets compare so with the number; `bits` asks whether one of its bits is set. Only `=` masks them. */
  | {
      readonly kind: 'load';
      readonly load: Load;
      readonly mask: number;
      readonly is: '=' | '>' | '>=' | 'bits';
      readonly value: number;
    }
  /** The octets are one of the numbers. */
  | { readonly kind: 'among'; readonly load: Load; readonly values: readonly number[] }
  | { readonly kind: 'values'; readonly is: '=' | '>' | '>='; readonly left: Value; readonly right: Value }
  /** A header of that protocol is in the chain of headers that begins at octet `header` of the packet. */
  | { readonly kind: 'chain'; readonly version: 4 | 6; readonly header: number; readonly protocol: number };

/** All octets of a load count. */
export const NO_MASK = 0xffffffff;

/** Every test has to hold; they are asked in order until one does not. */
export function all(...of: readonly Test[]): Test {
  return of.length === 1 && of[0] !== undefined ? of[0] : { kind: 'all', of };
}

/** One test has to hold; they are asked in order until one does. */
export function any(...of: readonly Test[]): Test {
  return of.length === 1 && of[0] !== undefined ? of[0] : { kind: 'any', of };
}

/** The contrary. */
export function not(of: Test): Test {
  return { kind: 'not', of };
}

/** The octets are that number. */
export function equals(load: Load, value: number, mask = NO_MASK): Test {
  return { kind: 'load', load, mask, is: '=', value };
}

/** The octets are one of the numbers; asked in order, as {@link any} of {@link equals} would be. */
export function among(load: Load, values: readonly number[]): Test {
  return values.length === 1 ? equals(load, values[0] ?? 0) : { kind: 'among', load, values };
}
