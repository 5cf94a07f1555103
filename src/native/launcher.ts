/**
 * How a process that runs other people's code is started: through `firehook-launch`, which gives up what that code does not need.
 *
 * ```
 *   [taskset CPU] firehook-launch --user 990 990 --descriptors 9 --run node --read firehook ... -- node lane-process.js
 * ```
 * Rule: here stands what the program itself may read; what a hook may read on top of it was granted by the configuration.
 *
 * @see src/native/launcher.c
 * @module
 */

import { realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { FirehookError } from '../errors.ts';
import { nativeFolder } from './load-native.ts';
import { nativeFolders } from './native-folder.ts';

/** What {@link launchCommand} takes. */
export interface LaunchOptions {
  /** Null: stay who you are (not started by root). */
  readonly user: { readonly uid: number; readonly gid: number } | null;
  /** The program gives up root by itself, after it has opened sockets that it cannot be handed. @defaultValue false */
  readonly keepsRoot?: boolean;
  /** How many descriptors it is handed. */
  readonly descriptors: number;
  /** What it may read, beside what Node.js and firehook themselves need: absolute paths of files and folders. */
  readonly reads: readonly string[];
  /** What it may execute beside Node.js: absolute paths. @defaultValue nothing */
  readonly runs?: readonly string[];
  /** Folder of the cgroup that it joins; null for that of the caller. @defaultValue null */
  readonly cgroup?: string | null;
  /** Most memory that each of its processes may write to, in MiB. @defaultValue no limit */
  readonly dataMiB?: number;
  /** True: an error where the kernel lacks something. */
  readonly isRequired: boolean;
  /** Pins all its threads; null for any CPU. */
  readonly cpu: number | null;
  /** Node.js and its arguments. */
  readonly program: string;
  readonly args: readonly string[];
}

/** Exit code of the launcher when it refused. */
export const LAUNCH_REFUSED = 125;

/** Processes and threads that the user of the lanes may have, all lanes together. */
const MOST_PROCESSES = 1024;

/** Where programs and their libraries lie. The interpreter of a program is executed too (ld.so(8)). */
const LIBRARIES = ['/lib', '/lib64', '/usr/lib', '/usr/lib64', '/usr/local/lib'];
/** What Node.js looks at when it starts, and what it says of the machine. */
const SYSTEM = [
  '/dev/null',
  '/dev/urandom',
  '/etc/ld.so.cache',
  '/etc/localtime',
  '/etc/ssl',
  '/proc/self',
  '/proc/cpuinfo',
  '/proc/loadavg',
  '/proc/meminfo',
  '/proc/stat',
  '/proc/sys/kernel',
  '/proc/sys/vm',
  '/proc/uptime',
  '/proc/version',
  '/sys/devices/system',
  '/sys/fs/cgroup',
  '/usr/share/nodejs',
  '/usr/share/zoneinfo',
];

/** Program and arguments that start it. Without a compiled firehook nothing is kept from reading: a loader needs more. */
export function launchCommand(options: LaunchOptions): { readonly program: string; readonly args: string[] } {
  const {
    user,
    keepsRoot = false,
    descriptors,
    reads,
    runs = [],
    cgroup = null,
    dataMiB,
    isRequired,
    cpu,
    program,
    args,
  } = options;
  const isSource = path.extname(fileURLToPath(import.meta.url)) === '.ts';
  const own = [...SYSTEM, ...ownFiles(), path.join(path.dirname(path.dirname(program)), 'lib')];
  const files = [
    ...[...LIBRARIES, ...[program, ...runs].flatMap(withTarget)].flatMap((file) => ['--run', file]),
    ...[...own, ...reads].flatMap(withTarget).flatMap((file) => ['--read', file]),
  ];
  const launch = [
    findLauncher(),
    ...(user === null ? [] : ['--user', String(user.uid), String(user.gid)]),
    ...(keepsRoot ? ['--root'] : []),
    ...['--descriptors', String(descriptors), '--processes', String(MOST_PROCESSES)],
    ...(cgroup === null ? [] : ['--cgroup', cgroup]),
    ...(dataMiB === undefined ? [] : ['--data', String(dataMiB)]),
    ...(isRequired ? [] : ['--best']),
    ...(isSource ? [] : files),
    ...['--', program, ...args],
  ];
  const [first = '', ...others] = cpu === null ? launch : ['taskset', '--cpu-list', String(cpu), ...launch];
  return { program: first, args: others };
}

/**
 * The launcher, beside the addon.
 *
 * @throws {@link FirehookError} FIREHOOK_DRIVER_MISSING naming the path tried
 */
export function findLauncher(): string {
  const file = path.join(nativeFolder(), 'firehook-launch');
  // Not by access(2), which looks at the real user and knows nothing of its capabilities.
  if (statSync(file, { throwIfNoEntry: false })?.isFile() === true) return file;
  throw new FirehookError('FIREHOOK_DRIVER_MISSING', `launcher; tried ${file}: not there`, {
    advice: `it belongs beside the addon: install firehook again, or build both: npm run build:native`,
  });
}

/**
 * A path, and where it leads by symbolic links: what is reached by one is looked for under its own name too. `/proc/self` leads elsewhere in
 * each process: here to the daemon, which is none of the program's business, and which it cannot see where /proc hides others.
 */
export function withTarget(file: string): string[] {
  if (file.startsWith('/proc/')) return [file];
  try {
    return [...new Set([file, realpathSync(file)])];
  } catch {
    return [file];
  }
}

/**
 * What of a checkout these files are in, named as the launcher has to name it where the checkout is below a folder that only root may
 * enter: `hooks` for every file below that. Nothing for files elsewhere, and nothing where npm has installed this package.
 */
export function ownParts(files: readonly string[]): string[] {
  const root = packageFolder();
  const within = files.filter((file) => file.startsWith(root) && !root.includes('/node_modules/'));
  return [...new Set(within.map((file) => path.join(root, file.slice(root.length).split('/')[0] ?? '')))];
}

/** With a slash at its end. */
function packageFolder(): string {
  return fileURLToPath(new URL('../..', import.meta.url));
}

/** What of this package runs, with what it depends on: where npm has put both, or its parts in a checkout. */
function ownFiles(): string[] {
  const root = packageFolder();
  const parent = root.indexOf('/node_modules/');
  if (parent !== -1) return [root.slice(0, parent + '/node_modules'.length)];
  return [...['dist', 'node_modules', 'package.json'].map((name) => path.join(root, name)), ...nativeFolders()];
}
