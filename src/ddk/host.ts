/**
 * What the door of a driver needs from the runtime, and what it gives back: the one interface between the two.
 *
 * ```
 *   lane or replay ── DriverHost ──> createDriverDoor(host) ──> DriverDoor.exports: what the driver imports
 *                                                           └─> start, callbacks between enter and leave, unload
 * ```
 * Rule: one host and one door for each driver. Everything here is synchronous; nothing knows a lane, a chain or a file.
 *
 * @module
 */

import type { IPPacketFirewallPtr, POOL_TYPE } from '../firewall/constants.ts';
import type { PoolFunctions } from '../firewall/ddk.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import type { PoolTag } from '../firewall/pool-tag.ts';
import type { OctetBuffer } from '../wire/octet-buffer.ts';

/** Levels of a driver's line in the log. */
export type DriverLogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Something that waits for its time. */
export interface Scheduled {
  /** Idempotent. */
  cancel(): void;
}

/**
 * A hook for IPv6 as the runtime calls it: true lets the packet pass.
 *
 * It raises itself to DISPATCH_LEVEL and comes back; {@link DriverDoor.enterCallback} around it is not needed. What it throws is a fault
 * of the driver: an error of the hook, a result that is no IPv6Action, a lock that was left held.
 *
 * @param bytes - the datagram at octet 0; borrowed, and never handed to a hook
 * @param length - its octets
 * @param transportOffset - octet where the transport header starts
 * @param protocol - protocol number of that header
 * @param interfaceIndex - of arrival, or of departure
 * @param direction - IP_TRANSMIT 0 or IP_RECEIVE 1
 */
export type Ipv6Call = (
  bytes: OctetBuffer,
  length: number,
  transportOffset: number,
  protocol: number,
  interfaceIndex: number,
  direction: 0 | 1,
) => boolean;

/** A route as the kernel gave it. */
export interface Route {
  /** Octets of the prefix that the route is for; all 0 for a default route. */
  readonly destination: Uint8Array;
  /** Bits of it. */
  readonly prefixLength: number;
  /** The gateway; null where the destination is on the link. */
  readonly gateway: Uint8Array | null;
  /** The address the host would send from; null where the kernel names none. */
  readonly source: Uint8Array | null;
  /** Interface of departure; 0 where there is none. */
  readonly interfaceIndex: number;
  /** RTN_ number of include/uapi/linux/rtnetlink.h: 1 unicast, 2 local, 3 broadcast, 6 blackhole, 7 unreachable ... */
  readonly type: number;
  /** RTPROT_ number. */
  readonly protocol: number;
  /** Metric; 0 where there is none. */
  readonly metric: number;
}

/** What the runtime does for one driver. */
export interface DriverHost {
  /** Name of the hook, for logs and errors. */
  readonly name: string;
  /** The `options` of the configuration: the values of the service key's Parameters. */
  readonly parameters: unknown;
  /**
   * False: functions may be called at any level (`verifier.irql`). Spin locks are checked all the same.
   *
   * @defaultValue true
   */
  readonly checksIrql?: boolean;
  /** Writes a line, at a limited rate. */
  log(level: DriverLogLevel, message: string): void;
  /** The functions of the pool, on the driver's account. */
  readonly pool: PoolFunctions;
  /** Allocates on the driver's account; a tag of null is shown as `None`. See `Pool.allocate`. */
  allocate(type: POOL_TYPE, octets: number, tag: PoolTag | null): IPRcvBuf | OctetBuffer | null;
  /** Adds a callback from the next packet on. An NTSTATUS. */
  addCallback(callback: IPPacketFirewallPtr, priority: number): number;
  /** Takes it away from the next packet on. An NTSTATUS. */
  removeCallback(callback: IPPacketFirewallPtr): number;
  /** Sets the one hook for IPv6 of the lane, from the next packet on. False: another one, of whatever driver, is set. */
  setIpv6Hook(call: Ipv6Call): boolean;
  /** Takes it away; `done` is called when no call of it is under way: at once, or when the one that runs has returned. */
  clearIpv6Hook(done: () => void): void;
  /** Units of 100 ns since 1601-01-01: of the packet at hand, and between packets of the clock; in replay of the file. */
  systemTime(): bigint;
  /** Units of 100 ns on the same clock, since the driver was loaded. Never goes back. */
  interruptTime(): bigint;
  /**
   * Calls back once, between two packets, when `delay` units of 100 ns have passed on the clock of {@link systemTime}.
   * What it throws is a fault of the driver.
   */
  schedule(delay: bigint, callback: () => void): Scheduled;
  /** Looks a route up in the kernel's table, now. Null: unreachable. Throws where the kernel cannot be asked. */
  lookUpRoute(destination: Uint8Array, source: Uint8Array | null, interfaceIndex: number): Route | null;
  /** Counts a fault of the driver that happened outside of a callback, and logs it. */
  fault(reason: string, error?: unknown): void;
}

/** A request of the user-mode side, and the answer. */
export interface IoControlAnswer {
  /** NTSTATUS. */
  readonly status: number;
  readonly output: OctetBuffer;
}

/** What the runtime holds of one driver. */
export interface DriverDoor {
  /** What `import ... from 'firehook/ddk'` gives this driver; includes all of `firehook`. */
  readonly exports: Readonly<Record<string, unknown>>;
  /**
   * Calls `DriverEntry` at PASSIVE_LEVEL. After a failure, what the driver left is taken back for it, as by {@link DriverDoor.unload}.
   *
   * @param entry - the export `DriverEntry` of the module
   * @returns its NTSTATUS, as an unsigned number
   * @throws what it throws; FirehookError FIREHOOK_HOOK_INVALID when it is no synchronous function, or returns no number
   */
  start(entry: unknown): number;
  /**
   * Calls `DriverUnload`, where there is one. What it throws comes through. Whatever the driver did not take back is taken back
   * after it, so that nothing of it runs any more; {@link DriverDoor.leftovers} still names it.
   */
  unload(): void;
  /**
   * What the driver has not taken back, one sentence each: devices, links, file objects, requests, callbacks, the IPv6 hook, timers,
   * DPCs, work items. Until {@link DriverDoor.unload}: what it holds now; after it: what it had left then.
   */
  leftovers(): readonly string[];
  /** Before each callback: DISPATCH_LEVEL. Never throws. */
  enterCallback(): void;
  /** After it. Never throws. @returns what the callback left wrong (a lock held, a level raised), '' for nothing */
  leaveCallback(): string;
  /** Names of the devices that {@link DriverDoor.ioControl} can reach, without their links. */
  readonly devices: readonly string[];
  /**
   * IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL, IRP_MJ_CLEANUP and IRP_MJ_CLOSE of one request, as `DeviceIoControl` between `CreateFile` and
   * `CloseHandle` makes them. What the driver throws comes through.
   *
   * @param name - `\\.\Name`, `\Device\Name` or `\DosDevices\Name`
   */
  ioControl(name: string, code: number, input: OctetBuffer, outputLength: number): IoControlAnswer;
}
