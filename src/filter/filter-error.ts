/**
 * The one error of this folder: what is wrong with a filter's text, and at which column.
 *
 * ```
 *   filter: column 9: "prot" is not known here; did you mean port?
 *   tcp dst prot 443
 *           ^
 * ```
 * Floor 1. Rule: whatever the text is, reading and compiling it either succeeds or throws this.
 *
 * @module
 */

import { FirehookError } from '../errors.ts';

/** Octets of the text that are shown beside the caret. */
const SHOWN_BEFORE = 60;
const SHOWN_AFTER = 20;

/** A text that is no filter, or one that firehook does not support. */
export class FilterError extends FirehookError {
  /** Where it is wrong: 1 for the first character. */
  readonly column: number;
  /** What is wrong, as one sentence without the column. */
  readonly problem: string;
  /** Two lines: the text around the column, and a caret below the column. */
  readonly excerpt: string;

  /**
   * @param text - the whole filter
   * @param column - counted from 1; one more than the length of the text where the text ends too early
   */
  constructor(text: string, column: number, problem: string) {
    super('FIREHOOK_FILTER_INVALID', `column ${column}: ${problem}`);
    this.name = 'FilterError';
    this.column = column;
    this.problem = problem;
    this.excerpt = excerptOf(text, column);
  }
}

/** The text around the column, control characters shown as spaces, and the caret. */
function excerptOf(text: string, column: number): string {
  const from = Math.max(0, column - 1 - SHOWN_BEFORE);
  const shown = text.slice(from, column - 1 + SHOWN_AFTER).replaceAll(/[^\x20-\x7e]/g, ' ');
  return `${shown}\n${' '.repeat(column - 1 - from)}^`;
}
