/**
 * Who beside root may change a file: whoever may write a hook, or the configuration, decides about the traffic.
 *
 * ```
 *   /  etc  firehook  hooks  drop.ts          every part: whose is it, and may a group or everybody write to it?
 *                       └─ a link: the link, its folder, and every part of where it leads
 * ```
 * Floor 1. Rule: as with `StrictModes` of sshd a file is as safe as the weakest folder on the way to it. Trusted is who is, or can
 * become, the daemon anyway: root, who called sudo, and who may write to the folder of this package.
 *
 * @see sshd_config(5), StrictModes; sticky bit: inode(7)
 * @module
 */

import { type BigIntStats, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { FirehookError } from '../errors.ts';
import { PathError, pathSteps } from './path-steps.ts';

/** The key that accepts what is found here. */
export const TRUST_KEY = 'trustWritable';

const GROUP_WRITE = 0o020n;
const OTHERS_WRITE = 0o002n;
const STICKY = 0o1000n;
const ROOT = 0n;

/** What is wrong with one part of a path, and what mends it. */
export interface WriterProblem {
  /** The part: a file, a folder or a link. */
  readonly path: string;
  /** For example `every user may write to it (mode 0666)`. */
  readonly reason: string;
  /** A command. */
  readonly advice: string;
}

/** What of this process and of the system the answers depend on. */
export interface WriterOptions {
  /** @defaultValue that of this process */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where users and groups are listed. @defaultValue `/etc` */
  readonly accounts?: string;
  /** @defaultValue of this process */
  readonly effectiveUser?: number;
}

/** Looks at paths, and at each part of them once. */
export class OtherWriters {
  readonly #owners: ReadonlySet<bigint>;
  readonly #groups: ReadonlySet<bigint>;
  readonly #accounts: string;
  /** Folders on the way to this package and to Node.js. */
  readonly #own: readonly string[];
  readonly #seen = new Map<string, WriterProblem | null>();

  constructor(options: WriterOptions = {}) {
    const { environment = process.env, accounts = '/etc', effectiveUser = process.geteuid?.() ?? 0 } = options;
    this.#accounts = accounts;
    const own = ownFolder();
    this.#own = [own, path.dirname(process.execPath)];
    const { uid, gid, mode } = statSync(own, { bigint: true });
    // Who became root by sudo may write whatever root may.
    const caller = numberOf(environment['SUDO_UID']);
    this.#owners = new Set([ROOT, BigInt(effectiveUser), uid, ...(caller === null ? [] : [caller])]);
    const group = caller === null ? null : this.#privateGroup(environment['SUDO_USER'] ?? '', caller);
    this.#groups = new Set([ROOT, ...((mode & GROUP_WRITE) === 0n ? [] : [gid]), ...(group === null ? [] : [group])]);
  }

  /**
   * What lets others change a file; null when only those who are trusted may.
   *
   * @param file - absolute
   * @param id - {@link fileId} of what was read; '' where it was not read
   */
  problemOf(file: string, id = ''): WriterProblem | null {
    let last: BigIntStats | null = null;
    try {
      for (const step of pathSteps(file)) {
        const problem = this.#problemAt(step.path, step.stats);
        if (problem !== null) return problem;
        last = step.stats;
      }
    } catch (error) {
      if (!(error instanceof PathError)) throw error;
      return { path: file, reason: `cannot be looked at: ${error.message}`, advice: 'start again' };
    }
    if (id === '' || (last !== null && fileId(last) === id)) return null;
    return { path: file, reason: 'it was changed while it was read', advice: 'start again' };
  }

  #problemAt(file: string, stats: BigIntStats): WriterProblem | null {
    // Whoever may write to what leads to the daemon is the daemon: /usr/local of the group staff, on Debian.
    if (this.#own.some((own) => isWithin(own, file))) return null;
    let problem = this.#seen.get(file);
    if (problem === undefined) {
      problem = this.#judge(file, stats);
      this.#seen.set(file, problem);
    }
    return problem;
  }

  #judge(file: string, stats: BigIntStats): WriterProblem | null {
    if (!this.#owners.has(stats.uid)) {
      const reason = `it belongs to ${this.#userName(stats.uid)}, and not to root`;
      return { path: file, reason, advice: `chown ${stats.isSymbolicLink() ? '-h ' : ''}root ${file}` };
    }
    // A link has no mode of its own, and in a sticky folder only the owner of an entry may replace it.
    if (stats.isSymbolicLink() || (stats.isDirectory() && (stats.mode & STICKY) !== 0n)) return null;
    const mode = `(mode ${(stats.mode & 0o7777n).toString(8).padStart(4, '0')})`;
    if ((stats.mode & OTHERS_WRITE) !== 0n) {
      return { path: file, reason: `every user may write to it ${mode}`, advice: `chmod go-w ${file}` };
    }
    if ((stats.mode & GROUP_WRITE) === 0n || this.#groups.has(stats.gid)) return null;
    return {
      path: file,
      reason: `the group ${this.#groupName(stats.gid)} may write to it ${mode}`,
      advice: `chmod g-w ${file}`,
    };
  }

  /** The group that is a user's alone, as most distributions make one for each: a umask of 002 opens files to nobody else. */
  #privateGroup(name: string, uid: bigint): bigint | null {
    const users = this.#list('passwd');
    const gid = numberOf(users.find((fields) => fields[0] === name && numberOf(fields[2]) === uid)?.[3]);
    if (gid === null || users.some((fields) => fields[0] !== name && numberOf(fields[3]) === gid)) return null;
    const group = this.#list('group').find((fields) => numberOf(fields[2]) === gid);
    const isAlone = group?.[0] === name && (group[3] === '' || group[3] === name);
    return isAlone ? gid : null;
  }

  #userName(uid: bigint): string {
    const name = this.#list('passwd').find((fields) => numberOf(fields[2]) === uid)?.[0];
    return name === undefined ? `user ${uid}` : `the user ${name}`;
  }

  #groupName(gid: bigint): string {
    return this.#list('group').find((fields) => numberOf(fields[2]) === gid)?.[0] ?? String(gid);
  }

  #list(name: 'passwd' | 'group'): string[][] {
    try {
      return readFileSync(path.join(this.#accounts, name), 'utf8')
        .split('\n')
        .map((line) => line.split(':'));
    } catch {
      // Users may come from elsewhere; then nobody is trusted beyond root, and numbers are shown.
      return [];
    }
  }
}

/** What tells a file, and what is in it, from another. */
export function fileId({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

/** The error of problems that were not accepted. @param problems - at least one */
export function writersError([first, ...others]: readonly [WriterProblem, ...WriterProblem[]]): FirehookError {
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  return new FirehookError('FIREHOOK_FILE_WRITABLE', `${first.path}: ${first.reason}${more}`, {
    advice: `${first.advice}; ${TRUST_KEY}: true in the configuration accepts it`,
  });
}

/** The folder of this package, or the `node_modules` that it lies in together with what it depends on. */
function ownFolder(): string {
  const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
  const parent = root.indexOf('/node_modules/');
  return parent === -1 ? root : root.slice(0, parent + '/node_modules'.length);
}

function isWithin(file: string, folder: string): boolean {
  return file === folder || file.startsWith(`${folder}/`);
}

function numberOf(text: string | undefined): bigint | null {
  return text !== undefined && /^\d{1,10}$/.test(text) ? BigInt(text) : null;
}
