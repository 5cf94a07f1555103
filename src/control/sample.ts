/**
 * The numbers of a daemon at one moment, as the live views need them: `firehook top` and the page.
 *
 * ```
 *   GET /stats, /hooks, /status ─> sampleOf ─> sample ─┐
 *                                  sampleOf ─> sample ─┴─> ratesOf ─> so many a second
 * ```
 * Rule: a sample holds counts and names, nothing that is computed from time; and a rate is never negative, whatever was started anew between
 * the two samples.
 *
 * @module
 */

import { WAY_COUNTERS, WAY_SUMS, type WayCounter } from '../telemetry/counters.ts';
import type { HookReport, HooksReport, StatsReport, StatusReport } from './reports.ts';

/** What is counted of a way, or of all of them. */
export interface WayCounts {
  readonly received: number;
  readonly receivedOctets: number;
  readonly forwarded: number;
  readonly dropped: number;
  readonly rejected: number;
  /** Sent back by a verdict, or ended by a TCP reset. */
  readonly answered: number;
  /** Packets that wait now, or have been passed on by what released them. */
  readonly held: number;
  readonly lost: number;
}

/** A way. */
export interface WaySample extends WayCounts {
  readonly name: string;
  /** Nothing is enforced: the verdicts are what they would have been. */
  readonly isWouldBe: boolean;
}

/** A hook; they stand in running order. */
export interface HookSample {
  readonly name: string;
  readonly priority: number;
  /** It is called and not obeyed, or its breaker has taken it out; '' for neither. */
  readonly mark: '' | 'shadow' | 'taken out';
  readonly seen: number;
  readonly dropped: number;
  readonly rejected: number;
  readonly faults: number;
  /** Nanoseconds that a call takes, and that 99 of 100 take at most; null where nothing was measured. */
  readonly meanNs: number | null;
  readonly p99Ns: number | null;
}

/** Why packets did not go on. */
export interface CauseSample {
  readonly cause: string;
  readonly count: number;
}

/** A reason that a hook gives with its verdicts, of whatever kind. */
export interface ReasonSample {
  readonly hook: string;
  readonly reason: string;
  readonly count: number;
}

/** A moment of a daemon. */
export interface Sample {
  /** Milliseconds of a clock that only goes forward: that of whoever made the sample. */
  readonly atMs: number;
  readonly state: string;
  readonly version: string;
  readonly pid: number;
  readonly generation: number;
  readonly uptimeSeconds: number;
  readonly driver: string;
  readonly lease: string;
  readonly lanes: number;
  readonly laneRestarts: number;
  /** What there is to look at, one sentence each. */
  readonly problems: readonly string[];
  readonly addsUp: boolean;
  readonly total: WayCounts;
  readonly ways: readonly WaySample[];
  readonly hooks: readonly HookSample[];
  readonly causes: readonly CauseSample[];
  readonly reasons: readonly ReasonSample[];
  /** Null where no hook asks for flows. */
  readonly flows: {
    readonly now: number;
    readonly most: number;
    readonly made: number;
    readonly invalid: number;
  } | null;
}

/** The three reports as one sample. */
export function sampleOf(stats: StatsReport, { hooks }: HooksReport, status: StatusReport, atMs: number): Sample {
  const { state, version, pid, generation, uptimeSeconds, driver, lease, lane, flows, health } = status;
  return {
    atMs,
    state,
    version,
    pid,
    generation,
    uptimeSeconds,
    driver,
    lease,
    lanes: lane.pids.length,
    laneRestarts: lane.restarts,
    problems: [...health.problems, ...stats.problems, ...status.warnings],
    addsUp: stats.addsUp,
    total: countsOf(stats.total),
    ways: stats.ways.map(({ name, isWouldBe, ledger }) => ({ name, isWouldBe, ...countsOf(ledger) })),
    hooks: hooks.map(hookSample),
    causes: causesOf(stats),
    reasons: stats.reasons.map(({ hook, reason, count }) => ({ hook, reason, count })),
    flows: flows === null ? null : { now: flows.now, most: flows.most, made: flows.made, invalid: flows.invalid },
  };
}

function countsOf(row: StatsReport['total']): WayCounts {
  const { received, receivedOctets, forwarded, dropped, rejected, replied, reset, held, lost } = row;
  return { received, receivedOctets, forwarded, dropped, rejected, answered: replied + reset, held, lost };
}

function hookSample({
  name,
  priority,
  isShadow,
  breakerOpen,
  seen,
  dropped,
  rejected,
  faults,
  time,
}: HookReport): HookSample {
  const mark = isShadow ? 'shadow' : breakerOpen > 0 ? 'taken out' : '';
  return {
    name,
    priority,
    mark,
    seen,
    dropped,
    rejected,
    faults,
    meanNs: time?.mean ?? null,
    p99Ns: time?.p99 ?? null,
  };
}

/** Of the sums of the ledger those parts that no hook stands for, and of each hook what it stopped; what never happened is left out. */
function causesOf({ total, droppedByHooks, kernelDropped }: StatsReport): CauseSample[] {
  const byHooks: ReadonlySet<WayCounter> = new Set<WayCounter>(['droppedByHook', 'droppedByFault']);
  const parts = (whole: WayCounter): CauseSample[] =>
    (WAY_SUMS.find((sum) => sum.whole === whole)?.parts ?? [])
      .filter((part) => !byHooks.has(part))
      .map((part) => ({ cause: `${whole}: ${labelOf(part)}`, count: total[part] }));
  return [
    ...droppedByHooks.flatMap(({ hook, dropped, rejected }) => [
      { cause: `dropped: by ${hook}`, count: dropped },
      { cause: `rejected: by ${hook}`, count: rejected },
    ]),
    ...parts('dropped'),
    ...parts('lost'),
    { cause: 'lost: the lane was too slow', count: kernelDropped },
  ].filter(({ count }) => count > 0);
}

function labelOf(name: WayCounter): string {
  return WAY_COUNTERS.find((one) => one.name === name)?.label ?? name;
}

/** Tells of counts of a sample how many there are a second. */
export class Rates {
  /** Between the two samples; since the start of the daemon where there is but one. */
  readonly seconds: number;
  /** There is no sample before this one, of the same run of the daemon. */
  readonly isSinceStart: boolean;
  readonly #before: Sample | null;

  constructor(before: Sample | null, now: Sample) {
    this.#before = before === null || before.pid !== now.pid || now.atMs <= before.atMs ? null : before;
    this.isSinceStart = this.#before === null;
    this.seconds = this.#before === null ? Math.max(1, now.uptimeSeconds) : (now.atMs - this.#before.atMs) / 1000;
  }

  /**
   * How many a second.
   *
   * @param then - takes the same number out of the sample before; undefined where that has none
   */
  of(count: number, then: (before: Sample) => number | undefined): number {
    const before = this.#before === null ? 0 : (then(this.#before) ?? 0);
    return Math.max(0, count - before) / this.seconds;
  }
}

/** The entry of `list` that is to `list` what `entry` is to `own`: that of the same name, of several the one in the same turn. */
export function counterpart<Entry>(
  own: readonly Entry[],
  entry: Entry,
  list: readonly Entry[],
  nameOf: (entry: Entry) => string,
): Entry | undefined {
  const name = nameOf(entry);
  const turn = own.filter((one) => nameOf(one) === name).indexOf(entry);
  return list.filter((one) => nameOf(one) === name)[turn];
}
