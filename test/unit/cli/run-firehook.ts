/**
 * Runs `bin/firehook` as a user would, and keeps what it prints.
 *
 * Rule: output goes to pipes, never to a terminal; the exit code is a result like any other.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AS_NOBODY } from '../../support/nobody.ts';

const FIREHOOK = fileURLToPath(new URL('../../../bin/firehook', import.meta.url));
const FIREHOOKD = fileURLToPath(new URL('../../../bin/firehookd', import.meta.url));
const TIMEOUT_MS = 60_000;

/** A finished command. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `firehook` with these arguments. */
export function runFirehook(...args: string[]): Ended {
  return runCommand(process.execPath, [FIREHOOK, ...args]);
}

/** Runs `firehookd` with these arguments. */
export function runFirehookd(...args: string[]): Ended {
  return runCommand(process.execPath, [FIREHOOKD, ...args]);
}

/** Runs `firehook` as a user who is neither root nor in any group of note. Root only. */
export function runFirehookAsNobody(...args: string[]): Ended {
  return runCommand('setpriv', [...AS_NOBODY, process.execPath, FIREHOOK, ...args]);
}

function runCommand(command: string, args: readonly string[]): Ended {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  if (error !== undefined) throw error;
  return { code: status, stdout, stderr };
}

/** The lines of a text without the empty last one. */
export function lines(text: string): string[] {
  return text.split('\n').slice(0, -1);
}
