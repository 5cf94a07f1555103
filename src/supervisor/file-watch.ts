/**
 * Notices that one of some files has changed, and that it is whole: what an editor or a deployment leaves half written is waited for.
 *
 * ```
 *   every second: stat of each file ─ another one than at the last load? ─> once more: the same? ─> changed
 * ```
 * Files are looked at, not listened to: inotify(7) does not see that a folder above was exchanged, nor a file of another machine.
 *
 * Rule: a change is told once. What comes of it is the business of whoever is told.
 *
 * @module
 */

import { stat } from 'node:fs/promises';
import type { Clock, Timer } from './clock.ts';

const LOOK_MS = 1_000;

/** Looks at files. */
export class FileWatch {
  readonly #clock: Clock;
  readonly #changed: () => void;
  #files: readonly string[] = [];
  /** What they were when they were loaded, and at the last look. */
  #loaded: string | null = null;
  #seen: string | null = null;
  #timer: Timer | null = null;
  #isStopped = false;

  /** @param changed - one of the files is another one than when they were loaded */
  constructor(clock: Clock, changed: () => void) {
    this.#clock = clock;
    this.#changed = changed;
  }

  /** Looks at these from now on; what they are now has been loaded. */
  async watch(files: readonly string[]): Promise<void> {
    this.#files = files;
    this.#loaded = await fingerprintOf(files);
    this.#seen = this.#loaded;
    if (this.#timer === null) this.#later();
  }

  /** Looks no more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #later(): void {
    if (this.#isStopped) return;
    this.#timer = this.#clock.setTimer(() => {
      void this.#look().finally(() => this.#later());
    }, LOOK_MS);
  }

  async #look(): Promise<void> {
    const files = this.#files;
    const now = await fingerprintOf(files);
    if (this.#isStopped || files !== this.#files) return;
    const isStill = now === this.#seen;
    this.#seen = now;
    if (!isStill || now === this.#loaded) return;
    // Told once, also where it cannot be loaded.
    this.#loaded = now;
    this.#changed();
  }
}

async function fingerprintOf(files: readonly string[]): Promise<string> {
  const parts = await Promise.all(
    files.map(async (file) => {
      try {
        const { dev, ino, size, mtimeNs } = await stat(file, { bigint: true });
        return `${dev} ${ino} ${size} ${mtimeNs}`;
      } catch {
        return 'not there';
      }
    }),
  );
  return parts.join('\n');
}
