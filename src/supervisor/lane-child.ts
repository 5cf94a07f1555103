/**
 * A lane as a child process: in a session of its own, without a terminal, with descriptors that it can do no harm by.
 *
 * ```
 *   0 nothing   1, 2 pipes that are read with bounds   3 progress and the hook that runs (sealed)   4 fence (read only)   5 channel (checked
 *   lines)
 *   6 socket by which tables of prefixes come, and memory for what one lane leaves to another
 *   7 memory of the tables of hooks that all lanes have (sealed; nothing where there is none)   8 ring for events (nothing where nobody reads it)
 *   9 and on: its packet sockets, opened by root, which the lane never is (but with npm pcap, until its sockets are open)
 * ```
 * Rule: a lane that breaks its word is killed: a message that is none, a channel that it closed, an end that it announced and
 * that does not come, numbers that cannot be read. Whatever the child does, `exited` and then `ended` are called once, the latter after its last numbers and words have
 * been read. No word of the daemon's environment reaches it. What it left running in its session is killed with it.
 *
 * @module
 */

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { closeSync, readSync } from 'node:fs';
import path from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { liveDriver } from '../config/live-drivers.ts';
import { FirehookError } from '../errors.ts';
import { RUNNING_OCTETS, readRunning } from '../hook/running-hook.ts';
import type { LocalRoute } from '../lane/local-table.ts';
import type { DeviceRequest, HandoverStep, LaneSpec, TableMemory, TraceOrder } from '../lane/messages.ts';
import {
  type LaneProgress,
  ProgressReader,
  type ProgressShape,
  progressOctets,
  sharedOctets,
  tracesAt,
} from '../lane/progress.ts';
import type { DeviceAnswer, FromLane, LaneHanded } from '../lane/read-message.ts';
import { type TraceBatch, TraceRingReader } from '../lane/trace-ring.ts';
import { LAUNCH_REFUSED, launchCommand } from '../native/launcher.ts';
import { loadNative } from '../native/load-native.ts';
import type { NativeModule } from '../native/native.d.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { LaneCgroup, LaneCgroups } from './lane-cgroups.ts';
import { LaneChannel } from './lane-channel.ts';
import { LaneOutput } from './lane-output.ts';
import type { LaneEvents, LaneHandle } from './lane-set.ts';
import { HeldSockets, openLaneSockets, renumber } from './lane-sockets.ts';

/** How long what a dead lane wrote may take to be read: something it started may hold its pipes open. */
const LAST_WORDS_MS = 200;
/** A lane that has said that it ends, or that can say nothing any more, has so long to end. */
const FAREWELL_MS = 1_000;
/** How often the numbers of a lane are looked at, and how often in a row they may not be readable. */
const LOOK_MS = 1_000;
const UNREADABLE_LOOKS = 3;
/**
 * A hook that leaks costs its lane, not the machine: beyond this much heap the lane ends and another starts. Never more than half of
 * what the lane may have: V8 ends the process without a word where the system gives it no memory.
 */
const HEAP_LIMIT_MIB = 1024;
/** How long a driver may take to answer what its device is asked, and how much of that may wait. */
const ANSWER_MS = 3_000;
const MOST_ASKED = 64;
/** Place of the channel among the descriptors. */
const CHANNEL_FD = 5;
/** Where its sockets begin. */
const FIRST_SOCKET_FD = 9;

const NO_TRACES: TraceBatch = { records: [], lost: 0 };

/** What {@link LaneChild} takes. */
export interface LaneChildOptions {
  readonly spec: LaneSpec;
  /** Tables of prefixes that it is to have; their descriptors are lent during the call. @defaultValue none */
  readonly tables?: readonly TableMemory[];
  /** The memory that `spec.shared` tells of; borrowed. @defaultValue none */
  readonly sharedFd?: number | null;
  /** Of the fence, for its rings at users' ports; borrowed. Null where it has none. */
  readonly fenceFd: number | null;
  /** Of a ring for events of its hooks; borrowed. @defaultValue it has none */
  readonly eventsFd?: number | null;
  /** Pins all its threads; null for any CPU. */
  readonly cpu: number | null;
  /** True: it does not start where the kernel cannot confine it. */
  readonly isConfinementRequired: boolean;
  /** Makes the cgroup that it lives in; null for none. @defaultValue null */
  readonly cgroups?: LaneCgroups | null;
  /** Names of the hooks by their paths, where they are known. @defaultValue none */
  readonly names?: ReadonlyMap<string, string>;
  readonly log: Logger;
  readonly events: LaneEvents;
  /** For a trial: frames of live traffic; the descriptor is lent during the call. @defaultValue none */
  readonly recent?: { readonly id: number; readonly fd: number } | null;
  /** Of the lane whose place it takes: it goes on with them. @defaultValue it opens its own */
  readonly held?: HeldSockets | null;
}

