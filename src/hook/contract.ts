/**
 * The contract between the runtime and a hook: what a hook module exports and what its functions are handed.
 *
 * Two doors lead to one hook chain. `defineHook` is the idiomatic one; the seven-argument callback of the Windows
 * interface (`src/firewall/`) is taken as it stands. Rule: nothing that is handed to `onPacket` outlives the call.
 *
 * @module
 */

import type { EventType } from '../events/event-layout.ts';
import type { FORWARD_ACTION } from '../firewall/constants.ts';
import type { ColumnType } from '../flow/flow-store.ts';
import type { Address, Column, Context, EndedFlow, FlowRecord, Packet } from './packet/packet-contract.ts';
import type { Stream, StreamOptions, StreamVerdict } from './stream/stream-contract.ts';

/** Verdict of a hook made with `defineHook`: the packet goes on, and no later hook sees it. Not one of Windows. */
export const ACCEPT: 3 = 3;

/**
 * Verdict of a hook made with `defineHook`: the packet is dropped, and both ends of its TCP connection get a reset with the right numbers. It is
 * limited in rate as ICMP errors are. What is not TCP is answered as by ICMP_ON_DROP.
 */
export const RESET: 4 = 4;

/**
 * Verdict of a hook made with `defineHook`: the packet, as the hooks have written it, goes back to who sent it. MAC addresses are exchanged by the
 * runtime; addresses and ports are the hook's business (`packet.ip.swap()`, {@link Packet.replyUdp}).
 */
export const REPLY: 5 = 5;

/**
 * Verdict of a hook made with `defineHook`: the packet waits. Only as {@link Packet.hold} and {@link Packet.holdUntil} return it: without one of
 * them it is no verdict.
 */
export const HELD: 6 = 6;

declare const REASONED: unique symbol;

/** A verdict with a reason, as {@link Reason} has it: a small integer that means something in this lane only. */
export type ReasonedVerdict = number & { readonly [REASONED]: true };

/** A verdict without a reason that ends a packet or lets it go on. */
export type PlainVerdict = FORWARD_ACTION | typeof ACCEPT | typeof RESET | typeof REPLY;

/**
 * FORWARD 0, DROP 1, ICMP_ON_DROP 2, ACCEPT 3, RESET 4, REPLY 5 or HELD 6, or one of them for a {@link Reason}. Anything else, a promise
 * included, is a hook fault.
 */
export type Verdict = PlainVerdict | typeof HELD | ReasonedVerdict;

/** What a packet that waited can get: everything but HELD. */
export type FinalVerdict = Exclude<Verdict, typeof HELD>;

/**
 * Why a hook gives a verdict: one of a few texts that it has declared. Its members are verdicts to be returned, `return telnet.drop`, and how
 * often that happened is in `firehook hooks`, `firehook stats`, the report of a replay and `lab.reasons`.
 *
 * Cost: an addition for each verdict with a reason, no allocation; nothing for the others.
 */
export interface Reason {
  readonly text: string;
  /** FORWARD for this reason. */
  readonly forward: ReasonedVerdict;
  /** DROP for this reason. */
  readonly drop: ReasonedVerdict;
  /** ICMP_ON_DROP for this reason. */
  readonly reject: ReasonedVerdict;
  /** ACCEPT for this reason. */
  readonly accept: ReasonedVerdict;
  /** RESET for this reason. */
  readonly reset: ReasonedVerdict;
  /** REPLY for this reason. */
  readonly reply: ReasonedVerdict;
  /** A verdict that follows from an option, for this reason; one with a reason is refused. @throws RangeError for HELD, and for none */
  with(verdict: FinalVerdict): ReasonedVerdict;
}

/** How many packets a hook may let wait, and for how long. */
export interface HoldRule {
  /** Packets at a time: 1 to 65,535, those of all hooks together. */
  readonly packets: number;
  /**
   * Their memory, in MiB. A packet takes 2,048, 16,384 or 66,560 octets: the least of them that it fits with its link header.
   */
  readonly mib: number;
  /** Longest that a packet waits, in milliseconds: up to an hour. */
  readonly timeoutMs: number;
  /** What becomes of a packet that nobody has released until then. @defaultValue DROP */
  readonly onTimeout?: PlainVerdict;
}

