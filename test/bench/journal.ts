/**
 * What a run says beside its numbers: where it is, on a terminal only, and what went wrong, always.
 *
 * @module
 */

const CLEAR_LINE = '\r\x1b[K';

/** Of one run. */
export class Journal {
  /** What went wrong so far, for the file. */
  readonly warnings: string[] = [];
  readonly #startedMs = performance.now();

  /** Minutes since the run began. */
  get minutes(): number {
    return (performance.now() - this.#startedMs) / 60_000;
  }

  /** Says what is being done now; takes the place of what was said before. */
  step(text: string): void {
    if (process.stderr.isTTY) process.stderr.write(`${CLEAR_LINE}${this.minutes.toFixed(1)} min  ${text}`);
  }

  /** Takes the step away, so that a table has lines of its own. */
  clear(): void {
    if (process.stderr.isTTY) process.stderr.write(CLEAR_LINE);
  }

  /** Something that is not in the numbers, and why; the run goes on. */
  warn(text: string): void {
    this.warnings.push(text);
    this.clear();
    console.error(`bench: ${text}`);
  }
}
