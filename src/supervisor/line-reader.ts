/**
 * Cuts a stream of a lane into lines, with bounds that the lane cannot move.
 *
 * Rule: what is kept is never longer than one line may be, whatever arrives and however it is cut. A line that is too long
 * comes once, cut, and its rest is skipped.
 *
 * @module
 */

const NEWLINE = 10;

/** Takes octets, gives lines. */
export class LineReader {
  readonly #limit: number;
  readonly #onLine: (line: string, isCut: boolean) => void;
  #kept: Buffer[] = [];
  #octets = 0;
  #isSkipping = false;

  /**
   * @param limit - octets of the longest line
   * @param onLine - called for each line, without its newline; `isCut` where it was longer
   */
  constructor(limit: number, onLine: (line: string, isCut: boolean) => void) {
    this.#limit = limit;
    this.#onLine = onLine;
  }

  /** Takes what has arrived. */
  take(bytes: Buffer): void {
    let start = 0;
    while (start < bytes.length) {
      const end = bytes.indexOf(NEWLINE, start);
      const part = bytes.subarray(start, end === -1 ? bytes.length : end);
      if (!this.#isSkipping) this.#keep(part);
      if (end === -1) return;
      if (!this.#isSkipping) this.#give(false);
      this.#isSkipping = false;
      start = end + 1;
    }
  }

  /**
   * Takes what has arrived without making lines of it, for a stream that has said too much: costs next to nothing an octet.
   * What has no newline yet is kept, so that the next {@link LineReader.take} goes on in the right place.
   *
   * @returns how many lines have ended in it, those not counted of which the beginning was given
   */
  skip(bytes: Buffer): number {
    const last = bytes.lastIndexOf(NEWLINE);
    if (last === -1) {
      this.take(bytes);
      return 0;
    }
    let lines = this.#isSkipping ? -1 : 0;
    for (let at = 0; at <= last; at++) if (bytes[at] === NEWLINE) lines += 1;
    this.#kept = [];
    this.#octets = 0;
    this.#isSkipping = false;
    this.take(bytes.subarray(last + 1));
    return lines;
  }

  /** The stream has ended: what has no newline is a line too. */
  end(): void {
    if (this.#octets > 0) this.#give(false);
  }

  #keep(part: Buffer): void {
    const room = this.#limit - this.#octets;
    // A copy: the buffer of the stream is much larger than what may have to be kept of it.
    this.#kept.push(Buffer.from(part.subarray(0, room)));
    this.#octets += Math.min(part.length, room);
    if (part.length <= room) return;
    this.#give(true);
    this.#isSkipping = true;
  }

  #give(isCut: boolean): void {
    const line = Buffer.concat(this.#kept).toString('utf8');
    this.#kept = [];
    this.#octets = 0;
    this.#onLine(line, isCut);
  }
}
