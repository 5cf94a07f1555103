/**
 * One attach a port: a locked file in a folder that only root can write to.
 *
 * ```
 *   /run/firehook/lock/<inode of the network namespace>-<ifindex>       root, 0600; the folder root, 0700
 * ```
 * An ifindex belongs to a network namespace, and so does the lock, by the name of its file. The lock goes with the process
 * that holds it, however that ends; the file stays and says nothing by itself. Rule: nobody but root can hold one.
 *
 * @see flock(2)
 * @module
 */

import { closeSync, existsSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { FirehookError } from '../errors.ts';
import { loadNative } from '../native/load-native.ts';

/** Where the files are. */
export const LOCK_FOLDER = '/run/firehook/lock';

/** Rights of everybody but the owner. */
const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;

/** Locks that this process holds. */
export class PortLocks {
  readonly #folder: string;
  readonly #held = new Map<number, number>();

  constructor(folder: string = LOCK_FOLDER) {
    this.#folder = folder;
  }

  /**
   * Takes the lock of a port; nothing when it is held already.
   *
   * @throws FirehookError FIREHOOK_ATTACH_BUSY when another process has it
   */
  lock({ ifindex, name }: { readonly ifindex: number; readonly name: string }): void {
    if (this.#held.has(ifindex)) return;
    const descriptor = take(this.#folder, String(ifindex), name);
    if (descriptor === -1) {
      throw new FirehookError('FIREHOOK_ATTACH_BUSY', `"${name}": another firehookd is attached to it`, {
        interfaceName: name,
      });
    }
    this.#held.set(ifindex, descriptor);
  }

  /** What is held, by ifindex: descriptors, borrowed, for a process that is to go on with the ports. */
  get held(): ReadonlyMap<number, number> {
    return this.#held;
  }

  /** Goes on with the lock of another process. The descriptor is this one's from now on. */
  adopt(ifindex: number, descriptor: number): void {
    this.#held.set(ifindex, descriptor);
  }

  /** Gives it back; nothing when it is not held. */
  unlock(ifindex: number): void {
    const descriptor = this.#held.get(ifindex);
    if (descriptor === undefined) return;
    this.#held.delete(ifindex);
    closeSync(descriptor);
  }

  /** Gives all back. */
  unlockAll(): void {
    for (const ifindex of [...this.#held.keys()]) this.unlock(ifindex);
  }
}

/** True when a running firehookd has the port: who gets its lock is alone. Makes nothing. Needs root. */
export function isPortHeld(ifindex: number, folder: string = LOCK_FOLDER): boolean {
  if (!existsSync(fileOf(folder, String(ifindex)))) return false;
  const descriptor = take(folder, String(ifindex), `interface ${ifindex}`);
  if (descriptor === -1) return true;
  closeSync(descriptor);
  return false;
}

/**
 * Takes a lock of this network namespace that is not a port's, `fanout-12`.
 *
 * @returns the descriptor that holds it until it is closed; -1 where another process has it
 */
export function takeNamespaceLock(what: string, folder: string = LOCK_FOLDER): number {
  return take(folder, what, what);
}

function take(folder: string, what: string, name: string): number {
  const file = fileOf(folder, what);
  try {
    makeFolder(folder);
    return loadNative().lockFile(file);
  } catch (cause) {
    throw new FirehookError('FIREHOOK_ATTACH_KERNEL', `lock of "${name}": ${file}: ${(cause as Error).message}`, {
      cause,
      interfaceName: name,
      advice: 'firehookd needs a folder there that belongs to root alone',
    });
  }
}

/** An ifindex is a number of its network namespace: the name says which. */
function fileOf(folder: string, what: string): string {
  return path.join(folder, `${statSync('/proc/self/ns/net').ino}-${what}`);
}

/** A folder that others can write to would let them hold a lock. */
function makeFolder(folder: string): void {
  const parent = path.dirname(folder);
  mkdirSync(parent, { recursive: true, mode: 0o755 });
  // Whoever can write there can put another folder in the place of this one.
  assertOwn(parent, OTHERS_WRITE);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  assertOwn(folder, OTHERS);
}

/** A real folder, not a link, of this user, with none of the `forbidden` rights. */
function assertOwn(folder: string, forbidden: number): void {
  const stat = lstatSync(folder);
  const rights = stat.mode & 0o7777;
  if (stat.isSymbolicLink()) throw new Error(`${folder} is a symbolic link`);
  if (!stat.isDirectory()) throw new Error(`${folder} is no folder`);
  if (stat.uid !== process.getuid?.()) throw new Error(`${folder} belongs to user ${stat.uid}`);
  if ((rights & forbidden) !== 0) {
    throw new Error(`others have rights in ${folder} (mode ${rights.toString(8).padStart(4, '0')})`);
  }
}
