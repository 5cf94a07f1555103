/**
 * Files in memory that the supervisor shares with its lanes: the progress file and the fence.
 *
 * Rule: the name is taken away as soon as nobody has to open it any more, so that nothing is left of a killed run.
 *
 * @module
 */

import { openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FirehookError } from '../errors.ts';

/** File names of this process. */
let serial = 0;

/**
 * Makes an empty file that only root can open.
 *
 * @param what - named when there is no place for it
 * @returns the descriptor, for reading and writing, and the file, which the caller unlinks
 * @throws {@link FirehookError} FIREHOOK_LANE_FAILED
 */
export function openMemoryFile(what: string): { readonly fd: number; readonly file: string } {
  for (const folder of ['/dev/shm', '/run', tmpdir()]) {
    serial += 1;
    const file = path.join(folder, `firehook-${process.pid}-${serial}-${Date.now()}`);
    try {
      return { fd: openSync(file, 'wx+', 0o600), file };
    } catch {
      // Not there, or not writable: the next one.
    }
  }
  throw new FirehookError(
    'FIREHOOK_LANE_FAILED',
    `no folder for ${what}: /dev/shm, /run and the temporary folder refuse it`,
  );
}
