/**
 * The root process: checks everything that can be refused, starts the loop, answers, and takes everything back.
 *
 * ```
 *   start:  check ─> locks ─> bundle and try the hooks ─> socket ─> the loop: tables, detours, lanes, lease     reconcile.ts
 *   stop:   fence ─> tables ─> lanes empty their rings ─> detours ─> socket, locks
 * ```
 * Rule: it never touches a packet and never runs a line of a hook. Nothing in the kernel is changed before everything that
 * can be refused has been; a start that fails takes back what it did.
 *
 * @module
 */

import { readFile } from 'node:fs/promises';
import { liveDriver } from '../config/live-drivers.ts';
import { attachInterfaces, type Config, isEnforced, outletNames } from '../config/schema.ts';
import { ControlServer } from '../control/control-server.ts';
import type { AttachView, DaemonView, LaneView } from '../control/daemon-view.ts';
import { Reports } from '../control/reports.ts';
import type { LivePortOptions } from '../drivers/live-port.ts';
import { FirehookError } from '../errors.ts';
import type { LocalRoute } from '../lane/local-table.ts';
import type { HookInfo, HookSource, LaneSpec, LaneUser, Outlet } from '../lane/messages.ts';
import { sortWays } from '../lane/pass-through.ts';
import type { Way } from '../lane/way.ts';
import type { Attachment } from '../plumbing/attach/attachment.ts';
import { layOut, layOutOutlet } from '../plumbing/attach/lay-out.ts';
import { toAttachment } from '../plumbing/attach-entry.ts';
import type { LeaseState, Plumbing } from '../plumbing/contract.ts';
import type { Link } from '../plumbing/link.ts';
import type { PortCounters } from '../plumbing/port-counters.ts';
import type { Logger } from '../telemetry/logger.ts';
import { describe } from './attach-keeper.ts';
import { BreakerMemory } from './breaker-memory.ts';
import { bundleAll } from './bundle-all.ts';
import { type Clock, systemClock } from './clock.ts';
import { EventSink, type EventSinkView } from './event-sink.ts';
import { FanoutGroups } from './fanout-group.ts';
import { LaneCgroups } from './lane-cgroups.ts';
import { LaneChild, type LaneChildOptions } from './lane-child.ts';
import { assertCpus, cpuAt } from './lane-cpus.ts';
import type { LaneEnd, LaneEvents, LaneHandle, LanePlan, LaneRecord } from './lane-set.ts';
import { findUser } from './lane-user.ts';
import { PrefixTables, type TableView } from './prefix-tables.ts';
import { Reconciler, type SupervisorState } from './reconcile.ts';
import { refuseEarlierTakers } from './refuse-takers.ts';
import { planRings, type RingPlan, smallerRings } from './ring-plan.ts';
import { SharedTableMemory } from './shared-tables.ts';
import { Totals } from './totals.ts';
import { isConfinementRequired, laneSpec, tryHooks } from './try-hooks.ts';

/**
 * A lane of a killed run, whose lock is free, sends at most until the lease of its last moment ends. Until then the ports
 * stay as that run left them.
 */
const LOCK_TO_LEASE_MS = 1_000;
/** How often what could not be taken back at the end is tried. */
const UNDO_ATTEMPTS = 5;
const UNDO_AGAIN_MS = 200;
/** sysfs waits for a lock of the kernel: a port whose speed is not told by then has none. */
const SPEED_TIMEOUT_MS = 1_000;

/** Characters of the error that `firehook status` shows. */
const MAX_ERROR_TEXT = 500;

/** What {@link Supervisor} takes. */
export interface SupervisorOptions {
  readonly config: Config;
  readonly configFolder: string;
  readonly warnings: readonly string[];
  readonly log: Logger;
  /** Closed by {@link Supervisor.stop}. */
  readonly plumbing: Plumbing;
  /** Locks a number of a fanout group: the descriptor that holds it, or -1. */
  lockFanoutGroup(id: number): number;
  /** Lines that the reader of the log did not take. */
  logLinesLost(): number;
}

