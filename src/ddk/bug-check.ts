/**
 * Bug checks of Windows as errors: what would have stopped the machine is refused here, with the name that stands in the
 * reference of bug check codes.
 *
 * Rule: it is thrown before anything changed, and it names the function that was called. The numbers are published; where
 * Windows without Driver Verifier would go on with damaged memory, the number is the one Driver Verifier would stop with.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/debugger/bug-check-code-reference2
 *
 * @module
 */

import { FirehookError } from '../errors.ts';

/** Published names and numbers. */
const BUG_CHECKS = {
  IRQL_NOT_GREATER_OR_EQUAL: 0x9,
  IRQL_NOT_LESS_OR_EQUAL: 0xa,
  SPIN_LOCK_ALREADY_OWNED: 0xf,
  SPIN_LOCK_NOT_OWNED: 0x10,
  REFERENCE_BY_POINTER: 0x18,
  NO_MORE_IRP_STACK_LOCATIONS: 0x35,
  MULTIPLE_IRP_COMPLETE_REQUESTS: 0x44,
  PAGE_FAULT_IN_NONPAGED_AREA: 0x50,
  INVALID_WORK_QUEUE_ITEM: 0x96,
  DRIVER_VERIFIER_DETECTED_VIOLATION: 0xc4,
  TIMER_OR_DPC_INVALID: 0xc7,
  IRQL_UNEXPECTED_VALUE: 0xc8,
  DRIVER_VERIFIER_IOMANAGER_VIOLATION: 0xc9,
  WORKER_INVALID: 0xe4,
  KERNEL_SECURITY_CHECK_FAILURE: 0x139,
} as const;

/** One of the published names. */
export type BugCheck = keyof typeof BUG_CHECKS;

/**
 * Makes the error; the caller throws it.
 *
 * @param name - the published bug check
 * @param call - the function that was called
 * @param reason - what was wrong, as the end of a sentence
 */
export function bugCheck(name: BugCheck, call: string, reason: string): FirehookError {
  return new FirehookError('FIREHOOK_DDK_BUGCHECK', bugCheckText(name, call, reason));
}

/** The same in words, for what cannot be thrown because the routine has returned already. */
export function bugCheckText(name: BugCheck, call: string, reason: string): string {
  return `${name} (0x${BUG_CHECKS[name].toString(16).toUpperCase()}): ${call}: ${reason}`;
}

/** Makes the error for what has no bug check because Windows would wait for ever; the caller throws it. */
export function endlessWait(call: string, reason: string): FirehookError {
  return new FirehookError('FIREHOOK_DDK_BUGCHECK', `endless wait: ${call}: ${reason}`);
}
