/**
 * What a driver imports: the package `firehook/ddk`. The driver's side of the Windows firewall-hook interface, and all of `firehook`.
 *
 * A module is a driver when it exports `DriverEntry`. Rules of translation, the same everywhere:
 * ```
 *   C                                        here
 *   T *Out, an address of a variable         Ref<T>, { value }
 *   struct X x; &x                           const x = new X(); x
 *   PVOID Buffer, ULONG Length               Buffer, or the object where the function takes a structure; the length stays
 *   Buffer + offset                          Buffer.subarray(offset)
 *   NULL                                     null
 *   L"..." or PUNICODE_STRING, to read       a string, or a UNICODE_STRING
 *   NTSTATUS, ULONG                          unsigned numbers
 *   LARGE_INTEGER                            bigint
 *   KdPrint((...))                           KdPrint([...])
 *   CONTAINING_RECORD(entry, TYPE, Member)   CONTAINING_RECORD(entry), after new LIST_ENTRY(record)
 *   bug check                                FirehookError FIREHOOK_DDK_BUGCHECK, a fault of the driver
 * ```
 * Names are the published ones with their published parameters; names that are firehook's own start with `Fh`.
 *
 * Left out, because nothing behind it could be true here:
 * - threads and waits (PsCreateSystemThread, KeDelayExecutionThread, KMUTEX, KSEMAPHORE, KeWaitForMultipleObjects): one routine runs
 *   at a time and nothing could run meanwhile. A loop with a delay is a timer.
 * - MDLs, METHOD_IN_DIRECT, METHOD_OUT_DIRECT, METHOD_NEITHER: the other side is another process, whose memory is not ours.
 * - requests that are kept (IoMarkIrpPending, cancel routines, StartIo), read and write requests: nothing sends or waits for them.
 * - device stacks (IoAttachDevice, IoSkipCurrentIrpStackLocation, completion routines): `\Device\Ip` takes one control code.
 * - files and the registry (Zw functions, RtlQueryRegistryValues): a driver reads its options with FhQueryParameter.
 * - ExSystemTimeToLocalTime, levels above DISPATCH_LEVEL, interrupts: there are none.
 *
 * In a lane and in replay the runtime gives each driver a door of its own (`createDriverDoor`). What is exported here is a door over a
 * stand-alone host: what a unit test of a driver gets. `FhStandAlone` is the test's side of it.
 *
 * @module
 */

import { createStandAlone } from './stand-alone.ts';

export * from '../index.ts';
export type { IoControlAnswer, Ipv6Call, Route } from './host.ts';
export type { FhCallback, FhPacketOptions, FhPassage, StandAlone } from './stand-alone.ts';
export * from './stateless.ts';

const { functions } = createStandAlone();

export const {
  // Devices, names and references.
  IoCreateDevice,
  IoCreateSymbolicLink,
  IoDeleteDevice,
  IoDeleteSymbolicLink,
  IoGetDeviceObjectPointer,
  ObDereferenceObject,
  ObReferenceObject,
  // Requests.
  IoBuildDeviceIoControlRequest,
  IoCallDriver,
  IoCompleteRequest,
  IoGetCurrentIrpStackLocation,
  // Memory.
  ExAllocatePool,
  ExAllocatePoolWithTag,
  ExFreePool,
  ExFreePoolWithTag,
  // Strings and messages.
  DbgPrint,
  DbgPrintEx,
  KdPrint,
  KdPrintEx,
  RtlCompareUnicodeString,
  RtlEqualUnicodeString,
  // Levels and locks.
  KeAcquireSpinLock,
  KeAcquireSpinLockAtDpcLevel,
  KeGetCurrentIrql,
  KeInitializeSpinLock,
  KeLowerIrql,
  KeRaiseIrql,
  KeRaiseIrqlToDpcLevel,
  KeReleaseSpinLock,
  KeReleaseSpinLockFromDpcLevel,
  PAGED_CODE,
  // Events.
  KeClearEvent,
  KeInitializeEvent,
  KeReadStateEvent,
  KeResetEvent,
  KeSetEvent,
  KeWaitForSingleObject,
  // Time, timers, deferred work.
  IoAllocateWorkItem,
  IoFreeWorkItem,
  IoQueueWorkItem,
  KeCancelTimer,
  KeFlushQueuedDpcs,
  KeInitializeDpc,
  KeInitializeTimer,
  KeInitializeTimerEx,
  KeInsertQueueDpc,
  KeQueryInterruptTime,
  KeQueryPerformanceCounter,
  KeQuerySystemTime,
  KeQueryTickCount,
  KeQueryTimeIncrement,
  KeReadStateTimer,
  KeRemoveQueueDpc,
  KeSetTimer,
  KeSetTimerEx,
  // Routes.
  IPv6GetBestRouteInfo,
  LookupRouteInformation,
  // The hook for IPv6.
  IPv6DisableFirewallHook,
  IPv6EnableFirewallHook,
  IPv6ObtainPacketData,
  // Firehook's own.
  FhQueryParameter,
  FhStandAlone,
} = functions;
