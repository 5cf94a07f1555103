/**
 * The contract between the runtime and a hook: what a hook module exports and what its functions are handed.
 *
 * Two doors lead to one hook chain. `defineHook` is the idiomatic one; the seven-argument callback of the Windows
 * interface (`src/firewall/`) is taken as it stands. Rule: nothing that is handed to `onPacket` outlives the call.
 *
 * @module
 */

import type { FORWARD_ACTION } from '../firewall/constants.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import type { Prefix } from '../wire/address.ts';
import type { Interest } from '../wire/interest.ts';
import type { OctetBuffer } from '../wire/octet-buffer.ts';

/** Verdict of a hook made with `defineHook`: the packet goes on, and no later hook sees it. Not one of Windows. */
export const ACCEPT = 3;

/** FORWARD 0, DROP 1, ICMP_ON_DROP 2 or ACCEPT 3. Anything else, a promise included, is a hook fault. */
export type Verdict = FORWARD_ACTION | typeof ACCEPT;

/**
 * One IP datagram, from the IP header on, as a hook sees it.
 *
 * Ownership: borrowed, valid during `onPacket` only. The same object is used for every packet; fields are read from the
 * datagram when they are asked for, so a change made through {@link Packet.bytes} shows at once.
 */
export interface Packet {
  /** 4 or 6. */
  readonly version: 4 | 6;
  /** Protocol number of the transport header (IPv6: after the extension headers), for example 6 for TCP. */
  readonly protocol: number;
  /** Octets from the start of the datagram to its end, link padding excluded. */
  readonly length: number;
  /** Octet in {@link Packet.bytes} where the transport header starts. */
  readonly transportOffset: number;
  /** True for any fragment, the first included. */
  readonly isFragment: boolean;
  /** Offset of this fragment in the original payload, in octets; 0 for whole datagrams and first fragments. */
  readonly fragmentOffset: number;
  /** Source address. */
  readonly source: Address;
  /** Destination address. */
  readonly destination: Address;
  /** 0-65535; -1 where there is none (other protocols, later fragments). */
  readonly sourcePort: number;
  /** 0-65535; -1 where there is none (other protocols, later fragments). */
  readonly destinationPort: number;
  /** The flags octet of the TCP header (FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32); -1 where there is none. */
  readonly tcpFlags: number;
  /** Octet in {@link Packet.bytes} where the payload after the transport header starts. */
  readonly payloadOffset: number;
  /** View of the payload after the transport header. Makes one small object at each read: not for every packet. */
  readonly payload: OctetBuffer;
  /**
   * The datagram, writable in place. Valid are the first {@link Packet.length} octets; the buffer itself may be longer.
   * After a change the checksums are the hook's business: `updateTransportChecksum16` and its kin do it.
   *
   * It is a copy, made when the first hook asks for it: about 150 ns a packet with the look whether something was changed. The
   * fields of the packet cost nothing of it. A view that is kept is dead, with length 0, when the batch ends.
   */
  readonly bytes: OctetBuffer;
  /** The datagram as a chain of buffers, the Windows way. */
  readonly chain: IPRcvBuf;
  /**
   * Lets another chain take this packet's place. Has effect with a FORWARD verdict; later hooks see the new chain.
   *
   * Ownership: takes `chain`, whatever the verdict; the runtime frees both.
   */
  replace(chain: IPRcvBuf): void;
  /**
   * A copy of the datagram for a hook that wants it beyond its call: what {@link Packet.bytes} shows now, in one buffer
   * of the pool. Checksum offload: the copy's transport checksum is completed, so that it is a valid datagram by itself;
   * where that cannot be (a fragment, a packet that the capture cut) `ipr_flags` keeps `IPR_FLAG_CHECKSUM_OFFLOAD`.
   *
   * To be called from within `onPacket` only. Cost: a descriptor, and O(length) for the copy and its checksum.
   *
   * Ownership: returns owned, booked on the hook under the tag `'peeK'`, shown `Keep`. Free it with `IPFreeBuff`, or
   * hand it over with {@link Packet.replace} of this packet or a later one.
   * @returns null when the pool is exhausted, or for a super-frame longer than 65,535 octets
   */
  keep(): IPRcvBuf | null;
}

/** An address inside a packet: comparable octets, and text on demand. Borrowed like the packet. */
export interface Address {
  /** 4 or 16. */
  readonly length: 4 | 16;
  /** The octet at `index`, 0 to `length` - 1. */
  at(index: number): number;
  /**
   * 32-bit word number `index` as an unsigned number; IPv4 has word 0, IPv6 words 0 to 3. From 2^31 on it may take 16 octets of
   * heap, where V8 does not put the call in line; `at` never does.
   */
  word(index: number): number;
  /** True when the octets are those of `other`. Never allocates. */
  equals(other: Uint8Array): boolean;
  /** True when it is in this prefix, of its own family, as `parseCidr` gives it. Never allocates. Cost: O(length of the prefix). */
  isIn(prefix: Prefix): boolean;
  /** A copy of the octets that outlives the call. */
  toBytes(): Uint8Array;
  /** Text form (RFC 5952 for IPv6). Makes a string: not for every packet. */
  toString(): string;
}

/** Where a packet was met. Borrowed like the packet. */
export interface Context {
  /** IP_TRANSMIT 0 or IP_RECEIVE 1. */
  readonly direction: 0 | 1;
  /** Index of the interface of arrival; LOCAL_IF_INDEX for packets this host sends. */
  readonly recvInterfaceIndex: number;
  /** Index of the interface it will leave by; INVALID_IF_INDEX for packets to this host. A bridge port may be set. */
  sendInterfaceIndex: number;
  /** DEST_LOCAL, DEST_REMOTE and their kin. */
  destinationType: number;
  /**
   * When the kernel saw the packet: milliseconds since 1970 with a fraction, CLOCK_REALTIME. In replay, the file's; 0 where
   * the file has none (a simple packet block of pcapng).
   */
  readonly timestamp: number;
  /** The same, exact, in nanoseconds. Makes a bigint: not for every packet. */
  readonly timestampNs: bigint;
}

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
