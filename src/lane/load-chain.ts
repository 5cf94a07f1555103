/**
 * From hook bundles to a chain that is ready for its first packet: evaluate, check, set up, sort.
 *
 * Runs where hooks live: in a lane, or in `firehook replay`. Rule: any hook that is not exactly right refuses the whole
 * chain; there is no running with fewer hooks than the config names.
 *
 * @module
 */

import path from 'node:path';
import type { HookFaultPolicy } from '../config/faults.ts';
import { createDriverDoor } from '../ddk/door.ts';
import type { DriverDoor } from '../ddk/host.ts';
import { FirehookError } from '../errors.ts';
import { FORWARD, type IPPacketFirewallPtr } from '../firewall/constants.ts';
import { type PoolFunctions, poolFunctions, setPoolLimit, systemPool } from '../firewall/ddk.ts';
import { type FlowTable, octetsFor } from '../flow/flow-table.ts';
import { alertFields } from '../hook/alert-fields.ts';
import { asOwner } from '../hook/async-owner.ts';
import { OPEN } from '../hook/breaker.ts';
import {
  type ChainFlows,
  columnKey,
  columnsOfChain,
  DEFAULT_FLOWS,
  type FlowSettings,
  flowsOf,
} from '../hook/chain-flows.ts';
import { asksForFlows, columnsOf, shown } from '../hook/check-definition.ts';
import type { Handlers, HookModules, HookRuntime } from '../hook/contract.ts';
import { type HoldList, isFinalVerdict } from '../hook/hold-list.ts';
import { HookChain, type HookChainOptions } from '../hook/hook-chain.ts';
import { HookEvents } from '../hook/hook-events.ts';
import { HookMetrics } from '../hook/hook-metrics.ts';
import { HookReasons } from '../hook/hook-reasons.ts';
import { chainInterests } from '../hook/interest.ts';
import { assertUniqueNames, describeHookError, type LoadedHook, loadHook, placeOfVerdict } from '../hook/load-hook.ts';
import { ColumnView } from '../hook/packet/flow-view.ts';
import { isVerifying, NO_VERIFIER, Verifier, type VerifierSettings } from '../hook/verifier.ts';
import { HOOK_MODULES } from '../hook-modules.ts';
import { lookUpRoute } from '../netlink/look-up-route.ts';
import { NETLINK_ROUTE, NetlinkSocket } from '../netlink/socket.ts';
import type { PrefixTable } from '../prefix/prefix-table.ts';
import type { Interest } from '../wire/interest.ts';
import { LaneDriverHost } from './driver-host.ts';
import { type HookClock, LiveClock } from './hook-clock.ts';
import { type DecisionOptions, HookDecisions } from './hook-decisions.ts';
import { type FrameSender, framesFor } from './hook-frames.ts';
import { HookTables, type SharedMemory } from './hook-tables.ts';
import { HookTimers } from './hook-timers.ts';
import { findTable } from './lane-tables.ts';
import { LaneTimers } from './lane-timers.ts';
import { type HookInfo, type HookSource, NO_GRANT, type TableDemand } from './messages.ts';
import { type DefinedLoaded, setUpHook } from './set-up-hook.ts';

/** Writes one line of a hook, or about a hook; a message that costs something to make is made only if it is written. */
export type HookLog = (
  level: 'debug' | 'info' | 'warn' | 'error',
  hook: string,
  message: string | (() => string),
) => void;

/** The line that a hook's message makes in the log: one sentence, whether the hook ended it or not. */
export function hookLine(hook: string, message: string | (() => string)): string {
  const text = typeof message === 'string' ? message : message();
  return `Hook ${hook}: ${text.replace(/[.\s]+$/, '')}.`;
}

/** How a source becomes a hook, and what is said of an error that comes out of it. */
export interface HookLoader {
  /** @throws {@link FirehookError} FIREHOOK_HOOK_INVALID with the exact reason */
  load(source: HookSource, modules: HookModules): LoadedHook;
  describeError(error: unknown, source: HookSource): string;
}

const BUNDLES: HookLoader = {
  load: ({ bundle }, modules) => loadHook(bundle, modules),
  describeError: (error, { bundle }) => describeHookError(error, bundle),
};

