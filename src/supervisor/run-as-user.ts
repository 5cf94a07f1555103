/**
 * Runs one of firehook's own programs with the rights of the lanes' user: it is handed a request, answers, and ends.
 *
 * ```
 *   supervisor (root) ──request──> firehook-launch: user, no_new_privs, Landlock (reads only), limits ─> Node.js ─> program
 *                     <──answer, piece by piece, bounded by who takes it ──────────────────────────────────┘
 * ```
 * Rule: it ends in a bounded time, and the process and what it started are killed as one. What it says is for the caller to believe, or not.
 *
 * @see src/native/launcher.c
 * @module
 */

import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LaneUser } from '../lane/messages.ts';
import { launchCommand } from '../native/launcher.ts';
import { printable } from '../telemetry/printable.ts';

/** Of what it says on standard error so much is kept. */
const MAX_COMPLAINT = 4096;

/** What {@link runAsUser} takes. */
export interface RunAsUserOptions {
  readonly user: LaneUser;
  /** Path of the program, seen from this folder and without its extension. */
  readonly program: string;
  /** What it may read: absolute paths of files and folders. */
  readonly reads: readonly string[];
  /** What it may execute beside Node.js: absolute paths. @defaultValue nothing */
  readonly runs?: readonly string[];
  /** Added to its environment. @defaultValue nothing */
  readonly env?: Readonly<Record<string, string>>;
  /** Memory that it, and each process that it starts, may write to. */
  readonly dataMiB: number;
  /** True: an error where the kernel cannot confine it. */
  readonly isRequired: boolean;
  /** How long it may take. */
  readonly limitMs: number;
  /** Priority of the process, 19 for least (setpriority(2)). @defaultValue as this process */
  readonly nice?: number;
  /** Ends it before its time. */
  readonly signal?: AbortSignal;
  /** What is written to its standard input, as JSON. */
  readonly request: object;
  /** Takes a piece of its standard output. @returns what is wrong with it, to end the process; null where nothing is */
  readonly onOutput: (piece: Buffer) => string | null;
}

/**
 * Runs it.
 *
 * @returns null when it ended well; else the reason, to be printed. It is gone then, with all that it started
 */
export function runAsUser(options: RunAsUserOptions): Promise<string | null> {
  const { user, program: name, reads, runs = [], env = {}, dataMiB, isRequired, limitMs, request, onOutput } = options;
  const extension = path.extname(fileURLToPath(import.meta.url));
  const file = fileURLToPath(new URL(`${name}${extension}`, import.meta.url));
  const stdio = ['pipe', 'pipe', 'pipe'] as const;
  const { program, args } = launchCommand({
    user,
    descriptors: stdio.length,
    reads,
    runs,
    dataMiB,
    isRequired,
    cpu: null,
    program: process.execPath,
    args: [...(extension === '.ts' ? process.execArgv : []), file],
  });
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      // The loader of the source is found from where this process is.
      ...(extension === '.ts' ? {} : { cwd: '/' }),
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', UV_USE_IO_URING: '0', ...env },
      stdio: [...stdio],
      // A process group of its own can be killed as one.
      detached: true,
    });
    let complaint = '';
    let isOver = false;
    const end = (failure: string | null): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      if (child.pid !== undefined) killGroup(child.pid);
      for (const stream of child.stdio) stream?.destroy();
      resolve(failure);
    };
    const abort = (): void => end('it was told to end');
    const timer = setTimeout(() => end(`not done after ${limitMs / 1000} s; it was killed`), limitMs);
    options.signal?.addEventListener('abort', abort);
    child.on('error', (error) => end(error.message));
    // Where there were no descriptors left there are no pipes either.
    if (child.pid === undefined) return;
    if (options.signal?.aborted === true) abort();
    if (options.nice !== undefined) lower(child.pid, options.nice);
    child.stdout.on('data', (piece: Buffer) => {
      if (isOver) return;
      const fault = onOutput(piece);
      if (fault !== null) end(fault);
    });
    child.stderr.on('data', (piece: Buffer) => {
      if (complaint.length < MAX_COMPLAINT) complaint += piece.toString('utf8');
    });
    child.stdin.on('error', () => undefined);
    child.on('close', (code, signal) => {
      if (code === 0) end(null);
      else end(`it ended with ${signal ?? `exit code ${code}`}: ${printable(gist(complaint))}`);
    });
    child.stdin.end(JSON.stringify(request));
  });
}

/** The line of what it said that names an error. */
function gist(complaint: string): string {
  const lines = complaint.trim().split('\n');
  return lines.find((line) => /^\S*error|^firehook-launch/i.test(line)) ?? lines.at(-1) ?? '';
}

/** It works without; and it may have ended. */
function lower(pid: number, nice: number): void {
  try {
    setPriority(pid, nice);
  } catch {
    // So it competes with the lanes.
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
}
