/**
 * What the bundler reads: every file of a hook is opened here once, looked at, and read from the same descriptor.
 *
 * ```
 *   import './rules.json' ─> esbuild finds the path ─> open ─> fstat: regular? how large? ─> read ─> esbuild, by a closed list of loaders
 *                                                               └─> its id, for the supervisor: who else may write to it?
 * ```
 * Floor 2. Rule: a named pipe, a device, a huge file and whatever is no JavaScript, TypeScript or JSON is refused before it is read.
 * `package.json` alone is read by esbuild itself; its time and memory are bounded from outside.
 *
 * @module
 */

import { type BigIntStats, closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Loader, OnLoadResult, Plugin } from 'esbuild';
import { fileId } from '../config/other-writers.ts';
import { packageOf } from './bundle-message.ts';
import { forbidden } from './may-read.ts';

/**
 * How a file is understood, by the end of its name. Everything else could be a file that the hook's author may not read, and that
 * would be put into the hook as text.
 */
const LOADERS: ReadonlyMap<string, Loader> = new Map([
  ['.js', 'js'],
  ['.mjs', 'js'],
  ['.cjs', 'js'],
  ['.ts', 'ts'],
  ['.mts', 'ts'],
  ['.cts', 'ts'],
  ['.json', 'json'],
]);

/** Most octets of one file of a hook. */
const MAX_FILE_OCTETS = 16 * 1024 * 1024;
/** Most octets of a hook with everything that it imports. */
const MAX_HOOK_OCTETS = 64 * 1024 * 1024;
/** By which esbuild finds the source map of a file, to say places in what the file was made from. */
const SOURCE_MAP = /[#@]\s*sourceMappingURL=([^\s'"*]+)/g;

/** A file that a bundle was made from, or a path that an import went. */
export interface ReadFile {
  /** Absolute. */
  readonly path: string;
  /** Of what was read, as `fileId` makes it; '' of a path that was only gone by. */
  readonly id: string;
}

/**
 * Reads one file, and says which one it was.
 *
 * @param user - who reads, for messages
 * @throws Error with the sentence for whoever wrote the hook
 */
export function readOnce(file: string, user: string): { readonly text: string; readonly read: ReadFile } {
  const { fd, stats } = open(file, user);
  try {
    return { text: readOpen(fd, Number(stats.size)).toString(), read: { path: file, id: fileId(stats) } };
  } finally {
    closeSync(fd);
  }
}

/** The files of one hook. */
export class HookFiles {
  readonly #user: string;
  readonly #ids = new Map<string, string>();
  #octets = 0;

  /** @param user - who reads, for messages: `the user firehook` */
  constructor(user: string) {
    this.#user = user;
  }

  /** What was read up to now. */
  get list(): ReadFile[] {
    return Array.from(this.#ids, ([file, id]) => ({ path: file, id }));
  }

  /** Has esbuild read by way of this object. */
  plugin(): Plugin {
    return {
      name: 'hook-files',
      setup: (build) => {
        build.onResolve({ filter: /.*/ }, ({ path: name, resolveDir }) => {
          this.#noteWay(name, resolveDir);
          // esbuild finds it.
          return undefined;
        });
        build.onLoad({ filter: /.*/, namespace: 'file' }, ({ path: file, with: { type } }) => {
          try {
            return this.#load(file, type);
          } catch (error) {
            return { errors: [{ text: (error as Error).message }] };
          }
        });
      },
    };
  }

  #load(file: string, type: string | undefined): OnLoadResult {
    if (file.endsWith('.node')) {
      throw new Error(
        `${path.basename(file)} is a native add-on; hooks are JavaScript only: use a package without native code`,
      );
    }
    const { fd, stats } = open(file, this.#user);
    try {
      const loader = LOADERS.get(path.extname(file));
      if (loader === undefined || (type !== undefined && type !== 'json')) {
        throw new Error(`${file}: a hook imports .ts, .js and .json files and nothing else; it reads others in setup`);
      }
      this.#octets += Number(stats.size);
      if (this.#octets > MAX_HOOK_OCTETS) {
        throw new Error(`${file}: with it the hook has more than ${MAX_HOOK_OCTETS / 2 ** 20} MiB`);
      }
      this.#ids.set(file, fileId(stats));
      const contents = readOpen(fd, Number(stats.size));
      if (loader !== 'json') this.#lookAtMaps(file, contents);
      return { contents, loader };
    } finally {
      closeSync(fd);
    }
  }

  /** esbuild opens a source map by itself: it must not find a pipe that nobody writes to. */
  #lookAtMaps(file: string, contents: Buffer): void {
    const base = pathToFileURL(file).href;
    for (const [, text = ''] of contents.toString('latin1').matchAll(SOURCE_MAP)) {
      const url = URL.canParse(text, base) ? new URL(text, base) : null;
      if (url?.protocol !== 'file:' || url.host !== '') continue;
      const map = fileURLToPath(url);
      if (!existsSync(map)) continue;
      closeSync(open(map, this.#user).fd);
      this.#note(map);
    }
  }

  /** The names that an import goes by: a link among them could be made to lead elsewhere. */
  #noteWay(name: string, folder: string): void {
    if (path.isAbsolute(name) || (name.startsWith('.') && folder !== '')) {
      const named = path.resolve(folder, name);
      const ways = [path.dirname(named), named, ...Array.from(LOADERS.keys(), (ending) => `${named}${ending}`)];
      for (const way of ways) if (existsSync(way)) this.#note(way);
      return;
    }
    for (let above = folder; above !== ''; above = above === '/' ? '' : path.dirname(above)) {
      const modules = path.join(above, 'node_modules', packageOf(name));
      if (!existsSync(modules)) continue;
      this.#note(modules);
      return;
    }
  }

  #note(file: string): void {
    if (!this.#ids.has(file)) this.#ids.set(file, '');
  }
}

/** Why a file is not read; '' when it may be. */
export function fileProblem(stats: BigIntStats): string {
  if (!stats.isFile()) return `not a regular file but ${kindOf(stats)}`;
  if (stats.size > MAX_FILE_OCTETS) {
    return `${stats.size.toLocaleString('en-US')} octets; a file of a hook has at most ${MAX_FILE_OCTETS / 2 ** 20} MiB`;
  }
  return '';
}

function kindOf(stats: BigIntStats): string {
  if (stats.isFIFO()) return 'a named pipe';
  if (stats.isSocket()) return 'a socket';
  return stats.isDirectory() ? 'a folder' : 'a device';
}

/**
 * Opens a file without waiting for anybody at its other end.
 *
 * @throws Error with the sentence for whoever wrote the hook
 */
function open(file: string, user: string): { readonly fd: number; readonly stats: BigIntStats } {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`${file}: ${code === 'EACCES' ? forbidden(file, user) : message}`, { cause: error });
  }
  const stats = fstatSync(fd, { bigint: true });
  const problem = fileProblem(stats);
  if (problem === '') return { fd, stats };
  closeSync(fd);
  throw new Error(`${file}: ${problem}`);
}

/** As much as the file had when it was opened; what was added since makes it another file. */
function readOpen(fd: number, size: number): Buffer {
  const contents = Buffer.allocUnsafe(size);
  let length = 0;
  for (let count = -1; count !== 0 && length < size; length += Math.max(0, count)) {
    count = readSync(fd, contents, length, size - length, null);
  }
  return contents.subarray(0, length);
}
