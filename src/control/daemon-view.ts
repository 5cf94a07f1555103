/**
 * What the control socket's reports are made of: the daemon as seen from outside, read only.
 *
 * Rule: reports know this interface and no supervisor, the supervisor fills it and knows no report.
 *
 * @module
 */

import type { Config } from '../config/schema.ts';
import type { RingSize } from '../drivers/afpacket-ring.ts';
import type { DeviceRequest, HookInfo, LaneUser, TraceOrder } from '../lane/messages.ts';
import type { LaneProgress } from '../lane/progress.ts';
import type { DeviceAnswer } from '../lane/read-message.ts';
import type { TraceBatch } from '../lane/trace-ring.ts';
import type { Way } from '../lane/way.ts';
import type { EarlierTaker, LeaseState } from '../plumbing/contract.ts';
import type { PortCounters } from '../plumbing/port-counters.ts';
import type { EventSinkView } from '../supervisor/event-sink.ts';
import type { TableView } from '../supervisor/prefix-tables.ts';
import type { RingPlan } from '../supervisor/ring-plan.ts';
import type { Totals } from '../supervisor/totals.ts';
import type { TrialEnd } from '../supervisor/trials.ts';

/** An attach of the configuration, as it is now. */
export interface AttachView {
  readonly kind: 'bridge' | 'host' | 'tap';
  readonly interfaces: readonly string[];
  /** Empty while it waits for an interface. */
  readonly ifindexes: readonly number[];
  readonly isAttached: boolean;
  /** What decides about its traffic at this moment. */
  readonly inForce: 'hooks' | 'drop' | 'forward' | 'none';
  /** What is wrong with it, one sentence each. */
  readonly damages: readonly string[];
  readonly takers: readonly EarlierTaker[];
  /** Kinds that the configuration lets take frames before firehook. */
  readonly tolerated: readonly string[];
  /** What a frame of firehook's own has shown since it was attached; null while none has. `atMs` is on the clock of `performance.now`. */
  readonly proof: { readonly atMs: number; readonly shown: string; readonly unshown: string } | null;
}

/** A lane that runs or starts. */
export interface LaneView {
  /** Its place among the lanes that are wanted, from 0; the one that replaces it has the same. */
  readonly place: number;
  readonly pid: number;
  /** Where it is pinned; null: on any CPU. */
  readonly cpu: number | null;
  readonly cgroup: string | null;
  /** What the kernel gave it; empty before it is ready, and with `pcap`. */
  readonly rings: readonly RingSize[];
  /** What the kernel hands over at the ports of `tap`; null where it is everything. */
  readonly kernelFilter: string | null;
  /** Packets can come to it. */
  readonly isReady: boolean;
  /** Why it takes no packets at this moment, with the hook that runs; null while it does. */
  readonly stalled: string | null;
  /** Asks a device of a driver that it runs. Rejects when no answer comes. */
  ask(request: Omit<DeviceRequest, 'id'>): Promise<DeviceAnswer>;
  /** Tells it which packets it is to tell of; null: of none. */
  trace(order: TraceOrder | null): void;
  /** What it has told of this trace since it was asked last. */
  readTraces(id: number): TraceBatch;
  /** Its numbers now; null before the first. */
  read(): LaneProgress | null;
}

/** The daemon. */
export interface DaemonView {
  readonly config: Config;
  /** On the clock of `performance.now`, which no change of the date moves. */
  readonly startedAtMs: number;
  readonly state: string;
  readonly user: LaneUser | null;
  readonly attaches: readonly AttachView[];
  readonly lanes: readonly LaneView[];
  readonly laneRestarts: number;
  /** Lanes that ended by themselves, or by what a hook did. */
  readonly lanesDead: number;
  /** Lanes that were ended because they did nothing any more. */
  readonly lanesHung: number;
  readonly reloadsFailed: number;
  readonly lastLaneError: string | null;
  /** What a lane wrote to the log or died of last, and when, on the clock of `performance.now`; null when all went well. */
  readonly lastError: { readonly text: string; readonly atMs: number } | null;
  readonly isLeaseHeld: boolean;
  readonly lease: LeaseState;
  readonly ways: readonly Way[];
  readonly rings: readonly RingPlan[];
  readonly hooks: readonly HookInfo[];
  /** Counts the configurations that have been in force; 1 is that of the start. */
  readonly generation: number;
  /** When a reload was asked for last, on the clock of `performance.now`, and why it was refused; null when none was. */
  readonly lastReload: { readonly atMs: number; readonly error: string | null } | null;
  /** The configuration that is in force until it is confirmed or its time is up; null when there is none. */
  readonly trial: {
    readonly file: string;
    readonly secondsLeft: number;
    /** What comes back without a confirmation. */
    readonly former: { readonly generation: number; readonly hooks: readonly string[] };
  } | null;
  /** How the last one ended, on the clock of `performance.now`; null when there was none. */
  readonly lastTrial: { readonly file: string; readonly end: TrialEnd; readonly atMs: number } | null;
  /** The connection that does not meet the hooks; null for none. */
  readonly keptSession: { readonly client: string; readonly server: string } | null;
  readonly tables: readonly TableView[];
  readonly totals: Totals;
  /** Where events of hooks go; null where nobody writes them down. */
  readonly events: EventSinkView | null;
  readonly warnings: readonly string[];
  /** Lines that the reader of the log did not take. */
  readonly logLinesLost: number;
  /** Opens or closes the breaker of a hook, in all lanes and the next ones. @returns how many run */
  setBreaker(hook: string, isOpen: boolean): number;
  /**
   * Loads the configuration anew.
   *
   * @throws FirehookError why not; what was in force still is
   */
  reload(): Promise<object>;
  /**
   * Has another firehookd take over.
   *
   * @throws FirehookError why this one goes on
   */
  upgrade(): Promise<object>;
  /**
   * Puts a file in force for so many seconds.
   *
   * @throws FirehookError why not; what was in force still is
   */
  apply(file: string, seconds: number): Promise<object>;
  /** Makes it permanent. @throws FirehookError why not; the time goes on */
  confirm(): Promise<object>;
  /** Goes back at once. @throws FirehookError where there is nothing to go back from */
  cancelApply(): Promise<object>;
  /** What the kernel has counted at the ports of the running ways, by `${ifindex} in` and `${ifindex} out`. */
  counters(): Promise<ReadonlyMap<string, PortCounters>>;
}
