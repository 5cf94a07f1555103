/**
 * The host of a driver that runs outside of a lane: what a unit test of a driver gets.
 *
 * ```ts
 * import { FhStandAlone } from 'firehook/ddk';
 * import { DriverEntry } from './my-driver.ts';
 *
 * FhStandAlone?.load(DriverEntry);
 * const { verdict } = FhStandAlone.send([datagram]);
 * ```
 * Rules: the pool is the real one; nothing else is. The clock moves when the test says so, packets come from the test, routes
 * are what the test says. Callbacks are called as a lane calls them: by priority, over a chain that is cut as the test cut it.
 *
 * @module
 */

import {
  DEST_REMOTE,
  type DIRECTION_E,
  FORWARD,
  type FORWARD_ACTION,
  ICMP_ON_DROP,
  INVALID_IF_INDEX,
  IP_RECEIVE,
  type IPPacketFirewallPtr,
  type POOL_TYPE,
  type Ref,
  SIZEOF_FIREWALL_CONTEXT_T,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from '../firewall/constants.ts';
import { poolFunctions, systemPool } from '../firewall/ddk.ts';
import { chainLength, gatherChain, type IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import { RUNTIME_OWNER } from '../firewall/pool.ts';
import type { PoolTag } from '../firewall/pool-tag.ts';
import type { OctetBuffer } from '../wire/octet-buffer.ts';
import { createDdk } from './door.ts';
import type { DriverDoor, DriverHost, DriverLogLevel, IoControlAnswer, Ipv6Call, Route, Scheduled } from './host.ts';
import type { NTSTATUS } from './types.ts';

/** 2004-01-01 00:00:00 UTC, in units of 100 ns since 1601: every test starts at the same moment. */
const START = 127_173_888_000_000_000n;
/** What PoolMon shows as `None`. */
const TAG_NONE = 'enoN';
/** Account of the driver in the pool. */
const OWNER = 0;

/** A callback of the driver. */
export interface FhCallback {
  readonly callback: IPPacketFirewallPtr;
  readonly priority: number;
}

/** What a test says of a packet; everything has a default. */
export interface FhPacketOptions {
  /** @defaultValue IP_RECEIVE */
  readonly direction?: DIRECTION_E;
  /** @defaultValue 1 */
  readonly recvInterfaceIndex?: number;
  /** @defaultValue INVALID_IF_INDEX */
  readonly sendInterfaceIndex?: number;
  /** @defaultValue DEST_REMOTE */
  readonly destinationType?: number;
  /** `ipr_flags` of each descriptor. @defaultValue 0 */
  readonly flags?: number;
}

/** What became of a packet. */
export interface FhPassage {
  readonly verdict: FORWARD_ACTION;
  /** The datagram as the callbacks left it. */
  readonly octets: OctetBuffer;
  readonly sendInterfaceIndex: number;
  readonly destinationType: number;
}

interface Waiting {
  readonly due: bigint;
  readonly order: number;
  readonly callback: () => void;
}

/** The host, and the test's hands on it. */
export class StandAlone implements DriverHost {
  readonly name = 'stand-alone';
  readonly pool = poolFunctions(systemPool, RUNTIME_OWNER);
  /** The `options` of the configuration; set it before {@link StandAlone.load}. */
  parameters: unknown = null;
  /** False: the log is kept, not printed. */
  printsLog = true;
  /** Lines of the log, `level: message`, oldest first. */
  readonly lines: string[] = [];
  /** Faults outside of callbacks, oldest first. */
  readonly faults: string[] = [];
  /** The driver's callbacks, in the order they are called. */
  readonly callbacks: FhCallback[] = [];
  /** The driver's IPv6 hook; call it as the runtime would. Null while there is none. */
  ipv6: Ipv6Call | null = null;
  /** Answers {@link StandAlone.lookUpRoute}. */
  routes: (destination: Uint8Array, source: Uint8Array | null, interfaceIndex: number) => Route | null = () => null;
  /** The clock, units of 100 ns since 1601. {@link StandAlone.advance} moves it. */
  now = START;
  #door: DriverDoor | null = null;
  #waiting: Waiting[] = [];
  #order = 0;
  #runsIpv6 = false;
  #ipv6Done: (() => void) | null = null;

  readonly checksIrql: boolean;

  /** @internal */
  constructor(checksIrql: boolean) {
    this.checksIrql = checksIrql;
    Object.seal(this);
  }

  /** The door; made with {@link createStandAlone}. @internal */
  use(door: DriverDoor): void {
    this.#door = door;
  }

  /** Loads a driver. @returns the NTSTATUS of its DriverEntry */
  load(entry: unknown): NTSTATUS {
    return this.#asDriver((door) => door.start(entry));
  }

  /** Unloads it. @returns what it did not take back, one sentence each */
  unload(): readonly string[] {
    return this.#asDriver((door) => {
      door.unload();
      return door.leftovers();
    });
  }

  /** Sends a control code to a device of the driver: `\\.\Name` or `\Device\Name`. */
  ioControl(name: string, code: number, input: Uint8Array = Buffer.alloc(0), outputLength = 0): IoControlAnswer {
    return this.#asDriver((door) => door.ioControl(name, code, Buffer.from(input), outputLength));
  }

  /** Moves the clock on, in units of 100 ns, and runs what becomes due on the way, in order. 0n: what is due already. */
  advance(units: bigint): void {
    const end = this.now + units;
    for (let next = this.#takeDue(end); next !== undefined; next = this.#takeDue(end)) {
      if (next.due > this.now) this.now = next.due;
      const { callback } = next;
      this.#asDriver(callback);
    }
    this.now = end;
  }

  /** Descriptors, buffers and blocks that the driver allocated and neither freed nor handed over. */
  get outstanding(): number {
    return systemPool.ownerUsage(OWNER).outstanding;
  }

  /**
   * Sends a datagram through the callbacks, after what is due between two packets.
   *
   * @param parts - the datagram, cut as its chain is to be
   * @throws what a callback throws; Error for what it left wrong: a lock, a level, a chain that cannot be taken, no verdict
   */
  send(parts: readonly Uint8Array[], options: FhPacketOptions = {}): FhPassage {
    this.advance(0n);
    const context = {
      Direction: options.direction ?? IP_RECEIVE,
      NTE: null,
      LinkCtxt: null,
      LContext1: null,
      LContext2: 0,
    };
    const sendInterfaceIndex: Ref<number> = { value: options.sendInterfaceIndex ?? INVALID_IF_INDEX };
    const destinationType: Ref<number> = { value: options.destinationType ?? DEST_REMOTE };
    let current = lend(parts, options.flags ?? 0);
    let verdict: FORWARD_ACTION = FORWARD;
    try {
      for (const { callback } of [...this.callbacks]) {
        const pData: Ref<IPRcvBuf | null> = { value: current };
        const ppRcvBuf: Ref<IPRcvBuf | null> = { value: null };
        const recv = options.recvInterfaceIndex ?? 1;
        verdict = this.#call(() =>
          callback(pData, recv, sendInterfaceIndex, destinationType, context, SIZEOF_FIREWALL_CONTEXT_T, ppRcvBuf),
        );
        current = takeOver(current, ppRcvBuf.value ?? pData.value);
        if (verdict !== FORWARD) break;
      }
      const octets = Buffer.alloc(Math.max(chainLength(current), 0));
      gatherChain(current, octets, 0);
      return { verdict, octets, sendInterfaceIndex: sendInterfaceIndex.value, destinationType: destinationType.value };
    } finally {
      systemPool.release(current);
    }
  }

  // What the door asks for.

  log(level: DriverLogLevel, message: string): void {
    this.lines.push(`${level}: ${message}`);
    if (this.printsLog) console.log(`${level}: ${message}`);
  }

  allocate(type: POOL_TYPE, octets: number, tag: PoolTag | null): IPRcvBuf | OctetBuffer | null {
    return systemPool.allocate(type, octets, tag ?? TAG_NONE);
  }

  addCallback(callback: IPPacketFirewallPtr, priority: number): NTSTATUS {
    const after = this.callbacks.findIndex((other) => other.priority < priority);
    this.callbacks.splice(after === -1 ? this.callbacks.length : after, 0, { callback, priority });
    return STATUS_SUCCESS;
  }

  removeCallback(callback: IPPacketFirewallPtr): NTSTATUS {
    const at = this.callbacks.findIndex((other) => other.callback === callback);
    if (at === -1) return STATUS_INVALID_PARAMETER;
    this.callbacks.splice(at, 1);
    return STATUS_SUCCESS;
  }

  setIpv6Hook(call: Ipv6Call): boolean {
    if (this.ipv6 !== null) return false;
    this.ipv6 = (...packet) => {
      this.#runsIpv6 = true;
      try {
        return this.#asDriver(() => call(...packet));
      } finally {
        this.#runsIpv6 = false;
        const done = this.#ipv6Done;
        this.#ipv6Done = null;
        if (done !== null) this.#asDriver(done);
      }
    };
    return true;
  }

  clearIpv6Hook(done: () => void): void {
    this.ipv6 = null;
    if (this.#runsIpv6) this.#ipv6Done = done;
    else done();
  }

  systemTime(): bigint {
    return this.now;
  }

  interruptTime(): bigint {
    return this.now - START;
  }

  schedule(delay: bigint, callback: () => void): Scheduled {
    const waiting: Waiting = { due: this.now + delay, order: this.#order++, callback };
    this.#waiting.push(waiting);
    return {
      cancel: () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
      },
    };
  }

  lookUpRoute(destination: Uint8Array, source: Uint8Array | null, interfaceIndex: number): Route | null {
    return this.routes(destination, source, interfaceIndex);
  }

  fault(reason: string, error?: unknown): void {
    const cause = error instanceof Error ? `: ${error.message}` : '';
    this.faults.push(`${reason}${cause}`);
    this.log('error', `${reason}${cause}`);
  }

  #takeDue(end: bigint): Waiting | undefined {
    const due = this.#waiting.filter((waiting) => waiting.due <= end);
    due.sort((a, b) => Number(a.due - b.due) || a.order - b.order);
    const [first] = due;
    this.#waiting = this.#waiting.filter((waiting) => waiting !== first);
    return first;
  }

  #asDriver<T>(routine: (door: DriverDoor) => T): T {
    const door = this.#door;
    if (door === null) throw new Error('no door');
    const before = systemPool.owner;
    systemPool.owner = OWNER;
    try {
      return routine(door);
    } finally {
      systemPool.owner = before;
    }
  }

  #call(callback: () => FORWARD_ACTION): FORWARD_ACTION {
    return this.#asDriver((door) => {
      let wrong = '';
      let verdict: FORWARD_ACTION;
      door.enterCallback();
      try {
        verdict = callback();
      } finally {
        wrong = door.leaveCallback();
      }
      if (wrong !== '') throw new Error(wrong);
      if (!(verdict >= FORWARD && verdict <= ICMP_ON_DROP)) throw new Error(`${String(verdict)} is no verdict`);
      return verdict;
    });
  }
}

/** Makes a host of its own, its door, and the functions in it. @param checksIrql - see `DriverHost.checksIrql` */
export function createStandAlone(checksIrql = true) {
  const host = new StandAlone(checksIrql);
  const { door, functions } = createDdk(host, host);
  host.use(door);
  return { host, door, functions };
}

function lend(parts: readonly Uint8Array[], flags: number): IPRcvBuf | null {
  let head: IPRcvBuf | null = null;
  for (const part of parts.toReversed()) {
    const descriptor = systemPool.allocateChain(Math.max(part.length, 1));
    if (descriptor === null) throw new Error('the pool is exhausted');
    descriptor.ipr_buffer?.set(part);
    descriptor.ipr_size = part.length;
    descriptor.ipr_flags = flags;
    descriptor.ipr_next = head;
    head = descriptor;
  }
  return head;
}

function takeOver(current: IPRcvBuf | null, left: IPRcvBuf | null): IPRcvBuf | null {
  if (left === null || left === current) return current;
  if (!systemPool.isOwnedChain(left) || !systemPool.adopt(left)) {
    throw new Error('the callback left a chain that cannot be taken');
  }
  systemPool.release(current);
  return left;
}
