/**
 * The lanes of a daemon: as many as are wanted and never more, all on the plan in force, opened one after the other.
 *
 * ```
 *   missing, and due ─> starting ─ opened ─> opening the next may begin ─ ready ─> its frames count for the lease
 *   on another plan ─> told to stop ─ 2 s ─> killed ─> ended: only then does a lane of the new plan start
 *   died ─> another after 100 ms, 200 ms ... 30 s       not ready after 60 s, no progress for 3 s ─> killed
 *
 *   reload:   standby beside each lane ─ ready, and has its packets ─> serving       the one before: retiring ─> ended
 * ```
 * Rule: nothing here waits. A start is recorded, and what a lane says or how it ends only changes the record; `step` looks at
 * the record and does what there is to do. Lanes open their sockets in one order, so that each has the same place in the
 * fanout groups of both directions (packet(7), PACKET_FANOUT).
 *
 * @module
 */

import type { FirehookError } from '../errors.ts';
import type { LocalRoute } from '../lane/local-table.ts';
import type { DeviceRequest, HandoverStep, TableMemory, TraceOrder } from '../lane/messages.ts';
import type { LaneProgress } from '../lane/progress.ts';
import type { DeviceAnswer, LaneHanded, LaneReady, LaneTried } from '../lane/read-message.ts';
import type { TraceBatch } from '../lane/trace-ring.ts';
import type { Way } from '../lane/way.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Clock } from './clock.ts';
import { freePlace } from './lane-cpus.ts';

/** What lanes are started for. */
export interface LanePlan {
  /** Two plans with the same one are the same for lanes. */
  readonly fingerprint: string;
  readonly ways: readonly Way[];
  /** True when lanes capture at a port, where the fence says what is theirs. */
  readonly isFenced: boolean;
}

/** How a lane ended. */
export interface LaneEnd {
  /** Null when it was told to stop. */
  readonly error: FirehookError | null;
  /** Its last numbers; null when it wrote none. */
  readonly progress: LaneProgress | null;
}

/** What a lane tells; each at most once, but none after `ended`. */
export interface LaneEvents {
  /** Its sockets are open. */
  opened(): void;
  /** Packets can come. */
  ready(report: LaneReady): void;
  /** What came of a trial; only of lanes that are started for one. */
  tried?(trial: LaneTried): void;
  /** It has written an error to its log: a stranger's words. */
  complained?(text: string): void;
  /** It has been killed for what it did. That it is gone may take a while: its memory is large. */
  killed(reason: string): void;
  /** The process is gone: what it had is not forwarded any more. */
  exited(): void;
  /** All it left has been read. Always the last, and always called. */
  ended(end: LaneEnd): void;
}

/** A lane as the set handles it. */
export interface LaneHandle {
  readonly pid: number;
  /** The CPU it is pinned to; null for any. */
  readonly cpu: number | null;
  /** Folder of the cgroup that it lives in alone; null where it has none. */
  readonly cgroup: string | null;
  /** Of its progress file; open until it has ended. */
  readonly progressFd: number;
  /** Which hook runs at this moment, as the lane tells: `hook NAME was in onPacket`; '' where none does. */
  readonly running: string;
  /** The lane's numbers now; null before the first and after the end. */
  read(): LaneProgress | null;
  /** Tells it what the host's own addresses are now. */
  setLocals(locals: readonly LocalRoute[]): void;
  /** Tells it that a table has another version; `table.fd` is lent during the call. */
  setTable(table: TableMemory): void;
  /** Tells it which packets it is to tell of; null: of none. */
  trace(order: TraceOrder | null): void;
  /** What it has told of this trace since it was asked last. */
  readTraces(id: number): TraceBatch;
  /** Has the breaker of a hook opened or closed. */
  setBreaker(hook: string, isOpen: boolean): void;
  /** Asks a device of a driver that it runs. Rejects when no answer comes. */
  ask(request: Omit<DeviceRequest, 'id'>): Promise<DeviceAnswer>;
  /**
   * Tells it to take a step of a handover.
   *
   * @param memory - for the step, with the number that it names; lent during the call
   * @throws Error (a rejection) why it was not taken, or that no answer came
   */
  handOver(
    step: HandoverStep,
    memory: { readonly id: number; readonly fd: number } | null,
    withinMs: number,
  ): Promise<LaneHanded>;
  /** Tells it, which has left its packets to another lane, to end when nothing waits in it any more. */
  retire(): void;
  /** Tells it to finish what it has and end. */
  stop(): void;
  /** Ends it at once. */
  kill(reason: string): void;
}

