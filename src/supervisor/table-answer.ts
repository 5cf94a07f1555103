/**
 * What the process that builds a table says, looked at as it comes.
 *
 * ```
 *   {"octets": N, "entries": ..., "unused": [...]}\n  then N octets, the table          or  {"error": {code, message}}\n
 * ```
 * Rule: no more is kept than a first line of bounded length and as many octets as it promised, within the bounds of a table; and a table
 * that has a fault is none.
 *
 * @see table-process.ts
 * @module
 */

import * as z from 'zod';
import { FirehookError } from '../errors.ts';
import { findFault } from '../prefix/find-fault.ts';
import { HEADER_OCTETS, MOST_OCTETS, MOST_PREFIXES } from '../prefix/table-format.ts';
import { printable } from '../telemetry/printable.ts';

/** Octets of the first line. */
const MOST_LINE = 16 * 1024;
const NEWLINE = 0x0a;

const lineSchema = z.union([
  z.strictObject({
    octets: z.int().min(HEADER_OCTETS).max(MOST_OCTETS),
    entries: z.int().min(0).max(MOST_PREFIXES),
    unused: z.array(z.string().max(256)).max(16),
  }),
  z.strictObject({
    error: z.strictObject({
      code: z.enum(['FIREHOOK_TABLE_UNREADABLE', 'FIREHOOK_TABLE_INVALID']),
      message: z.string().max(8_192),
    }),
  }),
]);

/** A table as it was built. */
export interface BuiltTable {
  readonly memory: ArrayBuffer;
  /** Lines of the list that had an entry. */
  readonly entries: number;
  /** Some of the words of `values` that no line has. */
  readonly unused: readonly string[];
}

/** Takes one answer. */
export class TableAnswer {
  #line: Buffer[] = [];
  #lineLength = 0;
  #said: z.output<typeof lineSchema> | null = null;
  #memory: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #filled = 0;

  /** Takes a piece. @returns what is wrong with it; null where nothing is */
  take(piece: Buffer): string | null {
    if (this.#said !== null) return this.#fill(piece);
    const end = piece.indexOf(NEWLINE);
    const part = end === -1 ? piece : piece.subarray(0, end);
    this.#line.push(part);
    this.#lineLength += part.length;
    if (this.#lineLength > MOST_LINE) return `it said more than ${MOST_LINE} octets in a line`;
    if (end === -1) return null;
    const said = parse(Buffer.concat(this.#line).toString());
    if (said === null) return 'its answer is none';
    this.#said = said;
    if ('octets' in said) this.#memory = new Uint8Array(said.octets);
    return this.#fill(piece.subarray(end + 1));
  }

  /**
   * What was built, when the process has ended well.
   *
   * @throws {@link FirehookError} what the list was refused for; FIREHOOK_TABLE_BUILD when it is no table
   */
  end(file: string): BuiltTable {
    const said = this.#said;
    if (said === null) throw buildError(file, 'it said nothing');
    if ('error' in said) {
      const error = new FirehookError(said.error.code, '');
      error.message = printable(said.error.message);
      throw error;
    }
    if (this.#filled < said.octets) throw buildError(file, `${this.#filled} of ${said.octets} octets came`);
    const memory = this.#memory.buffer;
    const fault = findFault(memory);
    if (fault !== null) throw buildError(file, `what it made is no table: ${fault}`);
    return { memory, entries: said.entries, unused: said.unused.map((word) => printable(word)) };
  }

  #fill(piece: Buffer): string | null {
    if (piece.length > this.#memory.length - this.#filled) return 'it said more than it promised';
    this.#memory.set(piece, this.#filled);
    this.#filled += piece.length;
    return null;
  }
}

/** The error for a process that did not do its work. */
export function buildError(file: string, reason: string): FirehookError {
  return new FirehookError('FIREHOOK_TABLE_BUILD', `${file}: the process that builds it: ${reason}`);
}

function parse(line: string): z.output<typeof lineSchema> | null {
  try {
    return lineSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