/** What {@link loadChain} takes. */
export interface LoadChainOptions {
  readonly hooks: readonly HookSource[];
  /** @defaultValue their bundles are evaluated */
  readonly loader?: HookLoader;
  /** What the hooks are told of it. @defaultValue `live` */
  readonly mode?: HookRuntime['mode'];
  /** Number of this lane. @defaultValue 0 */
  readonly lane?: number;
  /** How many lanes have these hooks. @defaultValue 1 */
  readonly lanes?: number;
  /** Indexes of interfaces by name. @defaultValue none */
  readonly interfaces?: Readonly<Record<string, number>>;
  /** @defaultValue nothing is made to happen */
  readonly verifier?: VerifierSettings;
  /** What drivers measure by and wait on. @defaultValue the time of the day */
  readonly clock?: HookClock;
  /** A socket of NETLINK_ROUTE, by which drivers look up routes. @defaultValue one that is opened when the first asks */
  readonly routes?: () => NetlinkSocket;
  /** The table of flows, where a hook asks for one. @defaultValue {@link DEFAULT_FLOWS} */
  readonly flows?: FlowSettings;
  /** A ring for events of hooks, which somebody reads. @defaultValue nobody does */
  readonly events?: { readonly memory: ArrayBuffer; readonly whenFull?: () => void } | null;
  /** Name of the user that this process has become. @defaultValue it is looked up */
  readonly user?: string;
  /** What `runtime.resolvePath` is relative to. */
  readonly folder: string;
  /** What decides where `faults` says nothing. */
  readonly onHookError: 'drop' | 'forward';
  /** @defaultValue onHookError for each kind of fault, and no hook is taken out */
  readonly faults?: HookFaultPolicy;
  /** Hooks that are taken out from the start, by name. @defaultValue none */
  readonly openBreakers?: readonly string[];
  readonly poolLimitMiB: number;
  /** Tables of prefixes that hooks may look addresses up in, by name. @defaultValue none */
  readonly tables?: ReadonlyMap<string, PrefixTable>;
  /** The memory of tables that all lanes have. @defaultValue this process is alone, and has its own */
  readonly shared?: SharedMemory | null;
  readonly trackChanges: boolean;
  /** Must limit its own rate. */
  readonly log: HookLog;
  /** Told of each fault, by the name of the hook. @defaultValue it is logged */
  readonly onFault?: (hook: string, text: () => string) => void;
  /** What `runtime.send` does for the hook of that name. */
  readonly send: (datagram: Uint8Array, hook: string) => boolean;
  /** What `runtime.inject` and `runtime.mirror` do. @defaultValue no frame has a way out */
  readonly frames?: FrameSender;
}

/** A chain that is ready, and what belongs to it. */
export interface LoadedChain {
  readonly chain: HookChain;
  readonly hooks: readonly HookInfo[];
  /** What all hooks together are interested in; null for everything. */
  readonly interests: readonly Interest[] | null;
  /** Drivers, by the name of the hook. */
  readonly drivers: ReadonlyMap<string, DriverDoor>;
  /** The table of flows; null where no hook asks for one. */
  readonly flows: FlowTable | null;
  /** Counters and gauges that the hooks have declared. */
  readonly metrics: HookMetrics;
  /** The reasons that they have declared. */
  readonly reasons: HookReasons;
  /** What they made of events. */
  readonly events: HookEvents;
  /** Asks the gauges of the hooks for their numbers; not within a packet. */
  readGauges(): void;
  /** Counts and logs what a hook threw outside of its calls. @param owner - its place in the configuration, from 0 */
  blame(owner: number, error: unknown): void;
  /** The same for what it did wrong otherwise. @param reason - continues "hook NAME" */
  blameFor(owner: number, reason: string, error: unknown): void;
  /** Those of the hooks. */
  readonly timers: LaneTimers;
  /** Tables of daemon scope that the hooks asked for. */
  readonly tables: readonly TableDemand[];
  /** What the verifier made happen; null where it is off. */
  readonly verifier: Verifier | null;
  /**
   * Calls every `teardown` and every `DriverUnload`; one that throws is logged and does not keep the others from theirs. What a
   * driver did not take back is logged, and taken back.
   */
  teardown(): void;
}

const MIB = 1024 * 1024;

/**
 * Loads the hooks.
 *
 * @throws {@link FirehookError} FIREHOOK_HOOK_INVALID, or FIREHOOK_HOOK_SETUP when a `needs` or `setup` throws or rejects
 */
