/**
 * Keeps a replay whole beside hooks that misbehave and operators who lose patience.
 *
 * ```
 *   throw in a timer, rejected promise ─> a fault of its hook, one log line        process.exit in a hook ─> output closed whole
 *   SIGINT, SIGTERM, SIGHUP            ─> the driver stops, the report is made     what hooks print       ─> stderr, escaped
 *   the second of them                 ─> ends the process at once, by the kernel
 * ```
 * Rule: whatever happens between the first hook and the report, the output ends with a whole record and the command with a
 * line that says why.
 *
 * @module
 */

import { Console } from 'node:console';
import { constants } from 'node:os';
import { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SavefileDriver } from '../drivers/savefile.ts';
import { FirehookError } from '../errors.ts';
import { systemPool } from '../firewall/ddk.ts';
import { followOwners, ownerOfFailure } from '../hook/async-owner.ts';
import { describeHookError } from '../hook/load-hook.ts';
import type { HookSource } from '../lane/messages.ts';
import { printable } from '../telemetry/printable.ts';
import { errorLine } from './fail.ts';
import { printableLines } from './output.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Shells say it like this when a signal ended a command. */
const SIGNAL_EXIT_CODE = 128;
const FAILED = 1;

/** What {@link ReplayGuard} takes. */
export interface ReplayGuardOptions {
  readonly driver: SavefileDriver;
  readonly hooks: readonly HookSource[];
  /** Must limit its own rate. `hook`: path of the hook at fault. */
  readonly log: (hook: string, message: string) => void;
}

/** Stands guard from its making until {@link ReplayGuard.end}. */
export class ReplayGuard {
  readonly #options: ReplayGuardOptions;
  /** Path of a hook to its faults outside `onPacket`. */
  readonly #faults = new Map<string, number>();
  readonly #write = { stdout: process.stdout.write, stderr: process.stderr.write, console: globalThis.console };
  readonly #signalled = (signal: NodeJS.Signals): void => this.#interrupt(signal);
  readonly #thrown = (error: unknown): void => this.#blame(error);
  readonly #rejected = (error: unknown, promise: Promise<unknown>): void => this.#blame(error, promise);
  readonly #exiting = (): void => this.#exit();
  #interruptedBy: NodeJS.Signals | null = null;
  #ownError: Error | null = null;
  #isRunning = false;
  #lastMessage = '';

  constructor(options: ReplayGuardOptions) {
    this.#options = options;
    for (const signal of SIGNALS) process.on(signal, this.#signalled);
    process.on('uncaughtException', this.#thrown);
    process.on('unhandledRejection', this.#rejected);
    followOwners(systemPool);
    process.on('exit', this.#exiting);
    this.#redirectHooks();
  }

  /** The signal that ended the replay early; null when none did. */
  get interruptedBy(): NodeJS.Signals | null {
    return this.#interruptedBy;
  }

  /** What firehook's own code threw outside of everything; null when it did not. */
  get ownError(): Error | null {
    return this.#ownError;
  }

  /** Faults outside `onPacket` of the hook of that path. */
  faultsOf(path: string): number {
    return this.#faults.get(path) ?? 0;
  }

  /** All faults outside `onPacket` in a sentence; '' when there were none. */
  get faultSentence(): string {
    let total = 0;
    for (const faults of this.#faults.values()) total += faults;
    if (total === 0) return '';
    return `${total} ${total === 1 ? 'fault' : 'faults'} of hooks outside onPacket, the last: ${this.#lastMessage}`;
  }

  /** The replay has started: a signal stops it, and leaves the report to be made. */
  running(): void {
    this.#isRunning = true;
  }

  /** Hears what hooks did with their last packet and their teardown, then gives everything back. */
  async end(): Promise<void> {
    await nextTurn();
    for (const signal of SIGNALS) process.off(signal, this.#signalled);
    process.off('exit', this.#exiting);
    process.stdout.write = this.#write.stdout;
    process.stderr.write = this.#write.stderr;
    globalThis.console = this.#write.console;
  }

  /** Writes to standard error as it is: for the progress bar, which draws, and for the last line. */
  draw(text: string): void {
    this.#write.stderr.call(process.stderr, text);
  }

  #interrupt(signal: NodeJS.Signals): void {
    this.#interruptedBy = signal;
    this.#options.driver.stop();
    // Nothing was replayed yet: there is no report to wait for.
    if (!this.#isRunning) process.exit(SIGNAL_EXIT_CODE + constants.signals[signal]);
    // A hook that does not return, or a reader that does not read, could keep the next one from being heard here.
    for (const each of SIGNALS) process.off(each, this.#signalled);
  }

  #blame(error: unknown, promise?: Promise<unknown>): void {
    const { hooks, log } = this.#options;
    const paths = hooks.map(({ bundle }) => bundle.path);
    const owner = ownerOfFailure(error, paths, promise);
    const source = owner === undefined ? undefined : hooks[owner];
    if (source === undefined) {
      this.#ownError ??= error instanceof Error ? error : new Error(String(error));
      this.#options.driver.stop();
      return;
    }
    const { path } = source.bundle;
    this.#faults.set(path, this.faultsOf(path) + 1);
    const text = describeHookError(error, source.bundle);
    this.#lastMessage = printable(text);
    log(path, `threw outside onPacket: ${text}`);
  }

  /** `process.exit` in a hook: there is no time left for anything but this. */
  #exit(): void {
    const { driver } = this.#options;
    let reason = this.#interruptedBy === null ? 'a hook ended the process' : `interrupted by ${this.#interruptedBy}`;
    try {
      driver.close();
    } catch (error) {
      reason = `${reason}; ${(error as Error).message}`;
    }
    const text = `the replay was not finished: ${reason}`;
    if (this.#interruptedBy === null) {
      this.draw(errorLine('firehook', new FirehookError('FIREHOOK_LANE_FAILED', text)));
      process.exitCode = FAILED;
    } else this.draw(`firehook: ${printable(text)}\n`);
  }

  /** What a hook prints must neither come between the lines of a report nor act on the terminal. */
  #redirectHooks(): void {
    const write = (chunk: unknown): void => {
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString();
      this.#write.stderr.call(process.stderr, printableLines(text));
    };
    const sink = new Writable({
      decodeStrings: false,
      write(chunk, _encoding, done) {
        write(chunk);
        done();
      },
    });
    const replaced = (chunk: unknown, encoding?: unknown, done?: unknown): boolean => {
      write(chunk);
      const then = typeof encoding === 'function' ? encoding : done;
      if (typeof then === 'function') process.nextTick(then);
      return true;
    };
    process.stdout.write = replaced as typeof process.stdout.write;
    process.stderr.write = replaced as typeof process.stderr.write;
    globalThis.console = new Console(sink, sink);
  }
}
