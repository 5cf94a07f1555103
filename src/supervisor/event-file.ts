/**
 * The file that events are written into, as root opens it: made where there is none, opened anew when it was renamed, and renamed when it is large.
 *
 * ```
 *   every second ─> is it large? ─ yes ─> NAME.4 to NAME.5 ... NAME to NAME.1
 *                   is the file of that name still ours? ─ no ─> open the one there is, or make one ─> hand it over
 * ```
 * Rule: a plain file, never a symbolic link; lines are appended. It is looked at on a thread, so that a disk that hangs keeps nobody.
 *
 * @module
 */

import { constants } from 'node:fs';
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { FirehookError } from '../errors.ts';
import type { Clock, Timer } from './clock.ts';

/** How often it is looked whether it was renamed. */
const LOOK_MS = 1_000;
const MODE = 0o640;
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** When a file is renamed. */
export interface Rotation {
  /** Octets that it has at least then; 0 for never. It may have some more: what is written in a second. */
  readonly octets: number;
  /** Renamed files that are kept. */
  readonly keep: number;
}

/** One name, and the file that is there. */
export class EventFile {
  readonly path: string;
  /** Why the one of that name could not be opened, and the former is still written; '' when it could. */
  problem = '';
  readonly #rotation: Rotation;
  #handle: FileHandle;
  #identity: string;
  #timer: Timer | null = null;
  #isClosed = false;
  #isLooking = false;

  private constructor(path: string, rotation: Rotation, { handle, identity }: OpenFile) {
    this.path = path;
    this.#rotation = rotation;
    this.#handle = handle;
    this.#identity = identity;
  }

  /** @throws {@link FirehookError} FIREHOOK_EVENTS_FILE */
  static async open(path: string, rotation: Rotation = { octets: 0, keep: 1 }): Promise<EventFile> {
    return new EventFile(path, rotation, await openPlain(path));
  }

  /** Lent until {@link EventFile.watch} tells of another one. */
  get fd(): number {
    return this.#handle.fd;
  }

  /** Looks from now on. @param onChange - there is another file; {@link EventFile.fd} is its descriptor */
  watch(clock: Clock, onChange: () => void): void {
    if (this.#isClosed) return;
    this.#timer = clock.setTimer(() => {
      void this.#look(onChange, false).then(() => this.watch(clock, onChange));
    }, LOOK_MS);
  }

  /** Opens it anew, now, whether it was renamed or not. @param onChange - as in {@link EventFile.watch} */
  reopen(onChange: () => void): void {
    void this.#look(onChange, true);
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    void this.#handle.close().catch(() => undefined);
  }

  /** Never throws. */
  async #look(onChange: () => void, isAnew: boolean): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#rotate();
      const there = await stat(this.path, { bigint: true }).then(identityOf, () => '');
      if ((there === this.#identity && !isAnew) || this.#isClosed) return;
      const { handle, identity } = await openPlain(this.path);
      if (this.#isClosed) {
        await handle.close();
        return;
      }
      const former = this.#handle;
      this.#handle = handle;
      this.#identity = identity;
      this.problem = '';
      onChange();
      await former.close();
    } catch (error) {
      this.problem = (error as Error).message;
    } finally {
      this.#isLooking = false;
    }
  }

  /** Only what is ours is renamed: another file of that name is somebody else's affair. */
  async #rotate(): Promise<void> {
    const { octets, keep } = this.#rotation;
    if (octets === 0 || this.#isClosed) return;
    const there = await stat(this.path, { bigint: true }).catch(() => null);
    if (there === null || there.size < BigInt(octets) || identityOf(there) !== this.#identity) return;
    for (let number = keep - 1; number >= 1; number--) {
      await rename(`${this.path}.${number}`, `${this.path}.${number + 1}`).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
    await rename(this.path, `${this.path}.1`);
  }
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly identity: string;
}

async function openPlain(path: string): Promise<OpenFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, FLAGS, MODE);
  } catch (cause) {
    throw new FirehookError('FIREHOOK_EVENTS_FILE', `${path}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
  const status = await handle.stat({ bigint: true });
  if (status.isFile()) return { handle, identity: identityOf(status) };
  await handle.close();
  throw new FirehookError('FIREHOOK_EVENTS_FILE', `${path}: it is no plain file`);
}

function identityOf({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${dev} ${ino}`;
}
