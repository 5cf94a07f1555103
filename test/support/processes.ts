/**
 * Processes that a test starts: their output, their end, and their removal with the test.
 *
 * Rule: each leads a process group of its own, so that a signal to the test does not reach it first, and one call ends
 * it with its children. What a namespace starts ends with the namespace (`lab.ts`).
 *
 * @module
 */

import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';

/** How to start a process. */
export interface StartOptions {
  /** @defaultValue the folder of the checkout */
  readonly cwd?: string;
  /** Added to the environment of this process; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Written to its standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  /** Its standard input stays open, for the test to write to. */
  readonly keepsInput?: boolean;
}

/** How a process ended: one of the two is null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A finished process. */
export interface Result extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

const CHECKOUT = new URL('../..', import.meta.url);
const GRACE_MS = 3000;
const LAST_OUTPUT_MS = 250;

/** A running process and what it has printed so far. Made by {@link startProcess}. */
export class RunningProcess {
  readonly child: ChildProcessWithoutNullStreams;
  /** Command and arguments, for messages. */
  readonly title: string;
  /** Resolves when it has ended and what it printed has been read. Rejects when it could not be started. */
  readonly exited: Promise<Exit>;
  #stdout = '';
  #stderr = '';

  /** @internal */
  constructor(child: ChildProcessWithoutNullStreams, title: string) {
    this.child = child;
    this.title = title;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal }));
      // Children that live on may hold its output open: then it is not closed with the process.
      child.once('exit', (code, signal) => setTimeout(resolve, LAST_OUTPUT_MS, { code, signal }));
    });
    // Whoever asks gets the rejection; without this, nobody asking would end the test process.
    this.exited.catch(() => undefined);
  }

  /** Its process id, which is also that of its process group. */
  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.title}: was not started`);
    return this.child.pid;
  }

  /** Standard output up to now. */
  get stdout(): string {
    return this.#stdout;
  }

  /** Standard error up to now. */
  get stderr(): string {
    return this.#stderr;
  }

  /** True until it has ended. */
  get isRunning(): boolean {
    return this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Sends a signal to the process alone; false when it has ended. */
  kill(signal: NodeJS.Signals): boolean {
    return this.isRunning && this.child.kill(signal);
  }

  /**
   * Ends the process: SIGTERM, and SIGKILL to its whole group when it has not ended by itself. Children of a process
   * that ended in time are left alone until the lab goes, so that a test can see what was left behind.
   *
   * @param graceMs - time between the two
   */
  async stop(graceMs = GRACE_MS): Promise<Exit> {
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.killGroup(), graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Kills a process that still runs, with its whole group. At once, without waiting. */
  killGroup(): void {
    // Once it has ended, its number may be that of somebody else's group.
    if (!this.isRunning) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // It ended in the meantime.
    }
  }
}

/** Starts a process in a process group of its own. It does not go by itself with the test: `Namespace.spawn` does that. */
export function startProcess(command: string, args: readonly string[], options: StartOptions = {}): RunningProcess {
  const child = spawn(command, args, {
    cwd: options.cwd ?? CHECKOUT,
    // A node that finds itself in a test runner's child reports to it instead of printing.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...options.env },
    detached: true,
  });
  // A process may end before it has read its input; its exit code tells, not a broken pipe.
  child.stdin.on('error', () => undefined);
  if (options.keepsInput !== true) child.stdin.end(options.input);
  return new RunningProcess(child, [command, ...args].join(' '));
}

/**
 * Waits for the end of a process.
 *
 * @throws Error with the output so far when it takes longer than `timeoutMs`; it is killed then
 */
export async function finish(running: RunningProcess, timeoutMs: number): Promise<Result> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    running.killGroup();
  }, timeoutMs);
  try {
    const exit = await running.exited;
    if (isLate) throw new Error(`${running.title}: not done after ${timeoutMs} ms\n${running.stdout}${running.stderr}`);
    return { ...exit, stdout: running.stdout, stderr: running.stderr };
  } finally {
    clearTimeout(timer);
  }
}
