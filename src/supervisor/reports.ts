/**
 * What the control socket answers: status, stats, hooks, pool, each put together when it is asked for.
 *
 * Rule: read only, and true under flood: lane numbers come from the progress file, port numbers from nftables.
 *
 * @module
 */

import { addRow, checkRow, emptyRow, type LedgerRow } from '../lane/ledger.ts';
import type { PortCounters } from '../plumbing/port-counters.ts';
import type { ControlReports } from './control-server.ts';
import { describeRings, type RingReport } from './ring-plan.ts';
import type { Supervisor } from './supervisor.ts';
import type { WayTotals } from './totals.ts';
import { version } from './version.ts';

/** `firehook status`. */
export interface StatusReport {
  readonly state: string;
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
  }[];
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
  /** What the kernel hands over at the ports of `tap`, by the interests of the hooks; null where it is everything. */
  readonly kernelFilter: string | null;
  readonly policy: object;
  readonly warnings: readonly string[];
}

/** A lane in `firehook status`. */
export interface LaneReport {
  readonly pid: number;
  /** Where it is pinned; null: on any CPU. */
  readonly cpu: number | null;
  /** What the kernel gave it, way by way; empty with `pcap`. */
  readonly rings: readonly RingReport[];
}

/** One direction in `firehook stats`. */
export interface WayReport {
  readonly name: string;
  /** True for `tap`: verdicts are what they would have been. */
  readonly isWouldBe: boolean;
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
  readonly addsUp: boolean;
  /** What does not add up, one sentence each. */
  readonly problems: readonly string[];
}

/** `firehook hooks`. */
export interface HooksReport {
  readonly hooks: readonly {
    readonly name: string;
    readonly priority: number;
    readonly kind: string;
    readonly path: string;
    readonly seen: number;
    readonly forwarded: number;
    readonly dropped: number;
    readonly rejected: number;
    readonly replaced: number;
    readonly changed: number | null;
    readonly faults: number;
  }[];
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

/** Puts the answers together from what the supervisor knows. */
export class Reports implements ControlReports {
  readonly #supervisor: Supervisor;

  constructor(supervisor: Supervisor) {
    this.#supervisor = supervisor;
  }

  /** {@inheritDoc ControlReports.status} */
  status(): StatusReport {
    const supervisor = this.#supervisor;
    const { config } = supervisor;
    const steals = config.attach.some((attach) => !('tap' in attach));
    return {
      state: supervisor.state,
      version,
      pid: process.pid,
      uptimeSeconds: Math.floor((Date.now() - supervisor.startedAt) / 1000),
      driver: config.driver,
      lease: !steals ? 'none' : supervisor.isLeaseHeld ? 'held' : 'lapsed',
      attaches: supervisor.attaches.entries.map(({ config: attach, attachment }) => ({
        kind: Object.keys(attach)[0] ?? '',
        interfaces: Object.values(attach).flat() as string[],
        ifindexes: attachment?.links.map(({ ifindex }) => ifindex) ?? [],
        isAttached: attachment !== null,
      })),
      lane: {
        pid: supervisor.lanes[0]?.pid ?? null,
        pids: supervisor.lanes.map(({ pid }) => pid),
        user: supervisor.user?.name ?? '',
        uid: supervisor.user?.uid ?? -1,
        restarts: supervisor.laneRestarts,
        lastError: supervisor.lastLaneError,
      },
      lanes: supervisor.lanes.map(({ pid, cpu, rings }) => ({
        pid,
        cpu,
        rings: describeRings(supervisor.rings, rings),
      })),
      hooks: supervisor.hooks.map(({ name }) => name),
      kernelFilter: supervisor.lanes[0]?.kernelFilter ?? null,
      policy: config.policy,
      warnings: supervisor.warnings,
    };
  }

  /** {@inheritDoc ControlReports.stats} */
  stats(): StatsReport {
    const supervisor = this.#supervisor;
    const progress = supervisor.progress();
    const totals = supervisor.totals.ways(supervisor.ways, progress);
    const hooks = supervisor.totals.hooks(supervisor.hooks, progress);
    const total = emptyRow();
    const problems: string[] = [];
    for (const way of totals) {
      addRow(total, way.row);
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
        ledger: way.row,
        port: this.#port(way),
      })),
      total,
      kernelDropped: supervisor.totals.kernelDropped(progress),
      fenced: supervisor.totals.fenced(progress),
      lanes: supervisor.lanes.flatMap((lane) => {
        const own = lane.read();
        if (own === null) return [];
        const sum = emptyRow();
        for (const row of own.ways) addRow(sum, row);
        return [{ pid: lane.pid, packets: own.packets, total: sum }];
      }),
      droppedByHooks: hooks.map(({ name, counters }) => ({
        hook: name,
        dropped: counters.dropped,
        rejected: counters.rejected,
      })),
      addsUp: problems.length === 0,
      problems,
    };
  }

  /** {@inheritDoc ControlReports.hooks} */
  hooks(): HooksReport {
    const supervisor = this.#supervisor;
    const tracksChanges = supervisor.config.attach.every((attach) => 'tap' in attach);
    return {
      hooks: supervisor.totals
        .hooks(supervisor.hooks, supervisor.progress())
        .map(({ name, priority, kind, path, counters }) => ({
          name,
          priority,
          kind,
          path,
          seen: counters.seen,
          forwarded: counters.forwarded,
          dropped: counters.dropped,
          rejected: counters.rejected,
          replaced: counters.replaced,
          changed: tracksChanges ? counters.changed : null,
          faults: counters.faults,
        })),
    };
  }

  /** {@inheritDoc ControlReports.pool} */
  pool(): PoolReport {
    const supervisor = this.#supervisor;
    const progress = supervisor.progress();
    return {
      bytesInUse: progress?.poolBytes ?? 0,
      limitBytes: progress?.poolLimit ?? supervisor.config.pool.limitMiB * 1024 * 1024,
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
      leaked: supervisor.totals.hooks(supervisor.hooks, progress).map(({ name, counters }) => ({
        hook: name,
        allocations: counters.outstanding,
        bytes: counters.outstandingBytes,
      })),
    };
  }

  /** Counters of the port that a way starts at. */
  #port(way: WayTotals): WayReport['port'] {
    const supervisor = this.#supervisor;
    const laidOut = supervisor.ways.find(({ name }) => name === way.name);
    if (laidOut === undefined || !way.sends) return null;
    // What leaves a host is stolen from the port it leaves by.
    const isOutbound = laidOut.recvInterfaceIndex === 0;
    const ifindex = isOutbound ? laidOut.sendInterfaceIndex : laidOut.recvInterfaceIndex;
    const counters = supervisor.attaches.portCounters.read(ifindex, isOutbound ? 'out' : 'in');
    return { ...counters, neverHanded: Math.max(0, counters.offered - (way.row.received - way.row.extraSegments)) };
  }
}
