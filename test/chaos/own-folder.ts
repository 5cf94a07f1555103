/**
 * A folder for the files of a run, which goes with the run, also when that is broken off.
 *
 * @module
 */

import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** An empty folder that every user can read. */
export class OwnFolder {
  readonly path: string;
  readonly #onSignal = (): void => this.remove();

  constructor() {
    this.path = mkdtempSync(path.join(os.tmpdir(), 'firehook-chaos-'));
    // Lanes are another user.
    chmodSync(this.path, 0o755);
    // Before the labs, whose handler of the same signals ends the process.
    for (const signal of SIGNALS) process.prependListener(signal, this.#onSignal);
  }

  /** Removes it with all that is in it. Idempotent. */
  remove(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    rmSync(this.path, { recursive: true, force: true });
  }
}