/** A lane process. */
export class LaneChild implements LaneHandle {
  readonly cpu: number | null;
  readonly progressFd: number;
  readonly #process: ChildProcess;
  readonly #reader: ProgressReader | null;
  readonly #channel: LaneChannel | null;
  readonly #output: LaneOutput;
  readonly #events: LaneEvents;
  readonly #cgroup: LaneCgroup | null;
  readonly #native: NativeModule;
  /** This end of the socket by which tables go; -1 without tables, and when the lane is gone. */
  #tablesFd = -1;
  readonly #spec: LaneSpec;
  readonly #names: ReadonlyMap<string, string>;
  /** Its sockets; null where it opened them itself, and when it is gone. */
  #held: HeldSockets | null = null;
  /** By number: who waits for an answer. */
  readonly #asks = new Map<number, (answer: DeviceAnswer | null) => void>();
  #asked = 0;
  /** Of the trace that is under way. */
  #traces: TraceRingReader | null = null;
  /** Likewise for the steps of a handover. */
  readonly #steps = new Map<number, (answer: LaneHanded | null) => void>();
  #stepped = 0;
  #failure: FirehookError | null = null;
  #farewell: NodeJS.Timeout | null = null;
  #health: NodeJS.Timeout | null = null;
  #isStopping = false;
  #hasExited = false;
  #hasEnded = false;

