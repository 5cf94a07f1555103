/**
 * What a lab is given, what it answers, and what it can do.
 *
 * ```
 *   openLab(hooks, options) ─> Lab ─ send(packet) ─> Outcome ─ tick(ms) ─> Outcome of time ─ close()
 * ```
 * Rule: types alone, which compile without `@types/node`. What is handed out is a copy, and the caller's own.
 *
 * @module
 */

import type { HookFaultPolicy } from '../config/faults.ts';
import type { EveEvent } from '../events/eve.ts';
import type { FlowTimeouts } from '../flow/timeouts.ts';
import type { DefinedHook, HOOK_META } from '../hook/contract.ts';
import type { StreamNumbers } from '../hook/stream/stream-contract.ts';
import type { HookCounter, WayCounter } from '../telemetry/counters.ts';
import type { OctetBuffer } from '../wire/octet-buffer.ts';

/** A hook as `defineHook` returns it, whatever its options are. */
export type HookUnderTest = Pick<DefinedHook, 'name' | typeof HOOK_META>;

/** What a hook may use beside packets: all that it asks for, or what a configuration would grant. */
export type LabGrant =
  | 'everything'
  | {
      readonly files?: readonly string[];
      readonly network?: readonly string[];
      readonly interfaces?: readonly string[];
    };

/** A hook with what an entry of `hooks` in a configuration says of it. */
export interface LabHook {
  readonly hook: HookUnderTest;
  /** @defaultValue the name that the hook has */
  readonly name?: string;
  /** Larger runs first. @defaultValue the priority that the hook has */
  readonly priority?: number;
  /** As in a configuration: the schema of the hook checks them. @defaultValue none */
  readonly options?: unknown;
  /** @defaultValue that of {@link LabOptions.allow} */
  readonly allow?: LabGrant;
  /** `shadow`: the hook is called and not obeyed. @defaultValue `enforce` */
  readonly mode?: 'enforce' | 'shadow';
}

/** How a lab is set up. */
export interface LabOptions {
  /** Of the one hook that is given; several have theirs in their entries. */
  readonly options?: unknown;
  /** Between two ports, `a` and `b`, or between a host and its network. @defaultValue `bridge` */
  readonly attach?: 'bridge' | 'host';
  /** @defaultValue everything that a hook asks for */
  readonly allow?: LabGrant;
  /** What relative paths start from. @defaultValue the current folder */
  readonly folder?: string;
  /** What hooks are told of it. @defaultValue `live` */
  readonly mode?: 'live' | 'check' | 'replay';
  /** Number of the lane that hooks are told. @defaultValue 0 */
  readonly lane?: number;
  /** How many lanes hooks are told of. There is one. @defaultValue 1 */
  readonly lanes?: number;
  /** With `host`: the host's own addresses, from which the destination type of a packet follows. @defaultValue none */
  readonly addresses?: readonly string[];
  /** `faults.default`, as far as it is about hooks @defaultValue `drop` */
  readonly onHookError?: 'drop' | 'forward';
  /** Of `faults` what is about hooks: outcomes by the kind of fault, the budget and the breaker. @defaultValue onHookError, no budget, no breaker */
  readonly faults?: Partial<HookFaultPolicy>;
  /** `policy.nonIp` @defaultValue `forward` */
  readonly nonIp?: 'drop' | 'forward';
  /** `policy.unreadable` @defaultValue `drop` */
  readonly unreadable?: 'drop' | 'forward';
  /** Octets of the longest datagram that leaves. @defaultValue 1500 */
  readonly mtu?: number;
  /** Limit of the pool, in MiB; 0 lets every allocation fail. @defaultValue 64 */
  readonly poolLimitMiB?: number;
  /** Tables of prefixes by name, each as the lines of its list: `192.0.2.0/24 5`. @defaultValue none */
  readonly tables?: Readonly<Record<string, readonly string[]>>;
  /** What time it is for the packets, in milliseconds since 1970. @defaultValue the first moment of 2026 */
  readonly startMs?: number;
  /** The table of flows, where a hook asks for one: how many at a time, and milliseconds until they end. @defaultValue as in a configuration */
  readonly flows?: { readonly most?: number; readonly timeouts?: Partial<FlowTimeouts> };
}

/** Where a packet comes in: at a port of the bridge; or to the host (`in`), or from it (`out`). */
export type From = 'a' | 'b' | 'in' | 'out';

/**
 * Where a packet left: at a port of the bridge; to the host, to its network, or by the routes of the host (`routed`); out of an interface beside
 * those (`outlet`).
 */
export type To = 'a' | 'b' | 'host' | 'network' | 'routed' | 'outlet';

/** How a packet comes in. */
export interface SendOptions {
  /** @defaultValue `a` in a bridge, `in` at a host */
  readonly from?: From;
  /** The octets are a whole Ethernet frame. @defaultValue false: they are a datagram */
  readonly frame?: boolean;
  /** The TCP or UDP checksum is left to the network card, as in what a local program sends: only its pseudo header is summed. @defaultValue false */
  readonly partialChecksum?: boolean;
  /** Octets of payload in each segment of a super-frame, which the card is to cut: its checksum is partial too. @defaultValue it is none */
  readonly segmentSize?: number;
}

