/**
 * A lane of the process that is to take the place of this one, as this one sees it: for the moment in which packets change hands.
 *
 * Rule: it takes the steps of a handover and nothing else. Its numbers may be of another version, and are not read here.
 *
 * @module
 */

import { closeSync } from 'node:fs';
import type { HandoverStep, HookInfo } from '../../lane/messages.ts';
import type { LaneHanded } from '../../lane/read-message.ts';
import type { LaneEvents, LaneHandle } from '../lane-set.ts';
import { upgradeFailed } from './peer-channel.ts';

/** What {@link RemoteLane} takes. */
export interface RemoteLaneOptions {
  readonly pid: number;
  /** Of its progress file; its own from now on. */
  readonly progressFd: number;
  readonly hooks: readonly HookInfo[];
  readonly events: LaneEvents;
  readonly handOver: (
    step: HandoverStep,
    memory: { readonly id: number; readonly fd: number } | null,
    withinMs: number,
  ) => Promise<LaneHanded>;
  /** It is not wanted any more, and neither is the process that has it. */
  readonly end: (reason: string) => void;
}

/** One of them. */
export class RemoteLane implements LaneHandle {
  readonly pid: number;
  readonly cpu = null;
  readonly cgroup = null;
  readonly progressFd: number;
  readonly running = '';
  readonly handOver: LaneHandle['handOver'];
  readonly #events: LaneEvents;
  readonly #end: (reason: string) => void;
  #hasEnded = false;

  constructor({ pid, progressFd, hooks, events, handOver, end }: RemoteLaneOptions) {
    this.pid = pid;
    this.progressFd = progressFd;
    this.handOver = handOver;
    this.#events = events;
    this.#end = end;
    // It is ready already; whoever asked for it has to have it in hand first.
    queueMicrotask(() => {
      events.opened();
      events.ready({
        type: 'ready',
        hooks: [...hooks],
        rings: [],
        metrics: [],
        reasons: [],
        kernelFilter: null,
        tables: [],
      });
    });
  }

  /** Its process is gone. */
  ended(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#events.exited();
    this.#events.ended({ error: upgradeFailed('the other firehookd has ended'), progress: null });
    closeSync(this.progressFd);
  }

  kill(reason: string): void {
    this.#end(reason);
  }

  read(): null {
    return null;
  }

  readTraces(): { readonly records: []; readonly lost: 0 } {
    return { records: [], lost: 0 };
  }

  ask(): Promise<never> {
    return Promise.reject(upgradeFailed('another firehookd takes over'));
  }

  // What the successor is told by others, or by nobody while it takes over.
  setLocals(): void {}
  setTable(): void {}
  trace(): void {}
  setBreaker(): void {}
  retire(): void {}
  stop(): void {}
}