/**
 * Starts a lane; may throw when it cannot be started at all.
 *
 * @param isFirst - no other lane runs: what all lanes of a plan share may be chosen anew
 */
export type StartLane<Plan extends LanePlan = LanePlan> = (
  plan: Plan,
  place: number,
  isFirst: boolean,
  events: LaneEvents,
  /** The lane whose place it is to take; null where it takes none. */
  predecessor: LaneHandle | null,
) => LaneHandle;

/**
 * What a lane is there for. `serving`: packets are its own. `standby`: it is started to take the place of another lane, which serves. `retiring`:
 * another one has taken its place.
 */
export type LaneRole = 'serving' | 'standby' | 'retiring';

/** A lane of the set. */
export interface LaneRecord<Plan extends LanePlan = LanePlan> {
  readonly plan: Plan;
  role: LaneRole;
  readonly place: number;
  readonly startedMs: number;
  readonly handle: LaneHandle;
  phase: 'starting' | 'opened' | 'ready' | 'exited';
  /** What it said when it got ready. */
  report: LaneReady | null;
  /** When it was told to stop; null while it is wanted. */
  stoppedMs: number | null;
  /** Why it was killed; null while it was not. */
  killedFor: string | null;
}

/** A lane and the one that is to take its place. */
export interface Succession<Plan extends LanePlan = LanePlan> {
  readonly before: LaneRecord<Plan>;
  readonly successor: LaneRecord<Plan>;
}

/** What {@link LaneSet} takes. */
export interface LaneSetOptions<Plan extends LanePlan> {
  readonly clock: Clock;
  readonly log: Logger;
  readonly wanted: number;
  readonly start: StartLane<Plan>;
  /** Something is different: called before anything else happens. */
  changed(): void;
  /** A lane is gone: its last numbers. */
  ended(record: LaneRecord<Plan>, end: LaneEnd): void;
  /** A lane could not be started or died. */
  failed(error: unknown): void;
}

/** How long hooks may take to set up before the lane is given up. */
const READY_TIMEOUT_MS = 60_000;
/** How long a lane may take to empty its ring and end after it was told to. */
const STOP_TIMEOUT_MS = 2_000;
const RETIRE_TIMEOUT_MS = 15_000;
/** A lane without progress for this long hangs, and is killed. */
export const HANG_MS = 3_000;
/** Delay before a lane that died is started again: doubles up to the limit, and starts anew after a good while. */
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 30_000;
const GOOD_WHILE_MS = 60_000;

/** Holds the lanes. */
export class LaneSet<Plan extends LanePlan = LanePlan> {
  readonly #options: LaneSetOptions<Plan>;
  #records: readonly LaneRecord<Plan>[] = [];
  #plan: Plan | null = null;
  #delayMs = FIRST_DELAY_MS;
  #notBeforeMs = 0;
  /** Places that had a lane: another one there is a replacement. */
  readonly #served = new Set<number>();
  #replacements = 0;
  #lastError: string | null = null;

  constructor(options: LaneSetOptions<Plan>) {
    this.#options = options;
  }

  /** Those that are there, in whatever phase. */
  get records(): readonly LaneRecord<Plan>[] {
    return this.#records;
  }

  /** Those that serve or are meant to. */
  get serving(): readonly LaneRecord<Plan>[] {
    return this.#records.filter(({ role }) => role === 'serving');
  }

  /** Those that packets can come to, on the plan in force. */
  get ready(): readonly LaneRecord<Plan>[] {
    // The lease does not wait for the end of one that was killed.
    return this.serving.filter(
      (record) => record.phase === 'ready' && record.killedFor === null && this.#isCurrent(record),
    );
  }

  /** True when no lane is there that was started for something else. */
  get isOnPlan(): boolean {
    return this.#plan !== null && this.serving.every((record) => record.phase === 'exited' || this.#isCurrent(record));
  }

  /** True when every lane that is wanted can take packets. */
  get isComplete(): boolean {
    return this.isOnPlan && this.ready.length === this.#options.wanted;
  }

  /** The plan in force; null where nothing is to run. */
  get plan(): Plan | null {
    return this.#plan;
  }

  /** Lanes that took the place of another. */
  get replacements(): number {
    return this.#replacements;
  }

  /** Why a lane ended last, or could not start; null when none has. */
  get lastError(): string | null {
    return this.#lastError;
  }

