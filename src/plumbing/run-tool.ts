/**
 * Runs one of the system tools that commands and the start of the daemon use: `ip`, `getent`, `taskset`. Beside the lease none runs.
 *
 * Rule: synchronous, bounded in time, never through a shell. A tool that is missing or fails is an error that quotes what
 * the tool said.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { FirehookError } from '../errors.ts';

const TIMEOUT_MS = 10_000;

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
  if (result.error === undefined) return { ok: result.status === 0, stdout: result.stdout, stderr: result.stderr };
  const cause = result.error as NodeJS.ErrnoException;
  if (isMissing(cause)) {
    const advice = `apt-get install ${PACKAGE_OF[tool] ?? tool}`;
    throw new FirehookError('FIREHOOK_ATTACH_TOOL', `${tool}: not installed`, { cause, advice });
  }
  if (cause.code === 'ETIMEDOUT') {
    const detail = `${[tool, ...args].join(' ')}: not done after ${timeoutMs / 1000} s`;
    const advice = 'try again when the machine is less busy';
    throw new FirehookError('FIREHOOK_ATTACH_TOOL', detail, { cause, advice });
  }
  throw new FirehookError('FIREHOOK_ATTACH_TOOL', `${tool}: ${cause.message}`, { cause });
}

/**
 * Runs a tool that has to succeed.
 *
 * @returns its standard output
 * @throws {@link FirehookError} FIREHOOK_ATTACH_TOOL quoting the first line of what it said
 */
export function runTool(tool: string, args: readonly string[], input = ''): string {
  const result = tryTool(tool, args, input);
  if (result.ok) return result.stdout;
  const said = result.stderr.trim().split('\n')[0] ?? '';
  throw new FirehookError('FIREHOOK_ATTACH_TOOL', `${[tool, ...args].join(' ')}: ${said}`);
}

function isMissing(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ENOENT';
}