/** What lanes are started for, with all that only a real lane needs. */
interface Plan extends LanePlan {
  readonly spec: LaneSpec;
  readonly rings: readonly RingPlan[];
}

/** Runs the daemon until {@link Supervisor.stop}. */
export class Supervisor implements DaemonView {
  readonly config: Config;
  readonly totals = new Totals();
  readonly startedAtMs = performance.now();
  hooks: readonly HookInfo[] = [];
  user: LaneUser | null = null;

  readonly #options: SupervisorOptions;
  readonly #clock: Clock = systemClock;
  readonly #loop: Reconciler<Plan>;
  readonly #groups: FanoutGroups;
  /** In Mbit/s, by ifindex; asked for once, because the kernel may be slow to say. */
  readonly #speeds = new Map<number, number>();
  #cgroups: LaneCgroups | null = null;
  #tables: PrefixTables | null = null;
  #events: EventSink | null = null;
  /** The ring of each lane that has one, by the lane. */
  readonly #ringOf = new Map<LaneHandle, number>();
  #shared: SharedTableMemory | null = null;
  #sources: HookSource[] = [];
  readonly #hookWarnings: string[] = [];
  #control: ControlServer | null = null;
  #ways: readonly Way[] = [];
  readonly #breakers: BreakerMemory;
  /** {@inheritDoc DaemonView.reloadsFailed} */
  reloadsFailed = 0;
  #rings: readonly RingPlan[] = [];
  #locals: readonly LocalRoute[] = [];
  /** Of those that hooks send frames out of. */
  #missingOutlets: ReadonlySet<string> = new Set();
  #lastError: { readonly text: string; readonly atMs: number } | null = null;
  /** Why they could not be read last; '' when they were. */
  #localsFailure = '';
  #isStopping = false;

