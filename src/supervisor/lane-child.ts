/**
 * A lane as the supervisor sees it: a child process, its channel, and its progress file.
 *
 * ```
 *   starting ─ ready ─> running ─ exit ─> ended          `failed` or no word in time: ended, with the error
 * ```
 * Rule: whatever the child does, {@link LaneChild.ended} is called once, after its last numbers have been read.
 *
 * @module
 */

import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RingSize } from '../drivers/afpacket-ring.ts';
import { FirehookError } from '../errors.ts';
import type { FromLane, HookInfo, LaneSpec, ToLane } from '../lane/messages.ts';
import { type LaneProgress, ProgressReader } from '../lane/progress.ts';
import { openMemoryFile } from './memory-file.ts';

/** How long hooks may take to set up before the lane is given up. */
const READY_TIMEOUT_MS = 60_000;
/** How long a lane may take to empty its ring and end after it was told to. */
const STOP_TIMEOUT_MS = 2_000;
/** A hook that leaks costs its lane, not the machine: beyond this much heap the lane ends and another starts. */
const HEAP_LIMIT_MIB = 1024;

/** How a lane ended. */
export interface LaneEnd {
  /** Null when it was told to stop. */
  readonly error: FirehookError | null;
  /** Its last numbers; null when it wrote none. */
  readonly progress: LaneProgress | null;
}

/** A lane process. */
export class LaneChild {
  /** Resolves with the hooks once packets can come; rejects when the lane ends before that. */
  readonly ready: Promise<readonly HookInfo[]>;
  /** Resolves when the process is gone. Never rejects. */
  readonly ended: Promise<LaneEnd>;
  readonly startedAt = Date.now();
  /** Its place among the lanes, from 0: what it has of its own (a CPU) goes by it. */
  readonly place: number;
  /** The CPU it is pinned to; null for any. */
  readonly cpu: number | null;

  readonly #process: ChildProcess;
  readonly #progressFd: number;
  readonly #reader: ProgressReader;
  #failure: FirehookError | null = null;
  #isStopping = false;
  #isReady = false;
  #rings: readonly RingSize[] = [];
  #kernelFilter: string | null = null;
  #lastSequence = -1;
  #lastMoveMs = performance.now();

  /**
   * Starts a lane. It opens its sockets at once; packets come when the plumbing lets them.
   *
   * @param fenceFd - of the fence, for its rings at users' ports; borrowed
   * @param cpu - pins all its threads; null for any CPU
   */
  constructor(spec: LaneSpec, fenceFd: number | 'ignore' = 'ignore', place = 0, cpu: number | null = null) {
    this.place = place;
    this.cpu = cpu;
    this.#progressFd = openProgressFile();
    this.#reader = new ProgressReader(this.#progressFd);
    this.#process = fork(laneProgram(), [], {
      cwd: '/',
      // No word of the daemon's environment reaches the hooks' process. A kernel thread of io_uring would stay root there.
      env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', UV_USE_IO_URING: '0' },
      ...laneCommand(cpu),
      // What a hook prints must not come between the lines of a report.
      stdio: ['ignore', 2, 2, this.#progressFd, fenceFd, 'ipc'],
      detached: false,
    });
    this.ready = new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#failure = new FirehookError('FIREHOOK_LANE_FAILED', `not ready after ${READY_TIMEOUT_MS / 1000} s`);
        this.kill();
      }, READY_TIMEOUT_MS);
      this.#process.on('message', (message: FromLane) => {
        if (message.type === 'failed') this.#failure = fromLane(message);
        else {
          clearTimeout(timer);
          this.#lastMoveMs = performance.now();
          this.#isReady = true;
          this.#rings = message.rings;
          this.#kernelFilter = message.kernelFilter;
          resolve(message.hooks);
        }
      });
      this.#process.on('exit', () => {
        clearTimeout(timer);
        reject(this.#failure ?? new FirehookError('FIREHOOK_LANE_FAILED', 'it ended while it started'));
      });
    });
    // Whoever only waits for the end must not find the other promise unhandled.
    this.ready.catch(() => undefined);
    this.ended = new Promise((resolve) => {
      this.#process.on('error', (error) => {
        this.#failure = new FirehookError('FIREHOOK_LANE_FAILED', error.message, { cause: error });
      });
      this.#process.on('close', (code, signal) => {
        const progress = this.#reader.read();
        closeSync(this.#progressFd);
        const died = new FirehookError(
          'FIREHOOK_LANE_FAILED',
          signal === null ? `it ended with exit code ${code}` : `it was killed by ${signal}`,
        );
        resolve({ error: this.#failure ?? (this.#isStopping ? null : died), progress });
      });
    });
    this.#send({ type: 'start', spec });
  }

  /** Process id; -1 when it could not be started. */
  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** True once packets can come. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** The rings it got; empty before it is ready, and with `pcap`. */
  get rings(): readonly RingSize[] {
    return this.#rings;
  }

  /** What the kernel hands over at the ports of `tap`; null where it is everything. */
  get kernelFilter(): string | null {
    return this.#kernelFilter;
  }

  /** The lane's numbers now; null before the first and after the end. */
  read(): LaneProgress | null {
    return this.#process.exitCode === null && this.#process.signalCode === null ? this.#reader.read() : null;
  }

  /** Milliseconds since the lane last made progress, as far as this method has been called to see. */
  stalledMs(): number {
    const sequence = this.read()?.sequence ?? -1;
    const now = performance.now();
    if (sequence !== this.#lastSequence) {
      this.#lastSequence = sequence;
      this.#lastMoveMs = now;
    }
    return now - this.#lastMoveMs;
  }

  /** Tells the lane to finish what it has and end; kills it when it takes too long. */
  async stop(): Promise<LaneEnd> {
    this.#isStopping = true;
    this.#send({ type: 'stop' });
    const timer = setTimeout(() => this.kill(), STOP_TIMEOUT_MS);
    const end = await this.ended;
    clearTimeout(timer);
    return end;
  }

  /** Ends the process at once. */
  kill(): void {
    this.#process.kill('SIGKILL');
  }

  #send(message: ToLane): void {
    // The child may be gone already: that is told by its end.
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }
}

function fromLane(message: FromLane & { type: 'failed' }): FirehookError {
  const error = new FirehookError(message.code, '');
  error.message = message.message;
  return error;
}

/** A file without a name in memory: only this process and the lane have it. */
function openProgressFile(): number {
  const { fd, file } = openMemoryFile('the progress file');
  unlinkSync(file);
  return fd;
}

/** The lane's program beside this file: built, or the source when the source runs. */
function laneProgram(): string {
  const extension = path.extname(fileURLToPath(import.meta.url));
  return fileURLToPath(new URL(`../lane/lane-process${extension}`, import.meta.url));
}

/**
 * The program and what comes before the lane's own. taskset(1) becomes Node: every thread of a lane inherits the CPU, and its
 * process id and channel are the same.
 */
function laneCommand(cpu: number | null): { readonly execPath: string; readonly execArgv: string[] } {
  // The source needs the loader that this process was started with; the build needs nothing.
  const loader = path.extname(fileURLToPath(import.meta.url)) === '.ts' ? process.execArgv : [];
  const execArgv = [...loader, `--max-old-space-size=${HEAP_LIMIT_MIB}`];
  const { execPath } = process;
  if (cpu === null) return { execPath, execArgv };
  return { execPath: 'taskset', execArgv: ['--cpu-list', String(cpu), execPath, ...execArgv] };
}
