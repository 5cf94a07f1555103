/**
 * The one loop of the supervisor: what is wanted against what is there gives the next step, until there is none.
 *
 * ```
 *   events (links, nftables, lanes, lease, time) ── wake ──> turn:  look at the links
 *                                                                   each attach: lock, protect, equip, repair     AttachKeeper
 *                                                                   plan: what lanes have to be for what is whole
 *                                                                   lanes: stop, start, replace                   LaneSet
 *                                                                   lease: allowed while all of it is so
 * ```
 * Rule: events carry nothing, they only wake. Nothing waits for a lane: what lanes do is recorded, and the lease follows the
 * record at once, also in the middle of a turn. A call to the kernel that fails is tried again; meanwhile the tables hold
 * `onDown`. The lease is allowed only while every attach that lanes stand on is whole, and every lane is on the plan in force.
 *
 * @module
 */

import { attachInterfaces, type Config } from '../config/schema.ts';
import { FirehookError } from '../errors.ts';
import type { Attachment } from '../plumbing/attach/attachment.ts';
import { detoursOf } from '../plumbing/attach/detours.ts';
import type { Plumbing } from '../plumbing/contract.ts';
import type { Link } from '../plumbing/link.ts';
import type { Logger } from '../telemetry/logger.ts';
import { AttachKeeper, describe } from './attach-keeper.ts';
import { Attempt } from './attempt.ts';
import type { Clock, Timer } from './clock.ts';
import { DrainGuard } from './drain-guard.ts';
import { HANG_MS, type LaneEnd, type LanePlan, type LaneRecord, LaneSet, named, type StartLane } from './lane-set.ts';
import { takeBackStrays } from './strays.ts';

/** What the supervisor is doing. */
export type SupervisorState =
  | 'starting'
  | 'running'
  | 'lane-down'
  | 'waiting-for-interface'
  | 'unprotected'
  | 'stopping';

/** What decides about the traffic of an attach at this moment. */
export type InForce = 'hooks' | 'drop' | 'forward' | 'none';

/** What {@link Reconciler} takes. Everything that is not its own decision is handed in. */
export interface ReconcilerOptions<Plan extends LanePlan> {
  readonly config: Pick<Config, 'attach' | 'driver' | 'lanes'> & { readonly policy: Pick<Config['policy'], 'onDown'> };
  readonly clock: Clock;
  readonly log: Logger;
  readonly plumbing: Plumbing;
  readonly startLane: StartLane<Plan>;
  /** What lanes are to be for these attachments; the detours are among the links. */
  planLanes(attachments: readonly Attachment[], links: ReadonlyMap<string, Link>): Promise<Plan>;
  /** A lane is gone: its last numbers. */
  laneEnded(record: LaneRecord<Plan>, end: LaneEnd): void;
  /** Lanes stand, and the hooks have lost the traffic: why, with the hook that runs. */
  stalled?(text: string): void;
}

/** Everything is looked at this often, also when nothing has been heard. */
const LOOK_MS = 1_000;
/** Least time from one turn to the next: a storm of events costs a turn now and then. */
const GAP_MS = 50;
/** As long as the thread of the lease lets the word of a lane stand: from then on `onDown` holds. */
const STALLED_MS = 400;
/** A lane that is not ready by then, with a hook at work, is worth a word in `status`. */
const LATE_MS = 3_000;
/** How often the lease hears that the main loop is alive. */
const BEAT_MS = 500;
/** How often probe frames go through the detours, and how soon after one was lost. */
const PROBE_MS = 10_000;
const PROBE_AGAIN_MS = 1_000;
/** How long frames of its own may be lost before a start gives up: the network may be flooded already. */
const PROOF_MS = 10_000;
/** A lane has written down by then what it took. */
const WRITTEN_MS = 150;
/** How long the kernel may take with the first lease, and how often that is looked at. */
const FIRST_LEASE_MS = 10_000;
const LOOK_FOR_LEASE_MS = 20;
/** How long a stop waits for lanes and for a turn that is under way. */
const STOP_MS = 5_000;

