/**
 * The root process: finds the interfaces, makes the plumbing, keeps a lane running, renews the lease, answers.
 *
 * ```
 *   start:  check ─> locks ─> bundle and try the hooks ─> socket ─> detours ─> lane ready ─> tables ─> lease, fence
 *   run:    lane progresses ─> renew;  stands ─> let it lapse, then kill;  dies ─> lapse now, start another, more slowly
 *           a port or detour changed ─> end the lane, rebuild what is attached to it
 *   stop:   fence ─> tables ─> lane empties its ring ─> detours ─> socket, locks
 * ```
 * Rule: it never touches a packet and never runs a line of a hook. Nothing in the kernel is changed before everything that
 * can be refused has been; a start that fails takes back what it did.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/schema.ts';
import { FirehookError } from '../errors.ts';
import type { HookInfo, HookSource, LaneSpec, LaneUser } from '../lane/messages.ts';
import type { LaneProgress } from '../lane/progress.ts';
import type { Way } from '../lane/way.ts';
import { layOut } from '../plumbing/attach.ts';
import { Attaches } from '../plumbing/attaches.ts';
import { Lease } from '../plumbing/lease.ts';
import { LinkMonitor, readLinks } from '../plumbing/links.ts';
import { LEASE_SECONDS } from '../plumbing/ruleset.ts';
import { missingTools } from '../plumbing/run-tool.ts';
import type { Logger } from '../telemetry/logger.ts';
import { ControlServer } from './control-server.ts';
import { FanoutGroups } from './fanout-group.ts';
import { Fence } from './fence.ts';
import { LaneChild } from './lane-child.ts';
import { assertCpus, cpuAt, freePlace } from './lane-cpus.ts';
import { findUser } from './lane-user.ts';
import { Reports } from './reports.ts';
import { planRings, type RingPlan, smallerRings } from './ring-plan.ts';
import { sumProgress, Totals } from './totals.ts';
import { bundleAll, laneSpec, tryHooks } from './try-hooks.ts';

/** The lease is renewed this often: a lane may miss three turns. */
const RENEW_MS = (LEASE_SECONDS * 1000) / 5;
/** A lane without progress for this long gets no renewal. Its timer moves every 50 ms. */
const STALL_MS = 400;
/** A lane without progress for this long hangs, and is killed. */
const HANG_MS = 3_000;
/** Delay before a lane that died is started again: doubles up to the limit, and starts anew after a good while. */
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 30_000;
const GOOD_WHILE_MS = 60_000;
/** Of each kind of attach. */
const WAYS_OF_ATTACH = 2;
/**
 * A lane of a killed run, whose lock is free, sends at most until the lease of its last moment ends. Until then the ports
 * stay as that run left them.
 */
const LOCK_TO_LEASE_MS = LEASE_SECONDS * 1000;
/** How long nft and the lanes may take with the first lease, and how often that is looked at. */
const FIRST_LEASE_MS = 10_000;
const LOOK_FOR_LEASE_MS = 20;
/** How often a port that went away is looked for, besides when the kernel tells of changes. */
const LOOK_AGAIN_MS = 1_000;

/** What the supervisor is doing. */
export type SupervisorState = 'starting' | 'running' | 'lane-down' | 'waiting-for-interface' | 'stopping';

/** What {@link Supervisor} takes. */
export interface SupervisorOptions {
  readonly config: Config;
  readonly configFolder: string;
  readonly warnings: readonly string[];
  readonly log: Logger;
}

/** Runs the daemon until {@link Supervisor.stop}. */
export class Supervisor {
  readonly config: Config;
  readonly warnings: readonly string[];
  readonly attaches: Attaches;
  readonly totals = new Totals();
  readonly startedAt = Date.now();
  state: SupervisorState = 'starting';
  /** Those that run or start. */
  lanes: readonly LaneChild[] = [];
  ways: readonly Way[] = [];
  /** Of `afpacket`: what the lanes were told to open. */
  rings: readonly RingPlan[] = [];
  hooks: readonly HookInfo[] = [];
  laneRestarts = 0;
  lastLaneError: string | null = null;
  user: LaneUser | null = null;

