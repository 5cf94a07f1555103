/**
 * What the control socket answers: status, stats, hooks, pool, each put together when it is asked for.
 *
 * Rule: read only, and true under flood: lane numbers come from the progress file, port numbers from nftables. Nothing waits
 * but the answer: however often somebody asks, the kernel is asked for its counters a few times a second.
 *
 * @module
 */

import type { ServerResponse } from 'node:http';
import { isEnforced } from '../config/schema.ts';
import type { FlowRow } from '../lane/flow-row.ts';
import { addRow, checkRow, emptyRow, type LedgerRow } from '../lane/ledger.ts';
import type { LaneProgress } from '../lane/progress.ts';
import type { PortCounters } from '../plumbing/port-counters.ts';
import type { EventSinkView } from '../supervisor/event-sink.ts';
import { describeRings, type RingReport } from '../supervisor/ring-plan.ts';
import { type EventTotals, sumProgress, type WayTotals } from '../supervisor/totals.ts';
import { version } from '../supervisor/version.ts';
import { HOOK_COUNTERS, type HookChainCounter, MOST_COUNTED, pickRow, type Row } from '../telemetry/counters.ts';
import { summaryOf, type TimeSummary } from '../telemetry/hook-times.ts';
import type { MetricKind, MetricValue } from '../telemetry/metrics.ts';
import type { ReasonCount } from '../telemetry/reasons.ts';
import { readApplyRequest } from './apply-request.ts';
import { setBreaker } from './breaker-control.ts';
import type { ControlReports } from './control-server.ts';
import type { DaemonView } from './daemon-view.ts';
import { askDevices } from './device-control.ts';
import { type FaultReport, faultReport } from './fault-report.ts';
import type { MetricSource } from './metric-families.ts';
import { MetricsReport, type MetricsText } from './metrics-report.ts';
import type { NamedProcess } from './process-numbers.ts';
import { type Sample, sampleOf } from './sample.ts';
import { TraceControl } from './trace-control.ts';

/** How a daemon does, since its start. */
export interface HealthReport {
  /** There is nothing to look at. */
  readonly ok: boolean;
  /** What there is to look at, one sentence each. */
  readonly problems: readonly string[];
  readonly received: number;
  /** By hooks, by their faults, and what no hook sees. */
  readonly dropped: number;
  readonly rejected: number;
  /** Neither forwarded nor stopped by a verdict, with those that the kernel dropped because a lane was too slow. */
  readonly lost: number;
  readonly hookFaults: number;
  /** The hooks that were at fault. */
  readonly faultsByHook: readonly { readonly hook: string; readonly faults: number }[];
  readonly laneRestarts: number;
  readonly lastError: { readonly text: string; readonly secondsAgo: number } | null;
}

