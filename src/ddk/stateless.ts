/**
 * What is the same for every driver: numbers, types, structures and the functions that touch nothing but their arguments.
 *
 * Rule: nothing here has state, so that all doors can share it. What has state is made for each door in `door.ts`.
 *
 * @module
 */

export * from './control-code.ts';
export * from './dispatcher-objects.ts';
export * from './interlocked.ts';
export * from './io-types.ts';
export * from './ipv6-types.ts';
export * from './list.ts';
export * from './memory.ts';
export type { FhParameter } from './parameters.ts';
export {
  DPFLTR_DEFAULT_ID,
  DPFLTR_ERROR_LEVEL,
  DPFLTR_IHVDRIVER_ID,
  DPFLTR_IHVNETWORK_ID,
  DPFLTR_INFO_LEVEL,
  DPFLTR_TRACE_LEVEL,
  DPFLTR_WARNING_LEVEL,
} from './print.ts';
export * from './route-types.ts';
export * from './status.ts';
export { type PTIME_FIELDS, RtlTimeFieldsToTime, RtlTimeToTimeFields, TIME_FIELDS } from './time.ts';
export type * from './types.ts';
export {
  type PUNICODE_STRING,
  RtlAppendUnicodeStringToString,
  RtlAppendUnicodeToString,
  RtlCopyUnicodeString,
  RtlInitUnicodeString,
  type UNICODE,
  UNICODE_STRING,
} from './unicode.ts';
export {
  CriticalWorkQueue,
  DelayedWorkQueue,
  type IO_WORKITEM,
  type IO_WORKITEM_ROUTINE,
  type PIO_WORKITEM,
  type WORK_QUEUE_TYPE,
} from './work-item.ts';
