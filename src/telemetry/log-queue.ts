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

/** A line that waits. */
interface Waiting {
  bytes: Uint8Array;
  /** Lost lines that it tells of; 0 of a line like any other. */
  readonly tells: number;
}

/** Takes lines, and gives them on as the reader takes them. */
export class LogQueue {
  readonly #writeNow: WriteNow;
  readonly #limit: number;
  readonly #retryMs: number;
  #waiting: Waiting[] = [];
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
    this.#take({ bytes: Buffer.from(line), tells: 0 });
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

  #take(waiting: Waiting): void {
    if (this.#octets + waiting.bytes.length > this.#limit) {
      this.#lose(waiting);
      return;
    }
    this.#waiting.push(waiting);
    this.#octets += waiting.bytes.length;
  }

  /** What a line told of has still to be said; it is itself not one that anybody misses. */
  #lose({ tells }: Waiting): void {
    this.#unsaid += tells === 0 ? 1 : tells;
    if (tells === 0) this.#lost += 1;
  }

  /** @returns true when nothing waits any more */
  #flush(): boolean {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) {
        if (this.#unsaid === 0 || this.#sayLost === null) return true;
        const tells = this.#unsaid;
        this.#unsaid = 0;
        this.#take({ bytes: Buffer.from(this.#sayLost(tells)), tells });
        continue;
      }
      let written = 0;
      try {
        written = this.#writeNow(first.bytes);
      } catch {
        // The reader is gone, and what was meant for it is lost. Another one may come: the next line is tried.
        for (const waiting of this.#waiting) this.#lose(waiting);
        this.#waiting = [];
        this.#octets = 0;
        return true;
      }
      this.#octets -= written;
      if (written < first.bytes.length) {
        first.bytes = first.bytes.subarray(written);
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