/** What the runtime offers to a hook outside the packet. */
export interface HookRuntime {
  /** Name of this hook in logs, `firehook stats` and `firehook hooks`. */
  readonly name: string;
  /**
   * What the hook runs for: live traffic; live traffic of which nothing is done that it says (`mode: shadow` in the configuration, or a bridge
   * that is not enforced); a look at a configuration before it is used (`--check`, and at each start); or `firehook replay`.
   */
  readonly mode: 'live' | 'shadow' | 'check' | 'replay';
  /** Number of the lane that the hook runs in, from 0; a lane that replaces another one has its number. */
  readonly lane: number;
  /**
   * The interfaces that packets come from and go to, by name, with the index that the context has; this host itself is `local`. In a check the
   * indexes are none of the system's; in replay only the interfaces of the file have packets, and those of the configuration are there without.
   */
  readonly interfaces: ReadonlyMap<string, number>;
  /**
   * How many lanes there are. Each has a hook of its own, which sees a part of the flows: both directions of one, but not all of a source.
   */
  readonly lanes: number;
  /**
   * Calls back once, `ms` milliseconds from now, on the clock of the packets: in replay that of the file. Never within a packet. What it throws
   * or rejects is a fault of this hook. After `teardown` it is not called, nor after a reload: {@link Handlers.onLeave} hands on what it was for.
   *
   * @returns a number for {@link HookRuntime.cancel}
   * @throws RangeError for a time that is none, and when 10,000 wait
   */
  after(ms: number, run: () => void | Promise<void>): number;
  /**
   * The same every `ms` milliseconds, 1 at least. Over a reload it goes on: one that `setup` or `adopt` of the new lane starts, of the same interval
   * and the same place among those of that interval, is first called when this one would have been.
   */
  every(ms: number, run: () => void | Promise<void>): number;
  /** The timer does not run any more. */
  cancel(timer: number): void;
  /**
   * A packet that this hook held goes on with this verdict. With FORWARD it goes to the hooks behind this one and leaves as it would have left;
   * the others mean what they mean when `onPacket` returns them. It goes once the packet at hand is through, or at once where there is none.
   *
   * @param token - {@link Packet.token} of the packet
   * @returns false when it waits no longer: its time was over before
   * @throws TypeError for what is no verdict
   */
  release(token: number, verdict: FinalVerdict): boolean;
  /** Resolves a path relative to the config file (replay with `--hook`: the current directory). */
  resolvePath(path: string): string;
  /**
   * The column that the definition declares under this name.
   *
   * @throws RangeError when it declares none
   */
  column(name: string): Column;
  /**
   * The table of prefixes that the configuration has under this name (`tables`). Held for as long as one likes: when its list has changed, the
   * new version is in it from one packet to the next. It takes no `allow`.
   *
   * @throws Error when the configuration has no such table
   */
  prefixes(name: string): PrefixTable;
  /**
   * A counter of this hook, in `firehook hooks`, `firehook stats` and the report of a replay: added up over all lanes, and kept when one of them
   * dies. To be called in `setup` only.
   *
   * @param name - 1 to 48 small letters, digits and underscores, a letter first, its unit at the end (`octets`, `seconds`) and no `_total`
   * @param help - a sentence for whoever reads the number: 120 characters of ASCII at most
   * @throws Error for another name, one that the hook has already, a 65th, and after `setup`
   */
  counter(name: string, help?: string): Counter;
  /**
   * A number that goes up and down: `read` is called between two packets, about 20 times a second. That of all lanes is the sum, and that of a
   * lane that ends is gone. A `read` that throws or returns no finite number is a fault, and is called no more.
   *
   * @throws Error as for {@link HookRuntime.counter}
   */
  gauge(name: string, read: () => number, help?: string): void;
  /**
   * A reason that this hook gives with verdicts. To be called in `setup` only.
   *
   * @param text - 1 to 64 printable characters of ASCII, for whoever reads why a packet was dropped: `telnet`, `line 12: drop tcp to port 23`
   * @throws Error for another text, one that the hook has already, a 65th, and after `setup`
   */
  reason(text: string): Reason;
  /**
   * Has something written down about a packet: with `events.file` in the configuration a line of JSON in the envelope of Suricata's EVE, in
   * replay with `--events`, in tests in `lab.events`. Text is made of it outside of the lane. Where there is no room it is lost and counted.
   *
   * Ownership: everything is copied. Cost: about 300 ns with two numbers, 450 with a short text; no allocation where the numbers are small integers and the
   * object of the fields is kept.
   * @param about - the packet or flow at hand; null for neither
   * @param fields - small letters, digits and underscores as names; numbers, and texts of at most 256 octets, which are cut. An event has room
   * for 450 octets of them
   * @throws TypeError for another type, about, name or value
   */
  event(type: EventType, about: Packet | FlowRecord | null, fields?: EventFields): void;
  /**
   * An event of type `alert` with all that Suricata's have, so that what reads those reads this: signature, category, severity, action, and the
   * numbers of the signature. As {@link HookRuntime.event} otherwise.
   *
   * @param about - the packet or flow at hand; null for neither
   * @param signature - what was found, in words; more than 200 octets are cut
   * @throws TypeError for a signature that is no text, and for a detail that cannot be
   */
  alert(about: Packet | FlowRecord | null, signature: string, details?: AlertDetails): void;
  /**
   * The table that the definition declares under this name ({@link HookHead.tables}).
   *
   * @throws RangeError when it declares none
   */
  table(name: string): Table;
  /**
   * Verdicts that take time: `ask` is called once for an address that nobody has asked about, after the packet, and the packets wait meanwhile
   * (`hold` in the definition). Its answer is remembered in a table of the definition for as long as that says, so that the next packet costs a look
   * into it. An `ask` that throws or rejects, or answers no verdict, is a fault of the hook: its packets get `hold.onTimeout`, and the next one
   * asks again. In replay an answer that comes from elsewhere comes too late: time is that of the file.
   *
   * @param table - its name in `tables`
   * @param ask - is given the address as text, and a signal that is aborted when its packets can wait no longer
   * @throws RangeError when the definition has no such table; TypeError when it has no `hold`
   */
  decisions(
    table: string,
    ask: (address: string, signal: DecisionSignal) => FinalVerdict | Promise<FinalVerdict>,
  ): Decisions;
  /** Writes to the daemon's log, at a limited rate. */
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string): void;
  /**
   * Sends an IP datagram (version 4 or 6, checksums complete) out of this host by its routing table.
   *
   * Ownership: borrows `datagram`. Works with every attach but `tap`, where nothing is sent; it does not meet the hooks again.
   * With `driver: afpacket` it leaves, within `onPacket`, when the batch of packets ends. In replay it is written to the
   * output, before the packet at hand.
   * @returns true when it was taken; false, counted, where there is no way out. One that the kernel refuses at the end of
   * the batch is counted as refused all the same.
   */
  send(datagram: Uint8Array): boolean;
  /**
   * Sends a whole frame, with its link header, out of an interface of a `bridge` or `host`, or of one that the hook `needs`. It does not
   * meet the hooks again, and nothing about it is looked at: addresses, lengths and checksums are as the hook wrote them. For an answer to a
   * packet that came before, {@link Link.toBytes} has the link header.
   *
   * Ownership: borrows `frame`. Cost: two copies. It leaves, within `onPacket`, when the batch of packets ends, else at once. In replay it is
   * written to the output.
   *
   * @param frame - an Ethernet frame, without its frame check sequence
   * @param to - name of the interface
   * @returns true when it was taken; false, counted, where the interface takes none: it is not there, the frame is too long for it, the kernel refused it
   * @throws RangeError for an interface that this hook has no right to, or that is none of the attaches
   */
  inject(frame: Uint8Array, to: string): boolean;
  /**
   * Sends a copy of the packet at hand, as the hooks have written it up to now and with its link header, out of such an interface. Its
   * checksums are final. A super-frame goes whole, to be cut by the network card that sends it.
   *
   * Cost: two copies, and the sum over the packet where its checksum was not final. Of a packet that came in at a `tap` nothing is sent.
   *
   * @param octets - most octets of the frame that are sent; a super-frame goes as one frame of so many then. @defaultValue all
   * @returns as {@link HookRuntime.inject} does
   * @throws TypeError outside of `onPacket` and `onFlow`; RangeError as {@link HookRuntime.inject} does
   */
  mirror(to: string, octets?: number): boolean;
}

