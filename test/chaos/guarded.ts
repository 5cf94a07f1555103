/**
 * The daemon under test and the one who looks after it, as systemd would: what ends by itself is started again.
 *
 * ```
 *   start ─> "Attached" ─> guarded until an orderly stop or --undo ─> "Attached" ─> ...
 *              kill -9 does not end the guard: onDown has to hold until the next run takes over
 * ```
 * Rule: a time is guarded when the promise of onDown holds in it. Only what was asked for opens a gap; a daemon that ends by
 * itself is written down as a fault and started again. Signals go to the pids of this daemon and of its lanes alone.
 *
 * @module
 */

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { finish, startProcess } from '../support/processes.ts';
import { monotonicMs } from '../support/traffic.ts';
import { waitFor } from '../support/wait-for.ts';
import { ask, type Status } from './ask.ts';
import type { Cell } from './cell.ts';
import { LogPipe } from './log-pipe.ts';
import { Tools } from './tools.ts';

const FIREHOOKD = fileURLToPath(new URL('../../bin/firehookd', import.meta.url));
const START_AGAIN_MS = 1_000;
const RUNNING_MS = 60_000;
const STOP_MS = 20_000;
const UNDO_MS = 30_000;
const STATUS_MS = 2_000;
const END_MS = 5_000;
const LOG_TAIL = 600;

/** A daemon that nobody asked to end, and did. */
export interface OwnEnd {
  readonly atMs: number;
  readonly how: string;
  /** The end of its log. */
  readonly log: string;
}

/** How the daemon is started. */
export interface GuardedOptions {
  /** An existing folder for all its files, which the caller removes. */
  readonly folder: string;
  readonly cell: Cell;
  readonly config: Readonly<Record<string, unknown>>;
  /** Name to content, beside the config. */
  readonly files: Readonly<Record<string, string>>;
}

/** A daemon that is to run until {@link Guarded.stop}. */
export class Guarded {
  readonly tools: Tools;
  readonly log: LogPipe;
  readonly socket: string;
  /** In order of time. */
  readonly ownEnds: OwnEnd[] = [];
  readonly #cell: Cell;
  readonly #configFile: string;
  /** Begin and end of each time in which the promise holds; the last may be open. */
  readonly #guarded: { fromMs: number; untilMs: number }[] = [];
  /** Every lane that was seen: those of a killed daemon are ended at the close. */
  readonly #lanes = new Set<number>();
  #child: ChildProcess | null = null;
  #isWanted = false;

