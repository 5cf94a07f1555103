/**
 * A path as the kernel walks it: part by part from the root, into every symbolic link.
 *
 * Floor 1. Rule: it looks at names and modes and opens nothing.
 *
 * @see path_resolution(7)
 * @module
 */

import { type BigIntStats, lstatSync, readlinkSync } from 'node:fs';
import path from 'node:path';

/** As many links as the kernel follows in one path. */
const MOST_LINKS = 40;

/** One part of a path: a folder on the way, a link, or what the path leads to. */
export interface PathStep {
  /** Absolute; no part of it but the last one is a symbolic link. */
  readonly path: string;
  /** Of itself: a link is not followed. */
  readonly stats: BigIntStats;
}

/** What was walked over when the walk could not go on. */
export class PathError extends Error {
  /** The last folder that could be looked at. */
  readonly folder: string;
  /** ENOENT, EACCES, ELOOP and others. */
  readonly code: string;

  /** @param cause - of the system */
  constructor(folder: string, cause: NodeJS.ErrnoException) {
    super(cause.message, { cause });
    this.folder = folder;
    this.code = cause.code ?? '';
  }
}

/**
 * Every step of an absolute path, the root left out. The last one is no link.
 *
 * @throws {@link PathError} where the path does not lead anywhere, or may not be looked at
 */
export function* pathSteps(file: string): Generator<PathStep> {
  let folder = '/';
  let links = 0;
  const left = parts(file);
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    if (name === '..') {
      folder = path.dirname(folder);
      continue;
    }
    const here = path.join(folder, name);
    const stats = look(folder, () => lstatSync(here, { bigint: true }));
    yield { path: here, stats };
    if (!stats.isSymbolicLink()) {
      folder = here;
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) {
      throw new PathError(folder, Object.assign(new Error(`${file}: too many symbolic links`), { code: 'ELOOP' }));
    }
    const target = look(folder, () => readlinkSync(here));
    if (path.isAbsolute(target)) folder = '/';
    left.unshift(...parts(target));
  }
}

function parts(file: string): string[] {
  return file.split('/').filter((name) => name !== '' && name !== '.');
}

function look<Result>(folder: string, task: () => Result): Result {
  try {
    return task();
  } catch (cause) {
    throw new PathError(folder, cause as NodeJS.ErrnoException);
  }
}
