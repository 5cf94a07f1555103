/**
 * Control codes: how CTL_CODE puts one together, and the constants that go into it.
 *
 * ```
 *   bit  31 ............ 16  15 14  13 ....... 2  1 0
 *       | device type       |access| function    |method|
 * ```
 * Rule: unsigned numbers, as they stand in the header.
 *
 * Source: `wdm.h`, `devioctl.h`.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/defining-i-o-control-codes
 *
 * @module
 */

import type { ULONG } from './types.ts';

/** Device type of the network. */
export const FILE_DEVICE_NETWORK = 0x00000012;
/** Device type of what fits no other; what most drivers of this kind take. */
export const FILE_DEVICE_UNKNOWN = 0x00000022;

/** Access: any handle will do. */
export const FILE_ANY_ACCESS = 0;
/** Access: the handle must be open for reading. */
export const FILE_READ_ACCESS = 0x0001;
/** Access: the handle must be open for writing. */
export const FILE_WRITE_ACCESS = 0x0002;

/** Input and output share one system buffer. The method that is supported here. */
export const METHOD_BUFFERED = 0;
/** Output described by an MDL to read from. Not supported: there are no MDLs. */
export const METHOD_IN_DIRECT = 1;
/** Output described by an MDL to write to. Not supported: there are no MDLs. */
export const METHOD_OUT_DIRECT = 2;
/** The caller's own addresses. Not supported: the caller is another process. */
export const METHOD_NEITHER = 3;

/** Device characteristic: it is opened through its own security descriptor. Carried, not interpreted. */
export const FILE_DEVICE_SECURE_OPEN = 0x00000100;

/** Access mask: read. */
export const GENERIC_READ = 0x80000000;
/** Access mask: write. */
export const GENERIC_WRITE = 0x40000000;
/** Access mask: synchronize. */
export const SYNCHRONIZE = 0x00100000;
/** Access mask: all standard rights. */
export const STANDARD_RIGHTS_ALL = 0x001f0000;
/** Access mask: everything that can be done with a file. */
export const FILE_ALL_ACCESS = 0x001f01ff;
/** Access mask: read data. */
export const FILE_READ_DATA = 0x0001;
/** Access mask: write data. */
export const FILE_WRITE_DATA = 0x0002;

/**
 * Makes a control code.
 *
 * @param DeviceType - FILE_DEVICE_ number, 0 to 0xffff; a vendor's own start at 0x8000
 * @param FunctionCode - 0 to 0xfff; a vendor's own start at 0x800
 * @param Method - METHOD_ number
 * @param Access - FILE_..._ACCESS number
 * @returns the ULONG, as an unsigned number
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/defining-i-o-control-codes
 */
export function CTL_CODE(DeviceType: ULONG, FunctionCode: ULONG, Method: ULONG, Access: ULONG): ULONG {
  return ((DeviceType << 16) | (Access << 14) | (FunctionCode << 2) | Method) >>> 0;
}
