/**
 * The capture that a replay reads, as a descriptor: a file, or a stream such as standard input.
 *
 * Part of the savefile driver. Rule: a stream is read without waits, so that signals are heard while it is silent.
 *
 * @module
 */

import { closeSync, constants } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';
import { FirehookError } from '../errors.ts';
import { reopenPipe } from './savefile-output.ts';

/** The descriptor of standard input. */
export const STANDARD_INPUT = 0;
/** Names of standard input. Opened by its path a pipe of somebody else's, or a socket, would be refused. */
const STANDARD_INPUT_NAMES: ReadonlySet<string> = new Set(['-', '/dev/stdin', '/dev/fd/0', '/proc/self/fd/0']);

/** True when that path is standard input. */
export function isStandardInput(path: string): boolean {
  return STANDARD_INPUT_NAMES.has(path);
}

/** True for the error of a read that would have had to wait. */
export function isNothingThere(error: unknown): boolean {
  const { cause } = error as Error;
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'EAGAIN';
}

/** @throws {@link FirehookError} FIREHOOK_SAVEFILE_UNREADABLE where it is a terminal */
export function openStandardInput(): number {
  if (isatty(STANDARD_INPUT)) {
    throw new FirehookError(
      'FIREHOOK_SAVEFILE_UNREADABLE',
      'standard input: it is a terminal, and a capture is no text',
    );
  }
  // Node.js sees to it that the descriptor is open.
  return STANDARD_INPUT;
}

/**
 * A descriptor of the same stream that says EAGAIN where a read would wait. To be called while the process may still open
 * what only its owner may.
 *
 * @param isStandard - the descriptor is left open
 */
export function withoutWaits(file: number, isStandard: boolean): number {
  // O_NONBLOCK belongs to a description, not to the pipe: one of its own changes nothing for others.
  const again = reopenPipe(file, constants.O_RDONLY);
  if (again !== null) {
    if (!isStandard) closeSync(file);
    return again;
  }
  // A socket cannot be opened again. Node.js makes those non-blocking that it is handed; it reads none of it.
  new Socket({ fd: file, readable: false, writable: false }).unref();
  return file;
}
