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

import { closeSync } from 'node:fs';
import os from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { liveDriver } from '../config/live-drivers.ts';
import type { LoadedFile } from '../config/load-config.ts';
import { parseLoopback } from '../config/loopback-address.ts';
import { needsRestart } from '../config/reloadable.ts';
import { type AttachConfig, attachInterfaces, attachTolerates, type Config } from '../config/schema.ts';
import { ControlServer } from '../control/control-server.ts';
import type { AttachView, DaemonView, LaneView } from '../control/daemon-view.ts';
import type { LoopbackServer } from '../control/loopback-server.ts';
import { openMetrics } from '../control/metrics-server.ts';
import { Reports } from '../control/reports.ts';
import { openWeb } from '../control/web-server.ts';
import { FirehookError } from '../errors.ts';
import type { HookInfo, HookSource, LaneSpec, LaneUser } from '../lane/messages.ts';
import { RECENT_OCTETS } from '../lane/recent-frames.ts';
import type { Way } from '../lane/way.ts';
import { loadNative } from '../native/load-native.ts';
import type { Attachment } from '../plumbing/attach/attachment.ts';
import { toAttachment } from '../plumbing/attach-entry.ts';
import type { LeaseState, TransferablePlumbing } from '../plumbing/contract.ts';
import type { Link } from '../plumbing/link.ts';
import type { PortCounters } from '../plumbing/port-counters.ts';
import type { Logger } from '../telemetry/logger.ts';
import { describe } from './attach-keeper.ts';
import { BreakerMemory } from './breaker-memory.ts';
import { type Clock, systemClock } from './clock.ts';
import { EngineEvents } from './engine-events.ts';
import { EventSink, type EventSinkView } from './event-sink.ts';
import { FanoutGroups } from './fanout-group.ts';
import { FileWatch } from './file-watch.ts';
import {
  endGeneration,
  type Generation,
  type GenerationOptions,
  makeGeneration,
  refusalOf,
  restart,
} from './generation.ts';
import { LaneCgroups } from './lane-cgroups.ts';
import { LaneChild, type LaneChildOptions } from './lane-child.ts';
import { assertCpus, cpuAt } from './lane-cpus.ts';
import { type LaneLayout, LaneLayouts } from './lane-layouts.ts';
import type { LaneEnd, LaneEvents, LaneHandle, LanePlan, LaneRecord } from './lane-set.ts';
import { HeldSockets } from './lane-sockets.ts';
import { findUser } from './lane-user.ts';
import type { TableView } from './prefix-tables.ts';
import { Reconciler, type SupervisorState } from './reconcile.ts';
import { refuseEarlierTakers } from './refuse-takers.ts';
import { type RingPlan, smallerRings } from './ring-plan.ts';
import { SharedTableMemory } from './shared-tables.ts';
import { keepPackets, type Succeeded, type SuccessionOptions, succeed } from './succession.ts';
import { type PlainTotals, Totals } from './totals.ts';
import { replaceConfig, trialFile } from './trial-file.ts';
import { type Entered, type TrialEnd, Trials } from './trials.ts';
import { isConfinementRequired, laneSpec, type RecentMemory } from './try-hooks.ts';
import { handOn, type Upgraded } from './upgrade/hand-on.ts';
import { type Offer, PROTOCOL } from './upgrade/offer.ts';
import { upgradeFailed } from './upgrade/peer-channel.ts';
import type { Predecessor } from './upgrade/predecessor.ts';
import { version } from './version.ts';

/**
 * A lane of a killed run, whose lock is free, sends at most until the lease of its last moment ends. Until then the ports
 * stay as that run left them.
 */
const LOCK_TO_LEASE_MS = 1_000;
/** How often what could not be taken back at the end is tried. */
const UNDO_ATTEMPTS = 5;
const UNDO_AGAIN_MS = 200;

const MIB = 1024 * 1024;
/** Memory for what a lane leaves to its successor: for its hooks, and for each flow, with columns. */
const ESTATE_OCTETS = 17 * 1024 * 1024;
const ESTATE_FLOW_OCTETS = 512;

/** Far from the numbers of tables, and of what lanes leave. */
const FIRST_COPY_ID = 0x6000_0000;
const COPY_MS = 1_000;

/** Frames that a lane copies. */
interface Copies {
  readonly id: number;
  readonly fd: number;
  readonly octets: number;
  readonly lane: LaneHandle;
}

/** Characters of the error that `firehook status` shows. */
const MAX_ERROR_TEXT = 500;

