/**
 * The file that events are written into, as root opens it: made where there is none, and opened anew when it was renamed.
 *
 * ```
 *   every second ─> is the file of that name still ours? ─ no ─> open the one there is, or make one ─> hand it over
 * ```
 * Rule: a plain file, never a symbolic link; lines are appended. It is looked at on a thread, so that a disk that hangs keeps nobody.
 *
 * @module
 */

import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { FirehookError } from '../errors.ts';
import type { Clock, Timer } from './clock.ts';

/** How often it is looked whether it was renamed. */
const LOOK_MS = 1_000;
const MODE = 0o640;
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** One name, and the file that is there. */
export class EventFile {
  readonly path: string;
  /** Why the one of that name could not be opened, and the former is still written; '' when it could. */
  problem = '';
  #handle: FileHandle;
  #identity: string;
  #timer: Timer | null = null;
  #isClosed = false;

  private constructor(path: string, handle: FileHandle, identity: string) {
    this.path = path;
    this.#handle = handle;
    this.#identity = identity;
  }

  /** @throws {@link FirehookError} FIREHOOK_EVENTS_FILE */
  static async open(path: string): Promise<EventFile> {
    const { handle, identity } = await openPlain(path);
    return new EventFile(path, handle, identity);
  }

  /** Lent until {@link EventFile.watch} tells of another one. */
  get fd(): number {
    return this.#handle.fd;
  }

  /** Looks from now on. @param onChange - there is another file; {@link EventFile.fd} is its descriptor */
  watch(clock: Clock, onChange: () => void): void {
    if (this.#isClosed) return;
    this.#timer = clock.setTimer(() => {
      void this.#look(onChange).then(() => this.watch(clock, onChange));
    }, LOOK_MS);
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    void this.#handle.close().catch(() => undefined);
  }

  /** Never throws. */
  async #look(onChange: () => void): Promise<void> {
    const there = await stat(this.path, { bigint: true }).then(identityOf, () => '');
    if (there === this.#identity || this.#isClosed) return;
    try {
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
    }
  }
}

async function openPlain(path: string): Promise<{ handle: FileHandle; identity: string }> {
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