/** `firehook status`. */
export interface StatusReport {
  readonly state: string;
  /** Counts the configurations that have been in force; 1 is that of the start. */
  readonly generation: number;
  /** Null when none was asked for. */
  readonly lastReload: { readonly secondsAgo: number; readonly error: string | null } | null;
  /** What is in force for a while only, and what comes back; null when nothing is. */
  readonly trial: DaemonView['trial'];
  /** How `firehook apply` ended last; null when it was not asked for. */
  readonly lastTrial: { readonly file: string; readonly end: string; readonly secondsAgo: number } | null;
  readonly health: HealthReport;
  readonly version: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly driver: string;
  readonly lease: 'held' | 'lapsed' | 'none';
  readonly attaches: readonly {
    readonly kind: string;
    readonly interfaces: readonly string[];
    readonly ifindexes: readonly number[];
    readonly isAttached: boolean;
    /** What the hooks say is done; false in a tap, and with `enforce: false`. */
    readonly isEnforced: boolean;
    /** What decides about its traffic at this moment. */
    readonly inForce: 'hooks' | 'drop' | 'forward' | 'none';
    readonly damages: readonly string[];
    /** What takes frames before firehook, one sentence each. */
    readonly earlierTakers: readonly string[];
    readonly tolerated: readonly string[];
    /** That its traffic meets the hooks, shown by frames of firehook's own; null while it has not been. */
    readonly proven: { readonly secondsAgo: number; readonly shown: string; readonly unshown: string } | null;
  }[];
  /** Since the start: how often the lease was lost while lanes ran, and what the kernel refused. */
  readonly leaseHistory: {
    readonly lapses: number;
    readonly renewals: number;
    readonly refusals: number;
    readonly longestGapMs: number;
    readonly lastError: string | null;
  };
  /** Lines that the reader of the log did not take. */
  readonly logLinesLost: number;
  readonly lane: {
    /** Of the first lane; null when none runs. */
    readonly pid: number | null;
    /** Of every lane. */
    readonly pids: readonly number[];
    readonly user: string;
    readonly uid: number;
    readonly restarts: number;
    readonly lastError: string | null;
  };
  /** Every lane by itself. */
  readonly lanes: readonly LaneReport[];
  readonly hooks: readonly string[];
  /** Of them, those in shadow: called, and not obeyed. */
  readonly shadows: readonly string[];
  readonly tables: readonly TableReport[];
  /** What the flow tables of all lanes count; null where no hook asks for flows. */
  readonly flows: FlowRow | null;
  /** What the kernel hands over at the ports of `tap`, by the interests of the hooks; null where it is everything. */
  readonly kernelFilter: string | null;
  readonly policy: object;
  /** The connection that does not meet the hooks, with the frames that nftables has let through; null for none. */
  readonly keptSession:
    | (NonNullable<DaemonView['keptSession']> & { readonly framesIn: number; readonly framesOut: number })
    | null;
  /** Every fault: what was declared, what is in force, and how often it was. */
  readonly faults: readonly FaultReport[];
  readonly warnings: readonly string[];
}

/** A table of prefixes in `firehook status`. */
export interface TableReport {
  readonly name: string;
  readonly file: string;
  /** The one in force; 1 is that of the start. */
  readonly version: number;
  readonly prefixes: number;
  readonly octets: number;
  readonly secondsInForce: number;
  /** Why the list, as it is now, was not taken; null when it was. */
  readonly lastError: { readonly text: string; readonly secondsAgo: number } | null;
}

/** A counter or gauge of a hook: of all lanes, in sum. */
export interface MetricReport {
  readonly name: string;
  readonly kind: MetricKind;
  readonly value: number;
  /** '' for none. */
  readonly help: string;
}

/** A reason that a hook gives with verdicts: of all lanes, in sum. */
export interface ReasonReport {
  readonly reason: string;
  readonly count: number;
}

/** Events of hooks in `firehook stats`. */
export interface EventsReport extends EventTotals {
  /** What became of those that were not lost; null where the configuration names no file. */
  readonly sink: EventSinkView | null;
}

/** A lane in `firehook status`. */
export interface LaneReport {
  readonly pid: number;
  /** Where it is pinned; null: on any CPU. */
  readonly cpu: number | null;
  /** Folder of the cgroup that it lives in alone; null where it has none. */
  readonly cgroup: string | null;
  /** What the kernel gave it, way by way; empty with `pcap`. */
  readonly rings: readonly RingReport[];
  /** Why it takes no packets at this moment, with the hook that runs; null while it does. */
  readonly stalled: string | null;
}

/** One direction in `firehook stats`. */
export interface WayReport {
  readonly name: string;
  /** True for `tap` and where nothing is enforced: verdicts are what they would have been. */
  readonly isWouldBe: boolean;
  /** The frames that went on as they came (`enforce: false`); what the hooks said of them is in the way of the same name without. */
  readonly isAsItCame: boolean;
  readonly ledger: LedgerRow;
  /** What nftables counted; null for `tap`. */
  readonly port: (PortCounters & { readonly neverHanded: number }) | null;
}

