/**
 * `firehook top` at a terminal: takes it, shows frames, hears keys, gives it back.
 *
 * ```
 *   run ─> other screen, raw keys ─> frame ─┬─ interval over, space ─> look ─> frame        no answer: says so, and looks again
 *                                           ├─ key, other size ─> frame
 *                                           └─ q, Ctrl-C, -n reached, signal, error ─> as it was before
 * ```
 * Rule: whatever ends the process, the terminal is given back first; `kill -9` alone gets by that. One look at a time, and a terminal that does not take
 * frames gets no more of them.
 *
 * @see termios(3), raw mode; console_codes(4)
 * @module
 */

import { writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import type { Sample } from '../../control/sample.ts';
import { undoAtExit } from '../undo-at-exit.ts';
import { ENTER, frameOf, LEAVE, visibleLines } from './frame.ts';
import { helpLines, type KeyState, press, splitKeys } from './keys.ts';
import { goneLines, type Line, screenLines } from './screen.ts';

const OUTPUT = 1;

/** The terminal of the process, for as long as {@link LiveTerminal.run} runs. */
export class LiveTerminal {
  readonly #look: () => Promise<Sample>;
  readonly #hasColours = (process.env['NO_COLOR'] ?? '') === '';
  readonly #decoder = new StringDecoder('utf8');
  #state: KeyState;
  #left: number;
  #before: Sample | null = null;
  #now: Sample | null = null;
  /** Why the daemon does not answer; '' while it does. */
  #gone = '';
  #isLooking = false;
  #isEntered = false;
  #timer: NodeJS.Timeout | undefined;
  #end: () => void = () => undefined;

  /**
   * @param look - asks the daemon
   * @param most - looks at it until this ends by itself
   */
  constructor(look: () => Promise<Sample>, state: KeyState, most: number) {
    this.#look = look;
    this.#state = state;
    this.#left = most;
  }

  /** Shows the daemon; resolves when it has been ended, with the terminal as it was. */
  async run(first: Sample): Promise<void> {
    const giveBack = undoAtExit(() => this.#leave());
    process.on('SIGTSTP', () => this.#stop());
    process.on('SIGCONT', () => this.#enter());
    // The terminal is gone: there is nobody left to show anything to.
    process.stdout.on('error', () => process.exit(1));
    process.stdin.on('end', () => this.#end());
    process.stdin.on('error', () => this.#end());
    process.stdin.on('data', (part: Buffer) => this.#hear(this.#decoder.write(part)));
    process.stdout.on('resize', () => this.#draw());
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve;
    });
    this.#enter();
    this.#take(first);
    await ended;
    clearTimeout(this.#timer);
    giveBack();
  }

  #hear(text: string): void {
    for (const key of splitKeys(text)) {
      const [state, action] = press(this.#state, key);
      this.#state = state;
      if (action === 'quit') {
        this.#end();
        return;
      }
      if (action === 'stop') this.#stop();
      else if (action === 'look') void this.#lookNow();
      else if (action === 'draw') this.#draw();
    }
  }

  async #lookNow(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    clearTimeout(this.#timer);
    try {
      this.#take(await this.#look());
    } catch (error) {
      this.#gone = error instanceof Error ? error.message : String(error);
      this.#draw();
      this.#wait();
    } finally {
      this.#isLooking = false;
    }
  }

  #take(sample: Sample): void {
    // What was counted before a time without answers says nothing about the present.
    this.#before = this.#gone === '' ? this.#now : null;
    this.#now = sample;
    this.#gone = '';
    this.#draw();
    this.#left -= 1;
    if (this.#left <= 0) this.#end();
    else this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#lookNow(), this.#state.delay * 1000);
  }

  #lines(): Line[] {
    if (this.#state.isHelp) return helpLines(this.#state);
    const shown = this.#now === null ? [] : screenLines(this.#before, this.#now, this.#state);
    if (this.#gone === '') return shown;
    return [...goneLines(this.#gone, this.#state.delay), { text: '', style: 'plain' }, ...shown.slice(1).map(dim)];
  }

  #draw(): void {
    const { stdout } = process;
    if (!this.#isEntered || stdout.writableNeedDrain) return;
    // A serial line may not say how large it is.
    const size = { columns: stdout.columns || 80, rows: stdout.rows || 24 };
    const [lines, above] = visibleLines(this.#lines(), this.#state, size);
    this.#state = { ...this.#state, above };
    stdout.write(frameOf(lines, this.#hasColours));
  }

  /** Also after SIGCONT, whoever sent it: a shell may have changed the terminal meanwhile. */
  #enter(): void {
    process.stdin.setRawMode(true);
    process.stdin.resume();
    process.stdout.write(ENTER);
    this.#isEntered = true;
    this.#draw();
  }

  /** Synchronous, because the process may be about to end. */
  #leave(): void {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    try {
      process.stdin.setRawMode(false);
      writeSync(OUTPUT, LEAVE);
    } catch {
      // The terminal is gone, or does not take anything: nothing can be given back.
    }
    process.stdin.pause();
  }

  /** Ctrl-Z: the shell gets its terminal, and `fg` goes on here. */
  #stop(): void {
    this.#leave();
    process.kill(process.pid, 'SIGSTOP');
  }
}

/** Old numbers look old. */
function dim(line: Line): Line {
  return { ...line, style: 'dim' };
}
