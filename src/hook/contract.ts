/**
 * The contract between the runtime and a hook: what a hook module exports and what its functions are handed.
 *
 * Two doors lead to one hook chain. `defineHook` is the idiomatic one; the seven-argument callback of the Windows
 * interface (`src/firewall/`) is taken as it stands. Rule: nothing that is handed to `onPacket` outlives the call.
 *
 * @module
 */

import type { FORWARD_ACTION } from '../firewall/constants.ts';
import type { Interest } from '../wire/interest.ts';
import type { Context, Packet } from './packet/packet-contract.ts';

/** Verdict of a hook made with `defineHook`: the packet goes on, and no later hook sees it. Not one of Windows. */
export const ACCEPT = 3;

/** FORWARD 0, DROP 1, ICMP_ON_DROP 2 or ACCEPT 3. Anything else, a promise included, is a hook fault. */
export type Verdict = FORWARD_ACTION | typeof ACCEPT;

/** What the runtime offers to a hook outside the packet. */
export interface HookRuntime {
  /** Name of this hook in logs, `firehook stats` and `firehook hooks`. */
  readonly name: string;
  /** What the hook runs for: live traffic, a look at a configuration before it is used (`--check`, and at each start), or `firehook replay`. */
  readonly mode: 'live' | 'check' | 'replay';
  /** Number of the lane that the hook runs in, from 0; a lane that replaces another one has its number. */
  readonly lane: number;
  /**
   * How many lanes there are. Each has a hook of its own, which sees a part of the flows: both directions of one, but not all of a source.
   */
  readonly lanes: number;
  /** Resolves a path relative to the config file (replay with `--hook`: the current directory). */
  resolvePath(path: string): string;
  /** Writes to the daemon's log, at a limited rate. */
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string): void;
  /**
   * Sends an IP datagram (version 4 or 6, checksums complete) out of this host by its routing table.
   *
   * Ownership: borrows `datagram`. Works where the lane has a `host` attach; it does not meet the hooks again.
   * With `driver: afpacket` it leaves, within `onPacket`, when the batch of packets ends. In replay it is written to the
   * output, before the packet at hand.
   * @returns true when it was taken; false, counted, where there is no way out. One that the kernel refuses at the end of
   * the batch is counted as refused all the same.
   */
  send(datagram: Uint8Array): boolean;
}

/** What a hook uses beside packets. */
export interface HookNeeds {
  /** Files and folders that it reads, relative to the configuration file. */
  readonly files?: readonly string[];
  /** Servers that it speaks to, by address and port: `tcp://192.0.2.7:443`, `udp://[2001:db8::53]:53`. */
  readonly network?: readonly string[];
}

/** What `defineHook` takes. `Options` is the type of the `options` of the config, checked by `setup`. */
export interface HookDefinition<Options = unknown> {
  /** Letters, digits and dashes; unique within the chain. */
  readonly name: string;
  /** Larger runs first. The `priority` of the config wins. Default 0. */
  readonly priority?: number;
  /**
   * The packets it is called with, in the language of pcap-filter(7): `udp port 53`. It is no promise: outside of it the hook is not called, live,
   * in replay and in tests. **Ports of IPv6 are found directly behind the fixed header only**, as in libpcap: a hook that must not be walked
   * around tests the fields in `onPacket`. See docs/filters.md.
   *
   * @defaultValue everything
   */
  readonly filter?: string;
  /**
   * The packets it wants to see, one set or several. Not beside a `filter`. A promise: outside of them it would answer FORWARD and change
   * nothing. The runtime may spare it those packets, and need not.
   *
   * @defaultValue everything
   */
  readonly interest?: Interest | readonly Interest[];
  /**
   * What it uses beside packets, fixed or by its options. The configuration has to grant it (`allow`), or the hook is refused by
   * name; what is not granted the kernel refuses.
   *
   * @defaultValue nothing
   */
  readonly needs?: HookNeeds | ((options: Options) => HookNeeds);
  /** Called once before the first packet. May read the files that were granted. A throw refuses the hook. */
  setup?(options: Options, runtime: HookRuntime): void | Promise<void>;
  /** The verdict on one packet. Synchronous: a promise is a hook fault. */
  onPacket(packet: Packet, context: Context): Verdict;
  /** Called once after the last packet. */
  teardown?(): void;
}

/** Symbol under which a defined hook carries its contract version, so that a module needs no import of the host. */
export const HOOK_META: unique symbol = Symbol.for('firehook.hook') as never;

/** Version of this contract. */
export const HOOK_API_VERSION = 1;

/** A hook as `defineHook` returns it. */
export type DefinedHook<Options = unknown> = HookDefinition<Options> & {
  readonly [HOOK_META]: { readonly apiVersion: number };
};

/** The modules of firehook that a hook can import, by name, each with what it exports. */
export type HookModules = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The same, names only. */
export type HookModuleNames = Readonly<Record<string, readonly string[]>>;
