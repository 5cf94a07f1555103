/**
 * What a lane, or a replay, does for one driver: the runtime's side of `ddk/host.ts`.
 *
 * Rule: what a driver does outside of its callbacks (timers, DPCs, work items) is called between two packets, and what it throws
 * there is its own fault: counted for it, logged, and nothing else.
 *
 * @module
 */

import type { DriverDoor, DriverHost, DriverLogLevel, Ipv6Call, Route, Scheduled } from '../ddk/host.ts';
import type { IPPacketFirewallPtr, POOL_TYPE } from '../firewall/constants.ts';
import { STATUS_INVALID_PARAMETER } from '../firewall/constants.ts';
import type { PoolFunctions } from '../firewall/ddk.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import { type Pool, RUNTIME_OWNER } from '../firewall/pool.ts';
import type { PoolTag } from '../firewall/pool-tag.ts';
import type { HookChain } from '../hook/hook-chain.ts';
import type { HookClock } from './hook-clock.ts';

/** Between 1601-01-01, where Windows begins to count, and 1970-01-01, in units of 100 ns. */
const EPOCH_1601 = 116_444_736_000_000_000n;
const NANOSECONDS = 100n;
/** Tag that PoolMon shows for an allocation without one. */
const NO_TAG = 'enoN';

/** What {@link LaneDriverHost} takes. */
export interface DriverHostOptions {
  /** Known once the module is loaded. */
  readonly name: () => string;
  readonly parameters: unknown;
  readonly pool: Pool;
  /** Bound to the driver: what they do is booked on it. */
  readonly poolFunctions: PoolFunctions;
  readonly clock: HookClock;
  readonly log: (level: DriverLogLevel, message: string) => void;
  readonly lookUpRoute: DriverHost['lookUpRoute'];
  readonly checksIrql: boolean;
  /** A fault outside of a packet. */
  readonly onFault: (reason: string, error: unknown) => void;
}

/** Host of one driver. */
export class LaneDriverHost implements DriverHost {
  readonly parameters: unknown;
  readonly pool: PoolFunctions;
  readonly checksIrql: boolean;
  readonly #options: DriverHostOptions;
  readonly #startedAt: bigint;
  #place: { readonly chain: HookChain; readonly hook: number; readonly door: DriverDoor } | null = null;

  constructor(options: DriverHostOptions) {
    this.parameters = options.parameters;
    this.pool = options.poolFunctions;
    this.checksIrql = options.checksIrql;
    this.#options = options;
    this.#startedAt = this.#elapsed();
  }

  get name(): string {
    return this.#options.name();
  }

  /** From now on its callbacks have a chain to stand in. */
  attach(chain: HookChain, hook: number, door: DriverDoor): void {
    this.#place = { chain, hook, door };
  }

  /** {@inheritDoc DriverHost.log} */
  log(level: DriverLogLevel, message: string): void {
    this.#options.log(level, message);
  }

  /** {@inheritDoc DriverHost.allocate} */
  allocate(type: POOL_TYPE, octets: number, tag: PoolTag | null): IPRcvBuf | Buffer | null {
    return this.pool.ExAllocatePoolWithTag(type, octets, tag ?? NO_TAG);
  }

  /** {@inheritDoc DriverHost.addCallback} */
  addCallback(callback: IPPacketFirewallPtr, priority: number): number {
    const place = this.#place;
    if (place === null) return STATUS_INVALID_PARAMETER;
    return place.chain.entries.addCallback(place.hook, place.door, callback, priority);
  }

  /** {@inheritDoc DriverHost.removeCallback} */
  removeCallback(callback: IPPacketFirewallPtr): number {
    const place = this.#place;
    return place === null ? STATUS_INVALID_PARAMETER : place.chain.entries.removeCallback(place.hook, callback);
  }

  /** {@inheritDoc DriverHost.setIpv6Hook} */
  setIpv6Hook(call: Ipv6Call): boolean {
    const place = this.#place;
    return place?.chain.entries.setIpv6(place.hook, place.door, call) ?? false;
  }

  /** {@inheritDoc DriverHost.clearIpv6Hook} */
  clearIpv6Hook(done: () => void): void {
    const place = this.#place;
    place?.chain.entries.clearIpv6(place.hook);
    if (!this.#isInPacket) done();
    // The call that runs has returned when anything scheduled is called.
    else this.schedule(0n, done);
  }

  /** {@inheritDoc DriverHost.systemTime} */
  systemTime(): bigint {
    return this.#now() / NANOSECONDS + EPOCH_1601;
  }

  /** {@inheritDoc DriverHost.interruptTime} */
  interruptTime(): bigint {
    return (this.#elapsed() - this.#startedAt) / NANOSECONDS;
  }

  /** {@inheritDoc DriverHost.schedule} */
  schedule(delay: bigint, callback: () => void): Scheduled {
    return this.#options.clock.schedule(delay * NANOSECONDS, () => {
      try {
        callback();
      } catch (error) {
        this.fault('threw between two packets', error);
      }
    });
  }

  /** {@inheritDoc DriverHost.lookUpRoute} */
  lookUpRoute(destination: Uint8Array, source: Uint8Array | null, interfaceIndex: number): Route | null {
    return this.#options.lookUpRoute(destination, source, interfaceIndex);
  }

  /** {@inheritDoc DriverHost.fault} */
  fault(reason: string, error?: unknown): void {
    const place = this.#place;
    place?.chain.countFault(place.hook);
    this.#options.onFault(reason, error);
  }

  get #isInPacket(): boolean {
    return this.#options.pool.owner !== RUNTIME_OWNER;
  }

  #elapsed(): bigint {
    const { clock } = this.#options;
    return clock.elapsed?.() ?? clock.now();
  }

  #now(): bigint {
    const packet = this.#isInPacket ? this.#place?.chain.context : null;
    return packet?.timestampNs ?? this.#options.clock.now();
  }
}
