/**
 * The text of a rule file as words, each with its line and column.
 *
 * ```
 *   drop tcp from { 192.0.2.1, @bad } # why        ─>  drop tcp from { 192.0.2.1 , @bad } (end of line)
 * ```
 * Rule: whatever the text is, reading it ends, in time that grows with its length alone, and the only error is {@link RuleError}.
 *
 * @module
 */

import { closest } from './closest.ts';
import type { Place } from './rule.ts';

/** Longest text that is read, in characters. */
export const MAX_TEXT = 32 * 1024 * 1024;
/** Most of a word that a message shows. */
const MAX_SHOWN = 40;

/** One word: a sign out of `{ } , =`, a run of other characters, {@link END_OF_LINE}, or {@link END_OF_TEXT}. */
export interface Word extends Place {
  readonly text: string;
}

export const END_OF_LINE = '\n';
export const END_OF_TEXT = '';

const BLANKS = /[ \t\r]*(?:#[^\n]*)?/y;
const WORD = /[^ \t\r\n{},=#]+|[{},=\n]/y;

/** What is wrong with a rule file, as one line that starts with the file, the line and the column. */
export class RuleError extends Error {
  readonly line: number;
  readonly column: number;

  constructor(file: string, { line, column }: Place, problem: string) {
    super(`${file}:${line}:${column}: ${problem}`);
    this.name = 'RuleError';
    this.line = line;
    this.column = column;
  }
}

/** Goes through the words of a text. */
export class Words {
  readonly #file: string;
  readonly #text: string;
  #at = 0;
  #line = 1;
  #lineStart = 0;
  #word: Word;

  /** @throws {@link RuleError} when the text is too long */
  constructor(text: string, file: string) {
    this.#file = file;
    this.#text = text;
    if (text.length > MAX_TEXT)
      throw this.error({ line: 1, column: 1 }, `the rules have more than ${MAX_TEXT} characters`);
    if (text.startsWith('\ufeff')) this.#at = 1;
    this.#word = this.#read();
  }

  /** The word that is next. */
  get word(): Word {
    return this.#word;
  }

  /** True when the next word is `text`. */
  isAt(text: string): boolean {
    return this.#word.text === text;
  }

  /** True at the end of a line, and of the text. */
  get isAtEnd(): boolean {
    return this.#word.text === END_OF_LINE || this.#word.text === END_OF_TEXT;
  }

  /** Goes on behind the next word, and returns it. At the end of the text it stays there. */
  take(): Word {
    const word = this.#word;
    this.#word = this.#read();
    return word;
  }

  /** Goes on behind the next word if that is `text`. */
  takeIf(text: string): boolean {
    if (!this.isAt(text)) return false;
    this.take();
    return true;
  }

  /** Goes on to the next word that is no end of a line. */
  skipLines(): void {
    while (this.isAt(END_OF_LINE)) this.take();
  }

  /** An error at a place of this text. */
  error(place: Place, problem: string): RuleError {
    return new RuleError(this.#file, place, problem);
  }

  /** The error for a word that cannot stand where it does. */
  unexpected(word: Word, expected: string): RuleError {
    return this.error(word, `${show(word)} cannot stand here; expected ${expected}`);
  }

  /** The same, with the word of `known` that was probably meant. */
  unknown(word: Word, known: Iterable<string>, expected: string): RuleError {
    const meant = closest(word.text, known);
    if (meant === undefined) return this.unexpected(word, expected);
    return this.error(word, `${show(word)} cannot stand here; did you mean ${meant}?`);
  }

  #read(): Word {
    this.#at += this.#match(BLANKS).length;
    const at = this.#at;
    const line = this.#line;
    const column = at - this.#lineStart + 1;
    const text = this.#match(WORD);
    this.#at = at + text.length;
    if (text === END_OF_LINE) {
      this.#line += 1;
      this.#lineStart = this.#at;
    }
    return { text, line, column };
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0] ?? '';
  }
}

/** A word as a message shows it: short, printable, in quotation marks. */
export function show({ text }: Pick<Word, 'text'>): string {
  if (text === END_OF_LINE) return 'the end of the line';
  if (text === END_OF_TEXT) return 'the end of the rules';
  const short = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
  return JSON.stringify(short).replaceAll(/[^\x20-\x7e]/g, '?');
}