/** What an event says: a field that is undefined, or no finite number, is left out. */
export type EventFields = Readonly<Record<string, string | number | undefined>>;

/** What an alert says beside its signature. */
export interface AlertDetails {
  /** 1 is the most severe, 255 the least. @defaultValue 3 */
  readonly severity?: number;
  /** At most 64 octets. @defaultValue none, '' */
  readonly category?: string;
  /** What became of the packet. @defaultValue allowed */
  readonly action?: 'allowed' | 'blocked';
  /** Number of the signature, 0 to 2^32 - 1. @defaultValue 0 */
  readonly id?: number;
  /** Its revision, likewise. @defaultValue 1 */
  readonly revision?: number;
}

/** A counter of a hook, of one lane. */
export interface Counter {
  /**
   * Adds to it. Cost: an addition, no allocation.
   *
   * @param value - not negative, also with a fraction; 1 when left out
   * @throws RangeError for a negative number, and for none
   */
  add(value?: number): void;
}

/** A set of prefixes, each with a value. All lanes have the same. */
export interface PrefixTable {
  /** Prefixes of both families, equal ones counted once. */
  readonly size: number;
  /**
   * The value of the longest prefix that the address is in, 0 without one; 0 to 2^30 - 1. Never allocates.
   *
   * Cost: two places of memory for IPv4 and three for IPv6, of a table that may be larger than the caches: below 100 ns.
   */
  lookup(address: Address): number;
}

