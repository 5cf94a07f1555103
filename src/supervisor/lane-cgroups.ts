/**
 * A cgroup for each lane: most processes, most memory, and an end for everything in it at once (cgroups(7), cgroup v2).
 *
 * ```
 *   unit with Delegate=pids memory          firehook.service/  supervisor (firehookd moves there), lane-1, lane-2
 *   the root: a container, no manager       firehook-PID-lane-1, firehook-PID-lane-2
 *   anywhere else                           none: the cgroup belongs to another program
 * ```
 * Rule: a cgroup is made only where firehookd may make one: in one that was delegated to it, which systemd tells by the extended
 * attribute `user.delegate`, or in the root. Controllers are enabled only in one that was delegated. A lane without a cgroup has
 * its other limits: no new processes by the seccomp filter, memory by RLIMIT_DATA.
 *
 * @see https://systemd.io/CGROUP_DELEGATION/
 * @module
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loadNative } from '../native/load-native.ts';

/** Processes and threads of a lane: Node.js has eleven, the rest is for worker threads of hooks. */
const MOST_PROCESSES = 256;
/** What the kernel counts on top of what a lane may write to: its stacks, page tables and the file of its numbers. */
const MEMORY_ON_TOP_MIB = 64;
const MIB = 2 ** 20;
const CONTROLLERS = ['pids', 'memory'] as const;
/** The last processes of a cgroup that was killed may take a moment to go. */
const REMOVE_AGAIN_MS = 100;
const REMOVE_ATTEMPTS = 20;

/** Where a cgroup v2 of this process lies, and how it may be used. */
export interface OwnCgroup {
  /** Folder of the cgroup that firehookd may make others in; null where there is none. */
  readonly folder: string | null;
  /** It is firehookd's own, with all below it. */
  readonly isDelegated: boolean;
  /** Why there is no folder; '' where there is one. */
  readonly reason: string;
}

/** A cgroup of one lane. */
export interface LaneCgroup {
  readonly folder: string;
  /** Ends every process in it at once, and what they start meanwhile. */
  kill(): void;
  /** To be called when the lane has ended. Whatever is left in it is killed. */
  remove(): void;
}

/** Makes the cgroups of the lanes of one daemon. */
export class LaneCgroups {
  /** Why lanes have no cgroup; '' where they have one. */
  readonly reason: string;
  readonly #folder: string | null;
  readonly #prefix: string;
  readonly #own: OwnCgroup;
  #made: number;

  /**
   * Looks where this process is, and gets its cgroup ready for children. Never throws: without one there is a reason.
   *
   * @param made - how many have been made in it before, by a process that this one takes the place of
   */
  constructor(own: OwnCgroup = findOwnCgroup(), pid: number = process.pid, made = 0) {
    this.#own = own;
    this.#made = made;
    this.#prefix = own.isDelegated ? 'lane-' : `firehook-${pid}-lane-`;
    let { folder, reason } = own;
    if (folder !== null) {
      try {
        if (own.isDelegated) makeRoom(folder);
        removeLeftovers(folder);
      } catch (error) {
        reason = (error as Error).message;
        folder = null;
      }
    }
    this.#folder = folder;
    this.reason = reason;
  }

