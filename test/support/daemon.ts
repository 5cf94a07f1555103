/**
 * A real `bin/firehookd` inside a namespace of a lab, as an operator would run it.
 *
 * ```
 *   startDaemon ─> temporary folder with the config ─> firehookd -c ─> `firehook status` says running ─> test
 * ```
 * Rule: a daemon belongs to the lab of its namespace and ends before it; its config and its control socket lie in a
 * folder of their own, so that several run side by side. Nothing reaches into the daemon: what a test knows of it, it
 * knows from the commands, the exit code and the log.
 *
 * @module
 */

import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Namespace } from './lab.ts';
import type { Exit, Result, RunningProcess } from './processes.ts';
import { waitFor } from './wait-for.ts';

const FIREHOOKD = fileURLToPath(new URL('../../bin/firehookd', import.meta.url));
const FIREHOOK = fileURLToPath(new URL('../../bin/firehook', import.meta.url));
const STOP_GRACE_MS = 15_000;

/** How to start the daemon. */
export interface DaemonOptions {
  /** Written beside the config: name to content, for example a hook `drop.ts` that the config calls `./drop.ts`. */
  readonly files?: Readonly<Record<string, string>>;
  /** Added to the environment of the daemon. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Another `firehookd` than that of this checkout. */
  readonly program?: string;
  /** False returns at once, for tests of the start itself. @defaultValue true */
  readonly waitUntilRunning?: boolean;
  /** @defaultValue 20000 */
  readonly timeoutMs?: number;
}

/** A daemon and what can be asked of it. Made by {@link startDaemon}. */
export class Daemon {
  /** The folder of the config. */
  readonly folder: string;
  /** Path of the config file. */
  readonly configFile: string;
  /** Path of the control socket. */
  readonly socket: string;
  readonly #ns: Namespace;
  readonly #running: RunningProcess;

  /** @internal */
  constructor(ns: Namespace, running: RunningProcess, folder: string, configFile: string, socket: string) {
    this.#ns = ns;
    this.#running = running;
    this.folder = folder;
    this.configFile = configFile;
    this.socket = socket;
  }

  /** Process id of the supervisor. */
  get pid(): number {
    return this.#running.pid;
  }

  /** Everything it has printed up to now. */
  get log(): string {
    return this.#running.stdout + this.#running.stderr;
  }

  /** True until the supervisor has ended. */
  get isRunning(): boolean {
    return this.#running.isRunning;
  }

  /** Resolves when the supervisor has ended by itself or was ended. */
  get exited(): Promise<Exit> {
    return this.#running.exited;
  }

  /** Runs `firehook` with this daemon's socket. Any exit code is a result. */
  cli(...args: string[]): Promise<Result> {
    return this.#ns.run(FIREHOOK, [...args, '--socket', this.socket]);
  }

  /** The same with something on its standard input. */
  cliWith(input: Uint8Array, ...args: string[]): Promise<Result> {
    return this.#ns.run(FIREHOOK, [...args, '--socket', this.socket], { input });
  }

  /**
   * What `firehook stats --json` prints.
   *
   * @throws Error with the log when the command fails
   */
  stats(): Promise<Record<string, unknown>> {
    return this.#ask('stats');
  }

  /** What `firehook status --json` prints; fails as {@link Daemon.stats} does. */
  status(): Promise<Record<string, unknown>> {
    return this.#ask('status');
  }

  /** Replaces the config; the control socket stays. The daemon hears of it by `reload`. */
  async writeConfig(config: Readonly<Record<string, unknown>>): Promise<void> {
    await writeConfigFile(this.configFile, config, this.socket);
  }

  /**
   * Sends SIGTERM and waits for the end.
   *
   * @returns the exit code; null when a signal ended it
   * @throws Error with the log when it has not ended after 15 seconds
   */
  async stop(): Promise<number | null> {
    const { code, signal } = await this.#running.stop(STOP_GRACE_MS);
    if (signal === 'SIGKILL') throw new Error(`firehookd did not end on SIGTERM\n${this.log}`);
    return code;
  }

  /** Kills the supervisor alone, as the kernel would when memory runs out; its lanes have to notice by themselves. */
  async kill9(): Promise<void> {
    this.#running.kill('SIGKILL');
    // Not `exited`: that waits a moment for output which surviving lanes hold open.
    await waitFor(() => !this.isRunning, { what: 'the end of firehookd', intervalMs: 1 });
  }

  /** Waits until `firehook status` says that it is running. */
  async waitUntilRunning(timeoutMs: number): Promise<void> {
    try {
      await waitFor(
        async () => {
          if (!this.isRunning) return 'ended';
          const { code, stdout } = await this.cli('status', '--json');
          return code === 0 && (JSON.parse(stdout) as { state?: unknown }).state === 'running';
        },
        { what: 'firehookd to run', timeoutMs, intervalMs: 100 },
      );
    } catch (error) {
      throw new Error(`firehookd does not get to run\n${this.log}`, { cause: error });
    }
    if (!this.isRunning) throw new Error(`firehookd ended while it started\n${this.log}`);
  }

  async #ask(command: string): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await this.cli(command, '--json');
    if (code === 0) return JSON.parse(stdout) as Record<string, unknown>;
    throw new Error(`firehook ${command}: exit code ${code}: ${stderr}\n${this.log}`);
  }
}

/**
 * Starts a daemon in a namespace and waits until it runs.
 *
 * @param config - the content of the config file; `control.socket` is filled in
 * @throws Error with the log when it ends or does not get to run in time
 */
export async function startDaemon(
  ns: Namespace,
  config: Readonly<Record<string, unknown>>,
  options: DaemonOptions = {},
): Promise<Daemon> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'firehook-test-'));
  ns.defer(() => rm(folder, { recursive: true, force: true }));
  // Lanes read option files as the user firehook.
  await chmod(folder, 0o755);
  for (const [name, content] of Object.entries(options.files ?? {})) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }

  const configFile = path.join(folder, 'firehook.yaml');
  const socket = path.join(folder, 'firehook.sock');
  const environment = options.env === undefined ? {} : { env: options.env };
  await writeConfigFile(configFile, config, socket);
  const running = ns.spawn(options.program ?? FIREHOOKD, ['-c', configFile], environment);
  const daemon = new Daemon(ns, running, folder, configFile, socket);
  ns.defer(async () => {
    await running.stop(STOP_GRACE_MS);
  });
  if (options.waitUntilRunning !== false) await daemon.waitUntilRunning(options.timeoutMs ?? 20_000);
  return daemon;
}

async function writeConfigFile(file: string, config: Readonly<Record<string, unknown>>, socket: string): Promise<void> {
  const { control: given } = config;
  const control = typeof given === 'object' ? given : {};
  // Every JSON text is a YAML text.
  await writeFile(file, `${JSON.stringify({ ...config, control: { ...control, socket } }, null, 2)}\n`);
}
