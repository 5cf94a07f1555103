/**
 * What the supervisor itself tells of: its numbers every few seconds, and what happened to it.
 *
 * ```
 *   every 250 ms: the daemon as it is ── compared with how it was ──> engine: state, lease, lanes, attaches, tables, reloads
 *   every statsSeconds: the sums of the lanes ──────────────────────> stats
 * ```
 * Rule: it only looks, at what `firehook status` shows. It waits for no lane: what a lane has counted is in memory that the supervisor has. What
 * lasted less than a look shows by its count: lapses of the lease, replaced lanes.
 *
 * @see the Suricata user guide, "Event type: Stats"; etc/schema.json of Suricata for `engine`
 * @module
 */

import type { AttachView, DaemonView } from '../control/daemon-view.ts';
import { timestamp } from '../events/eve-own.ts';
import { addRow, emptyRow } from '../lane/ledger.ts';
import { MOST_COUNTED } from '../telemetry/counters.ts';
import { printable } from '../telemetry/printable.ts';
import type { Clock, Timer } from './clock.ts';
import { sumProgress } from './totals.ts';

/** Between two looks. */
const LOOK_MS = 250;
const MS = 1000;
const NANOSECONDS = 1_000_000;
/** Characters of a reason that came from a lane. */
const MAX_REASON = 256;

/** Levels, as Suricata writes them. */
type Level = 'Info' | 'Warning' | 'Error';

/** What {@link EngineEvents} takes. */
export interface EngineEventOptions {
  readonly daemon: DaemonView;
  readonly version: string;
  /** Seconds between two events of type `stats`; null for none. */
  readonly statsSeconds: number | null;
  /** Events of type `engine` are wanted. */
  readonly tellsEngine: boolean;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly dateMs: () => number;
  /** Takes an event. */
  readonly tell: (event: object) => void;
}

/** The daemon at one look. */
interface Look {
  readonly state: string;
  readonly isLeaseHeld: boolean;
  readonly lapses: number;
  readonly restarts: number;
  readonly attaches: ReadonlyMap<string, AttachView>;
  readonly lanes: ReadonlySet<number>;
  readonly tables: ReadonlyMap<string, number>;
  readonly generation: number;
  readonly lastReload: DaemonView['lastReload'];
}

/** Tells, from {@link EngineEvents.start} to {@link EngineEvents.stop}. */
export class EngineEvents {
  readonly #options: EngineEventOptions;
  #last: Look | null = null;
  #timer: Timer | null = null;
  #statsMs = 0;

  constructor(options: EngineEventOptions) {
    this.#options = options;
  }

  /** The daemon runs. */
  start(): void {
    const { version, clock, statsSeconds } = this.#options;
    this.tell('start', 'Info', `firehook ${version} runs`, { version, pid: process.pid });
    this.#last = this.#look();
    this.#statsMs = clock.now() + (statsSeconds ?? 0) * MS;
    this.#again();
  }