/** What becomes of a packet: exactly one of them. One that is `held` leaves later, in the {@link Passage} of a {@link Lab.tick}, or with another packet. */
export type Fate = 'forwarded' | 'dropped' | 'rejected' | 'replied' | 'reset' | 'held' | 'lost';

/** A frame or a datagram that left. */
export interface Departure {
  readonly to: To;
  /** Null where a frame carries no IP. */
  readonly datagram: OctetBuffer | null;
  /** Null where it was `routed`. */
  readonly frame: OctetBuffer | null;
  /** Made by a hook with `runtime.send`, `inject` or `mirror`. */
  readonly isMade: boolean;
  /** With `outlet`: name of the interface; null otherwise. */
  readonly outlet: string | null;
}

/** What a hook did wrong. */
export interface LabFault {
  readonly hook: string;
  /** What it did, and the line that it did it in, where there is one. */
  readonly text: string;
}

/** A line that a hook wrote, or that was written about it. */
export interface LabLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly hook: string;
  readonly message: string;
}

/** An event of a hook, in the envelope of EVE: as it would stand in the file of `events.file`. */
export type LabEvent = EveEvent;

/** What left, and what was at fault, while time went by. */
export interface Passage {
  /** Everything that left, in order. */
  readonly departures: readonly Departure[];
  /** Datagrams that a hook sent itself: `runtime.send`, and those in the frames of `inject` and `mirror`. */
  readonly sent: readonly OctetBuffer[];
  readonly faults: readonly LabFault[];
  /** What hooks made of `runtime.event`, in order. */
  readonly events: readonly LabEvent[];
}

/** What became of a packet. */
export interface Outcome extends Passage {
  readonly verdict: Fate;
  /** The counter of the ledger that says why it was dropped or lost, for example `droppedByHook`, `droppedByFault`, `lostTooLong`; null otherwise. */
  readonly reason: WayCounter | null;
  /** The hook that gave the verdict, if it was another one than FORWARD; null where none did. */
  readonly by: string | null;
  /** The reason that this hook gave with its verdict; null where it gave none. */
  readonly because: string | null;
  /** The datagram as it came in; null where it was none. */
  readonly arrived: OctetBuffer | null;
  /** Datagrams that left at the other side. */
  readonly out: readonly OctetBuffer[];
  /** Datagrams that left where it came from: an ICMP error, a reply, a TCP reset. */
  readonly back: readonly OctetBuffer[];
}

/** A lane with hooks, on a desk. */
export interface Lab {
  /** Names of the hooks in the order that they run in. */
  readonly hooks: readonly string[];
  /** Where packets come in: `a` and `b`, or `in` and `out`. */
  readonly sides: readonly From[];
  /** What time it is for the packets, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Every fault until now. */
  readonly faults: readonly LabFault[];
  /** Every line of the log until now. */
  readonly log: readonly LabLine[];
  /** Every event until now, but for {@link Lab.prepareFlood}. */
  readonly events: readonly LabEvent[];
  /** Everything that left until now, but for {@link Lab.prepareFlood}. */
  readonly departures: readonly Departure[];
  /**
   * Sends one packet through the hooks.
   *
   * Ownership: borrows `octets`.
   * @throws TypeError for octets that start neither as a datagram nor, with `frame`, as a frame, and for a side that there is not
   */
  send(octets: Uint8Array, options?: SendOptions): Promise<Outcome>;
  /**
   * Lets time pass for packets and hooks: what waits is called, each at its moment.
   *
   * @param ms - milliseconds, also parts of one
   */
  tick(ms: number): Promise<Passage>;
  /**
   * Makes a function that sends so many packets at once, a microsecond apart, and keeps nothing of what leaves: for what a packet costs. They
   * are in the counters of the hooks and not in the ledger, and a rejected one is not answered.
   *
   * Ownership: borrows the packets until it returns.
   * @param packets - sent in turn
   */
  prepareFlood(packets: readonly Uint8Array[], options?: SendOptions): (count: number) => void;
  /** The counters of a hook, from the opening of the lab on. */
  counters(hook: string): Readonly<Record<HookCounter, number>>;
  /** The counters and gauges that a hook has declared, by their names: as they are now, floods included. */
  metrics(hook: string): Readonly<Record<string, number>>;
  /** The reasons that a hook has declared, by their texts: how many verdicts it gave for each, floods included. */
  reasons(hook: string): Readonly<Record<string, number>>;
  /**
   * What is counted about the streams that a hook reads.
   *
   * @throws TypeError for a hook that reads none
   */
  streams(hook: string): StreamNumbers;
  /** The ledger of what came in at that side. @param from - both sides together when left out */
  ledger(from?: From): Readonly<Record<WayCounter, number>>;
  /**
   * Says that these faults were meant to be: all that came since it was called last, in order, a part of the text or a pattern for each.
   *
   * @throws AssertionError where others came
   */
  expectFaults(...patterns: readonly (string | RegExp)[]): void;
  /**
   * Calls `teardown` of each hook, and looks at what is left. To be awaited before another lab is opened; more than once does nothing.
   *
   * @throws AssertionError when a hook has left something in the pool, `teardown` threw, a fault was not expected, or the ledger does not add up
   */
  close(): Promise<void>;
}