export async function loadChain(options: LoadChainOptions): Promise<LoadedChain> {
  setPoolLimit(options.poolLimitMiB * MIB);
  const { verifier: settings = NO_VERIFIER, loader = BUNDLES } = options;
  const verifier = isVerifying(settings) ? new Verifier(settings, systemPool) : null;
  const loaded: LoadedHook[] = [];
  const sourceOf = new Map<string, HookSource>();
  const driverOf = new Map<string, Driver>();
  const fault = options.onFault ?? ((hook, text): void => options.log('error', hook, text));
  const describe = (
    hook: LoadedHook,
    reason: string,
    error: unknown,
    pointer: IPPacketFirewallPtr | null = null,
  ): string => {
    const source = sourceOf.get(hook.name);
    if (source === undefined) return reason;
    if (error !== undefined) return `${reason}: ${loader.describeError(error, source)}`;
    const place = placeOfVerdict(hook, source.bundle, pointer);
    return place === undefined ? reason : `${reason} (${place})`;
  };
  for (const [owner, source] of options.hooks.entries()) {
    systemPool.nameOwner(owner, source.bundle.path);
    const driver = new Driver(owner, source, settings, options);
    const hook = asOwner(owner, 'its module', () => loader.load(source, driver.modules));
    const name = source.name ?? hook.name;
    systemPool.nameOwner(owner, name);
    driver.name = name;
    driver.onFault = (reason, error) => fault(name, () => describe(hook, reason, error));
    loaded.push(withEntry(hook, source, owner, name));
    sourceOf.set(name, source);
    if (hook.kind === 'driver') driverOf.set(name, driver);
  }
  assertUniqueNames(loaded);
  const { flows, shadowFlows, flowsFor } = makeAllFlows(loaded, options);
  let chain: HookChain | null = null;
  const placeOf = (owner: number): number => chain?.hooks.findIndex((one) => one.owner === owner) ?? -1;
  /** Counts, once there is somewhere to count, and tells of what a hook did wrong outside of its calls. */
  const blame = (owner: number, reason: string, error: unknown): void => {
    const hook = loaded[owner];
    if (hook === undefined) return;
    chain?.countFault(placeOf(owner));
    fault(hook.name, () => describe(hook, reason, error));
  };
  const clock = options.clock ?? new LiveClock();
  const metrics = new HookMetrics();
  const reasons = new HookReasons();
  const events = new HookEvents({ memory: null, ...options.events, now: () => clock.now() });
  const readGauges = (): void => metrics.readGauges((owner, error) => blame(owner, 'threw in a gauge', error));
  const tables = new HookTables({ shared: options.shared ?? null, isCheck: options.mode === 'check', clock });
  const onTimer = (): void => tables.clock.timer();
  const timersOf = loaded.map(
    (_, owner) =>
      new HookTimers({ clock, owner, onTimer, onFault: (error) => blame(owner, 'threw in a timer', error) }),
  );
  const holdsOf = (owner: number): HoldList | null => chain?.chainOf(placeOf(owner)).holds ?? null;
  const timers = new LaneTimers(
    loaded.map(({ name }, owner) => ({
      name,
      timers: timersOf[owner] as HookTimers,
      waiting: () => holdsOf(owner)?.packetsOf(owner) ?? 0,
    })),
  );
  const decisions: HookDecisions[] = [];
  for (const [owner, hook] of loaded.entries()) {
    loaded[owner] = await setUp(hook, options, {
      flows: flowsFor(owner),
      tables,
      metrics,
      reasons,
      events,
      timers: timersOf[owner] as HookTimers,
      holdsOf: () => holdsOf(owner),
      countUnsent: () => chain?.countUnsent(placeOf(owner)),
      addDecisions: (parts) => {
        const made = new HookDecisions({ ...parts, onFault: (error) => blame(owner, 'could not decide', error) });
        decisions.push(made);
        return made;
      },
    });
    metrics.close(owner);
    reasons.close(owner);
  }
  const made = makeChain({
    hooks: loaded,
    onHookError: options.onHookError,
    ...(options.faults === undefined ? {} : { faults: options.faults }),
    onBreaker: (place, state, sentence) =>
      options.log(state === OPEN ? 'error' : 'warn', chain?.hooks[place]?.name ?? '', sentence),
    pool: systemPool,
    trackChanges: options.trackChanges,
    verifier,
    reasons: reasons.count === 0 ? null : reasons,
    flows: loaded.some((hook) => hook.isShadow !== true && needsFlows(hook)) ? flows : null,
    shadowFlows: new Map([...shadowFlows].filter(([owner]) => needsFlows(loaded[owner]))),
    onFault: (hook, reason, error, pointer) => fault(hook.name, () => describe(hook, reason, error, pointer)),
  });
  chain = made;
  events.attach(made);
  tables.clock.packets = made;
  for (const [place, { name }] of made.hooks.entries())
    if (options.openBreakers?.includes(name) === true) made.setBreaker(place, true);
  for (const [index, hook] of made.hooks.entries()) {
    if (hook.kind === 'driver')
      asOwner(hook.owner ?? index, 'setup', () => driverOf.get(hook.name)?.start(hook, made, index));
    warn(hook, index, made, options);
  }
  return {
    chain: made,
    hooks: made.hooks.map(({ name, path: file, kind, isShadow = false }, index) => ({
      name,
      path: file,
      priority: made.entries.priorityOf(index),
      kind,
      isShadow,
    })),
    interests: chainInterests(made.hooks),
    drivers: new Map([...driverOf].map(([name, { door }]) => [name, door])),
    flows: made.flows?.table ?? null,
    metrics,
    reasons,
    events,
    readGauges,
    timers,
    tables: tables.demands,
    verifier,
    blame: (owner, error) => blame(owner, 'threw outside onPacket', error),
    blameFor: blame,
    teardown: () => {
      timers.stop();
      // What they look at is gone afterwards.
      readGauges();
      metrics.endGauges();
      for (const one of decisions) one.stop();
      tearDown(made.hooks, driverOf, options.log);
    },
  };
}