  /** When there is something to do next, on the clock; infinity where nothing waits. */
  get dueMs(): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const { phase, stoppedMs, startedMs, killedFor, role } of this.#records) {
      if (phase === 'exited' || killedFor !== null) continue;
      if (stoppedMs !== null) dueMs = Math.min(dueMs, stoppedMs + timeoutOf(role));
      else if (phase !== 'ready') dueMs = Math.min(dueMs, startedMs + READY_TIMEOUT_MS);
    }
    return this.#isMissing ? Math.min(dueMs, this.#notBeforeMs) : dueMs;
  }

  /** What lanes are to run for from now on; null for nothing. */
  setPlan(plan: Plan | null): void {
    const isSame = plan?.fingerprint === this.#plan?.fingerprint;
    if (!isSame) {
      this.endStandby('the lanes are to run for something else');
      this.#plan = plan;
      // What kept the lanes of another plan from starting may not keep these.
      this.#notBeforeMs = 0;
      this.#options.changed();
    }
    this.step();
  }

  /** Does what there is to do now. */
  step(): void {
    const nowMs = this.#options.clock.now();
    for (const record of this.#records) {
      if (record.phase === 'exited') continue;
      if (record.role === 'retiring' || !this.#isCurrent(record)) this.#stop(record, nowMs);
      else if (record.phase !== 'ready' && nowMs - record.startedMs >= READY_TIMEOUT_MS) {
        this.#kill(record, named(`not ready after ${READY_TIMEOUT_MS / 1000} s`, record));
      }
    }
    if (this.#isMissing && nowMs >= this.#notBeforeMs) this.#start();
  }

  /**
   * Kills those that hang.
   *
   * @param stalledMs - for each of `lanes`, since when it has made no progress
   */
  killHung(lanes: readonly LaneRecord<Plan>[], stalledMs: readonly number[]): void {
    for (const [index, record] of lanes.entries()) {
      if ((stalledMs[index] ?? 0) > HANG_MS) this.#kill(record, named(`no progress for ${HANG_MS / 1000} s`, record));
    }
  }

  /**
   * Starts a lane beside each one that serves, which is to take its place.
   *
   * @param plan - with the fingerprint of the plan in force: the same ports and rings
   * @param told - what each of them tells, beside what the set notes
   * @throws Error when one cannot be started; those that were are killed
   */
  startStandby(plan: Plan, told: (record: LaneRecord<Plan>) => Partial<LaneEvents>): readonly Succession<Plan>[] {
    return this.ready.map((before) => {
      const successor = this.#open(plan, before.place, 'standby', before.handle, told);
      return { before, successor };
    });
  }

  /** The standby lanes have the packets of those before them: `plan` is in force from now on. */
  succeed(plan: Plan, successions: readonly Succession<Plan>[]): void {
    const nowMs = this.#options.clock.now();
    this.#plan = plan;
    for (const { before, successor } of successions) {
      before.role = 'retiring';
      before.stoppedMs = nowMs;
      successor.role = 'serving';
    }
    this.#options.changed();
    for (const { before } of successions) before.handle.retire();
    this.#options.changed();
  }

  /** Kills the lanes that were to take the place of others. */
  endStandby(reason: string): void {
    for (const record of this.#records) if (record.role === 'standby') this.#kill(record, reason, false);
  }

  /** Ends lanes that have left and whose packets may still wait, which go their way now. */
  endRetiring(): void {
    for (const record of this.#records) if (record.role === 'retiring') record.handle.stop();
  }

  /** Kills one for what it did. */
  killFor(record: LaneRecord<Plan>, reason: string): void {
    this.#kill(record, named(reason, record));
  }

  /** Ends all at once, without waiting for any. Why is not their fault, and said by who calls this. */
  killAll(reason: string): void {
    for (const record of this.#records) this.#kill(record, reason, false);
  }

  /** One more may be opened: no other is being opened, none of another plan is there, and not all are there. */
  get #isMissing(): boolean {
    const { serving } = this;
    if (this.#plan === null || serving.length >= this.#options.wanted) return false;
    return serving.every((record) => this.#isCurrent(record) && record.phase !== 'starting');
  }

  #isCurrent({ plan, stoppedMs }: LaneRecord<Plan>): boolean {
    return stoppedMs === null && plan.fingerprint === this.#plan?.fingerprint;
  }

  #stop(record: LaneRecord<Plan>, nowMs: number): void {
    if (record.stoppedMs === null) {
      record.stoppedMs = nowMs;
      record.handle.stop();
    } else if (nowMs - record.stoppedMs >= timeoutOf(record.role)) {
      this.#kill(record, named(`not ended ${timeoutOf(record.role) / 1000} s after it was told to`, record));
    }
  }

  #kill(record: LaneRecord<Plan>, reason: string, isSaid = true): void {
    if (record.phase === 'exited' || record.killedFor !== null) return;
    record.killedFor = reason;
    if (record.stoppedMs === null && isSaid) {
      this.#options.log.error({ pid: record.handle.pid }, `A lane is killed: ${reason}.`);
    }
    record.handle.kill(reason);
    this.#options.changed();
  }

  #start(): void {
    const plan = this.#plan;
    if (plan === null) return;
    try {
      this.#open(plan, freePlace(this.serving), 'serving', null, () => ({}));
    } catch (error) {
      this.#later(`A lane cannot be started: ${error instanceof Error ? error.message : String(error)}`, null);
      this.#options.failed(error);
    }
    this.#options.changed();
  }

  /** @throws what the start does */
  #open(
    plan: Plan,
    place: number,
    role: LaneRole,
    predecessor: LaneHandle | null,
    told: (record: LaneRecord<Plan>) => Partial<LaneEvents>,
  ): LaneRecord<Plan> {
    const { clock, start } = this.#options;
    const startedMs = clock.now();
    let record: LaneRecord<Plan> | null = null;
    const note = (change: (here: LaneRecord<Plan>) => void): void => {
      if (record === null || !this.#records.includes(record)) return;
      change(record);
      this.#options.changed();
      this.step();
    };
    const isFirst = predecessor === null && this.#records.length === 0;
    const handle = start(
      plan,
      place,
      isFirst,
      {
        opened: () =>
          note((here) => {
            if (here.phase === 'starting') here.phase = 'opened';
          }),
        ready: (report) =>
          note((here) => {
            this.#gotReady(here, report);
            told(here).ready?.(report);
          }),
        killed: (reason) =>
          note((here) => {
            here.killedFor ??= reason;
          }),
        exited: () =>
          note((here) => {
            here.phase = 'exited';
          }),
        ended: (end) =>
          note((here) => {
            this.#records = this.#records.filter((other) => other !== here);
            this.#options.ended(here, end);
            if (here.role === 'serving' && here.stoppedMs === null) this.#died(here, end.error);
            told(here).ended?.(end);
          }),
      },
      predecessor,
    );
    record = {
      plan,
      role,
      place,
      startedMs,
      handle,
      phase: 'starting',
      report: null,
      stoppedMs: null,
      killedFor: null,
    };
    this.#records = [...this.#records, record];
    return record;
  }

  #gotReady(record: LaneRecord<Plan>, report: LaneReady): void {
    if (record.phase === 'exited') return;
    record.phase = 'ready';
    record.report = report;
    if (record.stoppedMs !== null || record.role !== 'serving') return;
    if (this.#served.has(record.place)) this.#replacements += 1;
    this.#served.add(record.place);
    if (this.#replacements > 0) {
      const { log, wanted } = this.#options;
      log.info({ pid: record.handle.pid }, `${this.ready.length} of ${wanted} lanes run.`);
    }
  }

  #died({ startedMs, handle }: LaneRecord<Plan>, error: FirehookError | null): void {
    if (this.#options.clock.now() - startedMs > GOOD_WHILE_MS) this.#delayMs = FIRST_DELAY_MS;
    this.#later(`A lane ended: ${error?.message ?? 'no reason given'}`, handle.pid);
    this.#lastError = error?.message ?? null;
    this.#options.failed(error);
  }

  #later(what: string, pid: number | null): void {
    this.#notBeforeMs = this.#options.clock.now() + this.#delayMs;
    this.#lastError = what;
    this.#options.log.error(pid === null ? {} : { pid }, `${what}. Another in ${this.#delayMs} ms.`);
    this.#delayMs = Math.min(this.#delayMs * 2, MAX_DELAY_MS);
  }
}

/** How long a lane may take to end: one that retires may have packets that wait, which it gives up by itself after 10 s. */
function timeoutOf(role: LaneRole): number {
  return role === 'retiring' ? RETIRE_TIMEOUT_MS : STOP_TIMEOUT_MS;
}

/** A reason with the hook that did not return, where there is one. */
export function named(
  reason: string,
  { handle: { running } }: { readonly handle: Pick<LaneHandle, 'running'> },
): string {
  return running === '' ? reason : `${reason} while ${running}`;
}
