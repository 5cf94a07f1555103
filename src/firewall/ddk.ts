/**
 * The functions of the Windows firewall-hook interface under their own names, over the one pool of this process.
 *
 * Floor 1. Rule: names, order of parameters and results are the published ones; what Windows answers with a bug check
 * is thrown here as a `FIREHOOK_POOL_` error, with nothing changed. One pool for the process, because a lane is a
 * process and Windows has one nonpaged pool.
 *
 * @see https://learn.microsoft.com/en-us/previous-versions/windows/hardware/network/ff546497(v=vs.85)
 *
 * @module
 */

import type { OctetBuffer } from '../wire/octet-buffer.ts';
import type { POOL_TYPE, SIZEOF_IPRCVBUF } from './constants.ts';
import type { IPRcvBuf } from './ip-rcv-buf.ts';
import { Pool } from './pool.ts';
import type { PoolTag } from './pool-tag.ts';

const DEFAULT_LIMIT_BYTES = 64 * 1024 * 1024;

/** What `ExAllocatePoolWithTag` returns for a size known when compiling: a descriptor for 64 octets, else a block. */
export type PoolAllocation<Octets extends number> = number extends Octets
  ? IPRcvBuf | OctetBuffer
  : Octets extends typeof SIZEOF_IPRCVBUF
    ? IPRcvBuf
    : OctetBuffer;

/** The pool of this process. Its limit is 64 MiB unless {@link setPoolLimit} says otherwise. */
export const systemPool: Pool = new Pool(DEFAULT_LIMIT_BYTES);

/**
 * Sets the hard limit of {@link systemPool}.
 *
 * @param bytes - octets; below what is in use, nothing is taken away and nothing new is handed out
 */
export function setPoolLimit(bytes: number): void {
  systemPool.limitBytes = bytes;
}

/**
 * Allocates from the pool: a descriptor when `NumberOfBytes` is `SIZEOF_IPRCVBUF` (64), else a block of memory.
 *
 * Ownership: returns owned; free it with {@link ExFreePool}, or as part of a chain with {@link IPFreeBuff}.
 * @param PoolType - NonPagedPool or PagedPool
 * @param NumberOfBytes - octets, 1 to 65,536
 * @param Tag - `0x66504354`, or `'fPCT'` as it stands between the quotes of the C source
 * @returns null when the pool is exhausted or `NumberOfBytes` is out of range. Contents are uninitialised
 * @throws {@link FirehookError} FIREHOOK_POOL_BAD_TAG when the tag is not 1 to 4 characters from 0x20 to 0x7e
 * @example
 * ```ts
 * const descriptor = ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
 * ```
 */
export function ExAllocatePoolWithTag<Octets extends number>(
  PoolType: POOL_TYPE,
  NumberOfBytes: Octets,
  Tag: PoolTag,
): PoolAllocation<Octets> | null;
export function ExAllocatePoolWithTag(
  PoolType: POOL_TYPE,
  NumberOfBytes: number,
  Tag: PoolTag,
): IPRcvBuf | OctetBuffer | null {
  return systemPool.allocate(PoolType, NumberOfBytes, Tag);
}

/**
 * Frees a descriptor or a block. Data that a descriptor still has is leaked, as on Windows.
 *
 * Ownership: takes `P`.
 * @throws {@link FirehookError} FIREHOOK_POOL_DOUBLE_FREE, FIREHOOK_POOL_STRANGER; nothing changed then
 */
export function ExFreePool(P: IPRcvBuf | OctetBuffer): void {
  systemPool.free(P);
}

/**
 * Does what {@link ExFreePool} does, and checks the tag.
 *
 * Ownership: takes `P`.
 * @throws {@link FirehookError} also FIREHOOK_POOL_BAD_TAG when `Tag` is not that of the allocation
 */
export function ExFreePoolWithTag(P: IPRcvBuf | OctetBuffer, Tag: PoolTag): void {
  systemPool.free(P, Tag);
}

/**
 * Gives an existing descriptor a data buffer. Sets `ipr_buffer`, `ipr_size` and `ipr_owner`, not `ipr_next`.
 *
 * Ownership: borrows `pRcvBuf`, which owns the buffer.
 * @param pRcvBuf - a descriptor without a buffer
 * @param Size - octets, 1 to 65,535
 * @returns 1 on success, and only then; 0 when `Size` is out of range, the pool is exhausted, or there is a buffer
 * @throws {@link FirehookError} FIREHOOK_POOL_STRANGER, FIREHOOK_POOL_USE_AFTER_FREE; nothing changed then
 */
export function IPAllocBuff(pRcvBuf: IPRcvBuf, Size: number): number {
  return systemPool.allocateBuffer(pRcvBuf, Size);
}

/**
 * Frees a whole chain from this head on: every data buffer and every descriptor.
 *
 * Ownership: takes the chain.
 * @throws {@link FirehookError} FIREHOOK_POOL_DOUBLE_FREE, FIREHOOK_POOL_USE_AFTER_FREE, FIREHOOK_POOL_STRANGER; nothing
 * changed then
 */
export function IPFreeBuff(pRcvBuf: IPRcvBuf): void {
  systemPool.freeChain(pRcvBuf);
}

/**
 * Frees the data buffer of this one descriptor; the descriptor stays the caller's.
 *
 * Ownership: borrows `pRcvBuf`, takes its buffer.
 * @throws {@link FirehookError} FIREHOOK_POOL_DOUBLE_FREE when it has none, FIREHOOK_POOL_USE_AFTER_FREE,
 * FIREHOOK_POOL_STRANGER; nothing changed then
 */
export function FreeIprBuff(pRcvBuf: IPRcvBuf): void {
  systemPool.freeBuffer(pRcvBuf);
}

/** The functions of the pool as one hook gets them. */
export interface PoolFunctions {
  readonly ExAllocatePoolWithTag: typeof ExAllocatePoolWithTag;
  readonly ExFreePool: typeof ExFreePool;
  readonly ExFreePoolWithTag: typeof ExFreePoolWithTag;
  readonly IPAllocBuff: typeof IPAllocBuff;
  readonly IPFreeBuff: typeof IPFreeBuff;
  readonly FreeIprBuff: typeof FreeIprBuff;
}

/**
 * Makes the functions for one hook: whenever they are called, at module scope, in a timer or for a packet, what they do is
 * booked on that hook.
 *
 * @param owner - the hook's number in the books
 */
export function poolFunctions(pool: Pool, owner: number): PoolFunctions {
  const as = <Result>(call: () => Result): Result => {
    const before = pool.owner;
    pool.owner = owner;
    try {
      return call();
    } finally {
      pool.owner = before;
    }
  };
  const allocate = (type: POOL_TYPE, octets: number, tag: PoolTag) => as(() => pool.allocate(type, octets, tag));
  return {
    ExAllocatePoolWithTag: allocate as typeof ExAllocatePoolWithTag,
    ExFreePool: (block) => as(() => pool.free(block)),
    ExFreePoolWithTag: (block, tag) => as(() => pool.free(block, tag)),
    IPAllocBuff: (descriptor, size) => as(() => pool.allocateBuffer(descriptor, size)),
    IPFreeBuff: (head) => as(() => pool.freeChain(head)),
    FreeIprBuff: (descriptor) => as(() => pool.freeBuffer(descriptor)),
  };
}