/** The AbortSignal of the platform: a project without its types compiles as well. */
export type DecisionSignal = typeof globalThis extends { AbortSignal: { readonly prototype: infer Signal } }
  ? Signal
  : { readonly aborted: boolean };

/** Verdicts that take time. */
export interface Decisions {
  /**
   * What was answered about an address; HELD where the answer is still to come. To be returned: `return decided.of(packet, packet.source)`.
   *
   * @param otherwise - the verdict where there is no room for one more packet. @defaultValue DROP
   */
  of(packet: Packet, address: Address, otherwise?: Verdict): Verdict;
}

/** How a table of a hook is made. */
export interface TableRule {
  /** Entries that it has room for, 1 to 2,097,152. It takes 72 octets for each, 136 with `keyOctets` beyond 16. */
  readonly most: number;
  /** How long an entry lives after it was set, and the longest that one can: milliseconds on the clock of the packets, up to a year. */
  readonly ttlMs: number;
  /**
   * `daemon`: all lanes have the same entries, and a lane that takes the place of another finds them. `lane`: each lane has its own.
   *
   * @defaultValue `daemon`
   */
  readonly scope?: 'lane' | 'daemon';
  /** Octets of the longest key, 4 to 40: 16 for an address of IPv6, and 4 for each number. @defaultValue `16` */
  readonly keyOctets?: number;
}

/** A key of several parts; see {@link Table.key}. */
export interface TableKey {
  /** Told from an address by it. */
  readonly length: 0;
}

/**
 * Numbers by key, each for a while: what a hook remembers of sources, of pairs of ends, of whatever it can name in 40 octets. Made at the
 * start, and never larger. Nothing is allocated for a packet.
 *
 * All lanes may write at once; **the last one wins**, and two who read a value and set it to one more each may count one. An entry is found
 * whole or not at all. A hook reckons with any value from 0 to 2^30 - 1: the memory is that of all hooks, and a hook that means harm can
 * write anything there.
 */
export interface Table {
  /** Entries in time that this lane has given up for others: more than none says that `most` is too small. */
  readonly evicted: number;
  /**
   * The value, 0 without one. Cost: about 40 ns, of a table that may be larger than the caches.
   *
   * @throws TypeError for what is neither an address of the packet nor a key of this table
   */
  get(key: Address | TableKey): number;
  /**
   * Gives the key a value from now on; 0 takes it away. Where there is no room, what is over goes, then what ends first of 16 entries that the
   * hash leaves to choose from: up to `most` entries that is one in a thousand. Cost: about 80 ns.
   *
   * @param value - a whole number from 0 to 2^30 - 1
   * @param ttlMs - how long, at most `ttlMs` of the table @defaultValue that
   * @throws RangeError for another value or time; TypeError as above
   */
  set(key: Address | TableKey, value: number, ttlMs?: number): void;
  /** Takes the key away. @throws TypeError as above */
  delete(key: Address | TableKey): void;
  /**
   * A key of up to four parts, addresses and numbers of 32 bits: `table.get(table.key(source, destinationPort))`. It is one object, loaded anew at
   * each call.
   *
   * @throws RangeError when it has more than `keyOctets`
   */
  key(
    first: Address | number,
    second?: Address | number,
    third?: Address | number,
    fourth?: Address | number,
  ): TableKey;
  /**
   * The first bits of an address as a key: of IPv6, where a host has a /64 to itself, `table.network(source, 32, 64)`. Else as {@link Table.key}.
   *
   * @throws RangeError for bits that an address does not have
   */
  network(address: Address, ipv4: number, ipv6: number): TableKey;
}

