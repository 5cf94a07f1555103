/**
 * A world for the supervisor's loop: a clock that is turned by hand, a small model of the kernel, and lanes of no substance.
 *
 * ```
 *   clock    advance(ms): every timer in its order, every promise after each
 *   kernel   links, tables, detours, locks; what a stranger does to them; failing and slow calls
 *   lanes    open, get ready, hang, die: when the test says so, or by themselves after a while
 * ```
 * Rule: it is as honest as the kernel. A table made is lapsed; a renewal needs its table; a detour goes with its port.
 *
 * @module
 */

import { FirehookError } from '../../../src/errors.ts';
import type { TraceBatch } from '../../../src/lane/trace-ring.ts';
import type { Attachment } from '../../../src/plumbing/attach/attachment.ts';
import type { Damage, EarlierTaker, LeaseControl, LeaseState, Plumbing } from '../../../src/plumbing/contract.ts';
import type { Link } from '../../../src/plumbing/link.ts';
import type { PortMemory } from '../../../src/plumbing/memory.ts';
import type { PortCounters } from '../../../src/plumbing/port-counters.ts';
import type { Clock, Timer } from '../../../src/supervisor/clock.ts';
import type { LaneEnd, LaneEvents, LaneHandle, LanePlan } from '../../../src/supervisor/lane-set.ts';

/** A clock that stands until it is turned. */
export class SimulatedClock implements Clock {
  #nowMs = 0;
  #serial = 0;
  readonly #timers = new Map<number, { readonly atMs: number; readonly callback: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  setTimer(callback: () => void, ms: number): Timer {
    this.#serial += 1;
    const id = this.#serial;
    this.#timers.set(id, { atMs: this.#nowMs + Math.max(0, ms), callback });
    return { cancel: () => void this.#timers.delete(id) };
  }

  /** Lets time pass: each timer when it is due, and what follows from it before the next. */
  async advance(ms: number, after: () => void = () => undefined): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      after();
      const due = [...this.#timers].filter(([, { atMs }]) => atMs <= endMs);
      const next = due.reduce<(typeof due)[number] | null>(
        (first, one) => (first === null || one[1].atMs < first[1].atMs ? one : first),
        null,
      );
      if (next === null) break;
      this.#timers.delete(next[0]);
      this.#nowMs = Math.max(this.#nowMs, next[1].atMs);
      next[1].callback();
    }
    this.#nowMs = endMs;
  }
}

/** Lets every promise that can go on go on. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

interface Table {
  readonly name: string;
  isWhole: boolean;
  /** The lease: until when, on the clock. */
  untilMs: number;
}

/** How long a lease lasts, and how often it is renewed. */
const LEASE_MS = 1_000;
const RENEW_MS = 200;
const STALL_MS = 400;

/** The kernel of a model machine. */
export class SimulatedPlumbing implements Plumbing {
  readonly links = new Map<number, Link>();
  readonly tables = new Map<number, Table>();
  /** By port; true while it is as it was made. */
  readonly detours = new Map<number, { serial: number; isWhole: boolean }>();
  readonly locks = new Set<number>();
  /** Locks of another daemon. */
  readonly foreign = new Set<number>();
  takers: EarlierTaker[] = [];
  /** Calls fail while it says why. */
  failing: string | null = null;
  /** Calls take so long. */
  slowMs = 0;
  /** Probe frames come to no end. */
  losesProbes = false;
  /** Only tables cannot be had. */
  noTables = false;
  isClosed = false;
  readonly lease: SimulatedLease;
  readonly #clock: SimulatedClock;
  #serial = 0;
  #listeners: (() => void)[] = [];

  constructor(clock: SimulatedClock) {
    this.#clock = clock;
    this.lease = new SimulatedLease(clock, this.tables);
  }

