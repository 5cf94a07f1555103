/**
 * What `module:` of a hook names: a file, a folder, or the name of an npm package.
 *
 * ```
 *   ./a.ts  ../a.ts  /a.ts  ────────────────────────────────────────────> path
 *   hooks/a.ts  firehook-hook-foo  @scope/foo/strict ──is it there?─ yes ─> path, relative to the configuration
 *                                                      no ──> node_modules/NAME here, in the folder above, ... ─> package
 * ```
 * Floor 1. Rule: what is there as a path is a path, so that no package that is installed later can take the place of a file. It looks at
 * names only and reads nothing: which file of a package is the hook is found by who may read it (`src/hook/hook-package.ts`).
 *
 * @see https://nodejs.org/api/esm.html#resolution-algorithm-specification, PACKAGE_RESOLVE
 * @module
 */

import { statSync } from 'node:fs';
import path from 'node:path';
import { FirehookError } from '../errors.ts';
import { fileReason } from './file-reason.ts';
import { type PackageEntry, parsePackageEntry } from './package-name.ts';

/** Where a hook is. */
export interface HookModule {
  /** Absolute path of a file or a folder; of a package the folder by its name in `node_modules`, which may be a symbolic link. */
  readonly module: string;
  /** Which module of a package it is; undefined for a path. */
  readonly package?: PackageEntry | undefined;
}

/**
 * Looks where a hook is.
 *
 * @param text - as it is written
 * @param folder - absolute; of the configuration file
 * @throws {@link FirehookError} FIREHOOK_HOOK_UNREADABLE with each place that was looked at
 */
export function locateModule(text: string, folder: string): HookModule {
  const file = path.resolve(folder, text);
  const failure = reach(file);
  if (failure === null) return { module: file };
  const entry = isMissing(failure) ? parsePackageEntry(text) : null;
  if (entry === null) {
    // Whether it can be read is said by who reads it: the user of the lanes.
    throw new FirehookError('FIREHOOK_HOOK_UNREADABLE', `${file}: ${fileReason(failure)}`, {
      cause: failure,
      hook: file,
    });
  }
  const found = findPackage(entry.name, folder);
  if (found !== null) return { module: found, package: entry };
  const detail = `${file}: no such file, and no package ${entry.name} in node_modules of ${folder} or of a folder above it`;
  throw new FirehookError('FIREHOOK_HOOK_UNREADABLE', detail, {
    hook: text,
    advice: 'write ./ in front of a path; install a package in the folder of the configuration',
  });
}

/** The folder of a package as Node finds it: the first `node_modules` that has it, upwards. Null where none has. */
function findPackage(name: string, folder: string): string | null {
  for (let above = folder; ; above = path.dirname(above)) {
    if (path.basename(above) !== 'node_modules') {
      const found = path.join(above, 'node_modules', name);
      if (isFolder(found)) return found;
    }
    if (above === '/') return null;
  }
}

function isFolder(file: string): boolean {
  try {
    return statSync(file).isDirectory();
  } catch {
    return false;
  }
}

/** Null where something is there; otherwise what the system says. */
function reach(file: string): NodeJS.ErrnoException | null {
  try {
    statSync(file);
    return null;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

function isMissing({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR';
}
