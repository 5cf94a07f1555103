/**
 * IPRcvBuf: one buffer of a packet, and the walks over a chain of them.
 *
 * ```
 *   head ─> IPRcvBuf ──ipr_next──> IPRcvBuf ──ipr_next──> null
 *            │ ipr_size 20          │ ipr_size 1480
 *            └ ipr_buffer           └ ipr_buffer
 *             [ IP header ]          [ the rest of the datagram ]
 * ```
 * Floor 1. Rule: hooks may write anything into the nine members, so no walk trusts them: a cycle, a wrong size or a
 * freed descriptor is a return value, never an exception and never an endless loop.
 *
 * Source: `ipfirewall.h`; the meaning of a chain is in the Windows CE page of `IPRcvBuf`.
 *
 * @module
 */

import { types } from 'node:util';
import type { OctetBuffer } from '../wire/octet-buffer.ts';
import type { Ref } from './constants.ts';
import { IPR_OWNER_NONE } from './constants.ts';

/** Those of every buffer, whatever properties of its own a hook gave to it. */
const copy = (Buffer.prototype as Buffer).copy as (
  this: Uint8Array,
  target: Uint8Array,
  targetStart: number,
  sourceStart: number,
  sourceEnd: number,
) => number;
const readLength = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length')?.get as (
  this: Uint8Array,
) => number;

/** What a pool knows of a descriptor it made; the pool's own class implements it. */
export interface DescriptorRecord {
  /** False once the descriptor was freed; never true again. */
  readonly live: boolean;
}

let readRecord: (value: unknown) => DescriptorRecord | null | undefined;

/**
 * A descriptor of one buffer, with the nine published members.
 *
 * Shape: a fresh one has every pointer null and every number 0. On Windows it is uninitialised memory, so a driver that
 * relies on nothing there works here; one written here must set every member before it goes back.
 *
 * Ownership: get one from `ExAllocatePoolWithTag`. One that was made with `new` belongs to no pool: the runtime lends
 * such descriptors to hooks, and every pool function refuses them.
 */
export class IPRcvBuf {
  /** Next descriptor of the chain, null at its end. */
  ipr_next: IPRcvBuf | null = null;
  /** One of the `IPR_OWNER_` numbers. To a hook it is opaque. */
  ipr_owner: number = IPR_OWNER_NONE;
  /** The data. Valid are the first `ipr_size` octets; the buffer may be longer. */
  ipr_buffer: OctetBuffer | null = null;
  /** Octets of data. */
  ipr_size = 0;
  /** Carried, not interpreted. */
  ipr_pMdl: unknown = null;
  /** Carried, not interpreted. */
  ipr_pClientCnt: Ref<number> | null = null;
  /** Carried, not interpreted. */
  ipr_RcvContext: OctetBuffer | null = null;
  /** Carried, not interpreted. */
  ipr_RcvOffset = 0;
  /** `IPR_FLAG_` bits. */
  ipr_flags = 0;

  // Private, not a symbol: Object.assign and spread must not make a second descriptor with the same record.
  readonly #record: DescriptorRecord | null;

  /**
   * @param record - the pool's books; null for a descriptor that no pool made
   */
  constructor(record: DescriptorRecord | null = null) {
    this.#record = record;
    // The members stay what they are, plain values: with an accessor in the place of one, a walk would run a hook's code.
    Object.seal(this);
  }

  static {
    readRecord = (value) =>
      typeof value === 'object' && value !== null && #record in value ? value.#record : undefined;
  }
}

/**
 * Reads what a pool knows of a descriptor.
 *
 * Never throws, allocates nothing.
 * @returns the record; null for an IPRcvBuf that no pool made; undefined for anything else
 * @internal
 */
export function recordOf(value: unknown): DescriptorRecord | null | undefined {
  return readRecord(value);
}

/** True for an {@link IPRcvBuf}, freed or not, whoever made it. Never throws, allocates nothing. */
export function isIPRcvBuf(value: unknown): value is IPRcvBuf {
  return readRecord(value) !== undefined;
}

/**
 * Tells a chain that comes back to itself from one that ends.
 *
 * Ownership: borrows. Never throws, allocates nothing, O(n) in descriptors.
 * @returns true for a cycle; false when the chain ends, be it in null or in something that is no IPRcvBuf
 */
export function isCyclic(head: unknown): boolean {
  // Brent's way: a mark that jumps ahead at every power of two, one comparison a step.
  let mark: IPRcvBuf | null = null;
  let stepsToJump = 1;
  let jump = 1;
  for (let at = head; isIPRcvBuf(at); at = at.ipr_next) {
    if (at === mark) return true;
    stepsToJump--;
    if (stepsToJump === 0) {
      mark = at;
      jump *= 2;
      stepsToJump = jump;
    }
  }
  return false;
}

/**
 * Adds up a chain.
 *
 * Ownership: borrows. Never throws, allocates nothing, O(n) in descriptors.
 * @returns octets of all buffers together; -1 when the chain is invalid: null, a cycle, a member that is no IPRcvBuf or
 * was freed, an `ipr_size` that is negative, not an integer or larger than its buffer. A descriptor of size 0 is valid,
 * with a buffer or without.
 */
export function chainLength(head: IPRcvBuf | null): number {
  if (head === null || isCyclic(head)) return -1;
  let total = 0;
  for (let at: IPRcvBuf | null = head; at !== null; at = at.ipr_next) {
    const record = recordOf(at);
    if (record === undefined || record?.live === false) return -1;
    const size = at.ipr_size;
    if (!Number.isInteger(size) || size < 0 || size > capacityOf(at.ipr_buffer)) return -1;
    total += size;
  }
  return total;
}

/**
 * Copies a chain into one buffer.
 *
 * Ownership: borrows both. Never throws, allocates nothing, copies the chain once.
 * @param head - the chain
 * @param target - where to; must have room for the whole chain
 * @param targetOffset - octet of `target` to start at, 0 to its length
 * @returns octets copied; -1, with `target` unchanged, when the chain is invalid or does not fit
 */
export function gatherChain(head: IPRcvBuf | null, target: OctetBuffer, targetOffset: number): number {
  const total = chainLength(head);
  if (total < 0 || !Number.isInteger(targetOffset) || targetOffset < 0) return -1;
  if (targetOffset + total > target.length) return -1;
  let offset = targetOffset;
  for (let at = head; at !== null; at = at.ipr_next) {
    if (at.ipr_buffer === null || at.ipr_size === 0) continue;
    copy.call(at.ipr_buffer, target, offset, 0, at.ipr_size);
    offset += at.ipr_size;
  }
  return total;
}

function capacityOf(buffer: OctetBuffer | null): number {
  // instanceof alone would take Object.create(Buffer.prototype), whose length throws.
  return types.isUint8Array(buffer) && buffer instanceof Buffer ? readLength.call(buffer) : 0;
}