  readonly #log: Logger;
  readonly #configFolder: string;
  readonly #fence = new Fence();
  readonly #lease: Lease;
  readonly #groups = new FanoutGroups();
  #sources: HookSource[] = [];
  #spec: LaneSpec | null = null;
  #control: ControlServer | null = null;
  #monitor: LinkMonitor | null = null;
  #renewTimer: NodeJS.Timeout | null = null;
  #restartTimer: NodeJS.Timeout | null = null;
  #delayMs = FIRST_DELAY_MS;
  /** What nft said last when it refused a renewal. */
  #leaseError: string | null = null;
  #isRebuilding = false;
  #rebuildAgain = false;

  constructor(options: SupervisorOptions) {
    this.config = options.config;
    this.warnings = options.warnings;
    this.attaches = new Attaches(options.config, options.log);
    this.#log = options.log;
    this.#configFolder = options.configFolder;
    this.#lease = new Lease(this.#fence, (text) => this.#leaseFailed(text));
  }

  /** True while the kernel has confirmed that it steals, and every lane takes what it steals. */
  get isLeaseHeld(): boolean {
    if (!this.#fence.isOpen) return false;
    if (this.#spec?.ports.some(({ isFenced }) => isFenced === true) !== true) return true;
    const running = this.lanes.filter(({ isReady }) => isReady);
    return running.every((lane) => lane.read()?.epoch === this.#fence.epoch);
  }

  /**
   * Starts everything.
   *
   * @throws {@link FirehookError} what was refused or failed; nothing is left in the kernel then
   */
  async start(): Promise<void> {
    if (process.getuid?.() !== 0)
      throw new FirehookError('FIREHOOK_PERMISSION', 'firehookd changes nftables and links');
    const missing = missingTools();
    if (missing.length > 0) {
      throw new FirehookError('FIREHOOK_ATTACH_TOOL', `${missing.join(', ')}: not installed`, {
        advice: 'apt-get install nftables iproute2 ethtool',
      });
    }
    this.user = findUser(this.config.lane.user);
    assertCpus(this.config.lane.cpus);
    this.attaches.findAll();
    try {
      await this.attaches.lockAll();
      await this.#drawGroups();
      const lockedAt = performance.now();
      this.#sources = await bundleAll(this.config);
      await tryHooks(this.config, this.#configFolder, this.user, this.#sources);
      this.#control = await ControlServer.open(this.config.control.socket, this.config.control.mode, new Reports(this));
      this.attaches.takeBackLeftPeers();
      this.attaches.prepareAll();
      await this.#startLanes();
      if (this.attaches.hasLeftovers()) await delay(LOCK_TO_LEASE_MS - (performance.now() - lockedAt));
      this.#engageAll();
      await this.#firstLease();
    } catch (error) {
      await this.#takeDown();
      throw error;
    }
    this.#monitor = new LinkMonitor(() => this.#lookAtLinks());
    this.state = 'running';
    this.#log.info({ hooks: this.hooks.map(({ name }) => name) }, `Attached to ${this.attaches.describe()}.`);
  }

  /** Takes everything back, or leaves the plumbing with `onDown` in force when `policy.onStop` is `hold`. */
  async stop(): Promise<void> {
    if (this.state === 'stopping') return;
    this.state = 'stopping';
    await this.#takeDown();
    this.#log.info(
      this.config.policy.onStop === 'undo' ? 'Stopped; everything was taken back.' : 'Stopped; onDown holds.',
    );
  }

  /** The numbers of the running lanes now, in sum; null before the first. */
  progress(): LaneProgress | null {
    return sumProgress(this.lanes.flatMap((lane) => lane.read() ?? []));
  }

  async #stopLanes(): Promise<void> {
    const lanes = this.lanes;
    this.lanes = [];
    await Promise.all(lanes.map((lane) => lane.stop()));
  }

  #engageAll(): void {
    this.attaches.engageAll();
    this.#lease.setPorts(this.attaches.ifindexes);
  }

  /** Renews the lease from now on, and waits until the lanes have the traffic. */
  async #firstLease(): Promise<void> {
    this.#renewTimer = setInterval(() => this.#renewOrLapse(), RENEW_MS);
    this.#renewOrLapse();
    // A tap has none.
    if (this.attaches.ifindexes.length === 0) return;
    const end = performance.now() + FIRST_LEASE_MS;
    while (!this.isLeaseHeld && !this.#isDone()) {
      if (this.lanes.length < this.config.lanes) {
        throw new FirehookError('FIREHOOK_LANE_FAILED', 'it ended before it had any traffic');
      }
      if (this.#leaseError !== null) throw new FirehookError('FIREHOOK_ATTACH_TOOL', `nft -e -i: ${this.#leaseError}`);
      if (performance.now() > end) {
        throw new FirehookError('FIREHOOK_ATTACH_TOOL', 'nft -e -i did not confirm the lease', {
          advice: 'firehook doctor tries it; nftables 1.0.1 or newer is needed',
        });
      }
      await delay(LOOK_FOR_LEASE_MS);
    }
  }

  /** Starts the lanes over all attaches that are there, and waits until every one is ready. */
  async #startLanes(): Promise<void> {
    const links = readLinks();
    const ports: LaneSpec['ports'][number][] = [];
    const ways: Way[] = [];
    for (const attachment of this.attaches.attached) {
      const laidOut = layOut(attachment, ports.length, links);
      ports.push(...laidOut.ports);
      ways.push(...laidOut.ways);
    }
    const { driver, lanes, attach } = this.config;
    const trackChanges = attach.every((one) => 'tap' in one);
    const settings = laneSpec(this.config, this.#configFolder, this.user, this.#sources);
    const { ids } = this.#groups;
    this.rings = driver === 'afpacket' ? planRings(this.config.ring, ways, ids, links.values(), this.#log) : [];
    this.#spec = { ...settings, mode: 'run', driver, ports, ways, rings: this.rings, trackChanges };
    this.ways = ways;
    try {
      await Promise.all(Array.from({ length: lanes }, () => this.#startLane()));
    } catch (error) {
      // All or none: a start that failed is tried again as a whole.
      await this.#stopLanes();
      throw error;
    }
  }

  /** Starts one lane, and waits until it is ready. It counts from then on. */
  async #startLane(): Promise<void> {
    const spec = this.#spec;
    if (spec === null) return;
    const { cpus } = this.config.lane;
    assertCpus(cpus);
    const place = freePlace(this.lanes);
    const lane = new LaneChild(spec, this.#fence.laneFd, place, cpuAt(cpus, place));
    this.lanes = [...this.lanes, lane];
    void lane.ended.then(({ error, progress }) => {
      if (progress !== null) this.totals.add(spec.ways, this.hooks, progress);
      if (!this.lanes.includes(lane)) return;
      this.lanes = this.lanes.filter((other) => other !== lane);
      this.#laneEnded(lane, error);
    });
    const hooks = await lane.ready;
    this.hooks = hooks;
    for (const sentence of smallerRings(this.rings, lane.rings)) this.#log.warn({ pid: lane.pid }, sentence);
  }

  /** One of several lanes ended: the others carry its flows (PACKET_FANOUT) until another one has started. */
  #laneEnded(lane: LaneChild, error: FirehookError | null): void {
    if (this.lanes.length === 0) this.#lapse();
    // A start or rebuild under way hears of it by its own promise.
    if (this.state === 'stopping' || this.state === 'starting' || this.#isRebuilding) return;
    if (this.lanes.length === 0) this.state = 'lane-down';
    this.lastLaneError = error?.message ?? null;
    if (Date.now() - lane.startedAt > GOOD_WHILE_MS) this.#delayMs = FIRST_DELAY_MS;
    this.#log.error(
      { pid: lane.pid },
      `A lane ended: ${error?.message ?? 'no reason given'}. Another in ${this.#delayMs} ms.`,
    );
    this.#restartLater();
  }

  #restartLater(): void {
    if (this.#restartTimer !== null || this.state === 'stopping') return;
    this.#restartTimer = setTimeout(() => {
      this.#restartTimer = null;
      const start = this.lanes.length === 0 ? this.#rebuild() : this.#replaceLane();
      start.catch((error: unknown) => this.#rebuildFailed(error));
    }, this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, MAX_DELAY_MS);
  }

  /** Starts a lane beside those that go on. */
  async #replaceLane(): Promise<void> {
    await this.#startLane();
    this.laneRestarts += 1;
    this.#log.info(`${this.lanes.length} of ${this.config.lanes} lanes run.`);
    if (this.lanes.length < this.config.lanes) this.#restartLater();
  }

  #rebuildFailed(error: unknown): void {
    this.#isRebuilding = false;
    this.lastLaneError = error instanceof Error ? error.message : String(error);
    if (this.lanes.length === 0) this.state = 'lane-down';
    this.#log.error(`Cannot start a lane: ${this.lastLaneError}. Next try in ${this.#delayMs} ms.`);
    this.#restartLater();
  }