/** `firehook stats`. */
export interface StatsReport {
  readonly ways: readonly WayReport[];
  readonly total: LedgerRow;
  readonly kernelDropped: number;
  /** Captured at a port while the kernel may have sent them on, and given back unread. */
  readonly fenced: number;
  /** What each running lane has done since it started. */
  readonly lanes: readonly { readonly pid: number; readonly packets: number; readonly total: LedgerRow }[];
  readonly droppedByHooks: readonly { readonly hook: string; readonly dropped: number; readonly rejected: number }[];
  /** Hooks that are called and not obeyed: how often something else happened than they said. */
  readonly shadows: readonly (Readonly<Row<ShadowCounter>> & { readonly hook: string })[];
  /** Counters and gauges that hooks have declared. */
  readonly metrics: readonly ({ readonly hook: string } & MetricReport)[];
  /** Reasons that hooks have declared, and how many verdicts they gave for each. */
  readonly reasons: readonly ({ readonly hook: string } & ReasonReport)[];
  readonly events: EventsReport;
  readonly addsUp: boolean;
  /** What does not add up, one sentence each. */
  readonly problems: readonly string[];
}

/** A hook in `firehook hooks`. */
export interface HookReport extends Readonly<Omit<Row<HookChainCounter>, 'changed'>> {
  readonly name: string;
  readonly priority: number;
  readonly kind: string;
  readonly path: string;
  /** It is called and not obeyed: its counters say what it would have done. */
  readonly isShadow: boolean;
  /** Null where changes are not tracked. */
  readonly changed: number | null;
  /** How long its calls took, in nanoseconds; null where none was measured. */
  readonly time: TimeSummary | null;
  /** Counters and gauges that it has declared. */
  readonly metrics: readonly MetricReport[];
  /** Reasons that it has declared, and how many verdicts it gave for each. */
  readonly reasons: readonly ReasonReport[];
}

/** `firehook hooks`. */
export interface HooksReport {
  readonly hooks: readonly HookReport[];
}

/** `firehook pool`. */
export interface PoolReport {
  readonly bytesInUse: number;
  readonly limitBytes: number;
  readonly refused: number;
  readonly tags: readonly {
    readonly tag: string;
    readonly type: string;
    readonly allocs: number;
    readonly frees: number;
    readonly diff: number;
    readonly bytes: number;
    readonly perAlloc: number;
  }[];
  readonly leaked: readonly { readonly hook: string; readonly allocations: number; readonly bytes: number }[];
}

/** What is said of a hook in shadow beside those that are obeyed. */
type ShadowCounter = 'seen' | 'differs' | 'stricter' | 'milder';

const NO_COUNTERS: PortCounters = { stolen: 0, offered: 0, whileDown: 0, unhooked: 0, kept: 0 };
/** How long the counters of the kernel stand before it is asked again. */
const FRESH_MS = 200;

function metricReport({ name, kind, value, help }: MetricValue): MetricReport {
  return { name, kind, value, help };
}

function reasonReport({ text, count }: ReasonCount): ReasonReport {
  return { reason: text, count };
}

function secondsSince(ms: number): number {
  return Math.floor((performance.now() - ms) / 1000);
}

/** Puts the answers together from what the daemon shows. */
export class Reports implements ControlReports {
  readonly #daemon: DaemonView;
  readonly #metrics = new MetricsReport(() => this.#metricSource());
  readonly #trace: TraceControl;
  #counters: Promise<ReadonlyMap<string, PortCounters>> | null = null;
  #countersMs = Number.NEGATIVE_INFINITY;
  #summed: { readonly of: readonly LaneProgress[]; readonly sum: LaneProgress | null } = { of: [], sum: null };

  constructor(daemon: DaemonView) {
    this.#daemon = daemon;
    this.#trace = new TraceControl(daemon);
  }

  /** {@inheritDoc ControlReports.reload} */
  reload(): Promise<object> {
    return this.#daemon.reload();
  }

  /** {@inheritDoc ControlReports.upgrade} */
  upgrade(): Promise<object> {
    return this.#daemon.upgrade();
  }

