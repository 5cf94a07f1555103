/**
 * The counters of the whole run: those of lanes that have ended plus those of the one that runs.
 *
 * Rule: what a lane wrote last is added once, when it ends. Ways and hooks are known by name, because a rebuilt lane may
 * have others.
 *
 * @module
 */

import { endedFlowRow, type FlowRow } from '../lane/flow-row.ts';
import { addRow, emptyRow, type LedgerRow } from '../lane/ledger.ts';
import type { HookInfo } from '../lane/messages.ts';
import type { HookProgress, LaneProgress, TagProgress } from '../lane/progress.ts';
import type { Way } from '../lane/way.ts';
import {
  emptyRowOf,
  FLOW_COUNTERS,
  type FlowCounter,
  HOOK_COLUMNS,
  type HookCounter,
  MOST_COUNTED,
  sumOfRows,
} from '../telemetry/counters.ts';
import { addTimes, NO_TIMES, type TimeRow } from '../telemetry/hook-times.ts';
import { addMetrics, type MetricValue } from '../telemetry/metrics.ts';
import { addReasons, type ReasonCount } from '../telemetry/reasons.ts';

/** A way's row under its name. */
export interface WayTotals {
  readonly name: string;
  /** False for `tap`: what is forwarded there is not sent. */
  readonly sends: boolean;
  /** Its frames go on as they came; the hooks meet them in another row. */
  readonly passes: boolean;
  readonly row: LedgerRow;
}

/** A hook's counters under its name. */
export interface HookTotals extends HookInfo {
  readonly counters: HookProgress;
}

/** Events that lanes made, those of hooks and firehook's own. */
export interface EventTotals {
  /** Those that were lost included. */
  readonly made: number;
  /** Of them, those that found no room in the lane. */
  readonly lost: number;
  /** Beside them, those of firehook's own that the sample left out. */
  readonly suppressed: number;
}

/** What {@link Totals} has added up, as plain data. */
export interface PlainTotals {
  readonly ways: readonly (readonly [string, Omit<WayTotals, 'name'>])[];
  readonly hooks: readonly (readonly [string, HookProgress])[];
  readonly metrics: readonly (readonly [string, readonly MetricValue[]])[];
  readonly reasons: readonly (readonly [string, readonly ReasonCount[]])[];
  readonly times: readonly (readonly [string, TimeRow])[];
  readonly flows: FlowRow | null;
  readonly events: EventTotals;
  readonly kernelDropped: number;
  readonly fenced: number;
}

const NO_COUNTERS: HookProgress = emptyRowOf(HOOK_COLUMNS);

/** Adds lanes up. */
export class Totals {
  readonly #ways = new Map<string, Omit<WayTotals, 'name'>>();
  readonly #hooks = new Map<string, HookProgress>();
  /** Counters of the hooks of ended lanes, by the name of the hook. */
  readonly #metrics = new Map<string, readonly MetricValue[]>();
  /** Their reasons, too. */
  readonly #reasons = new Map<string, readonly ReasonCount[]>();
  /** Times of the hooks of ended lanes, by the name of the hook. */
  readonly #times = new Map<string, TimeRow>();
  #flows: FlowRow | null = null;
  #events: EventTotals = { made: 0, lost: 0, suppressed: 0 };
  #kernelDropped = 0;
  #fenced = 0;

