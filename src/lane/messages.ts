/**
 * What supervisor and lane tell each other, over a pair of sockets that the supervisor opens: one JSON text a line.
 *
 * ```
 *   supervisor ── start (everything the lane needs) ──> lane
 *              <── opened (its sockets) ── ready (the hooks) │ failed (why) ───
 *              <── tried (what came of the trial packets) ──       then the lane ends
 *              ── locals (the host's addresses, when they change) ──>
 *              ── table (another version of one, whose descriptor was sent before) ──>
 *              ── breaker (of a hook, to be opened or closed) ──>
 *              ── ask (a device of a driver) ─────────>
 *              <──────────────────────── answered ────
 *              ── trace (which packets are told of, in the ring; or none) ──>
 *              ── handover (a step of it, in a reload) >
 *              <────────────────────────── handed ────
 *              ── stop ───────────────────────────────>      then the lane ends; its last numbers are in the progress file
 * ```
 * Rule: plain data only. Nothing about packets goes this way: under flood no message would get through. What a lane may say
 * is in `read-message.ts`, apart from here, so that a lane that starts need not load what checks it.
 *
 * @module
 */

import type { HookFaultPolicy } from '../config/faults.ts';
import type { LiveDriverName } from '../config/live-drivers.ts';
import type { OptionPlaces } from '../config/option-places.ts';
import type { AfpacketSockets, RingOptions } from '../drivers/afpacket-sockets.ts';
import type { InputPlace } from '../drivers/contract.ts';
import type { LivePortOptions } from '../drivers/live-port.ts';
import type { DatagramSockets } from '../drivers/queued-sender.ts';
import type { SampleSettings } from '../events/sampler.ts';
import type { HookBundle } from '../hook/bundle-hook.ts';
import type { FlowSettings } from '../hook/chain-flows.ts';
import type { VerifierSettings } from '../hook/verifier.ts';
import type { LogLevel } from '../telemetry/logger.ts';
import type { IcmpSettings } from './answer-budget.ts';
import type { LocalRoute } from './local-table.ts';
import type { Way } from './way.ts';

/** One bundle with what the config says about it. */
export interface HookSource {
  readonly bundle: HookBundle;
  /** What the configuration calls it; undefined: as its module does. */
  readonly name?: string | undefined;
  readonly priority: number | undefined;
  readonly options: unknown;
  /** Where the options stand; undefined where they are from no file. */
  readonly places?: OptionPlaces | undefined;
  /** What the configuration lets it use beside packets. */
  readonly allow: HookGrant;
  /** It is called and not obeyed. @defaultValue false */
  readonly isShadow?: boolean;
}

/** What the configuration lets a hook use. */
export interface HookGrant {
  /** Absolute paths of files and folders that it may read. */
  readonly files: readonly string[];
  /** Servers that it may speak to, as `tcp://192.0.2.7:443`. */
  readonly network: readonly string[];
  /** Interfaces beside those of the attaches that it may send frames out of. */
  readonly interfaces: readonly string[];
}

/** Nothing but packets. */
export const NO_GRANT: HookGrant = { files: [], network: [], interfaces: [] };

/** Whatever the hook asks for: for tests, whose process nobody confines. It is known by its identity, so no message grants it. */
export const EVERY_GRANT: HookGrant = Object.freeze({ files: [], network: [], interfaces: [] });

/** The user a lane becomes before it loads a hook. */
export interface LaneUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Descriptors that a lane finds open when it starts. */
export interface LaneSockets {
  readonly afpacket: AfpacketSockets;
  /** For ICMP errors and what hooks make; null where no way needs them. */
  readonly datagrams: DatagramSockets | null;
}

/** A version of a prefix table, whose descriptor comes by the socket for them. */
export interface TableVersion {
  readonly name: string;
  /** From 1 on, of this table. */
  readonly version: number;
  /** Number that comes with the descriptor; no other version of any table has it. */
  readonly id: number;
  readonly octets: number;
}

