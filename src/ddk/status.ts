/**
 * NTSTATUS values that the functions here answer with or that drivers of this kind use, and the tests of severity.
 *
 * Rule: published values, as unsigned numbers, so that `===` and `%x` show what the header shows. STATUS_SUCCESS,
 * STATUS_PENDING, STATUS_INVALID_PARAMETER and STATUS_INVALID_DEVICE_REQUEST are in `firehook` itself.
 *
 * Source: `ntstatus.h`, `ntdef.h`.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/using-ntstatus-values
 *
 * @module
 */

import type { NTSTATUS } from './types.ts';

/** BOOLEAN: yes. */
export const TRUE = true;
/** BOOLEAN: no. */
export const FALSE = false;

/** The time of a wait is over. A success value. */
export const STATUS_TIMEOUT = 0x00000102;
/** Warning: the output did not fit; what fits is there. */
export const STATUS_BUFFER_OVERFLOW = 0x80000005;
/** Warning: there are no more entries. */
export const STATUS_NO_MORE_ENTRIES = 0x8000001a;
/** It did not work. */
export const STATUS_UNSUCCESSFUL = 0xc0000001;
/** It is not written. */
export const STATUS_NOT_IMPLEMENTED = 0xc0000002;
/** A structure has another length than the one that belongs to it. */
export const STATUS_INFO_LENGTH_MISMATCH = 0xc0000004;
/** There is no such device, or it is not initialised yet. */
export const STATUS_NO_SUCH_DEVICE = 0xc000000e;
/** What was asked for is not there. */
export const STATUS_NOT_FOUND = 0xc0000225;
/** There is not enough memory. */
export const STATUS_NO_MEMORY = 0xc0000017;
/** It is not allowed. */
export const STATUS_ACCESS_DENIED = 0xc0000022;
/** A buffer is too small; nothing was written. */
export const STATUS_BUFFER_TOO_SMALL = 0xc0000023;
/** The object is of another kind. */
export const STATUS_OBJECT_TYPE_MISMATCH = 0xc0000024;
/** The name is no name. */
export const STATUS_OBJECT_NAME_INVALID = 0xc0000033;
/** Nothing has that name. */
export const STATUS_OBJECT_NAME_NOT_FOUND = 0xc0000034;
/** Something has that name already. */
export const STATUS_OBJECT_NAME_COLLISION = 0xc0000035;
/** The folder of the name is not there. */
export const STATUS_OBJECT_PATH_NOT_FOUND = 0xc000003a;
/** The name does not begin with a backslash. */
export const STATUS_OBJECT_PATH_SYNTAX_BAD = 0xc000003b;
/** Something that is needed is used up: memory, most often. */
export const STATUS_INSUFFICIENT_RESOURCES = 0xc000009a;
/** The device is not ready. */
export const STATUS_DEVICE_NOT_READY = 0xc00000a3;
/** That is not supported. */
export const STATUS_NOT_SUPPORTED = 0xc00000bb;
/** The request was cancelled. */
export const STATUS_CANCELLED = 0xc0000120;
/** The file object is closed. */
export const STATUS_FILE_CLOSED = 0xc0000128;
/** No route leads to that network. */
export const STATUS_NETWORK_UNREACHABLE = 0xc000023c;
/** No route leads to that host. */
export const STATUS_HOST_UNREACHABLE = 0xc000023d;

/**
 * True for success (0 to 0x3fffffff) and information (0x40000000 to 0x7fffffff): the sign bit of the NTSTATUS is clear.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/using-ntstatus-values
 */
export function NT_SUCCESS(Status: NTSTATUS): boolean {
  return (Status | 0) >= 0;
}

/**
 * True for information: 0x40000000 to 0x7fffffff.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/using-ntstatus-values
 */
export function NT_INFORMATION(Status: NTSTATUS): boolean {
  return Status >>> 30 === 1;
}

/**
 * True for a warning: 0x80000000 to 0xbfffffff.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/using-ntstatus-values
 */
export function NT_WARNING(Status: NTSTATUS): boolean {
  return Status >>> 30 === 2;
}

/**
 * True for an error: 0xc0000000 to 0xffffffff.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/using-ntstatus-values
 */
export function NT_ERROR(Status: NTSTATUS): boolean {
  return Status >>> 30 === 3;
}