/** Runs the loop. */
export class Reconciler<Plan extends LanePlan = LanePlan> {
  readonly keepers: readonly AttachKeeper[];
  readonly lanes: LaneSet<Plan>;
  readonly #drain: DrainGuard<Plan>;
  readonly #options: ReconcilerOptions<Plan>;
  readonly #links: Attempt;
  readonly #planning: Attempt;
  readonly #strays: Attempt;
  readonly #timers = new Map<'turn' | 'beat' | 'lanes', Timer>();
  #isWoken = false;
  #turn: Promise<void> | null = null;
  #turnedMs = Number.NEGATIVE_INFINITY;
  #phase: 'idle' | 'starting' | 'running' | 'stopping' = 'idle';
  #started: { resolve(): void; reject(error: unknown): void } | null = null;
  #startError: unknown = null;
  #completeMs: number | null = null;
  #heldMs: number | null = null;
  #said: SupervisorState = 'starting';
  /** What the lease has been told. */
  #leasedPorts: readonly number[] = [];
  #leasedLanes: readonly LaneRecord<Plan>[] = [];
  #isAllowed = false;
  /** What the plan in force was made for. */
  #planned = '';
  #lapses = 0;
  #isProbing = false;
  #isPaused = false;
  #probeMs = Number.POSITIVE_INFINITY;