  /** What the kernel tells of a change. */
  tell(): void {
    for (const listener of this.#listeners) listener();
  }

  addLink(ifindex: number, name: string, changes: Partial<Link> = {}): void {
    this.links.set(ifindex, {
      ifindex,
      name,
      mtu: 1500,
      type: 'ether',
      mac: `02:00:00:00:00:${ifindex}`,
      isUp: true,
      isPromiscuous: false,
      master: '',
      kind: 'veth',
      parent: 0,
      masterKind: '',
      xdp: 0,
      ...changes,
    });
  }

  /** A device goes, and its detour's redirect with it; its tables stay. */
  deleteLink(ifindex: number): void {
    this.links.delete(ifindex);
    const detour = this.detours.get(ifindex);
    if (detour !== undefined) detour.isWhole = false;
  }

  async readLocals(): Promise<readonly []> {
    return [];
  }

  async readLinks(): Promise<ReadonlyMap<string, Link>> {
    await this.#answer('dump of links');
    return new Map(Array.from(this.links.values(), (link) => [link.name, link]));
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  lock({ ifindex, name }: Pick<Link, 'ifindex' | 'name'>): void {
    if (this.failing !== null) throw new Error(this.failing);
    if (this.foreign.has(ifindex)) throw new FirehookError('FIREHOOK_ATTACH_BUSY', `"${name}"`);
    this.locks.add(ifindex);
  }

  unlock(ifindex: number): void {
    this.locks.delete(ifindex);
  }

  async protect({ links }: Attachment): Promise<void> {
    await this.#answer('tables');
    if (this.noTables) throw new Error('nf_tables: Cannot allocate memory');
    for (const { ifindex, name } of links) {
      if (!this.links.has(ifindex)) throw new Error(`no device ${ifindex}`);
      if (!this.locks.has(ifindex)) throw new Error(`port ${ifindex} is protected without its lock`);
      const table = this.tables.get(ifindex);
      if (table?.isWhole !== true || table.name !== name) {
        this.tables.set(ifindex, { name, isWhole: true, untilMs: Number.NEGATIVE_INFINITY });
        this.tell();
      }
    }
  }

  async equip({ links }: Attachment): Promise<void> {
    await this.#answer('detours');
    for (const { ifindex } of links) {
      if (!this.links.has(ifindex)) throw new Error(`no device ${ifindex}`);
      if (this.detours.get(ifindex)?.isWhole === true) continue;
      this.#serial += 1;
      this.detours.set(ifindex, { serial: this.#serial, isWhole: true });
      this.tell();
    }
  }

  async inspect({ links }: Attachment): Promise<readonly Damage[]> {
    await this.#answer('look');
    return links.flatMap(({ ifindex, name }): Damage[] => {
      const table = this.tables.get(ifindex);
      return [
        ...(table?.isWhole === true && table.name === name
          ? []
          : [{ what: 'table' as const, text: `the tables of port ${ifindex} are not in force` }]),
        ...(this.detours.get(ifindex)?.isWhole === true
          ? []
          : [{ what: 'detour' as const, text: `the detour of port ${ifindex} is not whole` }]),
      ];
    });
  }

  async earlierTakers({ links }: Attachment): Promise<readonly EarlierTaker[]> {
    await this.#answer('filters');
    return this.takers.filter(({ interfaceName }) => links.some(({ name }) => name === interfaceName));
  }

  async probe({ links }: Attachment): Promise<readonly Damage[]> {
    await this.#answer('probe');
    return links.flatMap(({ ifindex }) =>
      this.detours.get(ifindex)?.isWhole === true && !this.losesProbes
        ? []
        : [{ what: 'detour' as const, text: `probe of ${ifindex}` }],
    );
  }

  async counters(): Promise<ReadonlyMap<string, PortCounters>> {
    return new Map();
  }

  async leftovers(): Promise<ReadonlyMap<number, PortMemory>> {
    return new Map();
  }

  async findTraces(): Promise<readonly number[]> {
    return [...this.tables.keys()];
  }

  async disengage(ifindex: number): Promise<void> {
    await this.#answer('end');
    this.tables.delete(ifindex);
  }

  async undo(ifindex: number): Promise<boolean> {
    await this.#answer('undo');
    this.detours.delete(ifindex);
    return this.tables.delete(ifindex);
  }

  close(): void {
    this.isClosed = true;
  }

  async #answer(what: string): Promise<void> {
    const { slowMs } = this;
    if (slowMs > 0) await new Promise<void>((resolve) => this.#clock.setTimer(resolve, slowMs));
    else await Promise.resolve();
    if (this.failing !== null) throw new Error(`${what}: ${this.failing}`);
  }
}

/** The lease as the addon's thread holds it: renewed every 200 ms while it is allowed and every lane moves. */
export class SimulatedLease implements LeaseControl {
  readonly fenceFd = -1;
  ports: readonly number[] = [];
  fds: readonly number[] = [];
  isAllowed = false;
  /** When each lane moved last, by its descriptor; a lane that runs moves all the time. */
  readonly hangsSince = new Map<number, number>();
  /** The kernel refuses renewals. */
  refuses = false;
  readonly #clock: SimulatedClock;
  readonly #tables: ReadonlyMap<number, Table>;
  #listeners: (() => void)[] = [];
  #isHeld = false;
  #lapses = 0;
  #refusals = 0;
  #isClosed = false;

  constructor(clock: SimulatedClock, tables: ReadonlyMap<number, Table>) {
    this.#clock = clock;
    this.#tables = tables;
    this.#turn();
  }

  get state(): LeaseState {
    return {
      held: this.#isHeld,
      epoch: 1,
      renewals: 0,
      refusals: this.#refusals,
      lastError: null,
      longestGapMs: 0,
      lapses: this.#lapses,
      stalledMs: this.fds.map((fd) => this.#stalledMs(fd)),
    };
  }

  setPorts(ifindexes: readonly number[]): void {
    this.ports = ifindexes;
  }

  setLanes(progressFds: readonly number[]): void {
    this.fds = progressFds;
  }

  allow(allowed: boolean): void {
    this.isAllowed = allowed && !this.#isClosed;
    if (allowed) {
      this.#renew();
      return;
    }
    this.#hold(false);
    for (const port of this.ports) {
      const table = this.#tables.get(port);
      if (table !== undefined) table.untilMs = Number.NEGATIVE_INFINITY;
    }
  }

  beat(): void {
    // The model's main loop is alive whenever time passes.
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  leave(): boolean {
    return false;
  }

  close(): void {
    this.allow(false);
    this.#isClosed = true;
  }

  #stalledMs(fd: number): number {
    const sinceMs = this.hangsSince.get(fd);
    return sinceMs === undefined ? 0 : this.#clock.now() - sinceMs;
  }

  #turn(): void {
    if (this.#isClosed) return;
    this.#renew();
    this.#clock.setTimer(() => this.#turn(), RENEW_MS);
  }

  #renew(): void {
    if (!this.isAllowed || this.ports.length === 0) return;
    const tables = this.ports.map((port) => this.#tables.get(port));
    if (this.refuses || tables.some((table) => table === undefined)) {
      this.#refusals += 1;
      this.#hold(false);
      for (const listener of this.#listeners) listener();
      return;
    }
    if (this.fds.some((fd) => this.#stalledMs(fd) >= STALL_MS)) {
      this.#hold(false);
      return;
    }
    for (const table of tables) if (table !== undefined) table.untilMs = this.#clock.now() + LEASE_MS;
    this.#hold(true);
  }

  #hold(isHeld: boolean): void {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    if (!isHeld && this.isAllowed) this.#lapses += 1;
    for (const listener of this.#listeners) listener();
  }
}

/** How a lane of the model behaves. */
export interface LaneManners {
  readonly openMs: number;
  readonly readyMs: number;
  readonly stopMs: number;
  /** It never gets ready. */
  readonly isStuck: boolean;
  /** It cannot even be started. */
  readonly isRefused: boolean;
}

/** A lane of the model. */
export class SimulatedLane implements LaneHandle {
  readonly pid: number;
  readonly cpu = null;
  readonly cgroup = null;
  readonly progressFd: number;
  readonly running = '';
  readonly plan: LanePlan;
  isAlive = true;
  isReady = false;
  readonly #clock: SimulatedClock;
  readonly #events: LaneEvents;
  readonly #manners: LaneManners;

  constructor(clock: SimulatedClock, pid: number, plan: LanePlan, manners: LaneManners, events: LaneEvents) {
    this.pid = pid;
    this.progressFd = pid;
    this.plan = plan;
    this.#clock = clock;
    this.#events = events;
    this.#manners = manners;
    clock.setTimer(() => {
      if (!this.isAlive) return;
      events.opened();
      if (manners.isStuck) return;
      clock.setTimer(() => {
        if (!this.isAlive) return;
        this.isReady = true;
        events.ready({ type: 'ready', hooks: [], metrics: [], reasons: [], rings: [], kernelFilter: null, tables: [] });
      }, manners.readyMs);
    }, manners.openMs);
  }

  read(): null {
    return null;
  }

  setLocals(): void {}

  setTable(): void {}
  trace(): void {}
  readTraces(): TraceBatch {
    return { records: [], lost: 0 };
  }

  setBreaker(): void {}

  ask(): Promise<never> {
    return Promise.reject(new Error('no driver'));
  }

  handOver(): Promise<never> {
    return Promise.reject(new Error('no packets'));
  }

  retire(): void {
    this.stop();
  }

  stop(): void {
    this.#clock.setTimer(() => this.die(null), this.#manners.stopMs);
  }

  kill(reason: string): void {
    this.#clock.setTimer(() => this.die(reason), 1);
  }

  /** The process ends; what it left is read a moment later. */
  die(reason: string | null): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.#events.exited();
    const end: LaneEnd = {
      error: reason === null ? null : new FirehookError('FIREHOOK_LANE_FAILED', reason),
      progress: null,
    };
    this.#clock.setTimer(() => this.#events.ended(end), 5);
  }
}