/** What {@link Supervisor} takes. */
export interface SupervisorOptions {
  readonly config: Config;
  readonly configFolder: string;
  readonly warnings: readonly string[];
  readonly log: Logger;
  /** The configuration that was loaded: its file, and what stood there. */
  readonly configFile: string;
  readonly configText: string;
  /** Reads a configuration, the daemon's own where none is named. @throws what is wrong with it */
  readonly readConfig: (file?: string) => LoadedFile;
  /** Closed by {@link Supervisor.stop}. */
  readonly plumbing: TransferablePlumbing;
  /** Locks a number of a fanout group: the descriptor that holds it, or -1. */
  lockFanoutGroup(id: number): number;
  /** Of `policy.keepSession`; null for none. */
  readonly keptSession: DaemonView['keptSession'];
  /** Lines that the reader of the log did not take. */
  logLinesLost(): number;
  /** Another process has everything that was this one's, which is to end; null: that one was lost, and so is all. */
  readonly left: (pid: number | null) => void;
}

/** What lanes are started for, with all that only a real lane needs. */
interface Plan extends LanePlan {
  readonly spec: LaneSpec;
  readonly rings: readonly RingPlan[];
  readonly generation: Generation;
  /** Gives the lanes of the process that is to take the place of this one. @defaultValue lanes are started here */
  readonly remote?: (place: number, events: LaneEvents) => LaneHandle;
}

/** What there is to go back to from a configuration that is in force for a while. */
interface Former {
  readonly generation: Generation;
  readonly configWarnings: readonly string[];
}

/** What came of a reload. */
export interface Reloaded {
  /** Number of the generation that is in force. */
  readonly generation: number;
  readonly hooks: readonly string[];
  /** What was left behind, a sentence each. */
  readonly notes: readonly string[];
  /** How long packets waited; null where lanes were started anew and `policy.onDown` held meanwhile. */
  readonly pauseMs: number | null;
}

const NO_FRAMES = (): Promise<null> => Promise.resolve(null);
/** How often lanes are looked at that are started beside those of another process, or that are ending. */
const LOOK_AT_LANES_MS = 20;

/** Runs the daemon until {@link Supervisor.stop}. */
export class Supervisor implements DaemonView {
  readonly startedAtMs = performance.now();
  user: LaneUser | null = null;
  /** {@inheritDoc DaemonView.lastReload} */
  lastReload: DaemonView['lastReload'] = null;

  #totals = new Totals();
  /** In force; null until there is one. */
  #generation: Generation | null = null;
  readonly #trials: Trials<Former, Reloaded>;
  /** What stood in the configuration when it was loaded last. */
  #configText: string;
  /** Settles when the reload that was asked for last has. */
  #reloading: Promise<unknown> = Promise.resolve();
  /** Counts the reloads for which lanes had to be started anew. */
  #restarts = 0;
  /** Numbers memory that lanes are lent. */
  #memories = 0;
  readonly #files: FileWatch;