  /**
   * Brings lane and plumbing in line with the interfaces there are: ends the lane, rebuilds what changed, starts a lane.
   * Also the way a lane that died comes back.
   */
  async #rebuild(): Promise<void> {
    if (this.#isRebuilding) {
      this.#rebuildAgain = true;
      return;
    }
    this.#isRebuilding = true;
    do {
      this.#rebuildAgain = false;
      this.#lapse();
      await this.#stopLanes();
      if (this.#isDone()) return;
      await this.attaches.reattach();
      await this.#drawGroups();
      if (this.#isDone()) return;
      if (this.attaches.attached.length > 0) {
        await this.#startLanes();
        this.#engageAll();
      }
    } while (this.#rebuildAgain && !this.#isDone());
    this.#isRebuilding = false;
    if (this.#isDone()) return;
    const { isWhole } = this.attaches;
    this.state = !isWhole ? 'waiting-for-interface' : this.lanes.length === 0 ? 'lane-down' : 'running';
    if (this.lanes.length > 0) this.laneRestarts += 1;
    if (!isWhole) setTimeout(() => this.#lookAtLinks(), LOOK_AGAIN_MS).unref();
    this.#renewOrLapse();
    this.#log.info(
      `${this.lanes.length === 0 ? 'No lane' : 'Lane runs again'}; attached to ${this.attaches.describe() || 'nothing'}.`,
    );
  }

  #isDone(): boolean {
    return this.state === 'stopping';
  }

  /** For all lanes that start together; one that replaces another later finds them in the spec. */
  async #drawGroups(): Promise<void> {
    const { lanes, attach } = this.config;
    await this.#groups.draw(lanes === 1 ? 0 : attach.length * WAYS_OF_ATTACH);
  }

  /** The kernel told of a change: is anything of ours different? */
  #lookAtLinks(): void {
    if (this.state === 'stopping' || this.#isRebuilding || this.#restartTimer !== null) {
      this.#rebuildAgain = this.#isRebuilding;
      return;
    }
    if (this.attaches.isSettled()) {
      if (this.state === 'waiting-for-interface') setTimeout(() => this.#lookAtLinks(), LOOK_AGAIN_MS).unref();
      return;
    }
    this.#log.warn('An interface changed: rebuilding.');
    this.#rebuild().catch((error: unknown) => this.#rebuildFailed(error));
  }

  /** Renews the lease while every lane makes progress; one that hangs is killed. */
  #renewOrLapse(): void {
    if (this.lanes.length === 0 || !this.attaches.isEngaged || this.#isRebuilding || this.state === 'stopping') return;
    const running = this.lanes.filter((lane) => lane.isReady);
    const stalls = running.map((lane) => lane.stalledMs());
    if (running.length > 0 && stalls.every((stalledMs) => stalledMs < STALL_MS)) {
      this.#lease.renew();
      return;
    }
    for (const [index, lane] of running.entries()) {
      if ((stalls[index] ?? 0) <= HANG_MS) continue;
      this.#log.error({ pid: lane.pid }, `A lane has made no progress for ${HANG_MS / 1000} s and is killed.`);
      lane.kill();
    }
  }

  #lapse(): void {
    if (this.attaches.isEngaged) this.#lease.lapse();
    else this.#lease.close();
  }

  /** Most likely somebody took our table away (`nft flush ruleset`): without it nothing is stolen. */
  #leaseFailed(text: string): void {
    this.#leaseError = text.split('\n')[0] ?? '';
    if (this.state === 'starting') return;
    if (this.state === 'stopping' || this.#isRebuilding || !this.attaches.isEngaged) return;
    this.#log.error(`nft: ${text.split('\n')[0]}. The tables are made again.`);
    this.attaches.forgetTables();
    this.#rebuild().catch((error: unknown) => this.#rebuildFailed(error));
  }

  async #takeDown(): Promise<void> {
    if (this.#renewTimer !== null) clearInterval(this.#renewTimer);
    if (this.#restartTimer !== null) clearTimeout(this.#restartTimer);
    this.#monitor?.stop();
    this.#control?.close();
    this.#lease.stop();
    const holds = this.config.policy.onStop === 'hold' && this.state === 'stopping';
    // Stealing ends first: the lane can finish what it has from a detour. At a port the closed fence has ended it already.
    if (!holds) this.attaches.disengageAll();
    await this.#stopLanes();
    this.#groups.release();
    if (!holds) this.attaches.undoAll();
    this.attaches.releaseLocks();
    this.#fence.release();
  }
}