  /**
   * Starts a lane. It opens its sockets at once; packets come when the plumbing lets them.
   *
   * @throws FirehookError FIREHOOK_DRIVER_MISSING without the addon; an Error of the system where there are no descriptors
   */
  constructor(options: LaneChildOptions) {
    const {
      spec: given,
      tables = [],
      sharedFd = null,
      fenceFd,
      eventsFd = null,
      cpu,
      isConfinementRequired,
      cgroups,
      names,
      log,
      events,
      held = null,
      recent = null,
    } = options;
    const shape: ProgressShape = { ways: given.ways.length, hooks: given.hooks.length };
    const isRun = given.mode === 'run';
    this.cpu = cpu;
    this.#events = events;
    this.#names = names ?? new Map();
    this.#native = loadNative();
    this.progressFd = this.#native.createMemory('firehook-progress', isRun ? sharedOctets(shape) : tracesAt(shape));
    this.#reader = isRun ? new ProgressReader(this.progressFd, shape) : null;
    this.#cgroup = cgroups?.make(given.memoryMiB) ?? null;
    let theirEnd = -1;
    try {
      // By it go the tables, and what a lane leaves to its successor.
      if (isRun || tables.length > 0 || recent !== null) [this.#tablesFd, theirEnd] = this.#native.openHandover();
      // A successor that is given none opens its own, too: those of npm pcap cannot be handed over.
      const own = given.isSuccessor ? null : openLaneSockets(given);
      this.#held = given.isSuccessor ? held : own && new HeldSockets(own);
      this.#held?.retain();
      const opened = this.#held?.sockets ?? null;
      const { sockets, here } = opened === null ? { sockets: null, here: [] } : renumber(opened, FIRST_SOCKET_FD);
      const versions = tables.map(({ fd: _, ...version }) => version);
      this.#spec = { ...given, sockets, tables: versions, hasEvents: eventsFd !== null };
      const stdio: StdioOptions = [
        ...['ignore' as const, 'pipe' as const, 'pipe' as const, this.progressFd, fenceFd ?? ('ignore' as const)],
        ...['pipe' as const, theirEnd === -1 ? ('ignore' as const) : theirEnd],
        ...[sharedFd ?? ('ignore' as const), eventsFd ?? ('ignore' as const), ...here],
      ];
      const { program, args } = launchCommand({
        user: given.user,
        keepsRoot: isRun && !liveDriver(given.driver).isHandedSockets,
        descriptors: stdio.length,
        reads: given.hooks.flatMap(({ allow }) => allow.files),
        isRequired: isConfinementRequired,
        cpu,
        cgroup: this.#cgroup?.folder ?? null,
        dataMiB: given.memoryMiB,
        ...laneProgram(given.memoryMiB),
      });
      this.#process = spawn(program, args, {
        cwd: '/',
        // A kernel thread of io_uring would stay root there.
        env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', UV_USE_IO_URING: '0' },
        stdio,
        // A process group of its own can be killed as one.
        detached: true,
      });
    } catch (error) {
      closeSync(this.progressFd);
      this.#closeTables();
      this.#releaseSockets();
      this.#cgroup?.remove();
      throw error;
    } finally {
      if (theirEnd !== -1) closeSync(theirEnd);
    }
    this.#output = new LaneOutput(
      log,
      () => this.pid,
      (text) => events.complained?.(text),
    );
    // Where there were no descriptors left there is no stdio either.
    const pipes = (this.#process.stdio ?? []) as readonly (Readable | Duplex | null | undefined)[];
    for (const stream of [pipes[1], pipes[2]]) if (stream) this.#output.read(stream);
    const socket = pipes[CHANNEL_FD] as Duplex | null | undefined;
    this.#channel = socket
      ? new LaneChannel(
          socket,
          (message) => this.#said(message),
          (reason) => this.kill(reason),
          () => this.#isToEnd('it closed the channel to the supervisor'),
        )
      : null;
    this.#process.on('error', (error) => {
      this.#failure ??= new FirehookError('FIREHOOK_LANE_FAILED', error.message, { cause: error });
      // An error without a process is all that will come of it.
      if (this.#process.pid === undefined) this.#exited(null, null);
    });
    this.#process.on('exit', (code, signal) => this.#exited(code, signal));
    for (const table of tables) this.#handOver(table);
    if (recent !== null) this.#handOver(recent);
    this.#channel?.send({ type: 'start', spec: this.#spec });
  }

  /** Its sockets, for a lane that is to take its place; null where it opened them itself, and when it is gone. */
  get held(): HeldSockets | null {
    return this.#held;
  }

  /** Process id; -1 when it could not be started. */
  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** {@inheritDoc LaneHandle.cgroup} */
  get cgroup(): string | null {
    return this.#cgroup?.folder ?? null;
  }

  /** {@inheritDoc LaneHandle.read} */
  read(): LaneProgress | null {
    return this.#hasEnded ? null : (this.#reader?.read() ?? null);
  }

  /** {@inheritDoc LaneHandle.running} */
  get running(): string {
    if (this.#hasEnded) return '';
    const { ways, hooks } = this.#spec;
    const octets = Buffer.alloc(RUNNING_OCTETS);
    const at = progressOctets({ ways: ways.length, hooks: hooks.length });
    const running =
      readSync(this.progressFd, octets, 0, octets.length, at) < octets.length
        ? null
        : readRunning(octets, hooks.length);
    const file = hooks[running?.owner ?? -1]?.bundle.path;
    if (running === null || file === undefined) return '';
    return `hook ${this.#names.get(file) ?? file} was in ${running.activity}`;
  }

  /** {@inheritDoc LaneHandle.setLocals} */
  setLocals(locals: readonly LocalRoute[]): void {
    if (!this.#isStopping) this.#channel?.send({ type: 'locals', locals });
  }

  /** {@inheritDoc LaneHandle.setTable} */
  setTable(table: TableMemory): void {
    const { fd: _, ...version } = table;
    if (!this.#isStopping && this.#handOver(table)) this.#channel?.send({ type: 'table', ...version });
  }

  /** {@inheritDoc LaneHandle.trace} */
  trace(order: TraceOrder | null): void {
    const { ways, hooks } = this.#spec;
    if (order === null || this.#hasEnded) this.#traces = null;
    else this.#traces = new TraceRingReader(this.progressFd, tracesAt({ ways: ways.length, hooks: hooks.length }));
    if (!this.#isStopping) this.#channel?.send({ type: 'trace', order });
  }

  /** {@inheritDoc LaneHandle.readTraces} */
  readTraces(id: number): TraceBatch {
    return this.#hasEnded || this.#traces === null ? NO_TRACES : this.#traces.read(id);
  }

  /** {@inheritDoc LaneHandle.setBreaker} */
  setBreaker(hook: string, isOpen: boolean): void {
    if (!this.#isStopping) this.#channel?.send({ type: 'breaker', hook, isOpen });
  }

  /** {@inheritDoc LaneHandle.ask} */
  ask(request: Omit<DeviceRequest, 'id'>): Promise<DeviceAnswer> {
    this.#asked += 1;
    const id = this.#asked;
    const channel = this.#channel;
    return new Promise((resolve, reject) => {
      if (channel === null || this.#hasExited || this.#asks.size >= MOST_ASKED) {
        reject(new Error(channel === null || this.#hasExited ? 'the lane has ended' : 'it has too much to answer'));
        return;
      }
      const timer = setTimeout(() => {
        this.#asks.delete(id);
        reject(new Error(`no answer within ${ANSWER_MS / 1000} s`));
      }, ANSWER_MS).unref();
      this.#asks.set(id, (answer) => {
        clearTimeout(timer);
        this.#asks.delete(id);
        if (answer === null) reject(new Error('the lane has ended'));
        else resolve(answer);
      });
      channel.send({ type: 'ask', id, ...request });
    });
  }

  /** {@inheritDoc LaneHandle.stop} */
  stop(): void {
    this.#isStopping = true;
    this.#channel?.send({ type: 'stop' });
  }

  /** {@inheritDoc LaneHandle.kill} */
  kill(reason: string): void {
    if (this.#hasExited) return;
    this.#failure ??= new FirehookError('FIREHOOK_LANE_FAILED', reason);
    this.#killSession();
    this.#process.kill('SIGKILL');
    this.#events.killed(reason);
  }

  /** {@inheritDoc LaneHandle.handOver} */
  handOver(
    step: HandoverStep,
    memory: { readonly id: number; readonly fd: number } | null,
    withinMs: number,
  ): Promise<LaneHanded> {
    this.#stepped += 1;
    const id = this.#stepped;
    const channel = this.#channel;
    return new Promise((resolve, reject) => {
      if (channel === null || this.#hasExited || this.#failure !== null) {
        reject(new Error('it has ended'));
        return;
      }
      if (memory !== null && !this.#handOver(memory)) {
        reject(new Error('it takes no memory for what it hands over'));
        return;
      }
      const timer = setTimeout(() => {
        this.#steps.delete(id);
        const { running } = this;
        reject(new Error(`no answer within ${withinMs / 1000} s${running === '' ? '' : ` while ${running}`}`));
      }, withinMs);
      this.#steps.set(id, (answer) => {
        clearTimeout(timer);
        this.#steps.delete(id);
        if (answer === null) reject(new Error('it has ended'));
        else if (answer.error !== null) reject(new Error(answer.error));
        else resolve(answer);
      });
      channel.send({ type: 'handover', id, ...step });
    });
  }

  /** {@inheritDoc LaneHandle.retire} */
  retire(): void {
    this.#isStopping = true;
    this.#channel?.send({ type: 'retire' });
  }

  #releaseSockets(): void {
    this.#held?.release();
    this.#held = null;
  }

  /** Sends the descriptor. @returns false where it could not be sent */
  #handOver({ id, fd }: { readonly id: number; readonly fd: number }): boolean {
    if (this.#tablesFd === -1) return false;
    try {
      if (this.#native.sendDescriptor(this.#tablesFd, id, fd)) return true;
    } catch {
      // It has ended, as will be told.
      return false;
    }
    this.kill('it does not take the tables that it is sent');
    return false;
  }

  #closeTables(): void {
    if (this.#tablesFd !== -1) closeSync(this.#tablesFd);
    this.#tablesFd = -1;
  }

  #said(message: FromLane): void {
    switch (message.type) {
      case 'opened':
        this.#events.opened();
        break;
      case 'ready':
        if (message.rings.length > this.#spec.rings.length || message.hooks.length > this.#spec.hooks.length) {
          this.kill('it told of rings or hooks that it was not given');
          break;
        }
        if ([...message.metrics, ...message.reasons].some(({ hook }) => hook >= message.hooks.length)) {
          this.kill('it told of counters of hooks that there are not');
          break;
        }
        if (this.#isBeyondReach()) break;
        if (this.#reader !== null) {
          this.#reader.metrics = message.metrics;
          this.#reader.reasons = message.reasons;
        }
        this.#watchNumbers();
        this.#events.ready(message);
        break;
      case 'tried':
        if (this.#spec.mode === 'try') this.#events.tried?.(message);
        else this.kill('it told of a trial that nobody asked for');
        break;
      case 'answered':
        // One that comes too late is nobody's.
        if (message.id > this.#asked) this.kill('it answered what it was not asked');
        else this.#asks.get(message.id)?.(message);
        break;
      case 'handed':
        // One that comes too late is nobody's.
        if (message.id > this.#stepped) this.kill('it answered what it was not asked');
        else this.#steps.get(message.id)?.(message);
        break;
      case 'failed':
        this.#failure ??= fromLane(message);
        this.#isToEnd('it failed and did not end');
        break;
      default:
        message satisfies never;
    }
  }

  /** An honest lane ends by itself now. */
  #isToEnd(reason: string): void {
    if (!this.#hasExited) this.#farewell ??= setTimeout(() => this.kill(reason), FAREWELL_MS).unref();
  }

  /** A lane that nobody may end gets no traffic: a hook that hangs would keep it for ever. */
  #isBeyondReach(): boolean {
    try {
      // A real signal, which the lane does not even notice: AppArmor lets signal 0 pass where it refuses all others.
      process.kill(this.pid, 'SIGURG');
      return false;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EPERM' && code !== 'EACCES') return false;
      this.#failure ??= new FirehookError('FIREHOOK_LANE_FAILED', `firehookd may not end it (kill: ${code})`, {
        advice:
          code === 'EPERM'
            ? 'give firehookd CAP_KILL'
            : 'a security module forbids it; with AppArmor, run the container without no-new-privileges',
      });
      // The others end by themselves.
      if (this.#spec.mode === 'run') this.#channel?.send({ type: 'stop' });
      return true;
    }
  }

  /** A lane that tears its numbers on purpose would be seen by the lease and by nobody else. */
  #watchNumbers(): void {
    const reader = this.#reader;
    if (reader === null || this.#hasExited) return;
    let unreadable = 0;
    this.#health = setInterval(() => {
      unreadable = reader.read() === null ? unreadable + 1 : 0;
      if (unreadable >= UNREADABLE_LOOKS) this.kill('its numbers cannot be read');
    }, LOOK_MS).unref();
  }

  #exited(code: number | null, signal: string | null): void {
    if (this.#hasExited) return;
    this.#hasExited = true;
    clearTimeout(this.#farewell ?? undefined);
    clearInterval(this.#health ?? undefined);
    this.#killSession();
    for (const settle of [...this.#asks.values(), ...this.#steps.values()]) settle(null);
    this.#closeTables();
    this.#releaseSockets();
    this.#events.exited();
    const how =
      signal !== null
        ? `it was killed by ${signal}`
        : code === LAUNCH_REFUSED
          ? 'it was not started: the line of firehook-launch in the log says what was refused'
          : `it ended with exit code ${code}`;
    const { running } = this;
    const died = new FirehookError('FIREHOOK_LANE_FAILED', running === '' ? how : `${how} while ${running}`);
    const timer = setTimeout(() => this.#ended(died), LAST_WORDS_MS);
    this.#process.once('close', () => {
      clearTimeout(timer);
      this.#ended(died);
    });
  }

  #ended(died: FirehookError): void {
    if (this.#hasEnded) return;
    const progress = this.read();
    this.#hasEnded = true;
    this.#channel?.close();
    for (const stream of [this.#process.stdout, this.#process.stderr]) stream?.destroy();
    this.#output.end();
    closeSync(this.progressFd);
    this.#cgroup?.remove();
    this.#events.ended({ error: this.#failure ?? (this.#isStopping ? null : died), progress });
  }

  /** What hooks have started: all of it where the lane has a cgroup, else as far as it has stayed in the lane's process group. */
  #killSession(): void {
    this.#cgroup?.kill();
    const { pid } = this.#process;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Nobody is left.
    }
  }
}

function fromLane(message: FromLane & { type: 'failed' }): FirehookError {
  const error = new FirehookError(message.code, '');
  error.message = message.message;
  return error;
}

/** Node.js and the lane's program beside this file: built, or the source when the source runs. */
function laneProgram(memoryMiB: number): { readonly program: string; readonly args: string[] } {
  const extension = path.extname(fileURLToPath(import.meta.url));
  // The source needs the loader that this process was started with; the build needs nothing.
  const loader = extension === '.ts' ? process.execArgv : [];
  const file = fileURLToPath(new URL(`../lane/lane-process${extension}`, import.meta.url));
  // Node.js 20 has ArrayBuffer.prototype.transfer behind a flag, which later ones do not know.
  const flags = process.versions.node.startsWith('20.') ? ['--harmony-rab-gsab-transfer'] : [];
  const heap = Math.min(HEAP_LIMIT_MIB, Math.floor(memoryMiB / 2));
  return { program: process.execPath, args: [...loader, ...flags, `--max-old-space-size=${heap}`, file] };
}
