/**
 * The two files of a timed apply: the one that is tried, and the daemon's own configuration, which `firehook confirm` replaces.
 *
 * ```
 *   apply     FILE beside the configuration?  configuration as it was loaded?  can it be replaced?     no: refused, nothing has happened
 *   confirm   configuration still as it was?  ─> text of FILE ─> new file, its mode and owner ─> fsync ─> rename over it ─> fsync of the folder
 * ```
 * Rule: the configuration on disk is the former one or the new one, whole, at any moment; until it is confirmed it is the former one. So whatever
 * starts a daemon meanwhile starts the former one, and nobody has to remember anything.
 *
 * @see rename(2), fsync(2)
 * @module
 */

import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { fileId, OtherWriters, writersError } from '../config/other-writers.ts';
import { type ErrorCode, FirehookError } from '../errors.ts';

/** A configuration file as it was when something was applied. */
export interface KnownFile {
  readonly path: string;
  /** What was loaded of it. */
  readonly text: string;
}

/**
 * Where a file that is to be tried lies, by the name that the configuration's folder has for it: relative paths in it mean what they will mean
 * after it was confirmed.
 *
 * @param file - absolute
 * @param own - the daemon's configuration, as it was loaded last
 * @param refusesOtherWriters - refuses a file that others may write, whatever it says of itself
 * @throws {@link FirehookError} FIREHOOK_APPLY_FILE, FIREHOOK_FILE_WRITABLE
 */
export function trialFile(file: string, own: KnownFile, refusesOtherWriters: boolean): string {
  const folder = path.dirname(path.resolve(own.path));
  if (!path.isAbsolute(file)) throw refused(`${file}: not an absolute path`);
  if (realFolder(file) !== realFolder(own.path))
    throw refused(
      `${file}: it has to lie in ${folder}, beside ${own.path}: relative paths would not mean the same after firehook confirm`,
    );
  const beside = path.join(folder, path.basename(file));
  if (isSameFile(beside, own.path))
    throw refused(`${file}: it is the daemon's own configuration; give the new one another name`);
  if (refusesOtherWriters) {
    const problem = new OtherWriters().problemOf(beside);
    if (problem !== null) throw writersError([problem]);
  }
  assertReplaceable(own);
  return beside;
}

/**
 * Puts a text in the place of the daemon's configuration, all of it or nothing.
 *
 * @throws {@link FirehookError} FIREHOOK_CONFIRM_FILE; the file is what it was then
 */
export function replaceConfig(own: KnownFile, text: string): void {
  const file = path.resolve(own.path);
  const folder = path.dirname(file);
  const before = look(own, 'FIREHOOK_CONFIRM_FILE');
  const made = path.join(folder, `.${path.basename(file)}.${process.pid}.new`);
  let isMade = false;
  try {
    const fd = openSync(made, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    isMade = true;
    try {
      writeAll(fd, Buffer.from(text));
      // The mode first: who has given a file away may no longer change it. Only then it is for whoever might read it.
      fchmodSync(fd, Number(before.mode & 0o777n));
      fchownSync(fd, Number(before.uid), Number(before.gid));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (fileId(look(own, 'FIREHOOK_CONFIRM_FILE')) !== fileId(before)) throw new Error('somebody is writing to it');
    renameSync(made, file);
  } catch (cause) {
    if (isMade) rmSync(made, { force: true });
    if (cause instanceof FirehookError) throw cause;
    throw new FirehookError('FIREHOOK_CONFIRM_FILE', `${own.path}: ${(cause as Error).message}`, { cause });
  }
  syncFolder(folder);
}

/** Everything that a confirmation needs, looked at before anything happens. */
function assertReplaceable(own: KnownFile): void {
  look(own, 'FIREHOOK_APPLY_FILE');
  const folder = path.dirname(path.resolve(own.path));
  try {
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    throw new FirehookError('FIREHOOK_APPLY_FILE', `${folder}: firehook confirm could not write there`, { cause });
  }
}

/** @throws {@link FirehookError} with `code` where it is not the file that was loaded, or cannot be replaced */
function look(own: KnownFile, code: ErrorCode): BigIntStats {
  const why = (reason: string, cause?: unknown): FirehookError =>
    new FirehookError(code, `${own.path}: ${reason}`, { cause });
  let stats: BigIntStats;
  let text: string;
  try {
    stats = lstatSync(own.path, { bigint: true });
    text = stats.isFile() ? readFileSync(own.path, 'utf8') : '';
  } catch (cause) {
    throw why((cause as Error).message, cause);
  }
  if (!stats.isFile()) throw why('it is a symbolic link, or no regular file: firehook confirm does not replace it');
  if (text !== own.text) throw why('it is not what the daemon has loaded: somebody has changed it');
  return stats;
}

function writeAll(fd: number, octets: Uint8Array): void {
  for (let done = 0; done < octets.length; ) done += writeSync(fd, octets, done);
}

/** The new name is on the disk, too; a file system that cannot has it soon. */
function syncFolder(folder: string): void {
  try {
    const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // It is in force, and was written: nothing better can be done.
  }
}

function realFolder(file: string): string {
  try {
    return realpathSync(path.dirname(path.resolve(file)));
  } catch (cause) {
    throw new FirehookError('FIREHOOK_APPLY_FILE', `${file}: ${(cause as Error).message}`, { cause });
  }
}

/** Also by another name: a link to it. */
function isSameFile(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    // What is not there is read, and refused, as a configuration.
    return false;
  }
}

function refused(reason: string): FirehookError {
  return new FirehookError('FIREHOOK_APPLY_FILE', reason);
}