  constructor(options: ReconcilerOptions<Plan>) {
    const { clock, log, plumbing, config } = options;
    this.#options = options;
    const world = {
      clock,
      log,
      plumbing,
      driver: config.driver,
      onDown: config.policy.onDown,
      gate: () => this.#applyLease(),
      failed: (error: unknown) => this.#failed(error),
    };
    this.keepers = config.attach.map((attach) => new AttachKeeper(attach, world));
    this.#links = new Attempt(world, 'Cannot read the interfaces');
    this.#planning = new Attempt(world, 'Cannot lay out the lanes');
    this.#strays = new Attempt(world, 'Cannot take back what a killed run left');
    this.lanes = new LaneSet<Plan>({
      clock,
      log,
      wanted: config.lanes,
      start: options.startLane,
      changed: () => {
        this.#applyLease();
        this.wake();
      },
      ended: options.laneEnded,
      failed: (error) => this.#failed(error),
    });
    this.#drain = new DrainGuard<Plan>({
      clock,
      log,
      plumbing,
      lanes: () => this.#leasedLanes,
      ports: () => this.heldIfindexes,
      isCounted: () => this.keepers.every(({ takers }) => takers.length === 0),
      changed: () => this.#drainChanged(),
      forged: (record) => {
        this.lanes.killFor(record, 'it says that it took packets that the kernel has not counted');
      },
    });
  }

  /** Why a lane takes nothing at this moment, with the hook that runs; null while it does. */
  stallOf(record: LaneRecord<Plan>): string | null {
    const place = this.#leasedLanes.indexOf(record);
    if (place === -1) {
      const startsMs = this.#options.clock.now() - record.startedMs;
      if (record.phase === 'ready' || record.handle.running === '' || startsMs < LATE_MS) return null;
      return named(`not ready after ${(startsMs / 1000).toFixed(1)} s`, record);
    }
    const stalledMs = this.#options.plumbing.lease.state.stalledMs[place] ?? 0;
    if (stalledMs >= STALLED_MS) return named(`no progress for ${(stalledMs / 1000).toFixed(1)} s`, record);
    if (!this.#drain.isUndrained) return null;
    return named(`packets have waited for ${(this.#drain.waitedMs / 1000).toFixed(1)} s`, record);
  }

  /** What the supervisor is doing. */
  get state(): SupervisorState {
    if (this.#phase === 'stopping') return 'stopping';
    if (this.#phase !== 'running') return 'starting';
    if (this.keepers.some((keeper) => !keeper.isProtected)) return 'unprotected';
    if (this.keepers.some(({ attachment }) => attachment === null)) return 'waiting-for-interface';
    return this.keepers.every((keeper) => this.inForce(keeper) === 'hooks') ? 'running' : 'lane-down';
  }

  /** True while the kernel has confirmed that it steals, and every lane takes what it steals. */
  get isLeaseHeld(): boolean {
    const { held, epoch } = this.#options.plumbing.lease.state;
    if (!held || !this.#isAllowed) return false;
    if (this.lanes.plan?.isFenced !== true) return true;
    return this.lanes.ready.every(({ handle }) => handle.read()?.epoch === epoch);
  }

  /** What decides about the traffic of an attach. */
  inForce(keeper: AttachKeeper): InForce {
    const { onDown } = this.#options.config.policy;
    if (keeper.kind === 'tap') return keeper.attachment !== null && this.lanes.ready.length > 0 ? 'hooks' : 'forward';
    if (!keeper.isProtected) return 'none';
    const ports = keeper.ifindexes;
    const isLeased = ports.length > 0 && ports.every((port) => this.#leasedPorts.includes(port));
    return isLeased && this.isLeaseHeld ? 'hooks' : onDown;
  }

  /** What an operator has to know now, one sentence each. */
  get warnings(): readonly string[] {
    const attempts = [this.#links, this.#planning, this.#strays].flatMap(({ failure }) => failure ?? []);
    const attaches = this.keepers.flatMap((keeper) => [
      ...(keeper.why === null ? [] : [keeper.why]),
      ...keeper.failures,
      ...keeper.damages.map(({ text }) => text),
      ...keeper.takers.map(({ text }) => text),
    ]);
    return [...new Set([...attempts, ...attaches])];
  }

  /** Every port that has tables, or may have. */
  get heldIfindexes(): readonly number[] {
    return [...new Set(this.keepers.flatMap(({ heldIfindexes }) => heldIfindexes))];
  }

  /**
   * Starts the loop, and waits until what is wanted is there for the first time.
   *
   * @throws the first failure; the loop does nothing more then, and what it has made is to be taken back
   */
  async start(): Promise<void> {
    const { plumbing } = this.#options;
    this.#phase = 'starting';
    plumbing.onChange(() => this.wake());
    plumbing.lease.onChange(() => this.#leaseChanged());
    this.#beat();
    this.#drain.start();
    const started = new Promise<void>((resolve, reject) => {
      this.#started = { resolve, reject };
    });
    this.wake();
    await started;
    this.#started = null;
    this.#phase = 'running';
    this.#probeMs = this.#options.clock.now() + PROBE_MS;
    this.wake();
  }

  /**
   * Ends the loop, and with it the lease and the lanes.
   *
   * @param beforeLanes - what is done when nothing is stolen any more, before lanes are told to end
   */
  async stop(beforeLanes: () => Promise<void> = async () => undefined): Promise<void> {
    const { clock, plumbing } = this.#options;
    this.#phase = 'stopping';
    this.#drain.stop();
    this.#applyLease();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    // A turn asks before each step whether it is to go on.
    await Promise.race([this.#turn, sleep(clock, STOP_MS)]);
    await beforeLanes();
    this.lanes.setPlan(null);
    const endMs = clock.now() + STOP_MS;
    while (this.lanes.records.length > 0 && clock.now() < endMs) {
      await sleep(clock, LOOK_FOR_LEASE_MS);
      this.lanes.step();
    }
    plumbing.lease.close(true);
  }

  /** Stands still: nothing is done to the kernel and no lane is started, until {@link Reconciler.goOn}. The lease goes on. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    this.#drain.pause(true);
    for (const name of ['turn', 'lanes'] as const) {
      this.#timers.get(name)?.cancel();
      this.#timers.delete(name);
    }
    await this.#turn;
  }

  /** Goes on after {@link Reconciler.pause}. */
  goOn(): void {
    this.#isPaused = false;
    this.#drain.pause(false);
    this.wake();
  }

  /**
   * Ends the loop and leaves the lease to another process, which has the ports and the lanes. Nothing is done to the kernel.
   *
   * @returns false where the lease was not held: the other one has to get it by itself
   */
  leave(): boolean {
    this.#drain.stop();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    const isLeft = this.#options.plumbing.lease.leave();
    this.#phase = 'stopping';
    return isLeft;
  }

  /** Closes the fence and kills the lanes; the tables stay as they are, so that `onDown` holds. Waits for nothing. */
  abandon(): void {
    this.#phase = 'stopping';
    this.#drain.stop();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#options.plumbing.lease.close(true);
    this.lanes.killAll('the daemon ends');
  }

  /** Something may be different: the next turn sees what. */
  wake(): void {
    this.#isWoken = true;
    this.#schedule();
  }

  #isEnded(): boolean {
    return this.#phase === 'stopping' || this.#phase === 'idle';
  }

  /** One timer for the next turn: at once, after the gap, or when something is due. */
  #schedule(): void {
    this.#timers.get('turn')?.cancel();
    this.#timers.delete('turn');
    if (this.#isEnded() || this.#isPaused || this.#turn !== null) return;
    const { clock } = this.#options;
    const nowMs = clock.now();
    const earliestMs = this.#turnedMs + GAP_MS;
    const dueMs = this.#isWoken ? nowMs : this.#dueMs();
    const delayMs = Math.max(0, earliestMs - nowMs, dueMs - nowMs);
    this.#timers.set(
      'turn',
      clock.setTimer(() => this.#beginTurn(), delayMs),
    );
  }

  #dueMs(): number {
    const keepers = this.keepers.map(({ dueMs }) => dueMs);
    const isWaitingForLease = this.#phase === 'starting' && this.#completeMs !== null;
    return Math.min(
      this.#turnedMs + (isWaitingForLease ? LOOK_FOR_LEASE_MS : LOOK_MS),
      this.#links.failure === null ? Number.POSITIVE_INFINITY : this.#links.dueMs,
      this.#planning.failure === null ? Number.POSITIVE_INFINITY : this.#planning.dueMs,
      this.#canProbe ? this.#probeMs : Number.POSITIVE_INFINITY,
      ...keepers,
    );
  }

  #beginTurn(): void {
    this.#timers.delete('turn');
    if (this.#turn !== null || this.#isPaused || this.#isEnded()) return;
    this.#isWoken = false;
    this.#turn = this.#takeTurn()
      .catch((error: unknown) => {
        // Nothing in a turn is meant to throw; the loop outlives what nobody thought of.
        this.#options.log.error({ err: error }, 'A turn of the supervisor failed.');
        this.#failed(error);
      })
      .finally(() => {
        this.#turn = null;
        this.#turnedMs = this.#options.clock.now();
        this.#schedule();
      });
  }

  async #takeTurn(): Promise<void> {
    const { plumbing } = this.#options;
    if (this.#links.isDue) {
      let links = await this.#links.run(() => plumbing.readLinks());
      if (links !== undefined) {
        let isChanged = false;
        for (const keeper of this.keepers) {
          if (this.#isEnded() || this.#startError !== null) break;
          isChanged = (await keeper.step(links.value)) || isChanged;
        }
        if (this.#startError !== null) return this.#lookAtStart();
        if (isChanged && !this.#isEnded()) links = await this.#links.run(() => plumbing.readLinks());
        if (links !== undefined && !this.#isEnded()) await this.#takeBackStrays(links.value);
        if (links !== undefined && !this.#isEnded()) await this.#plan(links.value);
      }
    }
    if (this.#isEnded()) return;
    this.#lookAtLanes();
    this.#applyLease();
    this.#probeWhenDue();
    this.#sayState();
    this.#lookAtStart();
  }

  /** Not before the ports that are there have tables of their own: until then a stray may be all that holds one. */
  async #takeBackStrays(links: ReadonlyMap<string, Link>): Promise<void> {
    const { plumbing, log } = this.#options;
    const isHeld = this.keepers.every(({ attachment, isProtected }) => attachment === null || isProtected);
    if (!isHeld || !this.#strays.isDue) return;
    await this.#strays.run(() => takeBackStrays(plumbing, links.values(), this.heldIfindexes, log));
  }

  /** Lanes are for what is whole; what cannot be repaired is left out, so that the rest goes on. */
  async #plan(links: ReadonlyMap<string, Link>): Promise<void> {
    const whole = this.keepers.filter(({ isWhole }) => isWhole);
    const attachments = whole.flatMap(({ attachment }) => attachment ?? []);
    if (attachments.length === 0) {
      this.#planned = '';
      this.lanes.setPlan(null);
      return;
    }
    if (!this.#planning.isDue) return;
    const identity = identityOf(whole);
    const planned = await this.#planning.run(() => this.#options.planLanes(attachments, links));
    if (planned === undefined || this.#isEnded()) return;
    this.#planned = identity;
    this.lanes.setPlan(planned.value);
  }

  #lookAtLanes(): void {
    this.#killHung();
    this.lanes.step();
    this.#scheduleLanes();
  }

  /** What lanes wait for has a timer of its own: it needs no look at the kernel. */
  #scheduleLanes(): void {
    this.#timers.get('lanes')?.cancel();
    this.#timers.delete('lanes');
    const { dueMs } = this.lanes;
    if (this.#isEnded() || this.#isPaused || dueMs === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#options;
    const timer = clock.setTimer(() => this.#lookAtLanes(), Math.max(1, dueMs - clock.now()));
    this.#timers.set('lanes', timer);
  }

  /** Tells the lease what follows from the record. Called whenever that changed; waits for nothing. */
  #applyLease(): void {
    if (this.#phase === 'idle') return;
    const { lease } = this.#options.plumbing;
    const ready = this.lanes.ready;
    const whole = this.keepers.filter(({ isWhole }) => isWhole);
    const isSound =
      !this.#isEnded() &&
      this.lanes.isOnPlan &&
      ready.length > 0 &&
      !this.#drain.isUndrained &&
      // Lanes run for exactly what is whole: nothing of it has come to harm since they were planned.
      this.#planned === identityOf(whole);
    const ports = isSound ? whole.flatMap(({ ifindexes }) => ifindexes) : [];
    const isAllowed = ports.length > 0;
    const isOtherPorts = isAllowed && !isSameList(ports, this.#leasedPorts);
    if (this.#isAllowed && (!isAllowed || isOtherPorts)) this.#allow(false);
    if (!isSameList(ready, this.#leasedLanes)) {
      this.#leasedLanes = ready;
      lease.setLanes(ready.map(({ handle }) => handle.progressFd));
    }
    if (isOtherPorts) {
      this.#leasedPorts = ports;
      lease.setPorts(ports);
    }
    if (isAllowed && !this.#isAllowed) this.#allow(true);
    if (!this.#isEnded()) this.#scheduleLanes();
  }

  #allow(allowed: boolean): void {
    this.#isAllowed = allowed;
    this.#options.plumbing.lease.allow(allowed);
  }

  #killHung(): void {
    this.lanes.killHung(this.#leasedLanes, this.#options.plumbing.lease.state.stalledMs);
    if (this.#drain.waitedMs <= HANG_MS) return;
    for (const record of this.#leasedLanes) {
      this.lanes.killFor(record, `it has taken no packet for ${HANG_MS / 1000} s while packets waited`);
    }
  }

  /** Packets wait that no lane takes, whatever their words of progress say; or they are taken again. */
  #drainChanged(): void {
    this.#applyLease();
    const [record] = this.#leasedLanes;
    if (this.#drain.isUndrained && record !== undefined && this.#phase === 'running') {
      const stalled = named('a lane takes no packet though packets wait', record);
      this.#options.log.warn(`The lease is taken away (${stalled}): onDown is in force until packets are taken again.`);
      this.#options.stalled?.(stalled);
    }
    this.wake();
  }

  #leaseChanged(): void {
    const { lapses, lastError, stalledMs } = this.#options.plumbing.lease.state;
    if (lapses > this.#lapses && this.#phase === 'running') {
      const slowest = this.#leasedLanes[stalledMs.indexOf(Math.max(...stalledMs))];
      const running = slowest?.handle.running ?? '';
      const stalled = running === '' ? 'a lane made no progress' : `a lane made no progress while ${running}`;
      const why = lastError === null ? stalled : lastError;
      this.#options.log.warn({ lapses }, `The lease lapsed (${why}): onDown is in force until it is held again.`);
      if (lastError === null) this.#options.stalled?.(stalled);
    }
    this.#lapses = lapses;
    this.wake();
  }

  #beat(): void {
    if (this.#isEnded()) return;
    const { clock, plumbing } = this.#options;
    plumbing.lease.beat();
    // A lane that hangs is seen here too while a turn waits for the kernel.
    this.#killHung();
    this.#timers.set(
      'beat',
      clock.setTimer(() => this.#beat(), BEAT_MS),
    );
  }

  get #canProbe(): boolean {
    return !this.#isPaused && !this.#isEnded() && !this.#isProbing && this.#isAllowed && this.lanes.isComplete;
  }

  #probeWhenDue(): void {
    const { clock } = this.#options;
    if (this.#phase !== 'running') return;
    for (const keeper of this.keepers) if (keeper.takeMended()) this.#probeMs = clock.now();
    if (this.#canProbe && clock.now() >= this.#probeMs) this.#probe();
  }

  #probe(): void {
    const { clock, log } = this.#options;
    this.#probeMs = clock.now() + PROBE_MS;
    this.#isProbing = true;
    void this.#probeAll()
      .catch((error: unknown) => log.debug({ err: error }, 'A probe failed.'))
      .finally(() => {
        this.#isProbing = false;
        this.wake();
      });
  }

  /** A frame of our own through each detour. What gets lost under a flood is no reason to take the lease away. */
  async #probeAll(): Promise<void> {
    const { clock, plumbing } = this.#options;
    const fingerprint = this.lanes.plan?.fingerprint;
    const lanes = this.lanes.ready;
    const probed = this.keepers.flatMap((keeper) => {
      const { attachment, identity } = keeper;
      // A lane sends few of them a second: a start with many attaches takes several rounds.
      if (this.#phase === 'starting' && keeper.isProven) return [];
      return attachment === null || attachment.kind === 'tap' ? [] : [{ keeper, attachment, identity }];
    });
    const before = probesTaken(lanes);
    const found = await Promise.all(probed.map(async ({ attachment }) => await plumbing.probe(attachment)));
    const sent = probed.reduce((sum, { attachment }) => sum + detoursOf(attachment).length, 0);
    // Until every lane has written down what it took.
    if (sent > 0) await sleep(clock, WRITTEN_MS);
    // Where lanes came or went meanwhile, a lost frame says nothing.
    if (this.lanes.plan?.fingerprint !== fingerprint || !isSameList(lanes, this.lanes.ready)) return;
    // At the way out the kernel tells the driver of the drop, and the driver may try again: only lanes can say how often one came.
    const isCapturedAgain = probesTaken(lanes) - before > sent;
    for (const [index, { keeper, attachment, identity }] of probed.entries()) {
      if (keeper.identity !== identity) continue;
      const lost = [...(found[index] ?? [])];
      const again = `${describe(attachment)}: lanes captured a probe frame more than once`;
      if (isCapturedAgain && detoursOf(attachment).length > 0) lost.push({ what: 'detour', text: again });
      keeper.probed(lost);
      if (lost.length > 0) this.#probeMs = clock.now() + PROBE_AGAIN_MS;
    }
  }

  #sayState(): void {
    const { state } = this;
    if (this.#phase !== 'running' || state === this.#said) return;
    const { log, config } = this.#options;
    const { onDown } = config.policy;
    this.#said = state;
    const attached = this.keepers.flatMap(({ attachment }) => (attachment === null ? [] : [describe(attachment)]));
    switch (state) {
      case 'unprotected': {
        const ports = this.keepers
          .filter((keeper) => !keeper.isProtected)
          .map(({ config: attach }) => attachInterfaces(attach).join(' and '));
        log.error({ warnings: this.warnings }, `UNPROTECTED: frames may pass ${ports.join(', ')} without the hooks.`);
        break;
      }
      case 'lane-down':
        log.warn(`No lane has the traffic: policy.onDown (${onDown}) is in force.`);
        break;
      case 'waiting-for-interface':
        log.warn(`Waiting for an interface; attached to ${attached.join(', ') || 'nothing'}.`);
        break;
      case 'running':
        log.info(`The hooks have the traffic again; attached to ${attached.join(', ')}.`);
        break;
      case 'starting':
      case 'stopping':
        break;
      default:
        state satisfies never;
    }
  }

  /** The first failure ends a start; later ones are tried again. */
  #failed(error: unknown): void {
    if (this.#phase === 'starting') this.#startError ??= error;
    this.wake();
  }

  #lookAtStart(): void {
    const started = this.#started;
    if (this.#phase !== 'starting' || started === null) return;
    const { clock, plumbing } = this.#options;
    const why = this.keepers.find((keeper) => keeper.why !== null)?.why;
    const error =
      this.#startError ?? (why === undefined ? null : new FirehookError('FIREHOOK_ATTACH_INTERFACE', why ?? ''));
    if (error !== null) {
      this.#phase = 'idle';
      started.reject(error);
      return;
    }
    if (!this.lanes.isComplete || !this.keepers.every(({ isWhole }) => isWhole)) return;
    this.#completeMs ??= clock.now();
    const steals = this.keepers.some(({ kind }) => kind !== 'tap');
    if (!steals || this.isLeaseHeld) {
      this.#heldMs ??= clock.now();
      // Through a port that is down nothing can be sent: it is shown as soon as it is up.
      const isDown = ({ attachment }: AttachKeeper): boolean => attachment?.links.some(({ isUp }) => !isUp) === true;
      if (this.keepers.every((keeper) => keeper.isProven || isDown(keeper))) {
        this.#said = 'running';
        started.resolve();
      } else if (clock.now() - this.#heldMs > PROOF_MS) {
        const why = this.keepers.flatMap(({ damages }) => damages.map(({ text }) => text)).join('; ');
        this.#startError = new FirehookError('FIREHOOK_ATTACH_UNPROVEN', why === '' ? 'no probe came to an end' : why);
        this.wake();
      } else if (this.#canProbe) this.#probe();
    } else if (clock.now() - this.#completeMs > FIRST_LEASE_MS) {
      const { lastError } = plumbing.lease.state;
      this.#startError = new FirehookError(
        'FIREHOOK_ATTACH_TOOL',
        `the kernel does not confirm the lease: ${lastError ?? 'no answer'}`,
      );
      this.wake();
    }
  }
}

/** Differs when one of them stands on something else, and when one was repaired. */
function identityOf(keepers: readonly AttachKeeper[]): string {
  return keepers.map(({ identity }) => identity).join('\n');
}

/** Probe frames that lanes have sent on. */
function probesTaken(lanes: readonly LaneRecord[]): number {
  let taken = 0;
  for (const { handle, plan } of lanes) {
    const rows = handle.read()?.ways ?? [];
    // Where nothing is enforced the hooks see a copy of each frame, which is booked in a row of its own and sent nowhere.
    for (const [index, { outPort }] of plan.ways.entries()) if (outPort >= 0) taken += rows[index]?.probes ?? 0;
  }
  return taken;
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, index) => one === b[index]);
}

function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(resolve, ms);
  });
}