  readonly #options: SupervisorOptions;
  readonly #clock: Clock = systemClock;
  readonly #loop: Reconciler<Plan>;
  readonly #groups: FanoutGroups;
  readonly #layouts: LaneLayouts;
  #cgroups: LaneCgroups | null = null;
  #events: EventSink | null = null;
  #engine: EngineEvents | null = null;
  /** The ring of each lane that has one, by the lane. */
  readonly #ringOf = new Map<LaneHandle, number>();
  #control: ControlServer | null = null;
  #metrics: LoopbackServer | null = null;
  #web: LoopbackServer | null = null;
  #ways: readonly Way[] = [];
  readonly #breakers: BreakerMemory;
  /** {@inheritDoc DaemonView.reloadsFailed} */
  reloadsFailed = 0;
  #rings: readonly RingPlan[] = [];
  #lastError: { readonly text: string; readonly atMs: number } | null = null;
  #isStopping = false;
  /** The sockets of the lanes whose place these take, by their place; null but while this process takes the place of another one. */
  #inherited: ReadonlyMap<number, HeldSockets> | null = null;
  #configWarnings: readonly string[];

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#breakers = new BreakerMemory(() => this.config.faults.breaker);
    this.#configWarnings = options.warnings;
    this.#files = new FileWatch(this.#clock, () => {
      options.log.info('A file of the configuration or of a hook has changed.');
      // What came of it is in the log.
      void this.reload().catch(() => undefined);
    });
    this.#configText = options.configText;
    this.#trials = new Trials({
      clock: this.#clock,
      bootSeconds: () => os.uptime(),
      inTurn: (task) => this.#inTurn(task),
      enter: (file) => this.#enterTrial(file),
      goBack: ({ generation, configWarnings }, end, file) => this.#goBack(generation, configWarnings, end, file),
      keep: ({ generation }, text, file) => this.#keepTrial(generation, text, file),
    });
    this.#groups = new FanoutGroups((id) => options.lockFanoutGroup(id));
    this.#layouts = new LaneLayouts({
      plumbing: options.plumbing,
      log: options.log,
      sleep: (ms) => this.#sleep(ms),
      onLocals: (locals) => {
        for (const { handle, phase } of this.#loop.lanes.records) if (phase !== 'exited') handle.setLocals(locals);
      },
    });
    this.#loop = new Reconciler<Plan>({
      config: options.config,
      clock: this.#clock,
      log: options.log,
      plumbing: options.plumbing,
      planLanes: (attachments, links) => this.#planLanes(attachments, links),
      startLane: (plan, place, isFirst, events, predecessor) =>
        this.#startLane(plan, place, isFirst, events, predecessor),
      laneEnded: (record, end) => this.#laneEnded(record, end),
      stalled: (text) => this.#noteError(text),
    });
  }

  /**
   * Starts everything.
   *
   * @throws {@link FirehookError} what was refused or failed; nothing is left in the kernel then
   */
  async start(): Promise<void> {
    const { config } = this;
    const { log, plumbing } = this.#options;
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
      this.#generation = await this.#makeGeneration(config);
      this.#events = await this.#openEvents();
      await this.#openControl();
      await this.#takeBackLeftovers(attachments, lockedMs);
      this.#cgroups = new LaneCgroups();
      if (this.#cgroups.reason !== '') log.info(`Lanes have no cgroups of their own: ${this.#cgroups.reason}.`);
      await this.#loop.start();
      this.#generation.tables.watch();
      await this.#watchFiles();
      this.#tellOfEngine();
    } catch (error) {
      await this.#takeDown(true);
      throw error;
    }
    const attached = this.#loop.keepers.flatMap(({ attachment }) =>
      attachment === null ? [] : [describe(attachment)],
    );
    log.info({ hooks: this.hooks.map(({ name }) => name) }, `Attached to ${attached.join(', ')}.`);
  }

  async #openControl(): Promise<void> {
    const { control, metrics, web } = this.config;
    const reports = new Reports(this);
    this.#control = await ControlServer.open(control.socket, control.mode, reports);
    const address = parseLoopback(metrics.listen ?? '');
    if (address !== null) this.#metrics = await openMetrics(address, reports);
    this.#web = await openWeb(web, reports, this.#options.log);
  }

  /**
   * Reads the configuration again, and has lanes with it take the place of those that run: between two packets, whole or not at all. One reload
   * after the other.
   *
   * @throws {@link FirehookError} why not; what was in force still is
   */
  reload(): Promise<Reloaded> {
    return this.#inTurn(() => this.#reload());
  }

  /**
   * Takes the place of another firehookd: its lanes leave their packets to those of this one, and then it leaves the ports.
   *
   * @throws {@link FirehookError} why not: until the other one has left nothing has changed, and to end is enough. After that `onDown` is in force
   */
  async takeOver(predecessor: Predecessor): Promise<void> {
    const { log } = this.#options;
    const { offer } = predecessor;
    const { lanes } = this.#loop;
    const before = offer.shared === null ? null : SharedTableMemory.adopt(offer.shared.tables, offer.shared.fd);
    try {
      await this.#startBeside(offer, before);
    } catch (error) {
      await predecessor.refuse(error);
      throw error;
    }
    const generation = this.#generation as Generation;
    const offered = lanes.ready.map(({ place, handle: { pid, progressFd } }) => ({ place, pid, progressFd }));
    const yours = await predecessor.hand(
      { hooks: generation.hooks, lanes: offered.map(({ place, pid }) => ({ place, pid })) },
      offered.map(({ progressFd }) => progressFd),
      (place) => lanes.ready.find((record) => record.place === place)?.handle,
      () => copyTables(before, generation.shared),
    );
    before?.close();
    this.#inherited = null;
    try {
      this.#totals.absorb(yours.totals);
      await this.#loop.start();
      generation.tables.watch();
      await this.#watchFiles();
      this.#tellOfEngine();
    } catch (error) {
      this.abandon();
      throw error;
    }
    // The traffic does not wait for who asks about it.
    const notes = await this.#openControl().then(
      () => [],
      (error: unknown) => [reasonOf(error)],
    );
    for (const note of notes) log.error(`${note}. Packets get their verdicts; restart firehookd when that is mended.`);
    await predecessor.runs(notes, (totals) => this.#totals.absorb(totals));
    log.info(
      { hooks: this.hooks.map(({ name }) => name) },
      `firehookd ${version} has taken over from ${offer.version} (pid ${offer.pid}).`,
    );
  }

  /** Everything that can fail, beside a process that goes on meanwhile: nothing is done to the kernel but that lanes are started. */
  async #startBeside(offer: Offer, sharedBefore: SharedTableMemory | null): Promise<void> {
    const { config } = this;
    const { plumbing } = this.#options;
    const keys = needsRestart(offer.config, config, true);
    if (keys.length > 0) throw restart(keys.join(', '));
    const refusal = refusalOf(offer.config, config);
    if (refusal !== null) throw refusal;
    this.user = findUser(config.lane.user);
    assertCpus(config.lane.cpus);
    this.#layouts.locals = offer.locals;
    this.#groups.adopt(offer.groups.ids, offer.groups.locks);
    const links = await plumbing.readLinks();
    const attachments = config.attach.map((attach) => toAttachment(attach, config.driver, links));
    for (const [index, attachment] of attachments.entries()) {
      const tolerated = attachTolerates(config.attach[index] as AttachConfig);
      if (!(await plumbing.isAsLeft(attachment, config.policy.onDown, tolerated)))
        throw restart('what this version puts into the kernel differs, which');
    }
    const made = await this.#makeGeneration(config, NO_FRAMES, { shared: sharedBefore });
    this.#generation = { ...made, number: offer.generation + 1 };
    this.#events = await this.#openEvents();
    this.#cgroups = offer.cgroups === null ? null : new LaneCgroups(offer.cgroups.own, process.pid, offer.cgroups.made);
    const plan = await this.#planLanes(attachments, links);
    if (!isDeepStrictEqual(layoutOf(plan.spec), offer.layout))
      throw restart('what this version tells lanes of the ports differs, which');
    this.#ways = plan.ways;
    this.#rings = plan.rings.map((ring, index) => ({ ...ring, fanoutGroup: offer.groups.ids[index] ?? -1 }));
    this.#inherited = new Map(
      offer.lanes.flatMap(({ place, sockets }) => (sockets === null ? [] : [[place, new HeldSockets(sockets)]])),
    );
    const { lanes } = this.#loop;
    lanes.setPlan(plan);
    while (!lanes.isComplete) {
      if (lanes.lastError !== null) throw upgradeFailed(lanes.lastError);
      await this.#sleep(LOOK_AT_LANES_MS);
    }
  }

  /** Leaves everything to another firehookd, started from the files that are there now: for an upgrade. This process ends then. */
  upgrade(): Promise<Upgraded> {
    return this.#inTurn(() => this.#upgrade());
  }

  async #upgrade(): Promise<Upgraded> {
    const { log } = this.#options;
    try {
      this.#trials.assertNone();
      const { plan } = this.#loop.lanes;
      if (plan === null || this.state !== 'running') throw upgradeFailed(`firehookd is ${this.state}`);
      const upgraded = await handOn({
        offer: this.#offer(plan),
        keep: () => keepPackets(this.#loop.lanes),
        pause: () => this.#loop.pause(),
        goOn: () => this.#loop.goOn(),
        succeed: (hooks, remote, between) => this.#succeedBy(plan, hooks, remote, between),
        leave: () => this.#leave(),
        rest: () => this.#rest(),
      });
      log.info(
        `firehookd ${upgraded.version} (pid ${upgraded.pid}) has taken over; packets waited for ${upgraded.pauseMs.toFixed(1)} ms.`,
      );
      this.#options.left(upgraded.pid);
      return upgraded;
    } catch (error) {
      if (this.#isStopping) this.#options.left(null);
      const text = reasonOf(error);
      log.error(
        { code: (error as { code?: unknown }).code },
        this.#isStopping ? `${text}.` : `${text}. This firehookd goes on.`,
      );
      throw error;
    }
  }

  #offer(plan: Plan): Offer {
    const generation = this.#generation as Generation;
    const { shared } = generation;
    return {
      protocol: PROTOCOL,
      version,
      pid: process.pid,
      config: this.config,
      generation: generation.number,
      layout: layoutOf(plan.spec),
      locals: this.#layouts.locals,
      lanes: this.#loop.lanes.ready.map(({ place, handle }) => ({
        place,
        sockets: handle instanceof LaneChild ? (handle.held?.sockets ?? null) : null,
      })),
      groups: { ids: this.#groups.ids, locks: this.#groups.locks },
      shared: shared === null ? null : { tables: shared.tables, fd: shared.fd },
      plumbing: this.#options.plumbing.estate,
      cgroups: this.#cgroups?.place ?? null,
    };
  }

  /** Lanes of another process take the place of those of this one. */
  async #succeedBy(
    plan: Plan,
    hooks: readonly HookInfo[],
    remote: (place: number, events: LaneEvents) => LaneHandle,
    between: () => Promise<readonly string[]>,
  ): Promise<Succeeded> {
    const before = this.#generation as Generation;
    const generation = { ...before, number: before.number + 1, hooks };
    const succeeded = await this.#succeed({ ...plan, generation, remote }, between);
    this.#generation = generation;
    return succeeded;
  }

  /** From here on nothing is this process's any more, but the last numbers of its lanes. */
  async #leave(): Promise<PlainTotals> {
    this.#isStopping = true;
    this.#control?.stopListening();
    this.#files.stop();
    this.#metrics?.close();
    this.#web?.close();
    this.#engine?.stop();
    this.#trials.stop();
    const { plain } = this.#totals;
    this.#totals = new Totals();
    this.#loop.leave();
    return plain;
  }

  async #rest(): Promise<PlainTotals> {
    const { lanes } = this.#loop;
    while (lanes.records.some(({ role }) => role === 'retiring')) {
      await this.#sleep(LOOK_AT_LANES_MS);
      lanes.step();
    }
    await this.#events?.stop();
    return this.#totals.plain;
  }

  /** {@inheritDoc DaemonView.keptSession} */
  get keptSession(): DaemonView['keptSession'] {
    return this.#options.keptSession;
  }

  /** {@inheritDoc DaemonView.apply} */
  async apply(file: string, seconds: number): Promise<Reloaded> {
    try {
      return await this.#trials.apply(file, seconds);
    } catch (error) {
      this.#options.log.error({ code: (error as { code?: unknown }).code }, `${reasonOf(error)}.`);
      throw error;
    }
  }

  /** {@inheritDoc DaemonView.confirm} */
  confirm(): Promise<Reloaded> {
    return this.#trials.confirm();
  }

  /** {@inheritDoc DaemonView.cancelApply} */
  cancelApply(): Promise<Reloaded> {
    return this.#trials.cancel();
  }

  /** {@inheritDoc DaemonView.trial} */
  get trial(): DaemonView['trial'] {
    const { view } = this.#trials;
    if (view === null) return null;
    const { number, hooks } = view.former.generation;
    return { ...view, former: { generation: number, hooks: hooks.map(({ name }) => name) } };
  }

  /** {@inheritDoc DaemonView.lastTrial} */
  get lastTrial(): DaemonView['lastTrial'] {
    return this.#trials.last;
  }

  /** One change of the generation after the other. */
  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const done = this.#reloading.then(task);
    this.#reloading = done.catch(() => undefined);
    return done;
  }

  async #reload(): Promise<Reloaded> {
    const { log } = this.#options;
    try {
      this.#trials.assertNone();
      const loaded = this.#options.readConfig();
      const { before, reloaded } = await this.#nextGeneration(loaded);
      this.#configText = loaded.text;
      endGeneration(before, this.#generation);
      this.#tellOfChange('Reloaded', reloaded);
      this.lastReload = { atMs: performance.now(), error: null };
      return reloaded;
    } catch (error) {
      const text = reasonOf(error);
      this.reloadsFailed += 1;
      log.error({ code: (error as { code?: unknown }).code }, `${text}. Generation ${this.generation} goes on.`);
      this.lastReload = { atMs: performance.now(), error: text.slice(0, MAX_ERROR_TEXT) };
      throw error;
    }
  }

  #tellOfChange(what: string, { generation, hooks, notes, pauseMs }: Reloaded): void {
    const { log } = this.#options;
    for (const note of notes) log.warn(`${what}: ${note}.`);
    const how = pauseMs === null ? 'lanes were started anew' : `packets waited for ${pauseMs.toFixed(1)} ms`;
    log.info({ generation, hooks }, `${what}: generation ${generation} is in force; ${how}.`);
  }

  /** Puts a configuration in force. The generation before is left as it is: whoever asks ends it, or goes back to it. */
  async #nextGeneration({ config, warnings }: LoadedFile): Promise<{ before: Generation; reloaded: Reloaded }> {
    const before = this.#generation;
    if (before === null || this.#isStopping || this.state === 'starting')
      throw new FirehookError('FIREHOOK_RELOAD_FAILED', `firehookd is ${this.state}`);
    const keys = needsRestart(before.config, config);
    if (keys.length > 0) throw restart(keys.join(', '));
    const refusal = refusalOf(before.config, config);
    if (refusal !== null) throw refusal;
    for (const warning of warnings) this.#options.log.warn(warning);
    const copies = await this.#copyFrames();
    let next: Generation;
    try {
      next = await this.#makeGeneration(config, () => this.#takeCopies(copies));
    } finally {
      if (copies !== null) closeSync(copies.fd);
    }
    try {
      if (this.#isStopping) throw new FirehookError('FIREHOOK_RELOAD_FAILED', 'firehookd is stopping');
      const reloaded = this.#inForce(next, await this.#exchange(before, next), warnings);
      if (next.tables !== before.tables) next.tables.watch();
      return { before, reloaded };
    } catch (error) {
      endGeneration(next, before);
      throw error;
    }
  }

  async #watchFiles(): Promise<void> {
    if (this.config.reload.onChange)
      await this.#files.watch([this.#options.configFile, ...(this.#generation?.files ?? [])]);
    else await this.#files.watch([]);
  }

  #inForce(next: Generation, how: Pick<Reloaded, 'notes' | 'pauseMs'>, warnings: readonly string[]): Reloaded {
    this.#generation = next;
    this.#breakers.clear();
    this.#configWarnings = warnings;
    this.#options.log.level = next.config.log.level;
    void this.#watchFiles();
    this.#loop.wake();
    return { generation: next.number, hooks: next.hooks.map(({ name }) => name), ...how };
  }

  async #enterTrial(file: string): Promise<Entered<Former, Reloaded>> {
    const { configFile, readConfig } = this.#options;
    const own = { path: configFile, text: this.#configText };
    const loaded = readConfig(trialFile(file, own, !this.config.trustWritable));
    const configWarnings = this.#configWarnings;
    const { before, reloaded } = await this.#nextGeneration(loaded);
    this.#tellOfChange(`Applied ${file} for a while`, reloaded);
    return { former: { generation: before, configWarnings }, text: loaded.text, done: reloaded };
  }

  /** What the former generation consists of is there; where its lanes cannot take over, they are started anew. */
  async #goBack(former: Generation, warnings: readonly string[], end: TrialEnd, file: string): Promise<Reloaded> {
    const current = this.#generation as Generation;
    const again = { ...former, number: current.number + 1 };
    let how: Pick<Reloaded, 'notes' | 'pauseMs'>;
    try {
      how = await this.#exchange(current, again);
    } catch (error) {
      how = { notes: [reasonOf(error)], pauseMs: null };
      this.#startAnew(again);
    }
    const reloaded = this.#inForce(again, how, warnings);
    endGeneration(current, again);
    this.#tellOfChange(
      `Went back from ${file}, which ${end === 'expired' ? 'nobody confirmed' : 'was cancelled'}`,
      reloaded,
    );
    return reloaded;
  }

  #keepTrial(former: Generation, text: string, file: string): Reloaded {
    const { configFile, log } = this.#options;
    const current = this.#generation as Generation;
    replaceConfig({ path: configFile, text: this.#configText }, text);
    this.#configText = text;
    endGeneration(former, current);
    log.info(`Confirmed: generation ${current.number} stays, and ${configFile} is now what ${file} was.`);
    return { generation: current.number, hooks: current.hooks.map(({ name }) => name), notes: [], pauseMs: null };
  }

  /** Lanes of one generation take the place of those of another; where not all of those run, others are started. */
  async #exchange(before: Generation, next: Generation): Promise<Pick<Reloaded, 'notes' | 'pauseMs'>> {
    const { lanes } = this.#loop;
    const { plan } = lanes;
    if (plan !== null && lanes.isComplete)
      return await this.#succeed(this.#planFor(plan, next), () => copyTables(before.shared, next.shared));
    // Nobody has any packets, or only some lanes have.
    const notes = copyTables(before.shared, next.shared);
    this.#startAnew(next);
    return { notes, pauseMs: null };
  }

  #succeed(plan: Plan, between: SuccessionOptions<Plan>['between']): Promise<Succeeded> {
    return succeed({
      lanes: this.#loop.lanes,
      plan,
      makeMemory: (octets) => loadNative().createMemory('firehook-estate', octets),
      estateOctets: ({ handle }) => ESTATE_OCTETS + (handle.read()?.flows?.now ?? 0) * ESTATE_FLOW_OCTETS,
      between,
      sleep: (ms) => this.#sleep(ms),
    });
  }

  /** Ends the lanes, and starts others for a generation; `policy.onDown` holds meanwhile. */
  #startAnew(next: Generation): void {
    const { lanes } = this.#loop;
    this.#restarts += 1;
    this.#generation = next;
    if (lanes.plan !== null) lanes.setPlan(this.#planFor(lanes.plan, next));
  }

  /** The same ports and rings with another generation. */
  #planFor(plan: Plan, generation: Generation): Plan {
    const spec = this.#specOf(generation, plan.spec);
    return { ...plan, fingerprint: this.#fingerprint(spec), spec, generation };
  }

  /** What lanes are told: what follows from the configuration, on the ports of this machine. */
  #specOf({ config, sources }: Generation, layout: LaneLayout): LaneSpec {
    const { driver, ports, ways, outlets, rings, trackChanges } = layout;
    const { types, sample } = config.events;
    return {
      ...laneSpec(config, this.#options.configFolder, this.user, sources, config.lanes),
      mode: 'run',
      driver,
      ports,
      ways,
      outlets,
      rings,
      trackChanges,
      ownEvents: { drop: types.includes('drop'), flow: types.includes('flow'), sample },
    };
  }

  #fingerprint({ ports, ways, rings }: LaneSpec): string {
    return JSON.stringify([ports, ways, rings, this.#restarts]);
  }

  /** Has a lane copy the frames that come while hooks are bundled. A trial without them is one, too. */
  async #copyFrames(): Promise<Copies | null> {
    const [lane] = this.#loop.lanes.ready;
    if (lane === undefined) return null;
    const fd = loadNative().createMemory('firehook-recent', RECENT_OCTETS);
    this.#memories += 1;
    const id = FIRST_COPY_ID + this.#memories;
    try {
      const memory = { id, octets: RECENT_OCTETS };
      await lane.handle.handOver({ step: 'sample', memory }, { id, fd }, COPY_MS);
      return { id, fd, octets: RECENT_OCTETS, lane: lane.handle };
    } catch (error) {
      closeSync(fd);
      this.#options.log.debug({ err: error }, 'No live frames for the trial of hooks.');
      return null;
    }
  }

  async #takeCopies(copies: Copies | null): Promise<RecentMemory | null> {
    if (copies === null) return null;
    try {
      const { size } = await copies.lane.handOver({ step: 'sampled' }, null, COPY_MS);
      return { ...copies, written: Math.min(size?.hooks ?? 0, copies.octets) };
    } catch (error) {
      this.#options.log.debug({ err: error }, 'No live frames for the trial of hooks.');
      return null;
    }
  }

  #makeGeneration(
    config: Config,
    recent: () => Promise<RecentMemory | null> = NO_FRAMES,
    predecessor: GenerationOptions['predecessor'] = null,
  ): Promise<Generation> {
    const { configFolder, log } = this.#options;
    return makeGeneration({
      config,
      configFolder,
      user: this.user,
      log,
      clock: this.#clock,
      before: this.#generation,
      recent,
      predecessor,
      onTable: (tables, table) => {
        for (const { handle, phase, plan } of this.#loop.lanes.records)
          if (phase !== 'exited' && plan.generation.tables === tables) handle.setTable(table);
      },
    });
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

  /** The file for events is opened anew: for who has rotated it, and says so. @returns false where there is none */
  reopenEvents(): boolean {
    if (this.#events === null || this.config.events.file === undefined) return false;
    this.#events.reopen();
    return true;
  }

  /** For an error that nobody expected: the fence is closed, lanes are killed, and the tables stay with `onDown` in force. */
  abandon(): void {
    this.#isStopping = true;
    this.#loop.abandon();
  }

  /** {@inheritDoc DaemonView.config} */
  get config(): Config {
    return this.#generation?.config ?? this.#options.config;
  }

  /** {@inheritDoc DaemonView.hooks} */
  get hooks(): readonly HookInfo[] {
    return this.#generation?.hooks ?? [];
  }

  /** {@inheritDoc DaemonView.generation} */
  get generation(): number {
    return this.#generation?.number ?? 0;
  }

  /** {@inheritDoc DaemonView.totals} */
  get totals(): Totals {
    // Lanes that have left may have packets that wait: their numbers are those of hooks that are no longer there.
    const retiring = this.#loop.lanes.records.filter(({ role }) => role === 'retiring');
    if (retiring.length === 0) return this.#totals;
    const totals = this.#totals.copy();
    for (const { plan, handle } of retiring) {
      const progress = handle.read();
      if (progress !== null) totals.add(plan.ways, plan.generation.hooks, progress, true);
    }
    return totals;
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
      proof: keeper.proof,
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
    return this.#loop.lanes.serving
      .filter(({ phase }) => phase !== 'exited')
      .map((record) => ({ stalled: this.#loop.stallOf(record), ...record }))
      .map(({ handle, report, phase, place, stalled }) => ({
        place,
        isReady: phase === 'ready',
        stalled,
        ask: (request) => handle.ask(request),
        trace: (order) => handle.trace(order),
        readTraces: (id) => handle.readTraces(id),
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
    return this.#generation?.tables.views ?? [];
  }

  /** {@inheritDoc DaemonView.events} */
  get events(): EventSinkView | null {
    return this.#events?.view ?? null;
  }

  /** {@inheritDoc DaemonView.warnings} */
  get warnings(): readonly string[] {
    return [...this.#configWarnings, ...(this.#generation?.warnings ?? []), ...this.#loop.warnings];
  }

  /** {@inheritDoc DaemonView.logLinesLost} */
  get logLinesLost(): number {
    return this.#options.logLinesLost();
  }

  /** {@inheritDoc DaemonView.counters} */
  counters(): Promise<ReadonlyMap<string, PortCounters>> {
    return this.#options.plumbing.counters(this.#loop.heldIfindexes);
  }

  /** @throws {@link FirehookError} FIREHOOK_EVENTS_FILE */
  async #openEvents(): Promise<EventSink | null> {
    const { config, user } = this;
    const { file, rotate, socket, stdout } = config.events;
    if ((file ?? socket) === undefined && !stdout) return null;
    return EventSink.open({
      file,
      rotate: { octets: rotate.mib * MIB, keep: rotate.keep },
      socket,
      stdout,
      user,
      isRequired: isConfinementRequired(config),
      clock: this.#clock,
      say: (level, sentence) => this.#options.log[level](sentence),
    });
  }

  #tellOfEngine(): void {
    const { types, statsSeconds } = this.config.events;
    const events = this.#events;
    if (events === null || !(types.includes('stats') || types.includes('engine'))) return;
    this.#engine = new EngineEvents({
      daemon: this,
      version,
      statsSeconds: types.includes('stats') ? statsSeconds : null,
      tellsEngine: types.includes('engine'),
      clock: this.#clock,
      dateMs: () => Date.now(),
      tell: (event) => events.tell(event),
    });
    this.#engine.start();
  }

  /** A lane without a ring is better than none. */
  #openRing(place: number, { ways, generation }: Plan): { readonly id: number; readonly fd: number } | null {
    try {
      return this.#events?.openRing(place, ways, namesByPlace(generation.sources, generation.hooks)) ?? null;
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
    const layout = await this.#layouts.layOut(this.config, attachments, links);
    const generation = this.#generation as Generation;
    const spec = this.#specOf(generation, layout);
    return {
      fingerprint: this.#fingerprint(spec),
      generation,
      ways: layout.ways,
      isFenced: layout.ports.some(({ isFenced }) => isFenced === true),
      spec,
      rings: layout.rings,
    };
  }

  #startLane(
    plan: Plan,
    place: number,
    isFirst: boolean,
    events: LaneEvents,
    predecessor: LaneHandle | null,
  ): LaneHandle {
    if (plan.remote !== undefined) return plan.remote(place, events);
    const { generation } = plan;
    const { lanes, lane, driver } = generation.config;
    const { log, plumbing } = this.#options;
    const { sharesPort } = liveDriver(driver);
    if (isFirst && this.#inherited === null) {
      // A lane of npm pcap shares its ports with the one that takes its place in a reload.
      this.#groups.draw(lanes === 1 && sharesPort ? 0 : plan.ways.length);
      this.#ways = plan.ways;
    }
    const { ids } = this.#groups;
    const rings = plan.rings.map((ring, index) => ({ ...ring, fanoutGroup: ids[index] ?? -1 }));
    const groups = sharesPort ? [] : plan.ways.map(({ inPort }, index) => ({ port: inPort, id: ids[index] ?? -1 }));
    if (isFirst && this.#inherited === null) this.#rings = rings;
    const ring = this.#openRing(place, plan);
    const child = this.#spawnLane(ring, {
      spec: {
        ...plan.spec,
        lane: place,
        rings,
        openBreakers: predecessor === null ? this.#breakers.open : [],
        groups,
        isSuccessor: predecessor !== null || this.#inherited !== null,
        locals: this.#layouts.locals,
        shared: generation.shared?.tables ?? null,
      },
      held: predecessor instanceof LaneChild ? predecessor.held : (this.#inherited?.get(place) ?? null),
      tables: generation.tables.memories,
      sharedFd: generation.shared?.fd ?? null,
      fenceFd: plumbing.lease.fenceFd,
      cpu: cpuAt(lane.cpus, place),
      cgroups: this.#cgroups,
      isConfinementRequired: isConfinementRequired(generation.config),
      names: new Map(generation.hooks.map(({ path, name }) => [path, name])),
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
    const { generation } = plan;
    // Breakers of what a reload has taken the place of are nobody's any more.
    const numbers = generation === this.#generation ? progress : null;
    const outHook = this.#breakers.laneEnded(generation.hooks, numbers, error?.message ?? null, performance.now());
    if (outHook !== null)
      this.#options.log.error(`Hook ${outHook}: breaker open: lanes ended while it ran, and it is not called for now.`);
    if (progress !== null) this.#totals.add(plan.ways, generation.hooks, progress);
  }

  /** @returns true when all was taken back that had to be */
  async #takeDown(isUndone: boolean): Promise<boolean> {
    this.#isStopping = true;
    const { plumbing } = this.#options;
    this.#control?.close();
    this.#files.stop();
    this.#metrics?.close();
    this.#web?.close();
    this.#engine?.stop();
    const former = this.#trials.stop();
    if (former !== null) endGeneration(former.generation, this.#generation);
    if (this.#generation !== null) endGeneration(this.#generation, null);
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

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Names of the hooks in the order of the configuration. */
function namesByPlace(sources: readonly HookSource[], hooks: readonly HookInfo[]): string[] {
  const given = new Set(sources.map(({ name }) => name));
  return sources.map(
    ({ name, bundle }) => name ?? hooks.find((hook) => hook.path === bundle.path && !given.has(hook.name))?.name ?? '',
  );
}

/** What of the ports lanes are told. */
function layoutOf({ driver, ports, ways, outlets, rings, trackChanges }: LaneSpec): LaneLayout {
  return { driver, ports, ways, outlets, rings, trackChanges };
}

/** Copies the tables of hooks from one generation to another. @returns what is left behind */
function copyTables(before: SharedTableMemory | null, next: SharedTableMemory | null): string[] {
  if (next === null || before === null || next === before) return [];
  return next.copyFrom(before).map(({ hook, name }) => `table ${name} of ${hook} has another size: it is empty`);
}
