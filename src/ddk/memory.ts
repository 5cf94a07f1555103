/**
 * Memory: RtlCopyMemory and its kin.
 *
 * Rule: lengths are checked against the buffer that is given, so what damages memory in C is an error here, with nothing
 * changed. A pointer into the middle of a buffer is `buffer.subarray(offset)`.
 *
 * Source: `wdm.h`.
 *
 * @module
 */

import { SIZEOF_IPRCVBUF } from '../firewall/constants.ts';
import { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import { bugCheck } from './bug-check.ts';
import type { BOOLEAN, UCHAR, ULONG, USHORT } from './types.ts';

/**
 * Copies octets between buffers that do not overlap.
 *
 * @param Length - octets
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK PAGE_FAULT_IN_NONPAGED_AREA behind the end of either;
 * DRIVER_VERIFIER_DETECTED_VIOLATION where they overlap: that is RtlMoveMemory's
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlcopymemory
 */
export function RtlCopyMemory(Destination: Uint8Array, Source: Uint8Array, Length: number): void {
  requireOctets('RtlCopyMemory', Destination, Length);
  requireOctets('RtlCopyMemory', Source, Length);
  if (overlap(Destination, Source, Length)) {
    throw bugCheck('DRIVER_VERIFIER_DETECTED_VIOLATION', 'RtlCopyMemory', 'the buffers overlap; use RtlMoveMemory');
  }
  move(Destination, Source, Length);
}

/**
 * Copies octets, also where the buffers overlap.
 *
 * @param Length - octets
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK PAGE_FAULT_IN_NONPAGED_AREA behind the end of either
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlmovememory
 */
export function RtlMoveMemory(Destination: Uint8Array, Source: Uint8Array, Length: number): void {
  requireOctets('RtlMoveMemory', Destination, Length);
  requireOctets('RtlMoveMemory', Source, Length);
  move(Destination, Source, Length);
}

/**
 * Fills with zeros; of a descriptor, sets every member to null or 0. The pool still knows which data it gave to a descriptor.
 *
 * @param Length - octets; SIZEOF_IPRCVBUF for a descriptor
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK PAGE_FAULT_IN_NONPAGED_AREA behind the end
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlzeromemory
 */
export function RtlZeroMemory(Destination: Uint8Array | IPRcvBuf, Length: number): void {
  if (!(Destination instanceof IPRcvBuf)) {
    requireOctets('RtlZeroMemory', Destination, Length);
    Destination.fill(0, 0, Length);
    return;
  }
  if (Length !== SIZEOF_IPRCVBUF) {
    const reason = `a descriptor has ${SIZEOF_IPRCVBUF} octets, the length says ${Length}`;
    throw bugCheck('PAGE_FAULT_IN_NONPAGED_AREA', 'RtlZeroMemory', reason);
  }
  Object.assign(Destination, new IPRcvBuf());
}

/**
 * Fills with one octet.
 *
 * @param Length - octets
 * @param Fill - 0 to 0xff
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK PAGE_FAULT_IN_NONPAGED_AREA behind the end
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlfillmemory
 */
export function RtlFillMemory(Destination: Uint8Array, Length: number, Fill: UCHAR): void {
  requireOctets('RtlFillMemory', Destination, Length);
  Destination.fill(Fill, 0, Length);
}

/**
 * Compares octets.
 *
 * @param Length - octets
 * @returns how many are equal before the first that differs; `Length` when all are
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK PAGE_FAULT_IN_NONPAGED_AREA behind the end of either
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlcomparememory
 */
export function RtlCompareMemory(Source1: Uint8Array, Source2: Uint8Array, Length: number): number {
  requireOctets('RtlCompareMemory', Source1, Length);
  requireOctets('RtlCompareMemory', Source2, Length);
  let equal = 0;
  while (equal < Length && Source1[equal] === Source2[equal]) equal++;
  return equal;
}

/**
 * Compares octets for equality.
 *
 * @param Length - octets
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK PAGE_FAULT_IN_NONPAGED_AREA behind the end of either
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlequalmemory
 */
export function RtlEqualMemory(Source1: Uint8Array, Source2: Uint8Array, Length: number): BOOLEAN {
  requireOctets('RtlEqualMemory', Source1, Length);
  requireOctets('RtlEqualMemory', Source2, Length);
  for (let at = 0; at < Length; at++) if (Source1[at] !== Source2[at]) return false;
  return true;
}

/**
 * Swaps the two octets of a USHORT.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlushortbyteswap
 */
export function RtlUshortByteSwap(Source: USHORT): USHORT {
  return ((Source & 0xff) << 8) | ((Source >>> 8) & 0xff);
}

/**
 * Turns the four octets of a ULONG round.
 *
 * @returns an unsigned number
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlulongbyteswap
 */
export function RtlUlongByteSwap(Source: ULONG): ULONG {
  return ((RtlUshortByteSwap(Source & 0xffff) << 16) | RtlUshortByteSwap(Source >>> 16)) >>> 0;
}

/**
 * Turns the eight octets of a ULONGLONG round.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlulonglongbyteswap
 */
export function RtlUlonglongByteSwap(Source: bigint): bigint {
  const low = RtlUlongByteSwap(Number(BigInt.asUintN(32, Source)));
  const high = RtlUlongByteSwap(Number(BigInt.asUintN(32, Source >> 32n)));
  return (BigInt(low) << 32n) | BigInt(high);
}

function requireOctets(call: string, buffer: unknown, length: number): void {
  const octets = buffer instanceof Uint8Array ? buffer.length : -1;
  if (Number.isInteger(length) && length >= 0 && length <= octets) return;
  const what = octets < 0 ? 'no octets' : `a buffer of ${octets} octets`;
  throw bugCheck('PAGE_FAULT_IN_NONPAGED_AREA', call, `${what}, the length says ${length}`);
}

function overlap(a: Uint8Array, b: Uint8Array, length: number): boolean {
  return a.buffer === b.buffer && a.byteOffset < b.byteOffset + length && b.byteOffset < a.byteOffset + length;
}

function move(destination: Uint8Array, source: Uint8Array, length: number): void {
  // A view only where there has to be one: a driver copies for every packet.
  if (length === source.length) destination.set(source);
  else destination.set(source.subarray(0, length));
}
