/**
 * What stands between a log and its reader: a bounded queue in front of a write that never waits.
 *
 * ```
 *   line ─> queue empty? written at once ── does not fit ─> waits, at most 1 MiB ── still no room ─> counted
 *                                                              └ every 50 ms: what fits is written; then how many were lost
 * ```
 * Rule: a reader that stands still, or is gone, costs lines and nothing else. A line is written whole or, once it was begun,
 * goes on before any other.
 *
 * @module
 */

/** Writes without waiting: the octets that were taken, 0 where there is no room. May throw: then the reader is gone. */
export type WriteNow = (bytes: Uint8Array) => number;

/** What {@link LogQueue} can be told. */
export interface LogQueueOptions {
  /** Most octets that wait. @defaultValue 1 MiB */
  readonly limitOctets?: number;
  /** How often a full reader is tried again. @defaultValue 50 */
  readonly retryMs?: number;
}

const LIMIT_OCTETS = 1024 * 1024;
const RETRY_MS = 50;
/** Between two tries at the end of the process. */
const NAP_MS = 10;

/** Takes lines, and gives them on as the reader takes them. */
export class LogQueue {
  readonly #writeNow: WriteNow;
  readonly #limit: number;
  readonly #retryMs: number;
  #waiting: Uint8Array[] = [];
  #octets = 0;
  #lost = 0;
  #unsaid = 0;
  #timer: NodeJS.Timeout | null = null;
  #sayLost: ((count: number) => string) | null = null;

  constructor(writeNow: WriteNow, { limitOctets = LIMIT_OCTETS, retryMs = RETRY_MS }: LogQueueOptions = {}) {
    this.#writeNow = writeNow;
    this.#limit = limitOctets;
    this.#retryMs = retryMs;
  }

  /** Lines that nobody will read, since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** @param line - makes the line that says how many were lost, its newline included */
  sayLostBy(line: (count: number) => string): void {
    this.#sayLost = line;
  }

  /** Takes a line, its newline included. Never waits, never throws. */
  readonly write = (line: string): void => {
    this.#flush();
    this.#take(Buffer.from(line));
    this.#flush();
  };

  /**
   * For the end of the process: gives the reader so long to take what waits. Blocks the thread meanwhile.
   *
   * @param timeoutMs - at most
   */
  drain(timeoutMs: number): void {
    const endMs = performance.now() + timeoutMs;
    const pause = new Int32Array(new SharedArrayBuffer(4));
    while (!this.#flush() && performance.now() < endMs) Atomics.wait(pause, 0, 0, NAP_MS);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #take(bytes: Uint8Array): void {
    if (this.#octets + bytes.length > this.#limit) {
      this.#lost += 1;
      this.#unsaid += 1;
      return;
    }
    this.#waiting.push(bytes);
    this.#octets += bytes.length;
  }

  /** @returns true when nothing waits any more */
  #flush(): boolean {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) {
        if (this.#unsaid === 0 || this.#sayLost === null) return true;
        const count = this.#unsaid;
        this.#unsaid = 0;
        this.#take(Buffer.from(this.#sayLost(count)));
        continue;
      }
      let written = 0;
      try {
        written = this.#writeNow(first);
      } catch {
        // The reader is gone, and what was meant for it is lost. Another one may come: the next line is tried.
        this.#lost += this.#waiting.length;
        this.#unsaid += this.#waiting.length;
        this.#waiting = [];
        this.#octets = 0;
        return true;
      }
      this.#octets -= written;
      if (written < first.length) {
        this.#waiting[0] = first.subarray(written);
        this.#later();
        return false;
      }
      this.#waiting.shift();
    }
  }

  #later(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#flush();
    }, this.#retryMs).unref();
  }
}