/** What a hook uses beside packets. */
export interface HookNeeds {
  /** Files and folders that it reads, relative to the configuration file. */
  readonly files?: readonly string[];
  /** Servers that it speaks to, by address and port: `tcp://192.0.2.7:443`, `udp://[2001:db8::53]:53`. */
  readonly network?: readonly string[];
  /** Interfaces beside those of the attaches that it sends frames out of, by name: see {@link HookRuntime.inject}. */
  readonly interfaces?: readonly string[];
}

/**
 * A schema of options, of whichever library has the interface Standard Schema, version 1: zod, valibot, arktype and others.
 *
 * @see https://standardschema.dev
 */
export interface StandardSchema<Output> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    /** What TypeScript knows of it. */
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
    /** The value, with defaults filled in, or what is wrong with it. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
  };
}

/** What a schema says about a value: it has `issues` where the value is refused. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** What is wrong with a value, and where in it. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What the runtime calls: `onPacket`, `onFlow` or `onStream`, or several of them. Synchronous: a promise is a hook fault. */
export interface Handlers {
  /** The verdict on one packet. */
  onPacket?(packet: Packet, context: Context): Verdict;
  /**
   * The verdict on a packet that starts a flow, **and on each packet that belongs to none**: `packet.flow` is null then, and `packet.flowState`
   * says why. Called before `onPacket`, which follows where this one says FORWARD. A hook that has only this one lets the other packets of a
   * flow go on without being called.
   */
  onFlow?(packet: Packet, context: Context): Verdict;
  /**
   * The verdict on a TCP stream of which new octets are in order, or which has ended: MORE, or a verdict that ends the reading. The definition
   * says with `stream` which ones. Called before `onFlow` and `onPacket`, which follow where the segment goes on. What it throws is a fault, and
   * decides the connection as `faults.hookThrows` says.
   */
  onStream?(stream: Stream): StreamVerdict;
  /** A flow ends; it may be any flow of the lane, also one whose packets a filter kept from the hook. */
  onFlowEnd?(flow: EndedFlow): void;
  /**
   * The configuration is loaded anew, and another lane takes the place of this one. Called after the last packet and before `teardown`.
   *
   * @returns what `adopt` of the hook of that name gets there: anything that `structuredClone` takes, 16 MiB at most. Flows with their columns,
   * tables of scope `daemon` and timers that repeat go over by themselves; those that are called once do not.
   */
  onLeave?(): unknown;
  /**
   * Called after `setup` and before the first packet, where this lane takes the place of another one whose `onLeave` has returned something.
   *
   * @param state - a copy. The hook there may have been another version of this one: look at what it is. A throw is a fault of the hook, which
   * goes on without.
   */
  adopt?(state: unknown): void;
  /** Called once after the last packet. */
  teardown?(): void;
  /** The packets it is called with, where that follows from the options. Not beside a `filter` of the definition. */
  readonly filter?: string;
  /** Bounds of the packets that wait, where they follow from the options; otherwise those of the definition hold. */
  readonly hold?: HoldRule;
  /** `false`: the definition asks for flows, and with these options the hook needs none. Where no hook needs them they cost nothing. */
  readonly flows?: false;
}

