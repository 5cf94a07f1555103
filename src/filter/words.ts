/**
 * The words of a filter one ahead of the parser, and what it says where a word does not fit.
 *
 * Floor 1. Rule: a word is looked at once, and the first one that does not fit is the one that the error points at.
 *
 * @module
 */

import { closestKey } from '../config/closest-key.ts';
import { FilterError } from './filter-error.ts';
import { REFUSED } from './names.ts';
import { KEYWORDS, PROTOCOL_WORDS, Scanner, shorten, type Word } from './scan.ts';

/** Deepest nesting of parentheses and of `not`. */
export const MAX_DEPTH = 100;

/** The word that is next, and the way to the one after it. */
export class Words {
  readonly #scanner: Scanner;
  #next: Word | null = null;
  #depth = 0;

  constructor(text: string) {
    this.#scanner = new Scanner(text);
  }

  /** The next word. It is not read before somebody asks: what is wrong before it is said first. */
  get word(): Word {
    this.#next ??= this.#scanner.next();
    return this.#next;
  }

  /** Steps over the next word and returns it. */
  take(): Word {
    const { word } = this;
    this.#next = null;
    return word;
  }

  /** True when the next word is that keyword. */
  is(keyword: string): boolean {
    return this.word.kind === 'keyword' && this.word.text === keyword;
  }

  /** True behind the last word. */
  isEnd(): boolean {
    return this.word.kind === 'end';
  }

  /** Steps over the next word when it is that keyword. */
  skip(keyword: string): boolean {
    if (!this.is(keyword)) return false;
    this.take();
    return true;
  }

  /** Steps over that keyword. */
  expect(keyword: string): void {
    if (!this.skip(keyword)) this.fail(keyword);
  }

  /** Steps over a number and returns it. */
  number(expected: string): Word {
    if (this.word.kind !== 'number') this.fail(expected);
    return this.take();
  }

  /** Does something one level deeper. */
  nested<T>(column: number, read: () => T): T {
    if (this.#depth === MAX_DEPTH) this.failAt(column, `more than ${MAX_DEPTH} levels of parentheses and of not`);
    this.#depth++;
    const result = read();
    this.#depth--;
    return result;
  }

  /**
   * Says that the next word does not fit.
   *
   * @param expected - what could stand there
   */
  fail(expected: string): never {
    const { kind, text, column } = this.word;
    if (kind === 'refused') this.failAt(column, `${text} ${REFUSED.get(text)}`);
    if (kind === 'end') this.failAt(column, `the filter ends here; expected ${expected}`);
    if (kind === 'name') this.failAt(column, `${unknownName(text)}; expected ${expected}`);
    const shown = kind === 'keyword' && text === '!' ? 'not' : shorten(text);
    const hint = kind === 'keyword' && PROTOCOL_WORDS.has(text) ? ` (as a name it is written \\${text})` : '';
    this.failAt(column, `"${shown}" does not fit here${hint}; expected ${expected}`);
  }

  /** Says what is wrong at a column. */
  failAt(column: number, problem: string): never {
    throw new FilterError(this.#scanner.text, column, problem);
  }
}

/**
 * What to say about a name that means nothing where it stands.
 *
 * @param known - the words that it may have been meant to be
 */
export function unknownName(name: string, known: readonly string[] = Array.from(KEYWORDS)): string {
  if (/^(?:len|length|\d+)-/.test(name)) return `"${shorten(name)}" is one name; write spaces around the -`;
  const near = closestKey(name, known);
  const hint = near === undefined || near === name ? '' : `; did you mean ${near}?`;
  return `"${shorten(name)}" is not known here${hint}`;
}