/** The same where its memory was made. */
export interface TableMemory extends TableVersion {
  /** Of memory that nobody can change. */
  readonly fd: number;
}

/** An interface that frames go out of and none come in by, as far as the lane is concerned. */
export interface Outlet {
  readonly name: string;
  /** Driver port; it sends nothing while there is no such interface. */
  readonly port: number;
}

/** A table of daemon scope that a hook asks for. */
export interface TableDemand {
  readonly hook: string;
  readonly name: string;
  readonly most: number;
  readonly keyOctets: number;
}

/** What is in the memory that all lanes share. */
export interface SharedTables {
  readonly octets: number;
  /** Two words of the hash of keys, drawn by the supervisor: the same for all lanes. */
  readonly seeds: readonly [number, number];
  /** In the order of their places. */
  readonly tables: readonly TableDemand[];
}

/** What firehook itself tells of in a lane. */
export interface OwnEvents {
  /** Packets that did not go on. */
  readonly drop: boolean;
  /** Flows that ended. */
  readonly flow: boolean;
  readonly sample: SampleSettings;
}

/** Everything a lane needs. */
export interface LaneSpec {
  /** `check` loads the hooks, says `ready` and ends; `try` shows them a small capture before it ends, and says `tried`. */
  readonly mode: 'run' | 'check' | 'try';
  /** Null: stay who you are (not started by root). */
  readonly user: LaneUser | null;
  readonly driver: LiveDriverName;
  readonly ports: readonly LivePortOptions[];
  /** For `afpacket`: the rings of the ports that capture. */
  readonly rings: readonly RingOptions[];
  /** What was opened for the lane; null where it opens its sockets itself, before it gives up root (`pcap`), or needs none. */
  readonly sockets: LaneSockets | null;
  readonly ways: readonly Way[];
  /** Interfaces beside those of the attaches that hooks send frames out of, each with its port. */
  readonly outlets: readonly Outlet[];
  /** The host's own addresses and broadcasts when the lane is started. */
  readonly locals: readonly LocalRoute[];
  /** Interfaces of the configuration by name; their indexes are those of the ways, where there are any. */
  readonly interfaces: Readonly<Record<string, number>>;
  readonly hooks: readonly HookSource[];
  /** Their descriptors are there before the spec, in this order. */
  readonly tables: readonly TableVersion[];
  /** The tables of hooks that all lanes have, in the memory of a descriptor; null without any, and in a check. */
  readonly shared: SharedTables | null;
  readonly configFolder: string;
  /** What is declared about faults of hooks. */
  readonly faults: HookFaultPolicy;
  /** Hooks that are taken out from the start: their breakers were open in the lane before. */
  readonly openBreakers: readonly string[];
  readonly policy: {
    readonly nonIp: 'drop' | 'forward';
    readonly unreadable: 'drop' | 'forward';
  };
  readonly icmp: IcmpSettings;
  readonly poolLimitMiB: number;
  readonly flows: FlowSettings;
  /** A ring for events is there. */
  readonly hasEvents: boolean;
  /** What is told of beside the events of hooks, and how much of it. */
  readonly ownEvents: OwnEvents;
  /** Another lane has the packets. */
  readonly isSuccessor: boolean;
  /** In a trial: frames of live traffic, and how much of the memory is written; its descriptor comes as that of a table does. Null without. */
  readonly recent: (EstateMemory & { readonly written: number }) | null;
  /** For `pcap`: groups in which a successor can take over the ports that capture. */
  readonly groups: readonly { readonly port: number; readonly id: number }[];
  /** Most memory that the process may write to. */
  readonly memoryMiB: number;
  readonly verifier: VerifierSettings;
  readonly logLevel: LogLevel;
  /** Number of the lane, from 0. */
  readonly lane: number;
  /** How many lanes there are. */
  readonly lanes: number;
  /** Count in-place changes too: for `tap`. */
  readonly trackChanges: boolean;
}