/** What every hook says of itself. */
export interface HookHead<Options> {
  /**
   * Version of this interface that the hook was written for: the number itself, so that it stands in the hook's own build and stays what it was
   * when firehook is updated. A hook of another number is refused. Needed in an npm package.
   *
   * @defaultValue in a file beside the configuration: that of the firehook that runs it
   */
  readonly api?: typeof HOOK_API_VERSION;
  /** Letters, digits and dashes; unique within the chain. The `name` of the config wins. */
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
   * Asks for the flow table: `packet.flow` and `packet.flowState`. With `columns` the hook keeps numbers with each flow, `int32` in 4 octets or
   * `float64` in 8, which `runtime.column` reads and writes. How many flows there are at a time says the configuration (`flows`).
   *
   * @defaultValue false, and true where there is an `onFlow` or `onFlowEnd` in the definition
   */
  readonly flows?: boolean | { readonly columns?: Readonly<Record<string, ColumnType>> };
  /**
   * The streams that `onStream` is called with; a function of the checked options where they decide it. It asks for the flow table as well. Not
   * beside `filter`: the ports say which packets are needed.
   *
   * @defaultValue none
   */
  readonly stream?: StreamOptions | ((options: Options) => StreamOptions);
  /**
   * Lets packets wait, within these bounds: see {@link Packet.hold}.
   *
   * @defaultValue none may wait
   */
  readonly hold?: HoldRule;
  /**
   * What the `options` of the config have to be. They are checked before anything else of the hook is called, `{}` where the config has none;
   * an error names file, line, hook and key.
   *
   * @defaultValue they are passed on as they are, and `setup` checks them
   */
  readonly options?: StandardSchema<Options>;
  /**
   * The tables that `runtime.table` gives, by name, fixed or by its options. Their memory is made before the lanes are; those of all hooks
   * together have 256 MiB at most.
   *
   * @defaultValue none
   */
  readonly tables?: Readonly<Record<string, TableRule>> | ((options: Options) => Readonly<Record<string, TableRule>>);
  /**
   * What it uses beside packets, fixed or by its options. The configuration has to grant it (`allow`), or the hook is refused by
   * name; what is not granted the kernel refuses.
   *
   * @defaultValue nothing
   */
  readonly needs?: HookNeeds | ((options: Options) => HookNeeds);
  /**
   * Whether `setup` may be called where no packet will follow but those of a trial: by `--check`, and before each start. Say true where it does
   * nothing that is seen outside, such as speaking to a server; the trial then finds what is wrong with the hook before a packet does. A hook without
   * `setup` is always tried. Replay and `firehook/testing` are no checks: they set up each hook.
   *
   * @defaultValue false
   */
  readonly checkable?: boolean;
}

/** A hook whose handlers `setup` makes: what they share stands in its scope, and one module can be in the configuration twice. */
export interface InstanceHook<Options> extends HookHead<Options> {
  /** Called once before the first packet, in each lane. May read the files that were granted. A throw refuses the hook. */
  setup(options: Options, runtime: HookRuntime): Handlers | Promise<Handlers>;
  readonly onPacket?: never;
  readonly onFlow?: never;
  readonly onStream?: never;
  readonly onFlowEnd?: never;
  readonly onLeave?: never;
  readonly adopt?: never;
  readonly teardown?: never;
}

/** A hook that needs no state, or has it in its module. */
export interface PlainHook<Options> extends HookHead<Options>, Omit<Handlers, 'flows' | 'hold' | 'filter'> {
  /** As above, without handlers. */
  setup?(options: Options, runtime: HookRuntime): void | Promise<void>;
}

/** What `defineHook` takes. `Options` is the type of the `options` of the config, which `options` or `setup` check. */
export type HookDefinition<Options = unknown> = InstanceHook<Options> | PlainHook<Options>;

/** Symbol that marks a hook, so that a module needs no import of the host. */
export const HOOK_META: unique symbol = Symbol.for('firehook.hook') as never;

/** Version of this contract. Hooks cannot import it: what they import is that of the firehook that runs them, and would always fit. */
export const HOOK_API_VERSION = 1;

/** A hook as `defineHook` returns it. */
export type DefinedHook<Options = unknown> = HookDefinition<Options> & {
  /** `apiVersion`: of a mark that was made by hand, the same as `api`. */
  readonly [HOOK_META]: { readonly apiVersion?: number };
};

/** The modules of firehook that a hook can import, by name, each with what it exports. */
export type HookModules = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The same, names only. */
export type HookModuleNames = Readonly<Record<string, readonly string[]>>;