  /** Where they are made and how many were, for a process that is to take the place of this one. */
  get place(): { readonly own: OwnCgroup; readonly made: number } {
    return { own: this.#own, made: this.#made };
  }

  /**
   * A cgroup for one more lane; null where lanes have none.
   *
   * @param memoryMiB - what the lane may write to
   */
  make(memoryMiB: number): LaneCgroup | null {
    if (this.#folder === null) return null;
    this.#made += 1;
    const folder = path.join(this.#folder, `${this.#prefix}${this.#made}`);
    try {
      mkdirSync(folder);
      limit(folder, 'pids.max', MOST_PROCESSES);
      limit(folder, 'memory.max', (memoryMiB + MEMORY_ON_TOP_MIB) * MIB);
      // Half a lane is of no use.
      limit(folder, 'memory.oom.group', 1);
    } catch {
      // The folder is gone, read-only, or full (cgroup.max.descendants): the lane has its other limits.
      removeNow(folder);
      return null;
    }
    const kill = (): void => {
      const file = path.join(folder, 'cgroup.kill');
      // Linux 5.14. Its lane is killed by its number as well.
      if (existsSync(file)) tryTo(() => writeFileSync(file, '1'));
    };
    return {
      folder,
      kill,
      remove: () => {
        if (removeNow(folder)) return;
        kill();
        removeLater(folder, REMOVE_ATTEMPTS);
      },
    };
  }
}

/**
 * The cgroup of this process.
 *
 * @param readText - reads a file below /proc
 * @param isDelegated - whether a folder has been handed over to this process
 */
export function findOwnCgroup(
  readText: (file: string) => string = (file) => readFileSync(file, 'utf8'),
  isDelegated: (folder: string) => boolean = hasDelegateMark,
): OwnCgroup {
  const none = (reason: string): OwnCgroup => ({ folder: null, isDelegated: false, reason });
  let membership: string;
  let mounts: string;
  try {
    membership = readText('/proc/self/cgroup');
    mounts = readText('/proc/self/mountinfo');
  } catch (error) {
    return none((error as Error).message);
  }
  const own = /^0::(\/.*)$/m.exec(membership)?.[1];
  if (own === undefined) return none('there is no cgroup v2 here');
  // In a cgroup namespace, a process that was outside of it is at `/../..`.
  if (own.split('/').includes('..')) return none('it is outside of the cgroup namespace');
  const folder = placeOf(own, mounts);
  if (folder === null) return none('no cgroup v2 is mounted here');
  if (isDelegated(folder)) return { folder, isDelegated: true, reason: '' };
  if (own === '/') return { folder, isDelegated: false, reason: '' };
  return none(`${own} was not delegated to firehookd (systemd: Delegate=pids memory)`);
}

/** Folder of a cgroup, by the mount that shows the least beside it: the others may be read-only. */
function placeOf(own: string, mounts: string): string | null {
  let longest = -1;
  let folder: string | null = null;
  for (const { root, point } of cgroupMounts(mounts)) {
    const base = root === '/' ? '' : root;
    if (base.length <= longest || !(own === base || own.startsWith(`${base}/`))) continue;
    longest = base.length;
    folder = path.resolve(`${point}${own.slice(base.length)}`);
  }
  return folder;
}

/** Where cgroup v2 is mounted, and which cgroup is seen there, by the text of /proc/PID/mountinfo. */
export function cgroupMounts(mounts: string): { readonly root: string; readonly point: string }[] {
  return mounts.split('\n').flatMap((line) => {
    // proc_pid_mountinfo(5): id, parent, device, root, mount point, options, optional fields, a dash, type.
    const [, , , root = '', point = ''] = line.split(' ');
    const [type] = line.split(' - ')[1]?.split(' ') ?? [];
    return type === 'cgroup2' ? [{ root, point: decodeMountPath(point) }] : [];
  });
}

/** Blanks and backslashes stand there as three octal digits. */
function decodeMountPath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function hasDelegateMark(folder: string): boolean {
  try {
    return loadNative().readAttribute(folder, 'user.delegate') === '1';
  } catch {
    return false;
  }
}

/** A cgroup whose children have controllers has no processes of its own: firehookd moves into a child. */
function makeRoom(folder: string): void {
  const supervisor = path.join(folder, 'supervisor');
  mkdirSync(supervisor, { recursive: true });
  // Whatever this process has started is in the cgroup, too.
  for (const pid of lines(folder, 'cgroup.procs'))
    tryTo(() => writeFileSync(path.join(supervisor, 'cgroup.procs'), pid));
  const [available = ''] = lines(folder, 'cgroup.controllers');
  const wanted = CONTROLLERS.filter((name) => available.split(' ').includes(name));
  if (wanted.length > 0) {
    writeFileSync(path.join(folder, 'cgroup.subtree_control'), wanted.map((name) => `+${name}`).join(' '));
  }
}

/** Empty cgroups of daemons that were killed. One with processes in it cannot be removed. */
function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = /^firehook-(\d+)-lane-\d+$/.exec(name)?.[1];
    const isLeft = pid === undefined ? /^lane-\d+$/.test(name) : !existsSync(`/proc/${pid}`);
    if (isLeft) removeNow(path.join(folder, name));
  }
}

/** A limit whose controller is not enabled is not there. */
function limit(folder: string, name: string, value: number): void {
  const file = path.join(folder, name);
  if (existsSync(file)) writeFileSync(file, String(value));
}

function lines(folder: string, name: string): string[] {
  return readFileSync(path.join(folder, name), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

function removeNow(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function removeLater(folder: string, attempts: number): void {
  if (attempts === 0) return;
  setTimeout(() => {
    if (!removeNow(folder)) removeLater(folder, attempts - 1);
  }, REMOVE_AGAIN_MS);
}

function tryTo(task: () => void): void {
  try {
    task();
  } catch {
    // A process that has ended meanwhile.
  }
}