  /** The daemon is about to end. Idempotent. */
  stop(): void {
    if (this.#timer === null) return;
    this.#timer.cancel();
    this.#timer = null;
    this.#compare();
    if (this.#options.statsSeconds !== null) this.#tellStats();
    this.tell('stop', 'Info', 'firehook ends', {});
  }

  /** Something that does not show by a look. @param kind - small letters and underscores */
  tell(kind: string, level: Level, message: string, details: Readonly<Record<string, unknown>>): void {
    if (!this.#options.tellsEngine) return;
    this.#options.tell({
      timestamp: this.#now(),
      log_level: level,
      event_type: 'engine',
      engine: { message, module: 'supervisor' },
      firehook: { event: kind, ...details },
    });
  }

  #again(): void {
    const { clock, statsSeconds } = this.#options;
    this.#timer = clock.setTimer(() => {
      this.#compare();
      if (statsSeconds !== null && clock.now() >= this.#statsMs) {
        // What was missed is not made up for.
        this.#statsMs = Math.max(this.#statsMs + statsSeconds * MS, clock.now());
        this.#tellStats();
      }
      this.#again();
    }, LOOK_MS);
  }

  #look(): Look {
    const { daemon } = this.#options;
    return {
      state: daemon.state,
      isLeaseHeld: daemon.isLeaseHeld,
      lapses: daemon.lease.lapses,
      restarts: daemon.laneRestarts,
      attaches: new Map(daemon.attaches.map((attach) => [attach.interfaces.join(' and '), attach])),
      lanes: new Set(daemon.lanes.filter(({ isReady }) => isReady).map(({ pid }) => pid)),
      tables: new Map(daemon.tables.map(({ name, version }) => [name, version])),
      generation: daemon.generation,
      lastReload: daemon.lastReload,
    };
  }

  #compare(): void {
    const before = this.#last;
    const now = this.#look();
    this.#last = now;
    if (before === null) return;
    this.#compareReloads(before, now);
    this.#compareLanes(before, now);
    this.#compareLease(before, now);
    this.#compareAttaches(before, now);
    for (const [table, version] of now.tables)
      if (version !== before.tables.get(table))
        this.tell('table_exchanged', 'Info', `Table ${table} has another version`, { table, version });
    if (now.state === before.state) return;
    const level = now.state === 'running' || now.state === 'stopping' ? 'Info' : 'Error';
    this.tell('state', level, `The state is ${now.state}, and was ${before.state}`, { state: now.state });
  }

  #compareReloads(before: Look, { generation, lastReload }: Look): void {
    if (generation !== before.generation)
      this.tell('reload', 'Info', `Reloaded: generation ${generation} is in force`, { generation });
    const error = lastReload?.error ?? null;
    if (error === null || lastReload?.atMs === before.lastReload?.atMs) return;
    const reason = printable(error.slice(0, MAX_REASON));
    this.tell('reload_failed', 'Error', `A reload was refused; generation ${generation} goes on`, {
      generation,
      reason,
    });
  }

  #compareLanes(before: Look, now: Look): void {
    const ended = [...before.lanes].filter((pid) => !now.lanes.has(pid));
    const replaced = now.restarts - before.restarts;
    const reason = printable((this.#options.daemon.lastLaneError ?? '').slice(0, MAX_REASON));
    for (const pid of ended)
      this.tell('lane_ended', replaced > 0 ? 'Error' : 'Info', `Lane ${pid} has ended`, {
        pid,
        ...(replaced > 0 && reason !== '' ? { reason } : {}),
      });
    if (replaced > 0) this.tell('lane_replaced', 'Warning', 'A lane was replaced', { restarts: now.restarts });
    for (const pid of now.lanes)
      if (!before.lanes.has(pid)) this.tell('lane_ready', 'Info', `Lane ${pid} is ready`, { pid });
  }

  #compareLease(before: Look, now: Look): void {
    const details = { lapses: now.lapses };
    if (now.lapses > before.lapses || (before.isLeaseHeld && !now.isLeaseHeld))
      this.tell('lease_lost', 'Error', 'The lease is lost: onDown is in force', details);
    if (now.isLeaseHeld && (!before.isLeaseHeld || now.lapses > before.lapses))
      this.tell('lease_held', 'Info', 'The lease is held: the hooks decide', details);
  }

  #compareAttaches(before: Look, now: Look): void {
    for (const [interfaces, { kind, isAttached, inForce }] of now.attaches) {
      const was = before.attaches.get(interfaces);
      const details = { attach: kind, interfaces, in_force: inForce };
      if (was === undefined || was.isAttached === isAttached) continue;
      if (isAttached) this.tell('attach_up', 'Info', `Attached to ${interfaces}`, details);
      else this.tell('attach_down', 'Error', `No longer attached to ${interfaces}`, details);
    }
  }

  #tellStats(): void {
    const { daemon, tell } = this.#options;
    const progress = sumProgress(daemon.lanes.flatMap((lane) => lane.read() ?? []));
    const total = emptyRow();
    for (const { row } of daemon.totals.ways(daemon.ways, progress)) addRow(total, row);
    const kernelDropped = daemon.totals.kernelDropped(progress);
    const flows = daemon.totals.flows(progress);
    tell({
      timestamp: this.#now(),
      event_type: 'stats',
      stats: {
        uptime: Math.floor((performance.now() - daemon.startedAtMs) / MS),
        capture: {
          kernel_packets: Math.min(total.received - total.extraSegments + kernelDropped, MOST_COUNTED - 1),
          kernel_drops: kernelDropped,
        },
        decoder: { pkts: total.received, bytes: total.receivedOctets, invalid: total.droppedMalformed },
        ips: {
          accepted: total.forwarded,
          blocked: total.dropped,
          rejected: total.rejected + total.reset,
          replaced: total.replaced,
        },
        ...(flows === null ? {} : { flow: { total: flows.made, active: flows.now } }),
      },
      firehook: {
        state: daemon.state,
        lease: daemon.isLeaseHeld,
        restarts: daemon.laneRestarts,
        total,
        hooks: daemon.totals
          .hooks(daemon.hooks, progress)
          .map(({ name, counters: { seen, dropped, rejected, faults } }) => ({
            name,
            seen,
            dropped,
            rejected,
            faults,
          })),
        events: daemon.totals.events(progress),
        sinks: daemon.events?.sinks.map(({ kind, written, failed }) => ({ kind, written, failed })) ?? [],
      },
    });
  }

  #now(): string {
    const ms = this.#options.dateMs();
    return timestamp(Math.floor(ms / MS), Math.floor(ms % MS) * NANOSECONDS);
  }
}
