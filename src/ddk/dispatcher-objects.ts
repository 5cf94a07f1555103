/**
 * Structures that a driver declares and hands to the Ke functions: spin lock, event, timer, DPC.
 *
 * Rule: `new X()` stands where C declares a variable, so its members are what C leaves uninitialised: the Ke initialise
 * functions set them. To a driver they are opaque; the members are here for the functions of this folder.
 *
 * Source: `wdm.h`.
 *
 * @module
 */

import type { KIRQL } from './types.ts';

/** Level of DriverEntry, DriverUnload, dispatch routines of requests from outside, and work items. */
export const PASSIVE_LEVEL = 0;
/** Level of asynchronous procedure calls. Nothing runs at it unless a driver raises itself. */
export const APC_LEVEL = 1;
/** Level of the callback, of DPCs, and under a spin lock. The highest one here. */
export const DISPATCH_LEVEL = 2;

/** Event that stays signalled until it is reset. */
export const NotificationEvent = 0;
/** Event that one wait resets. */
export const SynchronizationEvent = 1;
/** Type of an event. */
export type EVENT_TYPE = typeof NotificationEvent | typeof SynchronizationEvent;

/** Timer that stays signalled. */
export const NotificationTimer = 0;
/** Timer that one wait resets. */
export const SynchronizationTimer = 1;
/** Type of a timer. */
export type TIMER_TYPE = typeof NotificationTimer | typeof SynchronizationTimer;

/** Reason of a wait: the driver's own. */
export const Executive = 0;
/** Reason of a wait: on behalf of a user. */
export const UserRequest = 6;
/** Processor mode: kernel. */
export const KernelMode = 0;
/** Processor mode: user. */
export const UserMode = 1;

/** Which function took a spin lock; '' for a free one. */
export type LockTaker = '' | 'KeAcquireSpinLock' | 'KeAcquireSpinLockAtDpcLevel';

/** A spin lock. Checked, never waited for: a driver runs on one processor here, one routine at a time. */
export class KSPIN_LOCK {
  /** @internal */
  taker: LockTaker = '';
  /** Level before KeAcquireSpinLock. @internal */
  oldIrql: KIRQL = PASSIVE_LEVEL;
}

/** What can be waited for begins with this. */
export interface DISPATCHER_HEADER {
  /** EVENT_TYPE or TIMER_TYPE; -1 before the initialise function was called. */
  Type: number;
  /** 1 when signalled, else 0. */
  SignalState: number;
}

/** An event. */
export class KEVENT {
  /** @internal */
  readonly Header: DISPATCHER_HEADER = { Type: -1, SignalState: 0 };
}

/** A timer; `SignalState` becomes 1 when it expires. */
export class KTIMER {
  /** @internal */
  readonly Header: DISPATCHER_HEADER = { Type: -1, SignalState: 0 };
}

/**
 * Routine of a DPC: runs at DISPATCH_LEVEL, between two packets.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nc-wdm-kdeferred_routine
 */
export type KDEFERRED_ROUTINE = (
  Dpc: KDPC,
  DeferredContext: unknown,
  SystemArgument1: unknown,
  SystemArgument2: unknown,
) => void;

/** A deferred procedure call. */
export class KDPC {
  /** Null before KeInitializeDpc. @internal */
  DeferredRoutine: KDEFERRED_ROUTINE | null = null;
  /** @internal */
  DeferredContext: unknown = null;
  /** @internal */
  SystemArgument1: unknown = null;
  /** @internal */
  SystemArgument2: unknown = null;
}

/** Pointer to a spin lock. */
export type PKSPIN_LOCK = KSPIN_LOCK;
/** Pointer to an event. */
export type PKEVENT = KEVENT;
/** Pointer to a timer. */
export type PKTIMER = KTIMER;
/** Pointer to a DPC. */
export type PKDPC = KDPC;
