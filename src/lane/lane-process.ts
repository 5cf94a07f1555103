/**
 * The process that hooks live in: opens its sockets as root, becomes an unprivileged user, loads hooks, runs a lane.
 *
 * ```
 *   start ─> open driver, raw sockets ─> opened ─> setgroups, setgid, setuid ─> load hooks ─> ready ─> packets ... ─> stop
 * ```
 * Rule: crash-only. A state it cannot repair ends the process with a reason; the supervisor starts another. It never
 * runs a line of a hook before it has given up root. Signals are the supervisor's business: it orders the stop. When the
 * channel to the supervisor closes, the lane ends.
 *
 * @module
 */

import { closeSync, fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import type { DriverDoor, IoControlAnswer } from '../ddk/host.ts';
import { STATUS_OBJECT_NAME_NOT_FOUND, STATUS_UNSUCCESSFUL } from '../ddk/status.ts';
import { AfpacketDriver, openAfpacket } from '../drivers/afpacket.ts';
import type { Driver, FrameSink } from '../drivers/contract.ts';
import { portOf } from '../drivers/contract.ts';
import { withSendGroup } from '../drivers/effective-group.ts';
import type { MemoryFrame } from '../drivers/memory.ts';
import { openPcap } from '../drivers/pcap.ts';
import { openQueuedSender } from '../drivers/queued-sender.ts';
import { RawSender } from '../drivers/raw-sender.ts';
import { FirehookError, isFirehookError } from '../errors.ts';
import { RING_OCTETS } from '../events/event-layout.ts';
import { systemPool } from '../firewall/ddk.ts';
import { asOwner, followOwners, ownerOfFailure } from '../hook/async-owner.ts';
import type { HookRuntime } from '../hook/contract.ts';
import { freezeRealm } from '../hook/freeze-realm.ts';
import { guardMembers } from '../hook/guard-members.ts';
import { HookChain } from '../hook/hook-chain.ts';
import { shareRunning } from '../hook/running-hook.ts';
import { HOOK_MODULES } from '../hook-modules.ts';
import { loadNative, sealNative } from '../native/load-native.ts';
import type { NativeModule } from '../native/native.d.ts';
import { NETLINK_ROUTE, NetlinkSocket } from '../netlink/socket.ts';
import { createLogger, createRateLimitedLog, type Logger } from '../telemetry/logger.ts';
import { formatInterests, type Interest } from '../wire/interest.ts';
import { becomeUser } from './become-user.ts';
import { deniedLine } from './denied-line.ts';
import type { DatagramSender } from './egress.ts';
import { widenInlining } from './engine.ts';
import { LaneHandover, mapEstate } from './handover.ts';
import type { SharedMemory } from './hook-tables.ts';
import { Lane } from './lane.ts';
import { LaneTables } from './lane-tables.ts';
import { LaneTrace } from './lane-trace.ts';
import { LEDGER_WIDTH } from './ledger.ts';
import { hookLine, type LoadedChain, loadChain } from './load-chain.ts';
import type { LocalRoute } from './local-table.ts';
import {
  type DeviceRequest,
  type HandoverStep,
  type LaneSpec,
  MAX_FAILURE,
  type TableVersion,
  type ToLane,
  type TraceOrder,
} from './messages.ts';
import { endWithParent } from './orphan-guard.ts';
import { dropEvents, tellOfFlows } from './own-events.ts';
import { PassThrough } from './pass-through.ts';
import { ProgressWriter, progressOctets, sharedOctets, tracesAt } from './progress.ts';
import type { FromLane } from './read-message.ts';
import { readRecentFrames } from './recent-frames.ts';
import { TRACE_OCTETS, TraceRingWriter } from './trace-ring.ts';
import { FaultNotes, tryOnSamples } from './trial.ts';
import { unreadableLine } from './unreadable-types.ts';
import { interfacesOf, sendsByRoutes } from './way.ts';

/** Descriptor of the progress file, as the supervisor arranges it. */
const PROGRESS_FD = 3;
/** Descriptor of the fence, likewise. */
const FENCE_FD = 4;
/** Descriptor of the channel, likewise. */
const CHANNEL_FD = 5;
/** Descriptor of the socket by which tables come, likewise. */
const TABLES_FD = 6;
/** Descriptor of the memory of tables that all lanes have, likewise. */
const SHARED_FD = 7;
/** Descriptor of the ring for events, likewise. */
const EVENTS_FD = 8;
/** More than a lane has when it is confined. */
const MOST_DESCRIPTORS = 1024;
/** How often an idle lane shows that it is alive. */
const IDLE_PROGRESS_MS = 50;
/** How long a lane that has left may have packets that wait. */
const LONGEST_RETIREMENT_MS = 10_000;
/** Lines a second that hooks and hook faults may write to the log. */
const HOOK_LINES_PER_SECOND = 5;

/** Drivers that are loaded, each with its place in the configuration. */
let drivers: readonly { readonly owner: number; readonly door: DriverDoor }[] = [];
let stopLane: () => void = () => process.exit(0);
/** What came last; the lane may not be there yet. */
let locals: readonly LocalRoute[] | null = null;
let setLocals = (routes: readonly LocalRoute[]): void => {
  locals = routes;
};

let setBreaker: (hook: string, isOpen: boolean) => void = () => undefined;

/** The first thing that is heard is the spec, with which there is somebody who takes them. */
let takeTable: (version: TableVersion) => void = () => undefined;
/** There is one from the moment when it is ready. */
let handover: LaneHandover | null = null;
let retire = (): void => stopLane();

/** Nothing is told of packets that do not come yet. */
let setTrace: (order: TraceOrder | null) => void = () => undefined;

widenInlining();
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
const channel = new Socket({ fd: CHANNEL_FD });
let heard = '';
channel.setEncoding('utf8');
channel.on('data', (text: string) => {
  heard += text;
  for (let end = heard.indexOf('\n'); end !== -1; end = heard.indexOf('\n')) {
    const line = heard.slice(0, end);
    heard = heard.slice(end + 1);
    const message = JSON.parse(line) as ToLane;
    if (message.type === 'stop') stopLane();
    else if (message.type === 'locals') setLocals(message.locals);
    else if (message.type === 'table') takeTable(message);
    else if (message.type === 'trace') setTrace(message.order);
    else if (message.type === 'ask') answer(message);
    else if (message.type === 'breaker') setBreaker(message.hook, message.isOpen);
    else if (message.type === 'handover') takeStep(message);
    else if (message.type === 'retire') retire();
    else run(message.spec).catch(fail);
  }
});
channel.on('error', () => stopLane());
channel.on('close', () => stopLane());

async function run(spec: LaneSpec): Promise<void> {
  endWithParent();
  const log = createLogger({ level: spec.logLevel, name: 'lane' });
  const limited = createRateLimitedLog(log, HOOK_LINES_PER_SECOND);
  const driver = spec.mode === 'run' ? openDriver(spec) : null;
  const sender = openSender(spec);
  tell({ type: 'opened' });
  // Only where npm pcap had to open its sockets here.
  if (spec.user !== null && process.getuid?.() === 0) becomeUser(spec.user);
  const traces = shareMemory(spec);
  const memory = spec.hasEvents ? loadNative().mapMemory(EVENTS_FD, RING_OCTETS) : null;
  const tables = mapTables(spec);
  const shared = mapShared(spec);
  // Hooks have it out of reach as soon as the process is confined.
  const native = loadNative();
  const recent = readRecent(spec, native);
  const routes = confine(spec);
  const notes = new FaultNotes();
  if (spec.mode === 'try') guardMembers();
  followOwners(systemPool);
  let blame = (owner: number, error: unknown): void => {
    const path = spec.hooks[owner]?.bundle.path;
    limited('error', `${path} threw outside onPacket: ${error instanceof Error ? error.message : String(error)}.`);
  };
  containHooks(
    spec.hooks.map(({ bundle }) => bundle.path),
    (owner, error) => blame(owner, error),
  );

  freezeRealm(HOOK_MODULES);
  let lane: Lane | null = null;
  const loaded = await loadChain({
    hooks: spec.hooks,
    routes: () => routes,
    ...(spec.user === null ? {} : { user: spec.user.name }),
    folder: spec.configFolder,
    onHookError: spec.faults.hookThrows,
    faults: spec.faults,
    openBreakers: spec.openBreakers,
    poolLimitMiB: spec.poolLimitMiB,
    tables: tables.tables,
    shared,
    flows: spec.flows,
    events: memory === null ? null : { memory },
    interfaces: { ...spec.interfaces, ...interfacesOf(spec.ways) },
    mode: modeOf(spec),
    lane: spec.lane,
    lanes: spec.lanes,
    verifier: spec.verifier,
    trackChanges: spec.trackChanges,
    log: (level, hook, message) => limited(level, () => hookLine(hook, message)),
    ...(spec.mode === 'try' ? { onFault: (hook, text) => notes.note(hook, text()) } : {}),
    send: (datagram) => lane?.inject(datagram) ?? false,
    frames: {
      inject: (frame, to) => lane?.injectFrame(to, frame) ?? false,
      mirror: (to, octets) => lane?.mirror(to, octets) ?? false,
    },
  });
  const { chain, hooks, interests, verifier, teardown, flows, metrics, reasons, events, readGauges } = loaded;
  blame = loaded.blame;
  setBreaker = (name, isOpen) => {
    chain.setBreaker(
      chain.hooks.findIndex((hook) => hook.name === name),
      isOpen,
    );
  };
  const blameFor = loaded.blameFor;
  drivers = chain.hooks.flatMap(({ name, owner = -1 }) => {
    const door = loaded.drivers.get(name);
    return door === undefined ? [] : [{ owner, door }];
  });
  // Those of the lane before still run.
  if (spec.isSuccessor) loaded.timers.stand();
  if (driver === null) {
    await endTrial(spec, loaded, notes, recent);
    return;
  }
  const ways = spec.ways.filter(({ passes }) => passes !== true);
  const ledger = new Float64Array(spec.ways.length * LEDGER_WIDTH);
  const outlets = new Map(spec.outlets.map(({ name, port }) => [name, port]));
  lane = new Lane({
    driver,
    ways,
    ledger: ledger.subarray(0, ways.length * LEDGER_WIDTH),
    outlets,
    chain,
    nonIp: spec.policy.nonIp,
    unreadable: spec.policy.unreadable,
    onUnreadable: (etherType) => log.warn(unreadableLine(etherType, spec.policy.unreadable)),
    icmp: spec.icmp,
    onDenied: (what) => log.warn(deniedLine(what)),
    sender,
    drops: dropEvents(loaded, spec.ownEvents, driver),
    now: () => performance.now(),
  });
  tellOfFlows(loaded, spec.ownEvents, () => Date.now() - performance.now());
  const made = lane;
  setLocals = (routes) => made.setLocals(routes);
  setLocals(locals ?? spec.locals);
  const trace = new LaneTrace({
    lane,
    loaded,
    ring: new TraceRingWriter(traces),
    linktypeOf: (port) => portOf(driver.ports, port)?.linktype ?? -1,
    outlets,
    now: () => performance.now(),
    wall: () => Date.now(),
  });
  setTrace = (order) => trace.set(order);
  const progress = new ProgressWriter(PROGRESS_FD, {
    ledger,
    chain,
    pool: systemPool,
    flows,
    metrics,
    reasons,
    events,
    driverStats: () => driver.stats(),
  });
  let retiredMs = Number.POSITIVE_INFINITY;
  const timer = setInterval(() => {
    made.onIdle();
    readGauges();
    progress.writeAll(made.packets);
    if (retiredMs !== Number.POSITIVE_INFINITY) endWhenEmpty();
  }, IDLE_PROGRESS_MS);
  const endWhenEmpty = (): void => {
    if (made.waiting === 0 || performance.now() - retiredMs >= LONGEST_RETIREMENT_MS) stopLane();
  };
  retire = () => {
    retiredMs = performance.now();
    loaded.timers.retire();
    endWhenEmpty();
  };
  lane.reportTo(progress);
  if (verifier !== null)
    log.warn(`The verifier is on, which is for the development of hooks: seed ${spec.verifier.seed}.`);
  stopLane = () => {
    stopLane = () => undefined;
    if (verifier !== null) log.info(verifier.report);
    clearInterval(timer);
    made.releaseHeld();
    driver.stop();
    teardown();
    // The last batch may have been left in the middle.
    lane.onBatchEnd();
    progress.writeAll(lane.packets);
    process.exit(0);
  };
  /** Packets come from here on. @returns the filter of the kernel */
  const begin = (): string | null => {
    const kernelFilter = interests === null ? null : narrow(driver, interests, log);
    receive(driver, made, sinkFor(made, spec, driver, ledger)).catch(fail);
    return kernelFilter;
  };
  handover = new LaneHandover({
    driver,
    lane: made,
    native,
    socket: TABLES_FD,
    estate: { chain, timers: loaded.timers, sources: spec.hooks, now: () => performance.now(), onFault: blameFor },
    begin,
  });
  const kernelFilter = spec.isSuccessor ? null : begin();
  progress.writeAll(0);
  const rings = driver instanceof AfpacketDriver ? driver.rings : [];
  const { owners } = chain;
  const declared = { metrics: metrics.definitions(owners), reasons: reasons.definitions(owners) };
  tell({ type: 'ready', hooks, ...declared, rings, kernelFilter, tables: [] });
}

/** A step of a handover, and what came of it. */
function takeStep({ id, ...step }: { readonly id: number } & HandoverStep): void {
  try {
    if (handover === null) throw new Error('it is not ready');
    tell({ type: 'handed', id, error: null, ...handover.take(step) });
  } catch (error) {
    const text = (error instanceof Error ? error.message : String(error)).slice(0, MAX_FAILURE);
    tell({ type: 'handed', id, error: text });
  }
}

/** A lane without packets of its own: shows the hooks what is to be shown, and ends. */
async function endTrial(
  spec: LaneSpec,
  loaded: LoadedChain,
  notes: FaultNotes,
  recent: readonly MemoryFrame[],
): Promise<void> {
  const { hooks, tables } = loaded;
  const { owners } = loaded.chain;
  const declared = { metrics: loaded.metrics.definitions(owners), reasons: loaded.reasons.definitions(owners) };
  const ready: FromLane = { type: 'ready', hooks, ...declared, rings: [], kernelFilter: null, tables };
  if (spec.mode === 'check') {
    loaded.teardown();
    tell(ready, () => process.exit(0));
    return;
  }
  // From now on the supervisor counts the time of the packets, and no longer that of the set-up.
  tell(ready);
  const trial = await tryOnSamples(loaded, spec, notes, recent);
  loaded.teardown();
  tell({ type: 'tried', ...trial }, () => process.exit(0));
}

/** Frames of live traffic for a trial. They are data of strangers, as all packets are. */
function readRecent({ recent }: LaneSpec, native: NativeModule): MemoryFrame[] {
  if (recent === null) return [];
  const memory = mapEstate(native, TABLES_FD, recent);
  return readRecentFrames(memory.slice(0, recent.written));
}

/** What hooks are told of it: where nothing is enforced they are all in shadow. */
function modeOf({ mode, ways }: LaneSpec): HookRuntime['mode'] {
  if (mode !== 'run') return 'check';
  const isShadow =
    ways.some(({ passes }) => passes === true) && ways.every((way) => way.passes === true || way.outPort < 0);
  return isShadow ? 'shadow' : 'live';
}

/** From here on it can be seen from outside which hook runs. @returns the memory for traces */
function shareMemory({ mode, ways, hooks }: LaneSpec): Buffer {
  const shape = { ways: ways.length, hooks: hooks.length };
  // Of a trial nobody asks for traces.
  const isRun = mode === 'run';
  const memory = loadNative().mapMemory(PROGRESS_FD, isRun ? sharedOctets(shape) : tracesAt(shape));
  shareRunning(memory, progressOctets(shape), systemPool);
  return isRun ? Buffer.from(memory, tracesAt(shape), TRACE_OCTETS) : Buffer.alloc(0);
}

/** The tables as they are now; from here on they are exchanged when the supervisor says so. */
function mapTables(spec: LaneSpec): LaneTables {
  const tables = new LaneTables(loadNative(), TABLES_FD);
  for (const version of spec.tables) tables.take(version);
  takeTable = (version) => {
    try {
      tables.take(version);
    } catch (error) {
      fail(error);
    }
  };
  return tables;
}

/** The memory of tables that all lanes have; null where there is none. */
function mapShared({ shared }: LaneSpec): SharedMemory | null {
  if (shared === null) return null;
  const memory = loadNative().mapMemory(SHARED_FD, shared.octets);
  closeSync(SHARED_FD);
  return { tables: shared, memory };
}

/**
 * Gives up what a hook has no business with: from here on the process opens no socket, starts no program and writes no file.
 *
 * @returns what drivers look up routes by, opened before
 */
function confine({ hooks, sockets }: LaneSpec): NetlinkSocket {
  const routes = new NetlinkSocket(NETLINK_ROUTE);
  // Those of npm pcap and raw-socket, too: nobody says their numbers.
  const own = Array.from({ length: MOST_DESCRIPTORS }, (_, fd) => fd).filter((fd) => fd > CHANNEL_FD && isSocket(fd));
  loadNative().confine(
    Int32Array.from(own),
    sockets === null,
    hooks.some(({ allow }) => allow.network.length > 0),
  );
  sealNative();
  return routes;
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}

function openDriver({ ports, rings, sockets, groups, isSuccessor }: LaneSpec): Driver {
  if (sockets !== null)
    return openAfpacket({ ports, rings, sockets: sockets.afpacket, fenceFd: FENCE_FD, isSuccessor });
  return openPcap({ ports, isSuccessor, groups: new Map(groups.map(({ port, id }) => [port, id])) });
}

/** Each driver has the sender that needs nothing but what it needs itself; null where nothing is sent at all. */
function openSender({ mode, ways, sockets }: LaneSpec): DatagramSender | null {
  if (sockets !== null) return sockets.datagrams === null ? null : openQueuedSender(sockets.datagrams);
  return mode === 'run' && sendsByRoutes(ways) ? withSendGroup(() => new RawSender()) : null;
}

/** The filter that is in force, for people; null without one. A lane works without it, so a refusal is no failure. */
function narrow(driver: Driver, interests: readonly Interest[], log: Logger): string | null {
  try {
    return driver.narrow?.(interests) === true ? formatInterests(interests) : null;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.warn(`No kernel filter: ${reason}. The hooks see every packet.`);
    return null;
  }
}

/** What the driver hands frames to: the lane, but where some of them go on as they came. */
function sinkFor(lane: Lane, spec: LaneSpec, driver: Driver, ledger: Float64Array): FrameSink {
  const passing = spec.ways.slice(lane.ways.length);
  if (passing.length === 0) return lane;
  const none = { hooks: [], pool: systemPool, onHookError: 'forward', onFault: () => undefined } as const;
  const through = new Lane({
    driver,
    ways: passing,
    ledger: ledger.subarray(lane.ways.length * LEDGER_WIDTH),
    chain: new HookChain(none),
    nonIp: 'forward',
    unreadable: 'forward',
    malformed: 'forward',
    icmp: spec.icmp,
    sender: null,
    now: () => performance.now(),
  });
  return new PassThrough(lane, through);
}

async function receive(driver: Driver, lane: Lane, sink: FrameSink): Promise<void> {
  try {
    await driver.start(sink);
  } catch (cause) {
    if (isFirehookError(cause)) throw cause;
    const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    throw new FirehookError('FIREHOOK_LANE_FAILED', `driver ${driver.name}: ${reason}`, { cause });
  } finally {
    // What was booked as sent goes out also where the batch was left in the middle.
    sink.onBatchEnd();
    lane.onBatchEnd();
  }
}

/**
 * What a hook throws outside its call (a timer, a socket, a promise nobody awaits) is its own fault: counted and logged. What
 * firehook's own code throws ends the lane.
 */
function containHooks(paths: readonly string[], blame: (owner: number, error: unknown) => void): void {
  const contain = (error: unknown, promise?: Promise<unknown>): void => {
    const owner = ownerOfFailure(error, paths, promise);
    if (owner === undefined) fail(error);
    else blame(owner, error);
  };
  process.on('uncaughtException', (error) => contain(error));
  process.on('unhandledRejection', contain);
}

/** Asks the drivers, until one of them has the device. */
function answer({ id, device, code, input, outputLength }: DeviceRequest): void {
  const octets = Buffer.from(input, 'base64');
  const none = { status: STATUS_OBJECT_NAME_NOT_FOUND, output: Buffer.alloc(0) };
  try {
    let found: IoControlAnswer = none;
    for (const { owner, door } of drivers) {
      found = asOwner(owner, 'its device', () => door.ioControl(device, code, octets, outputLength));
      if (found.status !== STATUS_OBJECT_NAME_NOT_FOUND) break;
    }
    tell({ type: 'answered', id, status: found.status, output: found.output.toString('base64'), error: null });
  } catch (error) {
    const text = (error instanceof Error ? error.message : String(error)).slice(0, MAX_FAILURE);
    tell({ type: 'answered', id, status: STATUS_UNSUCCESSFUL, output: '', error: text });
  }
}

function fail(error: unknown): void {
  const known = isFirehookError(error)
    ? error
    : new FirehookError(
        'FIREHOOK_LANE_FAILED',
        error instanceof Error ? (error.stack ?? error.message) : String(error),
      );
  const message = known.message.slice(0, MAX_FAILURE);
  tell({ type: 'failed', code: known.code, message, exitCode: known.exitCode }, () => process.exit(known.exitCode));
}

function tell(message: FromLane, done?: () => void): void {
  if (!channel.writable) done?.();
  else channel.write(`${JSON.stringify(message)}\n`, () => done?.());
}
