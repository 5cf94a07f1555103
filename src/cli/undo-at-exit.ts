/**
 * What a command has to take back before it ends, however it ends: by itself, by an error, by Ctrl-C.
 *
 * Rule: actions are synchronous, since nothing else runs once a process is about to end. Only `kill -9` gets by them.
 *
 * @module
 */

import os from 'node:os';
import { errorLine } from './fail.ts';

const pending: (() => void)[] = [];
let isRegistered = false;

/**
 * Has `action` done when the process ends; last in, first out.
 *
 * @returns does it now, unless it has been done
 */
export function undoAtExit(action: () => void): () => void {
  registerOnce();
  pending.push(action);
  return () => {
    const index = pending.indexOf(action);
    if (index === -1) return;
    pending.splice(index, 1);
    action();
  };
}

function registerOnce(): void {
  if (isRegistered) return;
  isRegistered = true;
  process.on('exit', () => {
    for (let action = pending.pop(); action !== undefined; action = pending.pop()) {
      try {
        action();
      } catch (error) {
        // The others have to be done all the same.
        process.stderr.write(errorLine('firehook', error));
      }
    }
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => process.exit(128 + os.constants.signals[signal]));
  }
}
