/**
 * Reads a list of prefixes from a file.
 *
 * Floor 1. For a process that has no packets: it reads and builds in one go. Rule: only a regular file is read, so that nothing is
 * waited for.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { FirehookError } from '../errors.ts';
import { ListReader, type ListResult, type ListRule } from './list-reader.ts';

/** Octets that are read at a time. */
const PIECE = 256 * 1024;

/**
 * Reads and builds. O(octets): about a second for half a million prefixes.
 *
 * @param path - absolute
 * @throws {@link FirehookError} FIREHOOK_TABLE_UNREADABLE, or FIREHOOK_TABLE_INVALID with file and line
 */
export function readList(path: string, rule: ListRule): ListResult {
  const reader = new ListReader(rule);
  const piece = Buffer.allocUnsafe(PIECE);
  const fd = open(path, rule.file);
  try {
    for (let read = next(fd, piece, rule.file); read > 0; read = next(fd, piece, rule.file))
      reader.take(piece.subarray(0, read));
  } finally {
    closeSync(fd);
  }
  return reader.end();
}

/** A named pipe is not waited for, and is no list. */
function open(path: string, file: string): number {
  let fd = -1;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (fstatSync(fd).isFile()) return fd;
  } catch (cause) {
    throw unreadable(file, cause);
  }
  closeSync(fd);
  throw unreadable(file, new Error('not a regular file'));
}

function next(fd: number, piece: Uint8Array, file: string): number {
  try {
    return readSync(fd, piece);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function unreadable(file: string, cause: unknown): FirehookError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new FirehookError('FIREHOOK_TABLE_UNREADABLE', `${file}: ${reason}`, { cause });
}
