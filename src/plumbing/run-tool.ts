/**
 * Runs one of the system tools that commands and the start of the daemon use: `ip`, `getent`, `taskset`. Beside the lease none runs.
 *
 * Rule: synchronous, bounded in time, never through a shell. A tool that is missing or fails is an error that quotes what
 * the tool said.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { FirehookError, isFirehookError } from '../errors.ts';

/** Limit of a tool. On a machine that is busy a tool of milliseconds takes seconds; one that hangs has to end all the same. */
export const TIMEOUT_MS = 20_000;
/** Of what a tool said, in characters: more is no message. */
const MOST_SAID = 500;

/** Advice for a time-out. */
export const TRY_AGAIN = 'the machine may be busy: try again';

/** Debian package of each tool, for the advice. */
const PACKAGE_OF: Readonly<Record<string, string>> = {
  nft: 'nftables',
  ip: 'iproute2',
  tc: 'iproute2',
  ethtool: 'ethtool',
  getent: 'libc-bin',
  taskset: 'util-linux',
};

/** What a tool printed and how it ended. */
export interface ToolResult {
  readonly ok: boolean;
  /** The exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a tool and says how it ended.
 *
 * @param input - its standard input
 * @throws {@link FirehookError} FIREHOOK_ATTACH_TOOL when it is not installed, or does not end in time
 */
export function tryTool(tool: string, args: readonly string[], input = '', timeoutMs: number = TIMEOUT_MS): ToolResult {
  const result = spawnSync(tool, args, {
    input,
    encoding: 'utf8',
    timeout: timeoutMs,
    // One that hangs need not listen to anything else.
    killSignal: 'SIGKILL',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.error === undefined) {
    return { ok: result.status === 0, code: result.status, stdout: result.stdout, stderr: result.stderr };
  }
  const cause = result.error as NodeJS.ErrnoException;
  if (isMissing(cause)) {
    const advice = `apt-get install ${PACKAGE_OF[tool] ?? tool}`;
    throw new FirehookError('FIREHOOK_ATTACH_TOOL', `${tool}: not installed`, { cause, advice });
  }
  if (cause.code === 'ETIMEDOUT') {
    const detail = `${[tool, ...args].join(' ')}: ${noAnswerIn(timeoutMs)}`;
    throw new FirehookError('FIREHOOK_ATTACH_TOOL', detail, { cause, advice: TRY_AGAIN });
  }
  throw new FirehookError('FIREHOOK_ATTACH_TOOL', `${tool}: ${cause.message}`, { cause });
}

/**
 * Runs a tool that has to succeed.
 *
 * @returns its standard output
 * @throws {@link FirehookError} FIREHOOK_ATTACH_TOOL quoting what it said
 */
export function runTool(tool: string, args: readonly string[], input = ''): string {
  const result = tryTool(tool, args, input);
  if (result.ok) return result.stdout;
  const said = saidBy(result.stderr);
  const end = result.code === null ? 'ended by a signal' : `exit code ${result.code}`;
  throw new FirehookError('FIREHOOK_ATTACH_TOOL', `${[tool, ...args].join(' ')}: ${said === '' ? end : said}`);
}

/** A time-out in words: that a tool is slow does not mean that something is missing. */
export function noAnswerIn(timeoutMs: number): string {
  return `did not answer in ${timeoutMs / 1000} s`;
}

/** True for the error of a tool that did not end in time. */
export function isTimeout(error: unknown): boolean {
  return isFirehookError(error) && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT';
}

/**
 * What a tool said, as one line. The lines of nft, ip and tc belong together: the first may be no more than `Error:`, and the
 * reason stands in the second; nft's lines of `^^^^` only point at a column.
 */
export function saidBy(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  const whole = lines.filter((line) => line !== '' && !/^[\^~ ]+$/.test(line)).join(' / ');
  return whole.length > MOST_SAID ? `${whole.slice(0, MOST_SAID)} ...` : whole;
}

function isMissing(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ENOENT';
}
