/**
 * A mount namespace with a `/run` and a `/dev/shm` of its own for a daemon, so that they can be full without anybody else's
 * being so.
 *
 * Rule: a process that sleeps holds the namespace, so that it outlives the daemons that run in it one after the other. It
 * ends with the lab of its network namespace.
 *
 * @see mount_namespaces(7), nsenter(1), tmpfs(5)
 * @module
 */

import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { Namespace } from '../support/lab.ts';
import { waitFor } from '../support/wait-for.ts';
import { whereIs } from './tools.ts';

/** The folders that are the cell's own. */
const FOLDERS = ['/run', '/dev/shm'] as const;
const SIZE = '16m';
const CHUNK = Buffer.alloc(1 << 20);

/** A running cell. */
export class Cell {
  readonly #pid: number;

  private constructor(pid: number) {
    this.#pid = pid;
  }

  /** Makes a cell in a network namespace. */
  static async make(ns: Namespace): Promise<Cell> {
    const mounts = FOLDERS.map((folder) => `mount -t tmpfs -o size=${SIZE} chaos ${folder}`);
    const script = [...mounts, 'echo ready', 'exec sleep infinity'].join(' && ');
    const running = ns.spawn('unshare', ['--mount', 'sh', '-c', script]);
    await waitFor(() => running.stdout.includes('ready') || !running.isRunning, { what: 'a mount namespace' });
    if (!running.isRunning) throw new Error(`cannot make a mount namespace: ${running.stderr}`);
    return new Cell(running.pid);
  }

  /** Command line that runs another one inside; the process keeps its pid. */
  command(command: readonly string[]): [program: string, args: string[]] {
    const of = (kind: string) => `/proc/${this.#pid}/ns/${kind}`;
    // By its path: the daemon's PATH is not that of this process.
    return [whereIs('nsenter'), [`--mount=${of('mnt')}`, `--net=${of('net')}`, '--', ...command]];
  }

  /** Leaves no octet free in the cell's folders. */
  fill(): void {
    for (const file of this.#ballast()) {
      const fd = openSync(file, 'w');
      try {
        // Ever smaller pieces, until not even one octet fits.
        for (let length = CHUNK.length; length >= 1; length >>>= 1) while (fits(fd, length));
      } finally {
        closeSync(fd);
      }
    }
  }

  /** Takes away what {@link Cell.fill} put there. */
  empty(): void {
    for (const file of this.#ballast()) rmSync(file, { force: true });
  }

  #ballast(): string[] {
    return FOLDERS.map((folder) => path.join(`/proc/${this.#pid}/root`, folder, 'ballast'));
  }
}

function fits(fd: number, length: number): boolean {
  try {
    return writeSync(fd, CHUNK, 0, length) > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}