  constructor(options: SupervisorOptions) {
    this.config = options.config;
    this.#options = options;
    this.#breakers = new BreakerMemory(options.config.faults.breaker);
    this.#groups = new FanoutGroups((id) => options.lockFanoutGroup(id));
    this.#loop = new Reconciler<Plan>({
      config: options.config,
      clock: this.#clock,
      log: options.log,
      plumbing: options.plumbing,
      planLanes: (attachments, links) => this.#planLanes(attachments, links),
      startLane: (plan, place, isFirst, events) => this.#startLane(plan, place, isFirst, events),
      laneEnded: (record, end) => this.#laneEnded(record, end),
    });
  }

  /**
   * Starts everything.
   *
   * @throws {@link FirehookError} what was refused or failed; nothing is left in the kernel then
   */
  async start(): Promise<void> {
    const { config } = this;
    const { log, plumbing, configFolder } = this.#options;
    try {
      this.user = findUser(config.lane.user);
      assertCpus(config.lane.cpus);
      const links = await plumbing.readLinks();
      const attachments = config.attach.map((attach) => toAttachment(attach, config.driver, links));
      this.#warnOfDownLinks(attachments);
      for (const { kind, links: ports } of attachments) {
        for (const port of ports) if (kind !== 'tap') plumbing.lock(port);
      }
      const lockedMs = this.#clock.now();
      await refuseEarlierTakers(config, plumbing, links);
      this.#sources = await bundleAll(config, this.user, (warning) => {
        this.#hookWarnings.push(warning);
        log.warn(warning);
      });
      this.#tables = await this.#buildTables();
      const tried = await tryHooks(config, configFolder, this.user, this.#sources, this.#tables.memories, log);
      this.hooks = tried.hooks;
      this.#shared = SharedTableMemory.make(tried.demands);
      this.#events = await this.#openEvents();
      this.#control = await ControlServer.open(config.control.socket, config.control.mode, new Reports(this));
      await this.#takeBackLeftovers(attachments, lockedMs);
      this.#cgroups = new LaneCgroups();
      if (this.#cgroups.reason !== '') log.info(`Lanes have no cgroups of their own: ${this.#cgroups.reason}.`);
      await this.#loop.start();
      this.#tables.watch();
    } catch (error) {
      await this.#takeDown(true);
      throw error;
    }
    const attached = this.#loop.keepers.flatMap(({ attachment }) =>
      attachment === null ? [] : [describe(attachment)],
    );
    log.info({ hooks: this.hooks.map(({ name }) => name) }, `Attached to ${attached.join(', ')}.`);
  }

  /** Takes everything back, or leaves the plumbing with `onDown` in force when `policy.onStop` is `hold`. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    const isWhole = await this.#takeDown(this.config.policy.onStop === 'undo');
    this.#options.log.info(
      this.config.policy.onStop === 'hold'
        ? 'Stopped; onDown holds.'
        : isWhole
          ? 'Stopped; everything was taken back.'
          : 'Stopped; not everything could be taken back: firehookd --undo tries it again.',
    );
  }

  /** For an error that nobody expected: the fence is closed, lanes are killed, and the tables stay with `onDown` in force. */
  abandon(): void {
    this.#isStopping = true;
    this.#loop.abandon();
  }

  /** {@inheritDoc DaemonView.state} */
  get state(): SupervisorState {
    return this.#isStopping ? 'stopping' : this.#loop.state;
  }

  /** {@inheritDoc DaemonView.attaches} */
  get attaches(): readonly AttachView[] {
    return this.#loop.keepers.map((keeper) => ({
      kind: keeper.kind,
      interfaces: attachInterfaces(keeper.config),
      ifindexes: keeper.attachment?.links.map(({ ifindex }) => ifindex) ?? [],
      isAttached: keeper.attachment !== null,
      inForce: this.#loop.inForce(keeper),
      damages: keeper.damages.map(({ text }) => text),
      takers: keeper.takers,
      tolerated: keeper.tolerated,
    }));
  }

  /** {@inheritDoc DaemonView.lanesDead} */
  get lanesDead(): number {
    return this.#breakers.lanesDead;
  }

  /** {@inheritDoc DaemonView.lanesHung} */
  get lanesHung(): number {
    return this.#breakers.lanesHung;
  }

  /** {@inheritDoc DaemonView.setBreaker} */
  setBreaker(hook: string, isOpen: boolean): number {
    const running = this.#loop.lanes.records.filter(({ phase }) => phase !== 'exited');
    for (const { handle } of running) handle.setBreaker(hook, isOpen);
    this.#breakers.set(hook, isOpen);
    this.#options.log.warn(`Hook ${hook}: breaker ${isOpen ? 'opened' : 'closed'} by command.`);
    return running.length;
  }

  /** {@inheritDoc DaemonView.lanes} */
  get lanes(): readonly LaneView[] {
    return this.#loop.lanes.records
      .filter(({ phase }) => phase !== 'exited')
      .map(({ handle, report, phase }) => ({
        isReady: phase === 'ready',
        ask: (request) => handle.ask(request),
        pid: handle.pid,
        cpu: handle.cpu,
        cgroup: handle.cgroup,
        rings: report?.rings ?? [],
        kernelFilter: report?.kernelFilter ?? null,
        read: () => handle.read(),
      }));
  }

  /** {@inheritDoc DaemonView.laneRestarts} */
  get laneRestarts(): number {
    return this.#loop.lanes.replacements;
  }

  /** {@inheritDoc DaemonView.lastLaneError} */
  get lastLaneError(): string | null {
    return this.#loop.lanes.lastError;
  }

  /** {@inheritDoc DaemonView.lastError} */
  get lastError(): DaemonView['lastError'] {
    return this.#lastError;
  }

  /** {@inheritDoc DaemonView.isLeaseHeld} */
  get isLeaseHeld(): boolean {
    return this.#loop.isLeaseHeld;
  }

  /** {@inheritDoc DaemonView.lease} */
  get lease(): LeaseState {
    return this.#options.plumbing.lease.state;
  }

  /** {@inheritDoc DaemonView.ways} */
  get ways(): readonly Way[] {
    return this.#ways;
  }

  /** {@inheritDoc DaemonView.rings} */
  get rings(): readonly RingPlan[] {
    return this.#rings;
  }

  /** {@inheritDoc DaemonView.tables} */
  get tables(): readonly TableView[] {
    return this.#tables?.views ?? [];
  }

  /** {@inheritDoc DaemonView.events} */
  get events(): EventSinkView | null {
    return this.#events?.view ?? null;
  }

  /** {@inheritDoc DaemonView.warnings} */
  get warnings(): readonly string[] {
    return [...this.#options.warnings, ...this.#hookWarnings, ...this.#loop.warnings];
  }

  /** {@inheritDoc DaemonView.logLinesLost} */
  get logLinesLost(): number {
    return this.#options.logLinesLost();
  }

  /** {@inheritDoc DaemonView.counters} */
  counters(): Promise<ReadonlyMap<string, PortCounters>> {
    return this.#options.plumbing.counters(this.#loop.heldIfindexes);
  }

  /** @throws {@link FirehookError} why the first of them that cannot be built is refused */
  async #buildTables(): Promise<PrefixTables> {
    const { config, user } = this;
    const tables = new PrefixTables({
      tables: config.tables,
      user,
      isRequired: isConfinementRequired(config),
      clock: this.#clock,
      say: (level, sentence) => this.#options.log[level](sentence),
      onChange: (table) => {
        for (const { handle, phase } of this.#loop.lanes.records) if (phase !== 'exited') handle.setTable(table);
      },
    });
    const [problem] = await tables.build();
    if (problem === undefined) return tables;
    tables.stop();
    throw problem instanceof Error ? problem : new Error(String(problem));
  }

  /** @throws {@link FirehookError} FIREHOOK_EVENTS_FILE */
  async #openEvents(): Promise<EventSink | null> {
    const { config, user } = this;
    const { file } = config.events;
    if (file === undefined) return null;
    return EventSink.open({
      file,
      user,
      isRequired: isConfinementRequired(config),
      hooks: namesByPlace(this.#sources, this.hooks),
      clock: this.#clock,
      say: (level, sentence) => this.#options.log[level](sentence),
    });
  }

  /** A lane without a ring is better than none. */
  #openRing(place: number, ways: readonly Way[]): { readonly id: number; readonly fd: number } | null {
    try {
      return this.#events?.openRing(place, ways) ?? null;
    } catch (error) {
      this.#options.log.warn(`The events of lane ${place} are not written: ${(error as Error).message}.`);
      return null;
    }
  }

  #warnOfDownLinks(attachments: readonly Attachment[]): void {
    for (const { isUp, name } of attachments.flatMap(({ links }) => [...links])) {
      if (!isUp) this.#options.log.warn(`Interface ${name} is down: ip link set ${name} up.`);
    }
  }

  /**
   * A killed run may have bridged one of our ports with another one: that one is nobody's now. And a lane of that run may still
   * be there for a moment.
   */
  async #takeBackLeftovers(attachments: readonly Attachment[], lockedMs: number): Promise<void> {
    const { plumbing } = this.#options;
    const ours = attachments.flatMap(({ kind, links }) => (kind === 'tap' ? [] : links.map(({ ifindex }) => ifindex)));
    const leftovers = await plumbing.leftovers(ours);
    for (const ifindex of leftovers.keys()) if (!ours.includes(ifindex)) await plumbing.undo(ifindex);
    if (leftovers.size > 0) await this.#sleep(LOCK_TO_LEASE_MS - (this.#clock.now() - lockedMs));
  }

  async #planLanes(attachments: readonly Attachment[], links: ReadonlyMap<string, Link>): Promise<Plan> {
    const { config } = this;
    const { driver, attach } = config;
    const ports: LaneSpec['ports'][number][] = [];
    const laid: Way[] = [];
    for (const attachment of attachments) {
      const laidOut = layOut(attachment, ports.length, links);
      ports.push(...laidOut.ports);
      laid.push(...laidOut.ways);
    }
    const ways = sortWays(laid);
    const outlets = this.#layOutOutlets(ports, links);
    const nameless = ports.flatMap(({ capture, send }) => [capture, send]).find((device) => device?.ifindex === 0);
    if (nameless) throw new FirehookError('FIREHOOK_ATTACH_INTERFACE', `"${nameless.name}": it is not there yet`);
    await this.#readSpeeds(attachments);
    await this.#readLocals();
    const speedOf = (name: string): number => this.#speeds.get(links.get(name)?.ifindex ?? 0) ?? Number.NaN;
    const hasRings = liveDriver(driver).rings === true;
    const rings = hasRings ? planRings(config.ring, ways, [], links.values(), this.#options.log, speedOf) : [];
    const spec: LaneSpec = {
      ...laneSpec(config, this.#options.configFolder, this.user, this.#sources, config.lanes),
      mode: 'run',
      driver,
      ports,
      ways,
      outlets,
      rings,
      trackChanges: !attach.some(isEnforced),
    };
    return {
      fingerprint: JSON.stringify([ports, ways, rings]),
      ways,
      isFenced: ports.some(({ isFenced }) => isFenced === true),
      spec,
      rings,
    };
  }

  /** A port that only sends for each interface that hooks may send out of; it sends nothing where there is none of that name. */
  #layOutOutlets(ports: LivePortOptions[], links: ReadonlyMap<string, Link>): Outlet[] {
    const outlets = outletNames(this.config.hooks).map((name, index) => ({ name, port: ports.length + index }));
    const missing: string[] = [];
    for (const { name, port } of outlets) {
      const laidOut = layOutOutlet(name, port, links);
      ports.push(laidOut);
      if (laidOut.send === null) missing.push(name);
    }
    for (const name of missing) {
      if (this.#missingOutlets.has(name)) continue;
      this.#options.log.warn(
        `Interface ${name} of allow.interfaces is not there, or not of Ethernet: what hooks send out of it goes nowhere.`,
      );
    }
    this.#missingOutlets = new Set(missing);
    return outlets;
  }

  #startLane(plan: Plan, place: number, isFirst: boolean, events: LaneEvents): LaneHandle {
    const { lanes, lane, driver } = this.config;
    const { log, plumbing } = this.#options;
    if (isFirst) {
      this.#groups.draw(lanes === 1 || !liveDriver(driver).sharesPort ? 0 : plan.ways.length);
      this.#ways = plan.ways;
    }
    const { ids } = this.#groups;
    const rings = plan.rings.map((ring, index) => ({ ...ring, fanoutGroup: ids[index] ?? -1 }));
    if (isFirst) this.#rings = rings;
    const ring = this.#openRing(place, plan.ways);
    const child = this.#spawnLane(ring, {
      spec: {
        ...plan.spec,
        lane: place,
        rings,
        openBreakers: this.#breakers.open,
        locals: this.#locals,
        shared: this.#shared?.tables ?? null,
      },
      tables: this.#tables?.memories ?? [],
      sharedFd: this.#shared?.fd ?? null,
      fenceFd: plumbing.lease.fenceFd,
      cpu: cpuAt(lane.cpus, place),
      cgroups: this.#cgroups,
      isConfinementRequired: isConfinementRequired(this.config),
      names: new Map(this.hooks.map(({ path, name }) => [path, name])),
      log,
      events: {
        ...events,
        complained: (text) => this.#noteError(text),
        ready: (report) => {
          // The hooks are those that were tried; a lane that tells of others is told from them by their names only.
          for (const sentence of smallerRings(rings, report.rings)) log.warn({ pid: child.pid }, sentence);
          events.ready(report);
        },
      },
    });
    return child;
  }

  #spawnLane(ring: { readonly id: number; readonly fd: number } | null, options: LaneChildOptions): LaneChild {
    try {
      const child = new LaneChild({ ...options, eventsFd: ring?.fd ?? null });
      if (ring !== null) this.#ringOf.set(child, ring.id);
      return child;
    } catch (error) {
      if (ring !== null) this.#events?.endRing(ring.id);
      throw error;
    }
  }

  #noteError(text: string): void {
    this.#lastError = { text: text.slice(0, MAX_ERROR_TEXT), atMs: performance.now() };
  }

  #laneEnded({ plan, handle }: LaneRecord<Plan>, { progress, error }: LaneEnd): void {
    const ring = this.#ringOf.get(handle);
    if (ring !== undefined) this.#events?.endRing(ring);
    this.#ringOf.delete(handle);
    if (error !== null) this.#noteError(error.message);
    const outHook = this.#breakers.laneEnded(this.hooks, progress, error?.message ?? null, performance.now());
    if (outHook !== null)
      this.#options.log.error(`Hook ${outHook}: breaker open: lanes ended while it ran, and it is not called for now.`);
    if (progress !== null) this.totals.add(plan.ways, this.hooks, progress);
  }

  /** Lanes tell by them whether a packet is for this host. */
  async #readLocals(): Promise<void> {
    let locals: readonly LocalRoute[];
    try {
      locals = await this.#options.plumbing.readLocals();
      this.#localsFailure = '';
    } catch (error) {
      // Nobody's packets depend on it: what was known last goes on, and the next turn asks again.
      const reason = (error as Error).message;
      if (reason !== this.#localsFailure) this.#options.log.warn(`Cannot read the addresses of this host: ${reason}.`);
      this.#localsFailure = reason;
      return;
    }
    if (JSON.stringify(locals) === JSON.stringify(this.#locals)) return;
    this.#locals = locals;
    for (const { handle, phase } of this.#loop.lanes.records) if (phase !== 'exited') handle.setLocals(locals);
  }

  async #readSpeeds(attachments: readonly Attachment[]): Promise<void> {
    const missing = attachments.flatMap(({ links }) => [...links]).filter(({ ifindex }) => !this.#speeds.has(ifindex));
    await Promise.all(
      missing.map(async ({ ifindex, name }) => {
        const speed = readFile(`/sys/class/net/${name}/speed`, 'utf8').then(Number, () => Number.NaN);
        const late = this.#sleep(SPEED_TIMEOUT_MS).then(() => Number.NaN);
        this.#speeds.set(ifindex, await Promise.race([speed, late]));
      }),
    );
  }

  /** @returns true when all was taken back that had to be */
  async #takeDown(isUndone: boolean): Promise<boolean> {
    this.#isStopping = true;
    const { plumbing } = this.#options;
    this.#control?.close();
    this.#tables?.stop();
    this.#shared?.close();
    this.#shared = null;
    const ports = this.#loop.heldIfindexes;
    // Stealing ends first: the lane can finish what it has from a detour. At a port the closed fence has ended it already.
    await this.#loop.stop(async () => {
      if (isUndone) await this.#forEach(ports, (port) => plumbing.disengage(port));
    });
    this.#groups.release();
    await this.#events?.stop();
    const isWhole = isUndone ? await this.#forEach(ports, (port) => plumbing.undo(port)) : true;
    plumbing.close();
    return isWhole;
  }

  /** Each port, a few times where the kernel refuses. */
  async #forEach(ports: readonly number[], task: (port: number) => Promise<unknown>): Promise<boolean> {
    let left = ports;
    for (let attempt = 1; left.length > 0; attempt++) {
      const failed: number[] = [];
      for (const port of left) {
        try {
          await task(port);
        } catch (error) {
          failed.push(port);
          if (attempt === UNDO_ATTEMPTS) {
            this.#options.log.error(`Cannot take back port ${port}: ${(error as Error).message}.`);
          }
        }
      }
      left = failed;
      if (attempt === UNDO_ATTEMPTS) break;
      if (left.length > 0) await this.#sleep(UNDO_AGAIN_MS);
    }
    return left.length === 0;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(resolve, Math.max(0, ms));
    });
  }
}

/** Names of the hooks in the order of the configuration. */
function namesByPlace(sources: readonly HookSource[], hooks: readonly HookInfo[]): string[] {
  const given = new Set(sources.map(({ name }) => name));
  return sources.map(
    ({ name, bundle }) => name ?? hooks.find((hook) => hook.path === bundle.path && !given.has(hook.name))?.name ?? '',
  );
}