  /** {@inheritDoc ControlReports.apply} */
  apply(body: string): Promise<object> {
    const { file, seconds } = readApplyRequest(body);
    return this.#daemon.apply(file, seconds);
  }

  /** {@inheritDoc ControlReports.confirm} */
  confirm(): Promise<object> {
    return this.#daemon.confirm();
  }

  /** {@inheritDoc ControlReports.cancelApply} */
  cancelApply(): Promise<object> {
    return this.#daemon.cancelApply();
  }

  /** {@inheritDoc ControlReports.status} */
  async status(): Promise<StatusReport> {
    const { keptSession, ...status } = this.statusNow();
    if (keptSession === null) return { ...status, keptSession };
    const ports = [...(await this.#portCounters())];
    const sumOf = (direction: string): number =>
      ports.reduce((sum, [key, { kept }]) => (key.endsWith(` ${direction}`) ? sum + kept : sum), 0);
    return { ...status, keptSession: { ...keptSession, framesIn: sumOf('in'), framesOut: sumOf('out') } };
  }

  /** The same without what the kernel would have to be asked for. */
  statusNow(): StatusReport {
    const ways = this.#sumOfWays();
    const daemon = this.#daemon;
    const { config } = daemon;
    const { lapses, renewals, refusals, longestGapMs, lastError } = daemon.lease;
    const steals = config.attach.some((attach) => !('tap' in attach));
    return {
      state: daemon.state,
      generation: daemon.generation,
      lastReload:
        daemon.lastReload === null
          ? null
          : { secondsAgo: secondsSince(daemon.lastReload.atMs), error: daemon.lastReload.error },
      trial: daemon.trial,
      lastTrial:
        daemon.lastTrial === null
          ? null
          : { file: daemon.lastTrial.file, end: daemon.lastTrial.end, secondsAgo: secondsSince(daemon.lastTrial.atMs) },
      health: this.#health(),
      version,
      pid: process.pid,
      uptimeSeconds: secondsSince(daemon.startedAtMs),
      driver: config.driver,
      lease: !steals ? 'none' : daemon.isLeaseHeld ? 'held' : 'lapsed',
      attaches: daemon.attaches.map(({ takers, proof, ...attach }, index) => ({
        ...attach,
        isEnforced: isEnforced(config.attach[index] ?? { host: '' }),
        earlierTakers: takers.map(({ text }) => text),
        proven:
          proof === null ? null : { secondsAgo: secondsSince(proof.atMs), shown: proof.shown, unshown: proof.unshown },
      })),
      leaseHistory: { lapses, renewals, refusals, longestGapMs, lastError },
      logLinesLost: daemon.logLinesLost,
      lane: {
        pid: daemon.lanes[0]?.pid ?? null,
        pids: daemon.lanes.map(({ pid }) => pid),
        user: daemon.user?.name ?? '',
        uid: daemon.user?.uid ?? -1,
        restarts: daemon.laneRestarts,
        lastError: daemon.lastLaneError,
      },
      lanes: daemon.lanes.map(({ pid, cpu, cgroup, rings, stalled }) => ({
        pid,
        cpu,
        cgroup,
        rings: describeRings(daemon.rings, rings),
        stalled,
      })),
      hooks: daemon.hooks.map(({ name }) => name),
      shadows: daemon.hooks.filter(({ isShadow }) => isShadow).map(({ name }) => name),
      tables: daemon.tables.map(({ sinceMs, error, ...table }) => ({
        ...table,
        secondsInForce: secondsSince(sinceMs),
        lastError: error === null ? null : { text: error.text, secondsAgo: secondsSince(error.atMs) },
      })),
      flows: daemon.totals.flows(this.#progress()),
      kernelFilter: daemon.lanes[0]?.kernelFilter ?? null,
      policy: config.policy,
      keptSession: daemon.keptSession === null ? null : { ...daemon.keptSession, framesIn: 0, framesOut: 0 },
      faults: faultReport({ daemon, ways, progress: this.#progress() }),
      warnings: [...daemon.warnings, ...deniedLines(ways)],
    };
  }

  #sumOfWays(): LedgerRow {
    const sum = emptyRow();
    for (const { row } of this.#daemon.totals.ways(this.#daemon.ways, this.#progress())) addRow(sum, row);
    return sum;
  }

  #health(): HealthReport {
    const daemon = this.#daemon;
    const progress = this.#progress();
    const total = emptyRow();
    let lostAsItCame = 0;
    for (const { row, passes } of daemon.totals.ways(daemon.ways, progress)) {
      // These are there twice: the hooks met them too.
      if (passes) lostAsItCame += row.lost;
      else addRow(total, row);
    }
    const faultsByHook = daemon.totals
      .hooks(daemon.hooks, progress)
      .filter(({ counters, isShadow }) => counters.faults > 0 && !isShadow)
      .map(({ name, counters }) => ({ hook: name, faults: counters.faults }));
    const hookFaults = Math.min(
      faultsByHook.reduce((sum, { faults }) => sum + faults, 0),
      MOST_COUNTED,
    );
    const lost = Math.min(total.lost + lostAsItCame + daemon.totals.kernelDropped(progress), MOST_COUNTED);
    const { lastError, laneRestarts } = daemon;
    const atFault = faultsByHook.map(({ hook, faults }) => `${hook} ${faults.toLocaleString('en-US')}`).join(', ');
    const stale = daemon.tables.filter(({ error }) => error !== null).map(({ name }) => name);
    const open = daemon.totals
      .hooks(daemon.hooks, progress)
      .filter(({ counters, isShadow }) => counters.breakerOpen > 0 && !isShadow)
      .map(({ name }) => name);
    const unhooked = daemon.attaches.filter(({ inForce }) => inForce !== 'hooks');
    return {
      ok: hookFaults + lost + laneRestarts + unhooked.length + stale.length + open.length === 0 && lastError === null,
      problems: [
        ...daemon.lanes.flatMap(({ pid, stalled }) => (stalled === null ? [] : [`lane ${pid} stands: ${stalled}`])),
        ...unhooked.map(({ interfaces }) => `the hooks do not decide about ${interfaces.join(' and ')}`),
        ...(open.length > 0 ? [`hooks are taken out, their breakers are open: ${open.join(', ')}`] : []),
        ...(hookFaults > 0 ? [`hooks were at fault: ${atFault}`] : []),
        ...(lost > 0 ? [`packets were lost: ${lost.toLocaleString('en-US')}`] : []),
        ...(laneRestarts > 0 ? [`lanes were replaced: ${laneRestarts}`] : []),
        ...(stale.length > 0 ? [`lists of tables were not taken: ${stale.join(', ')}`] : []),
      ],
      received: total.received,
      dropped: total.dropped,
      rejected: total.rejected,
      lost,
      hookFaults,
      faultsByHook,
      laneRestarts,
      lastError: lastError === null ? null : { text: lastError.text, secondsAgo: secondsSince(lastError.atMs) },
    };
  }

  /** {@inheritDoc ControlReports.stats} */
  async stats(): Promise<StatsReport> {
    const daemon = this.#daemon;
    const ports = await this.#portCounters();
    const progress = this.#progress();
    const totals = daemon.totals.ways(daemon.ways, progress);
    const all = daemon.totals.hooks(daemon.hooks, progress);
    const hooks = all.filter(({ isShadow }) => !isShadow);
    const total = emptyRow();
    const problems: string[] = [];
    for (const way of totals) {
      if (!way.passes) addRow(total, way.row);
      problems.push(...checkRow(way.row, way.sends).map((problem) => `${way.name}: ${problem}`));
    }
    const byHooks = hooks.reduce((sum, { counters }) => sum + counters.dropped, 0);
    if (byHooks !== total.droppedByHook + total.droppedByFault) {
      problems.push(
        `drops of all hooks: ${byHooks} against ${total.droppedByHook + total.droppedByFault} in the ledger`,
      );
    }
    return {
      ways: totals.map((way) => ({
        name: way.name,
        isWouldBe: !way.sends,
        isAsItCame: way.passes,
        ledger: way.row,
        port: this.#port(way, ports),
      })),
      total,
      kernelDropped: daemon.totals.kernelDropped(progress),
      fenced: daemon.totals.fenced(progress),
      lanes: daemon.lanes.flatMap((lane) => {
        const own = lane.read();
        if (own === null) return [];
        const sum = emptyRow();
        for (const [index, row] of own.ways.entries()) if (daemon.ways[index]?.passes !== true) addRow(sum, row);
        return [{ pid: lane.pid, packets: own.packets, total: sum }];
      }),
      droppedByHooks: hooks.map(({ name, counters }) => ({
        hook: name,
        dropped: counters.dropped,
        rejected: counters.rejected,
      })),
      shadows: all
        .filter(({ isShadow }) => isShadow)
        .map(({ name, counters: { seen, differs, stricter, milder } }) => ({
          hook: name,
          seen,
          differs,
          stricter,
          milder,
        })),
      metrics: daemon.totals
        .metrics(daemon.hooks, progress)
        .map((metric) => ({ hook: daemon.hooks[metric.hook]?.name ?? '', ...metricReport(metric) })),
      reasons: daemon.totals
        .reasons(daemon.hooks, progress)
        .map((reason) => ({ hook: daemon.hooks[reason.hook]?.name ?? '', ...reasonReport(reason) })),
      events: { ...daemon.totals.events(progress), sink: daemon.events },
      addsUp: problems.length === 0,
      problems,
    };
  }

  /** {@inheritDoc ControlReports.hooks} */
  hooks(): HooksReport {
    const daemon = this.#daemon;
    const tracksChanges = this.#tracksChanges;
    const progress = this.#progress();
    const metrics = daemon.totals.metrics(daemon.hooks, progress);
    const reasons = daemon.totals.reasons(daemon.hooks, progress);
    const times = daemon.totals.times(daemon.hooks, progress);
    return {
      hooks: daemon.totals
        .hooks(daemon.hooks, progress)
        .map(({ name, priority, kind, path, isShadow, counters }, place) => ({
          name,
          priority,
          kind,
          path,
          isShadow,
          ...pickRow(HOOK_COUNTERS, counters),
          // A hook in shadow has a copy of the packet, which costs it anyway.
          ...(tracksChanges || isShadow ? {} : { changed: null }),
          time: summaryOf(times[place] ?? []),
          metrics: metrics.filter(({ hook }) => hook === place).map(metricReport),
          reasons: reasons.filter(({ hook }) => hook === place).map(reasonReport),
        })),
    };
  }

  /** What the live views show. */
  async sample(): Promise<Sample> {
    return sampleOf(await this.stats(), this.hooks(), await this.status(), performance.now());
  }

  /** {@inheritDoc ControlReports.pool} */
  pool(): PoolReport {
    const daemon = this.#daemon;
    const progress = this.#progress();
    return {
      bytesInUse: progress?.poolBytes ?? 0,
      limitBytes: progress?.poolLimit ?? daemon.config.pool.limitMiB * 1024 * 1024,
      refused: progress?.poolFaults ?? 0,
      tags: (progress?.tags ?? []).map(({ tag, type, allocs, frees, bytes }) => ({
        tag,
        type,
        allocs,
        frees,
        diff: allocs - frees,
        bytes,
        perAlloc: allocs === frees ? 0 : Math.floor(bytes / (allocs - frees)),
      })),
      leaked: daemon.totals.hooks(daemon.hooks, progress).map(({ name, counters }) => ({
        hook: name,
        allocations: counters.outstanding,
        bytes: counters.outstandingBytes,
      })),
    };
  }

  /** {@inheritDoc ControlReports.metrics} */
  metrics(accept: string | undefined): Promise<MetricsText> {
    return this.#metrics.text(accept);
  }

  async #metricSource(): Promise<MetricSource & { readonly processes: readonly NamedProcess[] }> {
    const stats = await this.stats();
    const daemon = this.#daemon;
    const progress = this.#progress();
    const times = daemon.totals.times(daemon.hooks, progress);
    return {
      stats,
      status: this.statusNow(),
      pool: this.pool(),
      hooks: daemon.totals
        .hooks(daemon.hooks, progress)
        .map(({ name, counters }, place) => ({ name, counters, times: times[place] ?? [] })),
      tracksChanges: this.#tracksChanges,
      own: daemon.totals.metrics(daemon.hooks, progress),
      lanesWanted: daemon.config.lanes,
      processes: [
        { name: 'supervisor', pid: process.pid },
        // Of two in one place, one ends: the other one is told of.
        ...new Map(daemon.lanes.map(({ place, pid }) => [place, { name: `lane ${place}`, pid }])).values(),
      ],
    };
  }

  /** Changes are tracked where nothing is enforced. */
  get #tracksChanges(): boolean {
    return !this.#daemon.config.attach.some(isEnforced);
  }

  /** {@inheritDoc ControlReports.trace} */
  trace(body: string, response: ServerResponse): void {
    this.#trace.answer(body, response);
  }

  /** {@inheritDoc ControlReports.devices} */
  devices(body: string): Promise<[number, object]> {
    return askDevices(this.#daemon, body);
  }

  /** {@inheritDoc ControlReports.breaker} */
  breaker(body: string): [number, object] {
    return setBreaker(this.#daemon, body);
  }

  /** The numbers of the running lanes now, in sum; null before the first. */
  #progress(): LaneProgress | null {
    const read = this.#daemon.lanes.flatMap((lane) => lane.read() ?? []);
    const { of, sum } = this.#summed;
    // An answer asks several times, and lanes have mostly said nothing else meanwhile.
    if (read.length === of.length && read.every((one, place) => one === of[place])) return sum;
    this.#summed = { of: read, sum: sumProgress(read) };
    return this.#summed.sum;
  }

  /** Asked for once, however many ask at the same time. */
  #portCounters(): Promise<ReadonlyMap<string, PortCounters>> {
    const nowMs = performance.now();
    if (this.#counters !== null && nowMs - this.#countersMs < FRESH_MS) return this.#counters;
    const counters = this.#daemon.counters();
    this.#counters = counters;
    this.#countersMs = nowMs;
    counters.catch(() => {
      // Whoever waits hears of it; the next one asks anew.
      if (this.#counters === counters) this.#counters = null;
    });
    return counters;
  }

  /** Counters of the port that a way starts at. */
  #port(way: WayTotals, ports: ReadonlyMap<string, PortCounters>): WayReport['port'] {
    const laidOut = this.#daemon.ways.find(({ name }) => name === way.name);
    if (laidOut === undefined || !way.sends) return null;
    // What leaves a host is stolen from the port it leaves by.
    const isOutbound = laidOut.recvInterfaceIndex === 0;
    const ifindex = isOutbound ? laidOut.sendInterfaceIndex : laidOut.recvInterfaceIndex;
    const counters = ports.get(`${ifindex} ${isOutbound ? 'out' : 'in'}`) ?? NO_COUNTERS;
    // The supervisor's own probe frames come out of the detours too. The row is what the lane says: it may be forged, and
    // no forged number makes the kernel's larger, or negative.
    const offered = Math.max(0, counters.offered - way.row.probes);
    const handed = Math.max(0, way.row.received - way.row.extraSegments);
    return { ...counters, offered, neverHanded: Math.max(0, offered - handed) };
  }
}

/** What the machine's own rules have dropped of what firehook sends, one sentence for each kind. */
function deniedLines({ icmpDenied, injectDenied }: LedgerRow): string[] {
  return [
    ...(icmpDenied === 0 ? [] : [`${icmpDenied} ICMP errors`]),
    ...(injectDenied === 0 ? [] : [`${injectDenied} datagrams that hooks made`]),
  ].map((what) => `Rules of this machine dropped ${what} on the way out (EPERM); the log says which most likely.`);
}