  constructor({ folder, cell, config, files }: GuardedOptions) {
    this.#cell = cell;
    this.tools = new Tools(folder);
    this.socket = path.join(folder, 'firehook.sock');
    this.#configFile = path.join(folder, 'firehook.yaml');
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(folder, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
    // Every JSON text is a YAML text.
    writeFileSync(this.#configFile, JSON.stringify({ ...config, control: { socket: this.socket } }, null, 2));
    this.log = new LogPipe(path.join(folder, 'log'), (line, atMs) => this.#heard(line, atMs));
  }

  /** Process id of the supervisor; null while there is none. */
  get pid(): number | null {
    return this.#child !== null && isRunning(this.#child) ? (this.#child.pid ?? null) : null;
  }

  /** Whether the promise holds at that time. */
  isGuarded(atMs: number): boolean {
    return this.#guarded.some(({ fromMs, untilMs }) => atMs >= fromMs && atMs < untilMs);
  }

  /** Starts the daemon; it is wanted from now on. Returns at once. */
  start(): void {
    this.#isWanted = true;
    if (this.pid !== null) return;
    const output = this.log.openWriter();
    const [command, args] = this.#cell.command([process.execPath, FIREHOOKD, '-c', this.#configFile]);
    const child = spawn(command, args, {
      stdio: ['ignore', output, output],
      detached: true,
      env: this.#environment(),
    });
    closeSync(output);
    this.#child = child;
    child.once('error', (error) => this.#ended(child, error.message));
    child.once('exit', (code, signal) => this.#ended(child, signal ?? `exit code ${code}`));
  }

  /**
   * Waits until `firehook status` says that it runs.
   *
   * @throws Error with the end of the log when it does not get there
   */
  async untilRunning(): Promise<void> {
    try {
      await waitFor(async () => (await this.status())?.state === 'running', {
        what: 'firehookd to run',
        timeoutMs: RUNNING_MS,
        intervalMs: 50,
      });
    } catch (error) {
      const ends = this.ownEnds.map(({ how }) => how).join(', ');
      throw new Error(`firehookd does not get to run: ${ends}\n${this.log.text.slice(-LOG_TAIL)}`, { cause: error });
    }
  }

  /** What `firehook status` says; null when there is no answer. */
  async status(): Promise<Status | null> {
    return (await ask(this.socket, 'status', STATUS_MS)) as Status | null;
  }

  /** Process ids of the lanes, as the kernel knows them: the daemon need not answer. */
  lanes(): number[] {
    const { pid } = this;
    if (pid === null) return [];
    const lanes = childrenOf(pid).filter(isLane);
    for (const lane of lanes) this.#lanes.add(lane);
    return lanes;
  }

  /** Lanes that are still there, whose daemon may be gone. */
  leftLanes(): number[] {
    return [...this.#lanes].filter(isLane);
  }

  /** Sends a signal to the supervisor; nothing when there is none. */
  signal(signal: NodeJS.Signals): void {
    const { pid } = this;
    if (pid !== null) send(pid, signal);
  }

  /** Kills the supervisor as the kernel would when memory runs out. It is not wanted until the next start. */
  async kill9(): Promise<void> {
    this.#isWanted = false;
    this.lanes();
    this.signal('SIGKILL');
    await this.#untilEnded();
  }

  /** Runs `firehookd --undo`; from here on nothing is promised until the next "Attached". */
  async undo(): Promise<{ readonly code: number | null; readonly output: string }> {
    this.#unguard();
    const [command, args] = this.#cell.command([process.execPath, FIREHOOKD, '-c', this.#configFile, '--undo']);
    const { code, stdout, stderr } = await finish(startProcess(command, args, { env: this.#environment() }), UNDO_MS);
    return { code, output: stdout + stderr };
  }

  /** The orderly stop: SIGTERM. Returns its exit code; null when it had to be killed or did not run. */
  async stop(): Promise<number | null> {
    this.#isWanted = false;
    this.lanes();
    this.#unguard();
    const child = this.#child;
    if (child === null || !isRunning(child)) return null;
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    await waitFor(() => !isRunning(child), { what: 'the stop', timeoutMs: STOP_MS }).catch(() => undefined);
    await this.kill9();
    return child.exitCode;
  }

  /** Ends whatever is left of it, at once. */
  async close(): Promise<void> {
    await this.kill9().catch(() => undefined);
    for (const lane of this.leftLanes()) send(lane, 'SIGKILL');
    this.log.close();
  }

  #environment(): NodeJS.ProcessEnv {
    const { HOME = '/' } = process.env;
    return { PATH: this.tools.folder, HOME, NODE_TEST_CONTEXT: undefined };
  }

  #heard(line: string, atMs: number): void {
    if (!line.includes('Attached to ')) return;
    if (this.#guarded.at(-1)?.untilMs === Number.POSITIVE_INFINITY) return;
    this.#guarded.push({ fromMs: atMs, untilMs: Number.POSITIVE_INFINITY });
  }

  #unguard(): void {
    const last = this.#guarded.at(-1);
    if (last?.untilMs === Number.POSITIVE_INFINITY) last.untilMs = monotonicMs();
  }

  #ended(child: ChildProcess, how: string): void {
    if (!this.#isWanted || this.#child !== child) return;
    this.ownEnds.push({ atMs: monotonicMs(), how, log: this.log.text.slice(-LOG_TAIL) });
    void this.#startAgain();
  }

  async #startAgain(): Promise<void> {
    await sleep(START_AGAIN_MS);
    if (this.#isWanted) this.start();
  }

  async #untilEnded(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    await waitFor(() => !isRunning(child), { what: 'the end of firehookd', timeoutMs: END_MS, intervalMs: 1 });
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in the meantime.
  }
}

/** Of every thread of the process: Node may start a child from any. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

function isLane(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('lane-process');
  } catch {
    return false;
  }
}