/** What may surprise whoever brings a driver of Windows. */
function warn(hook: LoadedHook, index: number, chain: HookChain, { log, lanes = 1 }: LoadChainOptions): void {
  if (hook.kind === 'defined') return;
  const isForIpv6 = chain.entries.list.some(({ hook: own, ipv6 }) => own === index && ipv6 !== null);
  if (!isForIpv6) log('warn', hook.name, 'has callbacks for IPv4 only; IPv6 packets do not meet it and go on');
  if (lanes > 1)
    log('warn', hook.name, `there are ${lanes} lanes, and its globals are a lane's own: each has a part of the flows`);
}

/** The door of a driver while its module is loaded, and after. Nothing is made for a hook that asks for none. */
class Driver {
  name: string;
  onFault: (reason: string, error: unknown) => void = () => undefined;
  readonly #source: HookSource;
  readonly #settings: VerifierSettings;
  readonly #options: LoadChainOptions;
  readonly #pool: PoolFunctions;
  #host: LaneDriverHost | null = null;
  #door: DriverDoor | null = null;

  constructor(owner: number, source: HookSource, settings: VerifierSettings, options: LoadChainOptions) {
    this.name = source.bundle.path;
    this.#pool = poolFunctions(systemPool, owner);
    this.#source = source;
    this.#settings = settings;
    this.#options = options;
  }

  /** What the hook gets when it imports. */
  get modules(): HookModules {
    const driver = this;
    return {
      firehook: { ...HOOK_MODULES['firehook'], ...this.#pool },
      get 'firehook/ddk'() {
        return driver.door.exports;
      },
    };
  }

  get door(): DriverDoor {
    const door = this.#door ?? createDriverDoor(this.#makeHost());
    this.#door = door;
    return door;
  }

  /**
   * Calls `DriverEntry`.
   *
   * @throws {@link FirehookError} FIREHOOK_HOOK_SETUP when it throws or returns a failure
   */
  start(hook: LoadedHook & { kind: 'driver' }, chain: HookChain, index: number): void {
    const { door } = this;
    this.#host?.attach(chain, index, door);
    let status: number;
    try {
      status = door.start(hook.entry);
    } catch (cause) {
      const reason = `DriverEntry threw: ${describeHookError(cause, this.#source.bundle)}`;
      throw new FirehookError('FIREHOOK_HOOK_SETUP', `${hook.path}: ${reason}`, { cause, hook: hook.name });
    }
    if (status >>> 31 === 0) return;
    const shown = `0x${(status >>> 0).toString(16).padStart(8, '0')}`;
    throw new FirehookError('FIREHOOK_HOOK_SETUP', `${hook.path}: DriverEntry returned ${shown}`, { hook: hook.name });
  }

  #makeHost(): LaneDriverHost {
    const { log, clock = new LiveClock(), routes = ownRoutes() } = this.#options;
    this.#host = new LaneDriverHost({
      name: () => this.name,
      parameters: this.#source.options,
      pool: systemPool,
      poolFunctions: this.#pool,
      clock,
      log: (level, message) => log(level, this.name, message),
      lookUpRoute: (destination, source, ifindex) => {
        const route = lookUpRoute(routes(), destination, source, ifindex);
        return route === null ? null : { ...route, interfaceIndex: route.ifindex };
      },
      checksIrql: this.#settings.irql,
      onFault: (reason, error) => this.onFault(reason, error),
    });
    return this.#host;
  }
}