  /** The numbers as plain data, for a process that goes on with them. */
  get plain(): PlainTotals {
    return {
      ways: [...this.#ways],
      hooks: [...this.#hooks],
      metrics: [...this.#metrics],
      reasons: [...this.#reasons],
      times: [...this.#times],
      flows: this.#flows,
      events: this.#events,
      kernelDropped: this.#kernelDropped,
      fenced: this.#fenced,
    };
  }

  /** Adds what another process has counted. */
  absorb(theirs: PlainTotals): void {
    for (const [name, way] of theirs.ways) {
      const { row } = this.#ways.get(name) ?? { row: emptyRow() };
      const sum = { ...row };
      addRow(sum, way.row);
      this.#ways.set(name, { ...way, row: sum });
    }
    for (const [name, hook] of theirs.hooks)
      this.#hooks.set(name, addHook(this.#hooks.get(name) ?? NO_COUNTERS, { ...NO_COUNTERS, ...hook }));
    // Each is of one hook, whose place among the others may be another one there.
    for (const [name, metrics] of theirs.metrics)
      this.#metrics.set(name, addMetrics(this.#metricsBefore(name, 0), inPlace(metrics, 0)));
    for (const [name, reasons] of theirs.reasons)
      this.#reasons.set(name, addReasons(this.#reasonsBefore(name, 0), inPlace(reasons, 0)));
    for (const [name, times] of theirs.times) this.#times.set(name, addTimes(this.#times.get(name) ?? NO_TIMES, times));
    if (theirs.flows !== null) this.#flows = addFlows(this.#flows, theirs.flows);
    const { made, lost, suppressed } = theirs.events;
    this.#events = {
      made: bounded(this.#events.made + made),
      lost: bounded(this.#events.lost + lost),
      suppressed: bounded(this.#events.suppressed + suppressed),
    };
    this.#kernelDropped = bounded(this.#kernelDropped + theirs.kernelDropped);
    this.#fenced = bounded(this.#fenced + theirs.fenced);
  }

  /** The same numbers, which go their own way from now on. */
  copy(): Totals {
    const copy = new Totals();
    for (const [name, way] of this.#ways) copy.#ways.set(name, way);
    for (const [name, hook] of this.#hooks) copy.#hooks.set(name, hook);
    for (const [name, metrics] of this.#metrics) copy.#metrics.set(name, metrics);
    for (const [name, reasons] of this.#reasons) copy.#reasons.set(name, reasons);
    for (const [name, times] of this.#times) copy.#times.set(name, times);
    copy.#flows = this.#flows;
    copy.#events = this.#events;
    copy.#kernelDropped = this.#kernelDropped;
    copy.#fenced = this.#fenced;
    return copy;
  }

  /**
   * Adds what an ended lane did.
   *
   * @param isThere - it has not ended yet: packets may still wait in it
   */
  add(ways: readonly Way[], hooks: readonly HookInfo[], progress: LaneProgress, isThere = false): void {
    for (const { name, sends, passes, row } of this.ways(ways, progress)) {
      if (isThere) {
        this.#ways.set(name, { sends, passes, row });
        continue;
      }
      // What waited in a lane went with it.
      row.lost = bounded(row.lost + row.held);
      row.lostHeld = bounded(row.lostHeld + row.held);
      row.held = 0;
      this.#ways.set(name, { sends, passes, row });
    }
    for (const { name, counters } of this.hooks(hooks, progress)) {
      // What a lane held went with it.
      this.#hooks.set(name, {
        ...counters,
        outstanding: 0,
        outstandingBytes: 0,
        breakerOpen: 0,
        breakerHalfOpen: 0,
      });
    }
    for (const [index, { name }] of hooks.entries()) {
      // A gauge says how it is, and the lane is no more.
      const own = progress.metrics.filter(({ hook, kind }) => hook === index && kind === 'counter');
      this.#metrics.set(name, addMetrics(this.#metricsBefore(name, index), own));
      const reasons = progress.reasons.filter(({ hook }) => hook === index);
      this.#reasons.set(name, addReasons(this.#reasonsBefore(name, index), reasons));
    }
    const times = this.times(hooks, progress);
    for (const [index, { name }] of hooks.entries()) this.#times.set(name, times[index] ?? NO_TIMES);
    if (progress.flows !== null) this.#flows = addFlows(this.#flows, endedFlowRow(progress.flows));
    this.#events = this.events(progress);
    this.#kernelDropped = bounded(this.#kernelDropped + progress.kernelDropped);
    this.#fenced = bounded(this.#fenced + progress.fenced);
  }

  /** Every way of the run, with what the running lane has done so far. */
  ways(running: readonly Way[], progress: LaneProgress | null): WayTotals[] {
    const sums = new Map<string, WayTotals>();
    for (const [name, way] of this.#ways) sums.set(name, { ...way, name, row: { ...way.row } });
    running.forEach((way, index) => {
      const sum = sums.get(way.name) ?? {
        name: way.name,
        sends: way.outPort >= 0,
        passes: way.passes === true,
        row: emptyRow(),
      };
      const row = progress?.ways[index];
      if (row !== undefined) addRow(sum.row, row);
      sums.set(way.name, sum);
    });
    return [...sums.values()];
  }

  /** Every hook of the running lane, with what it has done in the whole run. */
  hooks(running: readonly HookInfo[], progress: LaneProgress | null): HookTotals[] {
    return running.map((hook, index) => {
      const before = this.#hooks.get(hook.name) ?? NO_COUNTERS;
      const now = progress?.hooks[index] ?? NO_COUNTERS;
      const counters = addHook(before, now);
      return { ...hook, counters };
    });
  }

  /** Counters and gauges of every hook of the running lane; `hook` is its place in `running`. */
  metrics(running: readonly HookInfo[], progress: LaneProgress | null): MetricValue[] {
    return running.flatMap(({ name }, index) => {
      const now = progress?.metrics.filter(({ hook }) => hook === index) ?? [];
      return addMetrics(this.#metricsBefore(name, index), now);
    });
  }

  /** How often every hook of the running lane gave which reason; `hook` is its place in `running`. */
  reasons(running: readonly HookInfo[], progress: LaneProgress | null): ReasonCount[] {
    return running.flatMap(({ name }, index) => {
      const now = progress?.reasons.filter(({ hook }) => hook === index) ?? [];
      return addReasons(this.#reasonsBefore(name, index), now);
    });
  }

  /** How long every hook of the running lane took, in the whole run. */
  times(running: readonly HookInfo[], progress: LaneProgress | null): TimeRow[] {
    return running.map(({ name }, index) =>
      addTimes(this.#times.get(name) ?? NO_TIMES, progress?.times[index] ?? NO_TIMES),
    );
  }

  /** What the flow tables of all lanes counted; null where no lane has one. */
  flows(progress: LaneProgress | null): FlowRow | null {
    return progress?.flows === undefined || progress.flows === null
      ? this.#flows
      : addFlows(this.#flows, progress.flows);
  }

  /** Events that lanes made, those of hooks and firehook's own. */
  events(progress: LaneProgress | null): EventTotals {
    return {
      made: bounded(this.#events.made + (progress?.events ?? 0)),
      lost: bounded(this.#events.lost + (progress?.eventsLost ?? 0)),
      suppressed: bounded(this.#events.suppressed + (progress?.eventsSuppressed ?? 0)),
    };
  }

  #metricsBefore(name: string, hook: number): MetricValue[] {
    return inPlace(this.#metrics.get(name) ?? [], hook);
  }

  #reasonsBefore(name: string, hook: number): ReasonCount[] {
    return inPlace(this.#reasons.get(name) ?? [], hook);
  }

  /** Frames the kernel dropped before a lane could read them. */
  kernelDropped(progress: LaneProgress | null): number {
    return bounded(this.#kernelDropped + (progress?.kernelDropped ?? 0));
  }

  /** Frames that lanes gave back unread because the kernel may have sent them on. */
  fenced(progress: LaneProgress | null): number {
    return bounded(this.#fenced + (progress?.fenced ?? 0));
  }
}

/** Several lanes as if they were one; null for none. */
export function sumProgress(lanes: readonly LaneProgress[]): LaneProgress | null {
  const [first, ...others] = lanes;
  if (first === undefined) return null;
  return others.reduce(addProgress, first);
}

function addProgress(a: LaneProgress, b: LaneProgress): LaneProgress {
  return {
    sequence: bounded(a.sequence + b.sequence),
    packets: bounded(a.packets + b.packets),
    ways: a.ways.map((row, index) => {
      const sum = { ...row };
      const more = b.ways[index];
      if (more !== undefined) addRow(sum, more);
      return sum;
    }),
    hooks: a.hooks.map((counters, index) => addHook(counters, b.hooks[index] ?? NO_COUNTERS)),
    tags: addTags(a.tags, b.tags),
    poolBytes: bounded(a.poolBytes + b.poolBytes),
    poolLimit: bounded(a.poolLimit + b.poolLimit),
    poolFaults: bounded(a.poolFaults + b.poolFaults),
    kernelDropped: bounded(a.kernelDropped + b.kernelDropped),
    fenced: bounded(a.fenced + b.fenced),
    epoch: Math.min(a.epoch, b.epoch),
    events: bounded(a.events + b.events),
    eventsLost: bounded(a.eventsLost + b.eventsLost),
    eventsSuppressed: bounded(a.eventsSuppressed + b.eventsSuppressed),
    flows: b.flows === null ? a.flows : addFlows(a.flows, b.flows),
    metrics: addMetrics(a.metrics, b.metrics),
    reasons: addReasons(a.reasons, b.reasons),
    times: a.times.map((row, index) => addTimes(row, b.times[index] ?? NO_TIMES)),
  };
}

function addFlows(a: FlowRow | null, b: FlowRow): FlowRow {
  return a === null ? b : sumOfRows<FlowCounter>(FLOW_COUNTERS, a, b);
}

function addHook(a: HookProgress, b: HookProgress): HookProgress {
  return sumOfRows<HookCounter>(HOOK_COLUMNS, a, b);
}

function addTags(a: readonly TagProgress[], b: readonly TagProgress[]): TagProgress[] {
  const sums = new Map(a.map((tag) => [`${tag.tag} ${tag.type}`, tag]));
  for (const tag of b) {
    const key = `${tag.tag} ${tag.type}`;
    const sum = sums.get(key);
    sums.set(
      key,
      sum === undefined
        ? tag
        : {
            ...sum,
            allocs: bounded(sum.allocs + tag.allocs),
            frees: bounded(sum.frees + tag.frees),
            bytes: bounded(sum.bytes + tag.bytes),
          },
    );
  }
  return [...sums.values()];
}

function bounded(sum: number): number {
  return Math.min(sum, MOST_COUNTED);
}

/** The same of the hook in that place. */
function inPlace<One extends { readonly hook: number }>(ones: readonly One[], hook: number): One[] {
  return ones.map((one) => ({ ...one, hook }));
}
