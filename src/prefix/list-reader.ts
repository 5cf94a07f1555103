/**
 * Reads a list of prefixes as it comes, piece by piece, into a table.
 *
 * ```
 *   octets ─> lines, bounded ─> entries ─> PrefixTableBuilder          at the end: the table, and what nobody used
 * ```
 * Floor 1. Rule: no more than one line is kept as text, whatever is sent; what is wrong is named with file and line.
 *
 * @module
 */

import { FirehookError } from '../errors.ts';
import { PrefixTableBuilder } from './build-table.ts';
import { LineError, parseEntry, quoted } from './parse-entry.ts';
import { MOST_PREFIXES, MOST_VALUE } from './table-format.ts';

/** Octets of the longest line, and of a whole list. */
const MOST_LINE = 1_024;
const MOST_LIST = 512 * 1024 * 1024;

const NEWLINE = 0x0a;
/** U+FEFF in UTF-8, which some editors put in front. */
const BYTE_ORDER_MARK = '\u{feff}';

/** How a list is read. */
export interface ListRule {
  /** Name of the file, for messages. */
  readonly file: string;
  /**
   * Numbers for what stands behind a prefix, 0 to 2^30 - 1; what is not named in here has 0. Null: a number stands for itself, and
   * anything else is refused.
   */
  readonly values: Readonly<Record<string, number>> | null;
}

/** What came of a list. */
export interface ListResult {
  readonly table: ArrayBuffer;
  /** Lines that had an entry. */
  readonly entries: number;
  /** Words of {@link ListRule.values} that no line has. */
  readonly unused: readonly string[];
}

/** Takes the octets of one list. */
export class ListReader {
  readonly #rule: ListRule;
  readonly #values: ReadonlyMap<string, number> | null;
  readonly #unused: Set<string>;
  readonly #builder = new PrefixTableBuilder();
  readonly #decoder = new TextDecoder();
  /** Start of a line whose end has not come. */
  #rest: Uint8Array = new Uint8Array(0);
  #octets = 0;
  #line = 0;
  #entries = 0;

  constructor(rule: ListRule) {
    this.#rule = rule;
    this.#values = rule.values === null ? null : new Map(Object.entries(rule.values));
    this.#unused = new Set(this.#values?.keys());
  }

  /**
   * Takes the next piece.
   *
   * @param octets - borrowed during the call
   * @throws {@link FirehookError} FIREHOOK_TABLE_INVALID naming file and line
   */
  take(octets: Uint8Array): void {
    this.#octets += octets.length;
    if (this.#octets > MOST_LIST) this.#refuse(`the list has more than ${MOST_LIST / 2 ** 20} MiB`);
    let from = 0;
    for (let end = octets.indexOf(NEWLINE); end !== -1; end = octets.indexOf(NEWLINE, from)) {
      this.#takeLine(this.#joined(octets.subarray(from, end)));
      from = end + 1;
    }
    // A copy: `slice` of a Buffer is none.
    this.#rest = this.#joined(Uint8Array.from(octets.subarray(from)));
    if (this.#rest.length > MOST_LINE) this.#takeLine(this.#rest);
  }

  /**
   * The table, when all has come.
   *
   * @throws {@link FirehookError} FIREHOOK_TABLE_INVALID for the last line, which may have no end
   */
  end(): ListResult {
    if (this.#rest.length > 0) this.#takeLine(this.#joined(new Uint8Array(0)));
    return { table: this.#builder.build(), entries: this.#entries, unused: [...this.#unused] };
  }

  /** What was left over, and this. */
  #joined(octets: Uint8Array): Uint8Array {
    const rest = this.#rest;
    if (rest.length === 0) return octets;
    this.#rest = new Uint8Array(0);
    const joined = new Uint8Array(rest.length + octets.length);
    joined.set(rest);
    joined.set(octets, rest.length);
    return joined;
  }

  #takeLine(octets: Uint8Array): void {
    this.#line += 1;
    if (octets.length > MOST_LINE) this.#refuse(`the line has more than ${MOST_LINE} octets`);
    const text = this.#decoder.decode(octets);
    try {
      this.#takeEntry(this.#line === 1 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      this.#refuse(error.message);
    }
  }

  #takeEntry(text: string): void {
    const entry = parseEntry(text);
    if (entry === null) return;
    const value = this.#valueOf(entry.value);
    for (const { bytes, prefixLength } of entry.prefixes) {
      if (this.#builder.size === MOST_PREFIXES) throw new LineError(`the list has more than ${MOST_PREFIXES} prefixes`);
      this.#builder.add(bytes, prefixLength, value);
    }
    this.#entries += 1;
  }

  #valueOf(text: string): number {
    if (text === '') return 1;
    if (this.#values !== null) {
      this.#unused.delete(text);
      return this.#values.get(text) ?? 0;
    }
    const value = /^(?:0|[1-9]\d{0,9})$/.test(text) ? Number(text) : Number.NaN;
    if (value <= MOST_VALUE) return value;
    throw new LineError(
      `${quoted(text)} is no value; expected a number from 0 to ${MOST_VALUE}, or words that values: knows`,
    );
  }

  #refuse(reason: string): never {
    throw new FirehookError('FIREHOOK_TABLE_INVALID', `${this.#rule.file}:${Math.max(this.#line, 1)}: ${reason}`);
  }
}