function ownRoutes(): () => NetlinkSocket {
  let socket: NetlinkSocket | null = null;
  return () => {
    socket ??= new NetlinkSocket(NETLINK_ROUTE);
    return socket;
  };
}

/** What the runtime of a hook is made of. */
interface RuntimeParts {
  readonly flows: ChainFlows | null;
  readonly tables: HookTables;
  readonly metrics: HookMetrics;
  readonly reasons: HookReasons;
  readonly events: HookEvents;
  readonly timers: HookTimers;
  /** The packets that wait, once there is a chain. */
  readonly holdsOf: () => HoldList | null;
  /** A hook in shadow wanted to send something. */
  readonly countUnsent: () => void;
  /** They end with the chain. */
  readonly addDecisions: (options: Omit<DecisionOptions, 'onFault'>) => HookDecisions;
}

/** The hook with its handlers; those of Windows have none, and take their options otherwise or not at all. */
async function setUp(hook: LoadedHook, options: LoadChainOptions, parts: RuntimeParts): Promise<LoadedHook> {
  const source = options.hooks[hook.owner ?? -1];
  if (hook.kind === 'driver' || source === undefined) return hook;
  if (hook.kind === 'callback') {
    if (source.options === undefined) return hook;
    const detail = `${hook.path}: a firewallHook takes no options`;
    throw new FirehookError('FIREHOOK_HOOK_SETUP', detail, { hook: hook.name });
  }
  const { folder, user } = options;
  const ready = await setUpHook(hook, {
    source,
    runtime: runtimeFor(hook, options, parts),
    folder,
    makeTables: (rules) => parts.tables.declare(hook.name, rules),
    ...(user === undefined ? {} : { user }),
  });
  if (ready !== null) return ready;
  options.log(
    'info',
    hook.name,
    'was loaded, its options checked, and not tried; write checkable: true into the hook if its setup may be called in a check',
  );
  return { ...hook, handlers: LOADED_ONLY };
}

/** Of a hook that a check does not set up. */
const LOADED_ONLY: Handlers = { onPacket: () => FORWARD };

/** Whether a hook that asked for flows still wants them, now that it knows its options. */
function needsFlows(hook: LoadedHook | undefined): boolean {
  return hook?.kind === 'defined' && asksForFlows(hook.definition) && hook.handlers?.flows !== false;
}

/** The chain, with what it takes for streams. */
function makeChain(options: HookChainOptions): HookChain {
  try {
    return new HookChain(options);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new FirehookError('FIREHOOK_HOOK_SETUP', 'there is no memory for the streams of the hooks', {
      cause,
      advice: 'make stream.streams, memoryMiB or most of a hook smaller, or lane.memoryMiB larger',
    });
  }
}

/** The hook as its entry in the configuration wants it. */
function withEntry(hook: LoadedHook, source: HookSource, owner: number, name: string): LoadedHook {
  const priority = source.priority ?? hook.priority;
  if (source.isShadow !== true) return { ...hook, owner, name, priority };
  if (hook.kind !== 'driver') return { ...hook, owner, name, priority, isShadow: true };
  const detail = `${hook.path}: a driver cannot run in shadow, because it acts through the system and not by verdicts alone`;
  throw new FirehookError('FIREHOOK_HOOK_INVALID', detail, { hook: name });
}

/** The flows of the hooks that are obeyed, and those of each hook in shadow: null where none asks. */
function makeAllFlows(hooks: readonly LoadedHook[], options: LoadChainOptions) {
  const flows = makeFlows(
    hooks.filter(({ isShadow }) => isShadow !== true),
    options,
  );
  const shadowFlows = new Map<number, ChainFlows>();
  for (const [owner, hook] of hooks.entries()) {
    const own = hook.isShadow === true ? makeFlows([hook], options) : null;
    if (own !== null) shadowFlows.set(owner, own);
  }
  const flowsFor = (owner: number): ChainFlows | null =>
    hooks[owner]?.isShadow === true ? (shadowFlows.get(owner) ?? null) : flows;
  return { flows, shadowFlows, flowsFor };
}