/** A hook of a running lane, in running order. */
export interface HookInfo {
  readonly name: string;
  readonly path: string;
  readonly priority: number;
  readonly kind: 'defined' | 'callback' | 'driver';
  /** It is called and not obeyed: its counters say what it would have done. */
  readonly isShadow: boolean;
}

/** What the user-mode side of a driver asks one of its devices. */
export interface DeviceRequest {
  /** The answer carries it. */
  readonly id: number;
  /** `\\\\.\\Name`, `\\Device\\Name` or `\\DosDevices\\Name`. */
  readonly device: string;
  /** I/O control code. */
  readonly code: number;
  /** Base64. */
  readonly input: string;
  /** Octets of output at most. */
  readonly outputLength: number;
}

/** Most octets of input and of output of a {@link DeviceRequest}. */
export const MAX_DEVICE_OCTETS = 32 * 1024;

/** Characters of {@link MAX_DEVICE_OCTETS} in base64. */
export const MAX_DEVICE_TEXT: number = Math.ceil(MAX_DEVICE_OCTETS / 3) * 4;

/** Which packets the supervisor wants to be told of. */
export interface TraceOrder {
  /** Stands in each record. */
  readonly id: number;
  /** pcap-filter(7); '' for every packet. */
  readonly expression: string;
  /** Most octets of each frame that are told, too; null: none. */
  readonly octets: number | null;
}

/**
 * What a lane is told while another one takes its place. Two lanes have a part in it: the one that has the packets, and its successor, which
 * is ready and has none.
 *
 * ```
 *   sample  has packets    copies the frames that come next; `sampled` asks how much it has copied
 *   keep    has packets    no successor gets any until it takes them (before it is started)
 *   take    successor      the packets that come from now on wait for it
 *   leave   has packets    hands out what came before, writes down what it knows: the answer says where it stands
 *   adopt   successor      takes over what the other one wrote down, and goes on
 *   goOn    has left       something went wrong: it goes on itself
 *   giveBack  successor    likewise: the packets are no longer its own
 * ```
 */
export type HandoverStep =
  | { readonly step: 'sampled' | 'keep' | 'take' | 'giveBack' }
  | { readonly step: 'sample' | 'leave'; readonly memory: EstateMemory }
  | { readonly step: 'adopt'; readonly place: InputPlace; readonly memory: EstateMemory; readonly size: EstateSize }
  | { readonly step: 'goOn'; readonly place: InputPlace };

/** Memory in which a lane leaves what it knows; its descriptor comes as that of a table does, before the step. */
export interface EstateMemory {
  /** Number that comes with the descriptor; no table has it. */
  readonly id: number;
  readonly octets: number;
}

/** Octets of it that are written. */
export interface EstateSize {
  /** What hooks hand on. */
  readonly hooks: number;
  /** Flows, behind it. */
  readonly flows: number;
}

/** From supervisor to lane. */
export type ToLane =
  | { readonly type: 'start'; readonly spec: LaneSpec }
  | { readonly type: 'locals'; readonly locals: readonly LocalRoute[] }
  | ({ readonly type: 'table' } & TableVersion)
  | ({ readonly type: 'ask' } & DeviceRequest)
  | { readonly type: 'trace'; readonly order: TraceOrder | null }
  | { readonly type: 'breaker'; readonly hook: string; readonly isOpen: boolean }
  | ({ readonly type: 'handover'; readonly id: number } & HandoverStep)
  /** It has left: it ends when nothing waits in it any more. */
  | { readonly type: 'retire' }
  | { readonly type: 'stop' };

/** Octets of the longest line of a lane, its newline not counted: `ready` with all metrics and reasons that there can be. */
export const MAX_LANE_LINE = 384 * 1024;
/** Characters of the longest message of a lane that failed. */
export const MAX_FAILURE = 8 * 1024;
