/**
 * Books of a pool: by tag and type, as PoolMon shows them, and by the hook that allocated.
 *
 * Floor 1. Rule: totals never fall; what is current is derived from them or moves with them, so the rows always add up.
 *
 * Source: the page of PoolMon's display.
 *
 * @module
 */

import type { POOL_TYPE } from './constants.ts';
import { NonPagedPool } from './constants.ts';
import { formatTag } from './pool-tag.ts';

/** One row of PoolMon. */
export interface PoolTagUsage {
  /** The tag in memory order, for example `TCPf`. */
  readonly tag: string;
  /** Type of the pool, as PoolMon shortens it. */
  readonly type: 'Nonp' | 'Paged';
  /** Allocations since the start. */
  readonly allocs: number;
  /** Frees since the start. */
  readonly frees: number;
  /** Live allocations: allocs less frees. */
  readonly diff: number;
  /** Octets asked for by the live allocations; the rest of their slots is not in it. */
  readonly bytes: number;
  /** Octets for each live allocation, rounded down; 0 when there is none. */
  readonly perAlloc: number;
}

/** What one hook, or the runtime, has allocated and not given back. */
export interface OwnerUsage {
  /** Live allocations: descriptors, data buffers and blocks. */
  readonly outstanding: number;
  /** Octets they asked for. */
  readonly bytes: number;
  /** Misuses refused since the start. */
  readonly faults: number;
}

/** The state of a whole pool. Units: octets, unless the name says otherwise. */
export interface PoolTotals {
  /** Asked for by live allocations. */
  readonly bytesInUse: number;
  /** The hard limit, for slabs and descriptors together. */
  readonly limitBytes: number;
  /** Octets of all slabs. */
  readonly reservedBytes: number;
  /** Number of slabs. */
  readonly slabs: number;
  /** Misuses refused since the start. */
  readonly faultsTotal: number;
  /** Requests that could not be met since the start: limit reached, or size out of range. */
  readonly failuresTotal: number;
  /** Data buffers whose descriptor was freed without them, since the start. */
  readonly leakedTotal: number;
}

/** Row of one tag in one type of pool. */
export class TagBook {
  /** The tag as a ULONG. */
  readonly tag: number;
  /** Type of the pool. */
  readonly type: POOL_TYPE;
  /** Octets of live allocations. */
  bytes = 0;
  #allocs = 0;
  #frees = 0;

  constructor(tag: number, type: POOL_TYPE) {
    this.tag = tag;
    this.type = type;
  }

  /** Books one allocation of `octets`. */
  add(octets: number): void {
    this.#allocs++;
    this.bytes += octets;
  }

  /** Books one free of `octets`. */
  remove(octets: number): void {
    this.#frees++;
    this.bytes -= octets;
  }

  /** Makes the row as it is shown. */
  toUsage(): PoolTagUsage {
    const diff = this.#allocs - this.#frees;
    return {
      tag: formatTag(this.tag),
      type: this.type === NonPagedPool ? 'Nonp' : 'Paged',
      allocs: this.#allocs,
      frees: this.#frees,
      diff,
      bytes: this.bytes,
      perAlloc: diff === 0 ? 0 : Math.floor(this.bytes / diff),
    };
  }
}

/** What one owner has outstanding. */
export class OwnerBook {
  /** Of the hook, for errors. */
  name: string;
  /** Live allocations. */
  outstanding = 0;
  /** Octets they asked for. */
  bytes = 0;
  /** Misuses refused. */
  faults = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Books one allocation of `octets`. */
  add(octets: number): void {
    this.outstanding++;
    this.bytes += octets;
  }

  /** Books one free of `octets`. */
  remove(octets: number): void {
    this.outstanding--;
    this.bytes -= octets;
  }

  /** Books one allocation of `octets` on another owner. */
  moveTo(other: OwnerBook, octets: number): void {
    this.remove(octets);
    other.add(octets);
  }
}