/** The flow table, where a hook asks for one. */
function makeFlows(hooks: readonly LoadedHook[], { flows = DEFAULT_FLOWS }: LoadChainOptions): ChainFlows | null {
  const columns = columnsOfChain(hooks);
  try {
    return flowsOf(hooks, flows);
  } catch (cause) {
    const mib = Math.ceil(octetsFor(flows.most, columns) / MIB);
    const detail = `there is no memory for ${flows.most} flows, which take ${mib} MiB`;
    throw new FirehookError('FIREHOOK_HOOK_SETUP', detail, {
      cause,
      advice: 'make flows.most smaller, or lane.memoryMiB larger',
    });
  }
}

function runtimeFor(hook: DefinedLoaded, options: LoadChainOptions, parts: RuntimeParts): HookRuntime {
  const { flows, tables, timers, holdsOf, metrics, reasons, events } = parts;
  const { name, definition, owner = -1 } = hook;
  return {
    name,
    mode: modeFor(hook, options),
    lane: options.lane ?? 0,
    lanes: options.lanes ?? 1,
    interfaces: new Map(Object.entries(options.interfaces ?? {})),
    resolvePath: (file) => path.resolve(options.folder, file),
    after: (ms, run) => timers.after(ms, run),
    every: (ms, run) => timers.every(ms, run),
    cancel: (timer) => timers.cancel(timer),
    release: (token, verdict) => {
      const plain = reasons.plain(owner, verdict);
      if (!isFinalVerdict(plain))
        throw new TypeError(`${shown(verdict)} is no verdict that a packet which waited can get`);
      if (holdsOf()?.release(owner, token, plain) !== true) return false;
      reasons.note(owner, verdict);
      return true;
    },
    prefixes: (name) => findTable(options.tables ?? new Map(), name),
    table: (table) => tables.find(name, table),
    decisions: (table, ask) => {
      if (definition.hold === undefined)
        throw new TypeError('nothing may wait for a decision: say hold: { packets, mib, timeoutMs } in the definition');
      if (typeof ask !== 'function') throw new TypeError('decisions: ask is not a function');
      return parts.addDecisions({ table: tables.find(name, table), ask, owner, timers, holdsOf, reasons });
    },
    column: (column) => {
      if (flows === null || !Object.hasOwn(columnsOf(definition), column))
        throw new RangeError(
          `column ${JSON.stringify(column)} is not declared; say flows: { columns: { ... } } in the definition`,
        );
      return new ColumnView(flows, columnKey(hook, column));
    },
    counter: (name, help) => metrics.counter(owner, name, help),
    gauge: (name, read, help) => metrics.gauge(owner, name, read, help),
    reason: (text) => reasons.declare(owner, text),
    event: (type, about, fields) => events.add(owner, type, about, fields),
    alert: (about, signature, details) => events.add(owner, 'alert', about, alertFields(signature, details)),
    log: (level, message) => options.log(level, name, message),
    ...sendersFor(hook, options, parts.countUnsent),
  };
}

function modeFor({ isShadow = false }: LoadedHook, { mode = 'live' }: LoadChainOptions): HookRuntime['mode'] {
  return isShadow && mode === 'live' ? 'shadow' : mode;
}

/** What a hook sends by. One in shadow has the same rights, and is told that it was sent. */
function sendersFor(
  { name, owner = -1, isShadow = false }: DefinedLoaded,
  options: LoadChainOptions,
  countUnsent: () => void,
): Pick<HookRuntime, 'send' | 'inject' | 'mirror'> {
  const { interfaces, hooks } = options;
  const allow = hooks[owner]?.allow ?? NO_GRANT;
  if (!isShadow) return { send: (datagram) => options.send(datagram, name), ...framesFor(name, allow, options) };
  const leave = (): true => {
    countUnsent();
    return true;
  };
  const frames: FrameSender = { inject: leave, mirror: leave };
  return { send: leave, ...framesFor(name, allow, { frames, ...(interfaces === undefined ? {} : { interfaces }) }) };
}

function tearDown(hooks: readonly LoadedHook[], drivers: ReadonlyMap<string, Driver>, log: HookLog): void {
  for (const hook of hooks) {
    const door = drivers.get(hook.name)?.door;
    try {
      asOwner(hook.owner ?? -1, 'teardown', () => {
        if (hook.kind === 'defined') hook.handlers?.teardown?.();
        else door?.unload();
      });
    } catch (error) {
      const what = hook.kind === 'defined' ? 'teardown' : 'DriverUnload';
      log('error', hook.name, `${what} threw: ${error instanceof Error ? error.message : String(error)}`);
    }
    for (const leftover of door?.leftovers() ?? [])
      log('warn', hook.name, `was unloaded and left something: ${leftover}`);
  }
}
