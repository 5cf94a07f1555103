/**
 * What a pool knows of one descriptor, and the checks of the nine members against it.
 *
 * Floor 1. Rule: the record is reached through the descriptor's private field only and is the truth; the members are
 * what a hook says.
 *
 * @module
 */

import { types } from 'node:util';
import { IPR_OWNER_NONE } from './constants.ts';
import type { DescriptorRecord, IPRcvBuf } from './ip-rcv-buf.ts';
import { isIPRcvBuf } from './ip-rcv-buf.ts';
import type { OwnerBook, TagBook } from './pool-books.ts';
import { isSlotMemory, type Slot } from './slab.ts';

/** Books of one descriptor and of the data buffer it may have. */
export class DescriptorBook implements DescriptorRecord {
  /** False once freed. */
  live = true;
  /** The runtime's: hooks may look, not free. */
  lent = false;
  /** Where its data lies; null without data. */
  slot: Slot | null = null;
  /** Octets of data asked for. */
  size = 0;
  /** Who allocated the descriptor. */
  maker: OwnerBook;
  /** Who allocated the data. */
  dataMaker: OwnerBook;
  /** The pool it came from, for identity only. */
  readonly pool: object;
  /** Row of its tag. */
  readonly book: TagBook;

  constructor(pool: object, book: TagBook, maker: OwnerBook) {
    this.pool = pool;
    this.book = book;
    this.maker = maker;
    this.dataMaker = maker;
  }
}

/** Empties the members that stand for data. */
export function clearData(descriptor: IPRcvBuf): void {
  descriptor.ipr_buffer = null;
  descriptor.ipr_size = 0;
  descriptor.ipr_owner = IPR_OWNER_NONE;
}

/**
 * True when the valid octets lie within what was asked for; more would be octets of an earlier user of the slot.
 *
 * Never throws, allocates nothing, whatever a hook wrote into the members.
 */
export function holdsData(record: DescriptorBook, descriptor: IPRcvBuf): boolean {
  const size = descriptor.ipr_size;
  if (size === 0) return true;
  const buffer = descriptor.ipr_buffer;
  const slot = record.slot;
  if (slot === null || !Number.isInteger(size) || size < 0) return false;
  if (buffer === slot.view) return size <= record.size;
  if (!types.isUint8Array(buffer) || !(buffer instanceof Buffer) || buffer.buffer !== slot.view.buffer) return false;
  const start = buffer.byteOffset - slot.view.byteOffset;
  return start >= 0 && size <= buffer.length && start + size <= record.size;
}

/** True for the descriptor's own data, or a part of it. Never throws, allocates nothing. */
export function isOwnMemory(record: DescriptorBook, buffer: unknown): boolean {
  const view = record.slot?.view;
  if (view === undefined) return false;
  if (buffer === view) return true;
  if (!types.isUint8Array(buffer) || buffer.buffer !== view.buffer) return false;
  return buffer.byteOffset >= view.byteOffset && buffer.byteOffset + buffer.length <= view.byteOffset + view.length;
}

/** True when a data buffer of a pool, or any other buffer, stands in two descriptors of the chain. O(n) in descriptors. */
export function sharesMemory(head: IPRcvBuf): boolean {
  const taken = new Set<ArrayBufferLike | Uint8Array>();
  for (let at: unknown = head; isIPRcvBuf(at); at = at.ipr_next) {
    const buffer: unknown = at.ipr_buffer;
    if (!types.isUint8Array(buffer) || buffer.length === 0) continue;
    const memory = isSlotMemory(buffer.buffer) ? buffer.buffer : buffer;
    if (taken.has(memory)) return true;
    taken.add(memory);
  }
  return false;
}
