/**
 * Throw-away network namespaces, for `doctor` and `demo`, and programs inside them.
 *
 * Rule: only namespaces that this process made are touched, and none outlives it.
 *
 * @see ip-netns(8)
 * @module
 */

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTool, tryTool } from '../plumbing/run-tool.ts';
import { undoAtExit } from './undo-at-exit.ts';

/**
 * Makes a namespace. It goes with this process at the latest, and with it whatever still runs inside.
 *
 * @returns removes it now
 * @throws {@link FirehookError} FIREHOOK_ATTACH_TOOL when the kernel or `ip` refuses
 */
export function addNamespace(name: string): () => void {
  runTool('ip', ['netns', 'add', name]);
  return undoAtExit(() => removeNamespace(name));
}

/** Command line that runs another command line inside a namespace; the process keeps its pid. */
export function inNamespace(name: string, command: readonly string[]): [command: string, args: string[]] {
  return ['ip', ['netns', 'exec', name, ...command]];
}

/**
 * Command line of a script of this installation: built where this is built, source where the source runs.
 *
 * @param script - path without extension, relative to `base`
 * @param base - `import.meta.url` of the caller
 */
export function nodeCommand(script: string, base: string): string[] {
  const extension = path.extname(fileURLToPath(base));
  // The source needs the loader that this process was started with.
  const loader = extension === '.ts' ? process.execArgv : [];
  return [process.execPath, ...loader, fileURLToPath(new URL(`${script}${extension}`, base))];
}

function removeNamespace(name: string): void {
  for (const pid of tryTool('ip', ['netns', 'pids', name]).stdout.split('\n')) {
    if (pid === '') continue;
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended in the meantime.
    }
  }
  tryTool('ip', ['netns', 'del', name]);
}
