/**
 * The pool on the account of one driver, with the rule of levels that the pool itself does not know.
 *
 * Rule: paged pool is neither allocated nor freed at DISPATCH_LEVEL. Everything else is the pool of `firehook`: a misuse of memory is
 * a `FIREHOOK_POOL_` error.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-exallocatepoolwithtag
 *
 * @module
 */

import { PagedPool, type POOL_TYPE } from '../firewall/constants.ts';
import type * as firewall from '../firewall/ddk.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import type { PoolTag } from '../firewall/pool-tag.ts';
import type { OctetBuffer } from '../wire/octet-buffer.ts';
import { APC_LEVEL } from './dispatcher-objects.ts';
import type { DriverHost } from './host.ts';
import type { Processor } from './processor.ts';

/** Makes the functions over one host. */
export function createPoolFunctions(host: DriverHost, processor: Processor) {
  const paged = new WeakSet<object>();

  function allocate(call: string, type: POOL_TYPE, octets: number, tag: PoolTag | null): IPRcvBuf | OctetBuffer | null {
    if (type === PagedPool) processor.requireAtMost(`${call} of paged pool`, APC_LEVEL);
    const block = host.allocate(type, octets, tag);
    if (type === PagedPool && block !== null) paged.add(block);
    return block;
  }

  function requireFreeable(call: string, block: IPRcvBuf | OctetBuffer): void {
    if (paged.has(block)) processor.requireAtMost(`${call} of paged pool`, APC_LEVEL);
  }

  return {
    /**
     * Does what ExAllocatePoolWithTag does, with the tag `None`.
     *
     * Ownership: returns owned; free it with ExFreePool.
     * @param NumberOfBytes - octets, 1 to 65,536; 64 (SIZEOF_IPRCVBUF) give a descriptor
     * @returns null when the pool is exhausted or `NumberOfBytes` is out of range. Contents are uninitialised
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL for paged pool above APC_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-exallocatepool
     */
    ExAllocatePool<Octets extends number>(
      PoolType: POOL_TYPE,
      NumberOfBytes: Octets,
    ): firewall.PoolAllocation<Octets> | null {
      const block = allocate('ExAllocatePool', PoolType, NumberOfBytes, null);
      return block as firewall.PoolAllocation<Octets> | null;
    },

    /**
     * Allocates from the pool: a descriptor when `NumberOfBytes` is 64 (SIZEOF_IPRCVBUF), else a block of memory.
     *
     * Ownership: returns owned; free it with ExFreePool, or as part of a chain with IPFreeBuff.
     * @param NumberOfBytes - octets, 1 to 65,536
     * @param Tag - `0x66504354`, or `'fPCT'` as it stands between the quotes of the C source
     * @returns null when the pool is exhausted or `NumberOfBytes` is out of range. Contents are uninitialised
     * @throws {@link FirehookError} FIREHOOK_POOL_BAD_TAG; FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL for paged pool above APC_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-exallocatepoolwithtag
     */
    ExAllocatePoolWithTag<Octets extends number>(
      PoolType: POOL_TYPE,
      NumberOfBytes: Octets,
      Tag: PoolTag,
    ): firewall.PoolAllocation<Octets> | null {
      const block = allocate('ExAllocatePoolWithTag', PoolType, NumberOfBytes, Tag);
      return block as firewall.PoolAllocation<Octets> | null;
    },

    /**
     * Frees a descriptor or a block. Data that a descriptor still has is leaked, as on Windows.
     *
     * Ownership: takes `P`.
     * @throws {@link FirehookError} FIREHOOK_POOL_DOUBLE_FREE, FIREHOOK_POOL_STRANGER; FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL for paged
     * pool above APC_LEVEL. Nothing changed then
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/ntddk/nf-ntddk-exfreepool
     */
    ExFreePool(P: IPRcvBuf | OctetBuffer): void {
      requireFreeable('ExFreePool', P);
      host.pool.ExFreePool(P);
    },

    /**
     * Does what ExFreePool does, and checks the tag.
     *
     * Ownership: takes `P`.
     * @throws {@link FirehookError} also FIREHOOK_POOL_BAD_TAG when `Tag` is not that of the allocation
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-exfreepoolwithtag
     */
    ExFreePoolWithTag(P: IPRcvBuf | OctetBuffer, Tag: PoolTag): void {
      requireFreeable('ExFreePoolWithTag', P);
      host.pool.ExFreePoolWithTag(P, Tag);
    },
  };
}
